"""Pictures by which people judge a registration: before and after, red-cyan or checkerboard, with the parallax left."""

from __future__ import annotations

from typing import Any, Literal, cast

import cv2
import numpy as np
import numpy.typing as npt

from segmif import io
from segmif.checks import check_same_size, unknown
from segmif.color import luma
from segmif.rig.homography import resize_homography
from segmif.rig.register import Parallax, Registration, warp_infrared

Bytes = npt.NDArray[np.uint8]
Kind = Literal["red-cyan", "checkerboard"]
KINDS: tuple[Kind, ...] = ("red-cyan", "checkerboard")

_TILES_ACROSS = 8
_GAP = 8
_ARROW = (255, 210, 0)
_SMALLEST_ARROW = 1.0
_ARROW_SCALE = 3.0
_PERCENTILES = (1, 99)


def red_cyan(infrared: npt.NDArray[Any], visible: npt.NDArray[Any]) -> Bytes:
    """Infrared in red over visible in cyan, RGB (H, W, 3): where edges lie apart they show coloured fringes.

    Raises:
        InputError: sizes differ.
    """
    check_same_size("infrared", infrared.shape[:2], "visible", visible.shape[:2])
    thermal, colour = _grey(infrared, "infrared"), _grey(visible, "visible")
    return np.dstack([thermal, colour, colour])


def checkerboard(infrared: npt.NDArray[Any], visible: npt.NDArray[Any]) -> Bytes:
    """Tiles of either picture in turn, RGB (H, W, 3): lines should run on across the borders.

    Raises:
        InputError: sizes differ.
    """
    check_same_size("infrared", infrared.shape[:2], "visible", visible.shape[:2])
    height, width = visible.shape[:2]
    side = max(1, round(max(height, width) / _TILES_ACROSS))
    rows, columns = np.arange(height)[:, None] // side, np.arange(width)[None] // side
    thermal = np.repeat(_grey(infrared, "infrared")[..., None], 3, axis=2)
    return np.where(((rows + columns) % 2 == 0)[..., None], thermal, _colour(visible))


def draw_parallax(picture: Bytes, parallax: Parallax) -> Bytes:
    """Arrows, three times as long as they are, from where the visible shows a thing to where the infrared does."""
    drawn = picture.copy()
    for (x, y), (dx, dy) in zip(parallax.points, parallax.shifts, strict=True):
        if np.hypot(dx, dy) >= _SMALLEST_ARROW:
            tip = (round(x + _ARROW_SCALE * dx), round(y + _ARROW_SCALE * dy))
            cv2.arrowedLine(drawn, (round(x), round(y)), tip, _ARROW, 1, cv2.LINE_AA, tipLength=0.35)
    return drawn


def before_after(
    infrared: npt.NDArray[Any], visible: npt.NDArray[Any], registration: Registration, kind: Kind = "red-cyan"
) -> Bytes:
    """The pair as it came and as registered, side by side, RGB; arrows of residual parallax on the right one.

    A refused registration shows what was refused.

    Raises:
        InputError: an unknown kind.
    """
    if kind not in KINDS:
        raise unknown("preview", kind, KINDS)
    combine = red_cyan if kind == "red-cyan" else checkerboard
    size = (visible.shape[0], visible.shape[1])
    came = resize_homography((infrared.shape[0], infrared.shape[1]), size)
    before, after = (
        combine(warp_infrared(infrared, matrix, size, outside="black"), visible)
        for matrix in (came, registration.homography)
    )
    gap = np.full((size[0], _GAP, 3), 255, np.uint8)
    return np.hstack([before, gap, draw_parallax(after, registration.parallax)])


def _grey(image: npt.NDArray[Any], band: io.Band) -> Bytes:
    """Stretched, so that edges show in the dark too."""
    unit = luma(io.to_unit(image, band))
    low, high = np.percentile(unit, _PERCENTILES)
    return _bytes(np.clip((unit - low) / max(float(high - low), 1e-6), 0, 1))


def _colour(visible: npt.NDArray[Any]) -> Bytes:
    unit = io.to_unit(visible, "visible")
    rgb = unit if unit.ndim == 3 else np.repeat(unit[..., None], 3, axis=2)
    return _bytes(rgb)


def _bytes(unit: npt.NDArray[Any]) -> Bytes:
    return cast("Bytes", np.rint(unit * 255).astype(np.uint8))
