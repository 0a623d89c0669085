"""The losses of the segmentation network: from labels, and from a teacher."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segmif.checks import InputError
from segmif.labelsets import IGNORE


def segmentation_loss(
    logits: Tensor, labels: Tensor, ignore_index: int = IGNORE, *, class_weights: Tensor | None = None
) -> Tensor:
    """Mean cross entropy over the labelled pixels, at label resolution.

    Args:
        logits: (B, K, h, w), any h and w; upsampled bilinearly (align_corners False) to the labels.
        labels: (B, H, W) integer class ids below K, or `ignore_index`.
        ignore_index: the id that does not count. A batch of nothing else has loss 0 and zero gradients.
        class_weights: (K,) factors per class, or None for equal ones; the mean is weighted accordingly.

    Raises:
        InputError: the shapes do not fit, or a label is neither a class nor `ignore_index`.
    """
    if logits.ndim != 4 or labels.ndim != 3 or len(logits) != len(labels):
        raise InputError(
            f"expected logits (B, K, h, w) and labels (B, H, W), got {tuple(logits.shape)} and {tuple(labels.shape)}; "
            "labels have no channel dimension"
        )
    labels = labels.long()
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    if logits.shape[2:] != labels.shape[1:]:
        logits = F.interpolate(logits, size=labels.shape[1:], mode="bilinear", align_corners=False)
    try:
        total = F.cross_entropy(logits, labels, class_weights, ignore_index=ignore_index, reduction="sum")
    except IndexError as error:
        raise InputError(
            f"labels hold an id that is neither below {logits.shape[1]} (the number of classes) nor {ignore_index} "
            f"(ignored); remap them first ({error})"
        ) from error
    counted = labels != ignore_index
    if class_weights is None:
        return total / counted.sum().clamp(min=1)
    weight = class_weights[labels[counted]].sum()
    return total / weight.where(weight > 0, torch.ones_like(weight))


def distillation_loss(
    logits: Tensor,
    teacher_logits: Tensor,
    *,
    temperature: float = 2.0,
    labels: Tensor | None = None,
    label_weight: Tensor | None = None,
    ignore_index: int = IGNORE,
) -> Tensor:
    """T² · KL(softmax(teacher / T) ‖ softmax(logits / T)), mean over all pixels (Hinton et al., arXiv 1503.02531).

    Every pixel counts, labelled or not; T² keeps the gradients' size whatever the temperature. With `labels`, a pixel
    where the teacher's answer is not the label counts 1 − `label_weight`: what is known to be wrong is not taught.

    Args:
        logits: of the student, (B, K, h, w).
        teacher_logits: (B, K, h', w'), resampled bilinearly to the student's size; no gradient reaches them.
        temperature: T; above 1 the classes that are not the answer count for more.
        labels: (B, H, W) integer ids, resampled to the nearest of the student's size; None asks no labels.
        label_weight: (B,) how far the labels of each picture are trusted, in [0, 1] (more counts as 1); None is 1.
        ignore_index: id of pixels without a label.

    Raises:
        InputError: other pictures or classes, or a temperature that is not positive.
    """
    if logits.ndim != 4 or teacher_logits.ndim != 4 or logits.shape[:2] != teacher_logits.shape[:2]:
        raise InputError(
            f"expected logits (B, K, h, w) of student and teacher, got {tuple(logits.shape)} and "
            f"{tuple(teacher_logits.shape)}; both need the same pictures and classes"
        )
    if temperature <= 0:
        raise InputError(f"temperature is {temperature}: it must be a positive number, such as 2")
    taught = teacher_logits.detach().float()
    if taught.shape[2:] != logits.shape[2:]:
        taught = F.interpolate(taught, size=logits.shape[2:], mode="bilinear", align_corners=False)
    student, teacher = ((x.float() / temperature).log_softmax(1) for x in (logits, taught))
    divergence = F.kl_div(student, teacher, reduction="none", log_target=True).sum(1)
    if labels is not None:
        if labels.ndim != 3 or labels.shape[0] != logits.shape[0]:
            raise InputError(f"expected labels (B, H, W) of {logits.shape[0]} pictures, got {tuple(labels.shape)}")
        said = F.interpolate(labels[:, None].float(), size=logits.shape[2:], mode="nearest")[:, 0]
        wrong = (said != ignore_index) & (said != taught.argmax(1))
        trust = torch.ones(len(labels)) if label_weight is None else label_weight.clamp(0, 1)
        divergence = divergence * (1 - wrong * trust.to(divergence)[:, None, None])
    return temperature**2 * divergence.mean()
