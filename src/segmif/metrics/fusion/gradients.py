"""Metrics of how much changes from pixel to pixel: average gradient, edge intensity, spatial frequencies."""

from __future__ import annotations

import math
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from segmif.metrics.fusion.catalog import INFINITY, metric
from segmif.metrics.fusion.moments import LEVELS, count_levels
from segmif.metrics.fusion.plane import Float, Levels, Plane, kept
from segmif.metrics.fusion.windows import strips

Integers = npt.NDArray[np.int16]
Gradient = Integers | Float


@kept
def sobel(plane: Plane, border: int = cv2.BORDER_CONSTANT) -> tuple[Integers, Integers]:
    """Sobel 1-2-1 responses to the right and downward, zeros outside unless another OpenCV border is given."""
    gx, gy = (cv2.Sobel(plane.levels, cv2.CV_16S, *order, borderType=border) for order in ((1, 0), (0, 1)))
    return cast("Integers", gx), cast("Integers", gy)


def magnitude(gx: Gradient, gy: Gradient) -> Float:
    """sqrt(gx² + gy²)."""
    x, y = gx.astype(np.float64), gy.astype(np.float64)
    return cast("Float", np.sqrt(x * x + y * y))


@kept
def sobel_strength(plane: Plane) -> Float:
    """Sobel magnitude, zeros outside."""
    return magnitude(*sobel(plane))


@kept
def squared_differences(plane: Plane) -> tuple[int, int]:
    """Sums of squared differences of horizontal and of vertical neighbours."""
    x = plane.levels
    pairs = ((x[:, 1:], x[:, :-1]), (x[1:], x[:-1]))
    dx, dy = (int(count_levels(cast("Levels", cv2.absdiff(p, q))) @ LEVELS**2) if p.size else 0 for p, q in pairs)
    return dx, dy


@metric("SF", source="Eskicioglu & Fisher, IEEE Trans. Commun. 43 (1995) 2959", bounds=(0.0, 361.0), fused_only=True)
def spatial_frequency(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """SF = sqrt(mean dx² + mean dy²), each mean over its own neighbour differences, grey levels. Constant: 0."""
    height, width = fused.levels.shape
    dx, dy = squared_differences(fused)
    return math.sqrt(dx / max(height * (width - 1), 1) + dy / max((height - 1) * width, 1))


@metric("AG", source="Cui et al., Opt. Commun. 341 (2015) 199", bounds=(0.0, INFINITY), fused_only=True, min_side=2)
def average_gradient(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """AG = Σ sqrt((gx² + gy²) / 2) / ((H − 1)(W − 1)), grey levels per pixel. Constant: 0.

    gx, gy are central differences, one-sided at the edges; the sum runs over all H·W pixels.
    """
    height, width = fused.levels.shape
    dx, dy = (
        cast("Integers", cv2.Sobel(fused.levels, cv2.CV_16S, *order, ksize=1, borderType=cv2.BORDER_REPLICATE))
        for order in ((1, 0), (0, 1))
    )
    dx[:, [0, -1]] *= 2  # the operator takes right minus left, twice the slope, but one step at the edges
    dy[[0, -1]] *= 2
    total = 0.0
    for rows in strips(height, width):
        total += float(magnitude(dx[rows], dy[rows]).sum())
    places: int = (height - 1) * (width - 1)
    return total / math.sqrt(8) / places


@metric("EI", source="edge intensity: mean Sobel magnitude", bounds=(0.0, INFINITY), fused_only=True)
def edge_intensity(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """EI = mean sqrt(gx² + gy²), Sobel 1-2-1 without scaling, edge pixels repeated outside. Constant: 0."""
    return float(np.mean(magnitude(*sobel(fused, cv2.BORDER_REPLICATE))))


def _all_differences(plane: Plane) -> tuple[tuple[Float, float], ...]:
    """Differences of neighbours along rows, columns and the two diagonals, each with its weight."""
    x = plane.values
    diagonal = math.sqrt(0.5)
    return (
        (x[:, 1:] - x[:, :-1], 1.0),
        (x[1:] - x[:-1], 1.0),
        (x[1:, 1:] - x[:-1, :-1], diagonal),
        (x[1:, :-1] - x[:-1, 1:], diagonal),
    )


@kept
def _reference_frequency(infrared: Plane, visible: Plane) -> float:
    """Extended spatial frequency of the larger absolute difference of the two sources at every place."""
    total = 0.0
    for (a, weight), (b, _) in zip(_all_differences(infrared), _all_differences(visible), strict=True):
        largest = np.maximum(np.abs(a), np.abs(b)).ravel()
        total += weight * float(largest @ largest)
    return math.sqrt(total / infrared.size)


@metric("Qsf", source="Zheng et al., Inf. Fusion 8 (2007) 177", bounds=(-1.0, INFINITY), min_side=2)
def qsf(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """Qsf = (SF_F − SF_R) / SF_R, SF over rows, columns and both diagonals (weight sqrt(1/2)), all sums / N.

    SF_R takes the larger absolute difference of the sources at each place. The ideal is 0: below, detail was lost;
    above, noise was added, which fusion hardly does. Constant sources: 0 if fused is constant too, else SF_F.
    """
    frequency = _reference_frequency(fused, fused)
    reference = _reference_frequency(infrared, visible)
    return (frequency - reference) / reference if reference > 0 else frequency
