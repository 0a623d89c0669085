"""Two wavelet transforms: Haar bands for Qm, one level of the discrete Meyer wavelet for FMI."""

from __future__ import annotations

import functools
from typing import NamedTuple, cast

import cv2
import numpy as np

from segmif.metrics.fusion.plane import Float

MEYER_TAPS = 102
_GRID = 1 << 14
"""Frequencies the filter is sampled at; taps beyond fold back below 1e-15."""


class Bands(NamedTuple):
    """Approximation, and details that see change downward, to the right and along both."""

    approximation: Float
    horizontal: Float
    vertical: Float
    diagonal: Float


def haar(image: Float) -> Bands:
    """One orthonormal Haar level, (H // 2, W // 2) bands; a last odd row or column is left out."""
    height, width = image.shape
    even = image[: height // 2 * 2, : width // 2 * 2]
    low, high = even[::2] + even[1::2], even[1::2] - even[::2]
    return Bands(
        (low[:, ::2] + low[:, 1::2]) / 2,
        (high[:, ::2] + high[:, 1::2]) / 2,
        (low[:, 1::2] - low[:, ::2]) / 2,
        (high[:, 1::2] - high[:, ::2]) / 2,
    )


@functools.cache
def meyer_low_pass() -> Float:
    """The 102 taps of MATLAB's ``dmey``: a zero, then the Meyer scaling filter at −50..50.

    H(ω) = sqrt(2) cos(π/2 ν(3|ω|/π − 1)), ν(x) = x⁴ (35 − 84 x + 70 x² − 20 x³) on [0, 1].
    """
    omega = 2 * np.pi * np.fft.rfftfreq(_GRID)
    x = np.clip(3 * omega / np.pi - 1, 0, 1)
    response = np.sqrt(2) * np.cos(np.pi / 2 * x**4 * (35 - 84 * x + 70 * x**2 - 20 * x**3))
    half = np.fft.irfft(response, _GRID)[: MEYER_TAPS // 2]
    return np.concatenate(([0.0], half[:0:-1], half))


def meyer(image: Float) -> Bands:
    """One level of the discrete Meyer wavelet, half-point symmetric extension: (H + 101) // 2 by (W + 101) // 2."""
    low = meyer_low_pass()
    high = low[::-1] * (-1.0) ** np.arange(1, MEYER_TAPS + 1)
    rows = [_decimated(image, taps) for taps in (low, high)]
    (a, h), (v, d) = ([_decimated(part.T, taps).T for taps in (low, high)] for part in rows)
    return Bands(a, h, v, d)


def _decimated(image: Float, taps: Float) -> Float:
    """Convolve rows with `taps` and keep every second sample of the full convolution of the extended row."""
    n = len(taps)
    extended = np.pad(image, ((0, 0), (n - 1, n - 1)), mode="symmetric")
    filtered = cv2.filter2D(extended, cv2.CV_64F, taps[None, ::-1].copy(), anchor=(0, 0))
    width = image.shape[1] + n - 1
    return cast("Float", filtered[:, 1:width:2])
