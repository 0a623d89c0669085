"""What the package holds of RoadScene-15: the table of pairs, the polygons as they were drawn, label maps, boxes."""

from __future__ import annotations

import csv
import difflib
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmif.checks import InputError, unknown
from segmif.io import read_labels
from segmif.labelsets import IGNORE

ROADSCENE_FOLDER = Path(__file__).parent / "roadscene"
MSRS_FOLDER = Path(__file__).parent / "msrs"
FOLDERS = {"roadscene15": ROADSCENE_FOLDER, "msrs15": MSRS_FOLDER}
"""Where the drawings of each data set are."""

Points = npt.NDArray[np.float64]

_THRESHOLDS = frozenset(("imin", "imax", "vmin", "vmax", "bmin", "bmax", "ir", "threshold"))
"""Rules of a stroke by which the picture's values decide which of its pixels are painted."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One pair of the table.

    Attributes:
        name: of both pictures, without suffix.
        split: ``train`` or ``val``.
        drive: pairs of one number are from one drive; drives are never torn apart.
        light: ``day``, ``dusk`` or ``night``, as people saw it.
        size: (height, width) of the pictures.
        files: SHA-256 of the original files by band; empty where the original archive's files are not known.
        pixels: SHA-256 of the decoded pictures by band, see `segmif.data.roadscene15.join.pixel_hash`.
        likeness: `perceptual_hash` by band, to tell another encoding from another picture.
    """

    name: str
    split: str
    drive: str
    light: str
    size: tuple[int, int]
    files: Mapping[str, str]
    pixels: Mapping[str, str]
    likeness: Mapping[str, int]

    @property
    def time(self) -> str:
        """``day`` or ``night``; dusk counts as day."""
        return "night" if self.light == "night" else "day"


@functools.cache
def read_table(folder: Path) -> dict[str, Row]:
    """The pairs of a folder of drawings by name, in order."""
    with (folder / "pairs.csv").open(newline="", encoding="utf-8") as file:
        return {line["name"]: _row(line) for line in csv.DictReader(file)}


def _row(line: Mapping[str, str]) -> Row:
    likeness = int(line["likeness"], 16)
    bands = ("infrared", "visible")
    return Row(
        name=line["name"],
        split=line["split"],
        drive=line["drive"],
        light=line["light"],
        size=(int(line["height"]), int(line["width"])),
        files={band: line[f"{band}_file"] for band in bands},
        pixels={band: line[f"{band}_pixels"] for band in bands},
        likeness={"visible": likeness >> 64, "infrared": likeness & (2**64 - 1)},
    )


@dataclass(frozen=True, kw_only=True)
class Stroke:
    """One shape as its annotator drew it.

    Attributes:
        class_id: FMB id, or 255 for "not to be scored".
        role: ``stuff`` (painted first, its borders moved to edges) or ``object``.
        kind: ``polygon``; ``line`` of `width` pixels (one number, or one for each point); ``box`` (two corners).
        points: (N, 2) x, y in pixels.
        width: of a line; empty otherwise.
        rule: what was done inside the polygon: ``imin``/``imax`` infrared, ``vmin``/``vmax`` luma, ``bmin``/``bmax``
            blue kept from/to; ``else`` the class of the rest; ``as`` the class of an undecided box; ``rout``/``rin``/
            ``band`` widths of the 255 border outside and inside; others are the annotator's own.
        crowd, ignore: of its box.
        outline: final contours of an object, each (N, 2), where the annotator's tool kept them.
    """

    class_id: int
    role: str
    kind: str
    points: Points
    width: tuple[float, ...] = ()
    rule: Mapping[str, Any]
    crowd: bool = False
    ignore: bool = False
    outline: tuple[Points, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """The strokes of one pair in painting order, and its (height, width)."""

    size: tuple[int, int]
    strokes: tuple[Stroke, ...]


@functools.cache
def _read_polygons(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "polygons.json").read_text(encoding="utf-8"))
    return content


def folder_of(dataset: str) -> Path:
    """The folder with the drawings of ``"roadscene15"`` or ``"msrs15"``.

    Raises:
        InputError: another name.
    """
    if dataset not in FOLDERS:
        raise unknown("data set with drawings", dataset, FOLDERS)
    return FOLDERS[dataset]


def read_drawing(dataset: str, name: str) -> Drawing:
    """The polygons of one pair.

    Raises:
        InputError: no such data set or pair.

    >>> drawing = read_drawing("roadscene15", "FLIR_00006")
    >>> drawing.size, drawing.strokes[1].class_id, drawing.strokes[1].points[0].tolist()
    ((329, 500), 1, [0.0, 329.0])
    """
    folder = folder_of(dataset)
    content = _read_polygons(folder)
    if name not in content:
        close = difflib.get_close_matches(name, content, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise InputError(
            f"{dataset} has no pair {name!r}: {hint}its {len(content)} names are in {folder / 'pairs.csv'}"
        )
    width, height = content[name]["size"]
    return Drawing(size=(height, width), strokes=tuple(_stroke(shape) for shape in content[name]["shapes"]))


def _stroke(shape: Mapping[str, Any]) -> Stroke:
    width = shape.get("width", ())
    return Stroke(
        class_id=shape["class"],
        role=shape["role"],
        kind=shape["kind"],
        points=_points(shape["points"]),
        width=tuple(width) if isinstance(width, list) else (width,) if width else (),
        rule=shape.get("rule", {}),
        crowd=bool(shape.get("crowd")),
        ignore=bool(shape.get("ignore")),
        outline=tuple(_points(contour) for contour in shape.get("outline", ())),
    )


def _points(flat: list[float]) -> Points:
    return np.array(flat, np.float64).reshape(-1, 2)


def read_label_map(dataset: str, name: str) -> npt.NDArray[np.uint8]:
    """The label map (H, W) of one pair in FMB ids, 255 = not to be scored."""
    return read_labels(folder_of(dataset) / "label" / f"{name}.png")


def paint(drawing: Drawing) -> npt.NDArray[np.uint8]:
    """The strokes painted plainly in their order, (H, W) FMB ids; 255 where none is, and where a threshold decides.

    The label maps are more than this: thresholds inside polygons, borders moved to edges, bands of 255. Comparing the
    two tells how true a label map is to the hand that drew it.
    """
    canvas = np.full(drawing.size, IGNORE, np.uint8)
    for stroke in drawing.strokes:
        by_threshold = not stroke.outline and not _THRESHOLDS.isdisjoint(stroke.rule)
        canvas[stroke_mask(stroke, drawing.size)] = IGNORE if by_threshold else stroke.class_id
    return canvas


def stroke_mask(stroke: Stroke, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """The pixels of one stroke, (H, W); its final outline where there is one."""
    mask = np.zeros(size, np.uint8)
    if stroke.outline:
        cv2.fillPoly(mask, [np.rint(contour).astype(np.int32) for contour in stroke.outline], 1)
    elif stroke.kind == "line":
        widths = np.resize(stroke.width, len(stroke.points)) if len(stroke.width) == 1 else np.array(stroke.width)
        for (start, end), width in zip(
            zip(stroke.points, stroke.points[1:], strict=False), (widths[1:] + widths[:-1]) / 2, strict=False
        ):
            cv2.line(mask, _pixel(start), _pixel(end), 1, max(1, round(float(width))))
    elif stroke.kind == "box":
        cv2.rectangle(mask, _pixel(stroke.points[0]), _pixel(stroke.points[1]), 1, cv2.FILLED)
    else:
        cv2.fillPoly(mask, [np.rint(stroke.points).astype(np.int32)], 1)
    return mask.astype(bool)


def _pixel(point: Points) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))
