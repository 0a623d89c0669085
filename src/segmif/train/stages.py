"""The stages of the interactive training: what each trains, what it sees, and its loss.

A stage is a function of a batch that returns scalar losses by name; ``"loss"`` is the one to minimise. Fusion trains
the fusion network, segmentation the encoder and head, joint training both (SegMiF, ICCV 2023, section 3.4).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from segmif.color import rgb_to_ycrcb
from segmif.labelsets import FMB
from segmif.losses import (
    fusion_loss,
    fusion_loss_round1,
    max_gradient_loss,
    max_intensity_loss,
    segmentation_loss,
    source_ssim_loss,
)
from segmif.models import SegMiF, SegMiFOutput
from segmif.train.config import Phase, Recipe, StageKind
from segmif.train.mixture import Batch

Losses = dict[str, Tensor]
"""Scalar losses by name: ``"loss"``, and ``"fusion"`` and ``"segmentation"`` before their factors."""


def stage_losses(network: SegMiF, batch: Batch, recipe: Recipe, phase: Phase, weights: tuple[float, float]) -> Losses:
    """The losses of one batch in a phase; `weights` are the dynamic (w_f, w_s)."""
    stages: dict[StageKind, Callable[..., Losses]] = {
        "fusion": fusion_stage,
        "segmentation": segmentation_stage,
        "joint": joint_stage,
    }
    return stages[phase.kind](network, batch, recipe, phase, weights)


TRAINABLE: dict[StageKind, tuple[str, ...]] = {
    "fusion": ("fusion.*",),
    "segmentation": ("encoder.*", "head.*"),
    "joint": ("*",),
}
"""Names of the parameters each stage trains."""


def fusion_stage(network: SegMiF, batch: Batch, recipe: Recipe, phase: Phase, weights: tuple[float, float]) -> Losses:
    """Train the fusion network; from round 2 on the segmentation network, which does not learn now, judges too."""
    network.eval()
    network.fusion.train()
    fused = fuse(network, batch, recipe)
    fusion = _fusion_loss(fused.fused_luma, batch, recipe, first=phase.round == 1)
    if phase.round == 1 or not recipe.interaction:
        return {"loss": fusion, "fusion": fusion}
    segmentation = _segmentation_loss(
        network.segment(segmentation_input(fused.fused_rgb, batch, recipe)), batch, recipe
    )
    total = (
        weights[0] * recipe.loss.round_factor / phase.round * fusion
        + weights[1] * recipe.loss.segmentation * segmentation
    )
    return {"loss": total, "fusion": fusion, "segmentation": segmentation}


def segmentation_stage(
    network: SegMiF, batch: Batch, recipe: Recipe, phase: Phase, weights: tuple[float, float]
) -> Losses:
    """Train encoder and head on pictures the fusion network makes but does not learn from."""
    network.eval()
    with torch.no_grad():
        fused = fuse(network, batch, recipe)
    assert network.head is not None
    network.encoder.train()
    network.head.train()
    segmentation = _segmentation_loss(
        network.segment(segmentation_input(fused.fused_rgb, batch, recipe)), batch, recipe
    )
    return {"loss": segmentation, "segmentation": segmentation}


def joint_stage(network: SegMiF, batch: Batch, recipe: Recipe, phase: Phase, weights: tuple[float, float]) -> Losses:
    """Train both networks in one optimisation."""
    network.train()
    fused = fuse(network, batch, recipe)
    fused_rgb = fused.fused_rgb if recipe.interaction else fused.fused_rgb.detach()
    fusion = _fusion_loss(fused.fused_luma, batch, recipe, first=False)
    segmentation = _segmentation_loss(network.segment(segmentation_input(fused_rgb, batch, recipe)), batch, recipe)
    total = weights[0] * recipe.loss.joint_factor * fusion + weights[1] * recipe.loss.segmentation * segmentation
    return {"loss": total, "fusion": fusion, "segmentation": segmentation}


def fuse(network: SegMiF, batch: Batch, recipe: Recipe) -> SegMiFOutput:
    """Fused luma and RGB of a batch, with the model's guide (the network makes simple ones itself)."""
    guide = batch.target if recipe.model.guide == "vsm_wls" else None
    return network.fuse(batch.infrared, batch.visible, guide)


def segmentation_input(fused_rgb: Tensor, batch: Batch, recipe: Recipe) -> Tensor:
    """The RGB (B,3,H,W) the segmentation network sees: the fused picture, or one modality in the ablations."""
    if recipe.segment_input == "fused":
        return fused_rgb
    infrared = batch.infrared.expand_as(batch.visible)
    if recipe.segment_input == "infrared":
        return infrared
    if recipe.segment_input == "visible":
        return batch.visible
    return torch.maximum(infrared, batch.visible)


def _fusion_loss(fused_luma: Tensor, batch: Batch, recipe: Recipe, *, first: bool) -> Tensor:
    """The weighted sum of the fusion terms the recipe names."""
    factors = recipe.loss
    visible_luma = rgb_to_ycrcb(batch.visible)[:, :1]
    total = fused_luma.new_zeros((), dtype=torch.float32)
    if factors.target:
        assert batch.target is not None
        compare = fusion_loss_round1 if first else fusion_loss
        total = total + factors.target * compare(fused_luma, batch.target)
    for factor, loss in (
        (factors.intensity, max_intensity_loss),
        (factors.gradient, max_gradient_loss),
        (factors.source_ssim, source_ssim_loss),
    ):
        if factor:
            total = total + factor * loss(fused_luma, batch.infrared, visible_luma)
    return total


def _segmentation_loss(logits: Tensor, batch: Batch, recipe: Recipe) -> Tensor:
    """Mean over the pictures of label weight · cross entropy; a picture's share does not depend on the others.

    Computed picture by picture, so that accumulated and distributed batches give exactly the loss of one big batch.
    """
    class_weights = _class_weights(recipe, logits)
    logits = logits.float()
    losses = [
        weight * segmentation_loss(logits[i : i + 1], batch.labels[i : i + 1], class_weights=class_weights)
        for i, weight in enumerate(batch.label_weight)
    ]
    return torch.stack(losses).mean()


def _class_weights(recipe: Recipe, logits: Tensor) -> Tensor | None:
    if not recipe.loss.class_weights:
        return None
    classes = (recipe.model.label_set or FMB).classes
    weights = torch.ones(logits.shape[1], device=logits.device)
    for name, weight in recipe.loss.class_weights:
        weights[classes.index(name)] = weight
    return weights
