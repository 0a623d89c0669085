"""Cars, trucks and buses: a side outline swept across the width, seen from any angle.

Own axes of a vehicle: x to its right, y to its front, z up, origin on the ground below its middle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from segmif.data.synthetic.camera import Points
from segmif.data.synthetic.canvas import Canvas, Light, Surface, facing
from segmif.data.synthetic.conditions import RGB, Vector
from segmif.data.synthetic.texture import Rng
from segmif.labelsets import FMB

CAR, TRUCK, BUS = (FMB.classes.index(name) for name in ("car", "truck", "bus"))

Kind = Literal["sedan", "hatch", "suv", "van", "pickup", "truck", "bus"]
KINDS: tuple[Kind, ...] = ("sedan", "hatch", "suv", "van", "pickup", "truck", "bus")

_PAINTS: tuple[RGB, ...] = (
    (0.75, 0.75, 0.74), (0.7, 0.7, 0.68), (0.42, 0.43, 0.45), (0.2, 0.21, 0.22), (0.03, 0.03, 0.035),
    (0.02, 0.025, 0.04), (0.08, 0.09, 0.1), (0.35, 0.02, 0.02), (0.03, 0.06, 0.22), (0.06, 0.12, 0.3),
    (0.25, 0.2, 0.12), (0.05, 0.12, 0.07), (0.55, 0.35, 0.03),
)  # fmt: skip
_TRUCK_PAINTS: tuple[RGB, ...] = (
    (0.75, 0.75, 0.73),
    (0.6, 0.6, 0.58),
    (0.1, 0.2, 0.45),
    (0.5, 0.1, 0.05),
    (0.12, 0.3, 0.15),
    (0.6, 0.45, 0.08),
)
_BUS_PAINTS: tuple[RGB, ...] = (
    (0.7, 0.1, 0.06),
    (0.08, 0.2, 0.5),
    (0.7, 0.68, 0.6),
    (0.75, 0.5, 0.05),
    (0.1, 0.4, 0.2),
)


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """Metres. `body` is the outline of the lower body, rear to front, as (y, z); `cabin` the glasshouse on it."""

    width: float
    body: tuple[tuple[float, float], ...]
    cabin: tuple[tuple[float, float], ...]
    sill: float
    axles: tuple[float, ...]
    wheel: float
    pillars: tuple[float, ...] = ()


def _shape(kind: Kind, rng: Rng) -> _Shape:
    if kind == "sedan":
        return _Shape(
            width=1.78, body=((-2.28, 0.62), (-2.22, 0.98), (-1.6, 1.04), (1.05, 0.98), (2.05, 0.80), (2.28, 0.58)),
            cabin=((-1.65, 1.02), (-0.85, 1.42), (0.15, 1.45), (1.1, 0.97)), sill=0.24, axles=(-1.35, 1.38), wheel=0.32,
            pillars=(-0.25,),
        )  # fmt: skip
    if kind == "hatch":
        return _Shape(
            width=1.72, body=((-1.95, 0.55), (-1.95, 0.95), (-1.7, 1.0), (1.0, 0.98), (1.8, 0.84), (2.0, 0.55)),
            cabin=((-1.88, 0.98), (-1.55, 1.45), (0.1, 1.5), (1.05, 0.97)), sill=0.24, axles=(-1.25, 1.25), wheel=0.31,
            pillars=(-0.35,),
        )  # fmt: skip
    if kind == "suv":
        return _Shape(
            width=1.9, body=((-2.3, 0.6), (-2.3, 1.05), (-2.1, 1.12), (0.95, 1.1), (2.1, 0.98), (2.32, 0.62)),
            cabin=((-2.22, 1.1), (-1.95, 1.7), (0.2, 1.74), (1.05, 1.08)), sill=0.32, axles=(-1.4, 1.42), wheel=0.37,
            pillars=(-1.2, -0.25),
        )  # fmt: skip
    if kind == "van":
        return _Shape(
            width=1.95, body=((-2.5, 0.5), (-2.5, 1.15), (-2.45, 1.2), (1.5, 1.15), (2.25, 0.95), (2.5, 0.55)),
            cabin=((-2.47, 1.15), (-2.4, 2.0), (0.95, 2.02), (1.75, 1.12)), sill=0.28, axles=(-1.55, 1.6), wheel=0.34,
            pillars=(-1.1, 0.2),
        )  # fmt: skip
    if kind == "pickup":
        return _Shape(
            width=1.9, body=((-2.65, 0.6), (-2.65, 1.08), (-0.75, 1.1), (1.2, 1.08), (2.35, 0.98), (2.6, 0.62)),
            cabin=((-0.85, 1.08), (-0.7, 1.72), (0.5, 1.74), (1.3, 1.06)), sill=0.35, axles=(-1.6, 1.6), wheel=0.38,
            pillars=(-0.1,),
        )  # fmt: skip
    if kind == "bus":
        half, top = float(rng.uniform(4.5, 6.0)), float(rng.uniform(2.9, 3.2))
        return _Shape(
            width=2.5, body=((-half, 0.5), (-half, 1.3), (-half + 0.05, 1.32), (half - 0.1, 1.3), (half, 0.5)),
            cabin=((-half + 0.03, 1.3), (-half + 0.1, top), (half - 0.15, top), (half - 0.06, 1.28)), sill=0.32,
            axles=(-half * 0.52, half * 0.55), wheel=0.48, pillars=tuple(np.arange(-half + 1.6, half - 1.2, 1.5)),
        )  # fmt: skip
    half = float(rng.uniform(2.9, 4.2))
    return _Shape(
        width=2.3, body=((half - 1.9, 0.6), (half - 1.9, 1.35), (half - 1.8, 1.4), (half - 0.15, 1.35), (half, 0.6)),
        cabin=((half - 1.9, 1.38), (half - 1.85, 2.35), (half - 0.55, 2.4), (half - 0.1, 1.36)), sill=0.45,
        axles=(-half * 0.55, half - 1.0), wheel=0.46,
    )  # fmt: skip


@dataclass(kw_only=True)
class Vehicle:
    """One vehicle on the ground at (x, y) with its front turned `yaw` clockwise from straight ahead."""

    canvas: Canvas
    kind: Kind
    x: float
    y: float
    yaw: float
    moving: bool
    rng: Rng

    def __post_init__(self) -> None:
        rng, conditions = self.rng, self.canvas.conditions
        self.shape = _shape(self.kind, rng)
        self.size = (self.shape.width, self.shape.body[-1][0] - min(self.shape.body[0][0], -self.shape.body[-1][0]))
        paints = {"truck": _TRUCK_PAINTS, "bus": _BUS_PAINTS}.get(self.kind, _PAINTS)
        base = np.array(paints[rng.integers(len(paints))]) * rng.uniform(0.8, 1.1)
        self.colour: RGB = (float(base[0]), float(base[1]), float(base[2]))
        self.warm = bool(self.moving or rng.random() < 0.25)
        skin = conditions.warmed(9) - (0 if self.warm else 1.5)
        self.skin = skin + (rng.uniform(1, 5) if self.warm else rng.uniform(-1, 1))
        self.tyre = conditions.air + (rng.uniform(9, 24) if self.warm else rng.uniform(0, 3) + 3 * conditions.solar)
        self.bonnet = self.skin + (rng.uniform(4, 16) if self.warm else 0)
        self.lamps = self.moving and (conditions.lamps_on or conditions.weather != "clear" or rng.random() < 0.15)
        self.braking = self.moving and rng.random() < 0.3

    def world(self, points: Points) -> Points:
        """Own axes (N, 3) to the world."""
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        return points @ turn + (self.x, self.y, 0.0)

    def draw(self) -> None:
        """Shadow, then body far side first, then details."""
        self._shadow()
        label = {"truck": TRUCK, "bus": BUS}.get(self.kind, CAR)
        with self.canvas.thing(label, boxed=True):
            if self.kind == "truck":
                self._draw_truck()
            else:
                self._wheels(near=False)
                self._hull()
                self._wheels(near=True)

    def _shadow(self) -> None:
        half_width, (rear, front) = self.shape.width / 2, self._ends()
        sun = self.canvas.conditions.sun
        corners = np.array(
            [[-half_width, rear, 0], [half_width, rear, 0], [half_width, front, 0], [-half_width, front, 0]]
        )
        ground = self.world(corners)
        if sun[2] > 0.05 and self.canvas.conditions.sun_light[0] > 0.01:
            height = self.shape.cabin[1][1]
            cast = ground - np.array([sun[0], sun[1], 0]) * min(height / sun[2], 6.0)
            self.canvas.shadow(_hull_2d(np.concatenate([ground, cast])), cooling=4.0 * self.canvas.conditions.solar)
        warm = -14.0 if self.moving else 3.0 * self.canvas.conditions.solar - 1.5
        self.canvas.shadow(ground * (1, 1, 0), sun=0.0, sky=0.25, cooling=warm, soft=0.25)

    def _ends(self) -> tuple[float, float]:
        front = self.shape.body[-1][0]
        return (-front if self.kind == "truck" else self.shape.body[0][0]), front

    def _paint(self, albedo: RGB, celsius: float, emissivity: float = 0.9, glow: RGB = (0, 0, 0)) -> Surface:
        return Surface(albedo=albedo, celsius=celsius, emissivity=emissivity, glow=glow)

    @property
    def glass(self) -> Surface:
        """Window glass: dark, and in infrared a partial mirror of the cold sky."""
        reflection = 0.10 * np.array(self.canvas.conditions.sky_light)
        inside = self.canvas.conditions.warmed(6) + (3 if self.warm else 0)
        return Surface(
            albedo=(0.03, 0.035, 0.04), celsius=inside, emissivity=0.8,
            glow=(float(reflection[0]), float(reflection[1]), float(reflection[2])),
        )  # fmt: skip

    def _ring(self, outline: tuple[tuple[float, float], ...], half: tuple[float, ...]) -> tuple[Points, Points]:
        """The outline on the left and on the right side, (N, 3) each, at these half widths."""
        left = np.array([(-h, y, z) for (y, z), h in zip(outline, half, strict=True)])
        return left, left * (-1, 1, 1)

    def _visible(self, face: Points) -> bool:
        """Whether the outer side of a world face faces the camera; outward is away from the vehicle's middle."""
        normal = np.array(facing(face, self.canvas.camera.height))
        outward = face.mean(axis=0) - np.array([self.x, self.y, 0.75])
        return bool(normal @ outward > -1e-6)

    def _face(self, points: Points, surface: Surface, *, cull: bool = True) -> bool:
        world = self.world(points)
        if cull and not self._visible(world):
            return False
        self.canvas.face(world, surface)
        return True

    def _hull(self) -> None:
        shape = self.shape
        half = shape.width / 2
        bulk = self.kind in ("bus", "truck", "van")
        ends = 0.97 if bulk else 0.9
        body_half = (half * ends, *([half] * (len(shape.body) - 2)), half * ends)
        left, right = self._ring(shape.body, body_half)
        roof = half * (0.96 if self.kind in ("bus", "truck") else 0.9 if self.kind == "van" else 0.78)
        cabin_left, cabin_right = self._ring(shape.cabin, (half * 0.97, roof, roof, half * 0.95))
        body = self._paint(self.colour, self.skin)
        low = self._paint((self.colour[0] * 0.8, self.colour[1] * 0.8, self.colour[2] * 0.8), self.skin - 0.5)
        hood = self._paint(self.colour, self.bonnet, 0.88)
        sides = []
        for outline in (left, right):
            rocker = outline[[0, -1]] * (1, 0.97, 0) + (0, 0, shape.sill)
            sides.append(np.concatenate([outline, rocker[::-1]]))
        order = sorted((0, 1), key=lambda i: -self.world(sides[i]).mean(axis=0)[1])
        for index in order:
            self._face(sides[index], low)
        self._end(left, right, front=False)
        self._end(left, right, front=True)
        count = len(shape.body)
        for i in range(1, count - 1):
            top = np.stack([left[i], right[i], right[i + 1], left[i + 1]])
            self._face(top, hood if i >= count - 3 and not bulk else body)
        self._cabin(cabin_left, cabin_right, body, order)

    def _cabin(self, left: Points, right: Points, body: Surface, order: list[int]) -> None:
        glass = self.glass
        for index in order:
            side = (left, right)[index]
            if self._face(side, body):
                self._side_windows(side, glass)
        self._face(np.stack([left[1], right[1], right[2], left[2]]), body)
        for a, b in ((0, 1), (3, 2)):
            pane = np.stack([left[a], right[a], right[b], left[b]])
            if self._face(pane, body):
                high = 0.62 if self.kind == "bus" and a == 3 else 0.9
                if self.kind == "van" and a == 0:
                    self._patch(pane, 0.1, 0.46, 0.35, 0.88, glass)
                    self._patch(pane, 0.54, 0.9, 0.35, 0.88, glass)
                else:
                    self._patch(pane, 0.07, 0.93, 0.1 if self.kind != "bus" else -0.15, high, glass)
                if self.kind == "bus":
                    board = (0.9, 0.5, 0.05) if self.canvas.conditions.lamps_on else (0.35, 0.2, 0.02)
                    self._patch(pane, 0.2, 0.8, 0.76, 0.92, self._paint((0.03, 0.03, 0.03), self.skin))
                    self._patch(pane, 0.3, 0.7, 0.8, 0.88, self._paint((0.3, 0.2, 0.02), self.skin + 4, 0.95, board))

    def _side_windows(self, side: Points, glass: Surface) -> None:
        rear, roof_rear, roof_front, front = side
        pillars = self.shape.pillars
        panel_van = self.kind == "van" and self.rng.random() < 0.5
        posts = [rear[1], *pillars, front[1]]
        for index in range(len(posts) - 1):
            if panel_van and index < len(posts) - 2:
                continue
            start, end = posts[index] + 0.06, posts[index + 1] - 0.06
            quad = []
            for y, v in ((start, 0.1), (end, 0.1), (end, 0.86), (start, 0.86)):
                low = rear[1] + (roof_rear[1] - rear[1]) * v + 0.08
                high = front[1] + (roof_front[1] - front[1]) * v - 0.08
                y = min(max(y, low), high)
                quad.append((rear[0] + (roof_rear[0] - rear[0]) * v, y, rear[2] + (roof_rear[2] - rear[2]) * v))
            self._face(np.array(quad) * (1.004, 1, 1), glass, cull=False)

    def _patch(self, quad: Points, u0: float, u1: float, v0: float, v1: float, surface: Surface) -> None:
        """Part of a quad (4, 3) with corners bottom left, bottom right, top right, top left."""
        corners = []
        for u, v in ((u0, v0), (u1, v0), (u1, v1), (u0, v1)):
            bottom, top = quad[0] + (quad[1] - quad[0]) * u, quad[3] + (quad[2] - quad[3]) * u
            corners.append(bottom + (top - bottom) * v)
        self._face(np.array(corners), surface, cull=False)

    def _end(self, left: Points, right: Points, *, front: bool) -> None:
        """Front or rear: bumper, grille or boot, plate and lamps."""
        i = -1 if front else 0
        j = -2 if front else 1
        base = np.stack([left[i], right[i]]) * (0.97, 1, 0) + (0, 0, self.shape.sill)
        upper = np.stack([left[i], right[i], right[j], left[j]])
        lower = np.stack([base[0], base[1], right[i], left[i]])
        hot = self.bonnet if front else self.skin
        body = self._paint(self.colour, hot - 1)
        dim = tuple(c * 0.75 for c in self.colour)
        dark = self._paint((0.02, 0.02, 0.022), hot + (4 if front and self.warm else 0), 0.95)
        shown = self._face(lower, self._paint((dim[0], dim[1], dim[2]), hot - 1))
        shown = self._face(upper, body) or shown
        if not shown:
            return
        self._patch(lower, 0.05, 0.95, -0.1, 0.3, dark)
        plate = self._paint((0.6, 0.6, 0.55), self.skin - 1, 0.85)
        if front:
            self._patch(upper, 0.28, 0.72, 0.0, 0.55, dark)
            self._patch(lower, 0.2, 0.8, 0.25, 0.6, dark)
            self._patch(lower, 0.36, 0.64, 0.55, 0.85, plate)
        else:
            self._patch(upper if self.kind in ("sedan", "suv") else lower, 0.36, 0.64, 0.3, 0.62, plate)
            if self.warm:
                self._patch(lower, 0.14, 0.22, -0.05, 0.12, self._paint((0.1, 0.1, 0.1), self.skin + 35))
        self._lamps(upper, front=front)

    def _lamps(self, upper: Points, *, front: bool) -> None:
        strong = {"day": 1.2, "dusk": 3.0, "night": 4.0}[self.canvas.conditions.time] * self.lamps
        for u0, u1 in ((0.03, 0.2), (0.8, 0.97)):
            if front:
                lamp = self._paint(
                    (0.5, 0.5, 0.5), self.skin + 6 * self.lamps, 0.9, (strong, strong * 0.96, strong * 0.85)
                )
                self._patch(upper, u0, u1, 0.25, 0.8, lamp)
            else:
                red = strong * 0.22 + 1.0 * self.braking
                lamp = self._paint((0.3, 0.015, 0.015), self.skin + 2 * self.lamps, 0.9, (red, red * 0.03, red * 0.03))
                self._patch(upper, u0, u1, 0.15, 0.9, lamp)
            if self.lamps and self.canvas.conditions.lamps_on:
                spot = self.world(upper.mean(axis=0)[None] * (1, 1, 1))[0]
                aim: Vector = (float(np.sin(self.yaw)), float(np.cos(self.yaw)), 0.0)
                power = (7.0, 6.6, 5.8) if front else (0.12, 0.012, 0.01)
                if u0 < 0.5:
                    where = (float(spot[0]), float(spot[1]), float(spot[2]))
                    self.canvas.lights.append(Light(position=where, intensity=power, aim=aim if front else None))

    def _wheels(self, *, near: bool) -> None:
        """Wheels of one side; the far ones are seen below the body."""
        half, radius = self.shape.width / 2, self.shape.wheel
        angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
        circle = np.stack([np.zeros(20), np.cos(angle), np.sin(angle)], axis=1)
        to_camera = np.array([-self.x, -self.y])
        right_side = to_camera @ np.array([np.cos(self.yaw), -np.sin(self.yaw)]) > 0
        sign = 1 if right_side == near else -1
        arch = self._paint((0.012, 0.012, 0.014), self.skin, 0.95)
        tyre = self._paint((0.025, 0.025, 0.027), self.tyre, 0.96)
        rim_colour: RGB = (0.3, 0.3, 0.31) if self.rng.random() < 0.7 else (0.08, 0.08, 0.08)
        rim = self._paint(rim_colour, self.tyre - 3, 0.75)
        for axle in self.shape.axles:
            hub = np.array([sign * (half + 0.01), axle, radius])
            if near:
                above = circle * (radius * 1.17) + hub + (0, 0, 0.02)
                self._face(above[above[:, 2] > self.shape.sill * 0.8], arch, cull=False)
            self._face(circle * radius + hub - (sign * (0.2 if near else 0), 0, 0), tyre, cull=False)
            self._face(circle * radius + hub, tyre, cull=False)
            if near:
                self._face(circle * (radius * 0.62) + hub + (sign * 0.01, 0, 0), rim, cull=False)
                self._face(circle * (radius * 0.2) + hub + (sign * 0.015, 0, 0), arch, cull=False)

    def _draw_truck(self) -> None:
        """A cab and the load behind it, the farther of the two first."""
        front = self.shape.body[-1][0]
        facing_us = -self.y * np.cos(self.yaw) - self.x * np.sin(self.yaw) > 0
        self._wheels(near=False)
        load = (-front, front - 2.05)
        if facing_us:
            self._load(*load)
            self._hull()
        else:
            self._hull()
            self._load(*load)
        self._wheels(near=True)

    def _load(self, rear: float, front: float) -> None:
        half, low = self.shape.width / 2 + 0.05, 0.95
        style = self.rng.choice(("box", "flat", "tarp"))
        high = {"box": 3.0, "flat": 1.5, "tarp": 2.7}[style]
        palette = {"box": _TRUCK_PAINTS[:2], "flat": _TRUCK_PAINTS[2:], "tarp": _TRUCK_PAINTS[2:]}[style]
        colour = palette[self.rng.integers(len(palette))]
        skin = self._paint(colour, self.skin - 1, 0.88 if style != "tarp" else 0.95)
        frame = self._paint((0.03, 0.03, 0.03), self.skin + 1)
        lines = self._paint((colour[0] * 0.6, colour[1] * 0.6, colour[2] * 0.6), self.skin - 2)
        box = lambda x, y, z: np.array([x, y, z], float)  # noqa: E731
        for side in (-half, half):
            chassis = np.stack(
                [box(side, rear, 0.5), box(side, front, 0.5), box(side, front, low), box(side, rear, low)]
            )
            self._face(chassis, frame)
        faces = [
            np.stack([box(-half, rear, low), box(-half, front, low), box(-half, front, high), box(-half, rear, high)]),
            np.stack([box(half, rear, low), box(half, front, low), box(half, front, high), box(half, rear, high)]),
            np.stack([box(-half, rear, low), box(half, rear, low), box(half, rear, high), box(-half, rear, high)]),
            np.stack([box(-half, front, low), box(half, front, low), box(half, front, high), box(-half, front, high)]),
        ]
        for index in sorted(range(4), key=lambda i: -float(self.world(faces[i]).mean(axis=0) @ (0, 1, 0))):
            if self._face(faces[index], skin):
                for u in np.arange(0.0, 1.0, 0.125 if index < 2 else 0.5):
                    self._patch(faces[index], u, u + 0.012, 0.02, 0.98, lines)
        back = faces[2]
        if self._visible(self.world(back)):
            bumper = back * (1, 1, 0) + np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, low], [0, 0, low]])
            self._face(bumper, frame)
            self._patch(bumper, 0.38, 0.62, 0.2, 0.7, self._paint((0.6, 0.6, 0.55), self.skin))
            self._lamps(bumper, front=False)


def _hull_2d(points: Points) -> Points:
    """Convex hull on the ground of points (N, 3), counter-clockwise (monotone chain)."""
    ordered = sorted(map(tuple, points[:, :2]))

    def half(run: list[tuple[float, float]]) -> list[tuple[float, float]]:
        chain: list[tuple[float, float]] = []
        for p in run:
            while len(chain) > 1:
                (ax, ay), (bx, by) = chain[-2], chain[-1]
                if (bx - ax) * (p[1] - ay) - (by - ay) * (p[0] - ax) > 0:
                    break
                chain.pop()
            chain.append(p)
        return chain[:-1]

    return np.array([(*p, 0.0) for p in half(ordered) + half(ordered[::-1])])
