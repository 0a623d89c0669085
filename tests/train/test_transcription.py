"""The plain network of the throughput benchmark is the same network: equal pictures and gradients."""

import torch

from segmif.bench.plain import transcribe
from segmif.color import rgb_to_ycrcb
from segmif.losses import fusion_loss_round1
from segmif.models import SegMiF, SegMiFConfig
from tests.tolerances import ABSOLUTE


def test_transcription_agrees_with_the_network() -> None:
    torch.manual_seed(0)
    network = SegMiF(SegMiFConfig.preset("mit_b0", fusion_channels=16, growth=8, attention_heads=4)).eval()
    plain = transcribe(network)
    infrared, visible, target = torch.rand(2, 1, 33, 40), torch.rand(2, 3, 33, 40), torch.rand(2, 1, 33, 40)
    ours = network.fuse(infrared, visible, target).fused_luma
    theirs = plain(infrared, rgb_to_ycrcb(visible)[:, :1], network.encode_guide(target))
    assert (ours - theirs).abs().max() < ABSOLUTE[torch.float32]
    fusion_loss_round1(ours, target).backward()  # type: ignore[no-untyped-call]
    fusion_loss_round1(theirs, target).backward()  # type: ignore[no-untyped-call]
    for a, b in (
        (network.fusion.infrared_in, plain.first[0]),
        (network.fusion.attention[0].visible.project, plain.interaction[0].project[1]),
        (network.fusion.attention[1].moam.key_value, plain.interaction[1].moam.key_value),
    ):
        assert torch.allclose(a.weight.grad, b.weight.grad, rtol=1e-2, atol=1e-6)
