"""Pedestrians, riders, bicycles and motorcycles: jointed figures seen from any side.

Own axes: x to the right, y ahead, z up. A figure of height 1 is scaled to metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segmif.data.synthetic.camera import Points
from segmif.data.synthetic.canvas import Canvas, Light, Surface
from segmif.data.synthetic.conditions import RGB
from segmif.data.synthetic.texture import Rng
from segmif.labelsets import FMB

PERSON, MOTORCYCLE, BICYCLE = (FMB.classes.index(name) for name in ("person", "motorcycle", "bicycle"))

_CLOTHES: tuple[RGB, ...] = (
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
_SKINS: tuple[RGB, ...] = ((0.55, 0.35, 0.26), (0.45, 0.28, 0.19), (0.25, 0.13, 0.08), (0.12, 0.06, 0.04))
_HAIRS: tuple[RGB, ...] = ((0.01, 0.01, 0.01), (0.03, 0.02, 0.012), (0.12, 0.07, 0.03), (0.3, 0.3, 0.3))


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where a figure stands or sits: world (x, y), heading clockwise from straight ahead, height in metres."""

    x: float
    y: float
    yaw: float
    height: float = 1.72
    base: float = 0.0

    def world(self, points: Points) -> Points:
        """Own axes (N, 3), figure heights, to the world."""
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]]) * self.height
        return points @ turn + (self.x, self.y, self.base)


@dataclass(frozen=True, kw_only=True)
class _Dress:
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


def _dress(canvas: Canvas, rng: Rng) -> _Dress:
    air = canvas.conditions.air

    def through(share: float, albedo: RGB) -> Surface:
        return Surface(albedo=albedo, celsius=air + share * max(33 - air, 3.0), emissivity=0.95)

    warm = air > 18
    tint = lambda colours: tuple(float(c * rng.uniform(0.7, 1.2)) for c in colours[rng.integers(len(colours))])  # noqa: E731
    thick = rng.uniform(0.3, 0.65) if not warm else rng.uniform(0.6, 0.85)
    return _Dress(
        top=through(thick, tint(_CLOTHES)),
        legs=through(thick * rng.uniform(0.75, 1.1), tint(_TROUSERS if rng.random() < 0.8 else _CLOTHES)),
        shoes=through(0.25, tint(_TROUSERS)),
        skin=through(0.95, tint(_SKINS)),
        hair=through(rng.uniform(0.45, 0.75), tint(_HAIRS)),
        bag=through(0.15, tint(_CLOTHES)) if rng.random() < 0.35 else None,
        coat=float(rng.uniform(0.05, 0.25)) if not warm and rng.random() < 0.4 else 0.0,
        bare_arms=bool(warm and rng.random() < 0.6),
        bare_legs=bool(warm and rng.random() < 0.3),
    )  # fmt: skip


def draw_pedestrian(canvas: Canvas, pose: Pose, rng: Rng, *, walking: bool = True) -> None:
    """A person on foot with a shadow."""
    _cast(canvas, pose.x, pose.y, 0.25, pose.height)
    swing = rng.uniform(0.15, 0.55) if walking else rng.uniform(0.0, 0.08)
    phase = rng.choice((-1, 1)) * swing
    legs = [_leg(phase, side) for side in (-1, 1)]
    arms = []
    for side in (-1, 1):
        angle, bend = side * phase * 0.8, rng.uniform(0.1, 0.5)
        if not walking and rng.random() < 0.3:
            angle, bend = 0.5, 1.7
        arms.append(_arm((side * 0.115, 0.0, 0.815), angle, bend))
    with canvas.thing(PERSON, boxed=True):
        _figure(canvas, pose, _dress(canvas, rng), legs, arms, lean=0.03 * walking)
        if canvas.conditions.weather == "rain" and rng.random() < 0.3:
            _umbrella(canvas, pose, rng)


def _leg(phase: float, side: int) -> Points:
    """Hip, knee, ankle, toe of a leg that swings by `phase` radians forward for side 1."""
    angle = side * phase
    hip = np.array([side * 0.05, 0.0, 0.52])
    knee = hip + 0.25 * np.array([0, np.sin(angle + 0.1), -np.cos(angle)])
    bend = angle - (0.5 * abs(phase) if angle < 0 else 0.1)
    ankle = knee + 0.235 * np.array([0, np.sin(bend), -np.cos(bend)])
    toe = ankle + np.array([0, 0.085, -0.02])
    return np.stack([hip, knee, ankle, toe])


