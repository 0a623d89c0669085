"""From the points of a board in many pictures to the numbers of a rig; views that do not fit are left out.

OpenCV solves; this decides what it is given, in which order of the points, with how many lens coefficients, and what
the result is worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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
_CRITERIA = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 100, 1e-9)


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


@dataclass(frozen=True, kw_only=True, eq=False)
class StereoSolution:
    """How the cameras stand to each other.

    Attributes:
        rotation, translation: a point X in the infrared camera's frame is R X + t in the visible camera's, metres.
        errors: reprojection error of each view used by both cameras, RMS in pixels.
        rejected: why other views were not used.
        rms: over all points of both cameras, in pixels.
        baseline_deviation: standard deviation of |t| in metres, and `rotation_deviation` in degrees, by a bootstrap.
        pairs: matched points (infrared, visible) of each view used, (N, 2) pixels each.
    """

    rotation: Matrix
    translation: Floats
    errors: dict[str, float]
    rejected: dict[str, str]
    rms: float
    baseline_deviation: float = 0.0
    rotation_deviation: float = 0.0
    pairs: dict[str, tuple[Matrix, Matrix]] = field(default_factory=dict)


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
        bad = steep or _outliers(solution.errors, "reprojection error")
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


def _outliers(errors: Mapping[str, float], what: str) -> dict[str, str]:
    """The worst view if it stands out, and why."""
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
        world, points, size[::-1], np.eye(3), np.zeros(5), flags=flags, criteria=_CRITERIA
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


def solve_stereo(
    board: Board,
    infrared: Detections,
    visible: Detections,
    cameras: tuple[CameraSolution, CameraSolution],
    *,
    bootstrap: int = 60,
) -> StereoSolution:
    """How two calibrated cameras stand to each other.

    Args:
        cameras: the infrared and the visible one.
        bootstrap: how often views are drawn anew to tell the uncertainty.

    Raises:
        InputError: too few views that both cameras can use.
    """
    names = [name for name in cameras[0].poses if name in cameras[1].poses]
    rejected: dict[str, str] = {}
    matched = {}
    for name in names:
        triple = _match(board, name, infrared[name], visible[name], cameras)
        if len(triple[0]) >= 6:
            matched[name] = triple
        else:
            rejected[name] = f"only {len(triple[0])} points are seen by both cameras"
    while True:
        if len(matched) < MIN_VIEWS:
            why = f" ({len(rejected)} left out, first: {next(iter(rejected.values()))})" if rejected else ""
            raise InputError(
                f"both cameras see the board in only {len(matched)} pairs{why}: at least {MIN_VIEWS} are needed, 15 to "
                "30 are good; hold the board where both see it, and let files of one moment share their name"
            )
        rms, rotation, translation, per_view = _stereo(list(matched.values()), cameras)
        errors = dict(zip(matched, per_view.tolist(), strict=True))
        bad = _outliers(errors, "the cameras disagree on where the board is:")
        if not bad:
            break
        rejected |= bad
        matched = {name: triple for name, triple in matched.items() if name not in bad}
    deviations = _bootstrap(list(matched.values()), cameras, rotation, bootstrap)
    return StereoSolution(
        rotation=rotation,
        translation=translation / 1000,
        errors=errors,
        rejected=rejected,
        rms=rms,
        baseline_deviation=deviations[0] / 1000,
        rotation_deviation=deviations[1],
        pairs={name: (triple[1], triple[2]) for name, triple in matched.items()},
    )


_Triple = tuple[Floats, Matrix, Matrix]


def _match(
    board: Board, name: str, infrared: Detection, visible: Detection, cameras: tuple[CameraSolution, CameraSolution]
) -> _Triple:
    """Points on the board (mm) that both see, and where.

    A board that looks the same when turned is numbered from either end; that is settled by the cameras' looking the
    same way: the numbering is taken that asks for the smallest rotation between them.
    """
    poses = [camera.poses[name][0] for camera in cameras]
    best, smallest = infrared, np.inf
    whole = len(infrared.ids) == len(board.points)
    for order in board.symmetries() if whole else board.symmetries()[:1]:
        turn = _board_turn(board, order)
        relative = poses[1] @ (poses[0] @ turn).T
        angle = float(np.arccos(np.clip((np.trace(relative) - 1) / 2, -1, 1)))
        if angle < smallest:
            best, smallest = infrared.reordered(order), angle
    common = np.intersect1d(best.ids, visible.ids)
    return board.points[common].astype(np.float64), best.among(common), visible.among(common)


def _board_turn(board: Board, order: npt.NDArray[np.int64]) -> Matrix:
    """The rotation in its plane that takes the points named by `order` to the board's points."""
    source = board.points[order, :2] - board.points[:, :2].mean(axis=0)
    target = board.points[:, :2] - board.points[:, :2].mean(axis=0)
    u, _, vt = np.linalg.svd(target.T.astype(np.float64) @ source)
    turn = np.eye(3)
    turn[:2, :2] = u @ vt
    return turn


def _stereo(
    triples: list[_Triple], cameras: tuple[CameraSolution, CameraSolution], guess: tuple[Any, Any] | None = None
) -> tuple[float, Matrix, Floats, Floats]:
    """RMS, rotation, translation (mm) and RMS of each view over both cameras."""
    ir, vis = cameras[0].camera, cameras[1].camera
    world = [triple[0].astype(np.float32) for triple in triples]
    seen = [[triple[k].astype(np.float32).reshape(-1, 1, 2) for triple in triples] for k in (1, 2)]
    flags = cv2.CALIB_FIX_INTRINSIC | (cv2.CALIB_USE_EXTRINSIC_GUESS if guess else 0)
    rotation, translation = guess or (np.eye(3), np.zeros((3, 1)))
    result = cv2.stereoCalibrateExtended(
        world, seen[0], seen[1], ir.matrix, ir.coefficients, vis.matrix, vis.coefficients, ir.size[::-1],
        rotation.copy(), translation.copy(), flags=flags, criteria=_CRITERIA,
    )  # fmt: skip
    rms, turn, shift = result[0], result[5], result[6]
    per_view = np.asarray(result[-1], np.float64).reshape(len(triples), -1)
    return (
        float(rms),
        np.asarray(turn, np.float64),
        np.asarray(shift, np.float64).reshape(3),
        np.sqrt((per_view**2).mean(axis=1)),
    )


def _bootstrap(
    triples: list[_Triple], cameras: tuple[CameraSolution, CameraSolution], rotation: Matrix, rounds: int
) -> tuple[float, float]:
    """Standard deviations of the baseline in mm and of the rotation in degrees when views are drawn anew."""
    rng = np.random.default_rng(0)
    baselines, angles = [], []
    for _ in range(rounds):
        drawn = [triples[k] for k in rng.integers(len(triples), size=len(triples))]
        _, turn, shift, _ = _stereo(drawn, cameras)
        baselines.append(float(np.linalg.norm(shift)))
        angles.append(float(np.degrees(np.linalg.norm(cv2.Rodrigues(turn @ rotation.T)[0]))))
    return (float(np.std(baselines, ddof=1)), float(np.sqrt(np.mean(np.square(angles))))) if rounds > 1 else (0.0, 0.0)
