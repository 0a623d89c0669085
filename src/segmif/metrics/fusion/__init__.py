"""Metrics of infrared-visible fusion: pure functions of three pictures, as one table.

`fusion_metrics` measures one fused image, `SourcePair` several on the same sources, `METRICS` and `CONVENTIONS` say
what there is, `fusion_panel_torch` measures batches on any device.
"""

# Metrics enter the table when the module that defines them is imported.
from segmif.metrics.fusion import conventions, features, multiscale, phase  # noqa: F401
from segmif.metrics.fusion.catalog import CONVENTIONS, METRICS, MetricInfo
from segmif.metrics.fusion.pair import SourcePair, fusion_metrics
from segmif.metrics.fusion.panel import PANEL, fusion_panel_torch

__all__ = ["CONVENTIONS", "METRICS", "PANEL", "MetricInfo", "SourcePair", "fusion_metrics", "fusion_panel_torch"]
