"""Buildings: facades drawn flat, in metres, then set upright into the scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from segmif.data.synthetic.camera import Points
from segmif.data.synthetic.canvas import DEPTHS, Canvas, Floats, Light, Surface, facing, pick, polygon_mask
from segmif.data.synthetic.conditions import RGB, Conditions
from segmif.data.synthetic.texture import Rng, cut, noise_tile, repeat
from segmif.labelsets import FMB

BUILDING = FMB.classes.index("building")

Style = Literal["plaster", "brick", "panel", "glass"]
STYLES: tuple[Style, ...] = ("plaster", "brick", "panel", "glass")
_WALLS: dict[Style, tuple[RGB, ...]] = {
    "plaster": (
        (0.6, 0.56, 0.48),
        (0.5, 0.42, 0.3),
        (0.62, 0.6, 0.57),
        (0.45, 0.3, 0.2),
        (0.5, 0.5, 0.45),
        (0.35, 0.4, 0.42),
    ),
    "brick": ((0.28, 0.11, 0.07), (0.35, 0.18, 0.1), (0.25, 0.14, 0.1), (0.4, 0.28, 0.18)),
    "panel": ((0.38, 0.37, 0.35), (0.5, 0.49, 0.47), (0.28, 0.28, 0.28), (0.42, 0.38, 0.32)),
    "glass": ((0.12, 0.16, 0.18), (0.1, 0.12, 0.16), (0.16, 0.2, 0.2)),
}
_ROOFS: tuple[RGB, ...] = ((0.2, 0.08, 0.05), (0.12, 0.12, 0.13), (0.18, 0.14, 0.11), (0.3, 0.15, 0.09))
_MAX_TEXTURE = 640


@dataclass(frozen=True, kw_only=True)
class Building:
    """A block along the line from `start` to `end` (world x, y), `depth` metres deep away from the street."""

    start: tuple[float, float]
    end: tuple[float, float]
    depth: float
    height: float
    style: Style
    shops: bool
    gable: bool


def draw_building(canvas: Canvas, building: Building, rng: Rng) -> None:
    """Paint the sides that can be seen: the end towards the camera, then the street front, then the roof."""
    a, b = np.array(building.start), np.array(building.end)
    along = (b - a) / np.linalg.norm(b - a)
    away = np.array([-along[1], along[0]])
    if away @ (a + b) / 2 < 0:
        away = -away
    wall = pick(rng, _WALLS[building.style], 0.1)
    look = Facade(canvas.conditions, building.style, wall, building.shops, rng)
    back_a, back_b = a + away * building.depth, b + away * building.depth
    with canvas.thing(BUILDING):
        if building.gable:
            _gable_roof(canvas, a, b, back_a, back_b, building, rng)
        near_first = a @ a < b @ b
        end, back = (a, back_a) if near_first else (b, back_b)
        outward = -along if near_first else along
        if (-end) @ outward > 0:
            _stand(canvas, back, end, building.height, look, plain=True)
        _stand(canvas, a, b, building.height, look, plain=False)


def cast_building_shadow(canvas: Canvas, building: Building) -> None:
    """Darken the ground the building keeps the sun from; call it before anything stands there."""
    sun = canvas.conditions.sun
    if sun[2] < 0.05 or canvas.conditions.sun_light[0] < 0.01:
        return
    a, b = np.array(building.start), np.array(building.end)
    foot = np.array([(*a, 0.0), (*b, 0.0)])
    reach = min(building.height / sun[2], 45.0)
    cast = foot - np.array([sun[0], sun[1], 0.0]) * reach
    canvas.shadow(np.stack([foot[0], foot[1], cast[1], cast[0]]), cooling=22 * canvas.conditions.solar, soft=0.12)


@dataclass
class Facade:
    """Makes the flat picture of a wall."""

    conditions: Conditions
    style: Style
    wall: RGB
    shops: bool
    rng: Rng

    def __post_init__(self) -> None:
        rng = self.rng
        self.storey = float(rng.uniform(2.8, 3.6))
        self.bay = float(rng.uniform(1.8, 4.2))
        self.pane = (float(rng.uniform(0.4, 0.8)), float(rng.uniform(0.45, 0.65)))
        if self.style == "glass":
            self.bay, self.pane = float(rng.uniform(1.2, 2.0)), (0.9, 0.82)
        self.lit_share = float(rng.beta(1, 3))
        self.frame = float(rng.choice((0.7, 0.06, 0.35)))
        self.grain = noise_tile(1.0)

    def texture(self, width: float, height: float, scale: float, *, plain: bool) -> Floats:
        """(DEPTHS, h, w) layers of a wall of these metres at `scale` pixels per metre; sun and depth left 0."""
        rng, conditions = self.rng, self.conditions
        w = int(np.clip(width * scale, 8, _MAX_TEXTURE))
        h = int(np.clip(height * scale, 8, _MAX_TEXTURE))
        x = (np.arange(w, dtype=np.float32) + 0.5) * (width / w)
        z = height - (np.arange(h, dtype=np.float32) + 0.5) * (height / h)
        grain = cut(self.grain, rng, max(width * 8, 16), (h, w))
        dirt = 1 + 0.07 * grain - 0.12 * np.exp(-z / 1.2)[:, None]
        albedo = np.array(self.wall, np.float32)[:, None, None] * dirt
        albedo *= self._courses(x, z, scale)
        base = conditions.heat(conditions.warmed(12))
        heat = base + (2.0 + 3.5 * conditions.solar) * grain + 1.5 * np.exp(-z / 1.5)[:, None]
        heat += rng.uniform(0, 6) * ((z % self.storey < 0.3)[:, None] | ((x % self.bay) < 0.25)[None])
        glow = np.zeros((3, h, w), np.float32)
        ground = 3.8 if self.shops and not plain else 0.0
        if not plain or rng.random() < 0.5:
            self._windows(x, z, ground, height, albedo, heat, glow)
        if ground:
            self._shopfront(x, z, ground, albedo, heat, glow)
        layers = np.zeros((DEPTHS, h, w), np.float32)
        layers[:3], layers[3:6], layers[7], layers[8] = albedo, glow, 0.62, heat
        layers[7] -= 0.15 * np.exp(-z / 2)[:, None]
        return layers

    def _courses(self, x: Floats, z: Floats, scale: float) -> Floats:
        """Brick courses, panel joints and storey bands as a factor on reflectance."""
        if self.style == "brick" and scale > 9:
            row = (z / 0.12).astype(int)
            joint = (z / 0.12) % 1 < 0.2
            upright = repeat(x[None] / 0.36 + 0.5 * (row % 2)[:, None].astype(np.float32), 1) < 0.08
            return np.where(joint[:, None] | upright, np.float32(1.35), np.float32(1))
        if self.style == "panel":
            edge = ((z % self.storey) < 0.12)[:, None] | ((x % self.bay) < 0.06)[None]
            return np.where(edge, np.float32(0.7), np.float32(1))
        return np.where((z % self.storey < 0.18)[:, None], np.float32(1.12), np.float32(1)) * np.ones_like(x)

    def _windows(
        self, x: Floats, z: Floats, ground: float, height: float, albedo: Floats, heat: Floats, glow: Floats
    ) -> None:
        rng, conditions = self.rng, self.conditions
        columns, rows = max(1, round(float(x[-1]) / self.bay)), max(1, int((height - ground) / self.storey))
        u = x / (float(x[-1]) * 1.001) * columns
        v = (z - ground) / self.storey
        column, row = np.clip(u.astype(int), 0, columns - 1), np.clip(v.astype(int), 0, rows - 1)
        fu, fv = u % 1 - 0.5, v % 1 - 0.52
        half_u, half_v = self.pane[0] / 2, self.pane[1] / 2
        valid = (v > 0) & (v < rows)
        outer = ((np.abs(fv) < half_v + 0.03) & valid)[:, None] & (np.abs(fu) < half_u + 0.04)[None]
        bars = (np.abs(fu) > 0.02)[None] & (np.abs(fv - 0.1) > 0.015)[:, None]
        inner = ((np.abs(fv) < half_v) & valid)[:, None] & (np.abs(fu) < half_u)[None] & bars
        albedo[:, outer] = self.frame
        per_window = rng.uniform(size=(rows, columns)).astype(np.float32)
        which = per_window[row[:, None], column[None]]
        sky = np.array(conditions.sky_light, np.float32)
        mirror = (0.03 + 0.12 * which + 0.10 * (fv[:, None] + 0.5)) * inner
        albedo[:] = np.where(inner, 0.02 + 0.06 * which, albedo)
        blind = inner & (repeat(which * 7, 1) < 0.35) & (fv[:, None] > 0.35 * (repeat(which * 13, 1)) - 0.1)
        albedo[:] = np.where(blind, 0.45, albedo)
        glow += mirror * sky[:, None, None]
        lit = inner & (which < (self.lit_share if conditions.lamps_on else 0.04))
        colour = np.array((1.0, 0.82, 0.5) if rng.random() < 0.6 else (0.85, 1.0, 0.9), np.float32)
        level = (
            (0.25 + 1.2 * (repeat(which * 31, 1))) * (0.6 + 0.4 * (fv[:, None] < 0.1)) * (0.35 if blind.any() else 1.0)
        )
        glow += (lit * level)[None] * colour[:, None, None] * (0.5 if conditions.time == "night" else 0.35)
        closed = conditions.heat(conditions.air, 0.82, 0.15)
        leaking = conditions.heat(conditions.air + 0.25 * (20 - conditions.air), 0.82, 0.15)
        heat[:] = np.where(inner, closed + (leaking - closed) * (repeat(which * 3, 1)), heat)
        heat[:] = np.where(outer & ~inner, heat + 4, heat)

    def _shopfront(self, x: Floats, z: Floats, ground: float, albedo: Floats, heat: Floats, glow: Floats) -> None:
        rng, conditions = self.rng, self.conditions
        units = max(1, round(float(x[-1]) / rng.uniform(4, 8)))
        u = x / (float(x[-1]) * 1.001) * units
        unit, fu = u.astype(int), u % 1
        tints = rng.uniform(0.05, 0.7, (units, 3)).astype(np.float32)
        open_now = rng.random(units) < (0.6 if conditions.lamps_on else 0.2)
        glass = ((z < ground - 0.9) & (z > 0.4))[:, None] & ((fu > 0.06) & (fu < 0.94) & (np.abs(fu - 0.7) > 0.01))[
            None
        ]
        door = (z < 2.2)[:, None] & ((fu > 0.72) & (fu < 0.9))[None]
        board = ((z < ground - 0.1) & (z > ground - 0.8))[:, None] & ((fu > 0.03) & (fu < 0.97))[None]
        letters = (
            board
            & ((z < ground - 0.28) & (z > ground - 0.62))[:, None]
            & ((np.sin(fu * 70) > -0.2) & (np.abs(fu - 0.5) < 0.33))[None]
        )
        colour = tints[unit].T[:, None, :]
        albedo[:] = np.where(board, colour, np.where(glass | door, 0.05, albedo))
        albedo[:] = np.where(letters, np.clip(1.0 - colour, 0.1, 0.85), albedo)
        albedo[:] = np.where(door & ((fu < 0.74) | (fu > 0.88))[None], 0.3, albedo)
        shine = open_now[unit].astype(np.float32)[None, :]
        level = 0.5 if conditions.time == "night" else 0.25
        inside = np.array((1.0, 0.9, 0.7), np.float32)[:, None, None] * (
            0.4 + 0.6 * rng.random((1, 1, x.size), dtype=np.float32)
        )
        glow += (glass * shine * level) * inside
        if conditions.lamps_on:
            glow += letters * shine * (0.3 + tints[unit].T[:, None, :]) * level * 1.5
        heat[:] = np.where(glass | door, conditions.heat(conditions.air + 4, 0.85, -0.1), heat)
        heat[:] = np.where(board, heat + 3 * shine - 1, heat)


def _stand(canvas: Canvas, a: Points, b: Points, height: float, look: Facade, *, plain: bool) -> None:
    """Set a wall upright between ground points a and b."""
    clipped = _clip(canvas, a, b)
    if clipped is None:
        return
    t0, t1 = clipped
    length = float(np.linalg.norm(b - a))
    p, q = a + (b - a) * t0, a + (b - a) * t1
    corners = np.array([[*p, 0.0], [*q, 0.0], [*q, height], [*p, height]])
    pixels, depths = canvas.camera.project(corners)
    window = canvas.window(pixels)
    if window is None:
        return
    nearest = float(depths.min())
    scale = canvas.camera.focal / max(nearest * 0.6 + float(depths.max()) * 0.4, 2.0)
    texture = look.texture(length, height, min(scale, 30.0), plain=plain)
    h, w = texture.shape[1:]
    source = np.array([[t0 * w, h], [t1 * w, h], [t1 * w, 0], [t0 * w, 0]], np.float32) - 0.5
    x0, y0, x1, y1 = window
    target = (pixels - (x0, y0)).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(source, target)
    size = (x1 - x0, y1 - y0)
    values = np.empty((DEPTHS, size[1], size[0]), np.float32)
    interleaved = np.moveaxis(texture, 0, -1)
    for part in (slice(0, 4), slice(4, 8), slice(8, 9)):
        warped = cv2.warpPerspective(
            np.ascontiguousarray(interleaved[..., part]),
            matrix,
            size,
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        values[part] = np.moveaxis(warped.reshape(size[1], size[0], -1), -1, 0)
    normal = np.array(facing(corners, canvas.camera.height))
    sun = max(0.0, float(normal @ np.array(canvas.conditions.sun)))
    values[6] = sun
    values[8] += 22 * sun * canvas.conditions.solar
    values[9] = _nearness(canvas, corners, normal, window)
    canvas.paint(polygon_mask(pixels, window), (x0, y0), values)
    _spill(canvas, look, (p + q) / 2, normal)


def _spill(canvas: Canvas, look: Facade, middle: Points, normal: Points) -> None:
    """Light from shop windows on the pavement."""
    if look.shops and canvas.conditions.lamps_on and middle[1] < 40:
        x, y = middle + normal[:2] * 1.0
        canvas.lights.append(Light(position=(float(x), float(y), 2.5), intensity=(0.5, 0.42, 0.28)))


def _nearness(canvas: Canvas, corners: Points, normal: Points, window: tuple[int, int, int, int]) -> Floats:
    """1 / depth of a plane for every pixel of the window: linear in the pixel's position."""
    x0, y0, x1, y1 = window
    offset = float(normal @ (corners[0] - (0, 0, canvas.camera.height)))
    rays = canvas.camera.rays[:, y0:y1, x0:x1]
    inverse = np.tensordot(normal.astype(np.float32), rays, 1) / np.float32(offset if abs(offset) > 1e-3 else 1e-3)
    return np.asarray(np.clip(inverse, 1e-4, 2.0), np.float32)


