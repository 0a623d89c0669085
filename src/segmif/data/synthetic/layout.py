"""Fill a street: first what stands beside it, then what stands and moves on it."""

from __future__ import annotations

from segmif.data.synthetic.canvas import Canvas
from segmif.data.synthetic.roadside import place_furniture, place_roadside
from segmif.data.synthetic.stage import Stage
from segmif.data.synthetic.street import Street
from segmif.data.synthetic.texture import Rng
from segmif.data.synthetic.traffic import place_hero, place_parked, place_people, place_traffic


def furnish(canvas: Canvas, street: Street, seed: int, rng: Rng) -> None:
    """Place everything and draw it."""
    stage = Stage(canvas=canvas, street=street, seed=seed)
    stage.take(0.0, 0.0, 2.2)
    busy = float(rng.beta(1.6, 2.0))
    for side in (-1, 1):
        place_roadside(stage, side, rng)
    place_furniture(stage, rng)
    place_hero(stage, rng)
    place_traffic(stage, busy, rng)
    place_parked(stage, rng)
    place_people(stage, busy, rng)
    stage.draw()
