"""Visual information fidelity: how much of a source's information survives in the fused picture."""

from __future__ import annotations

from typing import cast

import numpy as np

from segmif.metrics.fusion.catalog import INFINITY, metric
from segmif.metrics.fusion.plane import Float, Plane, kept
from segmif.metrics.fusion.windows import Image, LocalMoments, Product, gaussian, multiply, strips, valid

SCALES = 4
GUARD = 1e-10
"""Variances below this are taken for zero."""
NOISE = 2.0


def window(scale: int) -> Float:
    """The Gaussian of scale 0..3: 17, 9, 5, 3 taps, σ a fifth of them."""
    taps = 2 ** (SCALES - scale) + 1
    return gaussian(taps, taps / 5)


def scale_count(side: int) -> int:
    """How many of the 4 scales fit a picture of that shorter side: all from 41 pixels on, one at 17."""
    count = 0
    for scale in range(SCALES):
        taps = len(window(scale))
        if scale > 0:
            side = (side - taps + 2) // 2
        if side < taps:
            break
        count += 1
    return count


@kept
def _at_scale(plane: Plane, scale: int) -> Image:
    """The picture at a scale: from the second on, blurred by that scale's window and every other sample kept."""
    if scale == 0:
        return plane.levels
    return np.ascontiguousarray(valid(_at_scale(plane, scale - 1), window(scale))[::2, ::2])


@kept
def _moments(plane: Plane, scale: int, product: Product) -> LocalMoments:
    return LocalMoments.of(_at_scale(plane, scale), window(scale), product)


def _usable_variance(x: LocalMoments) -> Float:
    return np.where(x.variance < GUARD, 0.0, x.variance)


def gain_and_residual(x: LocalMoments, f: LocalMoments) -> tuple[Float, Float]:
    """The distortion model F = g X + noise at every place: gain g ≥ 0 and variance of the noise."""
    covariance = f.covariance(x)
    usable = (x.variance >= GUARD) & (f.variance >= GUARD) & (covariance >= 0)
    gain = usable * covariance / (np.maximum(x.variance, 0) + GUARD)
    return gain, np.maximum(f.variance - gain * covariance, GUARD)


def _information_kept(x: LocalMoments, f: LocalMoments) -> float:
    """Σ log(1 + g² σ_X² / (σ_v² + σ_n²))."""
    gain, residual = gain_and_residual(x, f)
    return float(np.log(gain * gain * x.variance / (residual + NOISE) + 1).sum())


def _at_rows(source: Plane, scale: int, product: Product, rows: slice) -> LocalMoments:
    """Local moments at some rows: looked up if other fused pictures will ask again, else computed for once."""
    if source.shared:
        return _moments(source, scale, product).rows(rows)
    return LocalMoments.at(rows, _at_scale(source, scale), window(scale), product)


def vif_with_product(fused: Plane, infrared: Plane, visible: Plane, product: Product) -> float:
    """V(A, F) + V(B, F) with `product` for the products of pixels at the first scale."""
    numerators, denominators = [0.0, 0.0], [0.0, 0.0]
    for scale in range(scale_count(min(fused.levels.shape))):
        product = product if scale == 0 else multiply
        image, blur = _at_scale(fused, scale), window(scale)
        for rows in strips(image.shape[0] - len(blur) + 1, image.shape[1]):
            f = LocalMoments.at(rows, image, blur, product)
            for k, source in enumerate((infrared, visible)):
                x = _at_rows(source, scale, product, rows)
                numerators[k] += _information_kept(x, f)
                denominators[k] += float(np.log(_usable_variance(x) / NOISE + 1).sum())
    return sum(n / d if d > 0 else 1.0 for n, d in zip(numerators, denominators, strict=True))


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
    return vif_with_product(fused, infrared, visible, multiply)


_VIFF_NOISE = 0.005 * 255**2
_VIFF_WEIGHTS = (1 / 2.15, 0.0, 0.15 / 2.15, 1 / 2.15)


@metric("VIFF", source="Han, Cai, Cao & Xu, Inf. Fusion 14 (2013) 127", bounds=(0.0, INFINITY), min_side=17)
def viff(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """VIFF = Σ_s w_s Σ (n + 1e-7) / Σ (d + 1e-7) over 4 scales, w = (1, 0, 0.15, 1) / 2.15.

    n = log10(1 + g² σ_X² / (σ_v² + σ_n²)) and d = log10(1 + σ_X² / σ_n²) as in VIF with σ_n² = 0.005·255², taken at
    each place from the source with the smaller gain g. Constant sources: 1. Sides below 41 pixels have fewer scales,
    the weights rescaled to sum 1.
    """
    scales = scale_count(min(fused.levels.shape))
    result = 0.0
    for scale in range(scales):
        f = _moments(fused, scale, multiply)
        a_gain, a_kept, a_whole = _viff_terms(_moments(infrared, scale, multiply), f)
        b_gain, b_kept, b_whole = _viff_terms(_moments(visible, scale, multiply), f)
        first = a_gain < b_gain
        numerator = np.where(first, a_kept, b_kept).sum() + 1e-7 * first.size
        denominator = np.where(first, a_whole, b_whole).sum() + 1e-7 * first.size
        result += _VIFF_WEIGHTS[scale] * float(numerator / denominator)
    return result / sum(_VIFF_WEIGHTS[:scales])


def _viff_terms(x: LocalMoments, f: LocalMoments) -> tuple[Float, Float, Float]:
    """Gain, information kept and information there is, at every place."""
    gain, residual = gain_and_residual(x, f)
    variance = _usable_variance(x)
    information = np.log10(1 + gain * gain * variance / (residual + _VIFF_NOISE))
    return gain, information, cast("Float", np.log10(1 + variance / _VIFF_NOISE))
