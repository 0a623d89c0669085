"""A network small enough to run in every test."""

from typing import Any

import torch

from segmif.models import SegMiF, SegMiFConfig

TINY = {"fusion_channels": 8, "growth": 4, "attention_heads": 2, "head_channels": 16}


def tiny_network(seed: int = 0, **changes: Any) -> SegMiF:
    """The cascade with narrow layers and random weights, its last layer scaled so that pictures have contrast."""
    torch.manual_seed(seed)
    options: dict[str, Any] = {"label_set": "fmb", **TINY, **changes}
    network = SegMiF(SegMiFConfig.preset("mit_b0", **options)).eval()
    output = network.fusion.output
    kept: list[torch.Tensor] = []
    handle = output.register_forward_hook(lambda _module, _inputs, result: kept.append(result))
    with torch.no_grad():
        luma = torch.rand(1, 1, 8, 8).repeat_interleave(8, 2).repeat_interleave(8, 3)
        network.fuse(luma.flip(2), luma.expand(-1, 3, -1, -1), luma)
        handle.remove()
        scale = 0.2 / kept[0].std()
        output.weight.mul_(scale)
        output.bias.copy_(0.5 + (output.bias - kept[0].mean()) * scale)
    return network
