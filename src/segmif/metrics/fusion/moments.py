"""Metrics of pixel values alone: spread, error, correlation.

All sums are taken from histograms of the 256 levels, so they are exact integers; a rounding error first enters with
the final square root or division, and "constant" is an exact question.
F fused, A infrared, B visible, N pixels.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from segmif.metrics.fusion.catalog import metric
from segmif.metrics.fusion.plane import Levels, Plane, kept
from segmif.metrics.fusion.windows import strips

LEVELS = np.arange(256, dtype=np.int64)
PSNR_CAP = 100.0
"""Decibels reported for identical pictures, instead of infinity."""


_COUNTABLE = 1 << 24
"""OpenCV counts in float32, exactly up to here."""


def count_levels(*pictures: Levels) -> npt.NDArray[np.int64]:
    """(256,) or (256, 256) number of pixels at each level, or pair of levels, of one or two pictures."""
    counts = np.zeros((256,) * len(pictures), np.int64)
    height, width = pictures[0].shape
    for rows in strips(height, width, _COUNTABLE):
        parts = [picture[rows] for picture in pictures]
        channels = [*range(len(parts))]
        part = cv2.calcHist(parts, channels, None, [256] * len(parts), [0.0, 256.0] * len(parts))
        counts += part.reshape(counts.shape).astype(np.int64)
    return counts


@kept
def histogram(plane: Plane) -> npt.NDArray[np.int64]:
    """(256,) number of pixels at each level."""
    return count_levels(plane.levels)


@kept
def joint_histogram(plane: Plane, other: Plane) -> npt.NDArray[np.int64]:
    """(256, 256) number of pixels at level i in `plane` and j in `other`."""
    return count_levels(plane.levels, other.levels)


@kept
def total(plane: Plane) -> int:
    """Sum of the levels."""
    return int(LEVELS @ histogram(plane))


@kept
def covariance(plane: Plane, other: Plane) -> int:
    """N² times the population covariance of two pictures: N ΣXY − ΣX ΣY."""
    products = int(LEVELS @ joint_histogram(plane, other) @ LEVELS)
    return plane.size * products - total(plane) * total(other)


@kept
def variance(plane: Plane) -> int:
    """N² times the population variance."""
    return plane.size * int(LEVELS**2 @ histogram(plane)) - total(plane) ** 2


def squared_error(fused: Plane, source: Plane) -> int:
    """Σ (F − X)² in squared grey levels."""
    n = fused.size
    mean_part = (total(fused) - total(source)) ** 2
    return (variance(fused) + variance(source) - 2 * covariance(fused, source) + mean_part) // n


def correlation(covariance: int, variance_x: int, variance_y: int) -> float:
    """Pearson correlation, 0 if either variance is 0."""
    if variance_x == 0 or variance_y == 0:
        return 0.0
    return covariance / (math.sqrt(variance_x) * math.sqrt(variance_y))


@metric("SD", source="population standard deviation", bounds=(0.0, 127.5), fused_only=True)
def standard_deviation(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """SD = sqrt(mean((F − mean F)²)), grey levels 0..255. Constant: 0."""
    return math.sqrt(variance(fused)) / fused.size


@metric("MSE", source="mean squared error", bounds=(0.0, 1.0), better="lower")
def mean_squared_error(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """MSE = (mean((A − F)²) + mean((B − F)²)) / 2 on values 0..1."""
    errors = squared_error(fused, infrared) + squared_error(fused, visible)
    return errors / (2 * fused.size * 255**2)


@metric("RMSE", source="root mean squared error", bounds=(0.0, 1.0), better="lower")
def root_mean_squared_error(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """RMSE = (sqrt(mean((A − F)²)) + sqrt(mean((B − F)²))) / 2 on values 0..1."""
    roots = [math.sqrt(squared_error(fused, source) / fused.size) for source in (infrared, visible)]
    return sum(roots) / (2 * 255)


@metric("PSNR", source="peak signal-to-noise ratio, peak 1", bounds=(0.0, PSNR_CAP))
def peak_signal_to_noise_ratio(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """PSNR = 10 log10(1 / MSE) in dB, MSE as the metric of that name. At most 100 dB, also for identical pictures."""
    error = mean_squared_error(fused, infrared, visible)
    return min(-10 * math.log10(error), PSNR_CAP) if error > 0 else PSNR_CAP


@metric("CC", source="Pearson correlation coefficient", bounds=(-1.0, 1.0))
def correlation_coefficient(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """CC = (r(A, F) + r(B, F)) / 2, r Pearson's correlation; r = 0 where a picture is constant."""
    parts = [
        correlation(covariance(fused, source), variance(source), variance(fused)) for source in (infrared, visible)
    ]
    return sum(parts) / 2


@metric("SCD", source="Aslantas & Bendes, AEÜ 69 (2015) 1890", bounds=(-2.0, 2.0))
def sum_of_correlations_of_differences(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """SCD = r(F − B, A) + r(F − A, B), r Pearson's correlation; r = 0 where an argument is constant."""
    result = 0.0
    for source, other in ((infrared, visible), (visible, infrared)):
        sources = covariance(infrared, visible)
        difference = variance(fused) + variance(other) - 2 * covariance(fused, other)
        result += correlation(covariance(fused, source) - sources, difference, variance(source))
    return result
