"""The usual ten fusion metrics of whole batches, in torch, on any device.

Same definitions as the plain metrics of the table; for watching training and for scoring large sets on a GPU.

B batch, H height, W width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from segmif.checks import InputError, check_batch
from segmif.metrics.fusion.fidelity import GUARD, NOISE, scale_count, window
from segmif.metrics.fusion.plane import Float
from segmif.metrics.fusion.similarity import C1, C2
from segmif.metrics.fusion.similarity import window as ssim_window

PANEL = ("EN", "SD", "SF", "AG", "MI", "SCD", "VIF", "Qabf", "SSIM", "CC")
_CENTRE = 127.5
"""Subtracted before second moments: the variance is the same and loses fewer digits."""


def fusion_panel_torch(
    fused: Tensor, infrared: Tensor, visible: Tensor, dtype: torch.dtype = torch.float64
) -> dict[str, Tensor]:
    """EN, SD, SF, AG, MI, SCD, VIF, Qabf, SSIM and CC of a batch of fused luma pictures.

    Args:
        fused: (B, 1, H, W) float; clamped to [0, 1] and rounded to 256 levels, as if it were saved.
        infrared: the same.
        visible: the same; the luma of a colour picture.
        dtype: of the arithmetic. float64 agrees with `fusion_metrics` to 1e-9; float32 to 1e-3 relative.

    Returns:
        name → (B,) tensor on the device of `fused`.

    Raises:
        InputError: shapes that are not (B, 1, H, W) or differ, sides below 32, integer or NaN values.

    >>> picture = torch.linspace(0, 1, 64).expand(2, 1, 64, 64)
    >>> fusion_panel_torch(picture, picture, picture)["CC"].tolist()
    [1.0, 1.0]
    """
    with torch.no_grad():
        f, a, b = _levels(fused, infrared, visible)
        statistics = _statistics(f, a, b)
        f, a, b = (x.to(dtype) for x in (f, a, b))
        rest = {
            "SF": _spatial_frequency(f),
            "AG": _average_gradient(f),
            "VIF": _vif(f, a, b),
            "Qabf": _qabf(f, a, b),
            "SSIM": _ssim(f, a, b),
        }
        return {name: {**statistics, **rest}[name].to(dtype) for name in PANEL}


def _levels(fused: Tensor, infrared: Tensor, visible: Tensor) -> list[Tensor]:
    """Three (B, H, W) int64 tensors of grey levels."""
    named = {"fused": fused, "infrared": infrared, "visible": visible}
    for name, tensor in named.items():
        check_batch(name, tensor, 1)
        if tensor.shape != fused.shape:
            raise InputError(
                f"{name} has shape {tuple(tensor.shape)} but fused has {tuple(fused.shape)}: resize or repeat one"
            )
        if not bool(torch.isfinite(tensor).all()):
            raise InputError(f"{name} holds NaN or infinite values; mask them first")
    exact = torch.float32 if fused.device.type == "mps" else torch.float64
    return [(x[:, 0].to(exact).clamp(0, 1) * 255 + 0.5).floor().long() for x in named.values()]


def _joint_histogram(x: Tensor, y: Tensor) -> Tensor:
    """(B, 256, 256) counts."""
    batch = x.shape[0]
    index = (x * 256 + y).flatten(1) + 65536 * torch.arange(batch, device=x.device)[:, None]
    return torch.bincount(index.flatten(), minlength=batch * 65536).view(batch, 256, 256)


def _entropy(counts: Tensor) -> Tensor:
    """(B, ...) counts to (B,) bits."""
    p = counts.flatten(1).double()
    p = p / p.sum(1, keepdim=True)
    return (-torch.xlogy(p, p).sum(1) / math.log(2)).clamp(min=0)


def _statistics(f: Tensor, a: Tensor, b: Tensor) -> dict[str, Tensor]:
    """The metrics of histograms, always in float64."""
    joint_a, joint_b, sources = _joint_histogram(f, a), _joint_histogram(f, b), _joint_histogram(a, b)
    en = _entropy(joint_a.sum(2))
    mi = 2 * en + _entropy(joint_a.sum(1)) + _entropy(joint_b.sum(1)) - _entropy(joint_a) - _entropy(joint_b)
    levels = torch.arange(256, device=f.device).double() - _CENTRE
    n = f[0].numel()
    mean_f, mean_a = ((counts.double() @ levels) / n for counts in (joint_a.sum(2), sources.sum(2)))
    mean_b = (sources.sum(1).double() @ levels) / n

    def covariance(joint: Tensor, mean_x: Tensor, mean_y: Tensor) -> Tensor:
        return (joint.double() @ levels @ levels) / n - mean_x * mean_y

    def variance(counts: Tensor, mean: Tensor) -> Tensor:
        return (counts.double() @ levels**2) / n - mean**2

    var_f, var_a, var_b = (
        _flat_is_zero(variance(counts, mean))
        for counts, mean in ((joint_a.sum(2), mean_f), (sources.sum(2), mean_a), (sources.sum(1), mean_b))
    )
    fa, fb = covariance(joint_a, mean_f, mean_a), covariance(joint_b, mean_f, mean_b)
    ab = covariance(sources, mean_a, mean_b)
    scd = _correlation(fa - ab, _flat_is_zero(var_f + var_b - 2 * fb), var_a)
    scd = scd + _correlation(fb - ab, _flat_is_zero(var_f + var_a - 2 * fa), var_b)
    cc = (_correlation(fa, var_f, var_a) + _correlation(fb, var_f, var_b)) / 2
    return {"EN": en, "MI": mi.clamp(min=0), "SD": var_f.sqrt(), "CC": cc, "SCD": scd}


def _flat_is_zero(variance: Tensor) -> Tensor:
    """Global variances without the rounding noise of constant pictures."""
    return torch.where(variance < 1e-10, 0.0, variance)


def _correlation(covariance: Tensor, var_x: Tensor, var_y: Tensor) -> Tensor:
    scale = (var_x * var_y).sqrt()
    return torch.where(scale > 0, covariance / scale.clamp(min=1e-30), 0.0)


def _mean(maps: Tensor) -> Tensor:
    return maps.flatten(1).mean(1)


def _spatial_frequency(f: Tensor) -> Tensor:
    return (_mean(f.diff(dim=2) ** 2) + _mean(f.diff(dim=1) ** 2)).sqrt()


def _average_gradient(f: Tensor) -> Tensor:
    gy, gx = torch.gradient(f, dim=(1, 2))
    height, width = f.shape[1:]
    return ((gx * gx + gy * gy) / 2).sqrt().flatten(1).sum(1) / ((height - 1) * (width - 1))


def _valid(image: Tensor, factor: Float) -> Tensor:
    """Correlate rows and columns of (..., H, W) with a symmetric odd window, only where it fits."""
    taps: list[float] = factor.tolist()
    for dim in (-1, -2):
        size = image.shape[dim] - len(taps) + 1
        filtered = image.narrow(dim, 0, size) * taps[0]
        for k, tap in enumerate(taps[1:], start=1):
            filtered.add_(image.narrow(dim, k, size), alpha=tap)
        image = filtered
    return image


def _local_moments(x: Tensor, y: Tensor, factor: Float) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Local means, variances and covariance of two pictures of centred levels."""
    mean_x, mean_y, xx, yy, xy = (_valid(image, factor) for image in (x, y, x * x, y * y, x * y))
    return mean_x, mean_y, xx - mean_x**2, yy - mean_y**2, xy - mean_x * mean_y


