"""Cars, trucks and buses: a side outline swept across the width, seen from any angle.

Own axes of a vehicle: x to its right, y to its front, z up, origin on the ground below its middle.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from segmif.data.synthetic.camera import Points
from segmif.data.synthetic.canvas import DARK, Light, Surface, pick, scaled
from segmif.data.synthetic.conditions import RGB, Vector
from segmif.data.synthetic.loads import TRUCK_PAINTS, Load
from segmif.data.synthetic.solid import Solid, upright
from segmif.data.synthetic.texture import Rng
from segmif.data.synthetic.vehicle_shapes import Kind, Outline, draw_shape
from segmif.labelsets import FMB

CAR, TRUCK, BUS = (FMB.classes.index(name) for name in ("car", "truck", "bus"))

_PAINTS: tuple[RGB, ...] = (
    (0.75, 0.75, 0.74), (0.7, 0.7, 0.68), (0.42, 0.43, 0.45), (0.2, 0.21, 0.22), (0.03, 0.03, 0.035),
    (0.02, 0.025, 0.04), (0.08, 0.09, 0.1), (0.35, 0.02, 0.02), (0.03, 0.06, 0.22), (0.06, 0.12, 0.3),
    (0.25, 0.2, 0.12), (0.05, 0.12, 0.07), (0.55, 0.35, 0.03),
)  # fmt: skip
_BUS_PAINTS: tuple[RGB, ...] = (
    (0.7, 0.1, 0.06), (0.08, 0.2, 0.5), (0.7, 0.68, 0.6), (0.75, 0.5, 0.05), (0.1, 0.4, 0.2),
)  # fmt: skip
_BLACK: RGB = (0.02, 0.02, 0.022)
_PLATE: RGB = (0.6, 0.6, 0.55)


@dataclass(kw_only=True)
class Vehicle(Solid):
    """One vehicle; `warm` ones have run lately, `moving` ones also have their lamps on where it is dark."""

    kind: Kind
    moving: bool
    rng: Rng

    def __post_init__(self) -> None:
        rng, conditions = self.rng, self.canvas.conditions
        self.shape = draw_shape(self.kind, rng)
        self.size = (self.shape.width, self.shape.body[-1][0] - min(self.shape.body[0][0], -self.shape.body[-1][0]))
        paints = {"truck": TRUCK_PAINTS, "bus": _BUS_PAINTS}.get(self.kind, _PAINTS)
        self.colour = pick(rng, paints, 0.15)
        self.rim: RGB = (0.3, 0.3, 0.31) if rng.random() < 0.7 else (0.08, 0.08, 0.08)
        warm, body, tyre, engine, lamps, brakes = rng.uniform(size=6)
        self.warm = bool(self.moving or warm < 0.25)
        self.skin = conditions.warmed(9) + (1 + 4 * body if self.warm else 2 * body - 2.5)
        self.tyre = conditions.air + (9 + 15 * tyre if self.warm else 3 * tyre + 3 * conditions.solar)
        self.bonnet = self.skin + (4 + 12 * engine if self.warm else 0)
        self.lamps = self.moving and (conditions.lamps_on or conditions.weather != "clear" or lamps < 0.15)
        self.braking = bool(self.moving and brakes < 0.3)

    @property
    def close(self) -> bool:
        """Whether a hand's breadth spans a pixel, so that details can be seen."""
        return self.canvas.camera.focal > 8 * abs(self.y)

    def draw(self) -> None:
        """Shadow, then body far side first, then details."""
        if not self.canvas.sees(self.x, self.y, self.size[1], 3.5):
            return
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

    def _paint(self, albedo: RGB, celsius: float, emissivity: float = 0.9, glow: RGB = DARK) -> Surface:
        return Surface(albedo=albedo, celsius=celsius, emissivity=emissivity, glow=glow)

    @property
    def glass(self) -> Surface:
        """Window glass: dark, and in infrared a partial mirror of the cold sky."""
        inside = self.canvas.conditions.warmed(6) + (3 if self.warm else 0)
        return Surface(
            albedo=(0.03, 0.035, 0.04), celsius=inside, emissivity=0.8,
            glow=scaled(self.canvas.conditions.sky_light, 0.1),
        )  # fmt: skip

    def _ring(self, outline: Outline, half: tuple[float, ...]) -> tuple[Points, Points]:
        """The outline on the left and on the right side, (N, 3) each, at these half widths."""
        left = np.array([(-h, y, z) for (y, z), h in zip(outline, half, strict=True)])
        return left, left * (-1, 1, 1)

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
        low = self._paint(scaled(self.colour, 0.8), self.skin - 0.5)
        hood = self._paint(self.colour, self.bonnet, 0.88)
        sides = []
        for outline in (left, right):
            rocker = outline[[0, -1]] * (1, 0.97, 0) + (0, 0, shape.sill)
            sides.append(np.concatenate([outline, rocker[::-1]]))
        order = sorted((0, 1), key=lambda i: -self.world(sides[i]).mean(axis=0)[1])
        for index in order:
            if self.face(sides[index], low) and self.close:
                self._trim((-1, 1)[index])
        self._end(left, right, front=False)
        self._end(left, right, front=True)
        count = len(shape.body)
        for i in range(1, count - 2):
            top = np.stack([left[i], right[i], right[i + 1], left[i + 1]])
            self.face(top, hood if i >= count - 3 and not bulk else body)
        self._cabin(cabin_left, cabin_right, body, order)

    def _trim(self, side: int) -> None:
        """What breaks up a flank: sill, shoulder line that mirrors the sky, gaps between doors, mirror."""
        shape, x = self.shape, side * self.shape.width / 2 * 1.003
        rear, front, belt = shape.body[1][0], shape.body[-2][0], shape.body[-2][1]

        def band(low: float, high: float, start: float, end: float, surface: Surface) -> None:
            self.face(upright((x, start), (x, end), low, high), surface, cull=False)

        rear, front = rear + 0.12, front - 0.12
        dim, plain, bright = (
            self._paint(scaled(self.colour, tone), self.skin - cooler)
            for tone, cooler in ((0.5, 0.6), (1.0, 0.0), (1.25, 0.8))
        )
        band(shape.sill, shape.sill + 0.1, rear, front, dim)
        band(belt - 0.32, belt - 0.03, rear, front, plain)
        band(belt - 0.16, belt - 0.10, rear, front, bright)
        for y in (*shape.pillars, shape.cabin[-1][0] - 0.15):
            band(shape.sill + 0.12, belt, y - 0.012, y + 0.012, dim)
        mirror_y, z = shape.cabin[-1][0] - 0.25, belt + 0.12
        self.face(upright((x, mirror_y), (x + side * 0.2, mirror_y), z - 0.07, z + 0.09), dim, cull=False)

    def _cabin(self, left: Points, right: Points, body: Surface, order: list[int]) -> None:
        glass = self.glass
        for index in order:
            side = (left, right)[index]
            if self.face(side, body) and self.canvas.camera.focal > 4 * abs(self.y):
                self._side_windows(side, glass)
        self.face(np.stack([left[1], right[1], right[2], left[2]]), body)
        for a, b in ((0, 1), (3, 2)):
            pane = np.stack([left[a], right[a], right[b], left[b]])
            if self.face(pane, body):
                sill, high = (-0.15, 0.62 if a == 3 else 0.9) if self.kind == "bus" else (0.1, 0.9)
                if self.kind == "van" and a == 0:
                    self.patch(pane, (0.1, 0.46), (0.35, 0.88), glass)
                    self.patch(pane, (0.54, 0.9), (0.35, 0.88), glass)
                else:
                    self.patch(pane, (0.07, 0.93), (sill, high), glass)
                if self.kind == "bus":
                    board = (0.9, 0.5, 0.05) if self.canvas.conditions.lamps_on else (0.35, 0.2, 0.02)
                    self.patch(pane, (0.2, 0.8), (0.76, 0.92), self._paint((0.03, 0.03, 0.03), self.skin))
                    self.patch(pane, (0.3, 0.7), (0.8, 0.88), self._paint((0.3, 0.2, 0.02), self.skin + 4, 0.95, board))

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
            self.face(np.array(quad) * (1.004, 1, 1), glass, cull=False)

    def _end(self, left: Points, right: Points, *, front: bool) -> None:
        """Front or rear: bumper, grille or boot, plate and lamps."""
        i = -1 if front else 0
        j = -2 if front else 1
        base = np.stack([left[i], right[i]]) * (0.97, 1, 0) + (0, 0, self.shape.sill)
        upper = np.stack([left[i], right[i], right[j], left[j]])
        lower = np.stack([base[0], base[1], right[i], left[i]])
        hot = self.bonnet if front else self.skin
        body = self._paint(self.colour, hot - 1)
        dark = self._paint(_BLACK, hot + (4 if front and self.warm else 0), 0.95)
        shown = self.face(lower, self._paint(scaled(self.colour, 0.75), hot - 1))
        shown = self.face(upper, body) or shown
        if not shown:
            return
        self._lamps(upper, front=front)
        if not self.close:
            return
        self.patch(lower, (0.05, 0.95), (-0.1, 0.3), dark)
        plate = self._paint(_PLATE, self.skin - 1, 0.85)
        if front:
            self.patch(upper, (0.28, 0.72), (0.0, 0.55), dark)
            self.patch(lower, (0.2, 0.8), (0.25, 0.6), dark)
            self.patch(lower, (0.36, 0.64), (0.55, 0.85), plate)
        else:
            self.patch(upper if self.kind in ("sedan", "suv") else lower, (0.36, 0.64), (0.3, 0.62), plate)
            if self.warm:
                self.patch(lower, (0.14, 0.22), (-0.05, 0.12), self._paint((0.1, 0.1, 0.1), self.skin + 35))

    def _lamp_rows(self) -> tuple[float, float]:
        """Lower and upper edge of the rear lamps on the rear panel."""
        return {"bus": (0.1, 0.7), "truck": (0.2, 0.8), "van": (0.45, 0.98), "suv": (0.4, 0.95)}.get(
            self.kind, (0.4, 0.85)
        )

    def _lamps(self, upper: Points, *, front: bool) -> None:
        strong = {"day": 1.2, "dusk": 3.0, "night": 4.0}[self.canvas.conditions.time] * self.lamps
        for u0, u1 in ((0.03, 0.19), (0.81, 0.97)):
            if front:
                lamp = self._paint(
                    (0.5, 0.5, 0.5), self.skin + 6 * self.lamps, 0.9, (strong, strong * 0.96, strong * 0.85)
                )
                self.patch(upper, (u0, u1), (0.25, 0.8), lamp)
            else:
                red = strong * 0.22 + 1.0 * self.braking
                lamp = self._paint((0.3, 0.015, 0.015), self.skin + 2 * self.lamps, 0.9, (red, red * 0.03, red * 0.03))
                self.patch(upper, (u0, u1), self._lamp_rows(), lamp)
            if self.lamps and self.canvas.conditions.lamps_on:
                spot = self.world(upper.mean(axis=0)[None] * (1, 1, 1))[0]
                aim: Vector = (float(np.sin(self.yaw)), float(np.cos(self.yaw)), 0.0)
                power = (7.0, 6.6, 5.8) if front else (0.04, 0.004, 0.003)
                if u0 < 0.5:
                    where = (float(spot[0]), float(spot[1]), float(spot[2]))
                    self.canvas.lights.append(Light(position=where, intensity=power, aim=aim if front else None))

    def _wheels(self, *, near: bool) -> None:
        """First, below the body, all treads; then (`near`) the outer faces of the wheels on the side we see."""
        half, radius = self.shape.width / 2, self.shape.wheel
        angle = np.linspace(0, 2 * np.pi, 22, endpoint=False)
        circle = np.stack([np.zeros(22), np.cos(angle), np.sin(angle)], axis=1)
        right_side = -self.x * np.cos(self.yaw) + self.y * np.sin(self.yaw) > half
        left_side = self.x * np.cos(self.yaw) - self.y * np.sin(self.yaw) > half
        arch = self._paint((0.012, 0.012, 0.014), self.skin, 0.95)
        tyre = self._paint((0.025, 0.025, 0.027), self.tyre, 0.96)
        rim = self._paint(self.rim, self.tyre - 3, 0.75)
        for axle in sorted(self.shape.axles, key=lambda t: -self.y - t * np.cos(self.yaw)):
            for sign in (-1, 1):
                hub = np.array([sign * half, axle, radius])
                if not near:
                    self._tread(circle * radius + hub, circle * radius + hub - (sign * 0.22, 0, 0), tyre)
                elif right_side if sign > 0 else left_side:
                    above = circle * (radius * 1.16) + hub + (sign * 0.004, 0, 0.02)
                    self.face(above[above[:, 2] > self.shape.sill * 0.9], arch, cull=False)
                    self.face(circle * radius + hub + (sign * 0.01, 0, 0), tyre, cull=False)
                    self.face(circle * (radius * 0.62) + hub + (sign * 0.015, 0, 0), rim, cull=False)
                    self.face(circle * (radius * 0.2) + hub + (sign * 0.02, 0, 0), arch, cull=False)

    def _tread(self, outer: Points, inner: Points, tyre: Surface) -> None:
        """The band between the two faces of a wheel: the hull of both, as seen."""
        projected = [self.canvas.camera.project_face(self.world(side)) for side in (outer, inner)]
        if projected[0] is None or projected[1] is None:
            return
        pixels = np.concatenate([projected[0][0], projected[1][0]]).astype(np.float32)
        hull = cv2.convexHull(pixels)[:, 0].astype(np.float64)
        self.canvas.polygon(hull, self.canvas.values(tyre, 1 / projected[0][1]))

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
        half = self.shape.width / 2 + 0.05
        Load(
            canvas=self.canvas, x=self.x, y=self.y, yaw=self.yaw, rng=self.rng, rear=rear, front=front,
            width=2 * half, celsius=self.skin - 1, close=self.close,
        ).draw()  # fmt: skip
        bumper = upright((-half, rear), (half, rear), 0.5, 0.95)
        if self.face(bumper, self._paint(_BLACK, self.skin + 1)):
            self.patch(bumper, (0.38, 0.62), (0.2, 0.7), self._paint(_PLATE, self.skin))
            self._lamps(bumper, front=False)


def _hull_2d(points: Points) -> Points:
    """Convex hull on the ground of points (N, 3)."""
    flat = cv2.convexHull(points[:, :2].astype(np.float32))[:, 0]
    return np.column_stack([flat, np.zeros(len(flat))]).astype(np.float64)
