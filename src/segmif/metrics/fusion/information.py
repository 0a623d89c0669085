"""Metrics of grey-level statistics: entropy and mutual information.

H(X) = −Σ p log2 p over the 256-bin histogram of X, MI(X, Y) = H(X) + H(Y) − H(X, Y), all in bits.
F fused, A infrared, B visible.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from segmif.metrics.fusion.catalog import INFINITY, metric
from segmif.metrics.fusion.moments import LEVELS, histogram, joint_histogram
from segmif.metrics.fusion.plane import Float, Levels, Plane, kept


def entropy(counts: npt.NDArray[np.int64]) -> float:
    """Entropy in bits of a table of counts."""
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log2(p)).sum()) + 0.0


def mutual_information(joint: npt.NDArray[np.int64]) -> float:
    """Mutual information in bits of a two-dimensional table of counts; never below 0."""
    return max(entropy(joint.sum(1)) + entropy(joint.sum(0)) - entropy(joint.ravel()), 0.0)


@kept
def stretch(plane: Plane) -> Levels:
    """(256,) level → level when the picture's own range is stretched to 0..255; a constant picture becomes 0."""
    present = np.flatnonzero(histogram(plane))
    low, high = int(present[0]), int(present[-1])
    if low == high:
        return np.zeros(256, np.uint8)
    unit = np.clip((LEVELS - low) / (high - low), 0, 1)
    return np.floor(unit * 255 + 0.5).astype(np.uint8)


def stretched_joint(plane: Plane, other: Plane) -> npt.NDArray[np.int64]:
    """(256, 256) joint histogram of two pictures after `stretch`."""
    index = stretch(plane)[:, None].astype(np.intp) * 256 + stretch(other)
    counts = np.bincount(index.ravel(), joint_histogram(plane, other).ravel(), minlength=65536)
    return counts.astype(np.int64).reshape(256, 256)


@metric("EN", source="Roberts et al., J. Appl. Remote Sens. 2 (2008) 023522", bounds=(0.0, 8.0), fused_only=True)
def fused_entropy(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """EN = H(F), bits. Constant: 0."""
    return entropy(histogram(fused))


@metric("CE", source="cross entropy as in VIFB, on luma", bounds=(-INFINITY, INFINITY), better="lower")
def cross_entropy(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """CE = (K(A, F) + K(B, F)) / 2, K(X, F) = Σ p_X log2(p_X / p_F) over levels present in both; 0 if there are none.

    Impossible levels are dropped, so it can be below 0.
    """
    p_fused = histogram(fused) / fused.size
    result = 0.0
    for source in (infrared, visible):
        p = histogram(source) / source.size
        both = (p > 0) & (p_fused > 0)
        result += float((p[both] * np.log2(p[both] / p_fused[both])).sum())
    return result / 2


@metric("MI", source="Qu, Zhang & Yan, Electron. Lett. 38 (2002) 313", bounds=(0.0, 16.0))
def fused_mutual_information(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """MI = MI(A, F) + MI(B, F), bits. Constant fused: 0."""
    return sum(mutual_information(joint_histogram(fused, source)) for source in (infrared, visible))


@metric("NMI", source="Hossny, Nahavandi & Creighton, Electron. Lett. 44 (2008) 1066", bounds=(0.0, 2.0))
def normalised_mutual_information(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """NMI = 2 [MI(A, F) / (H(A) + H(F)) + MI(B, F) / (H(B) + H(F))] (Q_MI), each picture stretched to 0..255.

    A term is 0 where both its pictures are constant.
    """
    result = 0.0
    for source in (infrared, visible):
        joint = stretched_joint(fused, source)
        entropies = entropy(joint.sum(1)) + entropy(joint.sum(0))
        result += 2 * mutual_information(joint) / entropies if entropies > 0 else 0.0
    return result


@kept
def _correlation_information(plane: Plane, other: Plane) -> float:
    """Nonlinear correlation: mutual information of the stretched pictures in units of 8 bits."""
    return mutual_information(stretched_joint(plane, other)) / 8


@metric("Qncie", source="Wang, Shen & Jin, in Image Fusion (Stathaki, 2008) ch. 19", bounds=(1 - math.log2(3) / 8, 1.0))
def nonlinear_correlation_information_entropy(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """Qncie = 1 + (1/8) Σ (λ/3) log2(λ/3), λ the eigenvalues of the 3 × 3 matrix of MI / 8 with unit diagonal.

    Each picture is stretched to 0..255. All constant: the lower bound 1 − log2(3)/8.
    """
    matrix: Float = np.eye(3)
    pairs = (((0, 1), infrared, visible), ((0, 2), fused, infrared), ((1, 2), fused, visible))
    for (i, j), plane, other in pairs:
        matrix[i, j] = matrix[j, i] = _correlation_information(plane, other)
    shares = np.linalg.eigvalsh(matrix) / 3
    shares = shares[shares > 0]
    return 1 + float((shares * np.log2(shares)).sum()) / 8
