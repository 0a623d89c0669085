import warnings
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from segmif.checks import InputError
from segmif.color import rgb_to_ycrcb
from segmif.models import MiTConfig, SegMiF, SegMiFConfig
from segmif.models.blend import blend, broad_minimum, with_broad_minimum
from segmif.models.config import PAIR_CHANNELS
from segmif.models.segmif import _standardised
from tests.models.tester import NetworkTester, random

TINY_ENCODER = MiTConfig(channels=(8, 16, 20, 32), depths=(1, 1, 1, 1), drop_path=0.0)


def tiny(**changes: object) -> SegMiFConfig:
    values = {
        "encoder": TINY_ENCODER, "num_classes": 5, "fusion_channels": 16, "growth": 16, "attention_heads": 4,
        "head_channels": 16, "head_dropout": 0.0, "guide": "average",
    }  # fmt: skip
    return SegMiFConfig(**{**values, **changes})  # type: ignore[arg-type]


def pair(batch: int = 1, size: tuple[int, int] = (32, 40)) -> tuple[Tensor, Tensor, Tensor]:
    return random(0, batch, 1, *size), random(1, batch, 3, *size), random(2, batch, 1, *size)


class TestSegMiF(NetworkTester):
    bfloat16_close = False
    config = tiny()

    def build(self) -> SegMiF:
        return SegMiF(self.config)

    def inputs(self, batch: int, size: tuple[int, int]) -> tuple[Tensor, ...]:
        return pair(batch, size)

    def shapes(self, batch: int, size: tuple[int, int]) -> list[tuple[int, ...]]:
        shapes: list[tuple[int, ...]] = [(batch, 1, *size), (batch, 3, *size)]
        if self.config.num_classes is not None:
            shapes.append((batch, self.config.num_classes, -(-size[0] // 4), -(-size[1] // 4)))
        return shapes

    def outputs(self, network: torch.nn.Module, *inputs: Tensor) -> list[Tensor]:
        output = network(*inputs)
        return [t for t in (output.fused_luma, output.fused_rgb, output.logits) if t is not None]


class TestReferenceOptions(TestSegMiF):
    config = tiny(share_attention=True, normalize_guide=False, clamp=False)


class TestSegmentationWithoutSemanticFeatures(TestSegMiF):
    config = tiny(attention="none")


class TestFusionOnly(TestSegMiF):
    config = tiny(num_classes=None, detach_semantic=False)


class TestFusionAlone(TestSegMiF):
    """No segmentation, no semantic features, no encoder."""

    bfloat16_close = True
    config = tiny(num_classes=None, attention="none", encoder=None)


class TestEfficientNet(TestSegMiF):
    config = SegMiFConfig.preset("efficientnet_lite0", num_classes=3, fusion_channels=16, growth=16, head_channels=16)


SHARED = {
    "layout": "shared", "encoder": replace(TINY_ENCODER, inputs=PAIR_CHANNELS), "guide": "maximum",
}  # fmt: skip


class TestSharedLayout(TestSegMiF):
    config = tiny(**SHARED)


class TestSharedLayoutWithoutAttention(TestSegMiF):
    config = tiny(**SHARED, attention="none")


class TestSharedLayoutWithOneAttention(TestSegMiF):
    config = tiny(**SHARED, share_attention=True, attention="moam", detach_semantic=False)


class TestLite(TestSegMiF):
    config = replace(SegMiFConfig.preset("segmif-lite"), head_dropout=0.0, head_channels=16)

    def build(self) -> SegMiF:
        network = super().build()
        assert network.head is not None
        assert network.head.context is not None
        torch.nn.init.normal_(network.head.context.attention.output.weight, std=0.1)  # it begins as nothing
        return network


def build(**changes: object) -> SegMiF:
    torch.manual_seed(0)
    return SegMiF(tiny(**changes)).eval()


def test_cascade_is_fusion_then_segmentation() -> None:
    network = build()
    infrared, visible, guide = pair()
    output = network(infrared, visible, guide)
    fused = network.fuse(infrared, visible, guide)
    assert fused.logits is None
    assert torch.equal(fused.fused_rgb, output.fused_rgb)
    assert output.logits is not None
    assert torch.equal(network.segment(output.fused_rgb), output.logits)
    semantic = network.encode_guide(guide)
    assert [s.shape[1] for s in semantic] == [8, 16]
    luma = network.fusion(infrared, rgb_to_ycrcb(visible)[:, :1], semantic)
    assert torch.equal(luma, output.fused_luma)


def test_logits_at_image_size() -> None:
    infrared, visible, guide = pair(size=(33, 47))
    output = build()(infrared, visible, guide)
    assert output.full_logits().shape == (1, 5, 33, 47)
    with pytest.raises(InputError, match="no logits"):
        build().fuse(infrared, visible, guide).full_logits()


def test_chroma_is_the_visible_image_s() -> None:
    infrared, visible, guide = pair()
    output = build(clamp=False)(infrared, visible, guide)
    ycrcb = rgb_to_ycrcb(output.fused_rgb)
    # the coefficients of the two directions have three digits each: they invert one another to 1e-3
    torch.testing.assert_close(ycrcb[:, :1], output.fused_luma, atol=1e-3, rtol=0)
    torch.testing.assert_close(ycrcb[:, 1:], rgb_to_ycrcb(visible)[:, 1:], atol=1e-3, rtol=0)


def test_clamp() -> None:
    infrared, visible, guide = pair()
    open_ended, clamped = (build(clamp=clamp) for clamp in (False, True))
    for network in (open_ended, clamped):
        network.fusion.output.bias.data += 0.9
    raw, cut = open_ended(infrared, visible, guide), clamped(infrared, visible, guide)
    assert float(raw.fused_rgb.detach().max()) > 1
    assert torch.equal(raw.fused_luma, cut.fused_luma), "the luma is never clamped"
    assert torch.equal(raw.fused_rgb.clamp(0, 1), cut.fused_rgb)


def test_normalize_guide() -> None:
    guide = pair()[2]
    plain, normalized = build(normalize_guide=False), build(normalize_guide=True)
    images = (guide.expand(-1, 3, -1, -1) - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(3, 1, 1)
    torch.testing.assert_close(normalized.encode_guide(guide)[1], plain.encoder(images)[1], atol=1e-5, rtol=0)
    assert not torch.allclose(plain.encode_guide(guide)[1], normalized.encode_guide(guide)[1], atol=1e-3)


def test_detach_semantic() -> None:
    infrared, visible, guide = pair()
    for detach in (True, False):
        network = build(detach_semantic=detach)
        network.fuse(infrared, visible, guide).fused_luma.sum().backward()
        assert any(p.grad is not None for p in network.encoder.parameters()) is not detach
        assert all(p.grad is not None for p in network.fusion.parameters())
    with torch.no_grad():
        assert not build(detach_semantic=False).fuse(infrared, visible, guide).fused_luma.requires_grad


def test_gradients_reach_the_fusion_network_through_the_labels() -> None:
    network = build()
    output = network(*pair())
    assert output.logits is not None
    output.logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.fusion.parameters())


@pytest.mark.parametrize("kind", ["visible", "average", "vsm_wls"])
def test_default_guide(kind: str) -> None:
    network = build(guide=kind)
    infrared, visible, _ = pair()
    luma = rgb_to_ycrcb(visible)[:, :1]
    expected = network(infrared, visible, luma if kind == "visible" else (infrared + luma) / 2)
    if kind == "vsm_wls":
        with pytest.warns(UserWarning, match="the average of infrared and luma stands in for vsm_wls") as caught:
            output = network(infrared, visible)
        assert caught[0].filename.endswith("torch/nn/modules/module.py") or caught[0].filename == __file__
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            output = network(infrared, visible)
    assert torch.equal(output.fused_luma, expected.fused_luma)


def test_no_attention_needs_no_guide_and_warns_of_none() -> None:
    infrared, visible, guide = pair()
    network = build(attention="none", guide="vsm_wls")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(network(infrared, visible).fused_luma, network(infrared, visible, guide).fused_luma)


def test_fusion_only_holds_no_more_than_it_uses() -> None:
    assert len(build(num_classes=None).encoder.stages) == 2
    assert build(num_classes=None, attention="none").encoder is None
    assert build(num_classes=None).head is None


@pytest.mark.parametrize(
    ("infrared", "visible", "guide", "message"),
    [
        ((1, 1, 32, 32), (1, 3, 32, 40), None, "visible is 40x32 but infrared is 32x32"),
        ((1, 1, 32, 32), (1, 3, 32, 32), (1, 1, 32, 40), "guide is 40x32 but infrared is 32x32"),
        ((2, 1, 32, 32), (1, 3, 32, 32), None, "visible has a batch of 1 but infrared of 2"),
        ((1, 3, 32, 32), (1, 3, 32, 32), None, r"infrared must have shape \(B, 1, H, W\)"),
        ((1, 1, 32, 32), (1, 1, 32, 32), None, r"visible must have shape \(B, 3, H, W\)"),
        ((1, 1, 32, 32), (1, 3, 32, 32), (1, 3, 32, 32), r"guide must have shape \(B, 1, H, W\)"),
        ((1, 1, 31, 32), (1, 3, 31, 32), None, "both sides must be at least 32 pixels"),
    ],
)
def test_wrong_inputs(
    infrared: tuple[int, ...], visible: tuple[int, ...], guide: tuple[int, ...] | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        build()(torch.rand(infrared), torch.rand(visible), None if guide is None else torch.rand(guide))


def test_integer_images_are_refused() -> None:
    infrared, visible, _ = pair()
    with pytest.raises(InputError, match="visible must be float"):
        build()(infrared, (visible * 255).byte())


def test_missing_parts_say_so() -> None:
    network = build(num_classes=None, attention="none")
    with pytest.raises(InputError, match="fusion only"):
        network.segment(torch.rand(1, 3, 32, 32))
    with pytest.raises(InputError, match="no encoder"):
        network.encode_guide(torch.rand(1, 1, 32, 32))
    with pytest.raises(InputError, match="names no encoder"):
        SegMiF(tiny(encoder=None))
    two_stages = MiTConfig(channels=(8, 16), depths=(1, 1), heads=(1, 2), reductions=(8, 4))
    with pytest.raises(InputError, match="has 2 stages but 4 are needed"):
        SegMiF(tiny(encoder=two_stages))


def test_parameters_of_the_published_model() -> None:
    """45,639,243 with the two parts the authors' code holds but never uses: a second attention and a classifier."""
    with torch.device("meta"):
        network = SegMiF(SegMiFConfig.preset("mit_b3", num_classes=9, share_attention=False))
    classifier = 9 * 512
    assert sum(p.numel() for p in network.parameters()) + classifier == 45_639_243


@settings(max_examples=12, deadline=None)
@given(height=st.integers(32, 75), width=st.integers(32, 75))
def test_any_size(height: int, width: int) -> None:
    with torch.no_grad():
        output = build()(*pair(1, (height, width)))
    assert output.fused_rgb.shape == (1, 3, height, width)
    assert output.logits is not None
    assert output.logits.shape == (1, 5, -(-height // 4), -(-width // 4))
    assert output.full_logits().shape[2:] == (height, width)


# --- the shared layout -----------------------------------------------------------------------------------------------


def test_shared_layout_fuses_the_same_with_and_without_segmentation() -> None:
    network = build(**SHARED)
    torch.nn.init.normal_(network.fusion.output.weight, std=0.05)
    infrared, visible, _ = pair(2, (45, 70))
    with torch.no_grad():
        assert torch.equal(network.fuse(infrared, visible).fused_luma, network(infrared, visible).fused_luma)


def test_shared_layout_starts_from_the_maximum() -> None:
    infrared, visible, _ = pair(1, (33, 50))
    luma = rgb_to_ycrcb(visible)[:, :1]
    with torch.no_grad():
        assert torch.equal(build(**SHARED)(infrared, visible).fused_luma, torch.maximum(infrared, luma))


def test_blend_by_hand() -> None:
    a, b = random(0, 1, 1, 8, 12).double(), random(1, 1, 1, 8, 12).double()
    c = torch.tensor([0.1, 0.2, -0.3, 0.5, 0.7, 0.05], dtype=torch.float64).view(1, 6, 1, 1).expand(1, 6, 2, 3)
    fused = blend(a, b, c)[0, 0]
    for y, x in ((0, 0), (4, 5), (7, 11)):
        window = (..., slice(max(y - 2, 0), y + 3), slice(max(x - 2, 0), x + 3))
        u, v = a[0, 0, y, x], b[0, 0, y, x]
        expected = (
            1.1 * max(u, v) + 0.2 * u - 0.3 * v + 0.5 * (u - a[window].mean()) + 0.7 * (v - b[window].mean()) + 0.05
        )
        torch.testing.assert_close(fused[y, x], expected)


def test_the_constant_of_the_blend_takes_up_the_broad_brightness_of_the_darker_source() -> None:
    a, b = random(0, 1, 1, 61, 90).double(), random(1, 1, 1, 61, 90).double()
    decided = random(2, 1, 7, 16, 23).double()
    darker = torch.minimum(a, b)[0, 0]
    cells = torch.stack(
        [torch.stack([darker[y : y + 4, x : x + 4].mean() for x in range(0, 90, 4)]) for y in range(0, 61, 4)]
    )
    for _ in range(2):
        near = lambda k, n: slice(max(k - 2, 0), min(k + 3, n))  # noqa: E731
        cells = torch.stack(
            [torch.stack([cells[near(y, 16), near(x, 23)].mean() for x in range(23)]) for y in range(16)]
        )
    torch.testing.assert_close(broad_minimum(a, b)[0, 0], cells)
    coefficients = with_broad_minimum(decided, a, b)
    assert torch.equal(coefficients[:, :5], decided[:, :5])
    torch.testing.assert_close(coefficients[:, 5], decided[:, 5] + decided[:, 6] * cells)


def test_shared_labels_do_not_depend_on_the_gain_of_the_infrared_camera() -> None:
    """What the encoder sees beside the guide is the same after x -> g·x^γ, up to the grey levels of black."""
    bright = 0.2 + 0.8 * random(0, 1, 1, 40, 40)
    first, second = _standardised(bright), _standardised(0.5 * bright**1.7)
    torch.testing.assert_close(first, second, atol=0.12, rtol=0)


def test_interaction_decides_whether_labels_train_the_fusion_network() -> None:
    network = build(**SHARED)
    for interaction in (True, False):
        network.zero_grad()
        output = network.fuse_and_segment(*pair()[:2], interaction=interaction)
        output.logits.square().mean().backward()
        reached = any(p.grad is not None and bool(p.grad.any()) for p in network.fusion.parameters())
        assert reached == interaction


def test_shared_layout_says_what_it_cannot_do() -> None:
    network = build(**SHARED)
    with pytest.raises(InputError, match="segments pairs"):
        network.segment(torch.rand(1, 3, 32, 32))
    with pytest.raises(InputError, match="a cascade"):
        build().fuse_and_segment(*pair()[:2])
    with pytest.raises(InputError, match="inputs must be 5"):
        tiny(layout="shared")
    with pytest.raises(InputError, match="5 input channels"):
        SegMiF(tiny(**{**SHARED, "encoder": None}), encoder=_Foreign())


class _Foreign(torch.nn.Module):
    channels = (8, 8, 8, 8)


def test_shared_layout_can_be_saved_and_its_guide_encoded(tmp_path) -> None:
    network = build(**SHARED)
    network.save_pretrained(tmp_path)
    again = SegMiF.from_pretrained(tmp_path)
    assert again.config == network.config
    infrared, visible, guide = pair()
    with torch.no_grad():
        assert torch.equal(again(infrared, visible).logits, network(infrared, visible).logits)
        assert not torch.equal(network(infrared, visible, guide).logits, network(infrared, visible).logits)
        assert [m.shape[1] for m in network.encode_guide(guide)] == [8, 16]
