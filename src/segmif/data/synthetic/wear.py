"""Marks of use on the road: repaired patches, cracks, manhole covers, arrows and words."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from segmif.data.synthetic.camera import Points
from segmif.data.synthetic.canvas import ALBEDO, HEAT, Canvas, polygon_mask
from segmif.data.synthetic.street import Street
from segmif.data.synthetic.texture import Rng

_ARROW = ((-0.08, 0.0), (0.08, 0.0), (0.08, 1.6), (0.28, 1.6), (0.0, 2.6), (-0.28, 1.6), (-0.08, 1.6))
_STOP = (
    ((0, 0), (1, 0), (1, 1), (0, 1), (0, 2), (1, 2)),
    ((0.5, 0), (0.5, 2), (0, 2), (1, 2)),
    ((0, 0), (0, 2), (1, 2), (1, 0), (0, 0)),
    ((0, 0), (0, 2), (1, 2), (1, 1), (0, 1)),
)
"""Strokes of the letters S, T, O, P on a grid 1 wide and 2 high."""


def wear_road(canvas: Canvas, street: Street, rng: Rng) -> None:
    """Paint a few marks on the road; labels stay as they are."""
    for _ in range(int(rng.integers(0, 5))):
        _patch(canvas, street, rng)
    for _ in range(int(rng.integers(0, 7))):
        _crack(canvas, street, rng)
    for _ in range(int(rng.integers(0, 3))):
        angle = np.linspace(0, 2 * np.pi, 18, endpoint=False)
        s, y = rng.uniform(-0.8, 0.8) * street.half_width, rng.uniform(4, 22)
        _blend(
            canvas,
            street,
            np.stack([s + 0.33 * np.cos(angle), y + 0.33 * np.sin(angle)], axis=1),
            0.6,
            float(rng.uniform(-8, 12)),
        )
    if rng.random() < 0.3 and street.lanes > 1:
        s = street.half_width - street.lane_width / 2
        _blend(canvas, street, np.array(_ARROW) * (1.2, 1.0) + (s, float(rng.uniform(6, 16))), 4.0, -6.0)
    if street.words:
        _word(canvas, street, rng)


def _patch(canvas: Canvas, street: Street, rng: Rng) -> None:
    s, y = rng.uniform(-0.9, 0.6) * street.half_width, rng.uniform(3, 35)
    wide, long = rng.uniform(0.4, 3), rng.uniform(1, 8)
    corners = np.array([(s, y), (s + wide, y), (s + wide, y + long), (s, y + long)])
    _blend(canvas, street, corners, float(rng.uniform(0.6, 1.25)), float(rng.uniform(-5, 7)))


def _crack(canvas: Canvas, street: Street, rng: Rng) -> None:
    """A wandering dark line, often sealed with tar, that shows warm or cold in infrared."""
    count = 9
    along = np.cumsum(rng.uniform(0.3, 1.3, count)) * rng.choice((0.2, 1.0))
    across = np.cumsum(rng.normal(0, 0.4, count)) + np.linspace(0, rng.uniform(-3, 3), count)
    line = np.stack([rng.uniform(-0.7, 0.7) * street.half_width + across, rng.uniform(3, 20) + along], axis=1)
    half = np.array([rng.uniform(0.015, 0.05), 0.0])
    tone, warmer = float(rng.uniform(0.4, 0.7)), float(rng.uniform(-6, 8))
    for start, end in pairwise(line):
        _blend(canvas, street, np.stack([start - half, start + half, end + half, end - half]), tone, warmer)


def _word(canvas: Canvas, street: Street, rng: Rng) -> None:
    y, middle = float(rng.uniform(5, 14)), street.half_width - street.lane_width / 2
    half = 0.07
    for index, letter in enumerate(_STOP):
        left = middle + (index - 2) * 0.62
        for (ax, ay), (bx, by) in pairwise(letter):
            x0, x1 = sorted((left + ax * 0.42, left + bx * 0.42))
            y0, y1 = sorted((y + ay * 1.1, y + by * 1.1))
            corners = [(x0 - half, y0 - half), (x1 + half, y0 - half), (x1 + half, y1 + half), (x0 - half, y1 + half)]
            _blend(canvas, street, np.array(corners), 4.0, -6.0)


def _blend(canvas: Canvas, street: Street, outline: Points, tone: float, warmer: float) -> None:
    """Multiply the reflectance inside an outline of street points (N, 2) by `tone`, up to white; warm it by W/m²."""
    world = np.array([(*street.at(float(s), float(y)), 0.0) for s, y in outline])
    projected = canvas.camera.project_face(world)
    if projected is None:
        return
    pixels, _ = projected
    window = canvas.window(pixels)
    if window is None:
        return
    x0, y0, x1, y1 = window
    alpha = polygon_mask(pixels, window).astype(np.float32) * np.float32(1 / 255)
    below = canvas.layers[ALBEDO, y0:y1, x0:x1]
    below += alpha * (np.minimum(below * np.float32(tone), np.float32(0.6)) - below)
    canvas.layers[HEAT, y0:y1, x0:x1] += alpha * np.float32(warmer)
