"""Pedestrians and riders."""

from __future__ import annotations

import numpy as np

from segmif.data.synthetic.camera import Points
from segmif.data.synthetic.canvas import Canvas, Surface, pick
from segmif.data.synthetic.figure import CLOTHES, Brush, Pose, draw_dress, draw_figure
from segmif.data.synthetic.texture import Rng
from segmif.labelsets import FMB

PERSON = FMB.classes.index("person")


def draw_pedestrian(canvas: Canvas, pose: Pose, rng: Rng, *, walking: bool = True) -> None:
    """A person on foot with a shadow."""
    if not canvas.sees(pose.x, pose.y, 1.0, 2.0):
        return
    cast_shadow(canvas, pose.x, pose.y, 0.25, pose.height)
    swing = rng.uniform(0.15, 0.55) if walking else rng.uniform(0.0, 0.08)
    phase = rng.choice((-1, 1)) * swing
    legs = [_leg(phase, side) for side in (-1, 1)]
    arms = []
    for side in (-1, 1):
        angle, bend = side * phase * 0.8, rng.uniform(0.1, 0.5)
        if not walking and rng.random() < 0.3:
            angle, bend = 0.5, 1.7
        arms.append(_arm((side * 0.1, 0.0, 0.812), angle, bend))
    with canvas.thing(PERSON, boxed=True):
        draw_figure(canvas, pose, draw_dress(canvas, rng), legs, arms, lean=0.03 * walking)
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
    colour = pick(rng, CLOTHES)
    cloth = Surface(albedo=colour, celsius=canvas.conditions.air - 1)
    with canvas.thing(0):
        canvas.polygon(dome, canvas.values(cloth, 1 / depth, (0.0, -0.7, 0.7)))


def cast_shadow(canvas: Canvas, x: float, y: float, radius: float, height: float) -> None:
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


def draw_rider(
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
        legs.append(np.stack([hip, knee, foot, foot + np.array([0, 0.07, -0.005])]))
        hand = np.array([side * bar[0], bar[1] + 0.2, bar[2]]) / height
        shoulder = np.array([side * 0.1, 0.0, 0.80 + lift])
        lean = np.array([0, 0.10, 0])
        elbow = (shoulder + lean + hand) / 2 + np.array([side * 0.02, 0, -0.03])
        arms.append(np.stack([shoulder, elbow - lean, hand - lean, hand - lean + np.array([0, 0.01, 0])]))
    dress = draw_dress(canvas, rng)
    with canvas.thing(PERSON, boxed=True):
        draw_figure(canvas, sit, dress, legs, arms, lean=0.10, seat=lift)
        if helmet:
            shell = Surface(albedo=pick(rng, CLOTHES), celsius=canvas.conditions.air + 5)
            Brush(canvas, sit).ball(np.array([0, 0.125, 0.945 + lift]), 0.056, 0.055, shell)
