"""Feature mutual information: how much local structure of a feature map the fused picture shares with its sources.

In each 3 × 3 window both maps become probability distributions over the 9 places; their joint distribution is the
mix of independence and of the strongest dependence (Fréchet bound) that reproduces their correlation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import scipy.fft

from segmif.metrics.fusion.catalog import metric
from segmif.metrics.fusion.plane import Float, Plane, kept
from segmif.metrics.fusion.wavelets import meyer
from segmif.metrics.fusion.windows import central_gradient

_SOURCE = "Haghighat & Razian, AICT (2014), fast FMI; Haghighat et al., Comput. Electr. Eng. 37 (2011) 744"
_CHUNK = 1024
"""Windows worked on at a time: the 81-fold joint tables stay small."""

_PLACES = np.arange(1.0, 10.0)[:, None]


def _unit_range(values: Float, axis: int | None) -> Float:
    """Stretch to 0..1 along an axis; ones where constant."""
    low = values.min(axis=axis, keepdims=True)
    span = values.max(axis=axis, keepdims=True) - low
    ones: Float = np.ones(values.shape)
    np.divide(values - low, span, out=ones, where=span > 0)
    return ones


def _windows(feature: Float) -> Float:
    """(9, n) values of all 3 × 3 windows, column by column."""
    height, width = feature.shape
    columns = [feature[i : height - 2 + i, j : width - 2 + j].ravel() for j in range(3) for i in range(3)]
    return np.stack(columns)


def _entropy(p: Float) -> Float:
    """Entropy in bits along the first axis; of |p| where rounding has made p negative."""
    magnitude = np.abs(p)
    return cast("Float", -(p * np.log2(np.where(magnitude > 0, magnitude, 1))).sum(0))


def _joint(p: Float, q: Float) -> Float:
    """(81, n) joint distributions of pairs of distributions (9, n)."""
    n = p.shape[1]
    cdf_p, cdf_q = np.cumsum(p, 0), np.cumsum(q, 0)
    centred_p, centred_q = p - p.mean(0), q - q.mean(0)
    norms = np.sqrt((centred_p**2).sum(0) * (centred_q**2).sum(0))
    correlation = np.divide((centred_p * centred_q).sum(0), norms, out=np.zeros(n), where=norms > 0)

    upper = np.minimum(cdf_p[:, None], cdf_q[None])
    lower = np.maximum(cdf_p[:, None] + cdf_q[None] - 1, 0)
    bound = np.where(correlation >= 0, upper, lower)
    deviations = np.sqrt(_index_variance(p) * _index_variance(q))
    strongest = (bound - cdf_p[:, None] * cdf_q[None]).sum((0, 1))
    usable = (correlation != 0) & (deviations > 0) & (strongest != 0)
    mix = np.divide(correlation * deviations, strongest, out=np.zeros(n), where=usable)
    steps = np.diff(np.diff(bound, axis=0, prepend=0), axis=1, prepend=0)
    product = p[:, None] * q[None]
    return cast("Float", mix * steps + (1 - mix) * product).reshape(81, n)


def _index_variance(p: Float) -> Float:
    """Variance of the place index 1..9 under each distribution."""
    mean = (_PLACES * p).sum(0)
    return cast("Float", np.maximum((_PLACES**2 * p).sum(0) - mean**2, 0))


def _normalised_information(x: Float, y: Float) -> Float:
    """2 MI / (H + H') of each pair of windows (9, n); 1 where they are identical."""
    p, q = _unit_range(x, 0), _unit_range(y, 0)
    p, q = p / p.sum(0), q / q.sum(0)
    entropies = _entropy(p) + _entropy(q)
    information = entropies - _entropy(_joint(p, q))
    shared = np.divide(2 * information, entropies, out=np.zeros_like(entropies), where=entropies > 0)
    return np.where((x == y).all(0), 1.0, shared)


def _raw(plane: Plane) -> Float:
    return plane.values


def _gradient(plane: Plane) -> Float:
    return central_gradient(plane.values)[0]


def _dct(plane: Plane) -> Float:
    transformed: Float = scipy.fft.dctn(plane.values, norm="ortho")
    return transformed


def _wavelet(plane: Plane) -> Float:
    bands = meyer(plane.values)
    tiled = np.block([[bands.approximation, bands.horizontal], [bands.vertical, bands.diagonal]])
    return _unit_range(tiled, None)


_Feature = Callable[[Plane], Float]


@kept
def _feature_windows(plane: Plane, feature: _Feature) -> Float:
    return _windows(feature(plane))


def fmi(fused: Plane, infrared: Plane, visible: Plane, feature: _Feature) -> float:
    """Mean over windows and over the two sources of 2 MI / (H + H')."""
    f = _feature_windows(fused, feature)
    total = 0.0
    for source in (infrared, visible):
        x = _feature_windows(source, feature)
        for start in range(0, f.shape[1], _CHUNK):
            part = slice(start, start + _CHUNK)
            total += float(_normalised_information(x[:, part], f[:, part]).sum())
    return total / float(2 * f.shape[1])


@metric("FMI_none", source=_SOURCE, bounds=(0.0, 1.0), min_side=3)
def fmi_none(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """FMI_none: feature mutual information of the grey levels themselves. Equal constants: 1.

    2 MI / (H + H') per 3 × 3 window, mean over windows and sources. A window, stretched to 0..1 (constant: ones) and
    divided by its sum, is a distribution over its 9 places, column by column; joint = φ · Fréchet bound + (1 − φ) ·
    product, upper bound for Pearson correlation c ≥ 0, lower else; φ = c / correlation of the bound.
    """
    return fmi(fused, infrared, visible, _raw)


@metric("FMI_gradient", source=_SOURCE, bounds=(0.0, 1.0), min_side=3)
def fmi_gradient(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """FMI_gradient: as FMI_none on the horizontal central differences, one-sided at the edges."""
    return fmi(fused, infrared, visible, _gradient)


@metric("FMI_dct", source=_SOURCE, bounds=(0.0, 1.0), min_side=3)
def fmi_dct(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """FMI_dct: as FMI_none on the orthonormal DCT-II of the whole picture."""
    return fmi(fused, infrared, visible, _dct)


@metric("FMI_wavelet", source=_SOURCE, bounds=(0.0, 1.0), min_side=3)
def fmi_wavelet(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """FMI_wavelet: as FMI_none on one level of the discrete Meyer wavelet (102 taps), [A H; V D] stretched to 0..1."""
    return fmi(fused, infrared, visible, _wavelet)
