"""Pictures too large to fuse at once: windows, and what makes their seams vanish.

The fusion network is local (a result pixel depends on 24 pixels around it) but for two things: the semantic features
and the contexts of the attention, both of which look at the whole picture. Both are taken once from a reduced view of
the whole picture and then held still, so that every window computes exactly what its neighbours compute where they
overlap, and windows with a margin of 24 pixels can be laid side by side without blending.

B batch, C channels, H, W size of the picture, h, w size of a map.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from segmif.models.attention import LinearAttention
from segmif.models.layers import neighbours

MARGIN = 24
"""Radius of the fusion network's view: 1 + 2 levels of five convolutions with dilation 2 + 3."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much is looked at at once, in pixels; memory grows with it, about 3 GB per million pixels fused."""

    whole: int = 1024 * 768
    """Larger pictures are fused in windows."""
    view: int = 640 * 512
    """Size of the reduced view that gives larger pictures their semantic features and contexts."""
    segment: int = 1536 * 1024
    """Larger fused pictures are reduced to this before segmentation."""
    tile: int = 512
    """Side of a window, without its margin."""


@dataclass(frozen=True)
class Window:
    """A window of the picture: rows and columns it decides, and, `outer`, those it looks at."""

    rows: slice
    columns: slice
    outer_rows: slice
    outer_columns: slice

    def cut(self, picture: Tensor) -> Tensor:
        """What the window looks at, of (..., H, W)."""
        return picture[..., self.outer_rows, self.outer_columns]

    def trim(self, result: Tensor) -> Tensor:
        """What it decides, of a result (..., h, w) for what it looks at."""
        top, left = self.rows.start - self.outer_rows.start, self.columns.start - self.outer_columns.start
        height, width = self.rows.stop - self.rows.start, self.columns.stop - self.columns.start
        return result[..., top : top + height, left : left + width]


def reduced_size(size: tuple[int, int], pixels: int) -> tuple[int, int]:
    """(height, width) scaled down to at most `pixels`, sides of 32 at least; unchanged where it is small enough.

    >>> reduced_size((3000, 4000), 640 * 512)
    (495, 660)
    """
    scale = min(1.0, math.sqrt(pixels / (size[0] * size[1])))
    if scale == 1.0:
        return size
    return max(32, int(size[0] * scale)), max(32, int(size[1] * scale))


def windows(size: tuple[int, int], tile: int, margin: int = MARGIN) -> Iterator[Window]:
    """Windows of nearly equal size, no side above `tile` + 2 `margin`, that together decide every pixel once.

    >>> [(w.columns.start, w.columns.stop, w.outer_columns.stop) for w in windows((10, 25), 10, margin=2)]
    [(0, 8, 10), (8, 16, 18), (16, 25, 25)]
    """
    for rows, outer_rows in _spans(size[0], tile, margin):
        for columns, outer_columns in _spans(size[1], tile, margin):
            yield Window(rows, columns, outer_rows, outer_columns)


def _spans(length: int, tile: int, margin: int) -> list[tuple[slice, slice]]:
    count = -(-length // tile)
    edges = [i * length // count for i in range(count + 1)]
    return [
        (slice(start, stop), slice(max(0, start - margin), min(length, stop + margin)))
        for start, stop in pairwise(edges)
    ]


def upsampled(maps: Tensor, size: tuple[int, int], rows: slice, columns: slice) -> Tensor:
    """The part of maps (..., h, w) upsampled to `size` (bilinear, pixel centres aligned), without making the rest.

    Returns:
        (..., rows, columns), what `torch.nn.functional.interpolate(maps, size, mode="bilinear")` has there.
    """
    top, bottom, weight = neighbours(maps.shape[-2], size[0], rows, maps)
    upright = torch.lerp(maps.index_select(-2, top), maps.index_select(-2, bottom), weight[:, None])
    left, right, weight = neighbours(maps.shape[-1], size[1], columns, maps)
    return torch.lerp(upright.index_select(-1, left), upright.index_select(-1, right), weight)


class SharedContexts:
    """The contexts of every attention of a network, recorded in one pass and given out in later ones."""

    def __init__(self, network: nn.Module) -> None:
        self._modules = [m for m in network.modules() if isinstance(m, LinearAttention)]
        self._recorded: dict[nn.Module, list[Tensor]] = {}

    @contextmanager
    def record(self) -> Iterator[None]:
        """Keep the contexts of the pass run inside."""
        self._recorded = {module: [] for module in self._modules}

        def keep(module: nn.Module, _: Any, context: Tensor) -> None:
            self._recorded[module].append(context)

        with _hooks(self._modules, keep):
            yield

    @contextmanager
    def replay(self) -> Iterator[None]:
        """Give out the recorded contexts, in their order, in every pass run inside."""
        calls: dict[nn.Module, int] = dict.fromkeys(self._modules, 0)

        def give(module: nn.Module, _: Any, __: Tensor) -> Tensor:
            contexts = self._recorded[module]  # several, where one attention serves both levels
            calls[module] += 1
            return contexts[(calls[module] - 1) % len(contexts)]

        with _hooks(self._modules, give):
            yield


@contextmanager
def _hooks(modules: list[LinearAttention], hook: Any) -> Iterator[None]:
    handles = [module.register_forward_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
