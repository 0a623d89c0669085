"""The stages of the interactive training: what each trains, what it sees, and its loss.

A stage is a function of a batch that returns scalar losses by name; ``"loss"`` is the one to minimise. Fusion trains
the fusion network, segmentation the encoder and head, joint training both (SegMiF, ICCV 2023, section 3.4).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from segmif.checks import unknown
from segmif.color import rgb_to_ycrcb, ycrcb_to_rgb
from segmif.losses import (
    clipping_loss,
    contrast_loss,
    difference_correlation_loss,
    distillation_loss,
    edge_transfer_loss,
    entropy_loss,
    even_blend_loss,
    fusion_loss,
    fusion_loss_round1,
    halo_loss,
    max_gradient_loss,
    max_intensity_loss,
    missing_gradient_loss,
    mutual_information_loss,
    segmentation_loss,
    sharpness_loss,
    source_ssim_loss,
    total_variation_loss,
    vif_loss,
)
from segmif.models import SegMiF, SegMiFConfig, SegMiFOutput
from segmif.models.blend import even_blend
from segmif.train.config import Phase, Recipe, StageKind
from segmif.train.mixture import Batch

Losses = dict[str, Tensor]
"""Scalar losses by name: ``"loss"``, and ``"fusion"`` and ``"segmentation"`` before their factors."""

TRAINABLE: dict[StageKind, tuple[str, ...]] = {
    "fusion": ("fusion.*",),
    "segmentation": ("encoder.*", "head.*"),
    "joint": ("*",),
}
"""Names of the parameters each stage trains."""


def stage_losses(
    network: SegMiF,
    batch: Batch,
    recipe: Recipe,
    phase: Phase,
    weights: tuple[float, float] = (1.0, 1.0),
    *,
    teacher: SegMiF | None = None,
) -> Losses:
    """The losses of one batch in a phase; `weights` are the dynamic (w_f, w_s).

    Where labels teach, `teacher` does too if the recipe has one: a network in eval mode with the same classes.
    """
    if phase.kind == "segmentation":
        return segmentation_stage(network, batch, recipe, phase.round, teacher)
    if phase.kind == "fusion":
        return fusion_stage(network, batch, recipe, phase.round, weights, teacher)
    return joint_stage(network, batch, recipe, weights, teacher)


def fusion_stage(
    network: SegMiF,
    batch: Batch,
    recipe: Recipe,
    round_number: int,
    weights: tuple[float, float],
    teacher: SegMiF | None,
) -> Losses:
    """Train the fusion network; from round 2 on the segmentation network, which does not learn now, judges too."""
    network.eval()
    network.fusion.train()
    judged = round_number > 1 and recipe.interaction
    output = both(network, batch, recipe) if judged else fuse(network, batch, recipe)
    fusion = _fusion_loss(output, batch, recipe, first=round_number == 1)
    if output.logits is None:
        return {"loss": fusion, "fusion": fusion}
    segmentation = _segmentation_loss(output.logits, batch, recipe, teacher)
    return _combined(fusion, segmentation, recipe, recipe.loss.round_factor / round_number, weights)


def segmentation_stage(
    network: SegMiF, batch: Batch, recipe: Recipe, round_number: int, teacher: SegMiF | None
) -> Losses:
    """Train encoder and head on pictures the fusion network makes but does not learn from.

    In round 0 that network has learnt nothing yet; the pixel-wise maximum stands in for its pictures.
    """
    assert network.head is not None
    network.eval()
    if network.config.layout == "shared":
        network.encoder.train()
        network.head.train()
        logits = segment_pair(network, batch, recipe)
    else:
        with torch.no_grad():
            unfused = round_number == 0 and recipe.segment_input == "fused"
            picture = maximum(batch) if unfused else segmentation_input(network, batch, recipe)
        network.encoder.train()
        network.head.train()
        logits = network.segment(picture)
    segmentation = _segmentation_loss(logits, batch, recipe, teacher)
    return {"loss": segmentation, "segmentation": segmentation}


def joint_stage(
    network: SegMiF, batch: Batch, recipe: Recipe, weights: tuple[float, float], teacher: SegMiF | None
) -> Losses:
    """Train both networks in one optimisation."""
    network.train()
    output = both(network, batch, recipe)
    fusion = _fusion_loss(output, batch, recipe, first=False)
    assert output.logits is not None
    segmentation = _segmentation_loss(output.logits, batch, recipe, teacher)
    return _combined(fusion, segmentation, recipe, recipe.loss.joint_factor, weights)


def _combined(
    fusion: Tensor, segmentation: Tensor, recipe: Recipe, fusion_factor: float, weights: tuple[float, float]
) -> Losses:
    """w_f · fusion_factor · fusion + w_s · 0.8 · segmentation, with the recipe's numbers."""
    total = weights[0] * fusion_factor * fusion + weights[1] * recipe.loss.segmentation * segmentation
    return {"loss": total, "fusion": fusion, "segmentation": segmentation}


