"""Windows that slide over a picture, and what is measured in them, in float64."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from segmif.metrics.fusion.plane import Float

Image = npt.NDArray[Any]
"""uint8 or float64 values (H, W)."""

Product = Callable[[Image, Image], Float]

_STRIP_PLACES = 1 << 16
"""Places worked on at a time: the arrays of a step then stay in the cache, and the allocator's hands."""


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


def valid(image: Image, window: Float) -> Float:
    """Correlate rows and columns with a symmetric odd window; only where it fits: (H−n+1, W−n+1)."""
    r = len(window) // 2
    height, width = image.shape
    return cast("Float", cv2.sepFilter2D(image, cv2.CV_64F, window, window)[r : height - r, r : width - r])


def same(image: Image, window: Float) -> Float:
    """Correlate rows and columns with a symmetric odd window, zeros outside: (H, W)."""
    return cast("Float", cv2.sepFilter2D(image, cv2.CV_64F, window, window, borderType=cv2.BORDER_CONSTANT))


def central_gradient(image: Float) -> tuple[Float, Float]:
    """Horizontal and vertical slope per pixel: central differences inside, one-sided at the edges."""
    vertical, horizontal = cast("tuple[Float, Float]", np.gradient(image))
    return horizontal, vertical


def multiply(x: Image, y: Image) -> Float:
    """x · y in float64."""
    return cast("Float", cv2.multiply(x, y, dtype=cv2.CV_64F))


def strips(height: int, width: int, places: int = _STRIP_PLACES) -> Iterator[slice]:
    """Row ranges that cover `height` rows, each of about `places` places at most."""
    step = max(1, places // width)
    return (slice(start, min(start + step, height)) for start in range(0, height, step))


@dataclass(frozen=True)
class LocalMoments:
    """Local mean and variance of a picture at every place of a window, not bias corrected.

    Attributes:
        image: (H, W) the picture.
        window: (n,) one factor of the window.
        product: how pixels are multiplied.
        mean: (H−n+1, W−n+1).
        variance: the same; rounding may make it slightly negative in flat windows.
    """

    image: Image
    window: Float
    product: Product
    mean: Float
    variance: Float

    @classmethod
    def of(cls, image: Image, window: Float, product: Product = multiply) -> LocalMoments:
        """Measure a picture."""
        n = len(window)
        # One block for both: numpy asks the system for huge pages from 4 MiB on, and first touches cost far less.
        mean, variance = np.empty((2, image.shape[0] - n + 1, image.shape[1] - n + 1))
        for rows in strips(*mean.shape):
            pixels = rows_under(image, rows, window)
            mean[rows] = valid(pixels, window)
            np.subtract(valid(product(pixels, pixels), window), mean[rows] ** 2, out=variance[rows])
        return cls(image, window, product, mean, variance)

    def rows(self, rows: slice) -> LocalMoments:
        """The part at some rows of places, without computing anything."""
        return LocalMoments(
            rows_under(self.image, rows, self.window), self.window, self.product, self.mean[rows], self.variance[rows]
        )

    @classmethod
    def at(cls, rows: slice, image: Image, window: Float, product: Product = multiply) -> LocalMoments:
        """Measure a picture at some rows of places only."""
        return cls.of(rows_under(image, rows, window), window, product)

    def covariance(self, other: LocalMoments) -> Float:
        """Local covariance with another picture."""
        product = self.product(self.image, other.image)
        return cast("Float", np.subtract(valid(product, self.window), self.mean * other.mean))


def rows_under(image: Image, rows: slice, window: Float) -> Image:
    """The pixels under the window when it is at these rows of places."""
    return image[rows.start : rows.stop + len(window) - 1]
