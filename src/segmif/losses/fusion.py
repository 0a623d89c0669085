"""Losses that compare a fused luma with a target, or with both sources. Pure functions, differentiable, any size.

Letters: B batch, C channels, H and W height and width. Every picture is float (B, C, H, W) with values near [0, 1];
float16 and bfloat16 are computed in float32, also under autocast.
Every loss is a mean over pixels, so it does not depend on the crop size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segmif.checks import InputError

SSIM_FACTOR = 1.1
"""Factor of 1 − SSIM beside the mean squared error in `fusion_loss` (SegMiF, ICCV 2023)."""

HALO_GAIN = 1.05
HALO_FREE = 1 / 255
"""See `halo_loss`."""
_HALO_SIDES = (4, 8, 16)

DARK, BRIGHT = 0.15, 0.4
"""Mean infrared up to which, and from which on, the first and the second number of `by_infrared` hold."""

_TAPS = torch.exp(-(torch.arange(-5, 6, dtype=torch.float64) ** 2) / (2 * 1.5**2))
_WINDOW: list[float] = (_TAPS / _TAPS.sum()).tolist()
_C1, _C2 = 0.01**2, 0.03**2


def fusion_loss_round1(fused_luma: Tensor, target: Tensor) -> Tensor:
    """L1(F, T) + L1(∇F, ∇T): the loss of the first round, without a segmentation in it (SegMiF, ICCV 2023).

    Args:
        fused_luma: F, (B, C, H, W), not clamped.
        target: T of the same shape, e.g. `segmif.guide.vsm_wls` of the sources.

    Raises:
        InputError: the shapes differ.
    """
    fused_luma, target = same_shape(fused_luma=fused_luma, target=target)
    return F.l1_loss(fused_luma, target) + F.l1_loss(sobel(fused_luma), sobel(target))


def fusion_loss(fused_luma: Tensor, target: Tensor) -> Tensor:
    """MSE(F, T) + 1.1 · (1 − SSIM(F, T)): the loss of the later rounds (SegMiF, ICCV 2023).

    The trainer multiplies it by `segmif.losses.fusion_factor` of the round and by the dynamic weight.

    Args:
        fused_luma: F, (B, C, H, W), not clamped.
        target: T of the same shape.

    Raises:
        InputError: the shapes differ.
    """
    fused_luma, target = same_shape(fused_luma=fused_luma, target=target)
    return F.mse_loss(fused_luma, target) + SSIM_FACTOR * (1 - ssim(fused_luma, target))


def max_intensity_loss(fused_luma: Tensor, infrared: Tensor, visible_luma: Tensor) -> Tensor:
    """L1(F, max(A, B)): bright targets of either source survive (SeAFusion, Information Fusion 82, 2022).

    Args:
        fused_luma: F, (B, C, H, W).
        infrared: A, same shape.
        visible_luma: B, same shape.

    Raises:
        InputError: the shapes differ.
    """
    fused_luma, infrared, visible_luma = same_shape(fused_luma=fused_luma, infrared=infrared, visible_luma=visible_luma)
    return F.l1_loss(fused_luma, torch.maximum(infrared, visible_luma))


def max_gradient_loss(fused_luma: Tensor, infrared: Tensor, visible_luma: Tensor) -> Tensor:
    """L1(∇F, max(∇A, ∇B)): texture of either source survives (SeAFusion 2022, PIAFusion 2022).

    ∇ is the unsigned `sobel`. Arguments and errors as `max_intensity_loss`.
    """
    fused_luma, infrared, visible_luma = same_shape(fused_luma=fused_luma, infrared=infrared, visible_luma=visible_luma)
    return F.l1_loss(sobel(fused_luma), torch.maximum(sobel(infrared), sobel(visible_luma)))


def missing_gradient_loss(fused_luma: Tensor, infrared: Tensor, visible_luma: Tensor, *, gain: float = 1.0) -> Tensor:
    """mean max(0, gain · max(|∇A|, |∇B|) − |∇F|): only texture that is missing counts, more than asked for is free.

    An absolute difference is least for the median of what is possible, which is smoother than either source; this one
    is not. `gain` above 1 asks for sharper pictures than the sources. Other arguments and errors as
    `max_intensity_loss`.
    """
    fused_luma, infrared, visible_luma = same_shape(fused_luma=fused_luma, infrared=infrared, visible_luma=visible_luma)
    wanted = gain * torch.maximum(sobel(infrared), sobel(visible_luma))
    return F.relu(wanted - sobel(fused_luma)).mean()


def source_ssim_loss(fused_luma: Tensor, infrared: Tensor, visible_luma: Tensor) -> Tensor:
    """1 − (SSIM(F, A) + SSIM(F, B)) / 2: structure of both sources survives (e.g. SwinFusion, JAS 9(7), 2022).

    Arguments and errors as `max_intensity_loss`.
    """
    fused_luma, infrared, visible_luma = same_shape(fused_luma=fused_luma, infrared=infrared, visible_luma=visible_luma)
    return 1 - (ssim(fused_luma, infrared) + ssim(fused_luma, visible_luma)) / 2


def total_variation_loss(maps: Tensor) -> Tensor:
    """Mean |∂x| + mean |∂y| between neighbours (Rudin, Osher & Fatemi, Physica D 60, 1992); 0 for a constant.

    For what a network decides place by place: treating neighbours alike keeps the mutual information and the edges
    of the sources.

    Args:
        maps: (B, C, h, w), h and w at least 2.
    """
    maps = _wide(maps)
    return maps.diff(dim=-1).abs().mean() + maps.diff(dim=-2).abs().mean()


def even_blend_loss(coefficients: Tensor, wanted: Tensor, infrared: Tensor) -> Tensor:
    """Mean (c − c*)² where infrared is dark, nothing where it is bright: decide place by place only where it pays.

    A dark infrared picture adds a few warm things; for the rest one blend for all places keeps the edges of the
    sources better than what a network makes of pictures unlike those it was trained on.

    Args:
        coefficients: c of a blend, (B, C, h, w).
        wanted: c*, same shape.
        infrared: A, (B, 1, H, W) in [0, 1]; see `by_infrared`.

    Raises:
        InputError: the shapes of the coefficients differ.
    """
    found, wanted = same_shape(coefficients=coefficients, wanted=wanted)
    return (by_infrared(_wide(infrared), (1.0, 0.0)) * (found - wanted).square().mean((1, 2, 3))).mean()


def by_infrared(infrared: Tensor, values: tuple[float, float]) -> Tensor:
    """(B,) the first value for dark infrared pictures (B, 1, H, W), the second for bright ones, between for others."""
    brightness = ((infrared.mean((1, 2, 3)) - DARK) / (BRIGHT - DARK)).clamp(0, 1)
    return values[0] + brightness * (values[1] - values[0])


def halo_loss(
    fused_luma: Tensor, infrared: Tensor, visible_luma: Tensor, *, gain: float = HALO_GAIN, free: float = HALO_FREE
) -> Tensor:
    """Broad changes of brightness that neither source shows.

    Σₛ Σ_d mean max(0, |∂_d Fₛ| − gain · max(|∂_d Aₛ|, |∂_d Bₛ|) − free), where Xₛ are the means of s×s pixels, s being
    4, 8 and 16, and d is rows and columns. A sky that grows darker with the distance from a tree has such changes (a
    halo); texture, which is averaged out, has none and may be sharpened as much as one likes.

    Args:
        fused_luma: F, (B, C, H, W); sides s that do not fit in twice are left out.
        infrared: A, same shape.
        visible_luma: B, same shape.
        gain: how much stronger than in the sources changes may be.
        free: change of brightness between neighbours that is not seen.

    Raises:
        InputError: the shapes differ.
    """
    pictures = same_shape(fused_luma=fused_luma, infrared=infrared, visible_luma=visible_luma)
    total = 0 * pictures[0].sum()
    for side in _HALO_SIDES:
        if min(pictures[0].shape[-2:]) < 2 * side:
            break
        fused, *sources = (F.avg_pool2d(picture, side) for picture in pictures)
        for dim in (-2, -1):
            shown = torch.maximum(*(source.diff(dim=dim).abs() for source in sources))
            total = total + F.relu(fused.diff(dim=dim).abs() - gain * shown - free).mean()
    return total


def sobel(image: Tensor) -> Tensor:
    """|∂x| + |∂y| with the unscaled 1-2-1 Sobel kernels and a border of zeros; (B, C, H, W) to the same shape."""
    image = F.pad(_wide(image), (1, 1, 1, 1))
    rows = image[..., :-2, :] + 2 * image[..., 1:-1, :] + image[..., 2:, :]
    columns = image[..., :-2] + 2 * image[..., 1:-1] + image[..., 2:]
    return (rows[..., 2:] - rows[..., :-2]).abs() + (columns[..., 2:, :] - columns[..., :-2, :]).abs()


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Mean structural similarity of two (B, C, H, W) pictures of peak 1 (Wang et al., TIP 13(4), 2004); a scalar.

    11×11 Gaussian window of σ 1.5, a border of zeros, C1 = 0.01², C2 = 0.03². Values in [−1, 1], 1 for equal pictures.
    """
    first, second = same_shape(first=first, second=second)
    moments = torch.stack((first, second, first * first, second * second, first * second))
    mean_1, mean_2, square_1, square_2, product = _gaussian(moments).unbind()
    variances = square_1 - mean_1 * mean_1 + square_2 - mean_2 * mean_2
    covariance = product - mean_1 * mean_2
    luminance = (2 * mean_1 * mean_2 + _C1) / (mean_1 * mean_1 + mean_2 * mean_2 + _C1)
    return (luminance * (2 * covariance + _C2) / (variances + _C2)).mean()


