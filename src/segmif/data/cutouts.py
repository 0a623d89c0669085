"""Objects of rare classes, cut out of labelled pairs and pasted into views of others.

"Simple Copy-Paste is a Strong Data Augmentation Method" (Ghiasi et al., arXiv 2012.07177), for pairs: both cameras and
the labels together. What few pairs show is seen before other backgrounds, nearer, wider, in other colours and with
something painted on it, so that its parts are learnt and not the one picture of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmif.data import effects
from segmif.data.base import PairSample
from segmif.io import to_unit
from segmif.labelsets import IGNORE

LEAST_PIXELS = 2000
"""Smaller objects show too little to be enlarged."""
_BORDER = 5
"""Width of the band around a pasted object that is not labelled."""
_LARGEST = 4
"""Times an object may be enlarged."""
_LEAST_SEEN = 400
"""Pixels: less of an object in a view is not pasted."""


Picture = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Cutout:
    """An object: `infrared` (h, w) and `visible` (h, w, 3) uint8, `mask` (h, w) bool, and the id of its class."""

    infrared: npt.NDArray[np.uint8]
    visible: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.bool_]
    class_id: int


def cut_out(sample: PairSample, classes: Sequence[int]) -> list[Cutout]:
    """The objects of some classes in a pair: connected pixels, at least `LEAST_PIXELS`, holes filled."""
    if sample.labels is None or not np.isin(sample.labels, classes).any():
        return []
    infrared, visible = _bytes(to_unit(sample.infrared, "infrared")), _bytes(to_unit(sample.visible, "visible"))
    found = []
    for class_id in classes:
        outlines, _ = cv2.findContours(
            (sample.labels == class_id).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        for outline in outlines:
            x, y, width, height = cv2.boundingRect(outline)
            mask = np.zeros((height, width), np.uint8)
            cv2.drawContours(mask, [outline], -1, 1, cv2.FILLED, offset=(-x, -y))
            if mask.sum() >= LEAST_PIXELS:
                window = np.s_[y : y + height, x : x + width]
                found.append(
                    Cutout(infrared=infrared[window], visible=visible[window], mask=mask > 0, class_id=class_id)
                )
    return found


def _bytes(picture: Picture) -> npt.NDArray[np.uint8]:
    return np.rint(picture * 255).astype(np.uint8)


def paste(pictures: dict[str, Any], cutout: Cutout, random: np.random.Generator) -> bool:
    """Put an object into a view, in place.

    Args:
        pictures: `infrared` (H, W) and `visible` (H, W, 3) float32 in [0, 1], `labels` (H, W) ids.
        cutout: the object; it is mirrored, stretched, scaled to 0.4 to 2.4 of the view's width, recoloured and painted
            upon at random. Its lower edge lies in the lower half of the view or below it.
        random: where all numbers come from.

    Returns:
        Whether enough of it fell into the view; if not, nothing was changed.
    """
    height, width = pictures["labels"].shape
    wide = min(width * float(np.exp(random.uniform(np.log(0.4), np.log(2.4)))), _LARGEST * cutout.mask.shape[1])
    tall = wide * cutout.mask.shape[0] / cutout.mask.shape[1] * float(np.exp(random.uniform(-0.7, 0.4)))
    left = random.uniform(-0.2, 1.2) * width - wide / 2
    top = random.uniform(0.5, 1.15) * height - tall
    onto = _placement(cutout.mask.shape, (wide, tall), (left, top), flip=random.random() < 0.5)

    def placed(picture: npt.NDArray[Any], border: int) -> Picture:
        moved = cv2.warpAffine(picture.astype(np.float32), onto, (width, height), borderMode=border)
        return np.asarray(moved, np.float32)

    share = placed(cutout.mask, cv2.BORDER_CONSTANT)
    if (share > 0.5).sum() < _LEAST_SEEN:
        return False
    visible = to_unit(_painted(cutout.visible, random), "visible")
    tint = random.uniform(0.75, 1.15, 3).astype(np.float32)
    looks = {
        "visible": effects.photometric_visible(visible, random) * tint,
        "infrared": effects.photometric_infrared(to_unit(cutout.infrared, "infrared"), random),
    }
    for band, look in looks.items():
        opaque = share if band == "infrared" else share[..., None]
        pictures[band] += opaque * (np.clip(placed(look, cv2.BORDER_REPLICATE), 0, 1) - pictures[band])
    around = cv2.dilate(share, np.ones((_BORDER, _BORDER))) > 0
    labels = np.where(around, IGNORE, pictures["labels"])
    pictures["labels"] = np.where(share > 0.5, cutout.class_id, labels)
    return True


def _painted(image: npt.NDArray[np.uint8], random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Stripes, signs and letters on the upper two thirds of an object, as on the sides of vehicles."""
    image = image.copy()
    height, width = image.shape[:2]
    for _ in range(int(random.integers(0, 7))):
        colour = random.integers(0, 256, 3).tolist()
        x, y = int(random.uniform(0, width)), int(random.uniform(0.05, 0.65) * height)
        size = random.uniform(0.05, 0.3) * height
        kind = int(random.integers(4))
        if kind == 0:
            cv2.rectangle(image, (x, y), (x + int(random.uniform(0.3, 4) * size), y + int(size)), colour, cv2.FILLED)
        elif kind == 1:
            cv2.circle(image, (x, y), max(1, int(size / 2)), colour, cv2.FILLED)
        elif kind == 2:  # all along
            cv2.rectangle(image, (0, y), (width, y + max(1, int(size / 3))), colour, cv2.FILLED)
        else:
            letters = "".join(chr(int(code)) for code in random.integers(65, 91, int(random.integers(2, 9))))
            thick = max(1, int(size / 8))
            cv2.putText(image, letters, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size / 22, colour, thick, cv2.LINE_AA)
    return image


def _placement(
    size: tuple[int, ...], wanted: tuple[float, float], corner: tuple[float, float], *, flip: bool
) -> npt.NDArray[np.float64]:
    """(2, 3): from pixels of an object of (height, width) `size` to where it lies, `wanted` (width, height) large."""
    scale_x, scale_y = wanted[0] / size[1], wanted[1] / size[0]
    x = (-scale_x, corner[0] + wanted[0]) if flip else (scale_x, corner[0])
    return np.array([[x[0], 0, x[1]], [0, scale_y, corner[1]]])


@dataclass(frozen=True)
class Cutouts:
    """What can be pasted: groups of objects, one of each source of pairs, and how often each group is drawn."""

    groups: tuple[tuple[Cutout, ...], ...]
    weights: tuple[float, ...]

    def draw(self, random: np.random.Generator) -> Cutout:
        """One object."""
        chances = np.asarray(self.weights) / sum(self.weights)
        group = self.groups[int(random.choice(len(self.groups), p=chances))]
        return group[int(random.integers(len(group)))]

    def __bool__(self) -> bool:
        return bool(self.groups)
