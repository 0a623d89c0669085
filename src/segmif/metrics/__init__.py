"""Scores of fusion, segmentation, detection and saliency: pure functions first, small accumulators over them."""

from segmif.metrics.protocols import SEGMENTATION_PROTOCOLS, SegmentationProtocol, segmentation_protocol
from segmif.metrics.segmentation import SegmentationResult, SegmentationScore, confusion_matrix, iou, mean_iou
from segmif.metrics.significance import BootstrapResult, paired_bootstrap

__all__ = [
    "SEGMENTATION_PROTOCOLS",
    "BootstrapResult",
    "SegmentationProtocol",
    "SegmentationResult",
    "SegmentationScore",
    "confusion_matrix",
    "iou",
    "mean_iou",
    "paired_bootstrap",
    "segmentation_protocol",
]
