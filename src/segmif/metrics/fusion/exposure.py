"""MEF-SSIM: structural similarity with the patch that an ideal fusion of all sources would give.

The desired patch is a weighted sum of the two mean-free source patches, so its variance and its covariance with the
fused patch follow from local moments of the sources; no patch is ever formed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from segmif.metrics.fusion.catalog import metric
from segmif.metrics.fusion.plane import Float, Plane, kept
from segmif.metrics.fusion.similarity import C2, moments_at, scales_that_fit, weighted_product
from segmif.metrics.fusion.windows import Image, LocalMoments, box, multiply, valid

_WEIGHTS = tuple(w / 0.6305 for w in (0.0448, 0.2856, 0.3001))
_TAPS = 11
_EPS = float(np.finfo(np.float64).eps)


class _Desired(NamedTuple):
    """Desired patch = a · infrared + b · visible at every place, up to its mean, and its Gaussian variance."""

    a: Float
    b: Float
    variance: Float


def _box_covariance(x: Image, y: Image) -> Float:
    """Σ over the window of (x − mean x)(y − mean y)."""
    window = box(_TAPS)
    return _TAPS**2 * (valid(multiply(x, y), window) - valid(x, window) * valid(y, window))


@kept
def _desired(infrared: Plane, visible: Plane, scale: int) -> _Desired:
    ma, mb = moments_at(infrared, scale), moments_at(visible, scale)
    sum_aa = np.maximum(_box_covariance(ma.image, ma.image), 0)
    sum_bb = np.maximum(_box_covariance(mb.image, mb.image), 0)
    sum_ab = _box_covariance(ma.image, mb.image)
    norm_a, norm_b = np.sqrt(sum_aa), np.sqrt(sum_bb)
    strength_a, strength_b = norm_a + 0.001, norm_b + 0.001

    norm_of_sum = np.sqrt(np.maximum(sum_aa + sum_bb + 2 * sum_ab, 0))
    consistency = np.clip((norm_of_sum + _EPS) / (norm_a + norm_b + _EPS), _EPS, 1 - _EPS)
    power = np.minimum(np.tan(np.pi / 2 * consistency), 10)
    weight_a, weight_b = (strength_a / _TAPS) ** power + _EPS, (strength_b / _TAPS) ** power + _EPS
    a = weight_a / (weight_a + weight_b) / strength_a
    b = weight_b / (weight_a + weight_b) / strength_b
    norm = np.sqrt(np.maximum(a * a * sum_aa + b * b * sum_bb + 2 * a * b * sum_ab, 0))
    rescale = np.divide(np.maximum(strength_a, strength_b), norm, out=np.ones_like(norm), where=norm > 0)
    a, b = a * rescale, b * rescale
    variance = a * a * ma.variance + b * b * mb.variance + 2 * a * b * ma.covariance(mb)
    return _Desired(a, b, variance)


def _quality(fused: LocalMoments, infrared: LocalMoments, visible: LocalMoments, desired: _Desired) -> float:
    covariance = desired.a * fused.covariance(infrared) + desired.b * fused.covariance(visible)
    return float(((2 * covariance + C2) / (desired.variance + fused.variance + C2)).mean())


@metric(
    "MS_SSIM_MEF", source="Ma, Zeng & Wang, IEEE Trans. Image Process. 24 (2015) 3345", bounds=(0.0, 1.0), min_side=11
)
def ms_ssim_mef(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """MS_SSIM_MEF = Π q_s^w over 3 scales, q the mean of (2 σ_rF + C) / (σ_r² + σ_F² + C), w = 0.0448, 0.2856, 0.3001
    rescaled to sum 1; no luminance term; negative q counts as 0. Constants: 1.

    r, the desired patch: Σ_k w_k (x_k − m_k) / e_k rescaled to norm max(e_k), with e_k = |x_k − m_k| + 0.001,
    w_k ∝ (e_k / 11)^p + eps, p = min(tan(π R / 2), 10), R = |Σ (x_k − m_k)| / Σ |x_k − m_k|; 11 × 11 windows where they
    fit, σ Gaussian (1.5), C = (0.03·255)². Between scales 2 × 2 means. Sides below 41 pixels have fewer scales.
    """
    scales = scales_that_fit(fused, len(_WEIGHTS))
    qualities = [
        _quality(moments_at(fused, k), moments_at(infrared, k), moments_at(visible, k), _desired(infrared, visible, k))
        for k in range(scales)
    ]
    return weighted_product(qualities, _WEIGHTS)
