"""The fusion network (SegMiF, arXiv 2308.02097): infrared, luma and semantic features to a fused luma.

B batch, C channels of the network, G growth of a dense block, H, W image size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segmif.models.attention import HierarchicalInteractiveAttention
from segmif.models.config import SegMiFConfig
from segmif.models.layers import by_strips, computing_dtype, exact, immediate, row_strips, size_of, with_all_digits

LEVELS = 2


class DilatedConv2d(nn.Conv2d):
    """A 3×3 convolution of dilation 2 that keeps the size.

    oneDNN (3.12, in PyTorch 2.13) returns NaN as its weight gradient in bfloat16 on channels-last maps unless the
    input width is a multiple of 16. Other widths are trained on contiguous maps: slower, and right.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=2, dilation=2)

    def forward(self, input: Tensor) -> Tensor:
        if self.in_channels % 16 and input.device.type == "cpu" and torch.is_grad_enabled():
            maps: Tensor = self._conv_forward(input.contiguous(), self.weight.contiguous(), self.bias)
            return maps
        return super().forward(input)


class DilatedResidualDenseBlock(nn.Module):
    """DRDB: five 3×3 convolutions of dilation 2, each seeing all before it, a 1×1 convolution back, plus the input.

    Args:
        channels: C.
        growth: G, channels each convolution adds.
    """

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.dense = nn.ModuleList(DilatedConv2d(channels + i * growth, growth) for i in range(5))
        self.merge = nn.Conv2d(channels + 5 * growth, channels, 1)

    def forward(self, x: Tensor, *, inplace: bool = False) -> Tensor:
        """(B, C, H, W) to (B, C, H, W).

        Args:
            x: the maps.
            inplace: the result may take the memory of `x`, which must not be used afterwards. It does so only where
                nothing but the result counts: without gradient, on a CPU, outside compiled graphs.
        """
        if immediate(x):
            return self._by_rows(x, inplace)
        stack = x
        for conv in self.dense:
            stack = torch.cat((stack, F.relu(conv(stack))), dim=1)
        return x + F.relu(self.merge(stack))

    def _by_rows(self, x: Tensor, inplace: bool) -> Tensor:
        """The same, strip by strip, so that the stack of all maps never exists at full size.

        A convolution needs two rows beyond those it makes, so each runs two rows behind the one before; what it
        needs again for the next strip, the last four rows of its stack, is kept. Nothing is computed twice, and no row
        of `x` is read after the same row of the result is written.
        """
        dtype = computing_dtype(x)
        dense = [_weights(conv, dtype) for conv in self.dense]
        merge = _weights(self.merge, dtype)
        maps = x.to(dtype, memory_format=torch.channels_last)
        out = maps if inplace or maps is not x else torch.empty_like(maps)
        with exact(x):
            for image, result in zip(torch.split(maps, 1), torch.split(out, 1), strict=True):
                for rows, stack in _streamed(image, dense):
                    merged = F.conv2d(stack, *merge).relu_()
                    torch.add(image[:, :, rows], merged, out=result[:, :, rows])
        return out


def _streamed(image: Tensor, dense: Sequence[tuple[Tensor, Tensor | None]]) -> Iterator[tuple[slice, Tensor]]:
    """Finished rows of an image's (1, C, H, W) stack after all dense convolutions, and which they are."""
    height, width = size_of(image)
    strips = list(row_strips((height, width), ahead=2 * len(dense)))
    # A window is what one convolution reads: rows it needs again, new ones, and two of padding below the last.
    tallest = max(strip.stop - strip.start for strip in strips) + 4 + 2 * len(dense)
    windows = [image.new_empty(1, tallest, width, weight.shape[1]).permute(0, 3, 1, 2) for weight, _ in dense]
    for window in windows:
        window[:, :, :2] = 0  # the padding above the picture
    kept, finished = 2, 0
    for strip in strips:
        parts = [image[:, :, strip]]
        used = []
        for window, (weight, bias) in zip(windows, dense, strict=True):
            end = kept + parts[0].shape[2]
            torch.cat(parts, dim=1, out=window[:, :, kept:end])
            if strip.stop == height:
                window[:, :, end : end + 2] = 0
                end += 2
            used.append(window[:, :, :end])
            grown = F.conv2d(used[-1], weight, bias, padding=(0, 2), dilation=2).relu_()
            parts = [used[-1][:, :, 2:-2], grown]
        maps = torch.cat(parts, dim=1)
        rows = slice(finished, finished + maps.shape[2])
        yield rows, maps
        finished, kept = rows.stop, 4
        if strip.stop < height:
            for window in used:
                window[:, :, :kept] = window[:, :, -kept:]