def _clip(canvas: Canvas, a: Points, b: Points, near: float = 1.0) -> tuple[float, float] | None:
    """The part [t0, t1] of the segment at least `near` metres in front of the camera."""
    depths = canvas.camera.to_camera(np.array([[*a, 0.0], [*b, 0.0]]))[:, 2]
    if depths.max() <= near + 0.05:
        return None
    cut_at = float((near - depths[0]) / (depths[1] - depths[0])) if depths.min() < near else 0.0
    if depths[0] < near:
        return cut_at, 1.0
    return (0.0, cut_at) if depths[1] < near else (0.0, 1.0)


def _gable_roof(
    canvas: Canvas, a: Points, b: Points, back_a: Points, back_b: Points, building: Building, rng: Rng
) -> None:
    """A pitched roof whose ridge runs along the street."""
    rise = building.depth * rng.uniform(0.25, 0.45)
    ridge_a, ridge_b = (a + back_a) / 2, (b + back_b) / 2
    eaves, ridge = building.height - 0.1, building.height + rise
    conditions = canvas.conditions
    tiles = Surface(albedo=pick(rng, _ROOFS, 0.1), celsius=conditions.warmed(14) - 3 * (conditions.time == "night"))
    wall = Surface(albedo=_WALLS[building.style][0], celsius=conditions.warmed(8))
    for foot, top in ((a, ridge_a), (b, ridge_b)):
        back = back_a if foot is a else back_b
        canvas.face(np.array([[*foot, eaves], [*back, eaves], [*top, ridge]]), wall)
    over = (a - back_a) / np.linalg.norm(a - back_a) * 0.5
    canvas.face(
        np.array([[*(a + over), eaves - 0.2], [*(b + over), eaves - 0.2], [*ridge_b, ridge], [*ridge_a, ridge]]), tiles
    )
