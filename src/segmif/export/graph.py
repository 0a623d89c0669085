"""The network as a graph that other programs can run: plain tensors in and out, sizes left open.

B batch, K classes, H, W picture size, h, w map size.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from segmif.color import rgb_to_ycrcb
from segmif.models import SegMiF
from segmif.models.efficientnet import SameConv2d
from segmif.models.layers import resize, size_of

GUIDE_INPUT = "input"
"""The graph takes the guide as a third input."""


class Graph(nn.Module):
    """A network whose outputs are tensors, with the guide made inside or taken as an input.

    Args:
        network: a copy of it is kept, prepared by `exportable`.
        guide: "visible", "average", "maximum" to make it inside; "input" to take it; None where none is needed.
        labels: also give full-size labels and confidence.
    """

    def __init__(self, network: SegMiF, *, guide: str | None, labels: bool = True) -> None:
        super().__init__()
        self.network = exportable(network)
        self.guide = guide
        self.labels = labels and network.head is not None

    @property
    def input_names(self) -> tuple[str, ...]:
        """infrared, visible and perhaps guide."""
        return ("infrared", "visible", *(("guide",) if self.guide == GUIDE_INPUT else ()))

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names in the order `forward` returns."""
        if self.network.head is None:
            return ("fused_rgb",)
        return ("fused_rgb", *(("labels", "confidence") if self.labels else ()), "logits")

    def forward(self, infrared: Tensor, visible: Tensor, guide: Tensor | None = None) -> tuple[Tensor, ...]:
        """(B, 1, H, W), (B, 3, H, W), perhaps (B, 1, H, W), all in [0, 1], to what `output_names` says."""
        if self.guide is not None and self.guide != GUIDE_INPUT:
            guide = _GUIDES[self.guide](infrared, rgb_to_ycrcb(visible)[:, :1])
        output = self.network(infrared, visible, guide)
        fused = output.fused_rgb.clamp(0, 1)
        if output.logits is None:
            return (fused,)
        if not self.labels:
            return fused, output.logits
        return fused, *classify(output.logits, size_of(fused)), output.logits


def classify(logits: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Logits (B, K, h, w) to labels (B, H, W) uint8 and the winner's probability (B, H, W)."""
    full = resize(logits, size)
    best = full.amax(dim=1, keepdim=True)
    return full.argmax(dim=1).to(torch.uint8), 1 / (full - best).exp().sum(dim=1)


_GUIDES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "visible": lambda infrared, luma: luma,
    "average": lambda infrared, luma: (infrared + luma) / 2,
    "maximum": torch.maximum,
}
GUIDES_INSIDE = tuple(_GUIDES)
"""Guides the graph can make itself."""


class OpenSizeConv2d(SameConv2d):
    """`SameConv2d` without a branch that depends on the size, so that the size may stay open.

    With an odd kernel k (above 1 at stride 2), the padding after the picture is k // 2; before it, k // 2 less
    1 where a stride of 2 meets an even side.
    """

    def forward(self, input: Tensor) -> Tensor:
        half = self.kernel_size[0] // 2
        if self.stride[0] == 1:
            return F.conv2d(input, self.weight, self.bias, 1, half, 1, self.groups)
        top, left = (half - 1 + side % 2 for side in size_of(input))
        return F.conv2d(F.pad(input, (left, half, top, half)), self.weight, self.bias, 2, 0, 1, self.groups)


def exportable(network: SegMiF) -> SegMiF:
    """A copy in eval mode on the CPU, float32: normalisations folded into convolutions, convolutions of open size."""
    graph = copy.deepcopy(network).to("cpu", torch.float32).eval().requires_grad_(False)
    for module in list(graph.modules()):
        if isinstance(module, nn.Sequential):
            _fold(module)
    for module in graph.modules():
        if type(module) is SameConv2d:
            assert module.stride[0] == 1 or (module.stride[0] == 2 and module.kernel_size[0] > 1)
            assert module.kernel_size[0] % 2
            module.__class__ = OpenSizeConv2d
    return graph


def _fold(layers: nn.Sequential) -> None:
    """Convolution, batch normalisation -> one convolution."""
    for i in range(len(layers) - 1):
        conv, norm = layers[i], layers[i + 1]
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            layers[i], layers[i + 1] = fuse_conv_bn_eval(conv, norm), nn.Identity()