def _ssim(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    total = torch.zeros(len(f), dtype=f.dtype, device=f.device)
    for source in (a, b):
        mx, my, vx, vy, cov = _local_moments(source - _CENTRE, f - _CENTRE, ssim_window())
        mx, my = mx + _CENTRE, my + _CENTRE
        total += _mean((2 * mx * my + C1) * (2 * cov + C2) / ((mx * mx + my * my + C1) * (vx + vy + C2)))
    return total / 2


def _vif(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return _vif_of_source(a - _CENTRE, f - _CENTRE) + _vif_of_source(b - _CENTRE, f - _CENTRE)


def _vif_of_source(x: Tensor, f: Tensor) -> Tensor:
    numerator = torch.zeros(len(f), dtype=f.dtype, device=f.device)
    denominator = torch.zeros_like(numerator)
    guard = max(GUARD, 1e3 * torch.finfo(f.dtype).eps)
    for scale in range(scale_count(min(x.shape[1:]))):
        factor = window(scale)
        if scale > 0:
            x, f = (_valid(image, factor)[:, ::2, ::2] for image in (x, f))
        _, _, var_x, var_f, cov = _local_moments(x, f, factor)
        usable = (var_x >= guard) & (var_f >= guard) & (cov >= 0)
        var_x = torch.where(var_x < guard, 0.0, var_x)
        gain = torch.where(usable, cov / (var_x + GUARD), 0.0)
        residual = (var_f - gain * cov).clamp(min=GUARD)
        numerator += (1 + gain * gain * var_x / (residual + NOISE)).log().flatten(1).sum(1)
        denominator += (1 + var_x / NOISE).log().flatten(1).sum(1)
    return torch.where(denominator > 0, numerator / denominator.clamp(min=1e-30), 1.0)


def _sobel(x: Tensor) -> tuple[Tensor, Tensor]:
    """Strength and angle as Qabf takes them, zeros outside."""
    padded = torch.nn.functional.pad(x, (1, 1, 1, 1))
    across = padded[:, :, 2:] - padded[:, :, :-2]
    along = padded[:, 2:] - padded[:, :-2]
    gx = across[:, :-2] + 2 * across[:, 1:-1] + across[:, 2:]
    gy = along[:, :, :-2] + 2 * along[:, :, 1:-1] + along[:, :, 2:]
    angle = torch.where(gx == 0, math.pi / 2, torch.atan(-gy / torch.where(gx == 0, 1.0, gx)))
    return (gx * gx + gy * gy).sqrt(), angle


def _qabf(f: Tensor, a: Tensor, b: Tensor) -> Tensor:
    strength_f, angle_f = _sobel(f)
    numerator = torch.zeros(len(f), dtype=f.dtype, device=f.device)
    denominator = torch.zeros_like(numerator)
    for source in (a, b):
        strength, angle = _sobel(source)
        low, high = torch.minimum(strength, strength_f), torch.maximum(strength, strength_f)
        ratio = torch.where(low < high, low / high.clamp(min=1), strength_f)
        agreement = 1 - (angle - angle_f).abs() / (math.pi / 2)
        quality = 0.9994 * torch.sigmoid(15 * (ratio - 0.5)) * 0.9879 * torch.sigmoid(22 * (agreement - 0.8))
        numerator += (quality * strength).flatten(1).sum(1)
        denominator += strength.flatten(1).sum(1)
    return torch.where(denominator > 0, numerator / denominator.clamp(min=1), 0.0)
