"""What a scene is painted on: reflectance, light, heat, distance, labels and instances, all at once.

Everything is painted far to near. One polygon changes all layers under the same mask, so the two pictures, the
labels and the boxes cannot disagree. Pictures blend at borders; labels switch at half coverage and never blend.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from segmif.data.synthetic.camera import Camera, Points
from segmif.data.synthetic.conditions import RGB, Conditions, Vector
from segmif.data.synthetic.texture import Rng

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.uint8]

ALBEDO = slice(0, 3)
"""Diffuse reflectance, linear RGB."""
GLOW = slice(3, 6)
"""Light given off, linear RGB."""
SUN, SKY, HEAT, NEARNESS = 6, 7, 8, 9
"""Share of sunlight and of skylight received, exitance in W/m², 1 / depth in 1/m."""
DEPTHS = 10

DARK: RGB = (0.0, 0.0, 0.0)


def scaled(colour: RGB, factor: float) -> RGB:
    """A colour made lighter or darker."""
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


def pick(rng: Rng, colours: Sequence[RGB], spread: float = 0.0) -> RGB:
    """One of the colours, made lighter or darker by up to the share `spread`."""
    return scaled(colours[int(rng.integers(len(colours)))], float(rng.uniform(1 - spread, 1 + spread)))


_SUBPIXEL = 4


@dataclass(frozen=True, kw_only=True)
class Surface:
    """A material: reflectance and glow in linear RGB, temperature in °C, thermal emissivity."""

    albedo: RGB
    celsius: float
    emissivity: float = 0.95
    glow: RGB = DARK


@dataclass(kw_only=True)
class Instance:
    """One thing with a box; `area` is its pixel count before nearer things covered it."""

    class_id: int
    area: int


@dataclass(frozen=True, kw_only=True)
class Light:
    """A lamp that lights its surroundings: position (3,) in metres, intensity in linear RGB · m².

    `aim` is the unit direction of a headlight's beam, None shines all round (downward for street lamps).
    """

    position: Vector
    intensity: RGB
    aim: Vector | None = None


@dataclass(kw_only=True)
class Canvas:
    """The layers of one picture and the state of the brush (which label, which instance)."""

    camera: Camera
    conditions: Conditions
    layers: Floats = field(init=False)
    labels: Mask = field(init=False)
    owner: npt.NDArray[np.int32] = field(init=False)
    instances: list[Instance] = field(default_factory=list)
    lights: list[Light] = field(default_factory=list)
    _label: int = 0
    _owner: int = 0

    def __post_init__(self) -> None:
        height, width = self.camera.size
        self.layers = np.zeros((DEPTHS, height, width), np.float32)
        self.labels = np.zeros((height, width), np.uint8)
        self.owner = np.zeros((height, width), np.int32)

    @contextmanager
    def thing(self, class_id: int, *, boxed: bool = False) -> Iterator[None]:
        """Paint with this label; `boxed` things are instances of their own."""
        before = self._label, self._owner
        self._label, self._owner = class_id, 0
        if boxed:
            self.instances.append(Instance(class_id=class_id, area=0))
            self._owner = len(self.instances)
        yield
        if boxed:
            self.instances[self._owner - 1].area = int(np.count_nonzero(self.owner == self._owner))
        self._label, self._owner = before

    def values(self, surface: Surface, nearness: float, normal: Vector = (0.0, -1.0, 0.0)) -> Floats:
        """(DEPTHS,) layer values of a surface with that world normal."""
        sun = max(0.0, sum(n * s for n, s in zip(normal, self.conditions.sun, strict=True)))
        up = normal[2]
        heat = self.conditions.heat(surface.celsius + 5 * sun * self.conditions.solar, surface.emissivity, up)
        return np.array([*surface.albedo, *surface.glow, sun, 0.62 + 0.38 * up, heat, nearness], np.float32)

    def window(self, points: Points) -> tuple[int, int, int, int] | None:
        """(x0, y0, x1, y1) of the pixels a polygon (N, 2) can touch, or None outside the picture."""
        height, width = self.camera.size
        left, top = points.min(axis=0).tolist()
        right, bottom = points.max(axis=0).tolist()
        if right < -1 or bottom < -1 or left > width or top > height:
            return None
        x0, x1 = max(0, int(max(left, 0.0)) - 1), min(width, int(min(right, width)) + 2)
        y0, y1 = max(0, int(max(top, 0.0)) - 1), min(height, int(min(bottom, height)) + 2)
        return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None

    def sees(self, x: float, y: float, radius: float, height: float) -> bool:
        """Whether an upright cylinder on the ground may reach into the picture."""
        right, down, ahead = self.camera.to_camera(np.array([[x, y, height / 2]]))[0]
        if ahead < -radius:
            return False
        reach = radius + height / 2
        rows, columns = self.camera.size
        ahead = max(ahead, 0.5) / self.camera.focal
        return bool(abs(right) - reach < ahead * columns / 2 and abs(down) - reach < ahead * rows / 2)

    def polygon(self, points: Points, values: Floats, *, opacity: float = 1.0) -> None:
        """Fill a polygon of pixels (N, 2) with layer values (DEPTHS,)."""
        window = self.window(points)
        if window is None:
            return
        mask = polygon_mask(points, window)
        if opacity < 1.0:
            mask = np.asarray(cv2.convertScaleAbs(mask, alpha=opacity), np.uint8)
        self.paint(mask, window[:2], values)

    def paint(self, mask: Mask, corner: tuple[int, int], values: Floats, *, label_mask: Mask | None = None) -> None:
        """Lay values (DEPTHS,) or (DEPTHS, h, w) under a coverage mask (h, w) whose top left pixel is `corner`."""
        (x, y), (height, width) = corner, mask.shape
        if values.ndim == 1:
            values = values[:, None, None]
        alpha = mask.astype(np.float32) * np.float32(1 / 255)
        below = self.layers[:, y : y + height, x : x + width]
        below += alpha * (values - below)
        self.claim(mask if label_mask is None else label_mask, corner)

    def claim(self, mask: Mask, corner: tuple[int, int]) -> None:
        """Give the pixels a mask covers at least half to the current label and instance."""
        (x, y), (height, width) = corner, mask.shape
        covered = mask >= 128
        self.labels[y : y + height, x : x + width][covered] = self._label
        self.owner[y : y + height, x : x + width][covered] = self._owner

    def claim_polygon(self, points: Points) -> None:
        """Label the inside of a polygon of pixels without painting it (a wheel between its spokes)."""
        window = self.window(points)
        if window is not None:
            self.claim(polygon_mask(points, window), window[:2])

    def stroke(self, start: Points, end: Points, width: float, values: Floats) -> None:
        """A straight bar between two pixels; thinner than a pixel it fades instead."""
        direction = end - start
        length = float(np.hypot(*direction))
        if length < 1e-6:
            return
        side = np.array([-direction[1], direction[0]]) * (max(width, 1.0) / 2 / length)
        self.polygon(
            np.stack([start - side, end - side, end + side, start + side]), values, opacity=min(1.0, max(width, 0.15))
        )

    def face(self, points: Points, surface: Surface, normal: Vector | None = None) -> None:
        """Fill a polygon in the world (N, 3), shaded by its normal (found from the first corners if not given)."""
        projected = self.camera.project_face(points)
        if projected is None:
            return
        pixels, depth = projected
        self.polygon(pixels, self.values(surface, 1 / depth, normal or facing(points, self.camera.height)))

    def shadow(
        self, points: Points, *, sun: float = 0.0, sky: float = 1.0, cooling: float = 0.0, soft: float = 0.1
    ) -> None:
        """Darken a ground polygon (N, 3): keep these shares of sun- and skylight, lower the exitance.

        `soft` is the width of the penumbra in metres.
        """
        projected = self.camera.project_face(points)
        if projected is None:
            return
        pixels, depth = projected
        sigma = soft * self.camera.focal / depth
        margin = np.sign(pixels - pixels.mean(axis=0)) * 2 * sigma
        window = self.window(pixels + margin)
        if window is None:
            return
        mask = polygon_mask(pixels, window)
        if sigma > 0.5:
            mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), min(sigma, 12.0)), np.uint8)
        x0, y0, x1, y1 = window
        alpha = mask.astype(np.float32) * np.float32(1 / 255)
        for layer, keep in ((SUN, sun), (SKY, sky)):
            self.layers[layer, y0:y1, x0:x1] *= 1 - alpha * (1 - keep)
        if cooling:
            self.layers[HEAT, y0:y1, x0:x1] -= alpha * cooling


def polygon_mask(points: Points, window: tuple[int, int, int, int]) -> Mask:
    """Coverage (0..255) of a polygon of pixels (N, 2) within the window (x0, y0, x1, y1)."""
    x0, y0, x1, y1 = window
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    scaled = np.minimum(np.maximum((points - (x0, y0)) * 2.0**_SUBPIXEL, -1e7), 1e7)
    cv2.fillPoly(mask, [np.rint(scaled).astype(np.int32)], 255, cv2.LINE_AA, _SUBPIXEL)
    return mask


def facing(points: Points, eye_height: float) -> Vector:
    """Unit normal of a planar polygon (N, 3), turned towards the camera at (0, 0, eye_height)."""
    ax, ay, az = (float(v) for v in points[0])
    ux, uy, uz = (float(v) for v in points[1] - points[0])
    vx, vy, vz = (float(v) for v in points[2] - points[0])
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    towards = -nx * ax - ny * ay + nz * (eye_height - az)
    length = math.copysign(max(math.sqrt(nx * nx + ny * ny + nz * nz), 1e-9), towards)
    return nx / length, ny / length, nz / length
