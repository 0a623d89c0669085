"""A rig that exists only here: two cameras whose every number is known look at textured rectangles.

Rays of all sub-pixels are traced to planes through the true lens, so that what calibration finds can be held against
the truth. The rig's frame is the visible camera's (x right, y down, z forward, metres).

    >>> rig = RIGS["handheld"]
    >>> infrared, visible = rig.capture([], np.random.default_rng(0))
    >>> infrared.shape, infrared.dtype, visible.shape, visible.dtype
    ((256, 320), dtype('uint16'), (480, 640, 3), dtype('uint8'))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmif.rig.calibration import Calibration, Camera
from segmif.rig.homography import Matrix

Floats = npt.NDArray[np.float32]
Rng = np.random.Generator

_FINE = 2
"""Rays along each side of a pixel."""
_COUNTS = (7000.0, 1600.0)
"""Raw thermal counts of a cold thing, and how many more of a hot one."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Plane:
    """A textured rectangle in the rig's frame.

    Attributes:
        corner: its top left corner, (3,) metres; `right` and `down` lead from there along its sides.
        visible: reflected light, (h, w, 3) in [0, 1].
        infrared: heat, (h, w) in [0, 1] from cold to hot.
        opacity: (h, w) in [0, 1]; all 1 if None.
        labels: class ids (h, w) uint8, if any.
    """

    corner: npt.NDArray[np.float64]
    right: npt.NDArray[np.float64]
    down: npt.NDArray[np.float64]
    visible: Floats
    infrared: Floats
    opacity: Floats | None = None
    labels: npt.NDArray[np.uint8] | None = None

    def moved(self, rotation: Matrix, translation: npt.ArrayLike) -> Plane:
        """The plane after X → R X + t."""
        turn = np.asarray(rotation, np.float64)
        return Plane(
            corner=turn @ self.corner + np.asarray(translation, np.float64),
            right=turn @ self.right,
            down=turn @ self.down,
            visible=self.visible,
            infrared=self.infrared,
            opacity=self.opacity,
            labels=self.labels,
        )

    @property
    def frame(self) -> Matrix:
        """(3, 3): from (u, v, 1), u and v from 0 to 1 over the rectangle, to points."""
        return np.column_stack([self.right, self.down, self.corner])


