"""A jointed human figure: limbs, trunk and head painted as rounded parts.

Own axes: x to the right, y ahead, z up, in units of the figure's height.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segmif.data.synthetic.camera import Points
from segmif.data.synthetic.canvas import HEAT, Canvas, Surface, pick
from segmif.data.synthetic.conditions import RGB
from segmif.data.synthetic.texture import Rng

CLOTHES: tuple[RGB, ...] = (
    (0.02, 0.02, 0.025), (0.03, 0.035, 0.05), (0.08, 0.08, 0.085), (0.25, 0.25, 0.25), (0.6, 0.6, 0.58),
    (0.03, 0.05, 0.14), (0.06, 0.1, 0.25), (0.35, 0.03, 0.03), (0.3, 0.2, 0.1), (0.1, 0.14, 0.06),
    (0.5, 0.4, 0.1), (0.45, 0.18, 0.25), (0.05, 0.2, 0.2), (0.55, 0.25, 0.04),
)  # fmt: skip
_TROUSERS: tuple[RGB, ...] = (
    (0.015, 0.015, 0.02),
    (0.03, 0.045, 0.1),
    (0.06, 0.06, 0.065),
    (0.3, 0.25, 0.17),
    (0.1, 0.1, 0.11),
    (0.05, 0.08, 0.16),
)
_SHOES: tuple[RGB, ...] = ((0.015, 0.015, 0.015), (0.03, 0.03, 0.035), (0.07, 0.045, 0.03), (0.5, 0.5, 0.48))
_SKINS: tuple[RGB, ...] = ((0.55, 0.35, 0.26), (0.45, 0.28, 0.19), (0.25, 0.13, 0.08), (0.12, 0.06, 0.04))
_HAIRS: tuple[RGB, ...] = ((0.01, 0.01, 0.01), (0.03, 0.02, 0.012), (0.12, 0.07, 0.03), (0.3, 0.3, 0.3))


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where a figure stands or sits: world (x, y), heading clockwise from straight ahead, height in metres."""

    x: float
    y: float
    yaw: float
    height: float = 1.72

    def world(self, points: Points) -> Points:
        """Own axes (N, 3), in figure heights, to the world."""
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]]) * self.height
        return np.asarray(points @ turn + np.array([self.x, self.y, 0.0]))


@dataclass(frozen=True, kw_only=True)
class Dress:
    """What a person wears, and how warm each part looks."""

    top: Surface
    legs: Surface
    shoes: Surface
    skin: Surface
    hair: Surface
    bag: Surface | None
    coat: float
    bare_arms: bool
    bare_legs: bool


def draw_dress(canvas: Canvas, rng: Rng) -> Dress:
    """Draw clothes for the temperature of the day."""
    air = canvas.conditions.air
    sunned = 5.0 * canvas.conditions.solar

    def through(share: float, albedo: RGB) -> Surface:
        return Surface(albedo=albedo, celsius=air + share * max(33 - air, 5.0) + sunned, emissivity=0.96)

    warm = air > 18
    thick = rng.uniform(0.3, 0.65) if not warm else rng.uniform(0.6, 0.85)
    return Dress(
        top=through(thick, pick(rng, CLOTHES, 0.3)),
        legs=through(thick * rng.uniform(0.75, 1.1), pick(rng, _TROUSERS if rng.random() < 0.8 else CLOTHES, 0.3)),
        shoes=through(0.25, pick(rng, _SHOES, 0.3)),
        skin=through(0.95, pick(rng, _SKINS, 0.3)),
        hair=through(rng.uniform(0.45, 0.75), pick(rng, _HAIRS, 0.3)),
        bag=through(0.15, pick(rng, CLOTHES, 0.3)) if rng.random() < 0.35 else None,
        coat=float(rng.uniform(0.05, 0.25)) if not warm and rng.random() < 0.4 else 0.0,
        bare_arms=bool(warm and rng.random() < 0.6),
        bare_legs=bool(warm and rng.random() < 0.3),
    )  # fmt: skip


