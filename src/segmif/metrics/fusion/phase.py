"""Phase congruency after Kovesi, and the fusion metric Qp built on it."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import scipy.fft

from segmif.metrics.fusion.catalog import metric
from segmif.metrics.fusion.plane import Float, Plane, kept
from segmif.metrics.fusion.windows import gaussian, same

SCALES = 4
ORIENTATIONS = 6
_SHORTEST_WAVE = 3.0
_SCALE_STEP = 2.1
_SIGMA_ON_F = 0.55
_ANGULAR_SIGMA = math.pi / ORIENTATIONS / 1.2
_NOISE_DEVIATIONS = 2.0
_NOISE_OVERESTIMATE = 1.7
_SPREAD_CUT_OFF = 0.5
_SPREAD_GAIN = 10.0
_EPSILON = 1e-4
_FEATURE = 0.1
_STABILISER = 1e-4

Complex = npt.NDArray[np.complex128]


class PhaseMaps(NamedTuple):
    """Phase congruency and the largest and smallest moment of its covariance over orientation."""

    congruency: Float
    maximum: Float
    minimum: Float


@functools.lru_cache(maxsize=2)
def _log_gabor_bank(height: int, width: int) -> tuple[list[Float], list[Float]]:
    """Radial (per scale) and angular (per orientation) filter factors, zero frequency at [0, 0]."""
    x, y = (np.fft.ifftshift(_centred(n)) for n in (width, height))
    radius = np.hypot(x[None, :], y[:, None])
    radius[0, 0] = 1
    theta = np.arctan2(-y[:, None], x[None, :])
    low_pass = 1 / (1 + (np.hypot(np.fft.fftfreq(width)[None, :], np.fft.fftfreq(height)[:, None]) / 0.45) ** 30)
    radial = []
    for scale in range(SCALES):
        centre = 1 / (_SHORTEST_WAVE * _SCALE_STEP**scale)
        factor = np.exp(-(np.log(radius / centre) ** 2) / (2 * math.log(_SIGMA_ON_F) ** 2)) * low_pass
        factor[0, 0] = 0
        radial.append(factor)
    angular = []
    for orientation in range(ORIENTATIONS):
        away = theta - orientation * math.pi / ORIENTATIONS
        away = np.abs(np.arctan2(np.sin(away), np.cos(away)))
        angular.append(np.exp(-(away**2) / (2 * _ANGULAR_SIGMA**2)))
    return radial, angular


def _centred(n: int) -> Float:
    """Frequencies from −0.5 up, zero in the middle; odd counts reach +0.5 as well."""
    steps = np.arange(n) - n // 2
    return steps / (n - 1 if n % 2 and n > 1 else n)


def _noise_threshold(smallest: Float, filters: list[Float]) -> float:
    """Energy that noise alone would give, from the median response at the smallest scale."""
    median = float(np.median(smallest**2))
    power = median / math.log(2) / float((filters[0] ** 2).sum())
    # By Parseval, sums of products of the impulse responses are those of the (even parts of the) filters.
    even = [(f + np.roll(f[::-1, ::-1], (1, 1), (0, 1))) / 2 for f in filters]
    squares = sum(float((f * f).sum()) for f in even)
    total = cast("Float", sum(even))
    cross = (float((total * total).sum()) - squares) / 2
    tau = math.sqrt(power * squares + 2 * power * cross)
    mean, deviation = tau * math.sqrt(math.pi / 2), tau * math.sqrt(2 - math.pi / 2)
    return (mean + _NOISE_DEVIATIONS * deviation) / _NOISE_OVERESTIMATE


class _Oriented(NamedTuple):
    """Weighted energy and summed amplitude of one orientation."""

    energy: Float
    amplitude: Float


def _orientation_energy(spectrum: Complex, radial: list[Float], angular: Float) -> _Oriented:
    filters = [factor * angular for factor in radial]
    responses = [cast("Complex", scipy.fft.ifft2(spectrum * f)) for f in filters]
    amplitudes = [np.abs(r) for r in responses]
    summed = cast("Complex", sum(responses))
    amplitude = cast("Float", sum(amplitudes))
    mean = summed / (np.abs(summed) + _EPSILON)
    energy: Float = np.zeros_like(amplitude)
    for response in responses:
        turned = response * mean.conj()
        energy += turned.real - np.abs(turned.imag)
    energy = np.maximum(energy - _noise_threshold(amplitudes[0], filters), 0)
    width = amplitude / (functools.reduce(np.maximum, amplitudes) + _EPSILON) / SCALES
    return _Oriented(energy / (1 + np.exp((_SPREAD_CUT_OFF - width) * _SPREAD_GAIN)), amplitude)


@kept
def phase_maps(plane: Plane) -> PhaseMaps:
    """Phase congruency PC₂ of 4 scales and 6 orientations of log-Gabor filters (Kovesi, Videre 1999; DICTA 2003)."""
    radial, angular = _log_gabor_bank(*plane.levels.shape)
    spectrum = scipy.fft.fft2(plane.values)
    energy: Float = np.zeros_like(plane.values)
    amplitude: Float = np.zeros_like(plane.values)
    xx, yy, xy = np.zeros_like(energy), np.zeros_like(energy), np.zeros_like(energy)
    for orientation, factor in enumerate(angular):
        part = _orientation_energy(spectrum, radial, factor)
        energy += part.energy
        amplitude += part.amplitude
        congruency = np.divide(part.energy, part.amplitude, out=np.zeros_like(energy), where=part.amplitude > 0)
        angle = orientation * math.pi / ORIENTATIONS
        x, y = congruency * math.cos(angle), congruency * math.sin(angle)
        xx += x * x
        yy += y * y
        xy += x * y
    xx, yy, xy = xx / (ORIENTATIONS / 2), yy / (ORIENTATIONS / 2), xy / ORIENTATIONS
    spread = np.sqrt(xy**2 + (xx - yy) ** 2) + _EPSILON
    return PhaseMaps(energy / (amplitude + _EPSILON), (xx + yy + spread) / 2, (xx + yy - spread) / 2)


def _local_correlation(x: Float, y: Float) -> Float:
    """Gaussian (11 × 11, σ 1.5, zeros outside) local correlation, stabilised."""
    window = gaussian(11, 1.5)
    mean_x, mean_y = same(x, window), same(y, window)
    var_x, var_y = same(x * x, window) - mean_x**2, same(y * y, window) - mean_y**2
    covariance = same(x * y, window) - mean_x * mean_y
    return (covariance + _STABILISER) / (np.sqrt(np.abs(var_x * var_y)) + _STABILISER)


@metric(
    "Qp",
    source="Zhao, Laganière & Liu, IJICIC 3 (2007) 1433; Kovesi's phase congruency",
    bounds=(-1.0, 1.0),
    min_side=8,
)
def qp(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """Qp = r(PC) · r(M) · r(m) of phase congruency and its maximum and minimum moments.

    r: mean, over places where max(PC_A, PC_B) > 0.1, of the largest local correlation of F's map with that of A, of B
    and of whichever has the larger PC; a source counts where its PC > 0.1 and its map is 0 elsewhere; correlation
    (σ_xy + 1e-4) / (sqrt|σ_x² σ_y²| + 1e-4) in an 11 × 11 Gaussian, σ 1.5, zeros outside. No features at all: 1.
    """
    maps_a, maps_b, maps_f = phase_maps(infrared), phase_maps(visible), phase_maps(fused)
    first = maps_a.congruency > maps_b.congruency
    strongest = np.maximum(maps_a.congruency, maps_b.congruency)
    masks = [pc > _FEATURE for pc in (maps_a.congruency, maps_b.congruency, strongest)]
    if not masks[2].any():
        return 1.0
    result = 1.0
    for a, b, f in zip(maps_a, maps_b, maps_f, strict=True):
        references = (a, b, np.where(first, a, b))
        found = [
            np.where(mask, _local_correlation(np.where(mask, x, 0), f), 0)
            for x, mask in zip(references, masks, strict=True)
        ]
        result *= float(functools.reduce(np.maximum, found).sum()) / int(masks[2].sum())
    return result
