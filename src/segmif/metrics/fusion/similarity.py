"""Metrics of structural similarity between the fused picture and its sources.

F fused, A infrared, B visible; μ, σ² and σxy are Gaussian-weighted local mean, variance and covariance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from segmif.metrics.fusion.catalog import metric
from segmif.metrics.fusion.plane import Float, Plane, kept, weighted_mean
from segmif.metrics.fusion.windows import Image, LocalMoments, gaussian, strips

C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2
"""Stabilising constants of SSIM for grey levels 0..255."""

FLAT = 1e-8
"""Local variances below this are rounding noise of a flat window: one level in one pixel gives more than 1e-4."""

SSIM_SOURCE = "Wang et al., IEEE Trans. Image Process. 13 (2004) 600"
_MS_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def window(taps: int = 11) -> Float:
    """The Gaussian of SSIM, σ 1.5."""
    return gaussian(taps, 1.5)


@kept
def local_moments(plane: Plane, taps: int = 11) -> LocalMoments:
    """Local moments of a plane."""
    return LocalMoments.of(plane.levels, window(taps))


def contrast_map(x: LocalMoments, y: LocalMoments, c: float = C2) -> Float:
    """(2 σxy + C2) / (σx² + σy² + C2)."""
    return (2 * x.covariance(y) + c) / (x.variance + y.variance + c)


def ssim_map(x: LocalMoments, y: LocalMoments) -> Float:
    """SSIM at every place of the window."""
    means = x.mean * y.mean
    top = (2 * means + C1) * (2 * x.covariance(y) + C2)
    bottom = (x.mean * x.mean + y.mean * y.mean + C1) * (x.variance + y.variance + C2)
    return top / bottom


@metric("SSIM", source=SSIM_SOURCE, bounds=(-1.0, 1.0), min_side=11)
def ssim(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """SSIM = (s(A, F) + s(B, F)) / 2, s the mean of
    (2 μx μy + C1)(2 σxy + C2) / ((μx² + μy² + C1)(σx² + σy² + C2)),
    11 × 11 Gaussian window, σ 1.5, where it fits; C1 = (0.01·255)², C2 = (0.03·255)². Equal constants: 1.
    """
    height, width = (side - 10 for side in fused.levels.shape)
    total = 0.0
    for rows in strips(height, width):
        f = LocalMoments.at(rows, fused.levels, window())
        total += sum(float(ssim_map(f, _at_rows(source, rows)).sum()) for source in (infrared, visible))
    return total / float(2 * height * width)


def _at_rows(source: Plane, rows: slice) -> LocalMoments:
    """Local moments at some rows: looked up if other fused pictures will ask again, else computed for once."""
    return local_moments(source).rows(rows) if source.shared else LocalMoments.at(rows, source.levels, window())


@kept
def _halved(plane: Plane, times: int) -> Image:
    """The picture halved `times` times: 2 × 2 means of pixels (i, i + 1), border repeated, every other one kept."""
    if times == 0:
        return plane.levels
    return halve(_halved(plane, times - 1))


def halve(values: Image) -> Float:
    """Half the sides, rounded up: 2 × 2 means, the last row and column repeated where they are odd."""
    height, width = values.shape
    padded = cv2.copyMakeBorder(values.astype(np.float64), 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    rows = padded[::2] + padded[1::2]
    return np.ascontiguousarray(rows[:, ::2] + rows[:, 1::2]) / 4


@kept
def moments_at(plane: Plane, scale: int) -> LocalMoments:
    return LocalMoments.of(_halved(plane, scale), window())


def scales_that_fit(plane: Plane, most: int) -> int:
    """How many halvings leave room for the 11 × 11 window, at most `most`."""
    side, count = min(plane.levels.shape), 0
    while count < most and side >= 11:
        side, count = (side + 1) // 2, count + 1
    return count


def weighted_product(parts: Sequence[float], weights: Sequence[float]) -> float:
    """Π max(part, 0)^weight; with fewer parts than weights, the first weights rescaled to the same sum."""
    rescale = sum(weights) / sum(weights[: len(parts)])
    return math.prod(float(max(q, 0.0) ** (w * rescale)) for q, w in zip(parts, weights, strict=False))


def _ms_ssim(fused: Plane, source: Plane) -> float:
    scales = scales_that_fit(fused, len(_MS_WEIGHTS))
    pairs = [(moments_at(fused, k), moments_at(source, k)) for k in range(scales)]
    parts = [float(contrast_map(x, y).mean()) for x, y in pairs[:-1]] + [float(ssim_map(*pairs[-1]).mean())]
    return weighted_product(parts, _MS_WEIGHTS)


@metric("MS_SSIM", source="Wang, Simoncelli & Bovik, Asilomar (2003) 1398", bounds=(0.0, 1.0), min_side=11)
def ms_ssim(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """MS_SSIM = (m(A, F) + m(B, F)) / 2, m = Π mean(contrast·structure)^w over 5 scales, the last with luminance.

    Windows and constants as in SSIM; w = 0.0448, 0.2856, 0.3001, 0.2363, 0.1333 from fine to coarse; between scales
    2 × 2 means. Negative means count as 0. Sides below 161 pixels have fewer scales, the weights rescaled to the same
    sum.
    """
    return (_ms_ssim(fused, infrared) + _ms_ssim(fused, visible)) / 2


def _noise_free(moment: Float) -> Float:
    """Local variances or covariances without the rounding noise of flat windows."""
    return np.where(np.abs(moment) < FLAT, 0.0, moment)


def _share(a: Float, b: Float) -> Float:
    """a / (a + b), half where the sum is 0."""
    total = a + b
    share: Float = np.full(total.shape, 0.5)
    np.divide(a, total, out=share, where=total != 0)
    return share


def _piella(fused: LocalMoments, infrared: LocalMoments, visible: LocalMoments) -> tuple[float, float]:
    """Plain and saliency-weighted mean of the λ-mixed SSIM maps."""
    var_a, var_b = _noise_free(infrared.variance), _noise_free(visible.variance)
    share = _share(var_a, var_b)
    mixed = share * ssim_map(fused, infrared) + (1 - share) * ssim_map(fused, visible)
    return float(mixed.mean()), weighted_mean(mixed, np.maximum(var_a, var_b))


@kept
def _piella_of_planes(fused: Plane, infrared: Plane, visible: Plane) -> tuple[float, float]:
    return _piella(local_moments(fused), local_moments(infrared), local_moments(visible))


_PIELLA = "Piella & Heijmans, ICIP (2003) III-173"


@metric("Qs", source=_PIELLA, bounds=(-1.0, 1.0), min_side=11)
def qs(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """Qs = mean of λ s(A, F) + (1 − λ) s(B, F), s the SSIM map, λ = σ_A² / (σ_A² + σ_B²), half where both are flat."""
    return _piella_of_planes(fused, infrared, visible)[0]


@metric("Qw", source=_PIELLA, bounds=(-1.0, 1.0), min_side=11)
def qw(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """Qw = the map of Qs averaged with weights max(σ_A², σ_B²)."""
    return _piella_of_planes(fused, infrared, visible)[1]


@kept
def _edge_moments(plane: Plane) -> LocalMoments:
    """Local moments of the Prewitt gradient magnitude, zeros outside."""
    values, ones, step = plane.values, np.ones(3), np.array([-1.0, 0.0, 1.0])
    gx = cv2.sepFilter2D(values, cv2.CV_64F, step, ones, borderType=cv2.BORDER_CONSTANT)
    gy = cv2.sepFilter2D(values, cv2.CV_64F, ones, step, borderType=cv2.BORDER_CONSTANT)
    return LocalMoments.of(np.sqrt(gx * gx + gy * gy), window())


@metric("Qe", source=_PIELLA, bounds=(-1.0, 1.0), min_side=11)
def qe(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """Qe = Qw · Qw of the edge pictures (Prewitt gradient magnitude, zeros outside), exponent 1."""
    edges = _piella(_edge_moments(fused), _edge_moments(infrared), _edge_moments(visible))
    return qw(fused, infrared, visible) * edges[1]


_YANG_C = 2e-16


def _yang_map(x: LocalMoments, y: LocalMoments, covariance: Float) -> Float:
    """SSIM with constants of 2e-16 only."""
    luminance = (2 * x.mean * y.mean + _YANG_C) / (x.mean * x.mean + y.mean * y.mean + _YANG_C)
    variances = _noise_free(x.variance) + _noise_free(y.variance)
    return luminance * (2 * covariance + _YANG_C) / (variances + _YANG_C)


@metric("Qy", source="Yang et al., Inf. Fusion 9 (2008) 156", bounds=(-1.0, 1.0), min_side=7)
def qy(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """Qy = mean of λ s(A, F) + (1 − λ) s(B, F) where s(A, B) ≥ 0.75, else of max(s(A, F), s(B, F)).

    s: SSIM map of a 7 × 7 Gaussian window, σ 1.5, C1 = C2 = 2e-16; λ = σ_A² / (σ_A² + σ_B²), half where both windows
    are flat. Variances and covariances below 1e-8 are taken for the 0 they are but for rounding.
    """
    f, a, b = (local_moments(plane, 7) for plane in (fused, infrared, visible))
    with_a, with_b = (_yang_map(f, x, _noise_free(f.covariance(x))) for x in (a, b))
    alike = _yang_map(a, b, _noise_free(a.covariance(b))) >= 0.75
    share = _share(_noise_free(a.variance), _noise_free(b.variance))
    return float(np.where(alike, share * with_a + (1 - share) * with_b, np.maximum(with_a, with_b)).mean())


@metric("Qc", source="Cvejic et al., Int. J. Inf. Commun. Eng. 2 (2006) 178", bounds=(-1.0, 1.0), min_side=7)
def qc(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """Qc = mean of w s(A, F) + (1 − w) s(B, F), w = σ_AF / (σ_AF + σ_BF); 0 where w < 0, 1 where w > 1.

    s and flat windows as in Qy; w is half where σ_AF + σ_BF = 0. There programs that keep the rounding noise report
    noise, so they agree to about 2e-4 only.
    """
    f, a, b = (local_moments(plane, 7) for plane in (fused, infrared, visible))
    cov_a, cov_b = (_noise_free(f.covariance(x)) for x in (a, b))
    share = _share(cov_a, cov_b)
    mixed = share * _yang_map(f, a, cov_a) + (1 - share) * _yang_map(f, b, cov_b)
    return float(np.where(share < 0, 0.0, np.where(share > 1, 1.0, mixed)).mean())