def draw_figure(
    canvas: Canvas, pose: Pose, dress: Dress, legs: list[Points], arms: list[Points], lean: float, seat: float = 0.0
) -> None:
    """Paint limbs, trunk and head, the side away from the camera first."""
    brush = Brush(canvas, pose)
    shift = np.array([0.0, lean, 0.0])
    sleeve = dress.skin if dress.bare_arms else dress.top
    calf = dress.skin if dress.bare_legs else dress.legs
    far_first = sorted((0, 1), key=lambda i: -float(pose.world(arms[i][:1])[0, 1]))
    hip = np.array([0, 0, 0.5 + seat])
    neck = np.array([0, lean, 0.83 + seat])
    head = np.array([0, lean * 1.25 + 0.012, 0.925 + seat])

    def arm(i: int) -> None:
        joints = arms[i] + shift
        brush.limb(joints[0], joints[1], 0.034, 0.027, dress.top)
        brush.limb(joints[1], joints[2], 0.027, 0.021, sleeve)
        brush.limb(joints[2], joints[3], 0.020, 0.018, dress.skin)

    def leg(i: int) -> None:
        joints = legs[i]
        brush.limb(joints[2], joints[3], 0.022, 0.019, dress.shoes)
        brush.limb(joints[1], joints[2], 0.036, 0.022, calf)
        brush.limb(joints[0], joints[1], 0.052, 0.036, dress.legs)

    arm(far_first[0])
    for i in far_first:
        leg(i)
    if dress.coat:
        brush.slab(_raised(hip, -dress.coat), _raised(hip, 0.05), (0.10, 0.08), (0.095, 0.06), dress.top)
    towards = -np.sin(pose.yaw) * pose.x - np.cos(pose.yaw) * pose.y
    pack = np.array([0, lean - 0.085, seat])
    if dress.bag and towards > 0:
        brush.slab(_raised(pack, 0.6), _raised(pack, 0.8), (0.075, 0.045), (0.07, 0.04), dress.bag)
    brush.trunk(hip, neck, dress.top)
    if dress.bag and towards <= 0:
        brush.slab(_raised(pack, 0.6), _raised(pack, 0.8), (0.075, 0.045), (0.07, 0.04), dress.bag)
    brush.limb(_raised(neck, -0.005), _raised(head, -0.035), 0.03, 0.026, dress.skin)
    brush.ball(head, 0.043, 0.062, dress.skin)
    back = 0.018 if towards > 0 else 0.0
    brush.ball(head + np.array([0, -0.012, 0.018 + back]), 0.045, 0.055 if towards <= 0 else 0.038, dress.hair)
    arm(far_first[1])


def _raised(point: Points, by: float) -> Points:
    return np.asarray(point + np.array([0.0, 0.0, by]))


_TRUNK = np.array([
    (-0.10, 0.080, 0.060), (0.0, 0.087, 0.064), (0.35, 0.078, 0.055), (0.72, 0.094, 0.064), (0.90, 0.102, 0.056),
    (0.97, 0.080, 0.045), (1.02, 0.035, 0.03),
])  # fmt: skip
"""From hips (0) to neck (1): share of the height, half width and half depth in figure heights."""


