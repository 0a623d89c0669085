"""Where a fused picture comes from: the summands really are what the network adds up, and listening changes nothing."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from segmif.infer import Limits, Model
from segmif.infer.attention_maps import AttentionRecorder, attention_maps, blend_parts, level_parts, merge_parts
from segmif.models import SegMiF, SegMiFConfig
from segmif.models.attention import HierarchicalInteractiveAttention, LinearAttention
from segmif.models.blend import blend
from segmif.models.layers import resize, to_maps, to_tokens
from tests.infer.conftest import scene
from tests.tiny import tiny_network
from tests.tolerances import ABSOLUTE


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=ABSOLUTE[torch.float32], rtol=0)


@pytest.mark.parametrize("kind", ["hia", "moam", "soam"])
def test_the_parts_of_a_level_add_up_to_its_output(kind: Any) -> None:
    torch.manual_seed(1)
    level = HierarchicalInteractiveAttention(8, 2, kind).eval()
    infrared, visible, semantic = torch.randn(1, 8, 20, 24), torch.randn(1, 8, 20, 24), torch.randn(1, 8, 5, 6)
    contexts: dict[torch.nn.Module, torch.Tensor] = {}
    for module in level.modules():
        if isinstance(module, LinearAttention):
            module.register_forward_hook(lambda m, _, result: contexts.__setitem__(m, result))
    with torch.no_grad():
        outputs = level(infrared, visible, semantic)
        projected = to_maps(level.project_semantic(to_tokens(semantic)), (5, 6))
        asked = resize(projected, (20, 24)).permute(0, 2, 3, 1)
        for path, maps, output in zip((level.infrared, level.visible), (infrared, visible), outputs, strict=True):
            parts = level_parts(level, path, contexts, maps.permute(0, 2, 3, 1), asked)
            close(sum(parts) + path.norm.bias, output.permute(0, 2, 3, 1))
            assert all((part.abs().max() > 0) == (name in ("own", kind) or kind == "hia")
                       for name, part in zip(("own", "soam", "moam"), parts, strict=True))  # fmt: skip


def test_the_parts_of_the_merge_add_up_to_its_output() -> None:
    merge = torch.nn.Conv2d(8, 4, 3, padding=1)
    maps = torch.randn(2, 8, 9, 11)
    with torch.no_grad():
        infrared, visible = merge_parts(merge, maps)
        close(infrared + visible + merge.bias.view(1, -1, 1, 1), merge(maps))
        close(infrared, F.conv2d(maps[:, :4], merge.weight[:, :4], padding=1))


def test_listening_changes_no_bit_and_shares_add_up(model: Model) -> None:
    infrared, visible = scene()
    plain = model.predict(infrared, visible)
    result, maps = attention_maps(model, infrared, visible)
    np.testing.assert_array_equal(result.fused, plain.fused)
    np.testing.assert_array_equal(result.labels, plain.labels)
    assert maps is not None
    assert len(maps.levels) == 2
    assert maps.infrared.shape == infrared.shape
    assert 0 < maps.infrared.min() <= maps.infrared.max() < 1
    for level in maps.levels:
        for shares in (level.infrared, level.visible):
            np.testing.assert_allclose(shares.own + shares.soam + shares.moam, 1, atol=1e-5)
            assert min(shares.own.min(), shares.soam.min(), shares.moam.min()) > 0
    assert not any(module._forward_hooks for module in model.network.modules())


def test_windows_are_listened_to_at_the_reduced_view(model: Model) -> None:
    model.limits = Limits(whole=64 * 64, view=48 * 48, tile=32)
    infrared, visible = scene(96, 128)
    plain = model.predict(infrared, visible)
    result, maps = attention_maps(model, infrared, visible)
    np.testing.assert_array_equal(result.fused, plain.fused)
    assert maps is not None
    assert maps.infrared.shape == model.engine.view_size((96, 128)) == maps.levels[1].visible.moam.shape


def test_strips_equal_the_whole(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    infrared, visible = scene()
    _, whole = attention_maps(model, infrared, visible)
    monkeypatch.setattr("segmif.infer.attention_maps._STRIP_ROWS", 7)
    _, strips = attention_maps(model, infrared, visible)
    assert whole is not None
    assert strips is not None
    np.testing.assert_allclose(whole.levels[0].infrared.soam, strips.levels[0].infrared.soam, atol=1e-5)


def test_a_shared_level_is_heard_twice() -> None:
    network = tiny_network(share_attention=True)
    _, maps = attention_maps(Model(network, device="cpu", dtype="float32"), *scene())
    assert maps is not None
    assert len(maps.levels) == 2
    assert not np.array_equal(maps.levels[0].infrared.own, maps.levels[1].infrared.own)


@pytest.mark.parametrize("limits", [Limits(), Limits(segment=48 * 64, tile=32)])
def test_the_shared_layout_is_heard_at_a_quarter_of_its_view(limits: Limits) -> None:
    torch.manual_seed(0)
    model = Model(SegMiF(SegMiFConfig.preset("segmif-lite")).eval(), device="cpu", dtype="float32", name="shared")
    model.limits = limits
    infrared, visible = scene(96, 128)
    plain = model.predict(infrared, visible)
    result, maps = attention_maps(model, infrared, visible)
    np.testing.assert_array_equal(result.fused, plain.fused)
    np.testing.assert_array_equal(result.labels, plain.labels)
    assert maps is not None
    view = model.engine.view_size((96, 128))
    assert maps.infrared.shape == tuple(side // 4 for side in view)
    assert maps.picture is not None
    assert maps.picture.shape == view
    assert 0 <= maps.picture.min() < maps.picture.max() <= 1
    assert not any(module._forward_hooks for module in model.network.modules())
    assert len(maps.levels) == 2
    for level in maps.levels:
        for shares in (level.infrared, level.visible):
            np.testing.assert_allclose(shares.own + shares.soam + shares.moam, 1, atol=1e-5)


def test_the_parts_of_a_blend_add_up_to_its_result() -> None:
    torch.manual_seed(2)
    infrared, luma, c = torch.rand(2, 1, 20, 24), torch.rand(2, 1, 20, 24), torch.randn(2, 6, 5, 6)
    parts = blend_parts(infrared, luma, c)
    close(parts[0] + parts[1] + resize(c[:, 5:], (20, 24)), blend(infrared, luma, c))
    dark = torch.zeros_like(luma)
    close(blend_parts(infrared, dark, c)[1], dark)  # a black picture gives nothing


def test_without_attention_only_the_merge_is_told(network: SegMiF) -> None:
    _, maps = attention_maps(Model(tiny_network(attention="none"), device="cpu"), *scene())
    assert maps is not None
    assert maps.levels == ()


def test_other_networks_have_no_maps() -> None:
    with AttentionRecorder(torch.nn.Conv2d(1, 1, 1)) as recorder:
        pass
    assert recorder.maps is None
