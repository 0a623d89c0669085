"""Is one method better than another, or were the images lucky? A paired bootstrap over images.

Efron & Tibshirani: An Introduction to the Bootstrap (1993), chapters 13 and 16.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segmif.checks import InputError

Statistic = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]

_CHUNK = 500


@dataclass(frozen=True, kw_only=True)
class BootstrapResult:
    """How much higher `first` scores than `second`.

    Attributes:
        difference: of the statistic on all images, first - second.
        low, high: 95 % percentile interval of the difference.
        p_value: two-sided, that the true difference is zero; never below 2 / (samples + 1).
        images: how many images were resampled.
        samples: how many resamples were drawn.
    """

    difference: float
    low: float
    high: float
    p_value: float
    images: int
    samples: int

    @property
    def significant(self) -> bool:
        """Whether p < 0.05."""
        return self.p_value < 0.05


def _identity(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return values


def paired_bootstrap(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    statistic: Statistic = _identity,
    *,
    samples: int = 10_000,
    seed: int = 0,
) -> BootstrapResult:
    """Compare two methods on the same images.

    Images are drawn with replacement, the same ones for both methods; each draw gives the statistic of the mean over
    the drawn images. For a number per image, the default statistic is that mean. For confusion matrices per image it
    is, say, `SegmentationScore.mean_iou`: IoU does not care whether counts are summed or averaged.

    Args:
        first: (N, ...) one value, or one confusion matrix, per image; N >= 2.
        second: same shape, same order of images.
        statistic: maps means (S, ...) to numbers (S,).
        samples: number of resamples.
        seed: the same seed gives the same result.

    Raises:
        InputError: shapes differ, fewer than two images, not finite values, or too few samples.

    >>> better = paired_bootstrap([0.8, 0.9, 0.7, 0.8], [0.5, 0.6, 0.5, 0.4])
    >>> round(better.difference, 2), better.significant
    (0.3, True)
    """
    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    _check(one, two, samples)
    rng = np.random.default_rng(seed)
    images = len(one)
    draws = []
    for start in range(0, samples, _CHUNK):
        count = min(_CHUNK, samples - start)
        weights = rng.multinomial(images, np.full(images, 1 / images), count) / images
        draws.append(_apply(statistic, weights, one) - _apply(statistic, weights, two))
    differences = np.concatenate(draws)
    everything = np.full((1, images), 1 / images)
    observed = float((_apply(statistic, everything, one) - _apply(statistic, everything, two))[0])
    defined = differences[np.isfinite(differences)]
    if not np.isfinite(observed) or not len(defined):
        raise InputError("the statistic is undefined on these images; score classes that occur in the truth")
    low, high = np.percentile(defined, (2.5, 97.5))
    # Counting the observation itself keeps p away from a false zero (Davison & Hinkley 1997, section 4.2).
    tail = min((defined <= 0).sum(), (defined >= 0).sum())
    return BootstrapResult(
        difference=observed,
        low=float(low),
        high=float(high),
        p_value=float(min(1.0, 2 * (tail + 1) / (len(defined) + 1))),
        images=images,
        samples=samples,
    )


def _apply(
    statistic: Statistic, weights: npt.NDArray[np.float64], values: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The statistic of weighted means over images: (S, N), (N, ...) -> (S,)."""
    means = (weights @ values.reshape(len(values), -1)).reshape(len(weights), *values.shape[1:])
    return np.asarray(statistic(means), np.float64)


def _check(one: npt.NDArray[Any], two: npt.NDArray[Any], samples: int) -> None:
    if one.shape != two.shape:
        raise InputError(
            f"the first method has scores of shape {one.shape}, the second {two.shape}: "
            "score both on the same images in the same order"
        )
    if one.ndim == 0 or len(one) < 2:
        raise InputError("a bootstrap over images needs at least 2 images; score more of them")
    if not (np.isfinite(one).all() and np.isfinite(two).all()):
        raise InputError("the scores hold NaN or infinity; leave those images out of both methods")
    if samples < 100:
        raise InputError(f"samples is {samples}: fewer than 100 resamples give no interval; use 1000 or more")
