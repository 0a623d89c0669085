"""From painted layers to what two cameras record: light, haze, glare, blur, noise and gain."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmif.data.synthetic.canvas import ALBEDO, GLOW, HEAT, NEARNESS, SKY, SUN, Canvas, Floats, Light
from segmif.data.synthetic.conditions import exitance
from segmif.data.synthetic.texture import Rng, cut, noise_tile, smooth

Bytes = npt.NDArray[np.uint8]
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
_MAX_LIGHTS = 14


def visible_picture(canvas: Canvas, rng: Rng) -> Bytes:
    """The visible camera's (H, W, 3) RGB picture."""
    conditions = canvas.conditions
    layers = canvas.layers
    sun = np.array(conditions.sun_light, np.float32)[:, None, None]
    sky = np.array(conditions.sky_light, np.float32)[:, None, None]
    light = layers[SUN] * sun + layers[SKY] * sky
    light += _lamp_light(canvas)
    own_beam = conditions.time == "night" and rng.random() < 0.45
    if own_beam:
        light += _headlights(canvas, rng)
    reflected = layers[ALBEDO] * light
    reflected *= 1 + np.float32(0.085) * _mottle(canvas, rng)
    glow = layers[GLOW].copy()
    if conditions.wet:
        _wet_ground(canvas, reflected, glow)
    scene = np.moveaxis(reflected + glow, 0, -1)
    scene = _haze(canvas, scene)
    exposure = _exposure(canvas, scene, rng)
    scene = scene * exposure
    scene = _glare(canvas, scene, rng)
    return _develop(canvas, scene, exposure, rng)


def _mottle(canvas: Canvas, rng: Rng) -> Floats:
    """Noise of many scales that stands for all the dirt, wear and reflections no one modelled."""
    return np.clip(cut(noise_tile(0.85), rng, 480, canvas.camera.size), -2.5, 2.5)


def _lamp_light(canvas: Canvas) -> Floats:
    """(3, H, W) light of the scene's lamps on what they reach, computed at a quarter of the size."""
    height, width = canvas.camera.size
    total = np.zeros((3, height, width), np.float32)
    if not canvas.conditions.lamps_on or not canvas.lights:
        return total
    step = 4 if min(height, width) >= 128 else 1
    depth = 1 / np.maximum(canvas.layers[NEARNESS, ::step, ::step], 1e-3)
    rays = canvas.camera.rays[:, ::step, ::step]
    x, y, z = rays * depth
    z = z + np.float32(canvas.camera.height)
    small = np.zeros((3, *x.shape), np.float32)
    nearest = sorted(canvas.lights, key=lambda light: light.position[1] - 3 * sum(light.intensity))
    for light in nearest[:_MAX_LIGHTS]:
        small += _falloff(light, x, y, z) * np.array(light.intensity, np.float32)[:, None, None]
    for i in range(3):
        total[i] = cv2.resize(small[i], (width, height), interpolation=cv2.INTER_LINEAR)
    return total


def _falloff(light: Light, x: Floats, y: Floats, z: Floats) -> Floats:
    dx, dy, dz = x - np.float32(light.position[0]), y - np.float32(light.position[1]), z - np.float32(light.position[2])
    squared = dx * dx + dy * dy + dz * dz + np.float32(0.6)
    share = 1 / squared
    if light.aim is not None:
        along = (dx * np.float32(light.aim[0]) + dy * np.float32(light.aim[1]) - 0.06) / np.sqrt(squared)
        share *= np.clip((along - 0.8) * 5, 0, 1) ** 2
    return share.astype(np.float32)


