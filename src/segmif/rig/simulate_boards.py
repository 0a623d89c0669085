"""Calibration boards held before a simulated rig: printed black on white, and warm or cold in infrared."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from segmif.rig.boards import Board
from segmif.rig.calibration import Calibration
from segmif.rig.homography import Matrix
from segmif.rig.simulate import Floats, Plane, Rng, SimulatedRig

Seen = Literal["both", "visible", "infrared"]
Pose = tuple[Matrix, npt.NDArray[np.float64]]

_TRIES = 4000
_BLOTCHES = ((4, 0.5), (16, 0.3), (60, 0.2))
"""Cells across the wall, and how strong they are."""


@dataclass(frozen=True, kw_only=True)
class BoardLook:
    """How a board shows in the two bands.

    Attributes:
        contrast: of its infrared picture, of the range from cold to hot.
        inverted: whether its dark parts are hot, thus bright in infrared.
        bleeding: how far heat creeps across edges, in millimetres (standard deviation).
        uneven: strength of a smooth unevenness of its warmth.
    """

    contrast: float = 0.25
    inverted: bool = True
    bleeding: float = 0.8
    uneven: float = 0.08


def board_plane(board: Board, rotation: npt.ArrayLike, translation: npt.ArrayLike, look: BoardLook, rng: Rng) -> Plane:
    """The board as a plane: a point p on it in millimetres is at R p / 1000 + t in the rig's frame."""
    left, top, right, bottom = (value / 1000 for value in board.extent)
    light, heat = _board_textures(board, look)
    bumps = rng.normal(0, look.uneven, (3, 3)).astype(np.float32)
    uneven = _spread(bumps, light.shape)
    shade = 1 + 0.5 * uneven[::-1]
    plane = Plane(
        corner=np.array([left, top, 0.0]),
        right=np.array([right - left, 0.0, 0.0]),
        down=np.array([0.0, bottom - top, 0.0]),
        visible=np.repeat(np.clip(light * shade, 0, 1)[..., None], 3, axis=2),
        infrared=(heat + uneven).astype(np.float32),
    )
    return plane.moved(np.asarray(rotation), translation)


@lru_cache(maxsize=8)
def _board_textures(board: Board, look: BoardLook) -> tuple[Floats, Floats]:
    left, _, right, _ = board.extent
    scale = 1000 / (right - left)  # 1000 texels across
    white = board.picture(scale).astype(np.float32) / np.float32(255)
    light = 0.07 + 0.8 * white
    hot = 1 - white if look.inverted else white
    heat = 0.45 + look.contrast * (hot - 0.5)
    return light, np.asarray(cv2.GaussianBlur(heat, (0, 0), max(0.3, look.bleeding * scale)), np.float32)


def board_poses(
    rig: SimulatedRig, board: Board, count: int, rng: Rng, *, tilt: float = 40.0, seen: Seen = "both"
) -> list[Pose]:
    """Poses (R, t) of many tilts up to `tilt` degrees and distances, at which the cameras named see the whole board."""
    left, top, right, bottom = (value / 1000 for value in board.extent)
    middle = np.array([(left + right) / 2, (top + bottom) / 2, 0.0])
    outline = np.array([[left, top, 0], [right, top, 0], [right, bottom, 0], [left, bottom, 0]])
    truth = rig.truth
    aimed = truth.visible if seen == "visible" else truth.infrared
    narrow = min((truth.infrared, truth.visible), key=lambda c: c.field_of_view[0]) if seen == "both" else aimed
    nearest = (right - left) * narrow.focal[0] / narrow.size[1]
    poses: list[Pose] = []
    for _ in range(_TRIES):
        rotation, _ = cv2.Rodrigues(np.deg2rad(rng.uniform(-1, 1, 3) * (tilt, tilt, 15)))
        depth = nearest * rng.uniform(1.05, 2.2)
        centre = np.array([*aimed.undistort(rng.uniform(0.1, 0.9, 2) * aimed.size[::-1])[0], 1.0]) * depth
        if aimed is truth.infrared:
            centre = truth.matrix @ centre + truth.shift
        shift = centre - rotation @ middle
        if _see(truth, outline @ rotation.T + shift, seen):
            poses.append((np.asarray(rotation, np.float64), shift))
        if len(poses) == count:
            return poses
    raise AssertionError(f"no {count} poses of this board before the rig")


def _see(truth: Calibration, points: Matrix, seen: Seen) -> bool:
    bands = (("visible", truth.visible, points), ("infrared", truth.infrared, (points - truth.shift) @ truth.matrix))
    for band, camera, before in bands:
        if seen in (band, "both"):
            pixels = camera.project(before) if before[:, 2].min() > 0.05 else np.full((1, 2), -1.0)
            if pixels.min() < 2 or (pixels > np.array(camera.size[::-1]) - 3).any():
                return False
    return True


def board_views(
    rig: SimulatedRig,
    board: Board,
    count: int,
    *,
    alone: int = 0,
    seed: int = 0,
    look: BoardLook = BoardLook(),
    tilt: float = 40.0,
) -> list[tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8]]]:
    """(infrared, visible) pictures of a board before a cluttered wall.

    Args:
        count: views in which both cameras see the whole board.
        alone: views, after those, in which only the visible camera must see it.
        tilt: largest tilt in degrees about either axis.
    """
    rng = np.random.default_rng(seed)
    wall = clutter(rng, depth=4.0, width=12.0)
    poses = board_poses(rig, board, count, rng, tilt=tilt)
    poses += board_poses(rig, board, alone, rng, tilt=tilt, seen="visible") if alone else []
    return [rig.capture([wall, board_plane(board, *pose, look, rng)], rng) for pose in poses]


def clutter(rng: Rng, *, depth: float, width: float) -> Plane:
    """A wall of soft blotches and boxes that no board detector should take for a board."""
    size = (360, 600)
    light, heat = (
        np.sum([weight * _spread(rng.random((n, n), np.float32), size) for n, weight in _BLOTCHES], axis=0)
        for _ in range(2)
    )
    height = width * size[0] / size[1]
    return Plane(
        corner=np.array([-width / 2, -height / 2, depth]),
        right=np.array([width, 0.0, 0.0]),
        down=np.array([0.0, height, 0.0]),
        visible=((0.2 + 0.5 * light)[..., None] * np.array([1.0, 0.9, 0.75])).astype(np.float32),
        infrared=(0.25 + 0.2 * heat).astype(np.float32),
    )


def _spread(values: Floats, size: tuple[int, ...]) -> Floats:
    """A few values smoothly over (height, width)."""
    return np.asarray(cv2.resize(values, (size[1], size[0]), interpolation=cv2.INTER_CUBIC), np.float32)
