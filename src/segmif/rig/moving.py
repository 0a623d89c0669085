"""A street before a simulated rig that moves: pairs of any moments, and their truth, to test what handles recordings.

>>> from segmif.rig.simulate import RIGS
>>> street = MovingStreet(RIGS["handheld"], seed=1)
>>> infrared, visible = street.pair(0.5, visible_lag=0.02)
>>> infrared.shape, visible.shape, street.labels(0.5).shape
((256, 320), (480, 640, 3), (480, 640))
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from segmif.data.synthetic import Time, synthetic_scene
from segmif.labelsets import FMB
from segmif.rig.homography import Matrix
from segmif.rig.simulate import Floats, Plane, SimulatedRig

_PERSON = FMB.classes.index("person")
_BACKDROP, _MARGIN = 25.0, 1.5
"""Distance of the street picture in metres, and its size relative to the widest field of view."""
_TEXELS = (480, 640)
_CLOTHES = ((0.16, 0.18, 0.24), (0.55, 0.5, 0.4), (0.45, 0.12, 0.1), (0.2, 0.3, 0.22), (0.12, 0.12, 0.13))
_PANS = ((4.0, 0.9), (1.2, 1.7))
"""Amplitude in degrees and angular frequency in 1/s of the rig's turning left and right, and up and down."""


@dataclass(frozen=True, kw_only=True)
class _Walker:
    depth: float
    start: float
    speed: float
    height: float
    warmth: float
    cloth: tuple[float, float, float]


@dataclass(frozen=True)
class MovingStreet:
    """A street at 25 m and people walking at 6 to 12 m, seen by a rig that sways; a function of time in seconds.

    The same seed and moment give the same picture. Take `infrared` and `visible` at different moments to imitate
    clocks that do not agree.
    """

    rig: SimulatedRig
    seed: int = 0
    time: Time = "dusk"
    walkers: int = 3

    def pair(self, seconds: float, *, visible_lag: float = 0.0) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
        """Raw counts (h, w) uint16 at `seconds` and RGB (H, W, 3) uint8 at `seconds` + `visible_lag`."""
        return self.infrared(seconds), self.visible(seconds + visible_lag)

    def infrared(self, seconds: float) -> npt.NDArray[np.uint16]:
        """What the thermal camera sees then."""
        return self.rig.infrared(self.planes(seconds), self._noise(seconds, 0))

    def visible(self, seconds: float) -> npt.NDArray[np.uint8]:
        """What the visible camera sees then."""
        return self.rig.visible(self.planes(seconds), self._noise(seconds, 1))

    def labels(self, seconds: float) -> npt.NDArray[np.uint8]:
        """FMB ids on the visible picture's grid, without noise or doubt."""
        return self.rig.labels(self.planes(seconds), background=0)

    def planes(self, seconds: float) -> list[Plane]:
        """What stands before the rig then, far things first."""
        turn = sway(seconds)
        standing = [self._street, *(self._person(walker, seconds) for walker in self._people)]
        return [plane.moved(turn, np.zeros(3)) for plane in standing]

    def _noise(self, seconds: float, band: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, band, round(abs(seconds) * 1e4)])

    @cached_property
    def _street(self) -> Plane:
        scene = synthetic_scene(self.seed, size=_TEXELS, time=self.time, weather="clear")
        cameras = (self.rig.truth.infrared, self.rig.truth.visible)
        aspect = _TEXELS[0] / _TEXELS[1]
        wide, high = (max(math.radians(camera.field_of_view[axis]) for camera in cameras) for axis in (0, 1))
        width = 2 * _BACKDROP * max(math.tan(wide / 2), math.tan(high / 2) / aspect) * _MARGIN
        height = width * aspect
        assert scene.labels is not None
        return Plane(
            corner=np.array([-width / 2, -height / 2, _BACKDROP]),
            right=np.array([width, 0.0, 0.0]),
            down=np.array([0.0, height, 0.0]),
            visible=scene.visible.astype(np.float32) / np.float32(255),
            infrared=scene.infrared.astype(np.float32) / np.float32(255),
            labels=scene.labels,
        )

    @cached_property
    def _people(self) -> list[_Walker]:
        rng = np.random.default_rng([self.seed, 7])
        depths = sorted(rng.uniform(6, 12, self.walkers), reverse=True)
        return [
            _Walker(
                depth=float(depth),
                start=float(rng.uniform(-0.4, 0.4)),
                speed=float(rng.choice((-1, 1)) * rng.uniform(0.8, 1.6)),
                height=float(rng.uniform(1.6, 1.9)),
                warmth=float(rng.uniform(0.8, 1.0)),
                cloth=_CLOTHES[int(rng.integers(len(_CLOTHES)))],
            )
            for depth in depths
        ]

    def _person(self, walker: _Walker, seconds: float) -> Plane:
        """Someone who walks to and fro across the picture."""
        camera = self.rig.truth.visible
        reach = walker.depth * math.tan(math.radians(camera.field_of_view[0] / 2)) * 1.6
        along = (walker.start + walker.speed * seconds / reach + 0.5) % 2.0
        x = reach * (min(along, 2 - along) - 0.5)
        shape = figure(math.sin(5.0 * seconds + walker.depth))
        width = walker.height * shape.shape[1] / shape.shape[0]
        return Plane(
            corner=np.array([x - width / 2, 1.2 - walker.height, walker.depth]),
            right=np.array([width, 0.0, 0.0]),
            down=np.array([0.0, walker.height, 0.0]),
            visible=np.broadcast_to(np.array(walker.cloth, np.float32), (*shape.shape, 3)).copy(),
            infrared=np.full(shape.shape, walker.warmth, np.float32),
            opacity=shape,
            labels=np.full(shape.shape, _PERSON, np.uint8),
        )


def sway(seconds: float) -> Matrix:
    """How the rig has turned: rotation of the world in its frame, 3 × 3."""
    yaw, pitch = (math.radians(angle * math.sin(rate * seconds)) for angle, rate in _PANS)
    rotation, _ = cv2.Rodrigues(np.array([pitch, yaw, 0.0]))
    return np.asarray(rotation, np.float64)


def figure(stride: float) -> Floats:
    """A walking person's outline, (96, 48) in [0, 1]; `stride` from -1 to 1 opens the legs."""
    picture = np.zeros((96 * 4, 48 * 4), np.uint8)
    swing = round(22 * stride)
    cv2.ellipse(picture, (96, 34), (22, 28), 0, 0, 360, 255, -1)
    cv2.line(picture, (96, 100), (96, 190), 255, 60)
    for side in (-1, 1):
        cv2.line(picture, (96 + 8 * side, 200), (96 + side * swing + 8 * side, 372), 255, 26)
        cv2.line(picture, (96, 86), (96 - side * (abs(swing) + 36), 196), 255, 18)
    return np.asarray(cv2.resize(picture, (48, 96), interpolation=cv2.INTER_AREA), np.float32) / np.float32(255)
