"""Qm: agreement of edges in a Haar pyramid."""

from __future__ import annotations

import numpy as np

from segmif.metrics.fusion.catalog import metric
from segmif.metrics.fusion.plane import Float, Plane, kept, weighted_mean
from segmif.metrics.fusion.wavelets import Bands, haar

_EXPONENTS = (2 / 3, 1 / 3)


@kept
def _pyramid(plane: Plane) -> tuple[Bands, Bands]:
    fine = haar(plane.values)
    return fine, haar(fine.approximation)


def _detail_energy(bands: Bands) -> Float:
    return bands.horizontal**2 + bands.vertical**2 + bands.diagonal**2


def _agreement(x: Bands, y: Bands) -> Float:
    total: Float = np.zeros_like(x.diagonal)
    for a, b in zip(x[1:], y[1:], strict=True):
        total += np.exp(-np.abs(a - b))
    return total


@metric("Qm", source="Wang & Liu, ICSP (2008) 965", bounds=(0.0, 3.0), min_side=4)
def qm(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """Qm = Q1^(2/3) Q2^(1/3), Q = Σ (E_A W_A + E_B W_B) / Σ (W_A + W_B) per level of an orthonormal Haar pyramid.

    W = H² + V² + D² of a source's bands, E = Σ exp(−|band of X − band of F|) over H, V, D. Constant sources: equal
    weights.
    """
    result = 1.0
    for level, exponent in enumerate(_EXPONENTS):
        f = _pyramid(fused)[level]
        sources = [_pyramid(source)[level] for source in (infrared, visible)]
        agreement = np.concatenate([_agreement(x, f) for x in sources])
        result *= weighted_mean(agreement, np.concatenate([_detail_energy(x) for x in sources])) ** exponent
    return result
