"""One grey picture and everything derived from it, each thing computed once.

A metric is a function of three planes. What it needs of a plane (a histogram, edges, local moments) comes from
functions marked `@kept`: the first call computes, later calls look up. So metrics of one fused image share work,
and all methods measured on one pair share the work that concerns the sources alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
Levels = npt.NDArray[np.uint8]

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Plane:
    """A grey picture of 256 levels.

    Attributes:
        levels: (H, W) uint8.
        shared: whether other fused pictures will be measured against it, so that large maps are worth keeping.
        memory: what `@kept` functions have derived so far.
    """

    def __init__(self, levels: Levels, shared: bool = False) -> None:
        self.shared = shared
        self.levels = np.ascontiguousarray(levels)
        self.memory: dict[Hashable, Any] = {}

    @functools.cached_property
    def values(self) -> Float:
        """The levels as float64, 0..255."""
        return self.levels.astype(np.float64)

    @property
    def size(self) -> int:
        """Number of pixels."""
        return int(self.levels.size)


def kept(function: Callable[Concatenate[Plane, _P], _T]) -> Callable[Concatenate[Plane, _P], _T]:
    """Compute once per arguments and keep the result on the plane that is the first argument.

    Of two planes, the fused one goes first: what concerns it is forgotten with it, and the sources hold only
    what other fused images can use again.
    """

    @functools.wraps(function)
    def lookup(plane: Plane, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        key = (function, args, tuple(kwargs.items()))
        if key not in plane.memory:
            plane.memory[key] = function(plane, *args, **kwargs)
        return cast("_T", plane.memory[key])

    return cast("Callable[Concatenate[Plane, _P], _T]", lookup)


def weighted_mean(values: Float, weights: Float) -> float:
    """sum(values · weights) / sum(weights); the plain mean where all weights vanish (constant pictures)."""
    total = float(weights.sum())
    return float(np.vdot(values, weights)) / total if total > 0 else float(values.mean())
