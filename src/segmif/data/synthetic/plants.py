"""Trees, palms, bushes and hedges: noise-edged foliage on tapered trunks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from segmif.data.synthetic.camera import Points
from segmif.data.synthetic.canvas import DEPTHS, Canvas, Floats, Surface
from segmif.data.synthetic.conditions import RGB
from segmif.data.synthetic.texture import Rng, cut, noise_tile
from segmif.labelsets import FMB

VEGETATION = FMB.classes.index("vegetation")

Kind = Literal["broad", "conifer", "palm", "bare", "bush", "hedge"]
KINDS: tuple[Kind, ...] = ("broad", "conifer", "palm", "bare", "bush", "hedge")
_GREENS: tuple[RGB, ...] = (
    (0.07, 0.12, 0.03), (0.05, 0.09, 0.025), (0.11, 0.15, 0.04), (0.08, 0.10, 0.05), (0.16, 0.15, 0.05),
    (0.05, 0.085, 0.045), (0.26, 0.16, 0.04), (0.22, 0.09, 0.03),
)  # fmt: skip
_BARK: RGB = (0.10, 0.075, 0.055)


@dataclass(frozen=True, kw_only=True)
class Plant:
    """One plant; `spread` is the crown's half width, `length` how far a hedge runs, metres."""

    kind: Kind
    x: float
    y: float
    height: float
    spread: float
    end: tuple[float, float] = (0.0, 0.0)


def draw_plant(canvas: Canvas, plant: Plant, rng: Rng) -> None:
    """Paint a plant."""
    leaves = noise_tile(0.9)
    depth = float(canvas.camera.to_camera(np.array([[plant.x, plant.y, 0.0]]))[0, 2])
    if depth < 1.5 or (plant.kind != "hedge" and not canvas.sees(plant.x, plant.y, plant.height, plant.height)):
        return
    green = _GREENS[rng.choice(len(_GREENS), p=(0.2, 0.2, 0.15, 0.15, 0.1, 0.1, 0.06, 0.04))]
    far = plant.spread * canvas.camera.focal / depth < 7
    with canvas.thing(VEGETATION):
        if plant.kind == "hedge":
            _hedge(canvas, plant, green, leaves, rng)
            return
        if plant.kind != "bush":
            _ground_shadow(canvas, plant)
            _trunk(canvas, plant, rng)
        if plant.kind == "palm":
            _fronds(canvas, plant, green, rng)
        elif plant.kind == "bare":
            _branches(canvas, plant, rng)
        else:
            for x, z, a, b in _clumps(plant, rng)[: 1 if far and plant.kind == "broad" else None]:
                _clump(canvas, plant, (x, z, a, b), green, leaves, rng)


def _ground_shadow(canvas: Canvas, plant: Plant) -> None:
    sun = canvas.conditions.sun
    if sun[2] < 0.15 or canvas.conditions.sun_light[0] < 0.01:
        return
    angle = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    radius = plant.spread * (1 + 0.25 * np.cos(5 * angle) * np.sin(3 * angle))
    reach = min(plant.height * 0.6 / sun[2], 12.0)
    middle = np.array([plant.x - sun[0] * reach, plant.y - sun[1] * reach])
    foot = np.stack([middle[0] + radius * np.cos(angle), middle[1] + radius * np.sin(angle), np.zeros(14)], axis=1)
    canvas.shadow(foot, sun=0.12, cooling=9 * canvas.conditions.solar, soft=0.5)


def _trunk(canvas: Canvas, plant: Plant, rng: Rng) -> None:
    thick = plant.height * (0.022 if plant.kind == "palm" else 0.03) * rng.uniform(0.7, 1.3)
    top = plant.height * (0.95 if plant.kind == "palm" else 0.55)
    lean = rng.uniform(-0.05, 0.05) * plant.height
    world = np.array([[plant.x, plant.y, 0.0], [plant.x + lean, plant.y, top]])
    local = canvas.camera.to_camera(world)
    if local[:, 2].min() < 0.5:
        return
    (foot, head), depth = canvas.camera.to_pixels(local)
    half = thick * canvas.camera.focal / depth[0]
    conditions = canvas.conditions
    bark = Surface(albedo=_BARK, celsius=conditions.warmed(4) + 1)
    values = canvas.values(bark, 1 / float(depth[0]))
    for side, tone, inner in ((1.0, 0.6, -1.0), (0.7, 1.0, -1.0), (0.1, 1.4, -0.7)):
        shaded = values.copy()
        shaded[:3] *= tone
        shaded[8] += 4 * (tone - 1)
        left, right = np.array([inner * half, 0.0]), np.array([side * half, 0.0])
        outline = np.stack([foot + left * 1.15, foot + right * 1.15, head + right * 0.7, head + left * 0.7])
        canvas.polygon(outline, shaded)


