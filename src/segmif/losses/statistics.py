"""Losses that ask for enough of what is measured of a whole picture: edges, contrast, grey levels, nothing clipped.

The measures of the field (SD, AG, EN) grow without end where a picture is spoilt, so each of these losses is 0 from a
point on. How much is enough may differ between pairs with a dark and with a bright infrared picture: a sky that is
white in one camera and black in the other leaves a flat average, while a nearly black infrared adds little anywhere.

Letters: B batch, H and W height and width; F fused, A infrared, B visible luma. Pictures are float (B, 1, H, W) in
[0, 1]; F is clamped to it. Float16 and bfloat16 are computed in float32. Every loss is a mean over the pictures.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from segmif.losses.fusion import by_infrared, same_shape, sobel

_BINS = 48
_FLAT = 1e-6


def sharpness_loss(
    fused_luma: Tensor, infrared: Tensor, visible_luma: Tensor, *, enough: tuple[float, float] = (1.0, 1.0)
) -> Tensor:
    """max(0, 1 − mean |∇F| / (k · mean max(|∇A|, |∇B|))): the picture has as much of edges as both sources together.

    `missing_gradient_loss` asks for it at every pixel; this one leaves open where.

    Args:
        fused_luma: F, (B, 1, H, W).
        infrared: A, same shape.
        visible_luma: B, same shape.
        enough: k for pairs of dark and of bright infrared, in between for others.

    Raises:
        InputError: the shapes differ.
    """
    f, a, b = same_shape(fused_luma=fused_luma, infrared=infrared, visible_luma=visible_luma)
    wanted = by_infrared(a, enough) * torch.maximum(sobel(a), sobel(b)).mean((1, 2, 3))
    return F.relu(1 - sobel(f).mean((1, 2, 3)) / wanted.clamp(min=_FLAT)).mean()


def contrast_loss(
    fused_luma: Tensor,
    infrared: Tensor,
    visible_luma: Tensor,
    *,
    enough: tuple[float, float] = (1.0, 1.0),
    most: float = 0.225,
) -> Tensor:
    """max(0, 1 − σ(F) / min(k · σ(max(A, B)), most)): the standard deviation of the brighter source, k times.

    `most` is a deviation that is enough for any picture. Other arguments and errors as `sharpness_loss`.
    """
    f, a, b = same_shape(fused_luma=fused_luma, infrared=infrared, visible_luma=visible_luma)
    wanted = (by_infrared(a, enough) * torch.maximum(a, b).std((1, 2, 3))).clamp(_FLAT, most)
    return F.relu(1 - f.clamp(0, 1).std((1, 2, 3)) / wanted).mean()


def entropy_loss(
    fused_luma: Tensor, infrared: Tensor, visible_luma: Tensor, *, enough: tuple[float, float] = (0.0, 7.5)
) -> Tensor:
    """max(0, e − H(F)): the entropy of the grey levels, in bits as of 256 of them.

    The histogram has 48 levels that neighbours share linearly, which gives it a gradient; log₂(256 / 48) bits are added
    to its entropy. Every other row and column counts. Arguments, with e for `enough`, and errors as `sharpness_loss`.
    """
    f, a, _ = same_shape(fused_luma=fused_luma, infrared=infrared, visible_luma=visible_luma)
    levels = f[:, :, ::2, ::2].clamp(0, 1).flatten(1) * (_BINS - 1)
    shares = F.relu(1 - (levels[..., None] - torch.arange(_BINS, device=f.device)).abs()).mean(1)
    bits = -(shares * shares.clamp(min=1e-9).log2()).sum(1) + torch.log2(f.new_tensor(256 / _BINS))
    return F.relu(by_infrared(a, enough) - bits).mean()


def clipping_loss(fused_luma: Tensor) -> Tensor:
    """mean max(0, F − 1) + mean max(0, −F): what is lost where a picture leaves [0, 1].

    Args:
        fused_luma: F, (B, 1, H, W), not clamped.
    """
    (f,) = same_shape(fused_luma=fused_luma)
    return (F.relu(f - 1) + F.relu(-f)).mean()
