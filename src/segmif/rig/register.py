"""Register infrared onto visible across the bands, say how sure that is, and refuse where it is not.

    >>> import numpy as np
    >>> from segmif.data.synthetic import synthetic_scene
    >>> scene = synthetic_scene(3, size=(192, 256))
    >>> result = register(np.roll(scene.infrared, 4, axis=1), scene.visible)
    >>> result.accepted, round(result.homography[0, 2])  # 4 pixels back to the left
    (True, -4)

The search is coarse to fine on edge directions, which both bands share (`segmif.rig.orientation`): every rotation,
scale and shift of a small picture (`segmif.rig.search`), then blocks that climb their correlations
(`segmif.rig.blocks`). How well it does is measured by ``benchmarks/registration.py`` and told in the documentation.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from segmif.checks import InputError, InputWarning, check_min_size, unknown
from segmif.rig.blocks import Blocks, Floats, correlate_blocks
from segmif.rig.homography import (
    PARAMETERS,
    Matrix,
    Model,
    Size,
    as_homography,
    displacement_basis,
    is_sane,
    resize_homography,
)
from segmif.rig.parallax import Parallax, block_parallax
from segmif.rig.pyramid import Level, Picture
from segmif.rig.search import Search, candidates

__all__ = ["Model", "Parallax", "Registration", "Search", "align_pair", "assess", "register", "warp_infrared"]

_COARSE, _MIDDLE, _FINE = 160, 320, 640
"""Largest sides in pixels of the three levels."""
_BLOCKS, _RADIUS = 6, 8
"""On the finest level: blocks side by side, and the shift in pixels up to which their parallax is seen."""
_AS_GOOD = 0.95
"""Share of the best evidence at which the start is kept: an aligned pair is not moved for a whim of its noise."""
_NEEDED = 6.5
"""Evidence from which a registration is accepted. Pairs of different scenes reach 6, see docs/registration.md."""
_STEEPNESS = 4.0
_AREA = (0.7, 1.45)
"""A correction that changes the picture's area by more than this is none."""


@dataclass(frozen=True, kw_only=True)
class Registration:
    """Where the infrared picture lies on the visible one, and whether to believe it.

    Attributes:
        homography: (3, 3), infrared pixels to visible pixels.
        quality: in [0, 1]; 0.5 is where it begins to be accepted, pairs of different scenes stayed below it.
        accepted: whether to use it.
        reason: why it is accepted or refused, one line.
        parallax: what no homography of the model can mend.
    """

    homography: Matrix
    quality: float
    accepted: bool
    reason: str
    parallax: Parallax

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        pixels = self.parallax.pixels
        return {
            "accepted": self.accepted,
            "quality": round(self.quality, 4),
            "reason": self.reason,
            "homography": self.homography.tolist(),
            "parallax": {
                "blocks": len(pixels),
                "median_px": round(float(np.median(pixels)), 2) if len(pixels) else None,
                "p95_px": round(float(np.percentile(pixels, 95)), 2) if len(pixels) else None,
                "largest": self.parallax.peaks(),
            },
        }


def register(
    infrared: npt.NDArray[Any],
    visible: npt.NDArray[Any],
    *,
    initial: npt.ArrayLike | None = None,
    model: Model = "homography",
    search: Search | None = Search(),
) -> Registration:
    """Find the homography from infrared to visible pixels.

    Args:
        infrared: (H, W) or (H, W, 3), uint8, uint16 or float as stored; black wedges of an earlier warp are ignored.
        visible: likewise, any size; a smaller side of 160 pixels or more is best.
        initial: (3, 3) where to start, from a calibration or an earlier registration; by default the two pictures
            are taken to show the same field of view.
        model: "homography", "similarity" or "translation"; the fewer freedoms, the less depth can bend the result.
        search: how far from `initial` to look; None refines within about 2 % of the larger side only.

    Raises:
        InputError: a picture below 32 pixels a side, of another shape or dtype, or an `initial` that is no homography.
    """
    if model not in PARAMETERS:
        raise unknown("model", str(model), PARAMETERS)
    pictures = _pictures(infrared, visible)
    start = as_homography(initial) if initial is not None else resize_homography(*(p.size for p in pictures))
    rigid: Model = "translation" if model == "translation" else "similarity"
    homography = start
    if search is not None:
        homography = _searched(Level(*pictures, start, _COARSE), start, search, rigid)
    middle = Level(*pictures, start, _MIDDLE)
    homography, *_ = middle.refined(homography, rigid, across=5, radius=6)
    homography, *_ = middle.refined(homography, model, across=5, radius=4)
    fine = Level(*pictures, start, _FINE)
    nearly = homography
    homography, blocks, parameters = fine.refined(nearly, model, across=_BLOCKS, radius=_RADIUS)
    shifts = displacement_basis(blocks.centres, blocks.size, model) @ parameters
    unmoved = fine.shifts_from(start, nearly, blocks.centres)
    if blocks.evidence(unmoved) > _AS_GOOD * blocks.evidence(shifts):
        homography, shifts = start, unmoved
    change = homography @ np.linalg.inv(start)
    return _judged(homography, blocks, shifts, fine.zoom, sane=is_sane(change, pictures[1].size, area=_AREA))


