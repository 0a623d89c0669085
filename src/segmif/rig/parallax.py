"""What a registration leaves: objects nearer or farther than the plane it fits, block by block or box by box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segmif.checks import InputError, check_same_size
from segmif.rig.blocks import Blocks, Floats, correlate_blocks, fit
from segmif.rig.homography import displacement_basis
from segmif.rig.orientation import inner, orientation_field
from segmif.rig.pyramid import Picture

_SURE_PEAK = 3.5
"""Standard deviations by which the peak of a block's surface must stand out for its parallax to be believed."""
_SURE_BOX = 3.0
"""The same for the blocks of a box together."""
_BOX_MARGIN = 4
_BOX_RADIUS = 16


@dataclass(frozen=True, kw_only=True)
class Parallax:
    """What is left after the registration.

    Attributes:
        points: (N, 2), centres of the blocks that have a clear answer, in pixels of the visible picture.
        shifts: (N, 2), how far the registered infrared still lies right of and below the visible there, in pixels.
    """

    points: Floats
    shifts: Floats

    @property
    def pixels(self) -> Floats:
        """Lengths of the shifts, (N,)."""
        return np.asarray(np.linalg.norm(self.shifts, axis=1), np.float64)

    def peaks(self, count: int = 3) -> list[dict[str, float]]:
        """The largest ones: place x, y and shift right, down."""
        order = np.argsort(-self.pixels, kind="stable")[:count]
        rows = np.hstack([self.points, self.shifts])[order].round(1).tolist()
        return [dict(zip(("x", "y", "right", "down"), row, strict=True)) for row in rows]


def block_parallax(blocks: Blocks, shifts: Floats, zoom: float) -> Parallax:
    """What blocks still want beyond `shifts` (N, 2).

    Args:
        zoom: pixels of the visible picture per pixel of the blocks' level.
    """
    peaks, _ = blocks.peaks()
    sure = (blocks.prominence() > _SURE_PEAK) & (np.abs(peaks).max(axis=1) < blocks.radius)
    return Parallax(points=(blocks.centres[sure] + 0.5) * zoom - 0.5, shifts=(peaks - shifts)[sure] * zoom)


def box_shift(
    infrared: npt.NDArray[Any], visible: npt.NDArray[Any], box: Sequence[float]
) -> tuple[float, float] | None:
    """How far the infrared lies right of and below the visible inside a box, up to 16 pixels; None if that is unclear.

    Args:
        infrared, visible: pictures of one size as stored.
        box: x, y, width, height in pixels.

    Raises:
        InputError: sizes differ, or the box has no part in the picture.
    """
    pictures = Picture(infrared, "infrared"), Picture(visible, "visible")
    check_same_size("infrared", pictures[0].size, "visible", pictures[1].size)
    height, width = pictures[0].size
    x, y, w, h = (round(value) for value in box)
    left, right = max(0, x - _BOX_MARGIN), min(width, x + w + _BOX_MARGIN)
    top, bottom = max(0, y - _BOX_MARGIN), min(height, y + h + _BOX_MARGIN)
    if right - left < 2 * _BOX_MARGIN or bottom - top < 2 * _BOX_MARGIN:
        raise InputError(f"the box {tuple(box)} has no part in the {width}x{height} picture: give x, y, width, height")
    thermal, colour = (orientation_field(p.grey, inner(p.valid))[top:bottom, left:right] for p in pictures)
    blocks = correlate_blocks(thermal, colour, across=1, radius=_BOX_RADIUS)
    shift = fit(blocks, "translation")
    shifts = displacement_basis(blocks.centres, blocks.size, "translation") @ shift
    if blocks.evidence(shifts) < _SURE_BOX or np.abs(shift).max() > _BOX_RADIUS - 1:
        return None
    return float(shift[0]), float(shift[1])
