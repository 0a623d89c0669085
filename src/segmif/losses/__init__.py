"""Losses: pure functions of tensors, and the weights between the two tasks."""

from segmif.losses.fusion import (
    even_blend_loss,
    fusion_loss,
    fusion_loss_round1,
    halo_loss,
    max_gradient_loss,
    max_intensity_loss,
    missing_gradient_loss,
    sobel,
    source_ssim_loss,
    ssim,
    total_variation_loss,
)
from segmif.losses.information import (
    difference_correlation_loss,
    edge_transfer_loss,
    mutual_information_loss,
    vif_loss,
)
from segmif.losses.segmentation import distillation_loss, segmentation_loss
from segmif.losses.statistics import clipping_loss, contrast_loss, entropy_loss, sharpness_loss
from segmif.losses.weighting import SEGMENTATION_FACTOR, DynamicTaskWeights, fusion_factor

__all__ = [
    "SEGMENTATION_FACTOR",
    "DynamicTaskWeights",
    "clipping_loss",
    "contrast_loss",
    "difference_correlation_loss",
    "distillation_loss",
    "edge_transfer_loss",
    "entropy_loss",
    "even_blend_loss",
    "fusion_factor",
    "fusion_loss",
    "fusion_loss_round1",
    "halo_loss",
    "max_gradient_loss",
    "max_intensity_loss",
    "missing_gradient_loss",
    "mutual_information_loss",
    "segmentation_loss",
    "sharpness_loss",
    "sobel",
    "source_ssim_loss",
    "ssim",
    "total_variation_loss",
    "vif_loss",
]
