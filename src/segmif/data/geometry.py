"""One random view of a pair: zoom, window and flip, the same for every picture, the labels and the boxes.

A view is described in the pixels of the source, so that it can be drawn first and applied to each part as that part
needs: pictures are interpolated and mirrored beyond their border, labels never are (nearest, 255 beyond the border).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmif.checks import InputError
from segmif.data.base import Boxes
from segmif.labelsets import IGNORE

Array = npt.NDArray[Any]

_MOSTLY_HIDDEN = 0.25
"""A box that keeps less than this part of its area in a view is marked ignore: what is left may not be recognisable."""


@dataclass(frozen=True, kw_only=True)
class View:
    """The window of `height` × `width` source pixels whose corner is (`top`, `left`), shown at `size` (height, width).

    The window may reach beyond the source; `flip` mirrors it left to right.
    """

    top: int
    left: int
    height: int
    width: int
    size: tuple[int, int]
    flip: bool = False

    def picture(self, image: Array) -> Array:
        """A (H, W) or (H, W, C) picture: area averages when shrinking, linear when enlarging, mirrored at borders."""
        piece = self._window(image, cv2.BORDER_REFLECT)
        if piece.shape[:2] != self.size:
            smaller = self.size[0] < self.height
            mode = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
            piece = cv2.resize(piece, self.size[::-1], interpolation=mode)
        return self._mirrored(piece)

    def labels(self, ids: Array) -> Array:
        """A (H, W) label map: nearest neighbour only, `IGNORE` beyond the border."""
        piece = self._window(ids, cv2.BORDER_CONSTANT)
        if piece.shape[:2] != self.size:
            piece = cv2.resize(piece, self.size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        return self._mirrored(piece)

    def boxes(self, boxes: Boxes) -> Boxes:
        """The boxes in pixels of the view, clipped; those outside are gone, mostly hidden ones are ignored."""
        factor = np.array([self.size[1] / self.width, self.size[0] / self.height] * 2, np.float32)
        xyxy = (boxes.xyxy - np.array([self.left, self.top] * 2, np.float32)) * factor
        if self.flip:
            xyxy = np.stack((self.size[1] - xyxy[:, 2], xyxy[:, 1], self.size[1] - xyxy[:, 0], xyxy[:, 3]), axis=1)
        limits = np.array([self.size[1], self.size[0]] * 2, np.float32)
        clipped = np.clip(xyxy, 0, limits)
        before, after = _areas(xyxy), _areas(clipped)
        seen = after > 0
        hidden = after < _MOSTLY_HIDDEN * before
        return Boxes(
            xyxy=clipped[seen].astype(np.float32),
            class_ids=boxes.class_ids[seen],
            ignore=(boxes.ignore | hidden)[seen],
        )

    def _mirrored(self, piece: Array) -> Array:
        return np.ascontiguousarray(piece[:, ::-1] if self.flip else piece)

    def _window(self, image: Array, border: int) -> Array:
        height, width = image.shape[:2]
        bottom, right = self.top + self.height, self.left + self.width
        assert -self.height < self.top < height, "a view shows part of the picture"
        assert -self.width < self.left < width, "a view shows part of the picture"
        inside = image[max(0, self.top) : bottom, max(0, self.left) : right]
        outside = (max(0, -self.top), max(0, bottom - height), max(0, -self.left), max(0, right - width))
        if not any(outside):
            return inside
        result: Array = cv2.copyMakeBorder(inside, *outside, border, value=float(IGNORE))
        return result


def _areas(xyxy: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    sides = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0)
    areas: npt.NDArray[np.float32] = sides[:, 0] * sides[:, 1]
    return areas


def draw_view(
    size: tuple[int, int],
    crop: int,
    *,
    scale: tuple[float, float],
    flip: float,
    random: np.random.Generator,
    focus: tuple[int, int] | None = None,
) -> View:
    """A random square view of `crop` pixels of a picture of (height, width) `size`.

    The zoom is drawn evenly in the logarithm from `scale`; a zoom below 1 shows a larger window. The window holds the
    (row, column) `focus` where one is given.

    Raises:
        InputError: the crop exceeds the picture even at the largest zoom.
    """
    height, width = size
    low, high = scale
    if crop > round(min(size) * high):
        raise InputError(
            f"crop {crop} exceeds a picture of {width}x{height}, even enlarged {high:g} times: use a smaller crop"
        )
    window = max(1, round(crop / float(np.exp(random.uniform(np.log(low), np.log(high))))))
    if focus is None:
        focus = (int(random.integers(height)), int(random.integers(width)))
    corner = [_start(length, window, at, random) for length, at in zip(size, focus, strict=True)]
    mirrored = bool(random.random() < flip)
    return View(top=corner[0], left=corner[1], height=window, width=window, size=(crop, crop), flip=mirrored)


def _start(length: int, window: int, focus: int, random: np.random.Generator) -> int:
    """Where the window starts: anywhere that holds `focus` and, if it can, lies inside the picture."""
    if window >= length:
        return int(random.integers(length - window, 1))
    low, high = max(0, focus - window + 1), min(focus, length - window)
    return int(random.integers(low, high + 1))


def rare_pixel(labels: npt.NDArray[np.uint8], random: np.random.Generator) -> tuple[int, int] | None:
    """A (row, column) that shows each class present equally often, however few its pixels; None if all is 255.

    Looking at every second row and column is enough and four times as fast.
    """
    coarse = labels[::2, ::2]
    present = np.flatnonzero(np.bincount(coarse.ravel(), minlength=256)[:IGNORE])
    if not len(present):
        return None
    places = np.flatnonzero(coarse.ravel() == random.choice(present))
    row, column = divmod(int(random.choice(places)), coarse.shape[1])
    return 2 * row, 2 * column


def shifted(image: Array, *, dx: float, dy: float, degrees: float, zoom: float) -> Array:
    """A picture moved by (dx, dy) pixels, turned and zoomed about its centre; mirrored at borders."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, zoom)
    matrix[:, 2] += np.array((dx, dy))
    moved: Array = cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return moved


def whole_view(size: tuple[int, int], *, flip: bool = False) -> View:
    """The view that shows everything as it is (or mirrored)."""
    return replace(View(top=0, left=0, height=size[0], width=size[1], size=size), flip=flip)
