"""Metrics of structural similarity between the fused picture and its sources."""

from __future__ import annotations

from segmif.metrics.fusion.catalog import metric
from segmif.metrics.fusion.filters import gaussian, valid
from segmif.metrics.fusion.plane import Float, Plane, kept

C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2
"""Stabilising constants of SSIM for grey levels 0..255."""

SSIM_SOURCE = "Wang et al., IEEE Trans. Image Process. 13 (2004) 600"


@kept
def local_mean(plane: Plane, taps: int = 11) -> Float:
    """Gaussian (σ 1.5) local mean, only where the window fits."""
    return valid(plane.values, gaussian(taps, 1.5))


@kept
def local_variance(plane: Plane, taps: int = 11) -> Float:
    """Gaussian (σ 1.5) local variance, not bias corrected."""
    mean = local_mean(plane, taps)
    return valid(plane.values * plane.values, gaussian(taps, 1.5)) - mean * mean


@kept
def local_covariance(plane: Plane, other: Plane, taps: int = 11) -> Float:
    """Gaussian (σ 1.5) local covariance."""
    product = local_mean(plane, taps) * local_mean(other, taps)
    return valid(plane.values * other.values, gaussian(taps, 1.5)) - product


@kept
def ssim_map(fused: Plane, source: Plane) -> Float:
    """SSIM at every place of the 11 × 11 Gaussian window (σ 1.5): (H − 10, W − 10)."""
    mean_f, mean_x = local_mean(fused), local_mean(source)
    top = (2 * mean_f * mean_x + C1) * (2 * local_covariance(fused, source) + C2)
    bottom = (mean_f * mean_f + mean_x * mean_x + C1) * (local_variance(fused) + local_variance(source) + C2)
    return top / bottom


@metric("SSIM", source=SSIM_SOURCE, bounds=(-1.0, 1.0), min_side=11)
def ssim(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """SSIM = (s(A, F) + s(B, F)) / 2, s the mean of
    (2 μx μy + C1)(2 σxy + C2) / ((μx² + μy² + C1)(σx² + σy² + C2)),
    11 × 11 Gaussian window, σ 1.5, where it fits; C1 = (0.01·255)², C2 = (0.03·255)². Equal constants: 1.
    """
    return float(ssim_map(fused, infrared).mean() + ssim_map(fused, visible).mean()) / 2
