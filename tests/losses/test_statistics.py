"""Losses about whole pictures: written-out values, zero where there is enough, gradients, bad shapes."""

import numpy as np
import pytest
import torch
from torch import Tensor

from segmif.checks import InputError
from segmif.losses import clipping_loss, contrast_loss, entropy_loss, sharpness_loss, sobel
from segmif.metrics import fusion_metrics

TO_SOURCES = [sharpness_loss, contrast_loss, entropy_loss]


def picture(
    *shape: int, seed: int = 0, low: float = 0.0, high: float = 1.0, dtype: torch.dtype = torch.float64
) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def pair(bright: bool, batch: int = 1, size: tuple[int, int] = (33, 41)) -> tuple[Tensor, Tensor]:
    infrared = picture(batch, 1, *size, seed=1, high=1.0 if bright else 0.2)
    return infrared, picture(batch, 1, *size, seed=2)


@pytest.mark.parametrize(("bright", "factor"), [(False, 0.9), (True, 1.3)])
def test_sharpness_as_written_out(bright: bool, factor: float) -> None:
    infrared, visible = pair(bright)
    fused = 0.3 * visible
    wanted = factor * torch.maximum(sobel(infrared), sobel(visible)).mean()
    expected = 1 - sobel(fused).mean() / wanted
    assert sharpness_loss(fused, infrared, visible, enough=(0.9, 1.3)).item() == pytest.approx(expected.item())
    assert sharpness_loss(9 * visible, infrared, visible, enough=(0.9, 1.3)) == 0


@pytest.mark.parametrize(("bright", "factor"), [(False, 0.9), (True, 1.3)])
def test_contrast_as_written_out(bright: bool, factor: float) -> None:
    infrared, visible = pair(bright)
    fused = 0.2 * visible
    brighter = np.maximum(infrared.numpy(), visible.numpy())
    expected = 1 - fused.numpy().std(ddof=1) / (factor * brighter.std(ddof=1))
    found = contrast_loss(fused, infrared, visible, enough=(0.9, 1.3), most=1.0)
    assert found.item() == pytest.approx(expected)
    limited = contrast_loss(fused, infrared, visible, enough=(0.9, 1.3), most=0.1)
    assert limited.item() == pytest.approx(1 - fused.numpy().std(ddof=1) / 0.1)
    assert contrast_loss(visible, infrared, visible, enough=(0.5, 0.5)) == 0
    beyond = 3 * visible - 1  # leaving [0, 1] wins nothing
    assert contrast_loss(beyond, infrared, visible, most=1.0) == contrast_loss(
        beyond.clamp(0, 1), infrared, visible, most=1.0
    )


def test_entropy_is_the_metric_but_for_its_bins() -> None:
    infrared, visible = pair(True, size=(240, 320))
    for high in (1.0, 0.5, 0.25):
        fused = picture(1, 1, 240, 320, seed=5, high=high)
        grey = (fused[0, 0] * 255).round().to(torch.uint8).numpy()
        truth = fusion_metrics(np.dstack([grey] * 3), grey, np.dstack([grey] * 3), which=["EN"])["EN"]
        assert 10 - entropy_loss(fused, infrared, visible, enough=(10, 10)).item() == pytest.approx(truth, abs=0.12)
    assert entropy_loss(visible, infrared, visible, enough=(7.5, 7.5)) == 0
    assert entropy_loss(torch.zeros_like(visible), infrared, visible).item() == pytest.approx(7.5 - np.log2(256 / 48))
    dark, _ = pair(False, size=(240, 320))
    assert entropy_loss(torch.zeros_like(visible), dark, visible) == 0  # nothing is asked of pairs with dark infrared


def test_between_dark_and_bright_infrared_the_demand_changes_steadily() -> None:
    visible = picture(1, 1, 16, 16)
    asked = [
        1 - contrast_loss(0.1 * visible, torch.full_like(visible, level), visible, enough=(1.0, 2.0), most=9.0).item()
        for level in (0.0, 0.1, 0.15)
    ]
    assert asked[0] == pytest.approx(0.1)
    assert asked == sorted(asked)


def test_clipping_counts_what_is_lost() -> None:
    assert clipping_loss(torch.tensor([[[[-0.5, 0.0, 0.5, 1.0, 1.25]]]])).item() == pytest.approx(0.75 / 5)
    assert clipping_loss(picture(2, 1, 5, 5)) == 0


@pytest.mark.parametrize("loss", TO_SOURCES)
def test_gradients_and_batches(loss) -> None:  # type: ignore[no-untyped-def]
    infrared, visible = pair(True, batch=2, size=(8, 9))
    fused = (0.3 * picture(2, 1, 8, 9, seed=4) + 0.2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, infrared, visible, enough=(9.0, 9.0)), (fused,))
    alone = [loss(fused[i : i + 1], infrared[i : i + 1], visible[i : i + 1], enough=(9.0, 9.0)) for i in range(2)]
    assert loss(fused, infrared, visible, enough=(9.0, 9.0)).item() == pytest.approx(sum(alone).item() / 2)  # type: ignore[union-attr]
    half = loss(fused.detach().bfloat16(), infrared.bfloat16(), visible.bfloat16())
    assert half.dtype == torch.float32


@pytest.mark.parametrize("loss", TO_SOURCES)
def test_shapes_that_differ_are_refused(loss) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="one shape"):
        loss(picture(1, 1, 4, 4), picture(1, 1, 4, 5), picture(1, 1, 4, 4))
