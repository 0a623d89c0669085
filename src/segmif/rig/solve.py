"""From the points of a board in many pictures to the numbers of a camera; views that do not fit are left out.

OpenCV solves; this decides what it is given, in which order of the points, with how many lens coefficients, and what
the result is worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segmif.checks import InputError
from segmif.io import Band
from segmif.rig.boards import Board
from segmif.rig.calibration import INTRINSICS, Camera
from segmif.rig.detect import Detection
from segmif.rig.homography import Matrix, Size

Floats = npt.NDArray[np.float64]
Detections = Mapping[str, Detection]

MIN_VIEWS = 5
"""Views that each camera, and both together, must have."""
_STEEP = 75.0
"""Degrees from which a board seen almost from its edge is not used."""
_FLAT = 8.0
"""Degrees of tilt that some views must have: a board that only faces the camera does not tell its focal length."""
_THIN = 0.03
"""Points whose cloud is thinner than this share of its length are on a line."""
_FLOOR, _TIMES = 0.15, 4.0
"""A view is left out if its error is above this many pixels, and so many robust deviations above the median."""
_DROPPABLE = (((8,), cv2.CALIB_FIX_K3), ((6, 7), cv2.CALIB_ZERO_TANGENT_DIST), ((5,), cv2.CALIB_FIX_K2))
"""Lens coefficients (places in `INTRINSICS`) that are set to 0, in this order, if they do not differ from it."""
_SIGNIFICANT = 3.0
CRITERIA = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 100, 1e-9)


@dataclass(frozen=True, kw_only=True, eq=False)
class CameraSolution:
    """One camera.

    Attributes:
        camera: what was found.
        deviations: standard deviations of `INTRINSICS`, 0 for what was held.
        errors: reprojection error of each view used, RMS in pixels.
        poses: rotation (3, 3) and translation (3,) in metres of the board in each view used.
        rejected: why other views were not used.
        rms: over all points, in pixels.
    """

    camera: Camera
    deviations: Floats
    errors: dict[str, float]
    poses: dict[str, tuple[Matrix, Floats]]
    rejected: dict[str, str]
    rms: float


def solve_camera(board: Board, detections: Detections, size: Size, band: Band) -> CameraSolution:
    """Focal lengths, centre and lens of one camera.

    Raises:
        InputError: too few views that can be used, or none of them tilted.
    """
    used, rejected = dict(detections), {}
    for name, detection in detections.items():
        if _thin(board, detection):
            rejected[name] = "the points seen lie on a line"
            del used[name]
    while True:
        if len(used) < MIN_VIEWS:
            raise InputError(_too_few(band, len(detections), rejected))
        solution = _parsimonious(board, used, size)
        tilts = {name: _tilt(pose) for name, (pose, _) in solution.poses.items()}
        steep = {name: f"tilted by {tilt:.0f}°, above {_STEEP:.0f}°" for name, tilt in tilts.items() if tilt > _STEEP}
        bad = steep or outliers(solution.errors, "reprojection error")
        if not bad:
            break
        rejected |= bad
        used = {name: detection for name, detection in used.items() if name not in bad}
    if max(tilts.values()) < _FLAT:
        raise InputError(
            f"no {band} view is tilted by {_FLAT:.0f}° or more (largest {max(tilts.values()):.0f}°): the focal length "
            "cannot be told; tilt the board by 20° to 45° about both axes"
        )
    return CameraSolution(**{**vars(solution), "rejected": rejected})


def _too_few(band: str, found: int, rejected: Mapping[str, str]) -> str:
    first = next(iter(rejected.items()), None)
    left_out = f", {len(rejected)} of them left out (first: {first[0]}: {first[1]})" if first else ""
    return (
        f"the board was found in {found} {band} pictures{left_out}: at least {MIN_VIEWS} are needed, 15 to 30 are "
        "good; take more, at other places, distances and tilts"
    )


def _thin(board: Board, detection: Detection) -> bool:
    cloud = board.points[detection.ids, :2].astype(np.float64)
    spread = np.linalg.svd(cloud - cloud.mean(axis=0), compute_uv=False)
    return bool(spread[1] < _THIN * spread[0])


def _tilt(rotation: Matrix) -> float:
    return float(np.degrees(np.arccos(np.clip(abs(rotation[2, 2]), 0, 1))))


def outliers(errors: Mapping[str, float], what: str) -> dict[str, str]:
    """The worst view if its error (RMS in pixels) stands out, and why."""
    values = np.array(list(errors.values()))
    median = float(np.median(values))
    limit = max(_FLOOR, 2 * median, median + _TIMES * 1.4826 * float(np.median(np.abs(values - median))))
    worst = max(errors, key=lambda name: errors[name])
    if errors[worst] <= limit:
        return {}
    return {worst: f"{what} {errors[worst]:.2f} px, above {limit:.2f} px"}


def _parsimonious(board: Board, used: Detections, size: Size) -> CameraSolution:
    """With as few lens coefficients as the pictures call for."""
    flags = 0
    solution = _solve(board, used, size, flags)
    for places, flag in _DROPPABLE:
        if flag == cv2.CALIB_FIX_K2 and not flags & cv2.CALIB_FIX_K3:
            continue
        values = np.array(solution.camera.distortion)[np.array(places) - 4]
        if (np.abs(values) <= _SIGNIFICANT * solution.deviations[list(places)]).all():
            flags |= flag
            solution = _solve(board, used, size, flags)
    return solution


def _solve(board: Board, used: Detections, size: Size, flags: int) -> CameraSolution:
    world = [board.points[d.ids].astype(np.float32) for d in used.values()]
    points = [d.points.astype(np.float32).reshape(-1, 1, 2) for d in used.values()]
    rms, matrix, lens, turns, shifts, deviations, _, errors = cv2.calibrateCameraExtended(
        world, points, size[::-1], np.eye(3), np.zeros(5), flags=flags, criteria=CRITERIA
    )
    poses = {
        name: (np.asarray(cv2.Rodrigues(turn)[0], np.float64), np.asarray(shift, np.float64).reshape(3) / 1000)
        for name, turn, shift in zip(used, turns, shifts, strict=True)
    }
    return CameraSolution(
        camera=Camera.from_matrix(size, matrix, lens),
        deviations=np.asarray(deviations, np.float64).reshape(-1)[: len(INTRINSICS)],
        errors=dict(zip(used, np.asarray(errors, np.float64).reshape(-1).tolist(), strict=True)),
        poses=poses,
        rejected={},
        rms=float(rms),
    )
