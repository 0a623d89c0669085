"""Is a data set whole and sound? Everything that can be found wrong with it, in one report."""

from __future__ import annotations

import functools
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segmif.data.alignment import Shift, estimate_shift
from segmif.data.base import PairDataset, PairSample
from segmif.data.catalog import open_scan, scan_dataset
from segmif.data.info import DatasetInfo
from segmif.data.layout import Scan
from segmif.data.likeness import NEAR, NEAR_VISIBLE_ONLY, groups_of, near_pairs, pair_hash
from segmif.data.parallel import map_samples
from segmif.data.problems import Problem, errors
from segmif.data.reader import FileDataset
from segmif.labelsets import IGNORE, LabelSet
from segmif.pairing import natural_key

_SHIFTS_PER_DATASET = 200
_ALIGNED = 5.0
"""Shift in pixels above which a pair is called misaligned: people are a few pixels wide at a distance."""


@dataclass(frozen=True, kw_only=True)
class SampleFacts:
    """What one look at a sample told; everything is None or empty where it could not be read."""

    name: str
    split: str
    problems: list[Problem]
    size: tuple[int, int] | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    pixels: npt.NDArray[np.int64] | None = None
    box_classes: tuple[int, ...] = ()
    has_boxes: bool = False
    fingerprint: int | None = None
    shift: Shift | None = None


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """The result of `check_dataset`; `facts` are in the order of the samples, `duplicates` are groups."""

    info: DatasetInfo
    root: Path
    layout: str
    label_set: LabelSet | None
    splits: dict[str, list[str]]
    facts: list[SampleFacts]
    problems: list[Problem]
    duplicates: list[list[str]]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong that makes samples unusable or scores false."""
        return not errors(self.problems)


def check_dataset(
    info: DatasetInfo,
    root: str | os.PathLike[str],
    *,
    workers: int = 1,
    on_progress: Callable[[int, int], None] = lambda finished, total: None,
) -> CheckReport:
    """Read every sample and report: counts, pairing, sizes, label values, boxes, damage, duplicates across splits,
    misalignment (of up to 200 pairs), classes.

    Raises:
        InputError: the root is missing, is an archive, or is in no layout we know.
    """
    found = scan_dataset(info, root)
    problems = [*found.problems, *_bad_links(found.root), *_count_problems(info, found)]
    names = found.unique_names()
    splits = {split: [names[record.visible] for record in records] for split, records in found.splits.items()}
    facts: list[SampleFacts] = []
    label_set = found.layout.label_set or info.label_set
    if any(splits.values()):
        dataset = open_scan(info, found, strict=False)
        label_set = dataset.label_set
        look = functools.partial(_look, max(1, len(dataset) // _SHIFTS_PER_DATASET))
        for fact in map_samples(look, dataset, workers=workers):
            facts.append(fact)
            on_progress(len(facts), len(dataset))
    problems += [problem for fact in facts for problem in fact.problems]
    duplicates = _duplicates(facts)
    problems += _leaks(splits, duplicates) + _misaligned(facts) + _absent_classes(info, label_set, facts)
    return CheckReport(
        info=info,
        root=found.root,
        layout=found.layout.name,
        label_set=label_set,
        splits=splits,
        facts=facts,
        problems=problems,
        duplicates=duplicates,
    )


def _look(every: int, dataset: PairDataset, index: int) -> SampleFacts:
    assert isinstance(dataset, FileDataset)
    record = dataset.records[index]
    sample, problems = dataset.load(index)
    if sample is None:
        return SampleFacts(name=record.name, split=record.split, problems=problems)
    thermal = sample.meta["infrared"] != "simulated"
    return SampleFacts(
        name=record.name,
        split=record.split,
        problems=problems + _odd_pictures(sample, str(record.visible)),
        size=sample.size,
        meta=dict(sample.meta),
        pixels=None if sample.labels is None else np.bincount(sample.labels.ravel(), minlength=256),
        box_classes=() if sample.boxes is None else tuple(int(i) for i in sample.boxes.class_ids),
        has_boxes=sample.boxes is not None,
        fingerprint=pair_hash(sample.infrared, sample.visible),
        shift=estimate_shift(sample.infrared, sample.visible) if thermal and index % every == 0 else None,
    )


def _odd_pictures(sample: PairSample, where: str) -> list[Problem]:
    """A picture of one value; near infrared in which plants are dark."""
    flat = [band for band in ("infrared", "visible") if np.ptp(getattr(sample, band)) == 0]
    messages = [("flat", f"the {band} picture has one value everywhere") for band in flat]
    if sample.meta["infrared"] == "near" and sample.labels is not None:
        plants = (sample.labels > 0) & (sample.labels != IGNORE)
        if plants.any() and not plants.all() and sample.infrared[plants].mean() < sample.infrared[~plants].mean():
            messages.append(("bands", "plants are darker than soil in near infrared: red and infrared may be swapped"))
    return [Problem(kind=kind, where=where, message=text, severity="warning") for kind, text in messages]


def _duplicates(facts: Sequence[SampleFacts]) -> list[list[str]]:
    """Groups of near-duplicates."""
    hashes = {fact.name: fact.fingerprint for fact in facts if fact.fingerprint is not None}
    one_camera = any(fact.meta.get("infrared") == "simulated" for fact in facts)
    near = near_pairs(hashes, within=NEAR_VISIBLE_ONLY if one_camera else NEAR)
    return [group for group in groups_of(list(hashes), [(a, b) for a, b, _ in near]) if len(group) > 1]


def _count_problems(info: DatasetInfo, found: Scan) -> list[Problem]:
    problems = []
    for split, published in info.sizes.items():
        have = len(found.splits.get(split, [])) if split != "all" else len(found.records("all"))
        if have != published and (have or split != "all"):
            problems.append(
                Problem(
                    kind="count",
                    where=f"{found.root} ({split})",
                    message=f"{have} pairs, the published {split} split has {published}: a part, or not all unpacked",
                    severity="warning",
                )
            )
    return problems


def _bad_links(root: Path) -> list[Problem]:
    """Links that lead nowhere, or back up into the data set."""
    problems = []
    for folder, folders, files in os.walk(root):
        for path in (Path(folder) / name for name in [*folders, *files]):
            if not path.is_symlink():
                continue
            if not path.exists():
                problems.append(Problem(kind="link", where=str(path), message="link that leads nowhere; remove it"))
            elif path.is_dir() and path.resolve() in (Path(folder).resolve(), *Path(folder).resolve().parents):
                message = "link to a folder above it (a loop); not followed, remove it"
                problems.append(Problem(kind="link", where=str(path), message=message, severity="warning"))
    return problems


def _leaks(splits: dict[str, list[str]], groups: Sequence[Sequence[str]]) -> list[Problem]:
    """The same pair, or near-duplicates, in two splits of which neither is a part of the other."""
    problems = []
    members = {split: set(names) for split, names in splits.items()}
    for one, two in itertools.combinations(members, 2):
        if members[one] <= members[two] or members[two] <= members[one]:
            continue
        problems += [
            Problem(kind="leak", where=name, message=f"stands in both {one} and {two}; keep it in one")
            for name in sorted(members[one] & members[two], key=natural_key)
        ]
        for group in groups:
            left, right = ([name for name in group if name in members[split]] for split in (one, two))
            if left and right and set(left) != set(right):
                message = f"near-duplicates: {_few(left)} in {one}, {_few(right)} in {two}; keep them in one"
                problems.append(Problem(kind="leak", where=left[0], message=message, severity="warning"))
    return problems


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _misaligned(facts: Iterable[SampleFacts]) -> list[Problem]:
    return [
        Problem(
            kind="misaligned",
            where=fact.name,
            message=f"infrared lies about ({fact.shift.dx:+.0f}, {fact.shift.dy:+.0f}) pixels off the visible picture",
            severity="warning",
        )
        for fact in facts
        if fact.shift is not None and fact.shift.sure and fact.shift.pixels > _ALIGNED
    ]


def _absent_classes(info: DatasetInfo, label_set: LabelSet | None, facts: list[SampleFacts]) -> list[Problem]:
    """Classes of which a labelled split has no pixel: a score cannot count them."""
    if label_set is None:
        return []
    problems = []
    for split, pixels in class_pixels(facts).items():
        absent = [name for i, name in enumerate(label_set.classes) if i and not pixels[i]]
        if absent:
            message = f"no pixel of {', '.join(absent)}: leave them out of a mean over classes, or say how they count"
            problems.append(
                Problem(kind="absent-class", where=f"{info.name} {split}", message=message, severity="warning")
            )
    return problems


def class_pixels(facts: Iterable[SampleFacts]) -> dict[str, npt.NDArray[np.int64]]:
    """Pixels per class id (256,) of each split that has labels."""
    totals: dict[str, npt.NDArray[np.int64]] = {}
    for fact in facts:
        if fact.pixels is not None:
            totals[fact.split] = totals.get(fact.split, np.zeros(256, np.int64)) + fact.pixels
    return totals


def summary(report: CheckReport) -> dict[str, Any]:
    """The report as plain values, for JSON and tables."""
    by_split: dict[str, list[SampleFacts]] = {}
    for fact in report.facts:
        by_split.setdefault(fact.split, []).append(fact)
    shifts = [fact.shift for fact in report.facts if fact.shift is not None and fact.shift.sure]
    return {
        "dataset": report.info.name,
        "root": str(report.root),
        "layout": report.layout,
        "sound": report.sound,
        "splits": {split: len(names) for split, names in report.splits.items()},
        "published": dict(report.info.sizes),
        "samples": {split: _split_summary(facts, report.label_set) for split, facts in by_split.items()},
        "near_duplicate_groups": report.duplicates,
        "alignment": _alignment_summary(shifts),
        "problems": [problem.as_dict() for problem in report.problems],
    }


def _split_summary(facts: list[SampleFacts], label_set: LabelSet | None) -> dict[str, Any]:
    pixels = class_pixels(facts)
    total = sum(pixels.values(), np.zeros(256, np.int64))
    classes = label_set.classes if label_set else ()
    boxes = Counter(classes[i] for fact in facts for i in fact.box_classes if i < len(classes))
    share = {name: float(total[i] / max(1, total.sum())) for i, name in enumerate(classes)}
    return {
        "read": sum(fact.size is not None for fact in facts),
        "unreadable": sum(fact.size is None for fact in facts),
        "time": dict(Counter(fact.meta["time"] for fact in facts if fact.meta)),
        "sizes": {f"{w}x{h}": n for (h, w), n in Counter(f.size for f in facts if f.size).most_common(5)},
        "labelled": dict(Counter(fact.meta["label_kind"] for fact in facts if fact.pixels is not None)),
        "with_boxes": sum(fact.has_boxes for fact in facts),
        "class_share": {**share, "ignore": float(total[IGNORE] / total.sum())} if total.sum() else {},
        "boxes": dict(boxes),
    }


def _alignment_summary(shifts: list[Shift]) -> dict[str, Any]:
    if not shifts:
        return {"pairs": 0}
    return {
        "pairs": len(shifts),
        "median_dx": float(np.median([shift.dx for shift in shifts])),
        "median_dy": float(np.median([shift.dy for shift in shifts])),
        "median_pixels": float(np.median([shift.pixels for shift in shifts])),
        "beyond_5_pixels": sum(shift.pixels > _ALIGNED for shift in shifts) / len(shifts),
    }
