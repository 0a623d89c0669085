"""The catalogue: every data set by name, and the one way to open it."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from segmif.checks import InputError, unknown
from segmif.data import detection, pairs, roadscene15, saliency, semantic
from segmif.data.info import DatasetInfo
from segmif.data.layout import SPLITS, Layout, Record, Scan, applies, scan
from segmif.data.problems import raise_first
from segmif.data.reader import FileDataset
from segmif.labelsets import LabelSet, label_set

CATALOG: dict[str, DatasetInfo] = {
    info.name: info for module in (semantic, roadscene15, pairs, detection, saliency) for info in module.DATASETS
}
"""Every data set we read, by name."""

Labels = Literal["any", "hand", "model", "none"]


def dataset_info(name: str) -> DatasetInfo:
    """What is known about a data set.

    Raises:
        InputError: no such data set.

    >>> dataset_info("fmb").sizes
    {'train': 1220, 'test': 280}
    """
    if name.lower() not in CATALOG:
        raise unknown("data set", name, CATALOG)
    return CATALOG[name.lower()]


def open_dataset(
    name: str,
    root: str | os.PathLike[str],
    *,
    split: str = "all",
    labels: Labels = "any",
    only_labelled: bool = False,
    strict: bool = True,
) -> FileDataset:
    """Open a data set in its original layout or in the simple one (folders ``infrared``, ``visible``, ``label``).

    Args:
        name: a name of the catalogue (`segmif datasets`), or ``"folder"``.
        root: the unpacked data set: the folder itself or the one that holds it.
        split: ``"all"``, or one the data set has, such as ``"train"``.
        labels: which label pictures to read: ``"any"`` (drawn by people where there are, else made by networks),
            ``"hand"``, ``"model"`` or ``"none"``.
        only_labelled: leave out pairs without a label.
        strict: refuse a data set with files missing or lists that name them; False reads what is whole.

    Raises:
        InputError: an unknown name or split, a root in no layout we know, nothing in it, or (strict) a problem.
    """
    info = dataset_info(name)
    return open_scan(
        info, scan_dataset(info, root), split=split, labels=labels, only_labelled=only_labelled, strict=strict
    )


def open_folder(
    root: str | os.PathLike[str],
    *,
    infrared: str,
    visible: str,
    label: str | None = None,
    classes: str | LabelSet | None = "fmb",
    split: str = "all",
    lists: str | None = None,
    strict: bool = True,
) -> FileDataset:
    """Open any folder by two glob patterns, such as ``infrared="thermal/*_ir.png", visible="rgb/*.jpg"``.

    Args:
        root: the folder the patterns start from.
        infrared: pattern (see `segmif.data.layout`); ``{split}`` may stand for the split's name.
        visible: likewise.
        label: likewise.
        classes: label set of the labels, or its name.
        split: ``"all"`` or a split that the patterns or lists give.
        lists: pattern of list files, such as ``"{split}.txt"``.
        strict: see `open_dataset`.

    Raises:
        InputError: a pattern without ``*`` or that finds nothing, or (strict) a problem.
    """
    info = folder_info(infrared=infrared, visible=visible, label=label, classes=classes, lists=lists)
    return open_scan(info, scan_dataset(info, root), split=split, strict=strict)


def folder_info(
    *,
    infrared: str,
    visible: str,
    label: str | None = None,
    classes: str | LabelSet | None = "fmb",
    lists: str | None = None,
) -> DatasetInfo:
    """The description of a folder by patterns, see `open_folder`."""
    for band, pattern in (("infrared", infrared), ("visible", visible), ("label", label or "*")):
        if "*" not in pattern:
            raise InputError(f"the {band} pattern {pattern!r} has no * for the sample's name: try 'folder/*.png'")
    layout = Layout(infrared=infrared, visible=visible, labels=((label, "hand"),) if label else (), lists=lists)
    chosen = label_set(classes) if isinstance(classes, str) else classes
    return replace(pairs.FOLDER, layouts=(layout,), label_set=chosen)


def scan_dataset(info: DatasetInfo, root: str | os.PathLike[str]) -> Scan:
    """Find the files of a data set in the first of its layouts that fits; see `open_dataset` for `root` and errors."""
    folder = Path(root)
    if folder.is_file() and zipfile.is_zipfile(folder):
        raise InputError(f"{folder}: is a zip archive; unpack it and give the folder")
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; check the path")
    for candidate in _candidates(info, folder):
        for layout in info.layouts:
            if applies(layout, candidate):
                found = scan(layout, candidate)
                return found if info.join is None else info.join(found)
    raise InputError(_no_layout(info, folder))


def find_locally(info: DatasetInfo, base: Path) -> Path | None:
    """The data set's folder below `base` (or `base` itself), if one with a usual name is there in a layout we know."""
    usual = {name.lower() for name in (info.name, *info.folders)}
    inside = sorted(p for p in base.iterdir() if p.is_dir()) if base.is_dir() else []
    for folder in (*([base] if base.name.lower() in usual else []), *(p for p in inside if p.name.lower() in usual)):
        if any(applies(layout, candidate) for candidate in _candidates(info, folder) for layout in info.layouts):
            return folder
    return None


