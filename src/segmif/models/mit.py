"""Mix Transformer, the encoder of SegFormer (arXiv 2105.15203).

B batch, C channels of the stage, H, W size of the stage's map, N = H·W tokens, M = N / reduction² tokens,
A attention heads, D = C / A.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segmif.models.config import MiTConfig
from segmif.models.layers import immediate, size_of, to_maps, to_tokens, with_all_digits

QUERIES_AT_ONCE = 2048
"""Of every head; with some hundred keys, what a second-level cache holds."""


class MixTransformer(nn.Module):
    """Overlapping patch embeddings and transformer blocks at strides 4, 8, 16, 32.

    Args:
        config: widths and depths; as many stages as it names.
    """

    def __init__(self, config: MiTConfig) -> None:
        super().__init__()
        self.config = config
        self.channels = config.channels
        self.inputs = config.inputs
        blocks = sum(config.depths)
        rates = iter([config.drop_path * i / max(blocks - 1, 1) for i in range(blocks)])
        inputs = (config.inputs, *config.channels)
        self.stages = nn.ModuleList(
            Stage(
                inputs[i],
                config.channels[i],
                first=i == 0,
                heads=config.heads[i],
                reduction=config.reductions[i],
                mlp_ratio=config.mlp_ratio,
                drop_paths=[next(rates) for _ in range(config.depths[i])],
            )
            for i in range(len(config.channels))
        )
        self.apply(_initialise)

    def forward(self, images: Tensor, stages: int = 4) -> list[Tensor]:
        """Normalised images (B, `config.inputs`, H, W), H, W >= 32, to maps (B, C, ⌈H/s⌉, ⌈W/s⌉), s = 4, 8, 16, 32.

        Args:
            images: the batch.
            stages: compute only that many stages, the finest first.
        """
        maps = []
        x = images
        for stage in self.stages[:stages]:
            x = stage(x)
            maps.append(x)
        return maps


class Stage(nn.Module):
    """Patch embedding, blocks, LayerNorm: (B, C', H', W') to (B, C, H, W)."""

    def __init__(
        self, inputs: int, channels: int, *, first: bool, heads: int, reduction: int, mlp_ratio: int,
        drop_paths: list[float],
    ) -> None:  # fmt: skip
        super().__init__()
        kernel, stride = (7, 4) if first else (3, 2)
        self.embed = nn.Conv2d(inputs, channels, kernel, stride, kernel // 2)
        self.embed_norm = nn.LayerNorm(channels, eps=1e-5)
        self.blocks = nn.ModuleList(
            Block(channels, heads=heads, reduction=reduction, mlp_ratio=mlp_ratio, drop_path=rate)
            for rate in drop_paths
        )
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, maps: Tensor) -> Tensor:
        # The blocks only add to what is embedded: embedded in float32, the sum stays so, whatever they compute in.
        maps = with_all_digits(self.embed, maps, self.embed.weight)
        size = size_of(maps)
        tokens = self.embed_norm(to_tokens(maps))
        for block in self.blocks:
            tokens = block(tokens, size)
        return to_maps(self.norm(tokens), size)


class Block(nn.Module):
    """Pre-norm transformer block on (B, N, C)."""

    def __init__(self, channels: int, *, heads: int, reduction: int, mlp_ratio: int, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=1e-6)
        self.attention = EfficientAttention(channels, heads, reduction)
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)
        self.mlp = MixMLP(channels, channels * mlp_ratio)
        self.drop_path = drop_path

    def forward(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        tokens = tokens + self._drop(self.attention(self.norm1(tokens), size))
        return tokens + self._drop(self.mlp(self.norm2(tokens), size))

    def _drop(self, branch: Tensor) -> Tensor:
        """Stochastic depth (arXiv 1603.09382): leave the branch out for some images, scale up the others."""
        if not self.training or self.drop_path == 0:
            return branch
        keep = 1 - self.drop_path
        return branch * branch.new_empty(branch.shape[0], 1, 1).bernoulli_(keep).div_(keep)


class EfficientAttention(nn.Module):
    """Self-attention whose keys and values come from a map shortened by a strided convolution."""

    def __init__(self, channels: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(channels, 2 * channels)
        self.output = nn.Linear(channels, channels)
        self.reduce = nn.Conv2d(channels, channels, reduction, reduction) if reduction > 1 else None
        self.reduce_norm = nn.LayerNorm(channels, eps=1e-5) if reduction > 1 else None

    def forward(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, N, C) to (B, N, C)."""
        source = tokens
        if self.reduce is not None and self.reduce_norm is not None:
            source = self.reduce_norm(to_tokens(self.reduce(to_maps(tokens, size))))
        query = self.query(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, A, N, D)
        key, value = self.key_value(source).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (B, A, M, D)
        if immediate(query) and query.dtype == torch.bfloat16:
            mixed = _attend_in_parts(query, key, value)
        else:
            mixed = F.scaled_dot_product_attention(query, key, value)
        return self.output(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


def _attend_in_parts(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention written out, some queries at a time: in bfloat16 twice as fast as PyTorch's fused kernel for CPUs."""
    keys = (key * key.shape[-1] ** -0.5).transpose(-2, -1)
    parts = [torch.softmax(part @ keys, dim=-1) @ value for part in torch.split(query, QUERIES_AT_ONCE, dim=-2)]
    return torch.cat(parts, dim=-2)


class MixMLP(nn.Module):
    """Linear, 3×3 depth-wise convolution (it tells tokens where they are), GELU, linear."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.expand = nn.Linear(channels, hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.project = nn.Linear(hidden, channels)

    def forward(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, N, C) to (B, N, C)."""
        hidden = self.depthwise(to_maps(self.expand(tokens), size))
        return self.project(F.gelu(to_tokens(hidden)))  # type: ignore[no-any-return]


def _initialise(module: nn.Module) -> None:
    """Normal of deviation 0.02 for linears, He (fan out) for convolutions, as is usual for this encoder."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        fan_out = module.weight.shape[2] * module.weight.shape[3] * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
        assert module.bias is not None
        nn.init.zeros_(module.bias)
