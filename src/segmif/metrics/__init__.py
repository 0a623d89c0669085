"""Scores of fusion, segmentation, detection and saliency: pure functions first, small accumulators over them."""

from segmif.metrics.protocols import SEGMENTATION_PROTOCOLS, SegmentationProtocol, segmentation_protocol
from segmif.metrics.segmentation import SegmentationResult, SegmentationScore, confusion_matrix, iou, mean_iou

__all__ = [
    "SEGMENTATION_PROTOCOLS",
    "SegmentationProtocol",
    "SegmentationResult",
    "SegmentationScore",
    "confusion_matrix",
    "iou",
    "mean_iou",
    "segmentation_protocol",
]
