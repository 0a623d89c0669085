"""The cascade written out as the papers draw it: every key, value, token and concatenation is made, nothing moved.

Slow and plain (float32, contiguous NCHW). It takes its weights from ours, so results must agree: it is the baseline of
`segmif speed`, and an oracle of the tests. B batch, N = H·W tokens, C channels, A heads.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segmif.checks import InputError
from segmif.color import rgb_to_ycrcb, ycrcb_to_rgb
from segmif.models import FusionNetwork, MixTransformer, SegMiF


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
    ours: Any = network.fusion
    config, encoder = network.config, network.encoder
    plain: Any = PlainFusion(
        config.fusion_channels, config.growth, config.attention_heads, (encoder.channels[0], encoder.channels[1])
    )
    pairs: list[tuple[Any, Any]] = [
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
    return plain  # type: ignore[no-any-return]


class PlainCascade:
    """Guide encoder (all stages, as the authors' program has it), fusion, encoder again, head.

    Raises:
        InputError: a network that is not a cascade with one interactive attention per level.
    """

    name = "plain"
    device = torch.device("cpu")
    dtype = torch.float32

    def __init__(self, network: SegMiF) -> None:
        config = network.config
        if not isinstance(network.fusion, FusionNetwork) or config.attention != "hia" or config.share_attention:
            raise InputError("only a cascade with its own attention (hia) at every level can be written out plainly")
        self.network: Any = network
        self.fusion = transcribe(network).eval()

    def __call__(self, infrared: Tensor, visible: Tensor, guide: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """As a back end: (B, 1, H, W), (B, 3, H, W), (B, 1, H, W) to fused RGB and logits."""
        assert guide is not None
        network = self.network
        luma, red, blue = rgb_to_ycrcb(visible).chunk(3, dim=1)
        images = guide.repeat(1, 3, 1, 1)
        if network.config.normalize_guide:
            images = (images - network.mean) / network.std
        fused = self.fusion(infrared, luma, _encode(network.encoder, images)[:2])
        rgb = ycrcb_to_rgb(torch.cat((fused, red, blue), dim=1))
        if network.config.clamp:
            rgb = rgb.clamp(0, 1)
        if network.head is None:
            return rgb, None
        return rgb, _head(network.head, _encode(network.encoder, (rgb - network.mean) / network.std))


def _encode(encoder: Any, images: Tensor) -> list[Tensor]:
    if not isinstance(encoder, MixTransformer):
        maps: list[Tensor] = encoder(images)
        return maps
    maps, x = [], images
    for stage in encoder.stages:
        x = stage.embed(x).contiguous()  # type: ignore[operator]
        size = x.shape[2:]
        tokens = stage.embed_norm(x.flatten(2).transpose(1, 2))  # type: ignore[operator]
        for block in stage.blocks:  # type: ignore[union-attr]
            tokens = tokens + _attention(block.attention, block.norm1(tokens), size)
            hidden = block.mlp.expand(block.norm2(tokens)).transpose(1, 2).unflatten(2, size).contiguous()
            hidden = F.gelu(block.mlp.depthwise(hidden).flatten(2).transpose(1, 2))
            tokens = tokens + block.mlp.project(hidden)
        x = stage.norm(tokens).transpose(1, 2).unflatten(2, size).contiguous()  # type: ignore[operator]
        maps.append(x)
    return maps


def _attention(module: Any, tokens: Tensor, size: Any) -> Tensor:
    source = tokens
    if module.reduce is not None:
        maps = torch.unflatten(tokens.transpose(1, 2), 2, tuple(size)).contiguous()
        source = module.reduce_norm(module.reduce(maps).flatten(2).transpose(1, 2))
    key, value = (
        torch.unflatten(part, -1, (module.heads, -1)).transpose(1, 2)
        for part in module.key_value(source).chunk(2, dim=-1)
    )
    query = module.query(tokens).unflatten(-1, (module.heads, -1)).transpose(1, 2)
    weights = torch.softmax(query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5, dim=-1)
    result: Tensor = module.output((weights @ value).transpose(1, 2).flatten(2))
    return result


def _head(head: Any, features: list[Tensor]) -> Tensor:
    size = features[0].shape[2:]
    maps = []
    for feature, project in zip(features, head.project, strict=True):
        tokens = project(feature.flatten(2).transpose(1, 2)).transpose(1, 2)
        maps.append(
            F.interpolate(tokens.unflatten(2, feature.shape[2:]), size=size, mode="bilinear", align_corners=False)
        )
    logits: Tensor = head.classify(F.relu(head.norm(head.mix(torch.cat(maps[::-1], dim=1)))))
    return logits
