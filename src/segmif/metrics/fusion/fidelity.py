"""Visual information fidelity: how much of a source's information survives in the fused picture."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from segmif.metrics.fusion.catalog import INFINITY, metric
from segmif.metrics.fusion.filters import gaussian, valid
from segmif.metrics.fusion.plane import Float, Plane, kept

SCALES = 4
GUARD = 1e-10
"""Variances below this are taken for zero."""


class Moments(NamedTuple):
    """Local mean and variance of a picture at one scale."""

    values: Float
    mean: Float
    variance: Float


def window(scale: int) -> Float:
    """The Gaussian of scale 0..3: 17, 9, 5, 3 taps, σ a fifth of them."""
    taps = 2 ** (SCALES - scale) + 1
    return gaussian(taps, taps / 5)


def scale_count(plane: Plane) -> int:
    """How many of the 4 scales fit: all from 41 pixels of side on, one at 17."""
    side, count = min(plane.levels.shape), 0
    for scale in range(SCALES):
        taps = len(window(scale))
        if scale > 0:
            side = (side - taps + 2) // 2
        if side < taps:
            break
        count += 1
    return count


@kept
def moments(plane: Plane, scale: int, saturate: bool = False) -> Moments:
    """Values, local mean and local variance at a scale; from the second on, blurred and every other sample.

    `saturate` clips squares at 255.
    """
    blur = window(scale)
    values = plane.values
    if scale > 0:
        values = np.ascontiguousarray(valid(moments(plane, scale - 1).values, blur)[::2, ::2])
    mean = valid(values, blur)
    square = valid(_product(values, values, saturate), blur)
    return Moments(values, mean, np.maximum(square - mean * mean, 0))


def _product(x: Float, y: Float, saturate: bool) -> Float:
    return np.minimum(x * y, 255) if saturate else x * y


def gain_and_residual(var_x: Float, var_f: Float, cov: Float) -> tuple[Float, Float]:
    """The distortion model F = g X + noise at every place: gain g ≥ 0 and variance of the noise."""
    usable = (var_x >= GUARD) & (var_f >= GUARD) & (cov >= 0)
    gain = np.where(usable, cov / (var_x + GUARD), 0.0)
    return gain, np.maximum(var_f - gain * cov, GUARD)


@kept
def _source_information(source: Plane, noise: float, saturate: bool) -> float:
    """Σ log(1 + σ_X² / σ_n²) over all scales."""
    total = 0.0
    for scale in range(scale_count(source)):
        variance = moments(source, scale, saturate and scale == 0).variance
        total += float(np.log(1 + np.where(variance < GUARD, 0, variance) / noise).sum())
    return total


def vif_of_source(source: Plane, fused: Plane, saturate: bool = False) -> float:
    """Pixel-domain VIF of a fused picture with one source as reference; 1 where the source is constant.

    `saturate` clips products of grey levels at 255 at the first scale.
    """
    information = _source_information(source, 2.0, saturate)
    if information == 0:
        return 1.0
    total = 0.0
    for scale in range(scale_count(source)):
        clip = saturate and scale == 0
        x, f = moments(source, scale, clip), moments(fused, scale, clip)
        cov = valid(_product(x.values, f.values, clip), window(scale)) - x.mean * f.mean
        gain, residual = gain_and_residual(x.variance, f.variance, cov)
        total += float(np.log(1 + gain * gain * x.variance / (residual + 2.0)).sum())
    return total / information


@metric(
    "VIF", source="Sheikh & Bovik, IEEE Trans. Image Process. 15 (2006) 430; vifp", bounds=(0.0, INFINITY), min_side=17
)
def vif(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """VIF = V(A, F) + V(B, F), V = Σ log(1 + g² σ_X² / (σ_v² + σ_n²)) / Σ log(1 + σ_X² / σ_n²).

    Pixel domain: 4 scales, Gaussian windows of 17, 9, 5, 3 taps (σ a fifth), only where they fit; from the second
    scale on the picture is first blurred by that window and every other sample kept. g = σ_XF / σ_X² (0 if negative),
    σ_v² = σ_F² − g σ_XF, σ_n² = 2 on grey levels 0..255. V = 1 for a constant source. Sides below 41 pixels have
    fewer scales.
    """
    return vif_of_source(infrared, fused) + vif_of_source(visible, fused)


_VIFF_NOISE = 0.005 * 255**2
_VIFF_WEIGHTS = (1 / 2.15, 0.0, 0.15 / 2.15, 1 / 2.15)


@metric("VIFF", source="Han, Cai, Cao & Xu, Inf. Fusion 14 (2013) 127", bounds=(0.0, INFINITY), min_side=17)
def viff(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """VIFF = Σ_s w_s Σ (n + 1e-7) / Σ (d + 1e-7) over 4 scales, w = (1, 0, 0.15, 1) / 2.15.

    n = log10(1 + g² σ_X² / (σ_v² + σ_n²)) and d = log10(1 + σ_X² / σ_n²) as in VIF with σ_n² = 0.005·255², taken at
    each place from the source with the smaller gain g. Constant sources: 1. Sides below 41 pixels have fewer scales,
    the weights rescaled to sum 1.
    """
    scales = scale_count(fused)
    result = 0.0
    for scale in range(scales):
        x_gain, x_num, x_den = _viff_terms(infrared, fused, scale)
        y_gain, y_num, y_den = _viff_terms(visible, fused, scale)
        first = x_gain < y_gain
        numerator = np.where(first, x_num, y_num).sum() + 1e-7 * first.size
        denominator = np.where(first, x_den, y_den).sum() + 1e-7 * first.size
        result += _VIFF_WEIGHTS[scale] * float(numerator / denominator)
    return result / sum(_VIFF_WEIGHTS[:scales])


def _viff_terms(source: Plane, fused: Plane, scale: int) -> tuple[Float, Float, Float]:
    """Gain, information kept and information there is, at every place of a scale."""
    x, f = moments(source, scale), moments(fused, scale)
    cov = valid(x.values * f.values, window(scale)) - x.mean * f.mean
    gain, residual = gain_and_residual(x.variance, f.variance, cov)
    variance = np.where(x.variance < GUARD, 0, x.variance)
    kept_part = np.log10(1 + gain * gain * variance / (residual + _VIFF_NOISE))
    return gain, kept_part, np.log10(1 + variance / _VIFF_NOISE)
