from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from segmif.infer import Limits, Model
from segmif.infer.tiling import MARGIN, SharedContexts, reduced_size, upsampled, windows
from segmif.models import SegMiF, SegMiFConfig
from tests.infer.conftest import scene
from tests.tiny import tiny_network


@pytest.mark.parametrize("size", [(64, 64), (65, 130), (33, 200), (7, 1000)])
@pytest.mark.parametrize("tile", [32, 50, 512])
def test_windows_decide_every_pixel_once(size, tile):
    decided = np.zeros(size, int)
    picture = torch.rand(2, *size)
    for window in windows(size, tile):
        decided[window.rows, window.columns] += 1
        outer = window.cut(picture)
        assert max(outer.shape[1:]) <= tile + 2 * MARGIN
        torch.testing.assert_close(window.trim(outer), picture[:, window.rows, window.columns])
    assert (decided == 1).all()


def test_reduced_sizes_keep_the_aspect_and_the_minimum():
    assert reduced_size((480, 640), 640 * 512) == (480, 640)
    height, width = reduced_size((3000, 4000), 300_000)
    assert height * width <= 300_000
    assert width / height == pytest.approx(4 / 3, rel=0.01)
    assert reduced_size((40, 100_000), 300_000)[0] == 32


@pytest.mark.parametrize(
    ("small", "size"), [((8, 10), (32, 40)), ((9, 11), (64, 80)), ((7, 5), (29, 33)), ((6, 6), (6, 6))]
)
def test_upsampling_a_part_is_the_part_of_the_upsampled(small, size):
    maps = torch.rand(1, 3, *small)
    whole = F.interpolate(maps, size, mode="bilinear", align_corners=False)
    rows, columns = slice(3, size[0] - 1), slice(0, size[1] // 2)
    torch.testing.assert_close(upsampled(maps, size, rows, columns), whole[..., rows, columns], atol=1e-6, rtol=0)


@pytest.mark.parametrize("options", [{}, {"share_attention": True}, {"attention": "moam"}, {"attention": "none"}])
def test_windows_give_the_whole_picture_where_the_view_is_the_whole(options):
    """With nothing reduced, windows must reproduce the whole run up to rounding, borders and seams included."""
    infrared, visible = scene(150, 210)
    model = Model(tiny_network(**options), device="cpu", dtype="float32")
    whole = model.predict(infrared, visible)
    model.limits = Limits(whole=1000, view=150 * 210, segment=150 * 210, tile=48)
    tiled = model.predict(infrared, visible)
    assert np.ptp(whole.fused) > 20, "a flat picture would prove nothing"
    assert np.abs(whole.fused.astype(int) - tiled.fused).max() <= 1
    assert (whole.labels == tiled.labels).mean() > 0.999
    np.testing.assert_allclose(tiled.confidence, whole.confidence, atol=1e-3)


def test_shared_layout_decides_on_a_reduced_view_and_blends_at_full_size():
    infrared, visible = scene(150, 210)
    torch.manual_seed(0)
    network = SegMiF(SegMiFConfig.preset("segmif-lite", head_channels=16)).eval()
    torch.nn.init.normal_(network.fusion.output.weight, std=0.02)
    model = Model(network, device="cpu", dtype="float32")
    whole = model.predict(infrared, visible)
    model.limits = Limits(segment=150 * 210 - 1, tile=48)
    parts = model.predict(infrared, visible)
    model.limits = Limits(segment=150 * 210 - 1, tile=500)
    at_once = model.predict(infrared, visible)
    np.testing.assert_array_equal(parts.fused, at_once.fused)
    assert np.abs(whole.fused.astype(int) - parts.fused).mean() < 3, "decided on a view one pixel smaller"
    assert whole.fused.shape == parts.fused.shape
    assert parts.labels.shape == (150, 210)


def test_seams_cannot_be_seen_where_the_view_is_reduced(model):
    """One window and many windows of one picture agree to one grey level: there is nothing at the seams."""
    infrared, visible = scene(150, 210)
    one = Limits(whole=1000, view=3000, segment=9000, tile=4096)
    model.limits = one
    in_one = model.predict(infrared, visible)
    model.limits = replace(one, tile=40)
    in_many = model.predict(infrared, visible)
    assert np.abs(in_one.fused.astype(int) - in_many.fused).max() <= 1
    assert (in_one.labels == in_many.labels).mean() > 0.999


def test_the_margin_is_needed_and_enough(network):
    """A pixel changes results within the margin of it and no further, when the contexts are held."""
    infrared, luma = torch.rand(1, 1, 96, 96), torch.rand(1, 1, 96, 96)
    contexts = SharedContexts(network)
    with torch.inference_mode():
        semantic = network.encode_guide(luma)
        with contexts.record():
            network.fusion(infrared, luma, semantic)
        changed = infrared.clone()
        changed[..., 48, 48] += 1000.0
        with contexts.replay():
            difference = (network.fusion(changed, luma, semantic) - network.fusion(infrared, luma, semantic))[
                0, 0
            ].abs()
    rows, columns = torch.nonzero(difference, as_tuple=True)
    reach = max(int((rows - 48).abs().max()), int((columns - 48).abs().max()))
    assert reach <= MARGIN
    assert reach > MARGIN - 4


def test_without_held_contexts_windows_would_differ(network):
    """The reason for `SharedContexts`: a window's own contexts are not the picture's."""
    infrared, luma = torch.rand(1, 1, 64, 64), torch.rand(1, 1, 64, 64)
    luma[..., :32] *= 0.1
    with torch.inference_mode():
        contexts = SharedContexts(network)
        with contexts.record():
            network.fusion(infrared, luma, network.encode_guide(luma))
        left = [t[..., :32] for t in (infrared, luma)]
        semantic = network.encode_guide(left[1])
        own = network.fusion(*left, semantic)
        with contexts.replay():
            held = network.fusion(*left, semantic)
    assert (own - held).abs().max() > 1e-3


def test_a_large_picture_never_reaches_the_network_at_once(model, monkeypatch):
    """What bounds memory: the largest piece any part of the network sees does not grow with the picture."""
    infrared, visible = (np.tile(picture, (15, 12, *[1] * (picture.ndim - 2))) for picture in scene(100, 160))
    seen: dict[str, list[int]] = {"fusion": [], "segment": []}

    def fusion(_infrared: torch.Tensor, luma: torch.Tensor, _semantic: object) -> torch.Tensor:
        seen["fusion"].append(luma.numel())
        return luma

    def segment(rgb: torch.Tensor) -> torch.Tensor:
        seen["segment"].append(rgb[0, 0].numel())
        return torch.zeros(1, 15, rgb.shape[2] // 4, rgb.shape[3] // 4)

    monkeypatch.setattr(model.network.fusion, "forward", fusion)
    monkeypatch.setattr(model.network, "segment", segment)
    result = model.predict(infrared, visible, guide="average")
    limits = model.limits
    assert max(seen["fusion"]) <= max(limits.view, (limits.tile + 2 * MARGIN) ** 2)
    assert len(seen["segment"]) == 1
    assert seen["segment"][0] <= limits.segment
    assert result.labels.shape == (1500, 1920)
    # This network hands the luma through, so the fused picture must be the visible one, pixel by pixel.
    assert np.abs(result.fused.astype(np.int16) - visible).max() <= 2
