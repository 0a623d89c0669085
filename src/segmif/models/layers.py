"""Small pieces several networks share.

B batch, N = H·W tokens, C channels, H, W map size.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.nn import functional as F


def to_tokens(maps: Tensor) -> Tensor:
    """(B, C, H, W) to (B, N, C); a view, and contiguous if the maps are channels-last."""
    return maps.flatten(2).transpose(1, 2)


def to_maps(tokens: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, N, C) to (B, C, H, W); a view, channels-last if the tokens are contiguous."""
    return torch.unflatten(tokens, 1, size).permute(0, 3, 1, 2)


def size_of(maps: Tensor) -> tuple[int, int]:
    """(H, W) of (B, C, H, W)."""
    return maps.shape[-2], maps.shape[-1]


def resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear resampling of (B, C, H, W) to another size, pixel centres aligned (align_corners False)."""
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def exact(tensor: Tensor) -> AbstractContextManager[object]:
    """A region without autocast, for the few sums and weights that need all their digits."""
    kind = tensor.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()
