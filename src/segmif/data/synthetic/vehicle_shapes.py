"""Side outlines of cars, trucks and buses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from segmif.data.synthetic.texture import Rng

Kind = Literal["sedan", "hatch", "suv", "van", "pickup", "truck", "bus"]
KINDS: tuple[Kind, ...] = ("sedan", "hatch", "suv", "van", "pickup", "truck", "bus")


Outline = tuple[tuple[float, float], ...]
"""Corners (y, z) in metres."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Metres. `body` is the outline of the lower body, rear to front, as (y, z); `cabin` the glasshouse on it."""

    width: float
    body: Outline
    cabin: Outline
    sill: float
    axles: tuple[float, ...]
    wheel: float
    pillars: tuple[float, ...] = ()


def _drawn_shape(kind: Kind, rng: Rng) -> Shape:
    if kind == "sedan":
        return Shape(
            width=1.78, body=((-2.28, 0.62), (-2.22, 0.98), (-1.6, 1.04), (1.05, 0.98), (2.05, 0.80), (2.28, 0.58)),
            cabin=((-1.65, 1.02), (-0.85, 1.42), (0.15, 1.45), (1.1, 0.97)), sill=0.24, axles=(-1.35, 1.38), wheel=0.32,
            pillars=(-0.25,),
        )  # fmt: skip
    if kind == "hatch":
        return Shape(
            width=1.72, body=((-1.95, 0.55), (-1.95, 0.95), (-1.7, 1.0), (1.0, 0.98), (1.8, 0.84), (2.0, 0.55)),
            cabin=((-1.88, 0.98), (-1.55, 1.45), (0.1, 1.5), (1.05, 0.97)), sill=0.24, axles=(-1.25, 1.25), wheel=0.31,
            pillars=(-0.35,),
        )  # fmt: skip
    if kind == "suv":
        return Shape(
            width=1.9, body=((-2.3, 0.6), (-2.3, 1.05), (-2.1, 1.12), (0.95, 1.1), (2.1, 0.98), (2.32, 0.62)),
            cabin=((-2.22, 1.1), (-1.95, 1.7), (0.2, 1.74), (1.05, 1.08)), sill=0.32, axles=(-1.4, 1.42), wheel=0.37,
            pillars=(-1.2, -0.25),
        )  # fmt: skip
    if kind == "van":
        return Shape(
            width=1.95, body=((-2.5, 0.5), (-2.5, 1.15), (-2.45, 1.2), (1.5, 1.15), (2.25, 0.95), (2.5, 0.55)),
            cabin=((-2.47, 1.15), (-2.4, 2.0), (0.95, 2.02), (1.75, 1.12)), sill=0.28, axles=(-1.55, 1.6), wheel=0.34,
            pillars=(-1.1, 0.2),
        )  # fmt: skip
    if kind == "pickup":
        return Shape(
            width=1.9, body=((-2.65, 0.6), (-2.65, 1.08), (-0.75, 1.1), (1.2, 1.08), (2.35, 0.98), (2.6, 0.62)),
            cabin=((-0.85, 1.08), (-0.7, 1.72), (0.5, 1.74), (1.3, 1.06)), sill=0.35, axles=(-1.6, 1.6), wheel=0.38,
            pillars=(-0.1,),
        )  # fmt: skip
    if kind == "bus":
        half, top = float(rng.uniform(4.5, 6.0)), float(rng.uniform(2.9, 3.2))
        return Shape(
            width=2.5, body=((-half, 0.5), (-half, 1.3), (-half + 0.05, 1.32), (half - 0.1, 1.3), (half, 0.5)),
            cabin=((-half + 0.03, 1.3), (-half + 0.1, top), (half - 0.15, top), (half - 0.06, 1.28)), sill=0.32,
            axles=(-half * 0.52, half * 0.55), wheel=0.48, pillars=tuple(np.arange(-half + 1.6, half - 1.2, 1.5)),
        )  # fmt: skip
    half = float(rng.uniform(2.9, 4.2))
    return Shape(
        width=2.3, body=((half - 1.9, 0.6), (half - 1.9, 1.35), (half - 1.8, 1.4), (half - 0.15, 1.35), (half, 0.6)),
        cabin=((half - 1.9, 1.38), (half - 1.85, 2.35), (half - 0.55, 2.4), (half - 0.1, 1.36)), sill=0.45,
        axles=(-half * 0.55, half - 1.0), wheel=0.46,
    )  # fmt: skip


def draw_shape(kind: Kind, rng: Rng) -> Shape:
    """A shape of that kind, a little longer, taller or wider than the pattern."""
    shape = _drawn_shape(kind, rng)
    long, tall, wide = (float(v) for v in rng.uniform(0.94, 1.07, 3))
    return replace(
        shape,
        width=shape.width * wide,
        body=tuple((y * long, z * tall) for y, z in shape.body),
        cabin=tuple((y * long, z * tall) for y, z in shape.cabin),
        axles=tuple(y * long for y in shape.axles),
        pillars=tuple(y * long for y in shape.pillars),
    )