def _candidates(info: DatasetInfo, folder: Path) -> Iterable[Path]:
    """Sub-folders with a usual name of the data set, the folder itself, then its only sub-folder."""
    usual = {name.lower() for name in (info.name, *info.folders)}
    inner = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    yield from (p for p in inner if p.name.lower() in usual)
    yield folder
    if len(inner) == 1:
        yield inner[0]


def _no_layout(info: DatasetInfo, folder: Path) -> str:
    archives = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in (".zip", ".7z", ".rar", ".tar", ".gz"))
    if archives:
        return f"{folder}: holds the archive {archives[0]} but not its contents; unpack it first"
    locked = [p for p in sorted(folder.iterdir()) if p.is_dir() and not os.access(p, os.R_OK | os.X_OK)]
    if locked:
        return f"{locked[0]}: cannot be listed (Permission denied); check its permissions"
    wanted = "; or ".join(dict.fromkeys(f"{w.infrared or ''} {w.visible}".strip() for w in info.layouts))
    seen = ", ".join(sorted(p.name + ("/" if p.is_dir() else "") for p in folder.iterdir())[:8]) or "nothing"
    return f"{folder}: does not look like {info.name}: found {seen}; expected {wanted} ({info.home or 'see docs'})"


def open_scan(
    info: DatasetInfo,
    found: Scan,
    *,
    split: str = "all",
    labels: Labels = "any",
    only_labelled: bool = False,
    strict: bool = True,
) -> FileDataset:
    """The data set of one split of a scan; see `open_dataset`."""
    if split != "all" and split not in found.splits:
        known = sorted({*found.splits, "all"})
        hint = "" if split in SPLITS else f"; splits are named {', '.join(SPLITS)}"
        raise InputError(f"{found.root}: {info.name} has no split {split!r} here (it has {', '.join(known)}){hint}")
    if strict:
        raise_first(found.problems, advice=f": segmif data check {found.root} --dataset {info.name}")
    records = [_prepared(record, info, labels) for record in found.records(split)]
    if only_labelled:
        records = [record for record in records if record.label is not None]
    if not records:
        wanted = f" with {labels} labels" if only_labelled else ""
        raise InputError(
            f"{found.root}: split {split!r} of {info.name} has no pairs{wanted}; check its folders and lists"
        )
    return FileDataset(
        name=info.name,
        records=records,
        layout=found.layout,
        label_set=found.layout.label_set or info.label_set,
        coco=found.coco,
        meta=info.meta,
        night_sky=info.night_sky,
    )


def _prepared(record: Record, info: DatasetInfo, labels: Labels) -> Record:
    time = info.time_of(record.name)
    if time is not None:
        record = replace(record, meta={**record.meta, "time": time, "time_from": "name"})
    if labels == "none" or (labels != "any" and record.label_kind != labels):
        record = replace(record, label=None, label_kind=None)
    return record
