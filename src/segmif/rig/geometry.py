"""What a calibration is good for: epipolar lines, rectified pictures, infrared on the visible grid, and parallax.

Notation as in `segmif.rig.calibration`: X_v = R X_i + t; (x, y, 1) are undistorted directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from segmif.checks import InputError
from segmif.rig.calibration import Calibration, Camera
from segmif.rig.homography import Matrix, Size, as_homography, plane_homography

Floats = npt.NDArray[np.float64]
Maps = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]

_BEYOND = 1.15
"""Directions this much wider than the widest in a camera's picture are outside it, whatever the lens model says."""


def epipolar_errors(calibration: Calibration, infrared: npt.ArrayLike, visible: npt.ArrayLike) -> tuple[Floats, Floats]:
    """How far points lie off the epipolar lines of their partners.

    With E = [t]ₓ R, x_vᵀ E x_i = 0; the distance is |x_vᵀ E x_i| over the length of the line's normal, times f.

    Args:
        calibration: of the rig.
        infrared: (N, 2) pixels of things, distorted as in the picture.
        visible: (N, 2) pixels of the same things.

    Returns:
        Distances in pixels of the infrared and of the visible picture, (N,) each.
    """
    x_i, x_v = (
        np.column_stack([camera.undistort(points), np.ones(len(np.asarray(points)))])
        for camera, points in ((calibration.infrared, infrared), (calibration.visible, visible))
    )
    tx, ty, tz = calibration.shift
    essential = np.array([[0, -tz, ty], [tz, 0, -tx], [-ty, tx, 0]]) @ calibration.matrix
    in_visible, in_infrared = x_i @ essential.T, x_v @ essential
    residual = np.abs((x_v * in_visible).sum(axis=1))
    return (
        residual / np.linalg.norm(in_infrared[:, :2], axis=1) * float(np.mean(calibration.infrared.focal)),
        residual / np.linalg.norm(in_visible[:, :2], axis=1) * float(np.mean(calibration.visible.focal)),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Rectification:
    """Both pictures turned so that partners lie on one line.

    Attributes:
        size: (height, width) of the rectified pictures, the visible one's.
        camera: K that both share, 3 × 3.
        infrared, visible: for each pixel, x and y in the picture as stored (for `cv2.remap`).
        lines: whether partners share a row (cameras side by side) or a column (one above the other).
    """

    size: Size
    camera: Matrix
    infrared: Maps
    visible: Maps
    lines: Literal["rows", "columns"]


def rectification(calibration: Calibration) -> Rectification:
    """The rectification of a rig (Bouguet's, by OpenCV), at the visible camera's focal length."""
    ir, vis = calibration.infrared, calibration.visible
    size = vis.size[::-1]
    turn_i, turn_v, projection, *_ = cv2.stereoRectify(
        ir.matrix, ir.coefficients, vis.matrix, vis.coefficients, size, calibration.matrix, calibration.shift[:, None]
    )  # fmt: skip
    assert projection is not None
    focal = float(np.mean(vis.focal))
    # The middle of the two optical axes goes to the middle of the picture.
    axes = [turn[:, 2] / turn[2, 2] for turn in (np.asarray(turn_i), np.asarray(turn_v))]
    middle = (axes[0] + axes[1]) / 2
    camera = np.array(
        [
            [focal, 0, (size[0] - 1) / 2 - focal * middle[0]],
            [0, focal, (size[1] - 1) / 2 - focal * middle[1]],
            [0, 0, 1],
        ]
    )
    maps = [
        cv2.initUndistortRectifyMap(c.matrix, c.coefficients, np.asarray(turn), camera, size, cv2.CV_32FC1)
        for c, turn in ((ir, turn_i), (vis, turn_v))
    ]
    t = np.abs(calibration.shift)
    return Rectification(
        size=vis.size,
        camera=camera,
        infrared=(np.asarray(maps[0][0], np.float32), np.asarray(maps[0][1], np.float32)),
        visible=(np.asarray(maps[1][0], np.float32), np.asarray(maps[1][1], np.float32)),
        lines="rows" if t[0] >= t[1] else "columns",
    )


@lru_cache(maxsize=2)
def _visible_directions(camera: Camera) -> Floats:
    height, width = camera.size
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 2)
    return camera.undistort(grid)


@lru_cache(maxsize=4)
def _reach(camera: Camera) -> float:
    """The largest |(x, y)| of what is in a camera's picture."""
    height, width = camera.size
    edge = np.array([(x, y) for x in (0, width / 2, width - 1) for y in (0, height / 2, height - 1)])
    return float(np.linalg.norm(camera.undistort(edge), axis=1).max())


