"""How a data set lies on disk, as data: one small language of patterns, one scanner that reads them all.

The patterns are those of `segmif.data.patterns`, with ``{split}`` for the name of the split.

>>> layout = Layout(infrared="{split}/Infrared/*", visible="{split}/Visible/*", labels=(("{split}/Label/*", "hand"),))
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from segmif.checks import InputError
from segmif.data.annotations import CocoBoxes, read_coco
from segmif.data.labels import LabelCode
from segmif.data.patterns import find, folder_of, matches, walk
from segmif.data.problems import Problem
from segmif.data.splits import read_split_file
from segmif.io import is_image
from segmif.labelsets import LabelSet
from segmif.pairing import natural_key

SPLITS = ("train", "val", "test", "test_day", "test_night")
"""Names of splits a data set may have; ``all`` is their union."""

Bands = Literal["files", "rgbt", "red_nir"]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One way a data set lies on disk; see the module's text for the patterns.

    `infrared` None means visible only. `labels` are (pattern, kind) in order of preference, kind ``"hand"`` or
    ``"model"``. `boxes` are tried in order, each one XML or text file per picture (with ``*``) or one COCO file.
    `lists` names the files that list each split; where there is none, all pairs form the split `whole`. `every_label`:
    a pair without label is an error. `bands`: infrared and visible in two files, or together in one file whose
    channels are R, G, B, thermal (``rgbt``) or red, unused, near infrared (``red_nir``). `scenes`: (infrared, visible)
    regular expressions on file stems, for one folder per scene with freely named files. `code` tells how label values
    become ids, `box_names` what the numbers of YOLO files mean; `left_out` are samples that a list names in error.
    """

    name: str = "folder"
    infrared: str | None = None
    visible: str
    labels: tuple[tuple[str, str], ...] = ()
    boxes: tuple[str, ...] = ()
    lists: str | None = None
    whole: str = "all"
    every_label: bool = False
    bands: Bands = "files"
    scenes: tuple[str, str] | None = None
    label_set: LabelSet | None = None
    code: LabelCode = field(default_factory=LabelCode)
    box_names: Mapping[int, str] = field(default_factory=dict)
    left_out: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def split_folders(self) -> bool:
        """Whether each split has folders of its own."""
        return "{split}" in self.visible