def _gaussian(image: Tensor) -> Tensor:
    """Blur the last two dimensions with the SSIM window, border of zeros."""
    return _shifted_sum(_shifted_sum(image).transpose(-1, -2)).transpose(-1, -2)


def _shifted_sum(image: Tensor) -> Tensor:
    """Correlate the rows with the window. On a CPU ten times faster than a one-channel convolution and its gradient."""
    height = image.shape[-2]
    padded = F.pad(image, (0, 0, len(_WINDOW) // 2, len(_WINDOW) // 2))
    total = _WINDOW[0] * padded[..., :height, :]
    for shift, weight in enumerate(_WINDOW[1:], start=1):
        total = total + weight * padded[..., shift : shift + height, :]
    return total


def _wide(image: Tensor) -> Tensor:
    """At least float32: squares and differences of half precision pictures are noise."""
    return image.float() if image.dtype in (torch.float16, torch.bfloat16) else image


def same_shape(**images: Tensor) -> list[Tensor]:
    """The pictures at float32 or wider, or an `InputError` that names their shapes."""
    shapes = {name: tuple(image.shape) for name, image in images.items()}
    if len(set(shapes.values())) > 1 or len(next(iter(shapes.values()))) != 4:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise InputError(f"a loss needs pictures of one shape (B, C, H, W), got {listed}; crop or resize them first")
    return [_wide(image) for image in images.values()]
