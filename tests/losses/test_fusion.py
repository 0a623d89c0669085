import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torch import Tensor

from segmif.checks import InputError
from segmif.losses import (
    fusion_loss,
    fusion_loss_round1,
    halo_loss,
    max_gradient_loss,
    max_intensity_loss,
    missing_gradient_loss,
    sobel,
    source_ssim_loss,
    ssim,
)
from tests.tolerances import ABSOLUTE, GOLDEN_LOSS

TO_TARGET = [fusion_loss_round1, fusion_loss]
TO_SOURCES = [max_intensity_loss, max_gradient_loss, missing_gradient_loss, source_ssim_loss, halo_loss]
SIZES = [(1, 1), (5, 3), (17, 32), (33, 29)]


def picture(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def reference_sobel(image: np.ndarray) -> np.ndarray:
    return sum(np.abs(ndimage.sobel(image, axis, mode="constant")) for axis in (0, 1))


def reference_ssim(first: np.ndarray, second: np.ndarray) -> float:
    """Wang's formula with the two-dimensional window written out, one (H, W) picture."""
    y, x = np.mgrid[-5:6, -5:6]
    window = np.exp(-(x**2 + y**2) / (2 * 1.5**2))
    window /= window.sum()

    def mean(values: np.ndarray) -> np.ndarray:
        return ndimage.correlate(values, window, mode="constant")

    mu_1, mu_2 = mean(first), mean(second)
    var_1, var_2 = mean(first**2) - mu_1**2, mean(second**2) - mu_2**2
    cov = mean(first * second) - mu_1 * mu_2
    numerator = (2 * mu_1 * mu_2 + 1e-4) * (2 * cov + 9e-4)
    return float(np.mean(numerator / ((mu_1**2 + mu_2**2 + 1e-4) * (var_1 + var_2 + 9e-4))))


def reference_halo(fused: np.ndarray, infrared: np.ndarray, visible: np.ndarray, side: int) -> float:
    """What changes between the means of neighbouring squares, more than in either source by 5 % and a grey level."""
    rows, columns = (length // side for length in fused.shape)
    f, a, b = (
        image[: rows * side, : columns * side].reshape(rows, side, columns, side).mean((1, 3))
        for image in (fused, infrared, visible)
    )
    total = 0.0
    for axis in (0, 1):
        shown = np.maximum(np.abs(np.diff(a, axis=axis)), np.abs(np.diff(b, axis=axis)))
        total += np.maximum(np.abs(np.diff(f, axis=axis)) - 1.05 * shown - 1 / 255, 0).mean()
    return total


@pytest.mark.parametrize(("loss", "name"), [(fusion_loss_round1, "loss_stage1"), (fusion_loss, "loss_fusion_stage2")])
def test_golden_value(golden, loss, name):
    assert loss(golden["fused_y"], golden["guide"]).item() == pytest.approx(golden[name].item(), abs=GOLDEN_LOSS)
    single = loss(golden["fused_y"].float(), golden["guide"].float())
    assert single.item() == pytest.approx(golden[name].item(), abs=GOLDEN_LOSS)


@pytest.mark.parametrize("size", SIZES)
def test_sobel_and_ssim_match_the_written_out_definition(size):
    first, second = picture(2, 2, *size), picture(2, 2, *size, seed=1)
    expected = np.stack([[reference_sobel(c) for c in image] for image in first.numpy()])
    np.testing.assert_allclose(sobel(first), expected, atol=ABSOLUTE[torch.float64])
    pairs = zip(first.flatten(0, 1).numpy(), second.flatten(0, 1).numpy(), strict=True)
    expected_ssim = np.mean([reference_ssim(a, b) for a, b in pairs])
    assert ssim(first, second).item() == pytest.approx(expected_ssim, abs=ABSOLUTE[torch.float64])


@pytest.mark.parametrize("size", SIZES)
def test_source_losses_match_the_written_out_definition(size):
    fused, infrared, visible = (picture(1, 1, *size, seed=seed) for seed in range(3))
    f, a, b = (image[0, 0].numpy() for image in (fused, infrared, visible))
    edges = np.maximum(reference_sobel(a), reference_sobel(b))
    expected = {
        max_intensity_loss: np.abs(f - np.maximum(a, b)).mean(),
        max_gradient_loss: np.abs(reference_sobel(f) - edges).mean(),
        missing_gradient_loss: np.maximum(edges - reference_sobel(f), 0).mean(),
        source_ssim_loss: 1 - (reference_ssim(f, a) + reference_ssim(f, b)) / 2,
    }
    expected[halo_loss] = sum(reference_halo(f, a, b, side) for side in (4, 8, 16) if min(size) >= 2 * side)
    for loss, value in expected.items():
        assert loss(fused, infrared, visible).item() == pytest.approx(value, abs=ABSOLUTE[torch.float64])


@pytest.mark.parametrize("loss", [*TO_TARGET, *TO_SOURCES])
def test_gradcheck(loss):
    others = [picture(1, 1, 8, 9, seed=seed) for seed in range(1, loss.__code__.co_argcount)]
    fused = picture(1, 1, 8, 9).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, *others), (fused,))


