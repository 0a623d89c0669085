"""Metrics of infrared-visible fusion: pure functions of three pictures, as one table.

`fusion_metrics` measures one fused image, `SourcePair` several on the same sources, `METRICS` and `CONVENTIONS` say
what there is, `fusion_panel_torch` measures batches on any device.
"""

from segmif.metrics.fusion import (
    conventions,
    edges,
    exposure,
    features,
    fidelity,
    gradients,
    information,
    moments,
    multiscale,
    perception,
    phase,
    similarity,
)
from segmif.metrics.fusion.catalog import CONVENTIONS, METRICS, MetricInfo
from segmif.metrics.fusion.pair import SourcePair, fusion_metrics

__all__ = ["CONVENTIONS", "METRICS", "MetricInfo", "SourcePair", "fusion_metrics"]
_DEFINING = (moments, information, gradients, edges, similarity, exposure, fidelity, perception, multiscale, features)
_DEFINING += (phase, conventions)
