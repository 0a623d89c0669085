"""Polygons from a network's label map, for people to correct rather than to draw.

Regions are painted large first, each without its holes, so that a later region fills the hole of an earlier one: fewer
points, and nobody has to edit holes. Before any simplification the polygons paint exactly the cleaned map.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from segmif.checks import InputError, check_same_size
from segmif.labelsets import IGNORE, LabelSet
from segmif.rig.annotation.document import Ring, Shape
from segmif.rig.annotation.raster import Labels, ring_mask, trace, window_mask

THINGS = frozenset({"person", "car", "truck", "bus", "motorcycle", "bicycle", "bike", "traffic lamp", "traffic sign"})
"""Classes whose connected regions are numbered as objects."""
_EPSILONS = (12.0, 8.0, 6.0, 4.0, 3.0, 2.0, 1.5, 1.0, 0.75)
"""Tolerances of Douglas and Peucker's simplification in pixels that are tried, the largest first."""


@dataclass(frozen=True, kw_only=True)
class PrelabelOptions:
    """How a label map becomes polygons.

    Attributes:
        confidence: below this probability a pixel is left undrawn (255).
        smallest: regions of fewer pixels are given to what lies around them.
        iou_loss: how much a polygon may lose against its region, as 1 − IoU; larger means fewer points.
    """

    confidence: float = 0.5
    smallest: int = 40
    iou_loss: float = 0.05

    def __post_init__(self) -> None:
        if not 0 <= self.confidence <= 1 or not 0 <= self.iou_loss < 1 or self.smallest < 0:
            raise InputError(
                f"confidence {self.confidence:g} must be 0..1, iou_loss {self.iou_loss:g} 0..1 and smallest "
                f"{self.smallest} not negative"
            )


_DEFAULT = PrelabelOptions()


def prelabel(
    labels: Labels,
    confidence: npt.NDArray[np.float32] | None,
    label_set: LabelSet,
    options: PrelabelOptions = _DEFAULT,
) -> list[Shape]:
    """Shapes in painting order.

    Args:
        labels: (H, W) uint8 class ids.
        confidence: (H, W) in [0, 1], or None where all is believed.
        label_set: what the ids mean; see `THINGS`.
        options: how much to leave out.

    Raises:
        InputError: the two differ in size.
    """
    cleaned = clean(labels, confidence, options)
    outlines = [(int(class_id), ring) for class_id in np.unique(cleaned) for ring, _ in trace(cleaned == class_id)]
    outlines.sort(key=lambda item: -_area(item[1]))
    shapes: list[Shape] = []
    drawn = np.full(labels.shape, IGNORE, np.uint8)
    objects = 0
    for class_id, ring in outlines:
        region = Shape(class_id=class_id, points=ring)
        mask, window = window_mask([region], labels.shape)
        if (drawn[window][mask] == class_id).all():
            continue  # undrawn ground needs no polygon; an undecided area inside a region does
        drawn[window][mask] = class_id
        thing = class_id < len(label_set) and label_set.classes[class_id] in THINGS
        objects += thing
        points = simplify(ring, options.iou_loss)
        shapes.append(Shape(class_id=class_id, points=points, instance=objects if thing else None))
    return shapes


def _area(ring: Ring) -> float:
    """Pixels inside an outline along pixel edges, holes and all (the shoelace formula)."""
    x, y = np.array(ring).T
    return abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2


def clean(labels: Labels, confidence: npt.NDArray[np.float32] | None, options: PrelabelOptions) -> Labels:
    """The label map with doubtful pixels set to 255 and specks given to the nearest pixel that is none."""
    cleaned = labels.copy()
    if confidence is not None:
        check_same_size("labels", labels.shape, "confidence", confidence.shape)
        cleaned[confidence < options.confidence] = IGNORE
    specks = np.zeros(labels.shape, bool)
    for class_id in np.unique(cleaned):
        _, parts, stats, _ = cv2.connectedComponentsWithStats((cleaned == class_id).astype(np.uint8), connectivity=4)
        small = stats[:, cv2.CC_STAT_AREA] < options.smallest
        small[0] = False
        specks |= small[parts]
    if specks.all() or not specks.any():
        return cleaned
    nearest = ndimage.distance_transform_edt(specks, return_distances=False, return_indices=True)
    result: Labels = cleaned[tuple(nearest)]
    return result


def simplify(ring: Ring, iou_loss: float) -> Ring:
    """The ring with the fewest points (Douglas and Peucker) whose IoU with what it encloses is at least 1 − `iou_loss`.

    Args:
        ring: an outline along pixel edges, as `trace` makes it.
        iou_loss: 0 gives back the ring, or one that encloses the same pixels.
    """
    points = np.array(ring, np.float32)
    left, top = (int(value) for value in points.min(axis=0))
    size = int(points[:, 1].max()) - top, int(points[:, 0].max()) - left
    region = ring_mask(ring, size, (top, left))
    for epsilon in _EPSILONS:
        kept = cv2.approxPolyDP(points[:, None], epsilon, closed=True)[:, 0]
        if len(kept) < 3:
            continue
        simple = tuple((float(x), float(y)) for x, y in kept)  # corners of the ring: it stays inside the window
        mask = ring_mask(simple, size, (top, left))
        if int((mask & region).sum()) >= (1 - iou_loss) * int((mask | region).sum()):
            return simple
    return ring
