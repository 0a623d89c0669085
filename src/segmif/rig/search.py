"""Coarse search: which rotation, scale and shift lay the infrared edges on the visible ones, by trying them all.

At a largest side of 160 pixels a few dozen rotations and scales are correlated over every shift by Fourier transform.
It has no starting point to be wrong about; what it finds is good to about two of its pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import scipy.fft

from segmif.rig.homography import Matrix, Model, Size, corners, map_points, similarity
from segmif.rig.orientation import Field

_STEP_DEGREES = 1.5
_STEP_SCALE = 0.025
_DISTINCT = 5.0
"""Corners of two candidates differ somewhere by this many pixels; nearer ones are one candidate."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """How far from the starting point to look.

    Attributes:
        shift: of the picture's larger side, each way and in x and y.
        degrees: rotation about the centre, each way.
        scale: 0.075 looks from 0.925 to 1.075.
    """

    shift: float = 0.16
    degrees: float = 6.0
    scale: float = 0.075

    def hypotheses(self, model: Model) -> list[tuple[float, float]]:
        """Pairs of (degrees, scale) on a grid centred on (0, 1)."""
        if model == "translation":
            return [(0.0, 1.0)]
        turns = _grid(self.degrees, _STEP_DEGREES)
        return [(float(turn), 1 + float(growth)) for turn in turns for growth in _grid(self.scale, _STEP_SCALE)]


def _grid(reach: float, step: float) -> npt.NDArray[np.float64]:
    count = int(np.ceil(reach / step - 1e-9))
    return np.linspace(-reach, reach, 2 * count + 1)


def candidates(infrared: Field, visible: Field, search: Search, model: Model, *, count: int = 4) -> list[Matrix]:
    """The best corrections (homographies on the grid of both fields), best first, at most `count`.

    Args:
        infrared, visible: orientation fields of one size, about 160 pixels large.
    """
    size: Size = (visible.shape[0], visible.shape[1])
    reach = max(1, round(search.shift * max(size)))
    padded = tuple(scipy.fft.next_fast_len(side + reach) for side in size)
    target = np.conj(scipy.fft.fft2(visible, padded))
    found: list[tuple[float, Matrix]] = []
    for degrees, scale in search.hypotheses(model):
        turned = turn_field(infrared, degrees, scale)
        surface = scipy.fft.ifft2(scipy.fft.fft2(turned, padded) * target).real
        near = np.roll(surface, (reach, reach), (0, 1))[: 2 * reach + 1, : 2 * reach + 1]
        row, column = np.unravel_index(int(near.argmax()), near.shape)
        height = float(near[row, column]) / (float(np.linalg.norm(turned)) + 1e-9)
        shift = (float(reach - column), float(reach - row))
        found.append((height, similarity(size, degrees=degrees, scale=scale, shift=shift)))
    return _distinct([matrix for _, matrix in sorted(found, key=lambda item: -item[0])], size, count)


def turn_field(field: Field, degrees: float, scale: float) -> Field:
    """An orientation field rotated and scaled about its centre; directions turn with the picture, doubled."""
    size = (field.shape[0], field.shape[1])
    matrix = similarity(size, degrees=degrees, scale=scale)[:2]
    planes = np.dstack([field.real, field.imag])
    warped = cv2.warpAffine(planes, matrix, (size[1], size[0]), flags=cv2.INTER_LINEAR)
    turned = np.ascontiguousarray(warped).view(np.complex64)[..., 0]
    return np.asarray(turned * np.complex64(np.exp(2j * np.deg2rad(degrees))), np.complex64)


def _distinct(matrices: list[Matrix], size: Size, count: int) -> list[Matrix]:
    kept: list[Matrix] = []
    for matrix in matrices:
        outline = map_points(matrix, corners(size))
        if all(np.abs(outline - map_points(other, corners(size))).max() > _DISTINCT for other in kept):
            kept.append(matrix)
        if len(kept) == count:
            break
    return kept