def _arm(shoulder: tuple[float, float, float], angle: float, bend: float) -> Points:
    """Shoulder, elbow, wrist, hand."""
    start = np.array(shoulder)
    elbow = start + 0.165 * np.array([np.sign(start[0]) * 0.18, np.sin(angle), -np.cos(angle)])
    wrist = elbow + 0.14 * np.array([0, np.sin(angle + bend), -np.cos(angle + bend)])
    hand = wrist + 0.045 * np.array([0, np.sin(angle + bend), -np.cos(angle + bend)])
    return np.stack([start, elbow, wrist, hand])


def _figure(
    canvas: Canvas, pose: Pose, dress: _Dress, legs: list[Points], arms: list[Points], lean: float, seat: float = 0.0
) -> None:
    """Paint limbs, trunk and head, the side away from the camera first."""
    brush = _Brush(canvas, pose)
    shift = np.array([0.0, lean, 0.0])
    skin_or = lambda bare, cloth: dress.skin if bare else cloth  # noqa: E731
    far_first = sorted((0, 1), key=lambda i: -float(pose.world(arms[i][:1])[0, 1]))
    hip = np.array([0, 0, 0.5 + seat])
    neck = np.array([0, lean, 0.83 + seat])
    head = np.array([0, lean * 1.25 + 0.012, 0.925 + seat])

    def arm(i: int) -> None:
        joints = arms[i] + shift
        brush.limb(joints[0], joints[1], 0.034, 0.027, dress.top)
        brush.limb(joints[1], joints[2], 0.027, 0.021, skin_or(dress.bare_arms, dress.top))
        brush.limb(joints[2], joints[3], 0.020, 0.018, dress.skin)

    def leg(i: int) -> None:
        joints = legs[i]
        brush.limb(joints[2], joints[3], 0.022, 0.019, dress.shoes)
        brush.limb(joints[1], joints[2], 0.036, 0.022, skin_or(dress.bare_legs, dress.legs))
        brush.limb(joints[0], joints[1], 0.052, 0.036, dress.legs)

    arm(far_first[0])
    for i in far_first:
        leg(i)
    if dress.coat:
        brush.slab(hip - (0, 0, dress.coat), hip + (0, 0, 0.05), (0.10, 0.08), (0.095, 0.06), dress.top)
    towards = -np.sin(pose.yaw) * pose.x - np.cos(pose.yaw) * pose.y
    pack = neck * (1, 1, 0) + np.array([0, -0.085, 0])
    if dress.bag and towards > 0:
        brush.slab(pack + (0, 0, 0.60 + seat), pack + (0, 0, 0.8 + seat), (0.075, 0.045), (0.07, 0.04), dress.bag)
    brush.slab(hip - (0, 0, 0.03), hip + (neck - hip) * 0.45, (0.092, 0.062), (0.088, 0.058), dress.top)
    brush.slab(hip + (neck - hip) * 0.4, neck - (0, 0, 0.01), (0.088, 0.06), (0.118, 0.055), dress.top)
    if dress.bag and towards <= 0:
        brush.slab(pack + (0, 0, 0.60 + seat), pack + (0, 0, 0.8 + seat), (0.075, 0.045), (0.07, 0.04), dress.bag)
    brush.limb(neck - (0, 0, 0.01), head - (0, 0, 0.03), 0.026, 0.025, dress.skin)
    brush.ball(head, 0.043, 0.062, dress.skin)
    back = 0.018 if towards > 0 else 0.0
    brush.ball(head + (0, -0.012, 0.018 + back), 0.045, 0.055 if towards <= 0 else 0.038, dress.hair)
    arm(far_first[1])


@dataclass(frozen=True)
class _Brush:
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
        rim[:3] *= 0.72
        rim[8] -= 5.0
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


