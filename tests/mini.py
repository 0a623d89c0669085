"""A network of so few operations that compiling and exporting it takes seconds, not a minute."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from segmif.models import SegMiF, SegMiFConfig

CLASSES = 5


class MiniEncoder(nn.Module):
    """Four stages of one convolution each."""

    channels = (8, 8, 8, 8)
    inputs = 5

    def __init__(self) -> None:
        super().__init__()
        strides = (4, 2, 2, 2)
        self.stages = nn.ModuleList(
            nn.Conv2d(self.inputs if i == 0 else 8, 8, 3, stride=strides[i], padding=1) for i in range(4)
        )

    def forward(self, images: Tensor, stages: int = 4) -> list[Tensor]:
        maps = []
        for stage in self.stages[:stages]:
            images = torch.relu(stage(images))
            maps.append(images)
        return maps


def mini_network(seed: int = 8, **changes: Any) -> SegMiF:
    """The shared layout with random weights that blend pictures and, by this seed, give varied labels."""
    torch.manual_seed(seed)
    options: dict[str, Any] = {
        "encoder": None, "layout": "shared", "num_classes": CLASSES, "attention": "none", "guide": "maximum",
        "fusion_channels": 8, "attention_heads": 2, "head_channels": 8, **changes,
    }  # fmt: skip
    network = SegMiF(SegMiFConfig(**options), encoder=MiniEncoder()).eval()
    with torch.no_grad():
        output: Any = network.fusion.output
        output.weight.normal_(0, 0.2)
        if network.head is not None:
            classify: Any = network.head.classify
            classify.weight.mul_(20)
    return network


_BUILT: dict[Any, Any] = {}


def quick_exports(patch: pytest.MonkeyPatch) -> None:
    """From now on every network is traced once per process, however often it is exported."""
    from segmif.export import network_digest, onnx

    trace = onnx.build

    def build(network: SegMiF, *, name: str, guide: str | None = None, labels: bool = True) -> Any:
        key = network_digest(network), name, onnx.choose_guide(network, guide), labels
        if key not in _BUILT:
            _BUILT[key] = trace(network, name=name, guide=guide, labels=labels)
        model, inputs = _BUILT[key]
        copy = type(model)()
        copy.CopyFrom(model)
        return copy, inputs

    for module in ("onnx", "int8", "cached"):
        patch.setattr(f"segmif.export.{module}.build", build)
