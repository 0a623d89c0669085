"""The batched torch panel equals the numpy metrics."""

import numpy as np
import pytest
import torch

from segmif.checks import InputError
from segmif.metrics import fusion_metrics, fusion_panel_torch
from segmif.metrics.fusion import PANEL
from tests.metrics.test_fusion_oracle import triple


def batch(*sizes_and_seeds: tuple[int, int, int]) -> list[torch.Tensor]:
    """(B, 1, H, W) float tensors of fused, infrared, visible."""
    stacks = zip(*(triple(*arguments) for arguments in sizes_and_seeds), strict=True)
    return [torch.from_numpy(np.stack(stack)).float().div(255)[:, None] for stack in stacks]


@pytest.mark.parametrize("size", [(48, 64), (33, 57), (101, 40)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-3)])
def test_equals_numpy(size: tuple[int, int], dtype: torch.dtype, tolerance: float) -> None:
    tensors = batch((*size, 0), (*size, 1), (*size, 2))
    found = fusion_panel_torch(*tensors, dtype=dtype)
    assert tuple(found) == PANEL
    for k in range(3):
        expected = fusion_metrics(*(t[k] for t in tensors), PANEL)
        assert {name: value[k].item() for name, value in found.items()} == pytest.approx(expected, rel=tolerance)


def test_values_outside_the_unit_range_are_clamped() -> None:
    fused, infrared, visible = batch((48, 48, 0))
    wild = fused * 1.6 - 0.2
    one, other = (fusion_panel_torch(f, infrared, visible) for f in (wild, wild.clamp(0, 1)))
    assert all(torch.equal(one[name], other[name]) for name in PANEL)


@pytest.mark.parametrize("level", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_constant_pictures(level: float, dtype: torch.dtype) -> None:
    flat = torch.full((2, 1, 40, 44), level)
    found = fusion_panel_torch(flat, flat, flat, dtype=dtype)
    expected = fusion_metrics(flat[0], flat[0], flat[0], PANEL)
    assert {name: value[1].item() for name, value in found.items()} == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_half_precision_in_and_no_gradient_out() -> None:
    fused, infrared, visible = batch((48, 48, 0))
    found = fusion_panel_torch(fused.requires_grad_(), infrared.bfloat16(), visible)
    assert not found["SSIM"].requires_grad
    assert found["SSIM"].dtype == torch.float64


def test_bad_batches() -> None:
    fused, infrared, visible = batch((48, 48, 0))
    with pytest.raises(InputError, match="visible must have shape"):
        fusion_panel_torch(fused, infrared, visible.repeat(1, 3, 1, 1))
    with pytest.raises(InputError, match="infrared has shape"):
        fusion_panel_torch(fused, infrared[..., :-1], visible)
    with pytest.raises(InputError, match="fused holds NaN"):
        fusion_panel_torch(fused * float("nan"), infrared, visible)
    with pytest.raises(InputError, match="at least 32"):
        fusion_panel_torch(fused[..., :31], infrared[..., :31], visible[..., :31])
