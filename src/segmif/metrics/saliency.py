"""Salient object detection: S-measure, E-measure, F-measure, weighted F and mean absolute error.

- S: Fan et al., Structure-measure: a new way to evaluate foreground maps, ICCV 2017.
- E: Fan et al., Enhanced-alignment measure for binary foreground map evaluation, IJCAI 2018.
- F: Achanta et al., Frequency-tuned salient region detection, CVPR 2009 (beta² = 0.3).
- wF: Margolin et al., How to evaluate foreground maps?, CVPR 2014.

A map p is (H, W) in [0, 1], the truth g a mask. F and E are curves over the 256 thresholds t = 255, 254 ... 0 of
``floor(255 p) >= t``; both need only the counts of true and false positives, hence one histogram per image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from segmif.checks import InputError, check_same_size

Map = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
_BETA2 = 0.3


def s_measure(saliency: Map, truth: Mask, *, alpha: float = 0.5) -> float:
    """Structure measure: alpha S_object + (1 - alpha) S_region, at least 0.

    An empty truth scores 1 - mean(p), a full one mean(p).
    """
    share = float(truth.mean())
    if share == 0:
        return 1 - float(saliency.mean())
    if share == 1:
        return float(saliency.mean())
    objects = share * _object_score(saliency[truth]) + (1 - share) * _object_score(1 - saliency[~truth])
    return max(0.0, alpha * objects + (1 - alpha) * _region_score(saliency, truth))


def _object_score(values: Values) -> float:
    """Equation 4 of the paper: 2 mean / (mean² + 1 + deviation), of the map inside one region that should be 1."""
    mean = float(values.mean())
    deviation = float(values.std(ddof=1)) if values.size > 1 else 0.0
    return 2 * mean / (mean * mean + 1 + deviation + _EPS)


def _region_score(saliency: Map, truth: Mask) -> float:
    """Similarity of the four quarters about the centroid of the truth, weighted by their areas."""
    height, width = truth.shape
    rows, columns = np.nonzero(truth)
    # The quarters include the centroid's row and column (1-based in the authors' definition), rounded half to even.
    y, x = int(np.round(rows.mean())) + 1, int(np.round(columns.mean())) + 1
    score = 0.0
    for part in (np.s_[:y, :x], np.s_[:y, x:], np.s_[y:, :x], np.s_[y:, x:]):
        area = truth[part].size
        if area:
            score += area / (height * width) * _similarity(saliency[part], truth[part].astype(np.float64))
    return score


def _similarity(first: Map, second: Map) -> float:
    """Luminance, contrast and structure compared over a whole region (SSIM without constants)."""
    mean1, mean2 = float(first.mean()), float(second.mean())
    unbiased = max(first.size - 1, 1)
    one, two = first - mean1, second - mean2
    variance1, variance2 = float((one * one).sum()) / unbiased, float((two * two).sum()) / unbiased
    covariance = float((one * two).sum()) / unbiased
    numerator = 4 * mean1 * mean2 * covariance
    denominator = (mean1 * mean1 + mean2 * mean2) * (variance1 + variance2)
    if numerator != 0:
        return numerator / (denominator + _EPS)
    return 1.0 if denominator == 0 else 0.0


def threshold_counts(saliency: Map, truth: Mask) -> tuple[Values, Values]:
    """True and false positives at the thresholds 255, 254 ... 0, (256,) each."""
    levels = (saliency * 255).astype(np.uint8)
    inside = np.bincount(levels[truth], minlength=256)
    outside = np.bincount(levels.ravel(), minlength=256) - inside
    return np.cumsum(inside[::-1]).astype(np.float64), np.cumsum(outside[::-1]).astype(np.float64)


def f_measure(hits: npt.ArrayLike, false: npt.ArrayLike, positives: int) -> Values:
    """F = (1 + beta²) P R / (beta² P + R), beta² = 0.3, from true and false positive counts (any shape).

    0 where nothing is found: without hits, or with an empty truth.
    """
    tp, fp = np.asarray(hits, np.float64), np.asarray(false, np.float64)
    precision = tp / np.maximum(tp + fp, 1)
    recall = tp / max(positives, 1)
    denominator = _BETA2 * precision + recall
    return (1 + _BETA2) * precision * recall / np.where(denominator == 0, 1, denominator)


def e_measure(hits: npt.ArrayLike, false: npt.ArrayLike, positives: int, pixels: int) -> Values:
    """Mean over the pixels (divisor H W - 1) of ((alignment + 1)² / 4) of two binary masks, from their counts.

    The alignment 2 a b / (a² + b²) of the two masks less their means takes only four values, one for each
    combination of mask values, so the counts say all. An empty truth scores the share of negatives, a full one
    that of positives.
    """
    tp, fp = np.asarray(hits, np.float64), np.asarray(false, np.float64)
    found, negatives = tp + fp, pixels - positives
    if positives == 0:
        total = pixels - found
    elif negatives == 0:
        total = found
    else:
        mean_map, mean_truth = found / pixels, positives / pixels
        total = np.zeros_like(tp)
        for count, in_map, in_truth in (
            (tp, 1, 1),
            (fp, 1, 0),
            (positives - tp, 0, 1),
            (negatives - fp, 0, 0),
        ):
            a, b = in_map - mean_map, in_truth - mean_truth
            alignment = 2 * a * b / (a * a + b * b + _EPS)
            total += count * (alignment + 1) ** 2 / 4
    return np.asarray(total / max(pixels - 1, 1))


def weighted_f(saliency: Map, truth: Mask) -> float:
    """Weighted F (beta² = 1): errors near each other count together, those far from the object count more.

    0 for an empty truth.
    """
    if not truth.any():
        return 0.0
    error = np.abs(saliency - truth)
    distance, nearest = distance_transform_edt(~truth, return_indices=True)
    # Outside the object an error depends on the nearest object pixel, so that smoothing does not reach over the edge.
    spread = error[nearest[0], nearest[1]]
    kernel = cv2.getGaussianKernel(7, 5, cv2.CV_64F)
    smooth = cv2.sepFilter2D(spread, cv2.CV_64F, kernel, kernel, borderType=cv2.BORDER_CONSTANT)
    weighted = np.where(truth, np.minimum(error, smooth), error * (2 - np.exp(np.log(0.5) / 5 * distance)))
    hits = truth.sum() - weighted[truth].sum()
    recall = 1 - weighted[truth].mean()
    precision = hits / (hits + weighted[~truth].sum() + _EPS)
    return float(2 * recall * precision / (recall + precision + _EPS))


@dataclass(frozen=True, kw_only=True)
class SaliencyValues:
    """Scores of one image; curves are over the thresholds 255 ... 0, ``adaptive`` is at min(1, 2 mean(p))."""

    s: float
    mae: float
    weighted_f: float
    adaptive_f: float
    adaptive_e: float
    f_curve: Values
    e_curve: Values


def saliency_values(saliency: Any, truth: Any, *, stretch: bool = True) -> SaliencyValues:
    """All scores of one image.

    Args:
        saliency: (H, W) uint8, or float in [0, 1].
        truth: (H, W) bool, ids 0 and 1, or uint8 where more than 128 means salient.
        stretch: first stretch the map to 0..1 by its own minimum and maximum, as the field does.

    Raises:
        InputError: sizes differ, or a map of another dtype, shape or range.
    """
    p, g = _as_map(saliency, stretch), _as_mask(truth)
    check_same_size("the saliency map", p.shape, "the truth", g.shape)
    positives = int(g.sum())
    hits, false = threshold_counts(p, g)
    found = p >= min(2 * float(p.mean()), 1.0)
    adaptive = float((found & g).sum()), float((found & ~g).sum())
    return SaliencyValues(
        s=s_measure(p, g),
        mae=float(np.abs(p - g).mean()),
        weighted_f=weighted_f(p, g),
        adaptive_f=float(f_measure(*adaptive, positives)),
        adaptive_e=float(e_measure(*adaptive, positives, g.size)),
        f_curve=f_measure(hits, false, positives),
        e_curve=e_measure(hits, false, positives, g.size),
    )


def _plane(name: str, values: Any) -> tuple[npt.NDArray[Any], tuple[int, int]]:
    array = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    if array.ndim != 2 or not array.size:
        raise InputError(f"{name} has shape {array.shape}: expected (H, W); drop channel and batch dimensions")
    return array, (array.shape[0], array.shape[1])


def _as_map(values: Any, stretch: bool) -> Map:
    array, _ = _plane("the saliency map", values)
    if array.dtype == np.uint8:
        unit = array / 255
    elif array.dtype.kind == "f":
        low, high = float(array.min()), float(array.max())
        if low < 0 or high > 1 or not np.isfinite(low + high):
            raise InputError(f"the saliency map holds {low:g}..{high:g}: floats must be in 0..1; apply a sigmoid first")
        unit = array.astype(np.float64)
    else:
        raise InputError(f"the saliency map has dtype {array.dtype}: expected uint8 or float; convert it first")
    if stretch and unit.max() > unit.min():
        unit = (unit - unit.min()) / (unit.max() - unit.min())
    return unit


def _as_mask(values: Any) -> Mask:
    array, _ = _plane("the truth", values)
    if array.dtype == np.bool_:
        return array
    if array.dtype.kind not in "iu":
        raise InputError(f"the truth has dtype {array.dtype}: expected bool, ids 0 and 1, or uint8; threshold it first")
    return np.asarray(array > (0 if array.max() <= 1 else 128))


class SaliencyResult(TypedDict):
    """What `SaliencyScore.compute` returns; all in [0, 1], higher is better but for MAE.

    ``maxF``/``meanF`` (``maxE``/``meanE``) are the maximum and mean over thresholds of the curve averaged over
    images; ``adpF``/``adpE`` are the means at each image's adaptive threshold.
    """

    images: int
    S: float
    MAE: float
    wF: float
    maxF: float
    meanF: float
    adpF: float
    maxE: float
    meanE: float
    adpE: float


class SaliencyScore:
    """Accumulate saliency maps of a data set (VT821, VT1000, VT5000...) and score them as the field does.

    >>> score = SaliencyScore()
    >>> truth = np.zeros((8, 8), bool); truth[2:5, 2:5] = True
    >>> score.update(truth.astype(float), truth)
    >>> result = score.compute()
    >>> result["MAE"], round(result["S"], 6), round(result["maxF"], 6)
    (0.0, 1.0, 1.0)
    """

    def __init__(self, *, stretch: bool = True) -> None:
        self.stretch = stretch
        self.per_image: list[SaliencyValues] = []
        """Scores of every image, in the order of `update`: input for `paired_bootstrap`."""

    def update(self, saliency: Any, truth: Any) -> None:
        """Add one image; see `saliency_values` for what is taken and refused."""
        self.per_image.append(saliency_values(saliency, truth, stretch=self.stretch))

    def compute(self) -> SaliencyResult:
        """Scores over all images so far.

        Raises:
            InputError: nothing was added.
        """
        images = self.per_image
        if not images:
            raise InputError("no image was scored: call update(saliency, truth) before compute()")
        f_curve = np.mean([v.f_curve for v in images], axis=0)
        e_curve = np.mean([v.e_curve for v in images], axis=0)
        return {
            "images": len(images),
            "S": float(np.mean([v.s for v in images])),
            "MAE": float(np.mean([v.mae for v in images])),
            "wF": float(np.mean([v.weighted_f for v in images])),
            "maxF": float(f_curve.max()),
            "meanF": float(f_curve.mean()),
            "adpF": float(np.mean([v.adaptive_f for v in images])),
            "maxE": float(e_curve.max()),
            "meanE": float(e_curve.mean()),
            "adpE": float(np.mean([v.adaptive_e for v in images])),
        }
