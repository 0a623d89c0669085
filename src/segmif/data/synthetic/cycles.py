"""Bicycles and motorcycles, parked or ridden."""

from __future__ import annotations

import numpy as np

from segmif.data.synthetic.camera import Points
from segmif.data.synthetic.canvas import Canvas, Light, Surface, pick
from segmif.data.synthetic.figure import CLOTHES, Pose
from segmif.data.synthetic.people import cast_shadow, draw_rider
from segmif.data.synthetic.texture import Rng
from segmif.labelsets import FMB

MOTORCYCLE, BICYCLE = FMB.classes.index("motorcycle"), FMB.classes.index("bicycle")


def draw_bicycle(canvas: Canvas, pose: Pose, rng: Rng, *, ridden: bool) -> None:
    """A bicycle, with its rider (a person of its own) when ridden. Wheels count as filled discs."""
    if not canvas.sees(pose.x, pose.y, 1.5, 2.0):
        return
    cast_shadow(canvas, pose.x, pose.y, 0.5, 1.0)
    conditions = canvas.conditions
    metal = Surface(albedo=pick(rng, CLOTHES), celsius=conditions.warmed(5), emissivity=0.75)
    rubber = Surface(albedo=(0.02, 0.02, 0.02), celsius=conditions.warmed(6) + 2 * ridden)
    frame = {
        "rear": (0, -0.52, 0.34), "front": (0, 0.52, 0.34), "crank": (0, -0.05, 0.3), "saddle": (0, -0.2, 0.9),
        "head": (0, 0.35, 0.85), "bar": (0, 0.3, 1.02), "seat": (0, -0.18, 0.72),
    }  # fmt: skip
    unit = Pose(x=pose.x, y=pose.y, yaw=pose.yaw, height=1.0)
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
        draw_rider(canvas, pose, rng, seat=0.9, bar=(0.24, 0.26, 1.02), pedal=(-0.05, 0.14), helmet=rng.random() < 0.4)


def draw_motorcycle(canvas: Canvas, pose: Pose, rng: Rng, *, ridden: bool) -> None:
    """A motorcycle or scooter, with engine and exhaust hot when ridden."""
    if not canvas.sees(pose.x, pose.y, 1.5, 2.0):
        return
    cast_shadow(canvas, pose.x, pose.y, 0.6, 1.1)
    conditions = canvas.conditions
    air = conditions.air
    hot = air + (rng.uniform(35, 60) if ridden else rng.uniform(0, 14))
    paint = Surface(albedo=pick(rng, CLOTHES), celsius=conditions.warmed(7) + 3 * ridden, emissivity=0.88)
    black = Surface(albedo=(0.02, 0.02, 0.02), celsius=conditions.warmed(7) + 3 * ridden)
    rubber = Surface(albedo=(0.022, 0.022, 0.022), celsius=conditions.warmed(6) + 14 * ridden)
    engine = Surface(albedo=(0.12, 0.12, 0.12), celsius=hot)
    chrome = Surface(albedo=(0.4, 0.4, 0.4), celsius=hot - 5, emissivity=0.8)
    unit = Pose(x=pose.x, y=pose.y, yaw=pose.yaw, height=1.0)
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
        draw_rider(canvas, pose, rng, seat=0.84, bar=(0.33, 0.3, 1.05), pedal=(-0.1, 0.12), helmet=True)


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