def test_more_texture_than_asked_for_is_free():
    infrared, visible = picture(1, 1, 9, 9, seed=1), picture(1, 1, 9, 9, seed=2)
    sharp = 3 * torch.maximum(infrared, visible)
    flat = torch.zeros_like(sharp)
    missing = torch.maximum(sobel(infrared), sobel(visible)).mean().item()
    assert missing_gradient_loss(flat, infrared, visible, gain=1.5).item() == pytest.approx(1.5 * missing)
    assert missing_gradient_loss(sharp, infrared, visible) < max_gradient_loss(sharp, infrared, visible)
    assert missing_gradient_loss(3 * infrared, infrared, infrared) == 0


def test_a_rim_in_an_even_sky_is_a_halo_and_texture_is_none():
    sky = torch.full((1, 1, 64, 64), 0.8)
    sky[..., 48:, :] = 0.3  # a hedge
    fading = torch.linspace(0.5, 0, 48)[:, None].expand(48, 64)
    rim = sky.clone()
    rim[..., :48, :] -= fading  # darker with the distance
    assert halo_loss(sky, sky, sky) == 0
    assert halo_loss(0.5 * sky, sky, sky) == 0
    assert halo_loss(rim, sky, sky) > 0.02
    texture = sky + 0.2 * (torch.arange(64) % 2 - 0.5)
    assert halo_loss(texture, sky, sky) == pytest.approx(0, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 24), width=st.integers(1, 24), seed=st.integers(0, 99), batch=st.integers(1, 3))
def test_properties(height, width, seed, batch):
    fused, first, second = (picture(batch, 1, height, width, seed=seed + step) for step in range(3))
    for loss in TO_TARGET:
        assert loss(fused, first) >= 0
        assert loss(fused, fused).item() == pytest.approx(0, abs=ABSOLUTE[torch.float64])
        turned = loss(fused.transpose(-1, -2), first.transpose(-1, -2))
        torch.testing.assert_close(turned, loss(fused, first))
    for loss in TO_SOURCES:
        assert loss(fused, first, second) >= 0
        assert loss(first, first, first).item() == pytest.approx(0, abs=ABSOLUTE[torch.float64])
        torch.testing.assert_close(loss(fused, first, second), loss(fused, second, first))
    assert -1 <= ssim(fused, first) <= 1
    torch.testing.assert_close(ssim(fused, first), ssim(first, fused))


@pytest.mark.parametrize("loss", [*TO_TARGET, *TO_SOURCES])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(loss, dtype):
    images = [picture(1, 1, 16, 20, seed=seed).to(dtype) for seed in range(loss.__code__.co_argcount)]
    value = loss(*images)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(*(image.float() for image in images)))


def test_autocast_does_not_round():
    first, second = picture(1, 1, 32, 32, dtype=torch.float32), picture(1, 1, 32, 32, seed=1, dtype=torch.float32)
    plain = fusion_loss(first, second)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(fusion_loss(first, second), plain)


@pytest.mark.parametrize("loss", [*TO_TARGET, *TO_SOURCES])
def test_shapes_that_differ_are_an_input_error(loss):
    images = [picture(1, 1, 8, 8) for _ in range(loss.__code__.co_argcount - 1)]
    with pytest.raises(InputError, match=r"one shape.*\(1, 1, 8, 9\)"):
        loss(*images, picture(1, 1, 8, 9))
    with pytest.raises(InputError, match="one shape"):
        loss(*(image[0, 0] for image in [*images, images[0]]))
