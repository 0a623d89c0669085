"""Beside the road: buildings, gardens, trees, poles, lamps and signs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from segmif.data.synthetic.buildings import STYLES, Building, Style, cast_building_shadow, draw_building
from segmif.data.synthetic.furniture import (
    SIGN_KINDS,
    draw_clutter,
    draw_fence,
    draw_sign,
    draw_street_lamp,
    draw_traffic_lamp,
    draw_utility_poles,
)
from segmif.data.synthetic.plants import KINDS, Kind, Plant, draw_plant
from segmif.data.synthetic.stage import Stage
from segmif.data.synthetic.street import Street
from segmif.data.synthetic.texture import Rng

Theme = Literal["city", "suburb", "park", "open"]
THEMES: tuple[Theme, ...] = ("city", "suburb", "park", "open")
_END = 130.0
_SHADOWS_FIRST = 1000.0


@dataclass(frozen=True, kw_only=True)
class _Side:
    """How one side (-1 left, 1 right) is built up: metres from the axis to the fronts, usual number of storeys."""

    side: int
    theme: Theme
    setback: float
    storeys: int
    style: Style


def walk_edge(street: Street, side: int) -> float:
    """Metres from the axis to the outer edge of the walk on that side."""
    return street.half_width + street.walks[(side + 1) // 2]


def place_roadside(stage: Stage, side: int, rng: Rng) -> None:
    """Line one side with buildings, gardens or a park."""
    street = stage.street
    theme = THEMES[rng.choice(4, p=(0.36, 0.28, 0.24, 0.12))]
    behind = {"city": rng.uniform(0.2, 3), "suburb": rng.uniform(4, 9), "park": 12.0, "open": 25.0}[theme]
    plan = _Side(
        side=side,
        theme=theme,
        setback=walk_edge(street, side) + float(behind),
        storeys=int(rng.integers(2, 8) if theme == "city" else rng.integers(1, 3)),
        style=STYLES[rng.choice(4, p=(0.42, 0.28, 0.2, 0.1))],
    )
    built = {"city": 0.92, "suburb": 0.75, "park": 0.12, "open": 0.2}[theme]
    y = float(rng.uniform(-6, 6))
    while y < (street.closed_at or _END):
        length = float(rng.uniform(10, 28) if theme == "city" else rng.uniform(8, 15))
        if (
            street.crossing is not None
            and abs(y + length / 2 - street.crossing) < street.crossing_half + 3 + length / 2
        ):
            y = street.crossing + street.crossing_half + float(rng.uniform(3, 5))
            continue
        if street.closed_at is not None and y + length > street.closed_at:
            break
        if rng.random() < built and y + length > 3:
            _place_building(stage, plan, y, length, rng)
        if theme in ("suburb", "park"):
            _place_garden(stage, plan, y, length, rng)
        y += length + float(rng.uniform(0, 1.5) if theme == "city" else rng.uniform(2, 7))
    if street.closed_at is not None and side == 1:
        _close_street(stage, plan.style, street.closed_at, rng)
    if rng.random() < (0.3 if theme == "city" else 0.45):
        _place_avenue(stage, side, rng)


def _place_building(stage: Stage, plan: _Side, y: float, length: float, rng: Rng) -> None:
    s = plan.side * plan.setback
    building = Building(
        start=stage.street.at(s, y),
        end=stage.street.at(s, y + length),
        depth=float(rng.uniform(8, 13)),
        height=max((plan.storeys + int(rng.integers(-1, 2))) * 3.2 + 1.0, 3.2),
        style=plan.style,
        shops=plan.theme == "city" and bool(rng.random() < 0.45),
        gable=plan.theme != "city" and bool(rng.random() < 0.8),
    )
    stage.push(_SHADOWS_FIRST, partial(cast_building_shadow, stage.canvas, building))
    stage.add(y + length, draw_building, building)


def _close_street(stage: Stage, style: Style, closed_at: float, rng: Rng) -> None:
    """Buildings across the end of a street that stops at a T-junction."""
    y = closed_at + float(rng.uniform(1, 8))
    middle = stage.street.at(0.0, y)[0]
    x = middle - float(rng.uniform(25, 45))
    while x < middle + 40:
        length = float(rng.uniform(14, 40))
        building = Building(
            start=(x, y),
            end=(x + length, y),
            depth=10.0,
            height=float(rng.uniform(5, 22)),
            style=style,
            shops=bool(rng.random() < 0.3),
            gable=False,
        )
        stage.add(y + 0.5, draw_building, building)
        x += length + float(rng.uniform(0, 6))


def _place_garden(stage: Stage, plan: _Side, y: float, length: float, rng: Rng) -> None:
    """A hedge or fence, bushes and trees between the walk and the houses, or the trees of a park."""
    street, side, edge = stage.street, plan.side, walk_edge(stage.street, plan.side)
    start, end = street.at(side * (edge + 0.5), max(y, 2.0)), street.at(side * (edge + 0.5), y + length)
    border = rng.random()
    if end[1] > start[1] + 1 and border < 0.4:
        tall = float(rng.uniform(0.7, 1.9))
        hedge = Plant(kind="hedge", x=start[0], y=start[1], height=tall, spread=0.5, end=end)
        stage.add(end[1] - 0.5, draw_plant, hedge)
    elif end[1] > start[1] + 1 and border < 0.58:
        stage.add(end[1] - 0.6, draw_fence, start, end)
    park = plan.theme == "park"
    for _ in range(int(rng.integers(1, 5 if park else 3))):
        kind = KINDS[rng.choice(5, p=(0.45, 0.15, 0.07, 0.08, 0.25))]
        s = side * rng.uniform(edge + 1.2, plan.setback + (14 if park else -1.0))
        x, at = street.at(float(s), y + float(rng.uniform(0, length)))
        height = float(rng.uniform(0.8, 2.0) if kind == "bush" else rng.uniform(4.5, 13))
        spread = height * float(rng.uniform(0.5, 0.9) if kind == "bush" else rng.uniform(0.25, 0.4))
        if at > 2 and stage.take(x, at, 0.6):
            stage.add(at, draw_plant, Plant(kind=kind, x=x, y=at, height=height, spread=spread))


def _place_avenue(stage: Stage, side: int, rng: Rng) -> None:
    """A row of like trees along the kerb."""
    street = stage.street
    kind: Kind = KINDS[rng.choice(4, p=(0.65, 0.05, 0.15, 0.15))]
    height, step = rng.uniform(5, 11), rng.uniform(7, 14)
    inset = max(0.6, min(0.8, street.walks[(side + 1) // 2] / 2))
    for y in np.arange(rng.uniform(4, 12), 110, step):
        x, at = street.at(side * (street.half_width + inset), float(y))
        tall, spread = (float(height * v) for v in (rng.uniform(0.85, 1.15), rng.uniform(0.25, 0.36)))
        if street.clear_of_crossing(at, 3.0) and stage.take(x, at, 0.5):
            stage.add(at, draw_plant, Plant(kind=kind, x=x, y=at, height=tall, spread=spread))


def place_furniture(stage: Stage, rng: Rng) -> None:
    """Street lamps, utility poles, traffic lamps, signs, and clutter."""
    street = stage.street
    lamp_side, reach = int(rng.choice((-1, 1))), float(rng.choice((0.0, 1.6, 2.4)))
    for i, y in enumerate(np.arange(rng.uniform(6, 22), 120, rng.uniform(16, 30))):
        side = lamp_side if reach or i % 2 else -lamp_side
        x, at = street.at(side * (street.half_width + 0.5), float(y))
        if street.clear_of_crossing(at, 0.5) and stage.take(x, at, 0.4):
            stage.add(at, draw_street_lamp, x, at, -side * reach)
    if rng.random() < 0.3:
        s = -lamp_side * (walk_edge(street, -lamp_side) + 0.6)
        places = [street.at(s, float(y)) for y in np.arange(rng.uniform(8, 16), 110, 26)]
        stage.add(places[-1][1], draw_utility_poles, places)
    _place_signals(stage, rng)
    for _ in range(int(rng.integers(1, 5))):
        kind = SIGN_KINDS[rng.choice(len(SIGN_KINDS), p=(0.22, 0.15, 0.13, 0.14, 0.14, 0.08, 0.14))]
        offset = street.half_width + (2.4 if kind == "board" else rng.uniform(0.3, 0.9))
        y = rng.uniform(18, 60) if kind == "board" else rng.uniform(6, 40)
        x, at = street.at(float(rng.choice((-1, 1)) * offset), float(y))
        if street.clear_of_crossing(at, 0.3) and stage.take(x, at, 0.4):
            stage.add(at, draw_sign, x, at, kind)
    for _ in range(int(rng.integers(0, 4))):
        s = rng.choice((-1, 1)) * (street.half_width + rng.uniform(0.2, 1.0))
        x, at = street.at(float(s), float(rng.uniform(5, 35)))
        if street.clear_of_crossing(at, 0.5) and stage.take(x, at, 0.4):
            stage.add(at, draw_clutter, x, at)


def _place_signals(stage: Stage, rng: Rng) -> None:
    """Traffic lamps at the crossing, or before a zebra."""
    street = stage.street
    if street.crossing is not None and rng.random() < 0.8:
        near, far = street.crossing - street.crossing_half - 1.2, street.crossing + street.crossing_half + 1.2
    elif street.zebras and rng.random() < 0.5:
        near = far = street.zebras[0] + 2.5
    else:
        return
    arm = bool(rng.random() < 0.5)
    for side, y in ((1, near), (-1, near), (1, far), (-1, far)):
        if rng.random() < 0.25 or y < 4:
            continue
        x, at = street.at(side * (street.half_width + 0.5), y)
        reach = -side * min(street.half_width, 4.5) if arm and y == far else 0.0
        stage.add(at, draw_traffic_lamp, x, at, reach, facing=bool(rng.random() < 0.85))
