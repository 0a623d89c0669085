"""Losses that are fusion metrics turned round: what the field measures, as something to descend.

Each is the definition of `segmif.metrics` with a gradient: the same numbers on a picture of 256 levels.

Letters: B batch, H and W height and width; F fused, A infrared, B visible luma. Pictures are float (B, 1, H, W) in
[0, 1]; F is clamped to it, so nothing is won by leaving it. Float16 and bfloat16 are computed in float32.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from segmif.losses.fusion import by_infrared, same_shape

_NOISE = 2.0
"""Variance of the visual noise of VIF, in squared grey levels."""
_SCALES = ((17, 17 / 5), (9, 9 / 5), (5, 1.0), (3, 3 / 5))
"""(side, σ) of the Gaussian windows of VIF, coarse to fine as the pictures shrink."""
_TINY = 1e-6
_LEVELS = 64
"""Grey levels of the histograms of MI: 256 would be too few pixels each in a crop."""


def vif_loss(fused_luma: Tensor, infrared: Tensor, visible_luma: Tensor) -> Tensor:
    """1 − VIF(F; A) − VIF(F; B): visual information of both sources arrives (Sheikh & Bovik, TIP 15(2), 2006).

    Four scales, as `segmif.metrics` computes VIF; below 0 where the fused picture carries more than one source holds.
    More contrast than the sources have gives more than they carry, so it wants an intensity loss beside it.

    Args:
        fused_luma: F, (B, 1, H, W).
        infrared: A, same shape.
        visible_luma: B, same shape.

    Raises:
        InputError: the shapes differ.
    """
    f, a, b = _levels(fused_luma, infrared, visible_luma)
    return 1 - (_fidelity(f, a) + _fidelity(f, b)).mean()


def _fidelity(f: Tensor, x: Tensor) -> Tensor:
    """(B,) information of x that f carries, over all that x holds."""
    carried, held = f.new_zeros(len(f)), f.new_zeros(len(f))
    for number, (side, sigma) in enumerate(_SCALES):
        if min(f.shape[-2:]) < side:
            break
        if number:
            f, x = (_windowed(picture, side, sigma)[..., ::2, ::2] for picture in (f, x))
            if min(f.shape[-2:]) < side:
                break
        means = _windowed(torch.cat((f, x, f * f, x * x, f * x), dim=1), side, sigma)
        mean_f, mean_x, ff, xx, fx = means.unbind(1)
        var_f, var_x, cov = ff - mean_f**2, xx - mean_x**2, fx - mean_f * mean_x
        usable = (var_f > _TINY) & (var_x > _TINY) & (cov > 0)
        gain = torch.where(usable, cov / var_x.clamp(min=_TINY), 0.0)
        rest = (var_f - gain * cov).clamp(min=_TINY)
        carried = carried + (1 + gain * gain * var_x.clamp(min=0) / (rest + _NOISE)).log().flatten(1).sum(1)
        held = held + (1 + var_x.clamp(min=0) / _NOISE).log().flatten(1).sum(1)
    return carried / held.clamp(min=_TINY)


def edge_transfer_loss(fused_luma: Tensor, infrared: Tensor, visible_luma: Tensor) -> Tensor:
    """1 − Qabf: edges of either source keep strength and direction (Xydeas & Petrović, Electron. Lett. 36, 2000).

    Arguments and errors as `vif_loss`.
    """
    f, a, b = _levels(fused_luma, infrared, visible_luma)
    strength_f, angle_f = _edges(f)
    kept, all_of_it = f.new_zeros(len(f)), f.new_zeros(len(f))
    for source in (a, b):
        strength, angle = _edges(source)
        ratio = torch.minimum(strength, strength_f) / torch.maximum(strength, strength_f)
        agreement = 1 - (angle - angle_f).abs() / (math.pi / 2)
        quality = 0.9994 * torch.sigmoid(15 * (ratio - 0.5)) * 0.9879 * torch.sigmoid(22 * (agreement - 0.8))
        kept = kept + (quality * strength).flatten(1).sum(1)
        all_of_it = all_of_it + strength.flatten(1).sum(1)
    return 1 - (kept / all_of_it).mean()


def difference_correlation_loss(
    fused_luma: Tensor, infrared: Tensor, visible_luma: Tensor, *, enough: tuple[float, float] = (2.0, 2.0)
) -> Tensor:
    """max(0, e − SCD) / 2: what F adds to each source looks like the other (Aslantas & Bendes, AEU 69(12), 2015).

    SCD is at most 2. A picture that has enough, e, has no more to gain: beyond some 1.7 it is bought with contrast that
    no source has, at the price of mutual information. Other arguments and errors as `vif_loss`.

    Args:
        fused_luma: F.
        infrared: A.
        visible_luma: B.
        enough: e for pairs of dark and of bright infrared, in between for others.
    """
    wanted = by_infrared(infrared.float(), enough)
    f, a, b = _levels(fused_luma, infrared, visible_luma)
    scd = _correlation(f - b, a) + _correlation(f - a, b)
    return F.relu(wanted - scd).mean() / 2


def mutual_information_loss(fused_luma: Tensor, infrared: Tensor, visible_luma: Tensor) -> Tensor:
    """1 − (MI(F, A) + MI(F, B)) / (H(A) + H(B)): F tells its sources' levels (Qu et al., Electron. Lett. 38, 2002).

    As MI of `segmif.metrics`, but of 64 levels, between which a pixel counts in parts, so that it can be descended, and
    as a share of what the sources hold. It wants every place of a picture treated alike: what the blend does here and
    there differently costs information.

    Arguments and errors as `vif_loss`.
    """
    f, a, b = (level / 255 + 0.5 for level in _levels(fused_luma, infrared, visible_luma))
    shared, held = f.new_zeros(len(f)), f.new_zeros(len(f))
    for source in (a, b):
        joint = _joint_histogram(f, source)
        of_source = _entropy(joint.sum(1))
        shared = shared + _entropy(joint.sum(2)) + of_source - _entropy(joint.flatten(1))
        held = held + of_source
    return (1 - shared / held.clamp(min=_TINY)).mean()


def _joint_histogram(f: Tensor, x: Tensor) -> Tensor:
    """(B, L, L) shares of the pixels, each divided linearly between its neighbouring levels."""
    (low_f, part_f), (low_x, part_x) = _level_and_part(f), _level_and_part(x)
    histogram = f.new_zeros(len(f), _LEVELS * _LEVELS)
    for up_f, weight_f in ((0, 1 - part_f), (1, part_f)):
        for up_x, weight_x in ((0, 1 - part_x), (1, part_x)):
            place = (low_f + up_f) * _LEVELS + low_x + up_x
            histogram = histogram.scatter_add(1, place, weight_f * weight_x)
    return histogram.reshape(-1, _LEVELS, _LEVELS) / low_f.shape[1]


def _level_and_part(x: Tensor) -> tuple[Tensor, Tensor]:
    position = x.flatten(1) * (_LEVELS - 1)
    low = position.detach().floor().clamp(0, _LEVELS - 2)
    return low.long(), position - low


def _entropy(shares: Tensor) -> Tensor:
    """(B, N) to (B,), in nats."""
    return -(shares * shares.clamp(min=1e-12).log()).sum(1)


def _correlation(x: Tensor, y: Tensor) -> Tensor:
    x, y = (picture.flatten(1) - picture.flatten(1).mean(1, keepdim=True) for picture in (x, y))
    return (x * y).sum(1) / ((x * x).sum(1) * (y * y).sum(1) + _TINY).sqrt()


def _levels(fused_luma: Tensor, infrared: Tensor, visible_luma: Tensor) -> list[Tensor]:
    """The pictures at 0..255, centred, the fused one clamped."""
    pictures = same_shape(fused_luma=fused_luma, infrared=infrared, visible_luma=visible_luma)
    return [picture.clamp(0, 1) * 255 - 127.5 for picture in pictures]


def _windowed(x: Tensor, side: int, sigma: float) -> Tensor:
    """A Gaussian window where it fits, as shifted sums: on a CPU far faster than a depth-wise convolution."""
    taps = [math.exp(-((i - side // 2) ** 2) / (2 * sigma**2)) for i in range(side)]
    for dim in (-2, -1):
        length = x.shape[dim] - side + 1
        total = torch.zeros((), dtype=x.dtype, device=x.device)
        for shift, tap in enumerate(taps):
            total = total + (tap / sum(taps)) * x.narrow(dim, shift, length)
        x = total
    return x


def _edges(x: Tensor) -> tuple[Tensor, Tensor]:
    """Sobel strength and angle, zeros outside; flat places have a strength of nearly 0 and no gradient that is NaN."""
    x = F.pad(x + 127.5, (1, 1, 1, 1))
    across, along = x[..., 2:] - x[..., :-2], x[..., 2:, :] - x[..., :-2, :]
    gx = across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]
    gy = along[..., :-2] + 2 * along[..., 1:-1] + along[..., 2:]
    upright = gx.abs() < _TINY
    angle = torch.where(upright, math.pi / 2, torch.atan(-gy / torch.where(upright, 1.0, gx)))
    return (gx * gx + gy * gy + _TINY).sqrt(), angle
