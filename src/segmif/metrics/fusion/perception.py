"""Metrics through a model of human contrast sensitivity, applied in the frequency domain.

Each picture is first stretched by its own range to 0..255. u, v in [−1, 1) are frequencies in half cycles per sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import cv2
import numpy as np
import scipy.fft

from segmif.metrics.fusion.catalog import INFINITY, metric
from segmif.metrics.fusion.information import stretch
from segmif.metrics.fusion.plane import Float, Plane, kept, weighted_mean
from segmif.metrics.fusion.windows import gaussian, same

_BLOCK = 16


@kept
def _stretched(plane: Plane) -> Float:
    return stretch(plane)[plane.levels].astype(np.float64)


def _filtered(image: Float, scale: float, response: Callable[[Float], Float]) -> Float:
    """Multiply the spectrum by `response`(r), r = hypot(u W / scale, v H / scale)."""
    height, width = image.shape
    u = 2 * np.fft.rfftfreq(width) * width / scale
    v = 2 * np.fft.fftfreq(height) * height / scale
    spectrum = scipy.fft.rfft2(image) * response(np.hypot(u[None, :], v[:, None]))
    return cast("Float", scipy.fft.irfft2(spectrum, s=image.shape))


def _difference_of_gaussians(r: Float) -> Float:
    """Contrast sensitivity exp(−(r/15.387)²) − 0.7622 exp(−(r/1.3456)²)."""
    return np.exp(-((r / 15.387) ** 2)) - 0.7622 * np.exp(-((r / 1.3456) ** 2))


def _mannos_sakrison(r: Float) -> Float:
    """Contrast sensitivity 2.6 (0.0192 + 0.144 r) exp(−(0.144 r)^1.1)."""
    return 2.6 * (0.0192 + 0.144 * r) * np.exp(-((0.144 * r) ** 1.1))


@kept
def _masked_contrast(plane: Plane) -> Float:
    """Perceived local contrast P = C³ / (C² + 0.0001), C = |G2∗x / G4∗x − 1|; 0 where G4∗x is 0."""
    seen = _filtered(_stretched(plane), 30, _difference_of_gaussians)
    near, far = (same(seen, _density(sigma)) for sigma in (2.0, 4.0))
    c = np.abs(np.divide(near, far, out=np.ones_like(near), where=far != 0) - 1)
    return cast("Float", c**3 / (c**2 + 0.0001))


def _density(sigma: float) -> Float:
    """One factor of a 31 × 31 Gaussian scaled by 1/(2πσ²) instead of to sum 1."""
    window = gaussian(31, sigma)
    return cast("Float", window / window[15] / (math.sqrt(2 * math.pi) * sigma))


@metric("Qcb", source="Chen & Blum, Image Vis. Comput. 27 (2009) 1421", bounds=(0.0, 1.0))
def qcb(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """Qcb = mean of (P_A² Q_A + P_B² Q_B) / (P_A² + P_B²), Q_X = min(P_X, P_F) / max(P_X, P_F).

    P = C³ / (C² + 0.0001), C = |G2∗x / G4∗x − 1|, x the picture after the contrast sensitivity
    exp(−(r/15.387)²) − 0.7622 exp(−(r/1.3456)²), r = hypot(u W/30, v H/30); G2, G4 31 × 31 Gaussians of σ 2 and 4
    scaled by 1/(2πσ²), zeros outside. 0/0: Q = 1, equal weights. Constants: 1.
    """
    p_fused = _masked_contrast(fused)
    numerator: Float = np.zeros_like(p_fused)
    denominator: Float = np.zeros_like(p_fused)
    qualities = []
    for source in (infrared, visible):
        p = _masked_contrast(source)
        high = np.maximum(p, p_fused)
        quality = np.divide(np.minimum(p, p_fused), high, out=np.ones_like(high), where=high > 0)
        numerator += p * p * quality
        denominator += p * p
        qualities.append(quality)
    equal = (qualities[0] + qualities[1]) / 2
    return float(np.divide(numerator, denominator, out=equal, where=denominator > 0).mean())


def _block_sums(image: Float) -> Float:
    """Sums over 16 × 16 blocks, zeros added at the right and bottom to whole blocks."""
    height, width = image.shape
    padded = np.pad(image, ((0, -height % _BLOCK), (0, -width % _BLOCK)))
    rows, columns = padded.shape[0] // _BLOCK, padded.shape[1] // _BLOCK
    return cast("Float", padded.reshape(rows, _BLOCK, columns, _BLOCK).sum((1, 3)))


@kept
def _saliency(source: Plane) -> Float:
    """Σ g⁵ per block, g the Sobel magnitude of the stretched picture, zeros outside."""
    gx, gy = (
        cv2.Sobel(_stretched(source), cv2.CV_64F, *order, borderType=cv2.BORDER_CONSTANT) for order in ((1, 0), (0, 1))
    )
    return _block_sums(np.sqrt(gx * gx + gy * gy) ** 5)


@metric("Qcv", source="Chen & Varshney, Inf. Fusion 8 (2007) 193", bounds=(0.0, INFINITY), better="lower")
def qcv(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """Qcv = Σ (l_A D_A + l_B D_B) / Σ (l_A + l_B) over 16 × 16 blocks, l = Σ g⁵ of the Sobel magnitude.

    D_X = block mean of (X − F after the contrast sensitivity 2.6 (0.0192 + 0.144 r) exp(−(0.144 r)^1.1),
    r = hypot(u W/8, v H/8))². Sobel and incomplete blocks with zeros outside. Constant sources: equal weights.
    """
    weights, distances = [], []
    for source in (infrared, visible):
        difference = _filtered(_stretched(source) - _stretched(fused), 8, _mannos_sakrison)
        distances.append(_block_sums(difference * difference) / _BLOCK**2)
        weights.append(_saliency(source))
    return weighted_mean(np.concatenate(distances), np.concatenate(weights))