def _clumps(plant: Plant, rng: Rng) -> list[tuple[float, float, float, float]]:
    """(offset, centre height, half width, half height) of the foliage masses, back to front."""
    h, s = plant.height, plant.spread
    if plant.kind == "bush":
        return [(0.0, h * 0.5, s, h * 0.55)]
    if plant.kind == "conifer":
        return [(0.0, h * (0.28 + 0.17 * i), s * (1.0 - 0.2 * i), h * 0.17) for i in range(5)]
    clumps = [(0.0, h * 0.66, s * 0.95, h * 0.32)]
    for _ in range(int(rng.integers(2, 5))):
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.55)
        size = rng.uniform(0.4, 0.65)
        clumps.append((reach * s * np.cos(angle), h * (0.66 + 0.28 * reach * np.sin(angle)), s * size, h * 0.3 * size))
    return clumps


def _clump(
    canvas: Canvas, plant: Plant, place: tuple[float, float, float, float], green: RGB, leaves: Floats, rng: Rng
) -> None:
    dx, z, a, b = place
    local = canvas.camera.to_camera(np.array([[plant.x + dx, plant.y, z]]))
    if local[0, 2] < 1.0:
        return
    pixels, depths = canvas.camera.to_pixels(local)
    depth = float(depths[0])
    scale = canvas.camera.focal / depth
    centre, half = pixels[0], np.array([a, b]) * scale * 1.15
    window = canvas.window(np.stack([centre - half, centre + half]))
    if window is None:
        return
    x0, y0, x1, y1 = window
    full = 2 * half
    u = (np.arange(x0, x1, dtype=np.float32) - np.float32(centre[0])) / np.float32(half[0] / 1.15)
    v = (np.arange(y0, y1, dtype=np.float32) - np.float32(centre[1])) / np.float32(half[1] / 1.15)
    share = (x1 - x0) / max(full[0], 1.0)
    size = (y1 - y0, x1 - x0)
    coarse = cut(leaves, rng, max(a * 2.3 * share * 9, 8), size)
    fine = cut(leaves, rng, max(a * 2.3 * share * 30, 8), size)
    radius = (u**2)[None] + (v**2)[:, None]
    edge = 1.0 - radius + 0.33 * coarse + 0.16 * fine
    alpha = np.clip(edge * np.clip(half.min() * 0.25, 1.5, 6), 0, 1)
    if scale * 0.12 > 1.0:
        alpha *= np.clip(2.2 + 1.3 * fine + 1.6 * edge, 0, 1)
    light = np.clip(
        0.78 + 0.3 * coarse + 0.3 * fine - 0.28 * v[:, None] + 0.12 * u[None] * np.sign(canvas.conditions.sun[0]),
        0.12,
        2.0,
    )
    _foliage(canvas, alpha, light, 0.6 * coarse + 0.6 * fine, green, depth, (x0, y0))


def _foliage(
    canvas: Canvas,
    alpha: npt.NDArray[Any],
    light: Floats,
    noise: Floats,
    green: RGB,
    depth: float,
    corner: tuple[int, int],
) -> None:
    conditions = canvas.conditions
    values = np.zeros((DEPTHS, *alpha.shape), np.float32)
    tint = np.array(green, np.float32)[:, None, None]
    values[:3] = tint * light + np.array([0.02, 0.015, 0.0], np.float32)[:, None, None] * np.clip(noise, 0, 2)
    values[6] = np.clip(0.55 * light - 0.1, 0, 1)
    values[7] = np.clip(0.7 * light, 0.1, 1)
    warmth = conditions.warmed(5) - 0.4
    values[8] = conditions.heat(warmth) + (2.6 + 3.0 * conditions.solar) * noise
    values[9] = 1 / depth
    mask = (alpha * 255).astype(np.uint8)
    closed = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)), np.uint8)
    canvas.paint(mask, corner, values, label_mask=closed)