def assess(infrared: npt.NDArray[Any], visible: npt.NDArray[Any], homography: npt.ArrayLike) -> Registration:
    """How good a given homography is for a pair: a `Registration` with it, nothing estimated but the parallax.

    For the homography of a calibration (`segmif.rig.homography.plane_homography`) or of another pair of the same rig.

    Raises:
        InputError: as `register`.
    """
    pictures, given = _pictures(infrared, visible), as_homography(homography)
    fine = Level(*pictures, given, _FINE)
    blocks = correlate_blocks(fine.field(given), fine.visible, across=_BLOCKS, radius=_RADIUS)
    return _judged(given, blocks, np.zeros((len(blocks.centres), 2)), fine.zoom, sane=True)


def _pictures(infrared: npt.NDArray[Any], visible: npt.NDArray[Any]) -> tuple[Picture, Picture]:
    for band, image in (("infrared", infrared), ("visible", visible)):
        if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
            raise InputError(f"the {band} picture has shape {image.shape}: expected (H, W) or (H, W, 3)")
        check_min_size(f"the {band} picture", (image.shape[0], image.shape[1]))
    return Picture(infrared, "infrared"), Picture(visible, "visible")


def _searched(level: Level, start: Matrix, search: Search, model: Model) -> Matrix:
    """The best of a few candidates, each judged where it stands best."""
    best, height = start, -np.inf
    for move in candidates(level.field(start), level.visible, search, model):
        homography, blocks, parameters = level.refined(level.moved(move, start), model, across=4, radius=3)
        reached = float(blocks.at(displacement_basis(blocks.centres, blocks.size, model) @ parameters)[0].sum())
        if reached > height:
            best, height = homography, reached
    return best


def _judged(homography: Matrix, blocks: Blocks, shifts: Floats, zoom: float, *, sane: bool) -> Registration:
    evidence = blocks.evidence(shifts)
    quality = evidence**_STEEPNESS / (evidence**_STEEPNESS + _NEEDED**_STEEPNESS)
    if not sane:
        reason = "refused: the best fit folds, mirrors or zooms the picture"
    elif quality < 0.5:
        reason = f"refused: too few edges in common (quality {quality:.2f}, needs 0.50)"
    else:
        reason = f"accepted with quality {quality:.2f}"
    return Registration(
        homography=homography,
        quality=quality if sane else min(quality, 0.49),
        accepted=sane and quality >= 0.5,
        reason=reason,
        parallax=block_parallax(blocks, shifts, zoom),
    )


def warp_infrared(
    infrared: npt.NDArray[Any],
    registration: Registration | npt.ArrayLike,
    size: Size,
    *,
    outside: Literal["repeat", "black"] = "repeat",
) -> npt.NDArray[Any]:
    """The infrared picture on the visible picture's grid; dtype and range of values stay.

    Args:
        infrared: (H, W) or (H, W, 3), uint8, uint16 or float.
        registration: of this pair, or a (3, 3) homography.
        size: (height, width) of the visible picture.
        outside: what is where infrared saw nothing: its border repeated, or 0.
    """
    matrix = registration.homography if isinstance(registration, Registration) else as_homography(registration)
    border = cv2.BORDER_REPLICATE if outside == "repeat" else cv2.BORDER_CONSTANT
    # OpenCV's warps know float32, not float16 or 64. Cubic resampling overshoots at edges, hence the limits.
    source = infrared.astype(np.float32) if infrared.dtype.kind == "f" else infrared
    warped = cv2.warpPerspective(source, matrix, (size[1], size[0]), flags=cv2.INTER_CUBIC, borderMode=border)
    low = infrared.min() if outside == "repeat" else min(0, infrared.min())
    return np.clip(warped, low, infrared.max()).astype(infrared.dtype)


def align_pair(
    infrared: npt.NDArray[Any],
    visible: npt.NDArray[Any],
    *,
    on_refusal: Callable[[str], None] | None = None,
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """A pair as stored, the infrared picture registered to the visible one; as it was where that is refused.

    Args:
        on_refusal: called with the reason; without it the reason is an `InputWarning`.

    Raises:
        InputError: as `register`.
    """
    registration = register(infrared, visible)
    if registration.accepted:
        return warp_infrared(infrared, registration, (visible.shape[0], visible.shape[1])), visible
    note = f"not aligned: registration {registration.reason}"
    if on_refusal is not None:
        on_refusal(note)
    else:
        warnings.warn(note, InputWarning, stacklevel=2)
    return infrared, visible
