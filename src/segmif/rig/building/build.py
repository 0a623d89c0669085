"""From a recorded and annotated folder to the layout of FMB, in splits that keep every drive together.

Every pair is first staged below ``OUT/.build`` (so a stopped build goes on where it was), then the staged pairs are
divided and moved into ``train``, ``test`` and so on. A pair that will not do is left out and listed, never fatal.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segmif.checks import InputError, check_same_size, unknown
from segmif.data.labels import Ids
from segmif.data.likeness import NEAR, groups_of, near_pairs, pair_hash, sequence_links
from segmif.data.problems import Problem
from segmif.data.reader import NIGHT_SKY, time_by_brightness, to_grey
from segmif.data.splits import make_splits
from segmif.io import (
    decode_image,
    encode_image,
    encode_labels,
    read_bytes,
    read_image,
    to_unit,
    write_bytes,
    write_json,
    write_text,
)
from segmif.labelsets import IGNORE
from segmif.pairing import Pair
from segmif.rig.building.drives import DRIVE_GAP, PAIRS, Moment, drive_links, name_drives, read_moments
from segmif.rig.building.sources import Sources
from segmif.rig.register import register, warp_infrared

STAGE = ".build"
SUMMARY = "build.json"
BY = ("drive", "sequence", "hash")
_NEAR_NUMBERS = 10
"""Step between the numbers in names from which pairs without a time are of two drives."""


@dataclass(frozen=True, kw_only=True)
class BuildConfig:
    """How to build.

    Attributes:
        parts: wanted part of each split; they add up to 1.
        by: what must not be torn apart, besides near-duplicates: ``drive`` (pairs close in time, from the manifest;
            pairs without a time as by sequence), ``sequence`` (names with near numbers) or ``hash`` (nothing more).
        gap: seconds (drive) or numbers (sequence) between pairs from which a new group begins.
        seed: another number gives another division.
        register: lay infrared on visible first; pairs for which that is refused are left out.
        eight_bits: store infrared as 8 bits, 16-bit counts stretched as `to_unit` does; otherwise as it came.
        night_sky: median brightness (0..1) of the visible picture's upper third below which it is of the night, where
            neither the sun nor a list tells; cameras that expose long at night need more than the default.
    """

    parts: Mapping[str, float] = field(default_factory=lambda: {"train": 0.8, "test": 0.2})
    by: str = "drive"
    gap: float = DRIVE_GAP
    seed: int = 0
    register: bool = False
    eight_bits: bool = False
    night_sky: float = NIGHT_SKY

    def __post_init__(self) -> None:
        if self.by not in BY:
            raise unknown("way to group", self.by, BY)
        if not 0 <= self.night_sky <= 1:
            raise InputError(f"night sky {self.night_sky:g} is no brightness: give 0..1, such as {NIGHT_SKY}")


@dataclass(frozen=True, kw_only=True)
class Built:
    """What a build gave: names by split, the drive of each pair, and what was left out."""

    folder: Path
    splits: Mapping[str, Sequence[str]]
    drives: Mapping[str, str]
    problems: Sequence[Problem]

    @property
    def count(self) -> int:
        """Pairs in all splits."""
        return sum(map(len, self.splits.values()))


def build(
    sources: Sources,
    out: Path,
    config: BuildConfig,
    *,
    resume: bool = False,
    on_progress: Callable[[Pair, Problem | None], None] = lambda pair, problem: None,
) -> Built:
    """Stage every pair, divide them, and move them into place.

    Args:
        sources: the recorded and annotated pairs.
        out: folder of the data set; must not hold one yet.
        config: how.
        resume: go on with the staged pairs of a stopped build.
        on_progress: called after each pair, with what is wrong with it.

    Raises:
        InputError: `out` holds a data set, or nothing is left to build from.
    """
    stage = out / STAGE
    if (out / SUMMARY).exists():
        raise InputError(f"{out}: holds a built data set already; choose another folder with --out")
    if stage.exists() and not resume:
        raise InputError(f"{out}: holds a build that was stopped; go on with --resume, or remove {stage}")
    if not stage.exists() and any((out / split).exists() for split in config.parts):
        raise InputError(f"{out}: holds pictures of another data set; choose another folder with --out")
    moments = read_moments(sources.root)
    problems = list(sources.problems)
    facts: list[dict[str, Any]] = []
    for pair in sources.pairs:
        fact, problem = _staged(sources, pair, stage, config, moments.get(pair.name))
        facts += [fact] if fact else []
        problems += [problem] if problem else []
        on_progress(pair, problem)
    if not facts:
        first = f": {problems[0].where}: {problems[0].message}" if problems else ""
        raise InputError(f"{sources.root}: none of {len(sources.pairs)} pairs will do{first}")
    splits, drives = _plan(stage, facts, moments, config)
    _move(stage, out, facts, splits)
    _write_lists(out, facts, splits, drives, moments)
    built = Built(folder=out, splits=splits, drives=drives, problems=problems)
    write_json(out / SUMMARY, _summary(sources, config, built))
    shutil.rmtree(stage)
    return built


def _staged(
    sources: Sources, pair: Pair, stage: Path, config: BuildConfig, moment: Moment | None
) -> tuple[dict[str, Any] | None, Problem | None]:
    """The facts of a pair, its files below `stage`; or what is wrong with it."""
    record = stage / "facts" / f"{pair.name}.json"
    if record.is_file():
        known: dict[str, Any] = json.loads(record.read_bytes())
        return known, None
    try:
        labels = _labels(sources, pair)
        visible = read_image(pair.visible)
        infrared, registration = _infrared(pair, visible, config)
        check_same_size("the label map", _size(labels), "the visible picture", _size(visible))
    except InputError as error:
        return None, Problem(kind="left-out", where=pair.name, message=str(error))
    visible = np.repeat(visible[..., None], 3, axis=2) if visible.ndim == 2 else visible
    files = {
        "Infrared": infrared,
        "Visible": (pair.visible.suffix, read_bytes(pair.visible)),
        "Label": (".png", encode_labels(labels, sources.label_set.palette)),
        "color": (".png", encode_image(sources.label_set.colours()[labels])),
    }
    fact = {
        "name": pair.name,
        "time": _time(moment, visible, config),
        "hash": f"{pair_hash(decode_image(infrared[1]), visible):032x}",
        "from": {"infrared": _below(sources.root, pair.infrared), "visible": _below(sources.root, pair.visible)},
        **registration,
        "files": {folder: f"{pair.name}{suffix.lower()}" for folder, (suffix, _) in files.items()},
    }
    for folder, (_, data) in files.items():
        write_bytes(stage / folder / fact["files"][folder], data)
    write_json(record, fact)
    return fact, None


def _time(moment: Moment | None, visible: npt.NDArray[Any], config: BuildConfig) -> str:
    """``day`` or ``night``: by the sun where time and place are on record, at dusk and elsewhere by brightness."""
    light = None if moment is None else moment.light()
    return light if light in ("day", "night") else time_by_brightness(visible, config.night_sky)


def _labels(sources: Sources, pair: Pair) -> Ids:
    labels = sources.labels(pair.name)
    if labels is None:
        raise InputError("has no label; annotate it with segmif rig annotate")
    if (labels == IGNORE).all():
        raise InputError("its label says nothing (255 everywhere); annotate it or remove it")
    return labels


def _infrared(pair: Pair, visible: npt.NDArray[Any], config: BuildConfig) -> tuple[tuple[str, bytes], dict[str, Any]]:
    """Suffix and bytes of the infrared file on the visible picture's grid, and how it got there."""
    stored = read_image(pair.infrared)
    infrared, fact = stored, {}
    if config.register:
        found = register(stored, visible)
        if not found.accepted:
            raise InputError(f"registration {found.reason}")
        infrared = warp_infrared(stored, found, _size(visible))
        fact = {"registration": {"quality": round(found.quality, 4), "homography": found.homography.tolist()}}
    if _size(infrared) != _size(visible):
        raise InputError(
            f"infrared is {infrared.shape[1]}x{infrared.shape[0]}, visible {visible.shape[1]}x{visible.shape[0]}: "
            "register them first (segmif rig register, or --register)"
        )
    grey = to_grey(infrared)
    if grey.dtype.kind == "f" or (config.eight_bits and grey.dtype != np.uint8):
        grey = np.rint(to_unit(grey, "infrared") * 255).astype(np.uint8)
    if grey is stored:
        return (pair.infrared.suffix, read_bytes(pair.infrared)), fact
    return (".png", encode_image(grey)), fact


