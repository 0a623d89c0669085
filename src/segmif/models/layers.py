"""Small pieces several networks share.

B batch, N = H·W tokens, C channels, H, W map size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise

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


def neighbours(length: int, wanted: int, part: slice, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where `part` of `wanted` samples lies among `length`, pixel centres aligned.

    Returns:
        Indices of the samples before and after each, and the weight of the second in the dtype of `like`.
    """
    positions = torch.arange(part.start, part.stop, device=like.device, dtype=torch.float64)
    source = ((positions + 0.5) * (length / wanted) - 0.5).clamp(0, length - 1)
    first = source.floor().long()
    return first, (first + 1).clamp(max=length - 1), (source - first).to(like.dtype)


def resize_rows(tokens: Tensor, size: tuple[int, int], rows: slice) -> Tensor:
    """Some rows of `resize` without making the others; tokens (B, h, w, C) to (B, rows, W, C)."""
    if rows == ALL_ROWS:
        return resize(tokens.permute(0, 3, 1, 2), size).permute(0, 2, 3, 1)
    top, bottom, weight = neighbours(tokens.shape[1], size[0], rows, tokens)
    upright = torch.lerp(tokens.index_select(1, top), tokens.index_select(1, bottom), weight[:, None, None])
    # PyTorch gives each image to one thread, so every row is one.
    images = upright.flatten(0, 1)[:, None].permute(0, 3, 1, 2)
    wide = resize(images, (1, size[1])).squeeze(2).transpose(1, 2)
    return torch.unflatten(wide, 0, upright.shape[:2])


def exact(tensor: Tensor) -> AbstractContextManager[object]:
    """A region without autocast, for the few sums and weights that need all their digits."""
    kind = tensor.device.type
    return torch.autocast(kind, enabled=False) if _autocast(kind) else nullcontext()


def computing_dtype(tensor: Tensor) -> torch.dtype:
    """What convolutions and products of a tensor are computed in: autocast's choice where there is one."""
    kind = tensor.device.type
    return torch.get_autocast_dtype(kind) if _autocast(kind) else tensor.dtype


def with_all_digits(layer: Callable[[Tensor], Tensor], x: Tensor, weight: Tensor) -> Tensor:
    """A small layer in the dtype of its weights where no gradient is wanted; where one is, as autocast has it."""
    if torch.is_grad_enabled():
        return layer(x)
    with exact(x):
        return layer(x.to(weight.dtype))


def _autocast(kind: str) -> bool:
    """Whether autocast is on; tensors of the meta device, which have a shape and no values, know none."""
    return kind != "meta" and torch.is_autocast_enabled(kind)


def immediate(tensor: Tensor) -> bool:
    """Whether only the result counts: on a CPU, without gradient, and nobody writes the operations down.

    Then work goes strip by strip, so that what is written is read again while it is in the cache. On a GPU, and in
    graphs that are compiled or exported, many small operations are the worse choice.
    """
    recorded = torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
    return tensor.device.type == "cpu" and not torch.is_grad_enabled() and not recorded


STRIP_PIXELS = 8192
"""Pixels of a strip per thread: with some hundred channels, what the nearer caches hold."""
MIN_STRIP_ROWS = 8
ALL_ROWS = slice(None)


def row_strips(size: tuple[int, int], *, ahead: int = 0, times: int = 1) -> Iterator[slice]:
    """The rows of a map of that (height, width), some at a time.

    Args:
        size: of the map.
        ahead: so many rows the first strip has more than the others.
        times: makes strips so many times higher, for work with few channels or little to do for each row.
    """
    height, width = size
    rows = max(MIN_STRIP_ROWS, times * STRIP_PIXELS * torch.get_num_threads() // width)
    edges = [0, *range(ahead + rows, height, rows), height]
    return (slice(start, stop) for start, stop in pairwise(edges))


def by_strips(function: Callable[..., Tensor], *maps: Tensor, reach: int) -> Tensor:
    """`function` of maps; where only the result counts, strip by strip, so that nothing between is made at full size.

    Each strip is given `reach` rows more on both sides, computed and dropped: they are the ones that a convolution's
    padding, put where the picture goes on, can make wrong. At the picture's own edges padding stays what it is.

    Args:
        function: of parts of all maps (B, C, rows, W), keeps their size.
        maps: (B, C, H, W) each.
        reach: so many rows above and below a row may have a part in its result.
    """
    if not immediate(maps[0]):
        return function(*maps)
    size = size_of(maps[0])
    result: Tensor | None = None
    for rows in row_strips(size, times=4):
        seen = slice(max(0, rows.start - reach), min(size[0], rows.stop + reach))
        part = function(*(each[:, :, seen] for each in maps))[:, :, rows.start - seen.start :]
        if result is None:
            result = torch.empty(
                (*part.shape[:2], *size), dtype=part.dtype, device=part.device, memory_format=torch.channels_last
            )
        result[:, :, rows] = part[:, :, : rows.stop - rows.start]
    assert result is not None, "a map has rows"
    return result
