"""Windows and separable filters in float64: the few that all metrics are built from."""

from __future__ import annotations

import functools
from typing import cast

import cv2
import numpy as np

from segmif.metrics.fusion.plane import Float


@functools.cache
def gaussian(taps: int, sigma: float) -> Float:
    """One factor of a `taps` × `taps` Gaussian window, summing to 1; `sigma` in pixels."""
    offsets = np.arange(taps) - (taps - 1) / 2
    window = np.exp(-(offsets**2) / (2 * sigma**2))
    return cast("Float", window / window.sum())


@functools.cache
def box(taps: int) -> Float:
    """One factor of a `taps` × `taps` mean filter."""
    return np.full(taps, 1 / taps)


def valid(image: Float, window: Float) -> Float:
    """Correlate rows and columns with a symmetric odd window; only where it fits: (H−n+1, W−n+1)."""
    r = len(window) // 2
    height, width = image.shape
    return cast("Float", cv2.sepFilter2D(image, cv2.CV_64F, window, window)[r : height - r, r : width - r])


def same(image: Float, window: Float) -> Float:
    """Correlate rows and columns with a symmetric odd window, zeros outside: (H, W)."""
    return cast("Float", cv2.sepFilter2D(image, cv2.CV_64F, window, window, borderType=cv2.BORDER_CONSTANT))


def central_gradient(image: Float) -> tuple[Float, Float]:
    """Horizontal and vertical slope per pixel: central differences inside, one-sided at the edges."""
    vertical, horizontal = cast("tuple[Float, Float]", np.gradient(image))
    return horizontal, vertical
