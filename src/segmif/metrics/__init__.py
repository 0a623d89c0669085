"""Scores of fusion, segmentation, detection and saliency: pure functions first, small accumulators over them."""

from segmif.metrics.detection import DetectionResult, Detections, DetectionScore
from segmif.metrics.fusion import MetricInfo, SourcePair, fusion_metrics, fusion_panel_torch
from segmif.metrics.protocols import (
    DETECTION_PROTOCOLS,
    SEGMENTATION_PROTOCOLS,
    DetectionProtocol,
    SegmentationProtocol,
    detection_protocol,
    segmentation_protocol,
)
from segmif.metrics.saliency import SaliencyResult, SaliencyScore
from segmif.metrics.segmentation import SegmentationResult, SegmentationScore, confusion_matrix, iou, mean_iou
from segmif.metrics.significance import BootstrapResult, paired_bootstrap

__all__ = [
    "DETECTION_PROTOCOLS",
    "SEGMENTATION_PROTOCOLS",
    "BootstrapResult",
    "DetectionProtocol",
    "DetectionResult",
    "DetectionScore",
    "Detections",
    "MetricInfo",
    "SaliencyResult",
    "SaliencyScore",
    "SegmentationProtocol",
    "SegmentationResult",
    "SegmentationScore",
    "SourcePair",
    "confusion_matrix",
    "detection_protocol",
    "fusion_metrics",
    "fusion_panel_torch",
    "iou",
    "mean_iou",
    "paired_bootstrap",
    "segmentation_protocol",
]
