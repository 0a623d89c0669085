"""Sky, clouds and the far skyline."""

from __future__ import annotations

import cv2
import numpy as np

from segmif.data.synthetic.canvas import ALBEDO, GLOW, HEAT, NEARNESS, SKY, Canvas
from segmif.data.synthetic.conditions import exitance
from segmif.data.synthetic.texture import Floats, Rng, noise_tile, sample, smooth
from segmif.labelsets import FMB

BUILDING, VEGETATION, SKY_ID = (FMB.classes.index(name) for name in ("building", "vegetation", "sky"))


def paint_sky(canvas: Canvas, rng: Rng) -> None:
    """Fill the whole picture with sky: a gradient with clouds, in infrared coldest overhead."""
    conditions, rays = canvas.conditions, canvas.camera.rays
    height, width = canvas.camera.size
    rays = rays[:, ::2, ::2]
    norm = np.sqrt((rays**2).sum(axis=0))
    up = np.clip(rays[2] / norm, 0, 1)
    tile = noise_tile(1.7)
    flat = 40.0 / (up + 0.12)
    drift = rng.uniform(0, 512, 2).astype(np.float32)
    cover = sample(tile, rays[0] / norm * flat + drift[0], flat + drift[1])
    threshold = 1.6 - 3.0 * conditions.clouds
    cloud = np.clip((cover - threshold) * 0.8, 0, 1)
    light = np.array(conditions.sky_light, np.float32) + np.float32(0.35) * np.array(conditions.sun_light, np.float32)
    clear = np.array([0.42, 0.68, 1.25], np.float32) * light.mean()
    pale = 1 - np.exp(-5 * up)
    glow = light[:, None, None] * 1.25 + pale * (clear - light * 1.25)[:, None, None]
    if conditions.time == "dusk":
        warm = np.exp(-6 * up) * rng.uniform(0.3, 1.3)
        glow = glow + warm * np.array([0.11, 0.05, 0.012], np.float32)[:, None, None]
    if conditions.time == "night":
        town = np.exp(-4 * up) * rng.uniform(0, 0.012)
        glow = glow * 0.7 + town * np.array([1.0, 0.85, 0.6], np.float32)[:, None, None]
    shade = 1.05 + 0.18 * np.clip(cover, -2, 2)
    glow += cloud * (light[:, None, None] * 1.35 * shade - glow)
    horizon, zenith = exitance(conditions.air - 3), exitance(conditions.sky)
    heat = zenith + (horizon - zenith) * np.exp(-5.5 * up)
    heat = heat + cloud * (1 - 0.5 * np.exp(-4 * up)) * 0.5 * (exitance(conditions.air - 8) - heat) + 2.0 * cover
    canvas.layers[ALBEDO] = 0
    canvas.layers[SKY] = 1
    canvas.layers[NEARNESS] = 0
    for layer, values in zip((3, 4, 5, HEAT), (*glow, heat), strict=True):
        canvas.layers[layer] = cv2.resize(values.astype(np.float32), (width, height))
    canvas.labels[:] = SKY_ID


def paint_skyline(canvas: Canvas, rng: Rng) -> None:
    """Far towers, then a line of trees or hills, standing on the horizon."""
    height, width = canvas.camera.size
    columns = np.arange(width)
    slope = canvas.camera.rays[2]
    horizon = np.argmax(slope < 0, axis=0).astype(np.float32)
    horizon[slope[-1] > 0] = height
    scale = canvas.camera.focal
    if rng.random() < 0.45:
        roof = np.zeros(width, np.float32)
        tone = np.zeros(width, np.float32)
        for _ in range(rng.integers(4, 16)):
            start, span = rng.integers(-20, width), max(2, int(rng.uniform(0.02, 0.09) * scale))
            tall = rng.uniform(0.02, 0.18) * scale
            part = slice(max(0, start), max(0, min(width, start + span)))
            higher = roof[part] < tall
            roof[part] = np.where(higher, tall, roof[part])
            tone[part] = np.where(higher, rng.uniform(0.12, 0.45), tone[part])
        _band(canvas, horizon, roof, tone, rng, BUILDING, distance=300.0)
    rough = np.interp(columns, np.linspace(0, width, 40), rng.uniform(0.2, 1, 40))
    hills = np.interp(columns, np.linspace(0, width, 7), rng.uniform(0, 1, 7))
    trees = (rng.uniform(0.006, 0.03) * rough + rng.uniform(0, 0.05) * hills) * scale
    trees = trees + smooth((2, width), rng, width // 4)[0] * 0.0025 * scale
    _band(canvas, horizon, trees.astype(np.float32), None, rng, VEGETATION, distance=220.0)


def _band(
    canvas: Canvas, horizon: Floats, rise: Floats, tone: Floats | None, rng: Rng, label: int, *, distance: float
) -> None:
    """A silhouette of `rise` pixels above the horizon: towers of these tones, or green where `tone` is None."""
    height, width = canvas.camera.size
    top = int(max(0, np.floor((horizon - rise).min())))
    bottom = int(min(height, np.ceil(horizon.max()) + 1))
    if bottom <= top:
        return
    rows = np.arange(top, bottom, dtype=np.float32)[:, None]
    mask = np.clip(rows - (horizon - rise) + 0.5, 0, 1) * (rise > 0.5) * (rows <= horizon)
    values = np.zeros((10, bottom - top, width), np.float32)
    noise = rng.standard_normal((bottom - top, width), dtype=np.float32)
    conditions = canvas.conditions
    if tone is None:
        values[ALBEDO] = np.array([0.07, 0.10, 0.045], np.float32)[:, None, None] * (1 + 0.25 * noise)
        values[HEAT] = conditions.heat(conditions.air - 0.5) + 1.5 * noise
    else:
        pitch = max(3, round(canvas.camera.focal * 0.008))
        panes = ((rows.astype(int) % pitch) > pitch // 3) & ((np.arange(width) % pitch) > pitch // 3)
        values[ALBEDO] = tone * np.where(panes, 0.6, 1.0)
        lit = panes & (noise[::1] > 0.9) & conditions.lamps_on
        values[GLOW] = lit * np.array([0.25, 0.2, 0.12], np.float32)[:, None, None]
        values[HEAT] = conditions.heat(conditions.warmed(5)) + 2 * panes + noise
    values[7] = 0.7
    values[6] = 0.3
    values[NEARNESS] = 1 / distance
    with canvas.thing(label):
        canvas.paint((mask * 255).astype(np.uint8), (0, top), values)
