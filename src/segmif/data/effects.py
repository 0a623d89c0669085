"""What light, weather and sensors do to a picture: pure functions of a picture and a random generator.

Pictures are float32 in [0, 1], visible (H, W, 3) RGB, infrared (H, W); results may leave [0, 1] and are clipped by the
caller, once. Fog follows the law of Koschmieder, I·t + A·(1 − t) with t = exp(−β·depth).
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.float32]
Random = np.random.Generator

_LUMA = np.asarray((0.299, 0.587, 0.114), np.float32)


def _grey(image: Picture) -> Picture:
    """(H, W, 1) luma."""
    return np.asarray(image @ _LUMA, np.float32)[..., None]


def _gamma(image: Picture, exponent: float) -> Picture:
    """image ** exponent of a picture in [0, 1]; OpenCV's is several times as fast as numpy's."""
    return np.asarray(cv2.pow(np.clip(image, 0, 1), exponent), np.float32)


def _smooth(random: Random, size: tuple[int, int], deviation: float) -> Picture:
    """(H, W) of that standard deviation, which changes slowly from place to place."""
    coarse = np.float32(deviation) * random.standard_normal((3, 4), dtype=np.float32)
    return np.asarray(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def photometric_visible(image: Picture, random: Random) -> Picture:
    """A little of brightness, contrast, saturation, gamma and white balance."""
    gain = random.uniform(0.9, 1.1, 3).astype(np.float32) * np.float32(random.uniform(0.7, 1.3))
    image = _gamma(image, random.uniform(0.8, 1.25)) * gain + np.float32(random.uniform(-0.08, 0.08))
    grey = _grey(image)
    return grey + (image - grey) * np.float32(random.uniform(0.5, 1.5))


def photometric_infrared(image: Picture, random: Random) -> Picture:
    """Another gain control: from a flat, bright picture to a dark one in which only warm things stand out."""
    image = _gamma(image, float(np.exp(random.uniform(-0.4, 1.0))))
    mean = np.float32(image.mean())
    image = (image - mean) * np.float32(random.uniform(0.6, 1.3)) + mean
    image = image * np.float32(random.uniform(0.5, 1.1)) + np.float32(random.uniform(-0.05, 0.1))
    darkness = np.float32(np.exp(random.uniform(np.log(0.08), 0)))
    return image * darkness if random.random() < 0.4 else image


def dim_infrared(image: Picture, random: Random) -> Picture:
    """An infrared camera whose range is set by something hotter than all it shows: dark, warm things barely above."""
    gain = np.float32(random.uniform(0.12, 0.42))
    return _gamma(image, random.uniform(1.0, 2.0)) * gain


def night(image: Picture, random: Random, sky: npt.NDArray[np.bool_] | None = None) -> Picture:
    """Little light: dark, pale, tinted by street lamps, less of it higher up, noisy; the brightest spots may shine.

    Args:
        image: (H, W, 3) RGB.
        random: where all numbers come from.
        sky: (H, W), where the sky is known to be. By day it is the brightest, at night mostly the darkest part: a
            picture of day that was only darkened would teach that the brightest part of a dark picture is the sky.
    """
    exposure = np.float32(np.exp(random.uniform(np.log(0.04), np.log(0.4))))
    grey = _grey(image)
    pale = grey + (image - grey) * np.float32(random.uniform(0.2, 0.8))
    tint = np.asarray((random.uniform(1.0, 1.2), 1.0, random.uniform(0.6, 1.1)), np.float32)
    dark = exposure * tint * _gamma(pale, random.uniform(1.0, 2.0))
    height = np.linspace(1, 0, image.shape[0], dtype=np.float32)[:, None]  # tree tops end up as black as the sky
    light = _smooth(random, image.shape[:2], random.uniform(0.0, 0.8)) - np.float32(random.uniform(0.0, 4.0)) * height
    dark *= np.exp(light)[..., None]
    lamps = np.clip((grey - 0.93) / 0.07, 0, 1) * np.float32(random.uniform(0.0, 0.8))
    glow = np.float32(random.uniform(0.0, 0.08)) if random.random() < 0.9 else np.float32(1)
    if sky is not None:
        covered = cv2.GaussianBlur(sky.astype(np.float32), (0, 0), 1.0)[..., None]
        dark *= 1 - (1 - glow) * covered
        lamps *= 1 - cv2.dilate(covered, np.ones((15, 15)))[..., None]  # no gap between leaves is a lamp
    return _developed(visible_noise(dark * (1 - lamps) + image * lamps, random), random)


def _developed(image: Picture, random: Random) -> Picture:
    """What a camera makes of a dark picture: often smoothed until no noise is left, black a little grey, 8 bits."""
    smoothness, black = random.uniform(0.8, 2.5), np.float32(random.uniform(0.0, 0.03))
    if random.random() < 0.6:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), smoothness), np.float32)
    return np.asarray(np.rint(np.clip(black + (1 - black) * image, 0, 1) * 255) / np.float32(255), np.float32)


def visible_noise(image: Picture, random: Random) -> Picture:
    """Photon and read-out noise: variance a·I + b."""
    shot, read = random.uniform(0.0, 0.004), random.uniform(0.002, 0.025) ** 2
    deviation: Picture = np.sqrt(np.float32(shot) * np.clip(image, 0, 1) + np.float32(read))
    return image + deviation * random.standard_normal(image.shape, dtype=np.float32)


def glare(image: Picture, random: Random) -> Picture:
    """One to three lights, each a saturated core and a wide halo."""
    height, width = image.shape[:2]
    rows = np.arange(height, dtype=np.float32)[:, None]
    columns = np.arange(width, dtype=np.float32)
    light: Picture = np.zeros((height, width), np.float32)
    for _ in range(int(random.integers(1, 4))):
        radius = np.float32(random.uniform(0.02, 0.1) * max(height, width))
        y, x = np.float32(random.uniform(0.15, 0.85) * height), np.float32(random.uniform(0, width))
        distance = ((rows - y) / radius) ** 2 + ((columns - x) / radius) ** 2
        halo = np.float32(random.uniform(0.1, 0.5)) / (1 + distance / 6)
        light += np.float32(1.5) * np.exp(-distance) + halo
    return image + light[..., None] * np.asarray((1.0, 0.97, 0.9), np.float32)


def fog(image: Picture, random: Random) -> Picture:
    """Fog that thickens with distance, distance growing towards the upper rows of a road scene."""
    height = image.shape[0]
    depth = np.linspace(1.0, random.uniform(0.15, 0.7), height, dtype=np.float32)[:, None, None]
    clear: Picture = np.exp(-np.float32(random.uniform(0.5, 3.0)) * depth)
    return image * clear + np.float32(random.uniform(0.5, 0.9)) * (1 - clear)


def rain(image: Picture, random: Random) -> Picture:
    """Bright slanted streaks under a grey veil."""
    height, width = image.shape[:2]
    drops = (random.random((height, width), dtype=np.float32) > random.uniform(0.98, 0.995)).astype(np.float32)
    length = int(random.integers(7, 19))
    kernel = np.zeros((length, length), np.float32)
    cv2.line(kernel, (int(random.integers(0, length)), 0), (length // 2, length - 1), 1.0)
    streaks = cv2.filter2D(drops, -1, kernel * np.float32(3 / kernel.sum()))[..., None]
    veil = np.float32(random.uniform(0.05, 0.25))
    return image * (1 - veil) + veil * np.float32(0.6) + np.float32(random.uniform(0.15, 0.4)) * streaks


def thermal_noise(image: Picture, random: Random) -> Picture:
    """An uncooled sensor: noise per pixel, stripes of its columns, a slow shading, some blur."""
    height, width = image.shape
    if random.random() < 0.5:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), float(random.uniform(0.4, 1.5))), np.float32)
    columns = np.float32(random.uniform(0, 0.02)) * random.standard_normal(width, dtype=np.float32)
    shading = _smooth(random, (height, width), random.uniform(0, 0.05))
    pixels = np.float32(random.uniform(0, 0.03)) * random.standard_normal(image.shape, dtype=np.float32)
    return image + columns + shading + pixels


def blank(image: Picture, random: Random) -> Picture:
    """A camera that fails: black, white or its mean, with a trace of noise."""
    level = random.choice(np.asarray((0.0, 1.0, float(image.mean()))))
    return np.float32(level) + np.float32(0.01) * random.standard_normal(image.shape, dtype=np.float32)