def fuse(network: SegMiF, batch: Batch, recipe: Recipe) -> SegMiFOutput:
    """Fused luma and RGB of a batch, with the model's guide (the network makes simple ones itself)."""
    return network.fuse(batch.infrared, batch.visible, _guide(batch, recipe))


def both(network: SegMiF, batch: Batch, recipe: Recipe) -> SegMiFOutput:
    """Fused picture and logits; without interaction, no gradient of the logits reaches the fusion network."""
    if network.config.layout == "shared":
        pair = seen(batch, recipe)
        return network.fuse_and_segment(
            pair.infrared, pair.visible, _guide(pair, recipe), interaction=recipe.interaction
        )
    fused = fuse(network, batch, recipe)
    fused_rgb = fused.fused_rgb if recipe.interaction else fused.fused_rgb.detach()
    return replace(fused, logits=network.segment(fused_rgb))


@torch.no_grad()
def guided_by(previous: SegMiF, batch: Batch, recipe: Recipe) -> Batch:
    """The batch with the luma that `previous`, a network in eval mode, fuses of it as guide."""
    return replace(batch, guide=fuse(previous, batch, recipe).fused_luma.clamp(0, 1))


def segment_pair(network: SegMiF, batch: Batch, recipe: Recipe) -> Tensor:
    """Logits of a network of the shared layout; no gradient reaches its fusion network."""
    pair = seen(batch, recipe)
    output = network.fuse_and_segment(pair.infrared, pair.visible, _guide(pair, recipe), interaction=False)
    assert output.logits is not None
    return output.logits


def seen(batch: Batch, recipe: Recipe) -> Batch:
    """The pair a network of the shared layout sees: in the ablations, one picture in the place of both."""
    if recipe.segment_input == "fused":
        return batch
    if recipe.segment_input == "infrared":
        return replace(batch, visible=batch.infrared.expand_as(batch.visible))
    visible = maximum(batch) if recipe.segment_input == "maximum" else batch.visible
    return replace(batch, infrared=rgb_to_ycrcb(visible)[:, :1], visible=visible)


def _guide(batch: Batch, recipe: Recipe) -> Tensor | None:
    if batch.guide is not None:
        return batch.guide
    return batch.target if recipe.model.guide == "vsm_wls" else None


def segmentation_input(network: SegMiF, batch: Batch, recipe: Recipe) -> Tensor:
    """The RGB (B,3,H,W) a segmentation stage trains on: the fused picture, or without fusion in the ablations."""
    if recipe.segment_input == "fused":
        return fuse(network, batch, recipe).fused_rgb
    if recipe.segment_input == "maximum":
        return maximum(batch)
    return batch.visible if recipe.segment_input == "visible" else batch.infrared.expand_as(batch.visible)