def _size(image: npt.NDArray[Any]) -> tuple[int, int]:
    return image.shape[0], image.shape[1]


def _below(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _plan(
    stage: Path, facts: Sequence[Mapping[str, Any]], moments: Mapping[str, Moment], config: BuildConfig
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The division, written down before the first file moves: a build stopped while moving goes on with the same."""
    file = stage / "plan.json"
    if not file.is_file():
        write_json(file, divide(facts, [moments[f["name"]] for f in facts if f["name"] in moments], config))
    splits, drives = json.loads(file.read_bytes())
    return splits, drives


def divide(
    facts: Sequence[Mapping[str, Any]], moments: Sequence[Moment], config: BuildConfig
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Names by split and the drive of each pair: no drive and no near-duplicates are torn apart.

    Drives by day and by night are divided each for themselves, so that every split has its part of both.

    Raises:
        InputError: fewer independent drives than splits.
    """
    names = [fact["name"] for fact in facts]
    links = [(a, b) for a, b, _ in near_pairs({f["name"]: int(f["hash"], 16) for f in facts}, within=NEAR)]
    timed = [m for m in moments if config.by == "drive" and (m.utc is not None or m.drive is not None)]
    links += drive_links(timed, gap=config.gap)
    if config.by != "hash":
        untimed = sorted({*names}.difference(moment.name for moment in timed))
        links += sequence_links(untimed, gap=round(config.gap) if config.by == "sequence" else _NEAR_NUMBERS)
    groups = groups_of(names, links)
    nights = {fact["name"] for fact in facts if fact["time"] == "night"}
    halves = [[g for g in groups if (2 * len(nights.intersection(g)) > len(g)) is night] for night in (False, True)]
    if any(0 < len(half) < len(config.parts) for half in halves):
        halves = [groups]
    splits: dict[str, list[str]] = {split: [] for split in config.parts}
    for half in halves:
        if half:
            for split, members in make_splits(half, config.parts, seed=config.seed).items():
                splits[split] += members
    order = {name: position for position, name in enumerate(names)}
    return {split: sorted(members, key=order.__getitem__) for split, members in splits.items()}, name_drives(groups)


def _move(stage: Path, out: Path, facts: Sequence[Mapping[str, Any]], splits: Mapping[str, Sequence[str]]) -> None:
    files = {fact["name"]: fact["files"] for fact in facts}
    for split, names in splits.items():
        for name in names:
            for folder, file in files[name].items():
                target = out / split / folder / file
                target.parent.mkdir(parents=True, exist_ok=True)
                if (stage / folder / file).exists():  # a build stopped while moving has moved some
                    (stage / folder / file).replace(target)


def _write_lists(
    out: Path,
    facts: Sequence[Mapping[str, Any]],
    splits: Mapping[str, Sequence[str]],
    drives: Mapping[str, str],
    moments: Mapping[str, Moment],
) -> None:
    split_of = {name: split for split, names in splits.items() for name in names}
    lines = []
    for fact in facts:
        moment = moments.get(fact["name"], Moment(name=fact["name"]))
        place = dict(zip(("latitude", "longitude"), moment.place, strict=True)) if moment.place else {}
        taken = {"utc": moment.utc} if moment.utc is not None else {}
        kept = {key: fact[key] for key in ("from", "registration") if key in fact}
        line = {"name": fact["name"], "split": split_of[fact["name"]], "drive": drives[fact["name"]]}
        lines.append(json.dumps({**line, **taken, **place, **kept}, ensure_ascii=False))
    write_text(out / PAIRS, "".join(f"{line}\n" for line in lines))


def _summary(sources: Sources, config: BuildConfig, built: Built) -> dict[str, Any]:
    return {
        "format": "segmif-build",
        "version": 1,
        "config": {**asdict(config), "parts": dict(config.parts)},
        "label_set": sources.label_set.name,
        "infrared": sources.infrared_from,
        "labels": sources.labels_from,
        "splits": {split: len(names) for split, names in built.splits.items()},
        "drives": len(set(built.drives.values())),
        "left_out": [problem.as_dict() for problem in built.problems],
    }
