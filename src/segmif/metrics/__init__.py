"""Scores of fusion, segmentation, detection and saliency: pure functions first, small accumulators over them."""

from segmif.metrics.fusion import METRICS, MetricInfo, SourcePair, fusion_metrics
from segmif.metrics.protocols import SEGMENTATION_PROTOCOLS, SegmentationProtocol, segmentation_protocol
from segmif.metrics.saliency import SaliencyResult, SaliencyScore
from segmif.metrics.segmentation import SegmentationResult, SegmentationScore, confusion_matrix, iou, mean_iou
from segmif.metrics.significance import BootstrapResult, paired_bootstrap

__all__ = [
    "METRICS",
    "SEGMENTATION_PROTOCOLS",
    "BootstrapResult",
    "MetricInfo",
    "SaliencyResult",
    "SaliencyScore",
    "SegmentationProtocol",
    "SegmentationResult",
    "SegmentationScore",
    "SourcePair",
    "confusion_matrix",
    "fusion_metrics",
    "iou",
    "mean_iou",
    "paired_bootstrap",
    "segmentation_protocol",
]