def _umbrella(canvas: Canvas, pose: Pose, rng: Rng) -> None:
    """An open umbrella, unlabelled like everything carried."""
    projected = canvas.camera.project_face(
        pose.world(np.array([[0.05, 0.05, 1.1], [0.05, 0.05, 0.6], [0.06, 0.05, 0.6]]))
    )
    if projected is None:
        return
    pixels, depth = projected
    scale = canvas.camera.focal / depth
    angle = np.linspace(np.pi, 2 * np.pi, 12)
    dome = pixels[0] + np.stack([0.55 * scale * np.cos(angle), 0.3 * scale * np.sin(angle)], axis=1)
    colour = _CLOTHES[rng.integers(len(_CLOTHES))]
    cloth = Surface(albedo=colour, celsius=canvas.conditions.air - 1)
    with canvas.thing(0):
        canvas.polygon(dome, canvas.values(cloth, 1 / depth, (0.0, -0.7, 0.7)))


def _cast(canvas: Canvas, x: float, y: float, radius: float, height: float) -> None:
    """Contact shadow, and a long one where the sun shines."""
    angle = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    foot = np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle), np.zeros(10)], axis=1)
    canvas.shadow(foot, sun=0.4, sky=0.55)
    sun = canvas.conditions.sun
    if sun[2] > 0.05 and canvas.conditions.sun_light[0] > 0.01:
        tip = np.array([x, y, 0]) - np.array([sun[0], sun[1], 0]) * min(height / sun[2], 6.0)
        side = np.array([sun[1], -sun[0], 0]) / np.hypot(sun[0], sun[1]) * radius * 0.7
        base = np.array([x, y, 0.0])
        canvas.shadow(np.stack([base - side, tip - side * 0.6, tip + side * 0.6, base + side]), cooling=1.5, soft=0.05)


def draw_bicycle(canvas: Canvas, pose: Pose, rng: Rng, *, ridden: bool) -> None:
    """A bicycle, with its rider (a person of its own) when ridden. Wheels count as filled discs."""
    _cast(canvas, pose.x, pose.y, 0.5, 1.0)
    conditions = canvas.conditions
    metal = Surface(albedo=_CLOTHES[rng.integers(len(_CLOTHES))], celsius=conditions.warmed(5), emissivity=0.75)
    rubber = Surface(albedo=(0.02, 0.02, 0.02), celsius=conditions.warmed(6) + 2 * ridden)
    frame = {
        "rear": (0, -0.52, 0.34), "front": (0, 0.52, 0.34), "crank": (0, -0.05, 0.3), "saddle": (0, -0.2, 0.9),
        "head": (0, 0.35, 0.85), "bar": (0, 0.3, 1.02), "seat": (0, -0.18, 0.72),
    }  # fmt: skip
    unit = Pose(x=pose.x, y=pose.y, yaw=pose.yaw, height=1.0, base=pose.base)
    with canvas.thing(BICYCLE, boxed=True):
        for hub in ("rear", "front"):
            _wheel(canvas, unit, np.array(frame[hub]), 0.34, 0.02, rubber, filled=False)
        for start, end in (
            ("rear", "crank"), ("rear", "seat"), ("crank", "saddle"), ("crank", "head"), ("seat", "head"),
            ("head", "front"), ("head", "bar"),
        ):  # fmt: skip
            _tube(canvas, unit, frame[start], frame[end], 0.035, metal)
        _tube(canvas, unit, (-0.27, 0.27, 1.04), (0.27, 0.27, 1.04), 0.035, metal)
        _tube(canvas, unit, (0, -0.32, 0.91), (0, -0.08, 0.92), 0.09, rubber)
        if rng.random() < 0.4:
            _tube(canvas, unit, (-0.14, 0.5, 0.86), (0.14, 0.5, 0.86), 0.22, metal)
        if ridden and conditions.lamps_on:
            red = Surface(albedo=(0.3, 0.02, 0.02), celsius=conditions.air + 3, glow=(0.7, 0.02, 0.02))
            _tube(canvas, unit, (-0.02, -0.5, 0.72), (0.02, -0.5, 0.72), 0.05, red)
    if ridden:
        _rider(canvas, pose, rng, seat=0.9, bar=(0.24, 0.26, 1.02), pedal=(-0.05, 0.14), helmet=rng.random() < 0.4)


