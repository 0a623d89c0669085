"""Label pictures to class ids: grey and palette files, RGB paintings, masks, foreign ids."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from segmif.checks import InputError
from segmif.data.problems import Problem
from segmif.io import read_bytes, refuse_huge
from segmif.labelsets import IGNORE, LabelSet

Palette = Sequence[tuple[int, int, int]]
Ids = npt.NDArray[np.uint8]

_EXAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class LabelCode:
    """How the pixel values of a label file become class ids.

    `threshold`: values at or above it are class 1, others 0 (masks of salient objects).
    `table`: stored value -> class id, for files with ids of another set; values not in it are reported.
    `colours`: more RGB colours -> class id for painted labels, besides those of the label set's palette.
    """

    threshold: int | None = None
    table: Mapping[int, int] = field(default_factory=dict)
    colours: Mapping[tuple[int, int, int], int] = field(default_factory=dict)


def read_label_file(
    path: Path, label_set: LabelSet | None, code: LabelCode | None = None
) -> tuple[Ids | None, list[Problem]]:
    """Read a label file in any of the forms data sets come in.

    Grey and palette files hold ids; RGB files are painted with the palette (grey RGB files hold ids too).

    Returns:
        (H, W) uint8 class ids with 255 = ignore (pixels that could not be understood are 255), or None when the file
        cannot be read; and what was wrong, unknown colours and ids with their coordinates.
    """
    code = code or LabelCode()
    where = str(path)
    try:
        stored = stored_values(read_bytes(path))
    except InputError as error:
        return None, [Problem(kind="unreadable", where=where, message=str(error).removeprefix(f"{path}: "))]
    if stored.ndim == 3:
        if (stored == stored[..., :1]).all() and not code.colours:
            stored = stored[..., 0]
        else:
            palette = {} if label_set is None else {c: i for i, c in enumerate(label_set.palette)}
            return ids_from_colours(stored, {**palette, **code.colours}, where=where)
    if code.threshold is not None:
        return (stored >= code.threshold).astype(np.uint8), []
    if code.table:
        return _translate(stored, code.table, where)
    return _checked(stored, label_set, where)


def stored_values(data: bytes) -> npt.NDArray[Any]:
    """The values of a label file's bytes: (H, W) of a grey or palette picture (indices, not colours), else RGB.

    Raises:
        InputError: the bytes are not a picture.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            refuse_huge(image, len(data))
            if image.mode in ("L", "P"):
                return np.array(image)
            if image.mode == "1":
                return np.array(image.convert("L"))
            if image.mode.startswith("I"):
                return np.array(image).astype(np.int32)
            return np.array(image.convert("RGB"))
    except InputError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(f"is not a readable label picture ({error}); export it again as PNG") from error


def ids_from_colours(
    rgb: npt.NDArray[np.uint8], colours: Mapping[tuple[int, int, int], int], *, where: str = "label"
) -> tuple[Ids, list[Problem]]:
    """Paint to ids: each pixel's colour must be one of `colours`; others become 255 and are reported.

    >>> ids, problems = ids_from_colours(np.array([[[255, 0, 0], [9, 9, 9]]], np.uint8), {(255, 0, 0): 2})
    >>> ids.tolist(), problems[0].message
    ([[2, 255]], 'label picture is painted with 1 colours that are not in the palette: (9, 9, 9) at x=1 y=0 ...')
    """
    packed = (rgb.astype(np.int32) * (1 << 16, 1 << 8, 1)).sum(axis=-1)
    values, first, inverse, counts = np.unique(packed, return_index=True, return_inverse=True, return_counts=True)
    table = {(r << 16) | (g << 8) | b: class_id for (r, g, b), class_id in colours.items()}
    ids = np.array([table.get(int(value), IGNORE) for value in values], np.uint8)
    unknown = [i for i, value in enumerate(values) if int(value) not in table and int(value) != 0xFFFFFF]
    problems = []
    if unknown:
        unknown.sort(key=lambda i: -counts[i])
        width = rgb.shape[1]
        shown = ", ".join(
            f"({values[i] >> 16}, {values[i] >> 8 & 255}, {values[i] & 255}) at x={first[i] % width} "
            f"y={first[i] // width} ({counts[i]} pixels)"
            for i in unknown[:_EXAMPLES]
        )
        problems.append(
            Problem(
                kind="unknown-colour",
                where=where,
                message=f"label picture is painted with {len(unknown)} colours that are not in the palette: {shown}; "
                "save labels as ids, or without smoothing and JPEG",
            )
        )
    return ids[inverse.reshape(rgb.shape[:2])], problems


def _translate(stored: npt.NDArray[Any], table: Mapping[int, int], where: str) -> tuple[Ids, list[Problem]]:
    lookup = np.full(256, IGNORE, np.uint8)
    for value, class_id in table.items():
        lookup[value] = class_id
    known = np.zeros(256, bool)
    known[[*table, IGNORE]] = True
    outside = (stored < 0) | (stored > 255)
    small = np.where(outside, IGNORE, stored).astype(np.uint8)
    bad = outside | ~known[small]
    return lookup[small], _foreign_ids(stored, bad, where, f"one of {sorted(table)}")


def _checked(stored: npt.NDArray[Any], label_set: LabelSet | None, where: str) -> tuple[Ids, list[Problem]]:
    if label_set is None:
        bad = (stored < 0) | (stored > 255)
        wanted = "0..255"
    else:
        bad = ((stored < 0) | (stored >= len(label_set))) & (stored != IGNORE)
        wanted = f"0..{len(label_set) - 1} of {label_set.name} or 255"
    ids = np.where(bad, IGNORE, stored).astype(np.uint8) if bad.any() else stored.astype(np.uint8)
    return ids, _foreign_ids(stored, bad, where, wanted)


def _foreign_ids(stored: npt.NDArray[Any], bad: npt.NDArray[np.bool_], where: str, wanted: str) -> list[Problem]:
    if not bad.any():
        return []
    values = np.unique(stored[bad])
    y, x = cast("tuple[int, int]", np.argwhere(bad)[0])
    listed = ", ".join(str(value) for value in values[:8]) + (", …" if len(values) > 8 else "")
    return [
        Problem(
            kind="label-range",
            where=where,
            message=f"{int(bad.sum())} pixels have ids {listed} (first at x={x} y={y}), expected {wanted}; "
            "check that the file holds ids of this data set",
        )
    ]
