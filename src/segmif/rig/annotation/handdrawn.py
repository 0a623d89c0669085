"""The polygon files our RoadScene and MSRS labels were drawn in: flat coordinate lists, short class names, options.

An entry may be a polygon, two corners of a rectangle (``rect``), a line with a width (``line`` or ``w``), or a box in
which a threshold found the object (then its ``contour`` counts). Stuff was cut by thresholds and moved by watershed
afterwards, so these shapes repeat the labels nearly, not exactly. Every entry is kept whole in the shape's attributes,
and goes back into the file as it came as long as nobody moved a point or changed the class.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import cv2
import numpy as np

from segmif.checks import InputError
from segmif.labelsets import FMB, IGNORE
from segmif.rig.annotation import native
from segmif.rig.annotation.document import Annotations, Document, Ring, Shape, rename_classes
from segmif.rig.annotation.files import Fields, Files, dump_json, parse_json
from segmif.rig.annotation.raster import trace

_ENTRY, _HEAD = "handdrawn", "handdrawn"
_SHORT = ("other", "road", "walk", "bld", "lamp", "sign", "veg", "sky", "person", "car", "truck", "bus", "moto")
_NAMES = (*_SHORT, "bike", "pole")
_GEOMETRY = ("points", "input", "polygon")
_FINE = 16.0
"""Lines are outlined to a sixteenth of a pixel."""


def decode(files: Files) -> Annotations:
    """All .json files, in FMB ids."""
    documents = [_read(name, files[name]) for name in files if name.endswith(".json")]
    if not documents:
        raise InputError(f"no .json files among the {len(files)} given; check --from")
    return Annotations(label_set=FMB, documents=tuple(documents))


def encode(annotations: Annotations) -> dict[str, bytes]:
    """The same layout: untouched entries as they came, others as plain polygons."""
    from segmif.rig.annotation.formats.common import refuse_holes

    refuse_holes(annotations, "this format")
    in_fmb = rename_classes(annotations, FMB)
    return {f"{document.stem}.json": _write(document) for document in in_fmb.documents}


def _read(name: str, data: bytes) -> Document:
    content = Fields(parse_json(data, name), name)
    head = {key: value for key, value in content.value.items() if key not in ("image", "width", "height", "shapes")}
    shapes: list[Shape] = []
    for item in content.objects("shapes"):
        try:
            shapes += _shapes(item, _object_number(item, shapes))
        except (InputError, TypeError, ValueError) as error:
            raise native.placed(InputError(str(error)), item.where) from error
    return Document(
        image=content.get("image", str),
        width=content.number("width"),
        height=content.number("height"),
        shapes=tuple(shapes),
        attributes={_HEAD: _text(head)},
    )


def _object_number(item: Fields, before: list[Shape]) -> int | None:
    """Objects are numbered from 1 in the order of the file; areas to ignore and stuff are none."""
    if item.value.get("role") != "object" or item.number("id") == IGNORE:
        return None
    return max((shape.instance or 0 for shape in before), default=0) + 1


def _shapes(item: Fields, instance: int | None) -> list[Shape]:
    """The shapes of one entry: one, or the parts of a contour; the first carries the entry."""
    rings = _rings(item)
    texts = [{_ENTRY: _text(item.value)}, *[{_ENTRY: ""}] * (len(rings) - 1)]
    return [
        Shape(class_id=item.number("id"), points=ring, instance=instance, attributes=text)
        for ring, text in zip(rings, texts, strict=True)
    ]


def _rings(item: Fields) -> list[Ring]:
    flat = next((item.value[key] for key in _GEOMETRY if key in item.value), None)
    if not isinstance(flat, list):
        raise InputError(f"{item.where}: has no list of {', '.join(_GEOMETRY)}; draw it again")
    points = _pairs(flat)
    options: Mapping[str, Any] = item.get("options", dict, {})
    width = options.get("w", options.get("line"))
    if isinstance(width, list):
        width = width[0]
    if width:
        return [_line(points, float(width))]
    if len(points) == 2 and "contour" in item.value and not options.get("rect"):
        return _contour(item.get("contour", list))
    if len(points) == 2:
        (x0, y0), (x1, y1) = points
        return [((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
    return [tuple(points)]


def _pairs(flat: list[float]) -> list[tuple[float, float]]:
    return list(zip(flat[0::2], flat[1::2], strict=True))


def _line(points: list[tuple[float, float]], width: float) -> Ring:
    """The outline of a line with square corners: drawn large, traced and shrunk."""
    low = np.floor(np.min(points, axis=0)) - width - 1
    size = np.ceil((np.ptp(points, axis=0) + 2 * width + 3) * _FINE).astype(int)
    canvas = np.zeros((int(size[1]), int(size[0])), np.uint8)
    for start, end in pairwise(np.array(points)):
        along = (end - start) / max(float(np.linalg.norm(end - start)), 1e-9)
        across = np.array([-along[1], along[0]]) * width / 2
        corners = np.array([start + across, end + across, end - across, start - across])
        cv2.fillPoly(canvas, [np.rint((corners - low) * _FINE - 0.5).astype(np.int32)], 1)
    outlines = [ring for ring, _ in trace(canvas.astype(bool))]
    ring = max(outlines, key=len)
    kept = cv2.approxPolyDP(np.array(ring, np.float32)[:, None], 1.5, closed=True)[:, 0]
    return tuple((float(x / _FINE + low[0]), float(y / _FINE + low[1])) for x, y in kept)


def _contour(contours: list[list[float]]) -> list[Ring]:
    """Contours of OpenCV name the outermost pixels; the outline of the same pixels."""
    parts = [np.array(_pairs(flat), np.int32) for flat in contours]
    corner = np.concatenate(parts).min(axis=0)
    size = np.concatenate(parts).max(axis=0) - corner + 1
    canvas = np.zeros((int(size[1]), int(size[0])), np.uint8)
    cv2.fillPoly(canvas, [part - corner for part in parts], 1)
    return [tuple((x + int(corner[0]), y + int(corner[1])) for x, y in ring) for ring, _ in trace(canvas.astype(bool))]


def _write(document: Document) -> bytes:
    try:
        head = json.loads(document.attributes.get(_HEAD, "{}"))
    except ValueError:
        head = {}
    entries = []
    shapes = list(document.shapes)
    while shapes:
        entry, count = _entry(shapes)
        entries.append(entry)
        del shapes[:count]
    size = {"width": document.width, "height": document.height}
    return dump_json({"image": document.image, **size, **head, "shapes": entries})


def _entry(shapes: list[Shape]) -> tuple[dict[str, Any], int]:
    """The entry of the first shape, and how many shapes it speaks for."""
    first = shapes[0]
    text = first.attributes.get(_ENTRY)
    if text:
        kept = Fields(parse_json(text.encode(), _ENTRY), _ENTRY)
        came = _shapes(kept, first.instance)
        if came == shapes[: len(came)]:
            return kept.value, len(came)
    return {
        "cls": "void" if first.class_id == IGNORE else _NAMES[first.class_id],
        "id": first.class_id,
        "role": "stuff" if first.instance is None else "object",
        "options": {},
        "polygon": [value for point in first.points for value in point],
    }, 1


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
