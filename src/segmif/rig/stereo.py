"""From boards that two calibrated cameras saw at the same moment to how the cameras stand to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmif.checks import InputError
from segmif.rig.boards import Board
from segmif.rig.calibration import Camera
from segmif.rig.detect import Detection
from segmif.rig.homography import Matrix
from segmif.rig.solve import CRITERIA, MIN_VIEWS, CameraSolution, Detections, outliers

Floats = npt.NDArray[np.float64]
Cameras = tuple[CameraSolution, CameraSolution]
"""The infrared and the visible one."""

_DISAGREE = "the cameras disagree on where the board is:"
_FAR, _FAR_TIMES = 3.0, 8.0
"""A view is no view of the same moment if it is off by so many pixels, and so many times the median of the others."""


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


_Triple = tuple[Floats, Matrix, Matrix]
"""Points on the board in millimetres (N, 3) that both see, and where in infrared and visible, (N, 2) each."""


def solve_stereo(
    board: Board,
    infrared: Detections,
    visible: Detections,
    cameras: Cameras,
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
    rejected |= _strangers(matched, cameras)
    matched = {name: triple for name, triple in matched.items() if name not in rejected}
    while True:
        if len(matched) < MIN_VIEWS:
            why = f" ({len(rejected)} left out, first: {next(iter(rejected.values()))})" if rejected else ""
            raise InputError(
                f"both cameras see the board in only {len(matched)} pairs{why}: at least {MIN_VIEWS} are needed, 15 to "
                "30 are good; hold the board where both see it, and let files of one moment share their name"
            )
        rms, rotation, translation, per_view = _stereo(list(matched.values()), cameras)
        errors = dict(zip(matched, per_view.tolist(), strict=True))
        bad = outliers(errors, _DISAGREE)
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


def _match(board: Board, name: str, infrared: Detection, visible: Detection, cameras: Cameras) -> _Triple:
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


def _strangers(matched: Mapping[str, _Triple], cameras: Cameras) -> dict[str, str]:
    """Views that contradict the others by far, and why: least squares over all would be led astray by a single one.

    Each view alone tells how the cameras stand to each other; the one that most others agree with best is believed.
    """
    if len(matched) < MIN_VIEWS:
        return {}
    ir, vis = cameras[0].camera, cameras[1].camera
    before, relative = [], []
    for world, seen_ir, seen_vis in matched.values():
        (turn_i, shift_i), (turn_v, shift_v) = _pose(ir, world, seen_ir), _pose(vis, world, seen_vis)
        before.append(world @ turn_i.T + shift_i)
        turn = turn_v @ turn_i.T
        relative.append((turn, shift_v - turn @ shift_i))
    seen = [triple[2] for triple in matched.values()]
    errors = np.array(
        [
            [_rms(vis.project(points @ turn.T + shift) - pixels) for points, pixels in zip(before, seen, strict=True)]
            for turn, shift in relative
        ]
    )
    medians = np.median(errors, axis=1)
    believed = errors[int(np.argmin(medians))]
    limit = max(_FAR, _FAR_TIMES * float(medians.min()))
    return {
        name: f"{_DISAGREE} {error:.2f} px, above {limit:.2f} px"
        for name, error in zip(matched, believed, strict=True)
        if error > limit
    }


def _pose(camera: Camera, world: Floats, pixels: Matrix) -> tuple[Matrix, Floats]:
    """Rotation (3, 3) and translation (3,) in millimetres of a board seen by a calibrated camera."""
    _, turn, shift = cv2.solvePnP(world, pixels, camera.matrix, camera.coefficients)
    return np.asarray(cv2.Rodrigues(turn)[0], np.float64), np.asarray(shift, np.float64).reshape(3)


def _rms(differences: Matrix) -> float:
    return float(np.sqrt((differences**2).sum(axis=1).mean()))


def _stereo(
    triples: list[_Triple], cameras: Cameras, guess: tuple[Any, Any] | None = None
) -> tuple[float, Matrix, Floats, Floats]:
    """RMS, rotation, translation (mm) and RMS of each view over both cameras."""
    ir, vis = cameras[0].camera, cameras[1].camera
    world = [triple[0].astype(np.float32) for triple in triples]
    seen = [[triple[k].astype(np.float32).reshape(-1, 1, 2) for triple in triples] for k in (1, 2)]
    flags = cv2.CALIB_FIX_INTRINSIC | (cv2.CALIB_USE_EXTRINSIC_GUESS if guess else 0)
    rotation, translation = guess or (np.eye(3), np.zeros((3, 1)))
    result = cv2.stereoCalibrateExtended(
        world, seen[0], seen[1], ir.matrix, ir.coefficients, vis.matrix, vis.coefficients, ir.size[::-1],
        rotation.copy(), translation.copy(), flags=flags, criteria=CRITERIA,
    )  # fmt: skip
    rms, turn, shift = result[0], result[5], result[6]
    per_view = np.asarray(result[-1], np.float64).reshape(len(triples), -1)
    return (
        float(rms),
        np.asarray(turn, np.float64),
        np.asarray(shift, np.float64).reshape(3),
        np.sqrt((per_view**2).mean(axis=1)),
    )


def _bootstrap(triples: list[_Triple], cameras: Cameras, rotation: Matrix, rounds: int) -> tuple[float, float]:
    """Standard deviations of the baseline in mm and of the rotation in degrees when views are drawn anew."""
    rng = np.random.default_rng(0)
    baselines, angles = [], []
    for _ in range(rounds):
        drawn = [triples[k] for k in rng.integers(len(triples), size=len(triples))]
        _, turn, shift, _ = _stereo(drawn, cameras)
        baselines.append(float(np.linalg.norm(shift)))
        angles.append(float(np.degrees(np.linalg.norm(cv2.Rodrigues(turn @ rotation.T)[0]))))
    return (float(np.std(baselines, ddof=1)), float(np.sqrt(np.mean(np.square(angles))))) if rounds > 1 else (0.0, 0.0)
