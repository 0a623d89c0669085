"""Everything a data card says, measured: the general check, alignment, balance, drives, classes and their company."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from segmif.checks import InputError
from segmif.data.base import PairDataset
from segmif.data.catalog import CATALOG, open_scan, scan_dataset
from segmif.data.check import CheckReport, check_dataset, summary
from segmif.data.info import DatasetInfo
from segmif.data.likeness import sequence_links
from segmif.data.parallel import map_samples
from segmif.data.problems import Problem, errors
from segmif.data.reader import NIGHT_SKY, FileDataset
from segmif.rig.building.build import SUMMARY, BuildConfig
from segmif.rig.building.drives import Moment, read_moments
from segmif.rig.building.statistics import Statistics
from segmif.rig.homography import corner_error
from segmif.rig.record.schedule import Place
from segmif.rig.register import register

MISALIGNED = 5.0
"""Mean distance of the corners in pixels from which a pair counts as misaligned."""
_NUMBERS = 10
_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """What registration says of a pair as it is.

    Attributes:
        name: of the pair.
        sure: whether the pictures had enough in common to tell.
        quality: of the registration, in [0, 1].
        pixels: mean distance by which it would move the corners of the infrared picture.
        parallax: 95th percentile of what is left in single blocks after it, in pixels; None where none could be told.
    """

    name: str
    sure: bool
    quality: float
    pixels: float
    parallax: float | None


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What was found out about a data set.

    Attributes:
        report: of the general check; `problems` holds its findings and those made here.
        statistics: of the labelled pictures, grouped by split; None without labels.
        by_time: the same grouped by ``day`` and ``night``.
        brightness: pairs by split and time of day as brightness (or the name) tells it.
        sun: the same as the sun's height tells it, where time and place are known.
        agree: pairs for which both were told, and for how many they say the same (dusk fits both).
        drives: drive of each pair, where the data set or a list says it.
        alignments: of the pairs that were examined.
        built: how the data set was built, if this package did it.
        problems: everything that was found wrong.
    """

    report: CheckReport
    statistics: Statistics | None
    by_time: Statistics | None
    brightness: Mapping[str, Counter[str]]
    sun: Mapping[str, Counter[str]]
    agree: tuple[int, int]
    drives: Mapping[str, str]
    alignments: Sequence[Alignment]
    built: Mapping[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong that makes samples unusable or scores false."""
        return not errors(self.problems)

    @property
    def sure(self) -> list[Alignment]:
        """The alignments that can be believed."""
        return [alignment for alignment in self.alignments if alignment.sure]


def own_info(root: Path, *, night_sky: float | None = None) -> DatasetInfo:
    """The description of one's own data set in the layout of FMB, or in the simple one.

    Args:
        root: its folder.
        night_sky: brightness below which a picture is of the night; by default what it was built with.

    Raises:
        InputError: its record of the build is damaged, or no brightness.
    """
    name = root.resolve().name or "folder"
    built = _built(root).get("config", {})
    config = BuildConfig(night_sky=built.get("night_sky", NIGHT_SKY) if night_sky is None else night_sky)
    own = replace(
        CATALOG["fmb"], name=name, title=name, sizes={}, licence="", home="", citation="", folders=(), notes=()
    )
    return replace(own, night_sky=config.night_sky)


def inspect(
    info: DatasetInfo,
    root: Path,
    *,
    pairs: int = 100,
    place: Place | None = None,
    workers: int = 1,
    on_progress: Callable[[], None] = lambda: None,
) -> Inspection:
    """Measure a data set.

    Args:
        info: its description, see `own_info`.
        root: where it lies.
        pairs: how many pairs are registered to tell their alignment, evenly spread; 0 for none.
        place: (latitude, longitude) of the rig, for pairs with a time but without a position.
        workers: processes.
        on_progress: called after each pair read and each pair registered.

    Raises:
        InputError: the root is missing or in no layout we know, or its list of pairs is damaged.
    """
    report = check_dataset(info, root, workers=workers, on_progress=lambda *_: on_progress())
    moments = read_moments(report.root)
    alignments = _align(info, report, pairs, workers, on_progress)
    examined = {alignment.name for alignment in alignments if alignment.sure}
    problems = [p for p in report.problems if p.kind != "misaligned" or p.where not in examined]
    problems += _misaligned(alignments) + _torn_drives(report.splits, moments)
    told = {fact.name: str(fact.meta["time"]) for fact in report.facts if fact.meta}
    suns = {name: light for name, moment in moments.items() if (light := moment.light(place)) is not None}
    return Inspection(
        report=report,
        statistics=_statistics(report, lambda name: split_of(report, name)),
        by_time=_statistics(report, lambda name: told.get(name, "")),
        brightness=_tally(report.splits, told),
        sun=_tally(report.splits, suns),
        agree=_agreement(told, suns),
        drives=_drives(report, moments),
        alignments=alignments,
        built=_built(report.root),
        problems=problems,
    )


def split_of(report: CheckReport, name: str) -> str:
    """The first split a pair stands in."""
    return next((split for split, names in report.splits.items() if name in names), "")


def _drives(report: CheckReport, moments: Mapping[str, Moment]) -> dict[str, str]:
    known = {fact.name: str(fact.meta["drive"]) for fact in report.facts if "drive" in fact.meta}
    return known | {name: moment.drive for name, moment in moments.items() if moment.drive is not None}


def _statistics(report: CheckReport, group: Callable[[str], str]) -> Statistics | None:
    labelled = [fact for fact in report.facts if fact.pixels is not None]
    if not labelled or report.label_set is None:
        return None
    pixels = np.stack([fact.pixels for fact in labelled if fact.pixels is not None])
    return Statistics(label_set=report.label_set, pixels=pixels, groups=[group(fact.name) for fact in labelled])


def _tally(splits: Mapping[str, Sequence[str]], told: Mapping[str, str]) -> dict[str, Counter[str]]:
    if not told:
        return {}
    return {split: Counter(told[name] for name in names if name in told) for split, names in splits.items()}


def _agreement(told: Mapping[str, str], suns: Mapping[str, str]) -> tuple[int, int]:
    both = [(told[name], suns[name]) for name in suns if name in told]
    return len(both), sum(sun in (eye, "dusk") for eye, sun in both)


def _align(
    info: DatasetInfo, report: CheckReport, pairs: int, workers: int, on_progress: Callable[[], None]
) -> list[Alignment]:
    readable = {fact.name for fact in report.facts if fact.size is not None and fact.meta["infrared"] != "simulated"}
    if not pairs or not readable:
        return []
    dataset = open_scan(info, scan_dataset(info, report.root), strict=False)
    records = [record for record in dataset.records if record.name in readable]
    count = min(pairs, len(records))
    chosen = replace(dataset, records=[records[i * len(records) // count] for i in range(count)])
    alignments = []
    for alignment in map_samples(_alignment, chosen, workers=workers):
        alignments += [alignment] if alignment is not None else []
        on_progress()
    return alignments


def _alignment(dataset: PairDataset, index: int) -> Alignment | None:
    assert isinstance(dataset, FileDataset)
    sample, _ = dataset.load(index)
    if sample is None:
        return None
    try:
        found = register(sample.infrared, sample.visible)
    except InputError:  # too small to register
        return None
    left = found.parallax.pixels
    return Alignment(
        name=sample.name,
        sure=found.accepted,
        quality=found.quality,
        pixels=corner_error(found.homography, np.eye(3), sample.size),
        parallax=float(np.percentile(left, 95)) if len(left) else None,
    )


def _misaligned(alignments: Sequence[Alignment]) -> list[Problem]:
    return [
        Problem(
            kind="misaligned",
            where=alignment.name,
            message=f"infrared lies {alignment.pixels:.1f} pixels off (quality {alignment.quality:.2f}); "
            "register it: segmif rig register",
            severity="warning",
        )
        for alignment in alignments
        if alignment.sure and alignment.pixels > MISALIGNED
    ]


def _torn_drives(splits: Mapping[str, Sequence[str]], moments: Mapping[str, Moment]) -> list[Problem]:
    """Drives that stand in two splits: known ones are errors, neighbours by name warnings."""
    places = {name: split for split, names in splits.items() for name in names}
    drives: dict[str, dict[str, list[str]]] = {}
    for name, split in places.items():
        moment = moments.get(name.rpartition("/")[2])
        if moment is not None and moment.drive is not None:
            drives.setdefault(moment.drive, {}).setdefault(split, []).append(name)
    problems = [
        Problem(
            kind="leak",
            where=f"drive {drive}",
            message=f"stands in {' and '.join(f'{s} ({_few(names)})' for s, names in parts.items())}; keep it in one",
        )
        for drive, parts in drives.items()
        if len(parts) > 1
    ]
    if not drives:
        problems += [
            Problem(
                kind="leak",
                where=left,
                message=f"is a neighbour of {right} by name but in another split ({places[left]}, {places[right]}); "
                "divide by drive or sequence",
                severity="warning",
            )
            for left, right in sequence_links(list(places), gap=_NUMBERS)
            if places[left] != places[right]
        ]
    return problems


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _built(root: Path) -> dict[str, Any]:
    path = root / SUMMARY
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f"{path}: is not JSON ({error}); build the data set again, or remove the file") from error
    return content if isinstance(content, dict) else {}


def as_dict(inspection: Inspection) -> dict[str, Any]:
    """Plain values, for JSON."""
    statistics = inspection.statistics
    return {
        **summary(inspection.report),
        "sound": inspection.sound,
        "by_brightness": {split: dict(tally) for split, tally in inspection.brightness.items()},
        "by_sun": {split: dict(tally) for split, tally in inspection.sun.items()},
        "sun_and_brightness": {"pairs": inspection.agree[0], "agree": inspection.agree[1]},
        "drives": len(set(inspection.drives.values())),
        "classes": {
            name: {"pictures": int(images), "pixels": int(pixels)}
            for name, images, pixels in zip(
                statistics.label_set.classes, statistics.images, statistics.totals, strict=False
            )
        }
        if statistics
        else {},
        "together": statistics.together().tolist() if statistics else [],
        "registration": [
            {
                "name": a.name,
                "sure": a.sure,
                "quality": round(a.quality, 4),
                "pixels": round(a.pixels, 2),
                "parallax_p95": None if a.parallax is None else round(a.parallax, 2),
            }
            for a in inspection.alignments
        ],
        "problems": [problem.as_dict() for problem in inspection.problems],
    }
