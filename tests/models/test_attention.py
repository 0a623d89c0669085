"""Interactive attention against an independent implementation that stores keys, values and every head."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from segmif.models.attention import HierarchicalInteractiveAttention, LinearAttention, _gram
from segmif.models.config import Attention
from tests.models.tester import NetworkTester, random

CHANNELS, HEADS = 16, 4


def literal_attention(queries: Tensor, source: Tensor, weight: Tensor, heads: int) -> Tensor:
    """(N, C) queries and source, keys and values from one (2C, C) weight: softmax over keys of KᵀV/√D, head by head."""
    keys, values = (source @ weight.T).chunk(2, dim=1)
    size = queries.shape[1] // heads
    results = []
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        context = torch.softmax(keys[:, part].T @ values[:, part] / math.sqrt(size), dim=0)
        results.append(queries[:, part] @ context)
    return torch.cat(results, dim=1)


def literal_block(
    block: HierarchicalInteractiveAttention, infrared: Tensor, visible: Tensor, semantic: Tensor, kind: Attention
) -> list[Tensor]:
    """The equations of the paper for one image (C, H, W), semantic map upsampled first."""
    size = infrared.shape[1:]
    semantic = F.interpolate(semantic[None], size, mode="bilinear", align_corners=False)[0]
    s = F.relu(F.linear(semantic.flatten(1).T, block.project_semantic.weight, block.project_semantic.bias))
    results = []
    for path, maps in ((block.infrared, infrared), (block.visible, visible)):
        x = maps.flatten(1).T
        m = F.relu(path.project(x))
        y_m, u_m, y_s, u_s = (*m.chunk(2, 1), *s.chunk(2, 1)) if kind == "hia" else (m, m, s, s)
        found = []
        if kind != "moam":
            found.append(literal_attention(y_s, y_m, path.soam.key_value.weight, HEADS))
        if kind != "soam":
            found.append(literal_attention(u_m, u_s, block.moam.key_value.weight, HEADS))
        results.append(path.norm(x + path.output(torch.cat(found, dim=1))).T.reshape(maps.shape))
    return results


class TestInteractiveAttention(NetworkTester):
    bfloat16_close = False

    def build(self) -> HierarchicalInteractiveAttention:
        return HierarchicalInteractiveAttention(CHANNELS, HEADS)

    def inputs(self, batch: int, size: tuple[int, int]) -> tuple[Tensor, ...]:
        small = (-(-size[0] // 4), -(-size[1] // 4))
        return tuple(random(i, batch, CHANNELS, *s) - 0.5 for i, s in enumerate((size, size, small)))

    def shapes(self, batch: int, size: tuple[int, int]) -> list[tuple[int, ...]]:
        return [(batch, CHANNELS, *size)] * 2


@pytest.mark.parametrize("kind", ["hia", "moam", "soam"])
@settings(max_examples=10, deadline=None)
@given(height=st.integers(1, 9), width=st.integers(1, 9), shrink=st.integers(1, 3), seed=st.integers(0, 99))
def test_equals_the_equations(kind: Attention, height: int, width: int, shrink: int, seed: int) -> None:
    torch.manual_seed(seed)
    block = HierarchicalInteractiveAttention(CHANNELS, HEADS, kind).double()
    infrared, visible = torch.randn(2, 2, CHANNELS, height, width, dtype=torch.float64)
    semantic = torch.randn(2, CHANNELS, -(-height // shrink), -(-width // shrink), dtype=torch.float64)
    ours = block(infrared, visible, semantic)
    for image in range(2):
        literal = literal_block(block, infrared[image], visible[image], semantic[image], kind)
        for result, expected in zip(ours, literal, strict=True):
            torch.testing.assert_close(result[image], expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize("kind", ["hia", "moam", "soam"])
@pytest.mark.parametrize(("batch", "size"), [(1, (37, 20)), (2, (33, 9))])
def test_strips_give_what_the_whole_gives(kind: Attention, batch: int, size: tuple[int, int]) -> None:
    """Without gradient it goes strip by strip; `STRIP_PIXELS` is set so low that there are several."""
    torch.manual_seed(0)
    block = HierarchicalInteractiveAttention(CHANNELS, HEADS, kind)
    maps = torch.randn(2, batch, CHANNELS, *size)
    semantic = torch.randn(batch, CHANNELS, 10, 5)
    whole = block(*maps, semantic)
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("segmif.models.layers.STRIP_PIXELS", 1)
        in_strips = block(*maps, semantic)
    for ours, expected in zip(in_strips, whole, strict=True):
        torch.testing.assert_close(ours, expected.detach(), atol=1e-5, rtol=0)
        assert ours.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format], ids=str)
def test_inplace_takes_the_memory_of_the_maps(layout: torch.memory_format, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only of channels-last maps, as results are; the same bits come out."""
    torch.manual_seed(0)
    block = HierarchicalInteractiveAttention(CHANNELS, HEADS)
    infrared, visible = (random(i, 2, CHANNELS, 37, 21).to(memory_format=layout) for i in range(2))
    semantic = random(2, 2, CHANNELS, 10, 6)
    before = [maps.clone() for maps in (infrared, visible, semantic)]
    monkeypatch.setattr("segmif.models.layers.STRIP_PIXELS", 1)
    with torch.no_grad():
        apart = block(infrared, visible, semantic)
        assert all(torch.equal(a, b) for a, b in zip((infrared, visible, semantic), before, strict=True))
        inplace = block(infrared, visible, semantic, inplace=True)
    for ours, expected, maps in zip(inplace, apart, (infrared, visible), strict=True):
        assert torch.equal(ours, expected)
        assert ours.is_contiguous(memory_format=torch.channels_last)
        assert (ours.data_ptr() == maps.data_ptr()) == (layout == torch.channels_last)
    assert torch.equal(semantic, before[2])


