"""Fusion by gradient transfer and total variation: Ma, Chen, Li, Huang, Information Fusion 31:100-109, 2016 (GTF).

With A the infrared and B the visible picture, the fused picture is B + U, where U minimises
‖U − (A − B)‖₁ + λ‖∇U‖₁. It is solved like in the paper by iteratively reweighted least squares (Rodríguez & Wohlberg,
TIP 18(2), 2009), whose few and inexact steps are part of the method: they set how far U leaves A − B.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_STEPS = 5
_RESIDUAL_FALL = 5.0
_FIRST_FIDELITY = 0.8
_FIDELITY_QUANTILE = 0.05
_GRADIENT_QUANTILE = 0.01
_MAX_ITERATIONS = 500
_TINY = 1e-12


def transfer_gradients(infrared: Array, luma: Array, *, weight: float = 4.0) -> Array:
    """Fuse a pair of grey (H, W) pictures, float in [0, 1]; the result (H, W) float64 may leave it.

    Args:
        infrared: gives the intensity.
        luma: gives the gradients.
        weight: λ. Where the three channels of a colour picture are solved as one with λ, as in VIFB's pictures, the
            luma comes out as with λ/√3: three fidelities add, but three gradients are one vector.
    """
    difference = infrared.astype(np.float64) - luma
    change = difference
    for step in range(_STEPS):
        misfit = np.abs(change - difference)
        fidelity = _floored(misfit, _FIDELITY_QUANTILE) if step else np.full_like(misfit, _FIRST_FIDELITY)
        down, right = _gradient(change)
        slope = np.sqrt(_floored(down**2 + right**2, _GRADIENT_QUANTILE))
        solved = _reweighted(difference, change, fidelity, slope, weight)
        if solved is None:
            break
        change = solved
    fused: Array = change + luma
    return fused


def _reweighted(target: Array, start: Array, fidelity: Array, slope: Array, weight: float) -> Array | None:
    """Go towards the U that minimises Σ (U − target)² / fidelity + λ Σ |∇U|² / slope; None if `start` is that U.

    Conjugate gradients in the scaled unknown U / √(fidelity / 2), until the residual has fallen to a fifth.
    """
    scale = np.sqrt(fidelity / 2)

    def system(unknown: Array) -> Array:
        down, right = _gradient(scale * unknown)
        smoothed: Array = unknown + weight * scale * _divergence(2 * down / slope, 2 * right / slope)
        return smoothed

    solution = start / scale
    residual = target / scale - system(solution)
    energy = float(np.sum(residual**2))
    goal = energy / _RESIDUAL_FALL**2
    if energy == 0:
        return None
    direction = residual
    for _ in range(_MAX_ITERATIONS):
        if energy <= goal:
            break
        image = system(direction)
        step = energy / float(np.sum(direction * image))
        solution = solution + step * direction
        residual = residual - step * image
        previous, energy = energy, float(np.sum(residual**2))
        direction = residual + energy / previous * direction
    scaled: Array = scale * solution
    return scaled


def _floored(values: Array, quantile: float) -> Array:
    """Values raised to their quantile and a thousandth of the largest, so that no weight is infinite."""
    floor = max(float(np.quantile(values, quantile)), float(values.max()) / 1000, _TINY)
    return np.maximum(values, floor)


def _gradient(image: Array) -> tuple[Array, Array]:
    """Forward differences down and to the right, 0 at the far border."""
    return np.diff(image, axis=0, append=image[-1:]), np.diff(image, axis=1, append=image[:, -1:])


def _divergence(down: Array, right: Array) -> Array:
    """The transpose of `_gradient`: minus the divergence."""
    return -np.diff(down, axis=0, prepend=0.0) - np.diff(right, axis=1, prepend=0.0)
