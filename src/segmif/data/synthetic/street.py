"""The street: where its lanes, walks and crossings run, and the ground painted accordingly.

A point of the street is (s, y): metres to the right of its axis, metres ahead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from segmif.data.synthetic.camera import Camera, Floats
from segmif.data.synthetic.canvas import GLOW, HEAT, NEARNESS, SKY, SUN, Canvas
from segmif.data.synthetic.conditions import RGB
from segmif.data.synthetic.texture import Rng, noise_tile, repeat, sample
from segmif.labelsets import FMB

ROAD, SIDEWALK, VEGETATION = (FMB.classes.index(name) for name in ("road", "sidewalk", "vegetation"))

Verge = Literal["grass", "paved"]
_FAR = 150.0
_ASPHALT_GAIN, _PAVING_GAIN, _GRASS_GAIN = 10.0, 8.5, 3.0


@dataclass(frozen=True, kw_only=True)
class Street:
    """Layout in metres. `bend` is the curvature in 1/m, `walks` and `verges` are (left, right)."""

    axis: float
    bend: float
    half_width: float
    lanes: int
    walks: tuple[float, float]
    verges: tuple[Verge, Verge]
    crossing: float | None
    crossing_half: float
    zebras: tuple[float, ...]
    closed_at: float | None
    median: float
    line: Literal["dashed", "solid", "double", "none"]
    line_colour: RGB
    edge_lines: bool
    words: bool

    def centre(self, y: npt.ArrayLike) -> Floats:
        """World x of the axis at distance y."""
        return np.asarray(self.axis + self.bend * np.clip(y, 0, _FAR) ** 2 / 2, np.float32)

    def at(self, s: float, y: float) -> tuple[float, float]:
        """World (x, y) of a point of the street."""
        return float(self.centre(y)) + s, y

    def heading(self, y: float) -> float:
        """Direction of the street at distance y, radians clockwise from straight ahead."""
        return float(np.arctan(self.bend * min(max(y, 0.0), _FAR)))

    def clear_of_crossing(self, y: float, margin: float) -> bool:
        """Whether y is on this street, at least `margin` metres from the crossing street."""
        if self.closed_at is not None and y > self.closed_at:
            return False
        return self.crossing is None or abs(y - self.crossing) > self.crossing_half + margin

    @property
    def lane_width(self) -> float:
        """Metres."""
        return 2 * self.half_width / self.lanes


def draw_street(rng: Rng) -> Street:
    """Draw a layout."""
    lanes = int(rng.choice((1, 2, 2, 2, 3, 4, 4)))
    half_width = lanes * rng.uniform(2.9, 3.7) / 2 + rng.choice((0.3, 2.0), p=(0.6, 0.4))
    own_lane = half_width * (1 - 1 / lanes) if lanes > 1 else 0.0
    axis = -own_lane * rng.uniform(0.5, 1.1) if rng.random() < 0.75 else rng.uniform(-1, 1) * (half_width + 2)
    crossing = float(rng.uniform(11, 45)) if rng.random() < 0.5 else None
    crossing_half = float(rng.uniform(3.0, 6.5))
    closed = crossing is not None and rng.random() < 0.25
    zebras: list[float] = []
    if crossing is not None and rng.random() < 0.75:
        zebras = [crossing - crossing_half - 2.6, crossing + crossing_half + 2.6]
    elif rng.random() < 0.25:
        zebras = [float(rng.uniform(7, 30))]
    style = rng.choice(("dashed", "solid", "double", "none"), p=(0.45, 0.2, 0.2, 0.15))
    walks = [float(rng.uniform(1.3, 4.5)) if rng.random() < 0.85 else 0.0 for _ in range(2)]
    return Street(
        axis=float(axis),
        bend=float(rng.choice((-1, 1)) * rng.uniform(0.001, 0.008)) if rng.random() < 0.35 else 0.0,
        half_width=float(half_width),
        lanes=lanes,
        walks=(walks[0], walks[1]),
        verges=tuple(rng.choice(("grass", "paved"), size=2, p=(0.68, 0.32))),
        crossing=crossing,
        crossing_half=crossing_half,
        zebras=tuple(zebras),
        closed_at=crossing + crossing_half + float(rng.uniform(3, 9)) if crossing and closed else None,
        median=float(rng.uniform(1.0, 2.5)) if lanes == 4 and rng.random() < 0.4 else 0.0,
        line=style if lanes > 1 else "none",
        line_colour=(0.62, 0.43, 0.08) if rng.random() < 0.4 else (0.6, 0.6, 0.58),
        edge_lines=bool(rng.random() < 0.4),
        words=bool(rng.random() < 0.2),
    )


@dataclass(frozen=True)
class _Plane:
    """World coordinates of the ground seen by each pixel of the rows from `top` down."""

    top: int
    seen: Floats
    x: Floats
    y: Floats
    depth: Floats
    s: Floats
    footprint: Floats

    def band(self, distance: npt.NDArray[Any], half: float) -> Floats:
        """Soft-edged indicator of |distance| < half, as wide as a pixel."""
        return np.asarray(np.clip((half - np.abs(distance)) / self.footprint + 0.5, 0, 1), np.float32)


def paint_ground(canvas: Canvas, street: Street, rng: Rng) -> None:
    """Paint road, walks, verges and markings below the horizon."""
    plane = _plane(canvas.camera, street)
    if plane is None:
        return
    rows = slice(plane.top, None)
    grain, blotch = noise_tile(0.6), noise_tile(1.3)
    fine = _texture(plane, grain, 45.0, rng) + 0.7 * _texture(plane, grain, 9.1, rng)
    broad = _texture(plane, blotch, 14.0, rng) + 0.6 * _texture(plane, blotch, 60.0, rng)
    regions = _regions(plane, street)
    albedo, heat = _materials(canvas, street, plane, regions, fine, broad, rng)
    _mark(street, plane, regions, albedo, heat, broad, rng)
    layers = canvas.layers[:, rows]
    seen = plane.seen > 0
    painted: dict[int, npt.ArrayLike] = {SUN: max(canvas.conditions.sun[2], 0.0), SKY: 1.0, HEAT: heat}
    painted[NEARNESS] = 1 / plane.depth
    painted |= dict(enumerate(np.clip(albedo, 0.01, 0.95)))
    painted |= dict.fromkeys(range(GLOW.start, GLOW.stop), 0.0)
    for layer, values in painted.items():
        np.copyto(layers[layer], values, where=seen)
    road, walk, _ = regions
    labels = np.where(road > 0.5, ROAD, np.where(walk > 0.5, SIDEWALK, VEGETATION)).astype(np.uint8)
    np.copyto(canvas.labels[rows], labels, where=seen)


def _plane(camera: Camera, street: Street) -> _Plane | None:
    rays = camera.rays
    below = rays[2] < -1e-4
    hit = np.flatnonzero(below.any(axis=1))
    if not len(hit):
        return None
    top = int(hit[0])
    rays, below = rays[:, top:], below[top:]
    depth = np.where(below, camera.height / np.maximum(-rays[2], 1e-4), 1e4).astype(np.float32)
    x, y = rays[0] * depth, rays[1] * depth
    s = (x - street.centre(y)).astype(np.float32)
    return _Plane(top, below.astype(np.float32), x, y, depth, s, depth / np.float32(camera.focal))


def _texture(plane: _Plane, tile: Floats, texels: float, rng: Rng) -> Floats:
    """Noise at `texels` per metre, fading where a pixel holds many of them."""
    fade = np.clip(1.5 / (plane.footprint * texels * 3), 0, 1)
    du, dv = rng.uniform(0, tile.shape[0], 2).astype(np.float32)
    return np.asarray(
        sample(tile, plane.x * np.float32(texels) + du, plane.y * np.float32(texels) + dv) * fade, np.float32
    )


def _regions(plane: _Plane, street: Street) -> tuple[Floats, Floats, Floats]:
    """Soft indicators of road, sidewalk and kerb."""
    across = np.abs(plane.s)
    road = plane.band(plane.s, street.half_width)
    if street.closed_at is not None:
        road = road * (plane.y < street.closed_at)
    right = plane.s > 0
    walk_width = np.where(right, np.float32(street.walks[1]), np.float32(street.walks[0]))
    paved = np.where(right, street.verges[1] == "paved", street.verges[0] == "paved")
    walk = np.where(paved, 1.0, np.clip((street.half_width + walk_width - across) / plane.footprint + 0.5, 0, 1))
    kerb = plane.band(across - street.half_width - 0.1, 0.12) * (walk_width > 0)
    if street.crossing is not None:
        side = plane.band(plane.y - street.crossing, street.crossing_half)
        road = np.maximum(road, side)
        kerb = np.maximum(kerb, plane.band(np.abs(plane.y - street.crossing) - street.crossing_half - 0.1, 0.12))
        walk = np.maximum(walk, plane.band(plane.y - street.crossing, street.crossing_half + 2.5))
        kerb = kerb * (1 - road)
    if street.median:
        road = road * (1 - plane.band(plane.s, street.median / 2) * (np.abs(plane.y - (street.crossing or -99)) > 12))
    walk = walk * (1 - road)
    return road.astype(np.float32), walk.astype(np.float32), kerb.astype(np.float32)


def _materials(
    canvas: Canvas,
    street: Street,
    plane: _Plane,
    regions: tuple[Floats, Floats, Floats],
    fine: Floats,
    broad: Floats,
    rng: Rng,
) -> tuple[Floats, Floats]:
    """(3, h, w) reflectance and (h, w) exitance before markings."""
    conditions = canvas.conditions
    road, walk, kerb = regions
    dark = rng.uniform(0.07, 0.24)
    tone = np.array([1.0, 1.0 + rng.uniform(-0.02, 0.03), 1.0 + rng.uniform(-0.08, 0.06)], np.float32)
    tracks = np.cos((plane.s / street.lane_width + 0.5 * (street.lanes % 2)) * 4 * np.pi) * plane.band(
        plane.s, street.half_width
    )
    asphalt = dark * (1 + 0.10 * fine + 0.07 * broad - 0.05 * tracks) * (1 - 0.35 * conditions.wet)
    slab = rng.uniform(0.5, 1.6)
    joints = np.maximum(
        plane.band(repeat(plane.s, slab) - slab / 2, 0.012), plane.band(repeat(plane.y, slab) - slab / 2, 0.012)
    ) * np.clip(0.05 / plane.footprint, 0, 1)
    stone = rng.uniform(0.22, 0.45) * (1 + 0.07 * fine + 0.08 * broad - 0.3 * joints) * (1 - 0.3 * conditions.wet)
    stone_tone = np.array([1.0, rng.uniform(0.88, 1.0), rng.uniform(0.72, 1.0)], np.float32)
    green = 0.5 + 0.5 * np.clip(broad * 0.6 + 0.5, 0, 1)
    blades = np.clip(1 + 0.30 * fine + 0.15 * broad, 0.2, 2)
    lawn = np.stack([0.10 + 0.07 * (1 - green), 0.09 + 0.09 * green, np.full_like(green, 0.035)]) * blades
    albedo = lawn * rng.uniform(0.6, 1.2)
    albedo += walk * (stone * stone_tone[:, None, None] - albedo)
    albedo += road * (asphalt * tone[:, None, None] - albedo)
    albedo += kerb * (rng.uniform(0.3, 0.55) - albedo)
    heats = [conditions.heat(conditions.warmed(g), 0.95, 0.6) for g in (_ASPHALT_GAIN, _PAVING_GAIN, _GRASS_GAIN)]
    swing = 1.2 + 2.0 * conditions.solar
    heat = heats[2] + swing * (1.0 * broad + 0.8 * fine)
    heat = heat + walk * (heats[1] + swing * (0.4 * broad - 4 * joints + 0.3 * fine) - heat)
    heat = heat + road * (heats[0] + swing * (0.5 * broad + 0.35 * fine + 1.3 * tracks) - heat)
    heat = heat - kerb * swing * 4 * rng.uniform(-1, 1.5)
    return albedo.astype(np.float32), heat.astype(np.float32)


def _mark(
    street: Street,
    plane: _Plane,
    regions: tuple[Floats, Floats, Floats],
    albedo: Floats,
    heat: Floats,
    broad: Floats,
    rng: Rng,
) -> None:
    """Paint lines and zebras into reflectance and heat; paint is lighter and, being smooth, a little colder."""
    road = regions[0]
    wear = np.clip(rng.uniform(0.5, 1.0) + 0.25 * broad, 0.1, 1) * road
    open_road = np.ones_like(plane.y)
    if street.crossing is not None:
        open_road = (np.abs(plane.y - street.crossing) > street.crossing_half + 0.5).astype(np.float32)
    dashes = plane.band(repeat(plane.y, 9.0) - 4.5, 2.0)
    centre = np.zeros_like(plane.y)
    if street.line == "double":
        centre = plane.band(np.abs(plane.s) - 0.15, 0.06)
    elif street.line != "none":
        centre = plane.band(plane.s, 0.07) * (dashes if street.line == "dashed" else 1)
    white = np.zeros_like(plane.y)
    if street.lanes > 2:
        for edge in range(1, street.lanes):
            offset = edge * street.lane_width - street.half_width
            if abs(offset) > 0.5:
                white = np.maximum(white, plane.band(plane.s - offset, 0.07) * dashes)
        if street.lanes % 2:
            centre *= 0
    if street.edge_lines:
        white = np.maximum(white, plane.band(np.abs(plane.s) - street.half_width + 0.35, 0.07))
    white *= open_road
    for y in street.zebras:
        stripes = plane.band(repeat(plane.s, 1.0) - 0.5, 0.25) * plane.band(plane.s, street.half_width - 0.3)
        white *= np.abs(plane.y - y) > 2.2
        white = np.maximum(white, plane.band(plane.y - y, 1.6) * stripes)
        white = np.maximum(
            white,
            plane.band(plane.y - y + 3.0, 0.2)
            * plane.band(plane.s - street.half_width / 2, street.half_width / 2 - 0.2),
        )
        centre = centre * (np.abs(plane.y - y) > 3.2)
    for mask, colour in ((centre * open_road * wear, street.line_colour), (white * wear, (0.62, 0.62, 0.6))):
        albedo += mask * (np.array(colour, np.float32)[:, None, None] - albedo)
        heat -= mask * 7.0
