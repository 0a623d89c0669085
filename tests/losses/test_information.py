from collections.abc import Callable

import numpy as np
import pytest
import torch

from segmif.checks import InputError
from segmif.losses import difference_correlation_loss, edge_transfer_loss, mutual_information_loss, vif_loss
from segmif.metrics import fusion_panel_torch

LOSSES = {
    "VIF": (vif_loss, lambda loss: 1 - loss),
    "Qabf": (edge_transfer_loss, lambda loss: 1 - loss),
    "SCD": (difference_correlation_loss, lambda loss: 2 * (1 - loss)),
}


def pictures(*size: int, batch: int = 2) -> list[torch.Tensor]:
    """Smooth random pictures of 256 levels: fused, infrared, visible."""
    torch.manual_seed(sum(size))
    coarse = torch.rand(3, batch, 1, size[0] // 4, size[1] // 4)
    fine = torch.nn.functional.interpolate(coarse.flatten(0, 1), size=size, mode="bicubic").unflatten(0, (3, batch))
    infrared, visible, other = ((x + 0.05 * torch.rand_like(x)).clamp(0, 1) for x in fine)
    fused = 0.6 * torch.maximum(infrared, visible) + 0.2 * infrared + 0.1 * other
    return [(x.double() * 255).round() / 255 for x in (fused, infrared, visible)]


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("size", [(64, 80), (97, 71), (45, 33)])
def test_each_is_the_metric_turned_round(name: str, size: tuple[int, int]) -> None:
    fused, infrared, visible = pictures(*size)
    loss, value_of = LOSSES[name]
    expected = fusion_panel_torch(fused, infrared, visible)[name].mean()
    torch.testing.assert_close(value_of(loss(fused, infrared, visible)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_right(name: str) -> None:
    fused, infrared, visible = (x[:1, :, :20, :20].contiguous() for x in pictures(32, 32))
    loss, _ = LOSSES[name]
    inside = (0.1 + 0.8 * fused + 0.001 * torch.rand_like(fused)).requires_grad_()
    assert torch.autograd.gradcheck(lambda f: loss(f, infrared, visible), inside, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("loss", [*(loss for loss, _ in LOSSES.values()), mutual_information_loss])
def test_flat_and_clipped_pictures_have_finite_gradients(loss: Callable[..., torch.Tensor]) -> None:
    for level in (0.0, 0.5, 1.0, 2.0, -1.0):
        fused = torch.full((1, 1, 40, 40), level, requires_grad=True)
        value = loss(fused, torch.zeros(1, 1, 40, 40), torch.ones(1, 1, 40, 40))
        value.backward()
        assert torch.isfinite(value)
        assert fused.grad is not None
        assert torch.isfinite(fused.grad).all()


def test_mutual_information_is_the_share_of_what_the_sources_hold() -> None:
    """Against the entropies of histograms that numpy counts; levels of the loss, so that no pixel is divided."""
    generator = torch.Generator().manual_seed(0)
    infrared, visible = (torch.randint(64, (1, 1, 40, 50), generator=generator).double() / 63 for _ in range(2))
    fused = torch.maximum(infrared, visible)

    def entropy(*images: torch.Tensor) -> float:
        counts = np.histogramdd(
            np.stack([x.flatten().numpy() for x in images], 1), bins=64, range=[(0, 1)] * len(images)
        )
        shares = counts[0][counts[0] > 0] / images[0].numel()
        return float(-(shares * np.log(shares)).sum())

    held = entropy(infrared) + entropy(visible)
    shared = sum(entropy(fused) + entropy(x) - entropy(fused, x) for x in (infrared, visible))
    assert mutual_information_loss(fused, infrared, visible).item() == pytest.approx(1 - shared / held, abs=1e-9)
    assert mutual_information_loss(infrared, infrared, infrared).item() == pytest.approx(0, abs=1e-9)


def test_mutual_information_follows_its_metric() -> None:
    fused, infrared, visible = pictures(64, 80, batch=1)
    noisy = (fused + 0.1 * torch.rand_like(fused)).clamp(0, 1)
    worse, better = (fusion_panel_torch(f, infrared, visible)["MI"].item() for f in (noisy, fused))
    assert worse < better
    assert mutual_information_loss(noisy, infrared, visible) > mutual_information_loss(fused, infrared, visible)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_mutual_information_has_a_gradient_that_raises_it(dtype: torch.dtype) -> None:
    fused, infrared, visible = (x.to(dtype) for x in pictures(33, 45, batch=1))
    fused = (0.02 + 0.9 * fused + 0.03 * torch.rand_like(fused)).requires_grad_()
    before = mutual_information_loss(fused, infrared, visible)
    before.backward()
    assert fused.grad is not None
    after = mutual_information_loss(fused.detach() - 0.02 * fused.grad / fused.grad.abs().max(), infrared, visible)
    assert after < before


def test_enough_correlation_of_differences_ends_the_loss() -> None:
    fused, infrared, visible = pictures(40, 40, batch=1)
    scd = 2 - 2 * difference_correlation_loss(fused, infrared, visible).item()
    assert difference_correlation_loss(fused, infrared, visible, enough=(scd - 0.01, scd - 0.01)).item() == 0
    more = difference_correlation_loss(fused, infrared, visible, enough=(scd + 0.1, scd + 0.1))
    assert more.item() == pytest.approx(0.05, abs=1e-6)


def test_leaving_the_range_wins_nothing() -> None:
    fused, infrared, visible = pictures(48, 48)
    for loss, _ in LOSSES.values():
        beyond = torch.where(fused > 0.8, 1.0 + fused, fused)
        torch.testing.assert_close(loss(beyond, infrared, visible), loss(beyond.clamp(0, 1), infrared, visible))


def test_sizes_must_agree() -> None:
    with pytest.raises(InputError, match="one shape"):
        vif_loss(torch.rand(1, 1, 32, 32), torch.rand(1, 1, 32, 33), torch.rand(1, 1, 32, 32))