def test_inplace_is_not_done_where_gradients_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    block = HierarchicalInteractiveAttention(CHANNELS, HEADS)
    maps = [random(i, 1, CHANNELS, 37, 21).to(memory_format=torch.channels_last) for i in range(3)]
    before = [each.clone() for each in maps]
    monkeypatch.setattr("segmif.models.layers.STRIP_PIXELS", 1)
    results = block(*maps, inplace=True)
    assert all(torch.equal(a, b) for a, b in zip(maps, before, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(results, block(*maps), strict=True))
    assert all(each.requires_grad for each in results)


def test_semantic_tokens_are_rounded_once_under_autocast() -> None:
    """Their weights are not: rounded, they would err alike at every token, and the contexts of MoAM add all tokens."""
    torch.manual_seed(0)
    block = HierarchicalInteractiveAttention(CHANNELS, HEADS)
    assert block.moam is not None
    seen: list[Tensor] = []
    block.moam.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    maps = [random(i, 1, CHANNELS, 6, 5) - 0.5 for i in range(3)]
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        block(*maps)
    with torch.no_grad():
        block(*maps)
    rounded, exact = seen
    assert torch.equal(rounded, exact.bfloat16())


@pytest.mark.parametrize("kind", ["moam", "soam"])
def test_one_attention_alone_has_no_idle_parameter(kind: Attention) -> None:
    torch.manual_seed(0)
    block = HierarchicalInteractiveAttention(CHANNELS, HEADS, kind)
    maps = torch.randn(3, 1, CHANNELS, 8, 8)
    sum(r.square().sum() + r.pow(3).sum() for r in block(*maps)).backward()
    assert [n for n, p in block.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_pixels_have_no_order() -> None:
    """Shuffling the pixels of all three maps alike shuffles the results, no more: the attention is global."""
    torch.manual_seed(0)
    block = HierarchicalInteractiveAttention(CHANNELS, HEADS).double()
    maps = torch.randn(3, 1, CHANNELS, 6, 5, dtype=torch.float64)
    order = torch.randperm(30)
    shuffled = maps.flatten(3)[..., order].unflatten(3, (6, 5))
    for plain, mixed in zip(block(*maps), block(*shuffled), strict=True):
        torch.testing.assert_close(plain.flatten(2)[..., order], mixed.flatten(2), atol=1e-10, rtol=0)


@pytest.mark.parametrize("batch", [1, 2])
def test_results_are_channels_last(batch: int) -> None:
    """So are concatenations of them, which for a batch of one depends on a stride that means nothing else."""
    maps = [torch.randn(batch, CHANNELS, 6, 8).to(memory_format=torch.channels_last) for _ in range(3)]
    infrared, visible = HierarchicalInteractiveAttention(CHANNELS, HEADS)(*maps)
    assert torch.cat((infrared, visible), dim=1).is_contiguous(memory_format=torch.channels_last)


def test_gradients_of_the_contexts() -> None:
    torch.manual_seed(0)
    attention = LinearAttention(6, 3).double()
    tokens = torch.randn(2, 3, 4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(attention, (tokens,))


def test_contexts_are_distributions_over_keys() -> None:
    context = LinearAttention(CHANNELS, HEADS)(random(0, 2, 5, 7, CHANNELS))
    assert context.shape == (2, HEADS, CHANNELS // HEADS, CHANNELS // HEADS)
    torch.testing.assert_close(context.sum(-2), torch.ones(2, HEADS, CHANNELS // HEADS))


def test_gram_product_of_bfloat16_has_more_digits_than_bfloat16() -> None:
    """Its own two products give 2⁻¹⁷ of the largest entry; one rounded to bfloat16 would be 2⁻⁹ off."""
    torch.manual_seed(0)
    tokens = torch.relu(torch.randn(2, 30, 640, CHANNELS) + 0.3).bfloat16()
    exact = (tokens.double().transpose(2, 3) @ tokens.double()).sum(1)
    with torch.no_grad():
        ours = _gram(tokens)
    assert ours.dtype == torch.float64
    assert float((ours - exact).abs().max() / exact.max()) < 2**-17


def test_contexts_keep_their_digits_in_float32_and_under_autocast() -> None:
    """A sum over 40000 pixels, whose rounding a softmax would show."""
    torch.manual_seed(0)
    attention = LinearAttention(CHANNELS, HEADS)
    attention.key_value.weight.data *= 0.02
    tokens = torch.relu(torch.randn(1, 200, 200, CHANNELS))
    exact = LinearAttention(CHANNELS, HEADS).double()
    exact.load_state_dict(attention.state_dict())
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        ours = attention(tokens)
    assert ours.dtype == torch.float32
    expected = exact(tokens.double()).detach()
    assert 0.01 < float(expected.min()) < 0.2, "the softmax decides nothing, so every digit shows"
    torch.testing.assert_close(ours.double(), expected, atol=1e-6, rtol=0)
