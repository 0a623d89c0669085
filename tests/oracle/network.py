"""The fusion network written out as the paper draws it: every key, value and token is made, nothing is rearranged.

Slow and plain (float32, contiguous NCHW). It takes its weights from ours, so results must agree; it is also what the
training benchmark compares with. B batch, N = H·W tokens, C channels, A heads.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segmif.models import SegMiF


class PlainAttention(nn.Module):
    """softmax over keys of (Kᵀ V / √D), then Q times it."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.key_value = nn.Linear(channels, 2 * channels, bias=False)

    def forward(self, queries: Tensor, source: Tensor) -> Tensor:
        batch, tokens, channels = queries.shape
        key, value = self.key_value(source).reshape(batch, tokens, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        context = torch.softmax(key.transpose(-2, -1) @ value * (channels // self.heads) ** -0.5, dim=-2)
        heads = queries.reshape(batch, tokens, self.heads, -1).transpose(1, 2)
        return (heads @ context).transpose(1, 2).reshape(batch, tokens, channels)


class PlainInteraction(nn.Module):
    """HIA: MoAM and SoAM of both modalities."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Linear(channels, 2 * channels) for _ in range(3))
        self.moam = PlainAttention(channels, heads)
        self.soam = nn.ModuleList(PlainAttention(channels, heads) for _ in range(2))
        self.output = nn.ModuleList(nn.Linear(2 * channels, channels) for _ in range(2))
        self.norm = nn.ModuleList(nn.LayerNorm(channels) for _ in range(2))

    def forward(self, infrared: Tensor, visible: Tensor, semantic: Tensor) -> tuple[Tensor, Tensor]:
        size = infrared.shape[2:]
        tokens = [maps.flatten(2).transpose(1, 2) for maps in (infrared, visible, semantic)]
        halves = [F.relu(project(x)).chunk(2, dim=-1) for project, x in zip(self.project, tokens, strict=True)]
        (y_s, u_s), results = halves[2], []
        for m in range(2):
            y_m, u_m = halves[m]
            joined = torch.cat((self.soam[m](y_s, y_m), self.moam(u_m, u_s)), dim=-1)
            mixed = self.norm[m](tokens[m] + self.output[m](joined))
            results.append(mixed.transpose(1, 2).unflatten(2, size))
        return results[0], results[1]


class PlainDenseBlock(nn.Module):
    """DRDB."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.dense = nn.ModuleList(nn.Conv2d(channels + i * growth, growth, 3, padding=2, dilation=2) for i in range(5))
        self.merge = nn.Conv2d(channels + 5 * growth, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for conv in self.dense:
            maps.append(F.relu(conv(torch.cat(maps, dim=1))))
        return F.relu(self.merge(torch.cat(maps, dim=1))) + x


class PlainFusion(nn.Module):
    """The fusion network; forward(infrared, luma, semantic) as ours."""

    def __init__(self, channels: int, growth: int, heads: int, semantic_channels: tuple[int, int]) -> None:
        super().__init__()
        self.first = nn.ModuleList(nn.Conv2d(1, channels, 3, padding=1) for _ in range(2))
        self.blocks = nn.ModuleList(PlainDenseBlock(channels, growth) for _ in range(4))
        self.semantic = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in semantic_channels)
        self.interaction = nn.ModuleList(PlainInteraction(channels, heads) for _ in range(2))
        self.last = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1)
            for a, b in ((2 * channels, channels), (channels, channels // 2), (channels // 2, 1))
        )
        self.activation = nn.PReLU()

    def forward(self, infrared: Tensor, luma: Tensor, semantic: list[Tensor]) -> Tensor:
        x = [self.activation(conv(image)) for conv, image in zip(self.first, (infrared, luma), strict=True)]
        for level in range(2):
            x = [self.blocks[2 * level + m](x[m]) for m in range(2)]
            feature = F.interpolate(semantic[level], size=infrared.shape[2:], mode="bilinear", align_corners=False)
            x = list(self.interaction[level](x[0], x[1], self.semantic[level](feature)))
        fused = torch.cat(x, dim=1)
        for conv in self.last:
            fused = self.activation(conv(fused))
        return fused


def transcribe(network: SegMiF) -> PlainFusion:
    """The plain network with the weights of ours (one HIA per level)."""
    ours, config = network.fusion, network.config
    plain = PlainFusion(
        config.fusion_channels, config.growth, config.attention_heads, tuple(network.encoder.channels[:2])
    )
    pairs = [
        (plain.first[0], ours.infrared_in), (plain.first[1], ours.visible_in),
        (plain.last[0], ours.merge), (plain.last[1], ours.narrow), (plain.last[2], ours.output),
        (plain.activation, ours.activation),
    ]  # fmt: skip
    for level in range(2):
        hia, theirs = plain.interaction[level], ours.attention[level]
        pairs += [
            (plain.blocks[2 * level], ours.infrared_blocks[level]),
            (plain.blocks[2 * level + 1], ours.visible_blocks[level]),
            (plain.semantic[level], ours.semantic_in[level]),
            (hia.project[2], theirs.project_semantic), (hia.moam, theirs.moam),
        ]  # fmt: skip
        for m, path in enumerate((theirs.infrared, theirs.visible)):
            pairs += [
                (hia.project[m], path.project), (hia.soam[m], path.soam), (hia.output[m], path.output),
                (hia.norm[m], path.norm),
            ]  # fmt: skip
    for target, source in pairs:
        target.load_state_dict(source.state_dict())
    return plain
