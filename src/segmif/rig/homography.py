"""Homographies between two pictures: from a calibrated rig, between grids, small corrections, distances.

All map pixel coordinates (x right, y down, the centre of the first pixel is (0, 0)) of the infrared picture to the
visible one, as 3 × 3 float64 matrices with H[2, 2] = 1; sizes are (height, width).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from segmif.checks import InputError

Matrix = npt.NDArray[np.float64]
Size = tuple[int, int]
Model = Literal["translation", "similarity", "homography"]

PARAMETERS: dict[Model, int] = {"translation": 2, "similarity": 4, "homography": 8}
"""Degrees of freedom of each model."""


def plane_homography(
    infrared_camera: npt.ArrayLike,
    visible_camera: npt.ArrayLike,
    rotation: npt.ArrayLike,
    translation: npt.ArrayLike,
    distance: float = np.inf,
) -> Matrix:
    """The homography of a calibrated rig for things at one working distance.

    H = K_v (R + t nᵀ / d) K_i⁻¹ with n = (0, 0, 1) (Hartley & Zisserman 2004, eq. 13.2): exact for the plane at depth
    d that faces the infrared camera. Something at depth z is off by about f·B·|1/z − 1/d| pixels (f focal length in
    pixels, B baseline): the parallax no homography removes. Lens distortion must be removed before.

    Args:
        infrared_camera, visible_camera: 3 × 3 camera matrices K in pixels.
        rotation, translation: a point X in the infrared camera's frame is R X + t in the visible camera's.
        distance: depth of the plane in the unit of `translation`; infinity for far scenes.

    Raises:
        InputError: a matrix of another shape or singular, or a distance that is not positive.

    >>> camera = np.array([[500, 0, 320], [0, 500, 240], [0, 0, 1]])
    >>> plane_homography(camera, camera, np.eye(3), [0.1, 0, 0], distance=10)[0, 2]  # 500 px * 0.1 m / 10 m
    np.float64(5.0)
    """
    if not distance > 0:
        raise InputError(f"the working distance is {distance:g}: give a positive one, in the unit of the translation")
    infrared, visible = _camera("infrared", infrared_camera), _camera("visible", visible_camera)
    turn, shift = np.asarray(rotation, np.float64), np.asarray(translation, np.float64).reshape(-1)
    if turn.shape != (3, 3) or shift.shape != (3,):
        raise InputError(f"rotation must be 3x3 and translation hold 3 numbers, got {turn.shape} and {shift.shape}")
    plane = np.outer(shift, [0.0, 0.0, 1.0]) / distance
    return normalised(visible @ (turn + plane) @ np.linalg.inv(infrared))


def _camera(band: str, matrix: npt.ArrayLike) -> Matrix:
    camera = np.asarray(matrix, np.float64)
    if camera.shape != (3, 3) or abs(np.linalg.det(camera)) < 1e-9:
        raise InputError(f"the {band} camera matrix must be 3x3 and invertible, got shape {camera.shape}")
    return camera


def normalised(homography: npt.NDArray[Any]) -> Matrix:
    """The same map with H[2, 2] = 1."""
    return np.asarray(homography / homography[2, 2], np.float64)


def as_homography(matrix: npt.ArrayLike) -> Matrix:
    """A 3 × 3 matrix from outside, checked and normalised.

    Raises:
        InputError: another shape, not finite, or not invertible.
    """
    try:
        homography = np.asarray(matrix, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"a homography must be 3 rows of 3 numbers ({error})") from error
    usable = homography.shape == (3, 3) and bool(np.isfinite(homography).all())
    if not usable or abs(homography[2, 2]) < 1e-12 or abs(np.linalg.det(homography)) < 1e-12:
        raise InputError(f"a homography must be an invertible 3x3 matrix, got shape {homography.shape}")
    return normalised(homography)


def resize_homography(source: Size, target: Size) -> Matrix:
    """From the pixels of a picture to those of the same picture resized; pixel areas, not centres, are aligned.

    >>> resize_homography((2, 2), (4, 4))[:2].tolist()
    [[2.0, 0.0, 0.5], [0.0, 2.0, 0.5]]
    """
    sy, sx = target[0] / source[0], target[1] / source[1]
    return np.array([[sx, 0, 0.5 * sx - 0.5], [0, sy, 0.5 * sy - 0.5], [0, 0, 1]])


def similarity(size: Size, *, degrees: float = 0.0, scale: float = 1.0, shift: tuple[float, float] = (0, 0)) -> Matrix:
    """Rotation (clockwise on screen) and scaling about the centre of a picture, then a shift (x, y) in pixels."""
    cx, cy = (size[1] - 1) / 2, (size[0] - 1) / 2
    cos, sin = scale * np.cos(np.deg2rad(degrees)), scale * np.sin(np.deg2rad(degrees))
    return np.array(
        [
            [cos, -sin, cx + shift[0] - cos * cx + sin * cy],
            [sin, cos, cy + shift[1] - sin * cx - cos * cy],
            [0, 0, 1],
        ]
    )


def map_points(homography: Matrix, points: npt.ArrayLike) -> Matrix:
    """(N, 2) points through a homography."""
    source = np.asarray(points, np.float64).reshape(-1, 1, 2)
    return np.asarray(cv2.perspectiveTransform(source, homography).reshape(-1, 2), np.float64)


def corners(size: Size) -> Matrix:
    """The centres of the four corner pixels, (4, 2)."""
    height, width = size
    return np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)


def corner_error(homography: Matrix, truth: Matrix, size: Size) -> float:
    """Mean distance in pixels between where two homographies put the corners of a picture."""
    difference = map_points(homography, corners(size)) - map_points(truth, corners(size))
    return float(np.linalg.norm(difference, axis=1).mean())


def displacement_basis(points: Matrix, size: Size, model: Model) -> Matrix:
    """How the parameters of a small correction move points: displacement = basis @ parameters; (N, 2, P).

    The parameters, all in pixels of motion at the corner: shift x, shift y, growth, rotation, the two shears that a
    similarity lacks, and the two perspective terms (quadratic in the distance from the centre).
    """
    x, y = ((points - _centre(size)) / _radius(size)).T
    one, zero = np.ones_like(x), np.zeros_like(x)
    columns = [(one, zero), (zero, one), (x, y), (-y, x), (x, -y), (y, x), (x * x, x * y), (x * y, y * y)]
    return np.stack([np.stack(column, axis=1) for column in columns[: PARAMETERS[model]]], axis=2)


def correction(parameters: npt.NDArray[np.float64], size: Size) -> Matrix:
    """The homography of `displacement_basis`, to first order exact in the parameters."""
    radius, (cx, cy) = _radius(size), _centre(size)
    tx, ty, growth, turn, shear, skew, px, py = np.pad(parameters, (0, 8 - len(parameters))) / radius
    inner = np.array([[1 + growth + shear, skew - turn, tx], [skew + turn, 1 + growth - shear, ty], [-px, -py, 1]])
    to_unit = np.array([[1 / radius, 0, -cx / radius], [0, 1 / radius, -cy / radius], [0, 0, 1]])
    return normalised(np.linalg.inv(to_unit) @ inner @ to_unit)


def _centre(size: Size) -> npt.NDArray[np.float64]:
    return np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])


def _radius(size: Size) -> float:
    return float(np.hypot(size[0] - 1, size[1] - 1) / 2)


def is_sane(homography: Matrix, size: Size, *, area: tuple[float, float] = (0.25, 4.0)) -> bool:
    """Whether the picture's outline stays convex, unmirrored, in front of the camera and of similar area."""
    if not np.isfinite(homography).all():
        return False
    depth = np.column_stack([corners(size), np.ones(4)]) @ homography[2]
    if depth.min() <= 0:
        return False
    outline = map_points(homography, corners(size)).astype(np.float32)
    before, after = (cv2.contourArea(points.astype(np.float32), oriented=True) for points in (corners(size), outline))
    return cv2.isContourConvex(outline) and area[0] < after / before < area[1]


def median_homography(homographies: Sequence[Matrix], size: Size) -> tuple[Matrix, float]:
    """The homography that puts each corner where the median of many puts it, and their mean distance to it in pixels.

    A rig that does not change has one homography for its far scenes; pairs that were registered badly are outvoted.
    """
    places = np.stack([map_points(homography, corners(size)) for homography in homographies])
    middle = np.median(places, axis=0)
    common = cv2.getPerspectiveTransform(corners(size).astype(np.float32), middle.astype(np.float32))
    return normalised(common), float(np.median(np.linalg.norm(places - middle, axis=2).mean(axis=1)))
