"""Polygons to label maps and back, both exact.

A pixel belongs to a ring if a ray from its centre to the left crosses the ring an odd number of times (even-odd rule).
An edge counts on the rows y0 <= centre < y1, a crossing at x counts for centres at or right of x. So two polygons that
share an edge share no pixel and leave none out, whichever way round they were drawn, and no library's rounding matters.
A pixel belongs to a shape if it belongs to the outline and to none of the holes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from segmif.labelsets import IGNORE
from segmif.metrics.segmentation import ignore_band
from segmif.rig.annotation.document import Document, Ring, Shape

Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.uint8]
Instances = npt.NDArray[np.int32]


def rasterise(document: Document) -> tuple[Labels, Instances]:
    """Paint the shapes in their order.

    Returns:
        (H, W) uint8 class ids, 255 where nothing was drawn, and (H, W) int32 instance numbers, 0 for none. First a
        shape's band is set to 255, then the shape is painted; at the end `document.ignore_band` blanks all borders
        between classes (instances stay).
    """
    labels = np.full(document.size, IGNORE, np.uint8)
    instances = np.zeros(document.size, np.int32)
    for shape in document.shapes:
        mask, (rows, columns) = window_mask([shape], document.size)
        if shape.band:
            labels[rows, columns][_dilate(mask, shape.band) & ~mask] = IGNORE
        labels[rows, columns][mask] = shape.class_id
        instances[rows, columns][mask] = shape.instance or 0
    return ignore_band(labels, document.ignore_band), instances


def shape_mask(shape: Shape, size: tuple[int, int], origin: tuple[int, int] = (0, 0)) -> Mask:
    """The pixels of one shape in a window of (height, width) `size` whose first pixel is at (row, column) `origin`."""
    mask = ring_mask(shape.points, size, origin)
    for hole in shape.holes:
        mask &= ~ring_mask(hole, size, origin)
    return mask


def ring_mask(ring: Ring, size: tuple[int, int], origin: tuple[int, int] = (0, 0)) -> Mask:
    """The pixels of one ring, even-odd, (H, W) bool.

    >>> ring_mask(((0.5, 0), (2, 0), (2, 1), (0.5, 1)), (1, 3)).tolist()
    [[True, True, False]]
    """
    height, width = size
    top, left = origin
    flips = np.zeros((height, width + 1), np.uint8)
    for (x0, y0), (x1, y1) in zip(ring, (*ring[1:], ring[0]), strict=True):
        if y0 > y1:  # one direction for both neighbours of an edge: the same rounding
            x0, y0, x1, y1 = x1, y1, x0, y0
        first = max(int(np.ceil(y0 - 0.5)), top)
        last = min(int(np.ceil(y1 - 0.5)), top + height)
        if first >= last:
            continue
        rows = np.arange(first, last)
        crossings = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
        columns = np.clip(np.ceil(crossings - 0.5) - left, 0, width).astype(np.intp)
        flips[rows - top, columns] ^= 1
    return np.bitwise_xor.accumulate(flips, axis=1)[:, :width].astype(bool)


def window_mask(shapes: Sequence[Shape], size: tuple[int, int]) -> tuple[Mask, tuple[slice, slice]]:
    """The pixels of shapes together, in the rows and columns that they and their bands can touch."""
    points = np.concatenate([np.array(shape.points) for shape in shapes])
    reach = max(shape.band for shape in shapes) + 1
    low = np.floor(points.min(axis=0)).astype(int) - reach
    high = np.ceil(points.max(axis=0)).astype(int) + reach
    (left, top), (right, bottom) = np.clip(low, 0, size[::-1]).tolist(), np.clip(high, 0, size[::-1]).tolist()
    mask = np.zeros((bottom - top, right - left), bool)
    for shape in shapes:
        mask |= shape_mask(shape, (bottom - top, right - left), (top, left))
    return mask, (slice(top, bottom), slice(left, right))


def _dilate(mask: Mask, width: int) -> Mask:
    if not mask.size:
        return mask
    y, x = np.ogrid[-width : width + 1, -width : width + 1]
    disk = (x * x + y * y <= width * width).astype(np.uint8)
    return cv2.dilate(mask.astype(np.uint8), disk).astype(bool)


def trace(mask: Mask) -> list[tuple[Ring, tuple[Ring, ...]]]:
    """The outlines of a mask along the edges of its pixels: (outline, holes) for every connected part.

    Parts hang together by pixel sides, not corners. `ring_mask` of the result is the mask again, to the pixel.
    Parts come from top to bottom, then left to right.

    >>> trace(np.array([[True, True]]))
    [(((0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (0.0, 1.0)), ())]
    """
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    mask = mask[top : top + height, left : left + width]
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    outlines: dict[int, Ring] = {}
    holes: dict[int, list[Ring]] = {}
    for corners in _rings(mask):
        x, y = int(corners[0][0]), int(corners[0][1])
        ring = tuple((x + left, y + top) for x, y in corners)
        if mask[y, x]:
            outlines[int(parts[y, x])] = ring
        else:
            holes.setdefault(int(parts[y - 1, x]), []).append(ring)
    return [(ring, tuple(holes.get(part, ()))) for part, ring in outlines.items()]


def _rings(mask: Mask) -> Iterator[Ring]:
    """Closed walks along the mask's border, each from its topmost, then leftmost corner, first to the right."""
    ys, xs, right, down = _corners(mask)
    order = np.lexsort((right, xs, ys))
    across = _mates(order)
    along = _mates(np.lexsort((down, ys, xs)))
    visited = np.zeros(len(ys), bool)
    for start in order:
        if visited[start]:
            continue
        walk = []
        at = int(start)
        while not visited[at]:
            beside = int(across[at])
            visited[[at, beside]] = True
            walk += [at, beside]
            at = int(along[beside])
        yield tuple((float(xs[i]), float(ys[i])) for i in walk)


def _corners(mask: Mask) -> tuple[npt.NDArray[np.intp], ...]:
    """Where the border turns: y, x, whether its horizontal side goes right and its vertical side goes down.

    A grid point with pixels in two opposite quarters is two corners, one for each pixel.
    """
    padded = np.pad(mask, 1)
    a, b, c, d = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]  # quarters around a grid point
    found = []
    for quarter, opposite, sides, right, down in (
        (a, d, (b, c), 0, 0),
        (b, c, (a, d), 1, 0),
        (c, b, (a, d), 0, 1),
        (d, a, (b, c), 1, 1),
    ):
        convex = quarter & ~sides[0] & ~sides[1]  # this pixel alone, or with the one across the point
        concave = ~quarter & sides[0] & sides[1] & opposite
        y, x = np.nonzero(convex | concave)
        found.append((y, x, np.full(len(y), right), np.full(len(y), down)))
    ys, xs, rights, downs = (np.concatenate(column) for column in zip(*found, strict=True))
    return ys, xs, rights, downs


def _mates(order: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The other end of each corner's side: along a grid line corners are joined two by two."""
    mates = np.empty(len(order), np.intp)
    mates[order[0::2]], mates[order[1::2]] = order[1::2], order[0::2]
    return mates


def shapes_of_map(labels: Labels, instances: Instances | None = None) -> list[Shape]:
    """Shapes that paint exactly this label map and these instances; every connected part of a region is one.

    Args:
        labels: (H, W) uint8 class ids; 255 is what nothing is drawn on.
        instances: (H, W) int32, 0 for none; one class per instance, its pixels of class 255 are left out.
    """
    numbers = np.zeros(labels.shape, np.int64) if instances is None else instances.astype(np.int64)
    keys = numbers * 256 + labels
    shapes = []
    for key in np.unique(keys):
        number, class_id = int(key) // 256, int(key) % 256
        if class_id == IGNORE:
            continue
        for points, holes in trace(keys == key):
            shapes.append(Shape(class_id=class_id, points=points, holes=holes, instance=number or None))
    return shapes
