"""What is written down about a recording: the facts of each pair, and recording.json about each run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from segmif._version import __version__
from segmif.io import Band, write_json
from segmif.rig.record.frames import HostClock
from segmif.rig.record.gps import Gps
from segmif.rig.record.manifest import Record
from segmif.rig.record.match import Match
from segmif.rig.record.motion import ClockOffset
from segmif.rig.record.schedule import Schedule
from segmif.rig.record.sun import solar_elevation
from segmif.rig.record.track import Track

VERSION = 1
"""Of the layout of recording.json and of the manifest's records."""
DESCRIPTION = "recording.json"

_EVENTS_KEPT = 1000


def pair_facts(
    match: Match, *, offset: ClockOffset, window: str | None, schedule: Schedule | None, gps: Gps | None
) -> Record:
    """What the manifest tells of a pair besides its files: times, offset, position, sun, and what the sensors say."""
    utc = match.utc
    fix = gps.at(utc) if gps is not None else None
    place = (fix.latitude, fix.longitude) if fix else (schedule.place if schedule else None)
    facts: Record = {
        "infrared_time": None if utc is None else iso(utc + match.difference),
        "visible_time": None if utc is None else iso(utc),
        "infrared_stamp": match.infrared.stamp,
        "visible_stamp": match.visible.stamp,
        "difference_ms": round(1000 * match.difference, 3),
        "offset_ms": round(1000 * offset.ahead(match.infrared_time), 3),
        "offset_sd_ms": round(1000 * offset.sd(match.infrared_time), 3) if offset.origin == "motion" else None,
        "offset_origin": offset.origin,
        "window": window,
        "sun_elevation": round(solar_elevation(utc, *place), 2) if place and utc is not None else None,
        "latitude": fix.latitude if fix else None,
        "longitude": fix.longitude if fix else None,
        "altitude": fix.altitude if fix else None,
        "speed": fix.speed if fix else None,
    }
    for band, frame in (("infrared", match.infrared), ("visible", match.visible)):
        facts[f"{band}_exposure_ms"] = frame.exposure_ms
        facts[f"{band}_gain"] = frame.gain
        facts[f"{band}_temperature_c"] = frame.temperature_c
    return facts


class Description:
    """recording.json: one entry per run, with settings, clocks, losses of each camera and events.

    Args:
        folder: of the recording.
        settings: what the user asked for.
        resume: keep the entries of earlier runs.
        say: takes each event as a line for the user.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, Any], *, clock: HostClock, resume: bool, say: Callable[[str], None]
    ) -> None:
        self._path, self._settings, self._clock, self._say = folder / DESCRIPTION, settings, clock, say
        self._events: list[dict[str, Any]] = []
        self._earlier = self._earlier_runs() if resume else []

    def _earlier_runs(self) -> list[Any]:
        try:
            runs = json.loads(self._path.read_bytes())["runs"]
        except (OSError, ValueError, KeyError, TypeError):
            return []
        return list(runs) if isinstance(runs, list) else []

    def note(self, line: str) -> None:
        """Something happened that the user should know, now and later."""
        self._say(line)
        self._events = [*self._events, {"utc": iso(self._clock.utc()), "what": line}][-_EVENTS_KEPT:]

    def write(
        self,
        ended: str,
        *,
        run_pairs: int,
        pairs: int,
        used: int,
        windows: Mapping[str, int],
        offset: ClockOffset,
        tracks: Mapping[Band, Track],
    ) -> None:
        """Write the file, whole or not at all.

        Args:
            ended: why the run is over.
            run_pairs: pairs of this run; `pairs` and `used` (bytes): of all runs; `windows`: pairs of each window.

        Raises:
            InputError: it cannot be written.
        """
        motion = offset.origin == "motion"
        run = {
            "ended": ended,
            "utc": iso(self._clock.utc()),
            "pairs": run_pairs,
            "settings": dict(self._settings),
            "clock": {
                "origin": offset.origin,
                "offset_ms": round(1000 * offset.offset, 3),
                "offset_sd_ms": round(1000 * offset.offset_sd, 3) if motion else None,
                "drift_ppm": round(1e6 * offset.drift, 2),
                "drift_sd_ppm": round(1e6 * offset.drift_sd, 2) if motion else None,
                "correlation": round(offset.correlation, 3) if motion else None,
            },
            "infrared": tracks["infrared"].facts(),
            "visible": tracks["visible"].facts(),
            "events": self._events,
        }
        write_json(
            self._path,
            {
                "version": VERSION,
                "segmif": __version__,
                "pairs": pairs,
                "bytes": used,
                "windows": dict(windows),
                "runs": [*self._earlier, run],
            },
        )


def iso(utc: float) -> str:
    """
    >>> iso(1_750_000_000.25)
    '2025-06-15T15:06:40.250000Z'
    """
    return datetime.fromtimestamp(utc, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
