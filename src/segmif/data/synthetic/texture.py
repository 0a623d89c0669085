"""Seeded noise: seamless tiles with a power-law spectrum, and their sampling."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Rng = np.random.Generator


@cache
def noise_tile(slope: float, size: int = 512) -> Floats:
    """(size, size) seamless noise of zero mean and unit variance whose amplitude falls as 1 / frequency^slope.

    The tile is the same in every scene; scenes differ by the windows they take from it.
    """
    rng = np.random.Generator(np.random.PCG64(round(slope * 1000)))
    spectrum = np.fft.rfft2(rng.standard_normal((size, size), dtype=np.float32))
    radius = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]) * size
    spectrum *= np.where(radius > 0, np.maximum(radius, 1.0) ** -slope, 0)
    noise = np.fft.irfft2(spectrum, (size, size))
    tile: Floats = np.asarray(noise / noise.std(), np.float32)
    tile.flags.writeable = False
    return tile


def repeat(position: Floats, period: float) -> Floats:
    """Position within its period, [0, period]; several times faster than the operator %."""
    return np.asarray(position - np.floor(position * np.float32(1 / period)) * np.float32(period), np.float32)


def sample(tile: Floats, u: Floats, v: Floats) -> Floats:
    """The tile at texel coordinates (u, v), repeated without end; bilinear."""
    size = tile.shape[0]
    at = repeat(u, size), repeat(v, size)
    return np.asarray(cv2.remap(tile, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP), np.float32)


def cut(tile: Floats, rng: Rng, extent: float, size: tuple[int, int]) -> Floats:
    """A random window of the tile, `extent` texels wide, resampled to (height, width) pixels.

    Extents above the tile repeat it; the aspect ratio of texels is kept.
    """
    height, width = size
    span = max(2, round(extent)), max(2, round(extent * height / max(width, 1)))
    start = rng.integers(0, tile.shape[0], 2)
    rows = np.arange(start[0], start[0] + min(span[1], 1024)) % tile.shape[0]
    columns = np.arange(start[1], start[1] + min(span[0], 1024)) % tile.shape[1]
    window = tile[np.ix_(rows, columns)]
    shrink = window.shape[0] > height
    return np.asarray(
        cv2.resize(window, (width, height), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR), np.float32
    )


def smooth(size: tuple[int, int], rng: Rng, cells: int) -> Floats:
    """(height, width) soft noise of about unit variance with `cells` blobs across the longer side."""
    height, width = size
    longest = max(size)
    grid = rng.standard_normal((max(2, cells * height // longest), max(2, cells * width // longest)), dtype=np.float32)
    return np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
