"""A pair at one level of the image pyramid: the visible edges fixed, the infrared ones warped as asked."""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from segmif import io
from segmif.color import luma
from segmif.rig.blocks import Blocks, Floats, correlate_blocks, fit
from segmif.rig.homography import Matrix, Model, Size, correction, map_points, normalised, resize_homography
from segmif.rig.orientation import Field, Grey, Mask, inner, orientation_field, valid_area


class Picture:
    """A picture of one band as grey in [0, 1], and where it has content.

    Raises:
        InputError: values that `io.to_unit` refuses.
    """

    def __init__(self, image: npt.NDArray[Any], band: io.Band) -> None:
        self.grey: Grey = np.ascontiguousarray(luma(io.to_unit(image, band)))
        self.valid: Mask = valid_area(image)

    @property
    def size(self) -> Size:
        """(height, width)."""
        return self.grey.shape[0], self.grey.shape[1]

    def shrunk(self, factor: float) -> tuple[Grey, Mask]:
        """Smaller by a factor of at most 1, each pixel the mean of those it covers."""
        height, width = (max(1, round(side * min(1.0, factor))) for side in self.size)
        grey = cv2.resize(self.grey, (width, height), interpolation=cv2.INTER_AREA)
        return cast("Grey", grey), cast(
            "Mask", cv2.resize(self.valid, (width, height), interpolation=cv2.INTER_NEAREST)
        )


class Level:
    """A pair whose visible picture has a largest side of `side` pixels (never enlarged).

    Homographies that come and go are those of the full pictures.

    Args:
        initial: the starting homography; how much it zooms says how far the infrared picture may be shrunk.
    """

    def __init__(self, infrared: Picture, visible: Picture, initial: Matrix, side: int) -> None:
        factor = min(1.0, side / max(visible.size))
        grey, valid = visible.shrunk(factor)
        self.size: Size = (grey.shape[0], grey.shape[1])
        self.visible = orientation_field(grey, inner(valid))
        self.infrared, self.infrared_valid = infrared.shrunk(factor * _zoom(initial, infrared.size))
        self._to_full = resize_homography(self.size, visible.size)
        self._infrared_to_full = resize_homography((self.infrared.shape[0], self.infrared.shape[1]), infrared.size)

    @property
    def zoom(self) -> float:
        """Pixels of the full visible picture per pixel of this level."""
        return float(np.sqrt(self._to_full[0, 0] * self._to_full[1, 1]))

    def field(self, homography: Matrix) -> Field:
        """The infrared edges on this level's grid."""
        matrix = np.linalg.inv(self._to_full) @ homography @ self._infrared_to_full
        width_height = (self.size[1], self.size[0])
        # Beyond the picture its border is repeated: black there would be the strongest edge of all.
        grey = cv2.warpPerspective(
            self.infrared, matrix, width_height, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        valid = cv2.warpPerspective(self.infrared_valid, matrix, width_height, flags=cv2.INTER_NEAREST)
        return orientation_field(cast("Grey", grey), inner(cast("Mask", valid)))

    def moved(self, move: Matrix, homography: Matrix) -> Matrix:
        """`homography` followed by a move given in pixels of this level."""
        return normalised(self._to_full @ move @ np.linalg.inv(self._to_full) @ homography)

    def shifts_from(self, other: Matrix, homography: Matrix, points: Matrix) -> Floats:
        """The shifts at `points` of this level by which blocks of `field(homography)` would choose `other` instead."""
        move = normalised(np.linalg.inv(self._to_full) @ homography @ np.linalg.inv(other) @ self._to_full)
        return map_points(move, points) - points

    def refined(self, homography: Matrix, model: Model, *, across: int, radius: int) -> tuple[Matrix, Blocks, Floats]:
        """A better homography, the blocks that say so, and the parameters that they chose."""
        blocks = correlate_blocks(self.field(homography), self.visible, across=across, radius=radius)
        parameters = fit(blocks, model)
        move = normalised(np.linalg.inv(correction(parameters, self.size)))
        return self.moved(move, homography), blocks, parameters


def _zoom(homography: Matrix, size: Size) -> float:
    """Visible pixels per infrared pixel at the centre of the infrared picture."""
    centre = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2, 1.0])
    depth = float(homography[2] @ centre)
    return float(np.sqrt(abs(np.linalg.det(homography) / depth**3)))