def draw_motorcycle(canvas: Canvas, pose: Pose, rng: Rng, *, ridden: bool) -> None:
    """A motorcycle or scooter, with engine and exhaust hot when ridden."""
    _cast(canvas, pose.x, pose.y, 0.6, 1.1)
    conditions = canvas.conditions
    air = conditions.air
    hot = air + (rng.uniform(35, 60) if ridden else rng.uniform(0, 14))
    paint = Surface(
        albedo=_CLOTHES[rng.integers(len(_CLOTHES))], celsius=conditions.warmed(7) + 3 * ridden, emissivity=0.88
    )
    black = Surface(albedo=(0.02, 0.02, 0.02), celsius=conditions.warmed(7) + 3 * ridden)
    rubber = Surface(albedo=(0.022, 0.022, 0.022), celsius=conditions.warmed(6) + 14 * ridden)
    engine = Surface(albedo=(0.12, 0.12, 0.12), celsius=hot)
    chrome = Surface(albedo=(0.4, 0.4, 0.4), celsius=hot - 5, emissivity=0.8)
    unit = Pose(x=pose.x, y=pose.y, yaw=pose.yaw, height=1.0, base=pose.base)
    lit = 3.0 if ridden and conditions.lamps_on else 0.8 * ridden
    with canvas.thing(MOTORCYCLE, boxed=True):
        for hub in (-0.68, 0.72):
            _wheel(canvas, unit, np.array([0, hub, 0.31]), 0.31, 0.11, rubber, filled=True)
        _tube(canvas, unit, (0.06, 0.72, 0.31), (0.06, 0.42, 0.95), 0.09, chrome)
        _tube(canvas, unit, (0, -0.55, 0.42), (0, 0.3, 0.42), 0.28, engine)
        _tube(canvas, unit, (0.15, -0.75, 0.33), (0.15, 0.1, 0.3), 0.1, chrome)
        _tube(canvas, unit, (0, -0.9, 0.72), (0, -0.2, 0.70), 0.22, paint)
        _tube(canvas, unit, (0, -0.1, 0.8), (0, 0.38, 0.84), 0.3, paint)
        _tube(canvas, unit, (0, -0.75, 0.84), (0, -0.1, 0.82), 0.14, black)
        _tube(canvas, unit, (-0.36, 0.32, 1.05), (0.36, 0.32, 1.05), 0.05, black)
        _tube(canvas, unit, (0, 0.45, 1.05), (0, 0.5, 0.75), 0.24, paint)
        rear_seen = np.cos(pose.yaw) * pose.y + np.sin(pose.yaw) * pose.x > 0
        if rear_seen:
            lamp = Surface(albedo=(0.3, 0.02, 0.02), celsius=air + 4, glow=(0.25 * lit, 0.01, 0.01))
            _tube(canvas, unit, (-0.07, -0.95, 0.7), (0.07, -0.95, 0.7), 0.09, lamp)
            plate = Surface(albedo=(0.55, 0.55, 0.5), celsius=air)
            _tube(canvas, unit, (-0.08, -0.95, 0.52), (0.08, -0.95, 0.52), 0.12, plate)
        else:
            lamp = Surface(albedo=(0.5, 0.5, 0.5), celsius=air + 8, glow=(lit, lit * 0.95, lit * 0.8))
            _tube(canvas, unit, (-0.03, 0.56, 0.92), (0.03, 0.56, 0.92), 0.17, lamp)
    if ridden:
        if conditions.lamps_on and not rear_seen:
            where = unit.world(np.array([[0, 0.6, 0.9]]))[0]
            aim = (float(np.sin(pose.yaw)), float(np.cos(pose.yaw)), 0.0)
            canvas.lights.append(Light(position=tuple(where.tolist()), intensity=(4.0, 3.8, 3.3), aim=aim))
        _rider(canvas, pose, rng, seat=0.84, bar=(0.33, 0.3, 1.05), pedal=(-0.1, 0.12), helmet=True)


