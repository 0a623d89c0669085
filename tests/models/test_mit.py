import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from segmif.models import MiTConfig, MixTransformer, mit_preset
from segmif.models.mit import Block, EfficientAttention, _attend_in_parts
from tests.models.tester import NetworkTester, random, same

TINY = MiTConfig(channels=(8, 16, 20, 32), depths=(1, 2, 1, 1), drop_path=0.0)


class TestMixTransformer(NetworkTester):
    def build(self) -> MixTransformer:
        return MixTransformer(TINY)

    def inputs(self, batch: int, size: tuple[int, int]) -> tuple[Tensor, ...]:
        return (random(0, batch, 3, *size),)

    def shapes(self, batch: int, size: tuple[int, int]) -> list[tuple[int, ...]]:
        return [
            (batch, c, -(-size[0] // s), -(-size[1] // s)) for c, s in zip(TINY.channels, (4, 8, 16, 32), strict=True)
        ]


def test_parameters_of_the_presets() -> None:
    """SegFormer's table 7: 3.4, 13.1, 24.2, 44.0, 60.8 and 81.4 million parameters in the encoders."""
    with torch.device("meta"):
        counts = [sum(p.numel() for p in MixTransformer(mit_preset(f"mit_b{i}")).parameters()) / 1e6 for i in range(6)]
    assert counts == pytest.approx([3.4, 13.1, 24.2, 44.0, 60.8, 81.4], abs=0.1)


def test_first_stages_alone_are_the_same() -> None:
    network = MixTransformer(TINY).eval()
    images = random(1, 1, 3, 40, 32)
    assert same(network(images, 2), network(images)[:2], 0)
    cut = MixTransformer(TINY.first_stages(2)).eval()
    cut.load_state_dict({k: v for k, v in network.state_dict().items() if k.startswith(("stages.0", "stages.1"))})
    assert same(cut(images), network(images, 2), 0)


def test_blocks_add_to_a_sum_of_all_digits_under_autocast() -> None:
    """With branches that add nothing, bfloat16 loses nothing. Training keeps to autocast throughout."""
    torch.manual_seed(0)
    network = MixTransformer(TINY).eval()
    for name, parameter in network.named_parameters():
        if "attention.output" in name or "mlp.project" in name:
            torch.nn.init.zeros_(parameter)
    images = random(1, 1, 3, 40, 32)
    with torch.no_grad():
        expected = network(images)
        with torch.autocast("cpu", torch.bfloat16):
            ours = network(images)
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)
    with torch.autocast("cpu", torch.bfloat16):
        assert network.stages[0].embed(images).dtype == torch.bfloat16
        assert network(images)[0].dtype == torch.bfloat16


def test_attention_in_parts_is_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    """In bfloat16 on a CPU it is written out, some queries at a time; to the digits that bfloat16 has."""
    monkeypatch.setattr("segmif.models.mit.QUERIES_AT_ONCE", 7)
    torch.manual_seed(0)
    attention = EfficientAttention(8, heads=2, reduction=1)
    tokens, size = random(3, 2, 30, 8) - 0.5, (5, 6)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        ours = attention(tokens, size)
    torch.testing.assert_close(ours.float(), attention(tokens, size).detach(), atol=5e-3, rtol=0)
    sharp = 8 * torch.randn(3, 1, 2, 30, 4)
    expected = torch.nn.functional.scaled_dot_product_attention(*sharp)
    torch.testing.assert_close(_attend_in_parts(*sharp), expected, atol=1e-5, rtol=0)


def test_stochastic_depth() -> None:
    block = Block(8, heads=1, reduction=1, mlp_ratio=2, drop_path=0.5)
    tokens = random(2, 400, 4, 8)
    torch.manual_seed(0)
    changed = (block(tokens, (2, 2)) - tokens).abs().amax((1, 2)) > 1e-6
    # both branches are dropped for a quarter of the images; 5 standard deviations of 400 draws are 0.11
    assert float((~changed).float().mean()) == pytest.approx(0.25, abs=0.11)
    block.eval()
    assert ((block(tokens, (2, 2)) - tokens).abs().amax((1, 2)) > 1e-6).all()
    branch = torch.ones(20_000, 1, 1)
    assert float(block.train()._drop(branch).mean()) == pytest.approx(1, abs=0.05), "the expectation is kept"


def test_drop_rates_grow_linearly() -> None:
    rates = [block.drop_path for stage in MixTransformer(mit_preset("mit_b0")).stages for block in stage.blocks]
    assert rates == pytest.approx([0.1 * i / 7 for i in range(8)])


@settings(max_examples=15, deadline=None)
@given(height=st.integers(32, 80), width=st.integers(32, 80))
def test_any_size_is_rounded_up(height: int, width: int) -> None:
    with torch.no_grad():
        maps = MixTransformer(TINY).eval()(torch.zeros(1, 3, height, width))
    assert [tuple(m.shape[2:]) for m in maps] == [(-(-height // s), -(-width // s)) for s in (4, 8, 16, 32)]
