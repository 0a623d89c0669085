"""Boundary F: how well the outlines of classes are drawn, whatever their area.

Csurka, Larlus, Perronnin: What is a good evaluation measure for semantic segmentation? BMVC 2013;
Perazzi et al.: A benchmark dataset and evaluation methodology for video object segmentation, CVPR 2016.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from segmif.labelsets import IGNORE

Labels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


def boundary_f(
    labels_pred: Labels,
    labels_true: Labels,
    class_ids: Sequence[int],
    *,
    tolerance: float,
    ignore: Sequence[int] = (IGNORE,),
) -> npt.NDArray[np.float64]:
    """Boundary F of each class of one image.

    A class' boundary is its pixels with a 4-neighbour of another class; a neighbour that is ignored in the truth, or
    outside the image, makes no boundary. Precision is the share of predicted boundary pixels at most `tolerance`
    from a true one, recall the share of true ones at most `tolerance` from a predicted one, F their harmonic mean.

    Args:
        labels_pred: (H, W) uint8 ids.
        labels_true: (H, W) uint8 ids.
        class_ids: ids to score.
        tolerance: in pixels, Euclidean; Csurka et al. take 0.0075 of the image diagonal.
        ignore: ids of the truth that are not counted.

    Returns:
        (len(class_ids),) in [0, 1]; NaN for a class that has no boundary in either map, 0 if in one only.
    """
    known = ~np.isin(labels_true, list(ignore))
    pred_edges, true_edges = _edges(labels_pred, known), _edges(labels_true, known)
    scores = np.full(len(class_ids), np.nan)
    for position, class_id in enumerate(class_ids):
        pred = pred_edges & (labels_pred == class_id)
        true = true_edges & (labels_true == class_id)
        pred, true = _cropped(pred, true)
        if pred.any() and true.any():
            precision = float((_distance(true)[pred] <= tolerance).mean())
            found = float((_distance(pred)[true] <= tolerance).mean())
            scores[position] = 2 * precision * found / (precision + found) if precision + found else 0.0
        elif pred.any() or true.any():
            scores[position] = 0.0
    return scores


def _edges(labels: Labels, known: Mask) -> Mask:
    """Known pixels with a known 4-neighbour of another label."""
    edges = np.zeros(labels.shape, np.bool_)
    for first, second in (
        (np.s_[:, 1:], np.s_[:, :-1]),
        (np.s_[1:, :], np.s_[:-1, :]),
    ):
        change = (labels[first] != labels[second]) & known[first] & known[second]
        edges[first] |= change
        edges[second] |= change
    return edges


def _cropped(first: Mask, second: Mask) -> tuple[Mask, Mask]:
    """Both masks within the smallest rectangle that holds what is set in either: distances need no more."""
    either = first | second
    rows, columns = np.flatnonzero(either.any(1)), np.flatnonzero(either.any(0))
    if not len(rows):
        return first, second
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return first[part], second[part]


def _distance(mask: Mask) -> npt.NDArray[np.float32]:
    """Exact Euclidean distance of every pixel to the nearest true one of `mask`."""
    outside = np.logical_not(mask).astype(np.uint8)
    return cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE).astype(np.float32)