@dataclass(frozen=True, kw_only=True)
class SimulatedRig:
    """Two cameras with known truth and honest faults.

    Attributes:
        truth: the calibration that should be found.
        infrared_blur, visible_blur: standard deviation of the optics' point spread in pixels.
        infrared_noise: in raw counts, per pixel; half of that per column, and smooth unevenness besides.
        visible_noise: in 8-bit steps.
    """

    truth: Calibration
    infrared_blur: float = 0.8
    visible_blur: float = 0.6
    infrared_noise: float = 8.0
    visible_noise: float = 2.0
    background: tuple[float, float] = field(default=(0.4, 0.35))

    @property
    def name(self) -> str:
        """Of the rig."""
        return self.truth.rig

    def capture(self, planes: Sequence[Plane], rng: Rng) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
        """An (infrared, visible) pair: raw counts (h, w) uint16 and RGB (H, W, 3) uint8; far planes come first."""
        return self.infrared(planes, rng), self.visible(planes, rng)

    def infrared(self, planes: Sequence[Plane], rng: Rng) -> npt.NDArray[np.uint16]:
        """What the thermal camera sees, raw counts (h, w) uint16."""
        inverse = self.truth.matrix.T
        moved = [plane.moved(inverse, -inverse @ self.truth.shift) for plane in planes]
        sheets = [(plane, plane.infrared) for plane in moved]
        heat = _render(self.truth.infrared, sheets, self.background[0], self.infrared_blur)
        height, width = heat.shape
        uneven = cv2.resize(rng.normal(0, 1, (3, 4)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
        noise = rng.normal(0, self.infrared_noise, heat.shape) + rng.normal(0, self.infrared_noise / 2, (1, width))
        counts = _COUNTS[0] + _COUNTS[1] * heat + 2 * self.infrared_noise * uneven + noise
        return np.clip(np.rint(counts), 0, 65535).astype(np.uint16)

    def visible(self, planes: Sequence[Plane], rng: Rng) -> npt.NDArray[np.uint8]:
        """What the visible camera sees, RGB (H, W, 3) uint8."""
        sheets = [(plane, plane.visible) for plane in planes]
        light = _render(self.truth.visible, sheets, self.background[1], self.visible_blur, channels=3)
        noisy = light * 255 + rng.normal(0, self.visible_noise, light.shape)
        return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)

    def labels(self, planes: Sequence[Plane], *, background: int = 255) -> npt.NDArray[np.uint8]:
        """Class ids on the visible picture's grid, (H, W) uint8; `background` where there is nothing labelled."""
        camera = self.truth.visible
        found = np.full(camera.size, background, np.uint8)
        for plane in planes:
            if plane.labels is not None:
                everywhere = slice(0, camera.size[0]), slice(0, camera.size[1])
                x, y, before = _texture_places(camera, plane, plane.labels.shape, everywhere, fine=1)
                ids = cv2.remap(plane.labels, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=255)
                opacity = np.ones(plane.labels.shape, np.float32) if plane.opacity is None else plane.opacity
                solid = cv2.remap(opacity, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
                found = np.where(before & (solid > 0.5), ids, found)
        return found


def _render(
    camera: Camera, sheets: Sequence[tuple[Plane, Floats]], background: float, blur: float, *, channels: int = 1
) -> Floats:
    """Paint planes over one another; (h, w) or (h, w, channels)."""
    height, width = camera.size
    shape = (height * _FINE, width * _FINE) + ((channels,) if channels > 1 else ())
    picture = np.full(shape, background, np.float32)
    for plane, texture in sheets:
        part = _part(camera, plane, _FINE)
        if part is None:
            continue
        x, y, before = _texture_places(camera, plane, texture.shape, part, fine=_FINE)
        colour = cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        opacity = _opaque(texture.shape[:2]) if plane.opacity is None else plane.opacity
        weight = cv2.remap(opacity, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0) * before
        weight = weight[..., None] if channels > 1 else weight
        picture[part] += weight * (colour - picture[part])
    if blur > 0:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), blur * _FINE), np.float32)
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.float32)


@lru_cache(maxsize=8)
def _opaque(shape: tuple[int, int]) -> Floats:
    return np.ones(shape, np.float32)


def _part(camera: Camera, plane: Plane, fine: int) -> tuple[slice, slice] | None:
    """The rows and columns of sub-pixels that can show the plane; None where it is out of sight."""
    height, width = camera.size
    along = np.linspace(0, 1, 9)
    edge = np.concatenate([np.column_stack(pair) for pair in ((along, 0 * along), (along, 0 * along + 1))])
    outline = np.column_stack([np.vstack([edge, edge[:, ::-1]]), np.ones(4 * len(along))]) @ plane.frame.T
    depth = outline[:, 2]
    if depth.max() <= 0:
        return None
    directions = outline[:, :2] / np.maximum(depth, 1e-6)[:, None]
    # Brown's polynomial folds back far outside the picture, so what reaches beyond it counts as everywhere.
    if depth.min() <= 0 or np.abs(directions).max() > 1.2 * _reach(camera):
        return slice(0, height * fine), slice(0, width * fine)
    pixels = camera.project(outline)
    (left, top), (right, bottom) = np.floor(pixels.min(axis=0) - 2), np.ceil(pixels.max(axis=0) + 3)
    left, right = (int(np.clip(value, 0, width)) * fine for value in (left, right))
    top, bottom = (int(np.clip(value, 0, height)) * fine for value in (top, bottom))
    return (slice(top, bottom), slice(left, right)) if left < right and top < bottom else None