def _rider(
    canvas: Canvas,
    pose: Pose,
    rng: Rng,
    *,
    seat: float,
    bar: tuple[float, float, float],
    pedal: tuple[float, float],
    helmet: bool,
) -> None:
    """A person seated `seat` metres high on the machine at `pose`, hands on the bar, feet on the pedals."""
    height = pose.height
    sit = Pose(
        x=pose.x - 0.2 * np.sin(pose.yaw),
        y=pose.y - 0.2 * np.cos(pose.yaw),
        yaw=pose.yaw,
        height=height,
        base=pose.base,
    )
    lift = seat / height - 0.5
    turn = rng.uniform(0, 2 * np.pi)
    legs, arms = [], []
    for side in (-1, 1):
        foot = np.array(
            [
                side * 0.07,
                (0.2 + pedal[0] + side * pedal[1] * np.cos(turn)) / height,
                (0.3 + side * pedal[1] * np.sin(turn)) / height,
            ]
        )
        hip = np.array([side * 0.045, 0.0, 0.5 + lift])
        knee = (hip + foot) / 2 + np.array([side * 0.02, 0.11, 0.04])
        legs.append(np.stack([hip, knee, foot, foot + (0, 0.07, -0.005)]))
        hand = np.array([side * bar[0], bar[1] + 0.2, bar[2]]) / height
        shoulder = np.array([side * 0.115, 0.0, 0.80 + lift])
        lean = np.array([0, 0.10, 0])
        elbow = (shoulder + lean + hand) / 2 + np.array([side * 0.02, 0, -0.03])
        arms.append(np.stack([shoulder, elbow - lean, hand - lean, hand - lean + (0, 0.01, 0)]))
    dress = _dress(canvas, rng)
    with canvas.thing(PERSON, boxed=True):
        _figure(canvas, sit, dress, legs, arms, lean=0.10, seat=lift)
        if helmet:
            shell = Surface(albedo=_CLOTHES[rng.integers(len(_CLOTHES))], celsius=canvas.conditions.air + 5)
            _Brush(canvas, sit).ball(np.array([0, 0.125, 0.945 + lift]), 0.056, 0.055, shell)


def _wheel(
    canvas: Canvas, pose: Pose, hub: Points, radius: float, width: float, rubber: Surface, *, filled: bool
) -> None:
    """An upright wheel; unless `filled`, a thin rim around empty space that is still labelled."""
    angle = np.linspace(0, 2 * np.pi, 22, endpoint=False)
    circle = np.stack([np.zeros(22), np.cos(angle), np.sin(angle)], axis=1)
    left, right = (pose.world(circle * radius + hub + (side * width / 2, 0, 0)) for side in (-1, 1))
    projected = canvas.camera.project_face(left)
    other = canvas.camera.project_face(right)
    if projected is None or other is None or len(projected[0]) != 22 or len(other[0]) != 22:
        return
    depth = projected[1]
    values = canvas.values(rubber, 1 / depth)
    thickness = max(width, 0.035) * canvas.camera.focal / depth
    middle = (projected[0] + other[0]) / 2
    if filled:
        canvas.polygon(projected[0], values)
        canvas.polygon(other[0], values)
        inner = middle + (middle.mean(axis=0) - middle) * 0.45
        rim = values.copy()
        rim[:3] = 0.25
        canvas.polygon(inner, rim)
        narrow = float(np.ptp(middle[:, 0])) < 2 * thickness
        if narrow:
            canvas.stroke(middle[np.argmin(middle[:, 1])], middle[np.argmax(middle[:, 1])], thickness, values)
        return
    for start, end in zip(middle, np.roll(middle, -1, axis=0), strict=True):
        canvas.stroke(start, end, thickness, values)
    canvas.claim_polygon(middle)


def _tube(
    canvas: Canvas,
    pose: Pose,
    start: tuple[float, float, float],
    end: tuple[float, float, float],
    width: float,
    surface: Surface,
) -> None:
    """A bar between two points of a machine, `width` metres thick."""
    local = canvas.camera.to_camera(pose.world(np.array([start, end], float)))
    if local[:, 2].min() < 0.5:
        return
    pixels, depth = canvas.camera.to_pixels(local)
    mean = float(depth.mean())
    canvas.stroke(pixels[0], pixels[1], width * canvas.camera.focal / mean, canvas.values(surface, 1 / mean))
