"""Numbers printed in papers, to stand beside measured ones: copied as printed, never ranked together.

A published mean comes from other code, often from other pairs and another grey conversion; `convention` says which
of our conventions is nearest to the code it came from, None where that is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Published:
    """One row of a paper's table."""

    method: str
    dataset: str
    scores: Mapping[str, str]
    """Metric → number, digit by digit as printed."""
    citation: str
    """The paper of the method."""
    reported: str
    """Who printed the numbers."""
    convention: str | None
    pairs: str
    """On which pairs."""


_CVPR_2024 = "Zhao et al., Equivariant Multi-Modality Image Fusion, CVPR 2024"
_CVPR_2023 = (
    "Zhao et al., CDDFuse: Correlation-Driven Dual-Branch Feature Decomposition for Multi-Modality Image Fusion, "
    "CVPR 2023"
)

PUBLISHED = (
    Published(
        method="SegMiF",
        dataset="msrs",
        scores={"EN": "5.95", "SD": "37.3", "SF": "11.1", "AG": "3.47", "SCD": "1.57", "VIF": "0.88", "Qabf": "0.63"},
        citation="Liu et al., Multi-interactive Feature Learning and a Full-time Multi-modality Benchmark for Image "
        "Fusion and Segmentation, ICCV 2023",
        reported="by others, in a later paper's comparison; yet another paper prints EN 7.01 for the same method",
        convention=None,
        pairs="MSRS test set",
    ),
    Published(
        method="EMMA",
        dataset="msrs",
        scores={"EN": "6.71", "SD": "44.1", "SF": "11.6", "AG": "3.76", "SCD": "1.63", "VIF": "0.97"},
        citation=_CVPR_2024,
        reported="by its authors",
        convention=None,
        pairs="MSRS test set",
    ),
    Published(
        method="CDDFuse",
        dataset="msrs",
        scores={"EN": "6.70", "SD": "43.4", "SF": "11.6", "MI": "3.47", "SCD": "1.62", "VIF": "1.05", "Qabf": "0.69"},
        citation=_CVPR_2023,
        reported="by its authors",
        convention="cddfuse",
        pairs="MSRS test set, 361 pairs",
    ),
)


def published_for(dataset: str, metrics: tuple[str, ...] | list[str]) -> list[Published]:
    """Rows for a data set (``"msrs"`` or ``"msrs:test"``) that have at least one of the metrics.

    >>> [row.method for row in published_for("msrs:test", ["MI"])]
    ['CDDFuse']
    """
    name = dataset.partition(":")[0]
    return [row for row in PUBLISHED if row.dataset == name and any(metric in row.scores for metric in metrics)]