def _texture_places(
    camera: Camera, plane: Plane, shape: tuple[int, ...], part: tuple[slice, slice], *, fine: int
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """For each ray of a part of the picture: x and y in the texture, and whether the plane lies before the camera."""
    rays = _rays(camera, fine)[:, *part]
    inverse = np.linalg.inv(plane.frame).astype(np.float32)
    u, v, w = (inverse @ rays.reshape(3, -1)).reshape(rays.shape)
    before = w > 1e-9
    w = np.where(before, w, np.float32(1))
    x, y = u / w * shape[1] - 0.5, v / w * shape[0] - 0.5
    far = np.float32(1e4)
    return np.clip(x, -far, far), np.clip(y, -far, far), before


@lru_cache(maxsize=8)
def _reach(camera: Camera) -> float:
    """Largest |x/z| or |y/z| of what is in the picture."""
    return float(np.abs(_rays(camera, 1)[:2]).max())


@lru_cache(maxsize=8)
def _rays(camera: Camera, fine: int) -> Floats:
    """Directions of all sub-pixels, (3, height, width) with z = 1."""
    height, width = camera.size
    x = (np.arange(width * fine) + 0.5) / fine - 0.5
    y = (np.arange(height * fine) + 0.5) / fine - 0.5
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    directions = camera.undistort(grid)
    rays = np.vstack([directions.T, np.ones(len(directions))]).astype(np.float32).reshape(3, len(y), len(x))
    rays.setflags(write=False)
    return rays


def _rig(name: str, infrared: Camera, visible: Camera, degrees: Sequence[float], translation: Sequence[float]) -> Any:
    rotation, _ = cv2.Rodrigues(np.deg2rad(np.asarray(degrees, np.float64)))
    return Calibration(
        infrared=infrared,
        visible=visible,
        rotation=tuple(tuple(float(v) for v in row) for row in rotation),
        translation=tuple(float(v) for v in translation),
        rig=name,
    )


RIGS: dict[str, SimulatedRig] = {
    rig.name: rig
    for rig in (
        SimulatedRig(
            truth=_rig(
                "handheld",
                Camera(size=(256, 320), focal=(292.0, 291.5), centre=(161.7, 126.2), distortion=(-0.21, 0.06, 0, 0, 0)),
                Camera(size=(480, 640), focal=(598.0, 599.0), centre=(316.4, 243.9), distortion=(-0.06, 0.03, 0, 0, 0)),
                (0.4, -0.9, 0.3),
                (0.045, 0.002, -0.003),
            ),
        ),
        SimulatedRig(
            truth=_rig(
                "vehicle",
                Camera(size=(512, 640), focal=(780.0, 781.0), centre=(323.5, 251.8), distortion=(-0.28, 0.11, 0, 0, 0)),
                Camera(
                    size=(600, 960), focal=(1010.0, 1009.0), centre=(474.2, 305.1), distortion=(-0.1, 0.05, 4e-4, 0, 0)
                ),
                (-0.6, 1.2, -0.5),
                (-0.15, 0.004, 0.011),
            ),
            infrared_blur=1.0,
        ),
        SimulatedRig(
            truth=_rig(
                "stacked",
                Camera(size=(288, 384), focal=(495.0, 494.0), centre=(189.4, 146.3), distortion=(-0.24, 0.1, 0, 0, 0)),
                Camera(
                    size=(600, 800),
                    focal=(521.0, 520.0),
                    centre=(404.8, 296.6),
                    distortion=(-0.27, 0.085, 0, -3e-4, -0.012),
                ),
                (1.5, 0.2, -0.8),
                (0.003, -0.06, 0.006),
            ),
            infrared_noise=12.0,
        ),
    )
}
"""Three rigs: side by side and small; wide apart on a vehicle; one above the other with a wide visible lens."""
