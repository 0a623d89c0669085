"""The table of metrics: what each is called, which direction is better, what it needs and how it is computed.

Metrics enter the table where they are defined, with `@metric`; the docstring there is the equation.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from segmif.metrics.fusion.plane import Plane

View = Literal["grey", "channels", "side by side", "opencv grey"]
"""How a colour picture becomes planes: luma; R, G, B in turn (the mean of the three values is reported); one plane
with R, G and B beside each other; luma as OpenCV rounds it."""

MetricFunction = Callable[[Plane, Plane, Plane], float]
INFINITY = float("inf")


@dataclass(frozen=True, kw_only=True)
class MetricInfo:
    """One metric as data.

    Attributes:
        name: the key used in results.
        equation: definition, units and the value for constant pictures.
        source: the publication or program that defines it.
        higher_is_better: direction; False for errors and distances.
        range: smallest and largest value possible.
        needs: the pictures it looks at.
        min_side: smallest picture side in pixels.
        view: how colour is treated.
        compute: the function of the planes (fused, infrared, visible).
    """

    name: str
    equation: str
    source: str
    higher_is_better: bool
    range: tuple[float, float]
    needs: tuple[str, ...]
    min_side: int
    view: View
    compute: MetricFunction


METRICS: dict[str, MetricInfo] = {}
"""The plain metrics, textbook definitions, by name."""

CONVENTIONS: dict[str, dict[str, MetricInfo]] = {"vifb": {}, "tang": {}, "cddfuse": {}}
"""What other tools print under these names, by convention and name."""


def metric(
    name: str,
    *,
    source: str,
    bounds: tuple[float, float],
    better: Literal["higher", "lower"] = "higher",
    fused_only: bool = False,
    min_side: int = 1,
    view: View = "grey",
    convention: str | None = None,
) -> Callable[[MetricFunction], MetricFunction]:
    """Enter a function of (fused, infrared, visible) planes into the table; its docstring is the equation."""
    table = METRICS if convention is None else CONVENTIONS[convention]

    def enter(function: MetricFunction) -> MetricFunction:
        assert name not in table, f"{name} is defined twice"
        table[name] = MetricInfo(
            name=name,
            equation=inspect.cleandoc(function.__doc__ or ""),
            source=source,
            higher_is_better=better == "higher",
            range=bounds,
            needs=("fused",) if fused_only else ("fused", "infrared", "visible"),
            min_side=min_side,
            view=view,
            compute=function,
        )
        return function

    return enter