def infrared_map(calibration: Calibration, distance: float, correction: npt.ArrayLike | None = None) -> Maps:
    """Where in the infrared picture each pixel of the visible one looks, for things at one distance.

    Through the visible lens, the plane at `distance` before the infrared camera (X_v ~ (R + t nᵀ / d) x_i inverted),
    and the infrared lens: exact for that plane, without undistorting the visible picture.

    Args:
        distance: depth of the plane in metres; infinity for far scenes.
        correction: (3, 3) homography on the visible grid that is applied after, from a refinement.

    Returns:
        x and y, (H, W) float32 on the visible grid; -1e4 where the infrared camera saw nothing.

    Raises:
        InputError: a distance that is not positive, or no homography.
    """
    camera, height, width = calibration.visible, *calibration.visible.size
    if correction is None:
        directions = _visible_directions(camera)
    else:
        back = np.linalg.inv(as_homography(correction))
        grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(1, -1, 2).astype(np.float64)
        directions = camera.undistort(cv2.perspectiveTransform(grid, back)[0])
    plane = plane_homography(np.eye(3), np.eye(3), calibration.matrix, calibration.shift, distance)
    rays = np.column_stack([directions, np.ones(len(directions))]) @ np.linalg.inv(plane).T
    ahead = rays[:, 2] > 1e-6
    x = rays / np.where(ahead, rays[:, 2], 1.0)[:, None]
    seen = ahead & (np.linalg.norm(x[:, :2], axis=1) < _BEYOND * _reach(calibration.infrared))
    pixels = np.full((len(x), 2), -1e4)
    pixels[seen] = calibration.infrared.project(x[seen])
    places = pixels.reshape(height, width, 2).astype(np.float32)
    return places[..., 0].copy(), places[..., 1].copy()


def infrared_to_visible(
    infrared: npt.NDArray[Any],
    calibration: Calibration,
    distance: float,
    *,
    correction: npt.ArrayLike | None = None,
    outside: Literal["repeat", "black"] = "repeat",
) -> npt.NDArray[Any]:
    """The infrared picture on the visible picture's grid, resampled once; dtype and range of values stay.

    Args:
        infrared: (h, w) or (h, w, 3) of the calibrated size, uint8, uint16 or float.
        calibration: of the rig.
        distance: as `infrared_map`.
        correction: as `infrared_map`.
        outside: what is where infrared saw nothing: its border repeated, or 0.

    Raises:
        InputError: another size than was calibrated, or a distance that is not positive.
    """
    calibration.check_sizes((infrared.shape[0], infrared.shape[1]), calibration.visible.size)
    x, y = infrared_map(calibration, distance, correction)
    if outside == "repeat":
        x, y = np.clip(x, 0, infrared.shape[1] - 1), np.clip(y, 0, infrared.shape[0] - 1)
    # OpenCV's warps know float32, not float16 or 64. Cubic resampling overshoots at edges, hence the limits.
    source = infrared.astype(np.float32) if infrared.dtype.kind == "f" else infrared
    border = cv2.BORDER_REPLICATE if outside == "repeat" else cv2.BORDER_CONSTANT
    warped = cv2.remap(source, x, y, cv2.INTER_CUBIC, borderMode=border)
    low = infrared.min() if outside == "repeat" else min(0, infrared.min())
    return np.clip(warped, low, infrared.max()).astype(infrared.dtype)


def parallax(calibration: Calibration, distance: float, depths: Sequence[float]) -> Floats:
    """By how many visible pixels things at other depths are off when infrared is laid on for `distance`, (N,).

    At the middle of the infrared picture, exact; about f·B·|1/z − 1/d|.

    Raises:
        InputError: a distance or depth that is not positive.
    """
    if not distance > 0 or not min(depths) > 0:
        raise InputError("distances must be positive, in metres")
    axis = np.array([0.0, 0.0, 1.0])
    inverse = np.array([1 / distance, *(1 / np.asarray(depths, np.float64))])
    points = axis @ calibration.matrix.T + inverse[:, None] * calibration.shift
    pixels = calibration.visible.project(points)
    return np.asarray(np.linalg.norm(pixels[1:] - pixels[0], axis=1), np.float64)


def balanced_distance(near: float, far: float) -> float:
    """The working distance at which parallax is the same at both ends of a range: 2 / (1/near + 1/far).

    >>> balanced_distance(5, float("inf"))
    10.0
    """
    if not 0 < near <= far:
        raise InputError(f"the range {near:g} to {far:g} m is none: give the nearest, then the farthest distance")
    return 2 / (1 / near + 1 / far)