def _fronds(canvas: Canvas, plant: Plant, green: RGB, rng: Rng) -> None:
    local = canvas.camera.to_camera(np.array([[plant.x, plant.y, plant.height * 0.95]]))
    if local[0, 2] < 1.0:
        return
    pixels, depths = canvas.camera.to_pixels(local)
    scale, depth = canvas.camera.focal / float(depths[0]), float(depths[0])
    leaf = Surface(albedo=green, celsius=canvas.conditions.warmed(2.5))
    for _ in range(34):
        angle, reach = rng.uniform(0, 2 * np.pi), plant.spread * rng.uniform(0.6, 1.1)
        t = np.linspace(0, 1, 6)
        x = reach * np.cos(angle) * t
        z = reach * (0.55 * np.sin(angle) * t + 0.25 * t) - reach * 0.75 * t**2
        spine = pixels[0] + np.stack([x, -z], axis=1) * scale
        values = canvas.values(leaf, 1 / depth)
        values[:3] *= rng.uniform(0.5, 1.5)
        values[8] += rng.uniform(-3, 3)
        width = 0.22 * np.sin(np.pi * (0.15 + 0.85 * t)) * scale
        thick = np.stack([np.zeros_like(width), width], axis=1)
        canvas.polygon(np.concatenate([spine - thick / 2, (spine + thick)[::-1]]), values)


def _branches(canvas: Canvas, plant: Plant, rng: Rng) -> None:
    local = canvas.camera.to_camera(np.array([[plant.x, plant.y, plant.height * 0.4]]))
    if local[0, 2] < 1.0:
        return
    pixels, depths = canvas.camera.to_pixels(local)
    scale, depth = canvas.camera.focal / float(depths[0]), float(depths[0])
    values = canvas.values(Surface(albedo=_BARK, celsius=canvas.conditions.warmed(3)), 1 / depth)

    segments: list[tuple[Points, Points, float]] = []

    def grow(base: Points, angle: float, length: float, width: float, level: int) -> None:
        tip = base + length * scale * np.array([np.sin(angle), -np.cos(angle)])
        segments.append((base, tip, width * scale))
        if level and length * scale > 4:
            for _ in range(3):
                start = base + (tip - base) * rng.uniform(0.4, 1.0)
                grow(start, angle + rng.uniform(-0.9, 0.9), length * rng.uniform(0.5, 0.75), width * 0.55, level - 1)

    for _ in range(4):
        grow(pixels[0], rng.uniform(-0.7, 0.7), plant.height * 0.3, plant.height * 0.018, 3)
    _twigs(canvas, segments, values)


def _twigs(canvas: Canvas, segments: list[tuple[Points, Points, float]], values: Floats) -> None:
    """Paint many bars (start, end, width in pixels) under one mask; thinner than a pixel they fade."""
    window = canvas.window(np.concatenate([np.stack(segment[:2]) for segment in segments]))
    if window is None:
        return
    corner = np.array(window[:2])
    mask = np.zeros((window[3] - window[1], window[2] - window[0]), np.uint8)
    for start, end, width in sorted(segments, key=lambda segment: segment[2]):
        p, q = (np.rint(np.clip(end_point - corner, -4000, 4000) * 16).astype(int) for end_point in (start, end))
        cv2.line(
            mask, p.tolist(), q.tolist(), int(255 * min(1.0, max(width, 0.3))), max(1, round(width)), cv2.LINE_AA, 4
        )
    canvas.paint(mask, window[:2], values)


def _hedge(canvas: Canvas, plant: Plant, green: RGB, leaves: Floats, rng: Rng) -> None:
    """A clipped hedge from (x, y) to `end`, as tall as `height`."""
    corners = np.array(
        [(plant.x, plant.y, 0), (*plant.end, 0), (*plant.end, plant.height), (plant.x, plant.y, plant.height)]
    )
    projected = canvas.camera.project_face(corners)
    if projected is None:
        return
    pixels, depth = projected
    window = canvas.window(pixels)
    if window is None:
        return
    x0, y0, x1, y1 = window
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    cv2.fillPoly(mask, [np.round(np.clip(pixels - (x0, y0), -1e5, 1e5)).astype(np.int32)], 255)
    size = mask.shape
    scale = canvas.camera.focal / max(depth * 0.7, 1.0)
    metres = (x1 - x0) / scale
    coarse, fine = cut(leaves, rng, max(metres * 10, 8), size), cut(leaves, rng, max(metres * 34, 8), size)
    soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), max(0.6, 0.06 * scale))
    alpha = np.clip((soft - 0.5 + 0.12 * fine) * 5 + 0.5, 0, 1)
    fall = np.linspace(0.3, -0.35, size[0], dtype=np.float32)[:, None]
    light = np.clip(0.8 + fall + 0.25 * coarse + 0.3 * fine, 0.12, 2)
    _foliage(canvas, alpha, light, 0.6 * coarse + 0.6 * fine, green, depth, (x0, y0))
