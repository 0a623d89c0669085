"""Laying the drawings on the user's own copy of the pictures, each of which is checked.

A file passes by its own SHA-256 (a JPEG may be decoded a little differently elsewhere) or by that of its decoded pixels
(copies without loss in another format). Where neither fits, the perceptual hash tells a picture that was only encoded
again (a warning, it is used) from another picture (an error, the pair is left out). Of the 166 pairs, copies at JPEG
quality 50 differ in at most 2 of 128 bits, different pairs in at least 14.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segmif.checks import InputError
from segmif.data.annotations import read_coco
from segmif.data.labels import LabelCode
from segmif.data.layout import Record, Scan
from segmif.data.likeness import perceptual_hash
from segmif.data.problems import Problem, errors
from segmif.data.reader import to_grey
from segmif.data.roadscene15.drawings import Row, read_table
from segmif.io import Band, decode_image, read_bytes
from segmif.labelsets import FMB

_SAME_VIEW = 4
"""Bits of 64 in which the perceptual hash of a re-encoded picture may differ."""
_NAMED = 5


def join(found: Scan, folder: Path) -> Scan:
    """The pairs of `found` that `folder` has drawings of, with them; what is missing or differs is a problem."""
    table = read_table(folder)
    records = {record.visible.stem: record for record in found.records("all")}
    problems = _missing(found.root, table, records)
    splits: dict[str, list[Record]] = {row.split: [] for row in table.values()}
    boxes = folder / "boxes.json"
    for name, row in table.items():
        if name not in records:
            continue
        differences = check_pair(row, records[name])
        problems += differences
        if not errors(differences):
            label = folder / "label" / f"{name}.png"
            splits[row.split].append(_joined(records[name], row, label, boxes))
    layout = replace(found.layout, labels=(), boxes=(), label_set=FMB, code=LabelCode())
    return Scan(root=found.root, layout=layout, splits=splits, problems=problems, coco={boxes: read_coco(boxes)})


def _joined(record: Record, row: Row, label: Path, boxes: Path) -> Record:
    return replace(
        record,
        name=row.name,
        split=row.split,
        label=label,
        label_kind="hand",
        boxes=boxes,
        meta={"time": row.time, "time_from": "dataset", "light": row.light, "drive": row.drive},
    )


def _missing(root: Path, table: Mapping[str, Row], records: Mapping[str, Record]) -> list[Problem]:
    lost = [name for name in table if name not in records]
    if not lost:
        return []
    more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
    message = (
        f"{len(lost)} of the {len(table)} labelled pairs are not there: {', '.join(lost[:_NAMED])}{more}; "
        "unpack the whole data set, with its file names"
    )
    return [Problem(kind="missing", where=str(root), message=message)]


def check_pair(row: Row, record: Record) -> list[Problem]:
    """Whether both pictures of a pair are those the labels were drawn on; nothing if they are."""
    if record.infrared is None:
        return [Problem(kind="missing", where=str(record.visible), message="has no infrared partner")]
    bands: tuple[tuple[Band, Path], ...] = (("infrared", record.infrared), ("visible", record.visible))
    return [problem for band, path in bands for problem in [_difference(row, band, path)] if problem is not None]


def _difference(row: Row, band: Band, path: Path) -> Problem | None:
    try:
        data = read_bytes(path)
        if hashlib.sha256(data).hexdigest() == row.files[band]:
            return None
        image = decode_image(data)
    except InputError as error:
        return Problem(kind="unreadable", where=str(path), message=str(error).removeprefix(f"{path}: "))
    if image.shape[:2] != row.size:
        message = (
            f"is {image.shape[1]}x{image.shape[0]}, its labels were drawn on {row.size[1]}x{row.size[0]}: "
            "use the aligned pictures of the original archive, not resized"
        )
        return Problem(kind="sizes", where=str(path), message=message)
    if pixel_hash(image, band) == row.pixels[band]:
        return None
    bits = (perceptual_hash(image) ^ row.likeness[band]).bit_count()
    if bits <= _SAME_VIEW:
        message = (
            "shows the right picture but was encoded again with loss; scores may differ a little from published ones"
        )
        return Problem(kind="differs", where=str(path), message=message, severity="warning")
    message = f"is another picture than the one labelled ({bits} of 64 bits differ); copy it from the original archive"
    return Problem(kind="differs", where=str(path), message=message)


def pixel_hash(image: npt.NDArray[Any], band: Band) -> str:
    """SHA-256 of the shape and the bytes of a picture in the form samples have: infrared grey, visible RGB.

    >>> pixel_hash(np.zeros((2, 3), np.uint8), "visible") == pixel_hash(np.zeros((2, 3, 3), np.uint8), "visible")
    True
    """
    if band == "infrared":
        image = to_grey(image)
    elif image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    return hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).hexdigest()
