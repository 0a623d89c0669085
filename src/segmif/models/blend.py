"""A fusion network for real time: it decides at a quarter of the resolution how to mix full-resolution pictures.

The same ideas as the fusion network of the paper (two streams, blocks, interactive attention with semantic features),
at stride 4, where a pixel costs a sixteenth. What comes out is not a picture but, for every place, the coefficients of
six pictures that are cheap to make at full resolution: both sources, their maximum, the detail of each, and one.
Sharpness comes from the sources, so nothing is lost at stride 4, and no pattern of the grid can show. Part of the
constant is a share of the broad brightness of the darker source, which then is felt without an edge of it being seen.

B batch, C channels of the network, H, W image size, h, w = ⌈H/4⌉, ⌈W/4⌉.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segmif.models.attention import HierarchicalInteractiveAttention
from segmif.models.config import SegMiFConfig
from segmif.models.layers import exact, resize, size_of, to_maps, to_tokens

LEVELS = 2
STRIDE = 4
BASES = 6
_DETAIL_SIDE = 5
DETAIL_MARGIN = _DETAIL_SIDE // 2
"""How far from a pixel the blend looks, once it has its coefficients."""
_BROAD_SIDE = 5
"""Of the two box filters of `broad_minimum`, in cells of stride 4."""


class ResidualBlock(nn.Module):
    """x + two 3×3 convolutions, the second of dilation 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.near = nn.Conv2d(channels, channels, 3, padding=1)
        self.far = nn.Conv2d(channels, channels, 3, padding=2, dilation=2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to (B, C, h, w)."""
        return x + F.relu(self.far(F.relu(self.near(x))))


class BlendNetwork(nn.Module):
    """Two streams at stride 4 that meet in the attention of each level and give the coefficients of a blend.

    Args:
        config: widths and the kind of attention.
        semantic_channels: widths of the encoder's stages 1 and 2; not used without attention.
    """

    def __init__(self, config: SegMiFConfig, semantic_channels: Sequence[int] = ()) -> None:
        super().__init__()
        width = config.fusion_channels
        self.infrared_in = nn.Conv2d(1, width, 7, stride=STRIDE, padding=3)
        self.visible_in = nn.Conv2d(1, width, 7, stride=STRIDE, padding=3)
        self.infrared_blocks = nn.ModuleList(ResidualBlock(width) for _ in range(LEVELS))
        self.visible_blocks = nn.ModuleList(ResidualBlock(width) for _ in range(LEVELS))
        self.semantic_in = nn.ModuleList()
        self.semantic_norm = nn.ModuleList()
        self.attention = nn.ModuleList()
        if config.attention != "none":
            self.semantic_in.extend(nn.Conv2d(c, width, 1) for c in semantic_channels[:LEVELS])
            # Encoders without a last normalisation (EfficientNet) give features of any size, which upset a softmax.
            self.semantic_norm.extend(nn.LayerNorm(width) for _ in range(LEVELS))
            self.attention.extend(
                HierarchicalInteractiveAttention(width, config.attention_heads, config.attention)
                for _ in range(1 if config.share_attention else LEVELS)
            )
        self.merge = nn.Conv2d(2 * width, width, 3, padding=1)
        self.output = nn.Conv2d(width, BASES + 1, 3, padding=1)
        nn.init.zeros_(self.output.weight)  # training starts from the maximum
        assert self.output.bias is not None
        nn.init.zeros_(self.output.bias)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, infrared: Tensor, luma: Tensor, semantic: Sequence[Tensor] = ()) -> Tensor:
        """Infrared and luma (B, 1, H, W) in [0, 1], semantic maps of any size, to the coefficients of their blend."""
        return self.coefficients(self.features(infrared, luma, semantic), infrared, luma)

    def features(self, infrared: Tensor, luma: Tensor, semantic: Sequence[Tensor] = ()) -> Tensor:
        """What both modalities and the semantics say of every place, (B, C, h, w); the segmentation reads it too."""
        x_ir = F.relu(self.infrared_in(infrared - 0.5))
        x_vi = F.relu(self.visible_in(luma - 0.5))
        for level in range(LEVELS):
            x_ir = self.infrared_blocks[level](x_ir)
            x_vi = self.visible_blocks[level](x_vi)
            if self.attention:
                attention = self.attention[level % len(self.attention)]
                x_ir, x_vi = attention(x_ir, x_vi, self._semantic(level, semantic[level]))
        return F.relu(self.merge(torch.cat((x_ir, x_vi), dim=1)))

    def _semantic(self, level: int, maps: Tensor) -> Tensor:
        projected = self.semantic_in[level](maps)
        return to_maps(self.semantic_norm[level](to_tokens(projected)), size_of(projected))

    def coefficients(self, features: Tensor, infrared: Tensor, luma: Tensor) -> Tensor:
        """Features of a pair to the coefficients of its blend, (B, 6, h, w), float32 or better; see `blend`."""
        with exact(features):
            decided = self.output(features.to(self.output.weight.dtype))
            return with_broad_minimum(decided, infrared, luma)


def with_broad_minimum(decided: Tensor, infrared: Tensor, luma: Tensor) -> Tensor:
    """What the network decided, (B, 7, h, w), to the coefficients of the blend: c₅ = d₅ + d₆ L, the others as they are.

    L is `broad_minimum` of the pair. Adding what the darker source shows only broadly keeps the edges of the brighter
    one as they are; adding the source itself would draw a second set of edges over them.
    """
    broad = broad_minimum(infrared, luma).to(decided.dtype)
    return torch.cat((decided[:, :5], decided[:, 5:6] + decided[:, 6:7] * broad), dim=1)


def even_blend(like: Tensor, infrared: Tensor, luma: Tensor, maximum: float, broad: float) -> Tensor:
    """Coefficients (B, 6, h, w), shaped as `like`, of (1 + maximum) max(A, B) + broad · L, the same at every place."""
    decided = like.new_zeros(len(like), BASES + 1, *size_of(like))
    decided[:, 0], decided[:, BASES] = maximum, broad
    return with_broad_minimum(decided, infrared, luma)


def broad_minimum(infrared: Tensor, luma: Tensor) -> Tensor:
    """L: the darker of both pictures (B, 1, H, W), at stride 4 and blurred by two 5×5 boxes (σ about 8 pixels)."""
    cells = F.avg_pool2d(torch.minimum(infrared, luma), STRIDE, ceil_mode=True, count_include_pad=False)
    for _ in range(2):
        cells = F.avg_pool2d(cells, _BROAD_SIDE, stride=1, padding=_BROAD_SIDE // 2, count_include_pad=False)
    return cells


def blend(infrared: Tensor, luma: Tensor, coefficients: Tensor) -> Tensor:
    """F = (1 + c₀) max(A, B) + c₁ A + c₂ B + c₃ (A − Ā) + c₄ (B − B̄) + c₅, A infrared, B luma, Ā a 5×5 mean.

    Args:
        infrared: A, (B, 1, H, W) in [0, 1].
        luma: B, likewise.
        coefficients: (B, 6, h, w) of any size, upsampled bilinearly; zeros give the maximum.

    Returns:
        (B, 1, H, W), not clamped.
    """
    a, b = infrared.to(coefficients.dtype), luma.to(coefficients.dtype)
    c = resize(coefficients, size_of(infrared))
    brightest = torch.maximum(a, b)
    mixed = brightest + c[:, 0:1] * brightest + c[:, 1:2] * a + c[:, 2:3] * b
    return mixed + c[:, 3:4] * (a - _local_mean(a)) + c[:, 4:5] * (b - _local_mean(b)) + c[:, 5:6]


def _local_mean(picture: Tensor) -> Tensor:
    return F.avg_pool2d(picture, _DETAIL_SIDE, stride=1, padding=DETAIL_MARGIN, count_include_pad=False)