@dataclass(frozen=True, kw_only=True)
class Record:
    """Where the parts of one sample lie; `infrared` None for visible-only data."""

    name: str
    split: str
    infrared: Path | None
    visible: Path
    label: Path | None = None
    label_kind: str | None = None
    boxes: Path | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What was found below `root`: the records of each split, COCO boxes if any, and everything that was wrong."""

    root: Path
    layout: Layout
    splits: Mapping[str, list[Record]]
    problems: list[Problem]
    coco: Mapping[Path, CocoBoxes] = field(default_factory=dict)

    def unique_names(self) -> dict[Path, str]:
        """A name for each visible file that no other has: its own, or split/name where splits use a name twice."""
        own = {record.visible: record.name for record in self._everything()}
        if len(set(own.values())) == len(own):
            return own
        return {record.visible: f"{record.split}/{record.name}" for record in self._everything()}

    def records(self, split: str) -> list[Record]:
        """The records of a split; ``all`` is every record once, in natural order, under its unique name."""
        if split != "all" or "all" in self.splits:
            return self.splits[split]
        names = self.unique_names()
        merged: dict[Path, Record] = {}
        for record in self._everything():
            merged.setdefault(record.visible, replace(record, name=names[record.visible]))
        return sorted(merged.values(), key=lambda record: natural_key(record.name))

    def _everything(self) -> Iterator[Record]:
        return (record for records in self.splits.values() for record in records)


def applies(layout: Layout, root: Path) -> bool:
    """Whether `root` looks like this layout: its visible (and infrared) pattern finds at least one file."""
    if layout.scenes is not None:
        return next(iter(_scene_files(layout.scenes, root)), None) is not None
    if layout.split_folders:
        return any(_has_files(layout, root, split) for split in SPLITS)
    return _has_files(layout, root, "")


def _has_files(layout: Layout, root: Path, split: str) -> bool:
    patterns = [p for p in (layout.infrared, layout.visible) if p is not None]
    return all(next(matches(root, p.replace("{split}", split)), None) is not None for p in patterns)


def scan(layout: Layout, root: Path) -> Scan:
    """Find every sample below `root`; nothing is decoded, every problem is collected."""
    problems: list[Problem] = []
    if layout.split_folders:
        found = {s: _pairs(layout, root, s, problems) for s in SPLITS if _split_exists(layout, root, s)}
    else:
        everything = _pairs(layout, root, "", problems)
        found = _divide(layout, root, everything, problems)
    coco: dict[Path, CocoBoxes] = {}
    found = {split: _with_boxes(layout, root, split, records, coco, problems) for split, records in found.items()}
    return Scan(root=root, layout=layout, splits=found, problems=problems, coco=coco)


def _split_exists(layout: Layout, root: Path, split: str) -> bool:
    patterns = [layout.visible, *([layout.infrared] if layout.infrared else [])]
    return any(folder_of(root, p.replace("{split}", split)) is not None for p in patterns)


def _pairs(layout: Layout, root: Path, split: str, problems: list[Problem]) -> list[Record]:
    """Records of the files that belong together; what has no partner is reported."""
    if layout.scenes is not None:
        return [
            Record(name=name, split=layout.whole, infrared=infrared, visible=visible)
            for name, infrared, visible in _scene_files(layout.scenes, root)
        ]
    visible = _files(root, layout.visible, split, problems)
    infrared: dict[str, Path] = dict(visible)
    if layout.infrared is not None and layout.infrared != layout.visible:
        infrared = _files(root, layout.infrared, split, problems)
    _report_partners(layout, root, split, infrared, visible, problems)
    label_files = [(kind, _files(root, pattern, split, problems)) for pattern, kind in layout.labels]
    if layout.every_label:
        _report_lonely_labels(label_files, infrared.keys() & visible.keys(), problems)
    records = []
    for name in sorted(infrared.keys() & visible.keys(), key=natural_key):
        label, kind = next(((files[name], kind) for kind, files in label_files if name in files), (None, None))
        records.append(
            Record(
                name=name,
                split=split,
                infrared=None if layout.infrared is None else infrared[name],
                visible=visible[name],
                label=label,
                label_kind=kind,
            )
        )
        if label is None and layout.every_label:
            problems.append(
                Problem(
                    kind="missing-label",
                    where=str(visible[name]),
                    message=f"has no label ({_expand(layout.labels[0][0], split).replace('*', name)}); "
                    "unpack the labels again or remove the pair",
                )
            )
    return records


def _report_partners(
    layout: Layout, root: Path, split: str, infrared: dict[str, Path], visible: dict[str, Path], problems: list[Problem]
) -> None:
    if infrared.keys() == visible.keys():
        return
    common = len(infrared.keys() & visible.keys())
    counts = f"{len(infrared)} infrared and {len(visible)} visible pictures, {common} names in common: "
    if len(infrared) == len(visible):
        advice = "partners must share their name; rename them, or give patterns whose * is the common part"
    else:
        advice = (
            "the archive was probably damaged or not fully unpacked; test it with 'unzip -t' and download it again, "
            "or remove the single files"
        )
    place = str(root / split) if split else str(root)
    problems.append(Problem(kind="unequal-counts", where=place, message=counts + advice))
    for band, ours, theirs in (("infrared", infrared, visible), ("visible", visible, infrared)):
        other = "visible" if band == "infrared" else "infrared"
        problems.extend(
            Problem(kind="no-partner", where=str(ours[name]), message=f"{band} picture without {other} partner")
            for name in sorted(ours.keys() - theirs.keys(), key=natural_key)
        )


def _report_lonely_labels(
    label_files: list[tuple[str, dict[str, Path]]], pairs: Set[str], problems: list[Problem]
) -> None:
    for _, files in label_files:
        problems.extend(
            Problem(kind="no-partner", where=str(files[name]), message="label without its pair", severity="warning")
            for name in sorted(files.keys() - pairs, key=natural_key)
        )


def _divide(layout: Layout, root: Path, records: list[Record], problems: list[Problem]) -> dict[str, list[Record]]:
    """Spread records over the splits the list files name; without lists all of them are the split `whole`."""
    by_name = {record.name: record for record in records}
    splits: dict[str, list[Record]] = {}
    for split, path in _list_files(layout, root):
        names, found = read_split_file(path, split, by_name.keys())
        problems.extend(found)
        names = [name for name in names if name not in layout.left_out.get(split, frozenset())]
        if names or found:  # a YAML file holds some of the splits only
            splits[split] = [replace(by_name[name], split=split) for name in names]
    if not splits or layout.whole != "all":
        splits.setdefault(layout.whole, [replace(record, split=layout.whole) for record in records])
    return splits


def _list_files(layout: Layout, root: Path) -> Iterator[tuple[str, Path]]:
    if layout.lists is None:
        return
    for split in SPLITS:
        path = find(root, _expand(layout.lists, split))
        if path is not None and path.is_file():
            yield split, path


def _with_boxes(
    layout: Layout,
    root: Path,
    split: str,
    records: list[Record],
    coco: dict[Path, CocoBoxes],
    problems: list[Problem],
) -> list[Record]:
    for pattern in layout.boxes:
        if "*" in pattern:
            files = _files(root, pattern, split, problems)
            if files:
                return [replace(record, boxes=files.get(record.name)) for record in records]
            continue
        path = find(root, _expand(pattern, split))
        if path is not None and path.is_file():
            stems = _read_once(path, coco, problems).boxes
            return [replace(r, boxes=path if r.visible.stem in stems else None) for r in records]
    return records


def _read_once(path: Path, coco: dict[Path, CocoBoxes], problems: list[Problem]) -> CocoBoxes:
    if path not in coco:
        try:
            coco[path] = read_coco(path)
        except InputError as error:
            problems.append(Problem(kind="unreadable", where=str(path), message=str(error).removeprefix(f"{path}: ")))
            coco[path] = CocoBoxes(boxes={})
    return coco[path]


def _files(root: Path, pattern: str, split: str, problems: list[Problem]) -> dict[str, Path]:
    """Files of a pattern by sample name; two files of one name are reported, the first is kept."""
    found: dict[str, Path] = {}
    for name, path in matches(root, _expand(pattern, split)):
        if name in found:
            problems.append(
                Problem(kind="same-name", where=str(path), message=f"shares its name with {found[name].name}; keep one")
            )
            continue
        found[name] = path
    return found


def _expand(pattern: str, split: str) -> str:
    return pattern.replace("{split}", split)


def _scene_files(scenes: tuple[str, str], root: Path) -> Iterator[tuple[str, Path, Path]]:
    """(folder, infrared, visible) of every folder in which exactly one picture answers to each expression."""
    patterns = [re.compile(expression, re.IGNORECASE) for expression in scenes]
    folders: dict[Path, list[Path]] = {}
    for path in walk(root, None):
        if is_image(path):
            folders.setdefault(path.parent, []).append(path)
    for folder in sorted(folders, key=lambda f: natural_key(f.as_posix())):
        infrared, visible = ([p for p in folders[folder] if regex.search(p.stem)] for regex in patterns)
        if len(infrared) == 1 and len(visible) == 1 and infrared != visible:
            yield folder.relative_to(root).as_posix(), infrared[0], visible[0]
