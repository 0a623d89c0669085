"""Small pieces several networks share.

B batch, N = H·W tokens, C channels, H, W map size.
"""

from __future__ import annotations

from collections.abc import Iterator
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


def computing_dtype(tensor: Tensor) -> torch.dtype:
    """What convolutions and products of a tensor are computed in: autocast's choice where there is one."""
    kind = tensor.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else tensor.dtype


def immediate(tensor: Tensor) -> bool:
    """Whether only the result counts: on a CPU, without gradient, and nobody writes the operations down.

    Then work goes strip by strip, so that what is written is read again while it is in the cache. On a GPU, and in
    graphs that are compiled or exported, many small operations are the worse choice.
    """
    recorded = torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
    return tensor.device.type == "cpu" and not torch.is_grad_enabled() and not recorded


STRIP_PIXELS = 8192
"""Pixels of a strip per thread: with some hundred channels, what a core's second-level cache holds a few times over."""
MIN_STRIP_ROWS = 16


def row_strips(size: tuple[int, int]) -> Iterator[slice]:
    """The rows of a map of that (height, width), some at a time."""
    height, width = size
    rows = max(MIN_STRIP_ROWS, STRIP_PIXELS * torch.get_num_threads() // width)
    return (slice(start, min(start + rows, height)) for start in range(0, height, rows))