def _weights(conv: nn.Module, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
    assert isinstance(conv, nn.Conv2d)
    return conv.weight.to(dtype), conv.bias.to(dtype) if conv.bias is not None else None


class FusionNetwork(nn.Module):
    """Two streams of dense blocks that meet in the attention of each level, then in three convolutions.

    Args:
        config: widths and the kind of attention.
        semantic_channels: widths of the encoder's stages 1 and 2; not used without attention.
    """

    def __init__(self, config: SegMiFConfig, semantic_channels: Sequence[int] = ()) -> None:
        super().__init__()
        width = config.fusion_channels
        self.infrared_in = nn.Conv2d(1, width, 3, padding=1)
        self.visible_in = nn.Conv2d(1, width, 3, padding=1)
        self.infrared_blocks = _blocks(width, config.growth)
        self.visible_blocks = _blocks(width, config.growth)
        self.semantic_in = nn.ModuleList()
        self.attention = nn.ModuleList()
        if config.attention != "none":
            self.semantic_in.extend(nn.Conv2d(c, width, 1) for c in semantic_channels[:LEVELS])
            self.attention.extend(
                HierarchicalInteractiveAttention(width, config.attention_heads, config.attention)
                for _ in range(1 if config.share_attention else LEVELS)
            )
        self.merge = nn.Conv2d(2 * width, width, 3, padding=1)
        self.narrow = nn.Conv2d(width, width // 2, 3, padding=1)
        self.output = nn.Conv2d(width // 2, 1, 3, padding=1)
        self.activation = nn.PReLU()
        # Tokens of the attention are channels-last maps: with such weights no convolution has to reorder them.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, infrared: Tensor, luma: Tensor, semantic: Sequence[Tensor] = ()) -> Tensor:
        """Infrared and luma (B, 1, H, W) in [0, 1], semantic maps of any size, to unclamped luma (B, 1, H, W)."""
        x_ir = by_strips(lambda image: self.activation(self.infrared_in(image)), infrared, reach=1)
        x_vi = by_strips(lambda image: self.activation(self.visible_in(image)), luma, reach=1)
        for level in range(LEVELS):
            x_ir = self.infrared_blocks[level](x_ir, inplace=True)
            x_vi = self.visible_blocks[level](x_vi, inplace=True)
            if self.attention:
                attention = self.attention[level % len(self.attention)]
                adapt = self.semantic_in[level]
                assert isinstance(adapt, nn.Conv2d)
                features = with_all_digits(adapt, semantic[level], adapt.weight)
                x_ir, x_vi = attention(x_ir, x_vi, features, inplace=True)
        return by_strips(self._reconstruct, x_ir, x_vi, reach=3)

    def _reconstruct(self, x_ir: Tensor, x_vi: Tensor) -> Tensor:
        """Both streams (B, C, H, W) to luma (B, 1, H, W), by three convolutions of reach 1."""
        x = self.activation(self.merge(torch.cat((x_ir, x_vi), dim=1)))
        x = self.activation(self.narrow(x))
        with exact(x):  # an image in half precision would have fewer grey levels than 8 bits
            return self.activation(self.output(x.to(self.output.weight.dtype)))  # type: ignore[no-any-return]


def _blocks(width: int, growth: int) -> nn.ModuleList:
    return nn.ModuleList(DilatedResidualDenseBlock(width, growth) for _ in range(LEVELS))