def _headlights(canvas: Canvas, rng: Rng) -> Floats:
    """(3, H, W) light of the own car's low beam."""
    rays = canvas.camera.rays
    nearness = canvas.layers[NEARNESS]
    across = rays[0] / 0.5
    down = np.clip(rays[2] * 5 + 0.9, 0, None)
    pattern = np.exp(-(across**2)) * np.exp(-np.where(rays[2] > -0.02, 5.0, 1.0) * down**2)
    power = rng.uniform(8, 25)
    share = pattern * np.minimum(nearness, 0.14) ** 2 * power
    return np.asarray(share * np.array([1.0, 0.95, 0.85], np.float32)[:, None, None], np.float32)


def _wet_ground(canvas: Canvas, reflected: Floats, glow: Floats) -> None:
    """Smear lights downward over wet ground, and let it mirror the sky."""
    height, width = canvas.camera.size
    ground = np.isin(canvas.labels, (1, 2)).astype(np.float32) * canvas.conditions.wet
    small = cv2.resize(
        np.moveaxis(np.minimum(reflected * 0.4 + glow, 6.0), 0, -1),
        (max(width // 4, 8), max(height // 4, 8)),
        interpolation=cv2.INTER_AREA,
    )
    reach = max(3, small.shape[0] // 4)
    smear = np.zeros_like(small)
    kernel = np.zeros((2 * reach + 1, 1), np.float32)
    kernel[reach:, 0] = np.exp(-np.arange(reach + 1) / (reach / 2.2))
    kernel[:reach] = 0
    smear = cv2.filter2D(small, -1, np.ascontiguousarray(kernel[::-1]) / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
    smear = cv2.resize(smear, (width, height), interpolation=cv2.INTER_LINEAR)
    glow += np.moveaxis(smear, -1, 0) * ground * 0.45
    glow += ground * 0.10 * np.array(canvas.conditions.sky_light, np.float32)[:, None, None]


def _haze(canvas: Canvas, scene: Floats) -> Floats:
    """Koschmieder: contrast falls as exp(-3 d / visibility) towards the airlight."""
    conditions = canvas.conditions
    density = np.float32(3.0 / conditions.visibility)
    through = np.exp(-density / np.maximum(canvas.layers[NEARNESS], np.float32(2e-4)))[..., None]
    if conditions.weather == "clear":
        through = np.maximum(through, (canvas.labels == 7)[..., None])
    air = (np.array(conditions.sky_light) * 1.1 + 0.3 * np.array(conditions.sun_light)).astype(np.float32)
    if conditions.lamps_on and conditions.weather != "clear":
        air = air + np.float32(0.015)
    return np.asarray(air + (scene - air) * through, np.float32)


def _exposure(canvas: Canvas, scene: Floats, rng: Rng) -> float:
    """Gain that brings the middle of the luminances to a drawn target; nights stay darker."""
    luma = (scene[::4, ::4] @ _LUMA).ravel()
    target = {
        "day": rng.uniform(0.13, 0.3),
        "dusk": rng.uniform(0.09, 0.2),
        "night": np.exp(rng.uniform(np.log(0.006), np.log(0.14))),
    }
    ground = luma[luma.size // 2 :]
    middle = 0.5 * float(np.mean(np.minimum(luma, 3 * np.median(luma)))) + 0.5 * float(np.median(ground))
    return float(target[canvas.conditions.time] / max(middle, 1e-4))


def _glare(canvas: Canvas, scene: Floats, rng: Rng) -> Floats:
    """Light scattered in lens and air around whatever is far brighter than white."""
    height, width = canvas.camera.size
    excess = np.clip(scene - 1.0, 0, 30)
    foggy = canvas.conditions.weather != "clear"
    if not canvas.conditions.lamps_on:
        excess *= 0.15
    small = cv2.resize(excess, (max(width // 4, 8), max(height // 4, 8)), interpolation=cv2.INTER_AREA)
    unit = small.shape[1] / 160
    bloom = 0.35 * cv2.GaussianBlur(small, (0, 0), 1.5 * unit)
    bloom += 0.22 * cv2.GaussianBlur(small, (0, 0), 5.0 * unit)
    bloom += (0.35 if foggy else 0.10) * cv2.GaussianBlur(small, (0, 0), 16.0 * unit)
    if rng.random() < 0.5:
        span = max(3, int(14 * unit) * 2 + 1)
        bloom += 0.12 * cv2.blur(small, (span, 1)) + 0.12 * cv2.blur(small, (1, span))
    bloom *= rng.uniform(0.5, 1.5)
    return np.asarray(scene + cv2.resize(bloom, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _develop(canvas: Canvas, scene: Floats, exposure: float, rng: Rng) -> Bytes:
    """White balance, rain, vignetting, blur, noise, tone curve."""
    height, width = canvas.camera.size
    conditions = canvas.conditions
    cast = np.array([rng.uniform(0.93, 1.07), 1.0, rng.uniform(0.9, 1.1)], np.float32)
    if conditions.time == "night":
        casts = ((0.75, 1.05, 0.8), (1.1, 1.0, 0.6), (0.85, 0.95, 1.25), (1.0, 1.0, 1.0))
        cast *= np.array(casts[rng.integers(4)], np.float32)
    scene = scene * cast
    if conditions.weather == "rain":
        scene = scene + _rain_streaks(canvas, rng) * (1.0 if conditions.time == "day" else 0.3)
    scene = scene * _vignette(canvas, rng.uniform(0.0, 0.35))[..., None]
    sigma = rng.uniform(0.25, 0.85) * width / 640
    if sigma > 0.25:
        scene = np.asarray(cv2.GaussianBlur(scene, (0, 0), sigma), np.float32)
    gain = {"day": rng.uniform(0.004, 0.012), "dusk": rng.uniform(0.006, 0.016), "night": rng.uniform(0.008, 0.025)}[
        conditions.time
    ]
    scene = np.maximum(scene, 0)
    shoulder = scene * (1 + scene * np.float32(0.12)) / (1 + scene * np.float32(0.75))
    toned = np.power(np.minimum(shoulder * np.float32(1.25), 1.4), np.float32(1 / 2.2))
    noise = rng.standard_normal((height, width), dtype=np.float32)
    toned += np.float32(gain * 1.2) * noise[..., None]
    chroma = cv2.resize(rng.standard_normal((height // 2 + 1, width // 2 + 1, 3), dtype=np.float32), (width, height))
    toned += np.float32(gain) * chroma
    veil = rng.uniform(0, 0.22) if rng.random() < 0.35 else 0.0
    toned = toned * np.float32(1 - veil) + np.float32(veil * (0.62 if conditions.time != "night" else 0.3))
    contrast = rng.uniform(0.95, 1.4)
    toned = (toned - np.float32(0.45)) * np.float32(contrast) + np.float32(0.45) if conditions.time == "day" else toned
    return np.asarray(np.clip(toned * 255 + 0.5, 0, 255), np.uint8)


def _rain_streaks(canvas: Canvas, rng: Rng) -> Floats:
    height, width = canvas.camera.size
    drops = (rng.random((height, width), dtype=np.float32) > 0.9985).astype(np.float32)
    length = max(3, height // 24)
    kernel = np.zeros((length, max(3, length // 4)), np.float32)
    cv2.line(kernel, (0, 0), (kernel.shape[1] // 2, length - 1), 1.0)
    streaks = cv2.filter2D(drops, -1, kernel) * np.float32(rng.uniform(0.02, 0.07))
    return streaks[..., None]


def _vignette(canvas: Canvas, strength: float) -> Floats:
    height, width = canvas.camera.size
    u = np.linspace(-1, 1, width, dtype=np.float32)
    v = np.linspace(-1, 1, height, dtype=np.float32)
    return 1 - np.float32(strength / 2) * ((u**2)[None] + (v**2)[:, None])


def infrared_picture(canvas: Canvas, rng: Rng, warp: npt.NDArray[Any] | None = None) -> Bytes:
    """The thermal camera's (H, W) picture, white hot; `warp` (3, 3) takes pixels of the scene to its own."""
    height, width = canvas.camera.size
    conditions = canvas.conditions
    nearness = np.maximum(canvas.layers[NEARNESS], np.float32(1e-4))
    density = {"clear": 0.0004, "rain": 0.0022, "fog": 0.0035}[conditions.weather]
    through = np.exp(np.float32(-density) / nearness)
    through = np.where(nearness <= 2e-4, 1.0 if conditions.weather == "clear" else 0.75, through)
    air = np.float32(exitance(conditions.air - 0.5))
    signal = air + (canvas.layers[HEAT] - air) * through
    if warp is not None:
        signal = cv2.warpPerspective(
            signal, warp, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
    scale = width / 640
    signal = cv2.GaussianBlur(signal, (0, 0), max(0.3, rng.uniform(0.5, 1.2) * scale))
    netd = rng.uniform(0.2, 1.6)
    signal += np.float32(netd) * rng.standard_normal((height, width), dtype=np.float32)
    signal += np.float32(netd * rng.uniform(0.1, 0.7)) * rng.standard_normal((1, width), dtype=np.float32)
    signal += np.float32(netd * rng.uniform(0.0, 0.4)) * rng.standard_normal((height, 1), dtype=np.float32)
    signal += np.float32(rng.uniform(0, 2.5)) * smooth((height, width), rng, 3)
    signal -= np.float32(rng.uniform(0, 6)) * (1 - _vignette(canvas, 1.0))
    return _gain(signal, scale, rng)


def _gain(signal: Floats, scale: float, rng: Rng) -> Bytes:
    """Automatic gain: a window around the middle, partly equalised, with the detail boost many cameras apply.

    The cold sky falls below the window and little but people and engines reaches its top.
    """
    sampled = np.sort(signal[::3, ::3], axis=None)
    middle, high = float(sampled[sampled.size // 2]), float(sampled[int(0.998 * (sampled.size - 1))])
    reach = rng.uniform(25, 80) if rng.random() < 0.65 else rng.uniform(80, 260)
    low = max(middle - reach, float(sampled[sampled.size // 200]))
    high = max(min(high, middle + 110) + rng.uniform(-10, 30), middle + rng.uniform(25, 60))
    unit = np.clip((signal - np.float32(low)) / np.float32(high - low), 0, 1)
    style = rng.random()
    if style < 0.45:
        equalised = _plateau(unit, rng.uniform(1.5, 5))
        unit += np.float32(rng.uniform(0.3, 0.85)) * (equalised - unit)
    elif style < 0.75:
        unit = np.power(unit, np.float32(rng.uniform(1.3, 2.6))) * np.float32(rng.uniform(0.55, 1.0))
    if rng.random() < 0.6:
        blurred = cv2.GaussianBlur(unit, (0, 0), 3.0 * scale + 0.3)
        unit += np.float32(rng.uniform(0.3, 1.6)) * (unit - blurred)
    floor = np.float32(rng.uniform(0, 0.08))
    return np.asarray(np.clip((floor + (1 - floor) * unit) * 255 + 0.5, 0, 255), np.uint8)


def _plateau(unit: Floats, plateau: float) -> Floats:
    """Histogram equalisation in [0, 1] whose bins count at most `plateau` times the mean."""
    bins = (unit * 255).astype(np.uint8)
    histogram = np.bincount(bins.ravel(), minlength=256).astype(np.float64)
    histogram = np.minimum(histogram, plateau * histogram.mean())
    table = np.cumsum(histogram)
    table = ((table - table[0]) / max(table[-1] - table[0], 1e-9)).astype(np.float32)
    position = unit * 255
    lower = np.floor(position).astype(np.int32)
    part = position - lower
    return np.asarray(table[lower] * (1 - part) + table[np.minimum(lower + 1, 255)] * part, np.float32)
