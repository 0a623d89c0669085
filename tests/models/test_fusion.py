import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from segmif.models import FusionNetwork, SegMiFConfig
from segmif.models.config import Attention
from segmif.models.fusion import DilatedResidualDenseBlock
from tests.models.tester import NetworkTester, random

SEMANTIC = (6, 10)


def small(attention: Attention = "hia", **changes: bool) -> SegMiFConfig:
    return SegMiFConfig(fusion_channels=16, growth=8, attention_heads=4, attention=attention, **changes)


class TestFusionNetwork(NetworkTester):
    bfloat16_close = False
    config = small()

    def build(self) -> FusionNetwork:
        return FusionNetwork(self.config, SEMANTIC)

    def inputs(self, batch: int, size: tuple[int, int]) -> tuple[Tensor, ...]:
        maps = (
            random(i, batch, c, -(-size[0] // s), -(-size[1] // s)) - 0.5
            for i, (c, s) in enumerate(zip(SEMANTIC, (4, 8), strict=True))
        )
        return (random(2, batch, 1, *size), random(3, batch, 1, *size), *maps)

    def shapes(self, batch: int, size: tuple[int, int]) -> list[tuple[int, ...]]:
        return [(batch, 1, *size)]

    def outputs(self, network: torch.nn.Module, *inputs: Tensor) -> list[Tensor]:
        return [network(inputs[0], inputs[1], inputs[2:])]


class TestSharedAttention(TestFusionNetwork):
    config = small(share_attention=True)


class TestMoAM(TestFusionNetwork):
    config = small("moam")


class TestSoAM(TestFusionNetwork):
    config = small("soam")


class TestWithoutAttention(TestFusionNetwork):
    bfloat16_close = True
    config = small("none")

    def inputs(self, batch: int, size: tuple[int, int]) -> tuple[Tensor, ...]:
        return super().inputs(batch, size)[:2]


class TestDenseBlock(NetworkTester):
    def build(self) -> DilatedResidualDenseBlock:
        return DilatedResidualDenseBlock(16, 8)

    def inputs(self, batch: int, size: tuple[int, int]) -> tuple[Tensor, ...]:
        return (random(0, batch, 16, *size) - 0.5,)

    def shapes(self, batch: int, size: tuple[int, int]) -> list[tuple[int, ...]]:
        return [(batch, 16, *size)]


def test_parameters_of_the_published_width() -> None:
    """Counted by hand from the published layers: each 3×3 and 1×1 convolution, each linear, weights and biases."""
    dense = sum(9 * 32 * (64 + 32 * i) + 32 for i in range(5)) + 64 * 224 + 64
    attention = 3 * (64 * 128 + 128) + 3 * 64 * 128 + 2 * (128 * 64 + 64) + 2 * 2 * 64
    rest = 2 * (9 * 64 + 64) + 64 * 64 + 64 + 128 * 64 + 64
    rest += 9 * 128 * 64 + 64 + 9 * 64 * 32 + 32 + 9 * 32 + 1 + 1
    for share, modules in ((True, 1), (False, 2)):
        network = FusionNetwork(SegMiFConfig(share_attention=share), (64, 128))
        assert sum(p.numel() for p in network.parameters()) == 4 * dense + modules * attention + rest


def test_dense_block_reaches_ten_pixels() -> None:
    """Five dilated 3×3 convolutions reach 2 pixels each: a change spreads no further than 10, and that far."""
    torch.manual_seed(0)
    block = DilatedResidualDenseBlock(8, 8).double()
    for conv in block.dense:
        torch.nn.init.uniform_(conv.weight, 0.1, 1)
    torch.nn.init.uniform_(block.merge.weight, 0.1, 1)
    maps = torch.rand(1, 8, 41, 41, dtype=torch.float64, requires_grad=True)
    block(maps)[..., 20, 20].sum().backward()
    reach = maps.grad.abs().sum((0, 1)).nonzero() - 20
    assert (reach.amin(0).tolist(), reach.amax(0).tolist()) == ([-10, -10], [10, 10])


def test_shared_attention_is_applied_at_both_levels() -> None:
    torch.manual_seed(0)
    network = FusionNetwork(small(share_attention=True), SEMANTIC)
    calls = []
    network.attention[0].register_forward_hook(lambda *args: calls.append(args))
    inputs = TestFusionNetwork().inputs(1, (32, 32))
    shared = network(*inputs[:2], inputs[2:])
    assert len(calls) == 2
    separate = FusionNetwork(small(), SEMANTIC)
    state = network.state_dict()
    state |= {k.replace("attention.0", "attention.1"): v for k, v in state.items() if k.startswith("attention.0")}
    separate.load_state_dict(state)
    torch.testing.assert_close(separate(*inputs[:2], inputs[2:]), shared, atol=0, rtol=0)


def test_semantic_features_may_be_upsampled_before_or_after() -> None:
    """The 1×1 convolution and the projection commute with bilinear upsampling, so sizes are free."""
    torch.manual_seed(0)
    network = FusionNetwork(small(), SEMANTIC).double()
    infrared, luma, *semantic = (i.double() for i in TestFusionNetwork().inputs(1, (40, 52)))
    large = [F.interpolate(s, (40, 52), mode="bilinear", align_corners=False) for s in semantic]
    torch.testing.assert_close(network(infrared, luma, semantic), network(infrared, luma, large), atol=1e-10, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_luma_keeps_its_grey_levels_under_autocast(dtype: torch.dtype) -> None:
    inputs = TestFusionNetwork().inputs(1, (32, 32))
    with torch.no_grad(), torch.autocast("cpu", dtype):
        luma = FusionNetwork(small(), SEMANTIC)(*inputs[:2], inputs[2:])
    assert luma.dtype == torch.float32
    assert not torch.equal(luma, luma.to(dtype).float())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@settings(max_examples=15, deadline=None)
@given(batch=st.integers(1, 2), height=st.integers(1, 70), width=st.integers(1, 40), seed=st.integers(0, 99))
def test_rows_give_what_the_whole_gives(dtype: torch.dtype, batch: int, height: int, width: int, seed: int) -> None:
    """Without gradient a dense block goes strip by strip; `STRIP_PIXELS` is set so low that there are several."""
    torch.manual_seed(seed)
    block = DilatedResidualDenseBlock(8, 4).to(dtype)
    maps = torch.randn(batch, 8, height, width).to(dtype)
    whole = block(maps).detach()
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("segmif.models.layers.STRIP_PIXELS", 1)
        by_rows = block(maps)
    assert by_rows.dtype == dtype
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    torch.testing.assert_close(by_rows, whole, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("size", [(37, 21), (24, 5), (3, 7)], ids=str)
def test_inplace_takes_the_memory_of_the_maps(
    dtype: torch.dtype, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are overwritten only once nobody reads them: the same bits come out; `STRIP_PIXELS` makes several strips."""
    torch.manual_seed(0)
    block = DilatedResidualDenseBlock(8, 4).to(dtype)
    maps = torch.randn(2, 8, *size).to(dtype, memory_format=torch.channels_last)
    before = maps.clone()
    monkeypatch.setattr("segmif.models.layers.STRIP_PIXELS", 1)
    with torch.no_grad():
        apart = block(maps)
        assert torch.equal(maps, before), "without being asked it keeps its input"
        inplace = block(maps, inplace=True)
    assert inplace.data_ptr() == maps.data_ptr()
    assert torch.equal(inplace, apart)


def test_inplace_is_not_done_where_gradients_are_wanted() -> None:
    block = DilatedResidualDenseBlock(8, 4)
    maps = random(0, 1, 8, 20, 12).to(memory_format=torch.channels_last)
    before = maps.clone()
    result = block(maps, inplace=True)
    assert torch.equal(maps, before)
    assert torch.equal(result, block(maps))
    result.sum().backward()
    assert block.merge.weight.grad is not None


@pytest.mark.parametrize(
    ("kind", "dtype"),  # not hia in bfloat16: its softmax decides between large numbers
    [("hia", torch.float32), ("none", torch.float32), ("none", torch.bfloat16)],
    ids=str,
)
@pytest.mark.parametrize(("batch", "size"), [(1, (45, 33)), (2, (35, 19)), (2, (7, 40)), (1, (33, 9))], ids=str)
def test_network_in_strips_gives_what_the_whole_gives(
    kind: Attention, dtype: torch.dtype, batch: int, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without gradient every part goes strip by strip and in place; padding at the picture's edges stays what it is."""
    torch.manual_seed(0)
    network = FusionNetwork(small(kind), SEMANTIC).to(dtype)
    given = [i.to(dtype) for i in TestFusionNetwork().inputs(batch, size)]
    before = [i.clone() for i in given]
    whole = network(*given[:2], given[2:]).detach()
    monkeypatch.setattr("segmif.models.layers.STRIP_PIXELS", 1)
    with torch.no_grad():
        strips = network(*given[:2], given[2:])
    assert strips.dtype == dtype
    assert all(torch.equal(a, b) for a, b in zip(given, before, strict=True)), "what the caller gave stays his"
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    torch.testing.assert_close(strips, whole, atol=tolerance, rtol=tolerance)