@dataclass(frozen=True)
class Brush:
    """Paints round parts of a figure, each with a darker rim as of a rounded body."""

    canvas: Canvas
    pose: Pose

    def _parts(self, points: Points) -> tuple[Points, float] | None:
        world = self.pose.world(points)
        local = self.canvas.camera.to_camera(world)
        if local[:, 2].min() < 0.5:
            return None
        pixels, depth = self.canvas.camera.to_pixels(local)
        return pixels, float(depth.mean())

    def _fill(self, outline: Points, inner: Points | None, surface: Surface, depth: float) -> None:
        values = self.canvas.values(surface, 1 / depth)
        if inner is None:
            self.canvas.polygon(outline, values)
            return
        rim = values.copy()
        rim[:3] *= 0.78
        rim[HEAT] -= 3.5
        self.canvas.polygon(outline, rim)
        self.canvas.polygon(inner, values)

    def limb(self, start: Points, end: Points, r0: float, r1: float, surface: Surface) -> None:
        """A tapered capsule between two joints; radii in figure heights."""
        parts = self._parts(np.stack([start, end]))
        if parts is None:
            return
        (a, b), depth = parts
        scale = self.canvas.camera.focal * self.pose.height / depth
        outline = _capsule(a, b, r0 * scale, r1 * scale)
        inner = _capsule(a, b, r0 * scale * 0.62, r1 * scale * 0.62) if r0 * scale > 2 else None
        self._fill(outline, inner, surface, depth)

    def slab(
        self, low: Points, high: Points, half_low: tuple[float, float], half_high: tuple[float, float], surface: Surface
    ) -> None:
        """A trunk with elliptic cross-sections (half width, half depth) at its two ends."""
        parts = self._parts(np.stack([low, high]))
        if parts is None:
            return
        (a, b), depth = parts
        scale = self.canvas.camera.focal * self.pose.height / depth
        view = np.arctan2(self.pose.x, self.pose.y) - self.pose.yaw
        widths = [scale * np.hypot(w * np.cos(view), d * np.sin(view)) for w, d in (half_low, half_high)]
        outline = _barrel(a, b, widths[0], widths[1], 0.3)
        inner = _barrel(a, b, widths[0] * 0.7, widths[1] * 0.7, 0.2) if widths[1] > 3 else None
        self._fill(outline, inner, surface, depth)

    def trunk(self, hip: Points, neck: Points, surface: Surface) -> None:
        """Hips, waist, chest and shoulders as one outline that is narrower from the side."""
        parts = self._parts(np.stack([hip, neck]))
        if parts is None:
            return
        (low, high), depth = parts
        view = np.arctan2(self.pose.x, self.pose.y) - self.pose.yaw
        scale = self.canvas.camera.focal * self.pose.height / depth
        share, front, side = _TRUNK.T
        half = scale * np.hypot(front * np.cos(view), side * np.sin(view))
        axis = high - low
        across = np.array([-axis[1], axis[0]]) / max(float(np.hypot(*axis)), 1e-6)
        middle = low + share[:, None] * axis
        left, right = middle - half[:, None] * across, middle + half[:, None] * across
        outline = np.concatenate([left, right[::-1]])
        core = (middle + 0.66 * (left - middle))[:-2], (middle + 0.66 * (right - middle))[:-2]
        inner = np.concatenate([core[0], core[1][::-1]]) if scale * 0.1 > 3 else None
        self._fill(outline, inner, surface, depth)

    def ball(self, centre: Points, width: float, height: float, surface: Surface) -> None:
        """An upright ellipsoid."""
        parts = self._parts(centre[None])
        if parts is None:
            return
        pixels, depth = parts
        scale = self.canvas.camera.focal * self.pose.height / depth
        outline = ellipse(pixels[0], width * scale, height * scale)
        inner = ellipse(pixels[0], width * scale * 0.7, height * scale * 0.75) if width * scale > 3 else None
        self._fill(outline, inner, surface, depth)


def ellipse(centre: Points, a: float, b: float, count: int = 16) -> Points:
    """(count, 2) points of an axis-parallel ellipse."""
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return centre + np.stack([a * np.cos(angle), b * np.sin(angle)], axis=1)


_ARC = np.linspace(-np.pi / 2, np.pi / 2, 6)


def _capsule(a: Points, b: Points, ra: float, rb: float) -> Points:
    angle = np.arctan2(*(b - a)[::-1])
    end = b + rb * np.stack([np.cos(angle + _ARC), np.sin(angle + _ARC)], axis=1)
    start = a - ra * np.stack([np.cos(angle + _ARC), np.sin(angle + _ARC)], axis=1)
    return np.concatenate([end, start])


def _barrel(a: Points, b: Points, ra: float, rb: float, bulge: float) -> Points:
    """A bar from a to b with these half widths and rounded corners."""
    axis = b - a
    length = max(float(np.hypot(*axis)), 1e-6)
    axis = axis / length
    side = np.array([-axis[1], axis[0]])
    cap_a, cap_b = min(ra * bulge, length / 3), min(rb * bulge, length / 3)
    return np.stack([
        a - side * ra + axis * cap_a, a - side * ra * 0.75, a + side * ra * 0.75, a + side * ra + axis * cap_a,
        b + side * rb - axis * cap_b, b + side * rb * 0.6, b - side * rb * 0.6, b - side * rb - axis * cap_b,
    ])  # fmt: skip
