"""Holes for formats that have none: each joined to its outline by a line walked there and back, and cut out again.

The line covers no pixel (even-odd: there and back cancel), so programs without holes show the same pixels. Where each
hole went is noted in an attribute of the shape; formats that keep attributes give back the very same shape.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from segmif.checks import InputError
from segmif.rig.annotation.document import Annotations, Document, Point, Ring, Shape
from segmif.rig.annotation.raster import shape_mask

NOTE = "segmif_holes"
"""Attribute of a bridged shape: for each hole "corner of the outline.corner of the hole.corners of the hole"."""
_NOTE = re.compile(r"\d{1,7}\.\d{1,7}\.\d{1,7}(,\d{1,7}\.\d{1,7}\.\d{1,7})*")


def bridge_holes(annotations: Annotations) -> Annotations:
    """The same pixels without holes: each is joined to its outline at the nearest corners.

    Raises:
        InputError: a hole that is not inside its outline, or overlaps another: then the pixels would change.
    """
    documents = []
    for document in annotations.documents:
        shapes = tuple(_bridged(shape, document) if shape.holes else shape for shape in document.shapes)
        documents.append(replace(document, shapes=shapes))
    return replace(annotations, documents=tuple(documents))


def restore_holes(annotations: Annotations) -> Annotations:
    """Holes as they were before `bridge_holes`; a shape whose bridge was edited since stays as it is."""
    documents = []
    for document in annotations.documents:
        shapes = tuple(_restored(shape) if NOTE in shape.attributes else shape for shape in document.shapes)
        documents.append(replace(document, shapes=shapes))
    return replace(annotations, documents=tuple(documents))


def _bridged(shape: Shape, document: Document) -> Shape:
    points = list(shape.points)
    notes = []
    for hole in shape.holes:
        gaps = np.linalg.norm(np.array(points)[:, None] - np.array(hole)[None], axis=-1)
        i, j = (int(k) for k in np.unravel_index(int(gaps.argmin()), gaps.shape))
        points[i + 1 : i + 1] = [*hole[j:], *hole[: j + 1], points[i]]
        notes.append(f"{i}.{j}.{len(hole)}")
    joined = replace(shape, points=tuple(points), holes=(), attributes={**shape.attributes, NOTE: ",".join(notes)})
    if not np.array_equal(shape_mask(joined, document.size), shape_mask(shape, document.size)):
        number = document.shapes.index(shape) + 1
        raise InputError(f"{document.image}: a hole of shape {number} crosses its outline or another; draw it inside")
    return joined


def _restored(shape: Shape) -> Shape:
    attributes = {name: text for name, text in shape.attributes.items() if name != NOTE}
    note = shape.attributes[NOTE]
    points = list(shape.points)
    holes: list[Ring] = []
    for part in reversed(note.split(",")) if _NOTE.fullmatch(note) and not shape.holes else ():
        i, j, count = (int(number) for number in part.split("."))
        hole = _cut(points, i, j, count)
        if hole is None or len(points) < 3:
            holes, points = [], list(shape.points)
            break
        holes.insert(0, hole)
    return replace(shape, points=tuple(points), holes=tuple(holes) or shape.holes, attributes=attributes)


def _cut(points: list[Point], i: int, j: int, count: int) -> Ring | None:
    """Take the hole that was joined at corner `i` out of `points`; None if it is no longer there."""
    walk = points[i + 1 : i + count + 3]
    if len(walk) < count + 2 or count < 3 or j >= count or (walk[0], points[i]) != tuple(walk[count:]):
        return None
    del points[i + 1 : i + count + 3]
    return (*walk[count - j : count], *walk[: count - j])