def maximum(batch: Batch) -> Tensor:
    """The brighter of infrared and luma in the colours of the visible picture, RGB (B,3,H,W) in [0, 1]."""
    ycrcb = rgb_to_ycrcb(batch.visible)
    brightest = torch.maximum(batch.infrared, ycrcb[:, :1])
    return ycrcb_to_rgb(torch.cat((brightest, ycrcb[:, 1:]), dim=1)).clamp(0, 1)


def _fusion_loss(output: SegMiFOutput, batch: Batch, recipe: Recipe, *, first: bool) -> Tensor:
    """The weighted sum of the fusion terms the recipe names."""
    factors, fused_luma = recipe.loss, output.fused_luma
    total = fused_luma.new_zeros((), dtype=torch.float32)
    if factors.target:
        assert batch.target is not None
        compare = fusion_loss_round1 if first else fusion_loss
        total = total + factors.target * compare(fused_luma, batch.target)
    visible_luma = rgb_to_ycrcb(batch.visible)[:, :1]
    for factor, loss in (
        (factors.intensity, max_intensity_loss),
        (factors.gradient, max_gradient_loss),
        (factors.source_ssim, source_ssim_loss),
        (factors.vif, vif_loss),
        (factors.qabf, edge_transfer_loss),
        (factors.scd, partial(difference_correlation_loss, enough=factors.scd_enough)),
        (factors.mi, mutual_information_loss),
        (factors.texture, partial(missing_gradient_loss, gain=factors.texture_gain)),
        (factors.halo, halo_loss),
        (factors.sharpness, partial(sharpness_loss, enough=factors.sharpness_enough)),
        (factors.contrast, partial(contrast_loss, enough=factors.contrast_enough)),
        (factors.entropy, partial(entropy_loss, enough=factors.entropy_enough)),
    ):
        if factor:
            total = total + factor * loss(fused_luma, batch.infrared, visible_luma)
    if factors.clipping:
        total = total + factors.clipping * clipping_loss(fused_luma)
    if factors.smooth and output.coefficients is not None:
        total = total + factors.smooth * total_variation_loss(output.coefficients)
    if factors.even and output.coefficients is not None:
        wanted = even_blend(output.coefficients, batch.infrared, visible_luma, *factors.even_blend)
        total = total + factors.even * even_blend_loss(output.coefficients, wanted, batch.infrared)
    return total


def _segmentation_loss(logits: Tensor, batch: Batch, recipe: Recipe, teacher: SegMiF | None) -> Tensor:
    """Mean over the pictures of label weight · cross entropy, plus what the teacher says of the same views.

    The teacher is heard the less, by the label's weight, where the label contradicts it.

    Each picture's share does not depend on the others, so that accumulated and distributed batches give exactly the
    loss of one big batch.
    """
    class_weights = class_factors(recipe, recipe.model, logits.device)
    logits = logits.float()
    losses = [
        weight * segmentation_loss(logits[i : i + 1], batch.labels[i : i + 1], class_weights=class_weights)
        for i, weight in enumerate(batch.label_weight)
    ]
    labelled = torch.stack(losses).mean()
    if teacher is None:
        return labelled
    with torch.no_grad():
        taught = teacher(batch.infrared, batch.visible, batch.target if teacher.config.guide == "vsm_wls" else None)
    taught_loss = distillation_loss(
        logits,
        taught.logits,
        temperature=recipe.loss.distillation_temperature,
        labels=batch.labels,
        label_weight=batch.label_weight,
    )
    return labelled + recipe.loss.distillation * taught_loss


def class_factors(recipe: Recipe, model: SegMiFConfig, device: torch.device) -> Tensor | None:
    """(K,) factors of the cross entropy by class, or None where all are 1.

    Raises:
        InputError: `class_weights` names a class the model does not have.
    """
    if not recipe.loss.class_weights:
        return None
    names = model.label_set.classes if model.label_set else tuple(map(str, range(model.num_classes or 0)))
    factors = torch.ones(len(names), device=device)
    for name, factor in recipe.loss.class_weights:
        if name not in names:
            raise unknown("class in loss.class_weights", name, names)
        factors[names.index(name)] = factor
    return factors
