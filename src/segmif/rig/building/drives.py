"""What a recording's manifest tells about its pairs: when, where, in which drive, by day or by night."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from segmif.checks import InputError
from segmif.rig.record.manifest import MANIFEST, read_manifest
from segmif.rig.record.schedule import SUN_WINDOWS, Place
from segmif.rig.record.sun import solar_elevation

PAIRS = "pairs.jsonl"
"""The list that a built data set carries: one JSON line per pair with its split, its drive and where it came from."""
_TIMES = ("utc", "visible_time", "infrared_time", "time")
"""Members of a record that say when the pair was taken: of our list, of a recording's manifest, of others' lists."""
DRIVE_GAP = 60.0
"""Seconds without a pair after which a new drive begins."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """When and where a pair was taken.

    Attributes:
        name: of the pair.
        utc: seconds since 1970; None if unknown.
        place: (latitude, longitude) in degrees; None if unknown.
        drive: its drive, where a list says so.
        split: likewise.
    """

    name: str
    utc: float | None = None
    place: Place | None = None
    drive: str | None = None
    split: str | None = None

    def light(self, place: Place | None = None) -> str | None:
        """``day``, ``dusk`` or ``night`` by the height of the sun; None without time or place.

        Args:
            place: where the rig was, for pairs without a position of their own.

        >>> Moment(name="a", utc=1718971200.0, place=(51.5, 0.0)).light()  # London, 21 June, noon
        'day'
        """
        where = self.place or place
        if self.utc is None or where is None:
            return None
        height = solar_elevation(self.utc, *where)
        return next(name for name, (low, high) in SUN_WINDOWS.items() if low <= height <= high)


def read_moments(root: Path) -> dict[str, Moment]:
    """Moments by pair name from ``pairs.jsonl`` of a built data set or the manifest of a recording; {} without either.

    Raises:
        InputError: the file is damaged.
    """
    path = root / PAIRS
    if path.is_file():
        records = [_parsed(line, f"{path}:{number}") for number, line in _lines(path)]
    else:
        records = read_manifest(root / MANIFEST)[0]
    moments = (_moment(record) for record in records)
    return {moment.name: moment for moment in moments}


def _lines(path: Path) -> Iterable[tuple[int, str]]:
    text = path.read_text(encoding="utf-8", errors="replace")
    return [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def _parsed(line: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict) or "name" not in record:
        raise InputError(f"{where}: is no record of a pair; build the data set again, or remove the file")
    return record


def _moment(record: Mapping[str, Any]) -> Moment:
    latitude, longitude = (_number(record.get(key)) for key in ("latitude", "longitude"))
    drive, split = record.get("drive"), record.get("split")
    return Moment(
        name=PurePosixPath(str(record["name"])).as_posix(),
        utc=next((utc for key in _TIMES if (utc := _seconds(record.get(key))) is not None), None),
        place=None if latitude is None or longitude is None else (latitude, longitude),
        drive=None if drive is None else str(drive),
        split=None if split is None else str(split),
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _seconds(value: object) -> float | None:
    """Seconds since 1970 of a number or of an ISO 8601 time with its zone."""
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value).timestamp()
        except ValueError:
            return None
    return _number(value)


def drive_links(moments: Iterable[Moment], *, gap: float = DRIVE_GAP) -> list[tuple[str, str]]:
    """Links between pairs of one drive: neighbours in time at most `gap` seconds apart, and pairs a list puts together.

    >>> times = {"a": 0.0, "b": 50.0, "c": 200.0}
    >>> drive_links([Moment(name=name, utc=utc) for name, utc in times.items()])
    [('a', 'b')]
    """
    moments = list(moments)
    known = [(moment.utc, moment.name) for moment in moments if moment.utc is not None]
    links = [
        (before, after) for (early, before), (late, after) in itertools.pairwise(sorted(known)) if late - early <= gap
    ]
    drives: dict[str, str] = {}
    for moment in moments:
        if moment.drive is not None:
            links += [(drives[moment.drive], moment.name)] if moment.drive in drives else []
            drives[moment.drive] = moment.name
    return links


def name_drives(groups: Sequence[Sequence[str]]) -> dict[str, str]:
    """A number for the drive of every pair, from groups in order.

    >>> name_drives([["a", "c"], ["b"]])
    {'a': '1', 'c': '1', 'b': '2'}
    """
    width = len(str(len(groups)))
    return {name: f"{number:0{width}d}" for number, group in enumerate(groups, 1) for name in group}
