"""Things waiting to be drawn, far to near, and the ground they occupy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from segmif.data.synthetic.canvas import Canvas
from segmif.data.synthetic.street import Street
from segmif.data.synthetic.texture import Rng

Job = Callable[[], None]


@dataclass(kw_only=True)
class Stage:
    """A canvas, the street on it, and the jobs still to do.

    `taken` holds discs of ground (x, y, radius) in metres.
    """

    canvas: Canvas
    street: Street
    seed: int
    jobs: list[tuple[float, Job]] = field(default_factory=list)
    taken: list[tuple[float, float, float]] = field(default_factory=list)

    def rng(self) -> Rng:
        """A generator of its own for the next thing, so that things do not disturb each other."""
        return np.random.Generator(np.random.PCG64([self.seed, 7, len(self.jobs)]))

    def add(self, distance: float, draw: Callable[..., None], *what: Any, **how: Any) -> None:
        """Call ``draw(canvas, *what, rng=..., **how)`` when everything farther than `distance` is painted."""
        self.push(distance, partial(draw, self.canvas, *what, rng=self.rng(), **how))

    def push(self, distance: float, job: Job) -> None:
        """Do a job when everything farther than `distance` is painted."""
        self.jobs.append((distance, job))

    def free(self, x: float, y: float, radius: float) -> bool:
        """Whether a disc of the ground is unoccupied."""
        return all((x - a) ** 2 + (y - b) ** 2 >= (radius + r) ** 2 for a, b, r in self.taken)

    def take(self, x: float, y: float, radius: float) -> bool:
        """Occupy a disc of the ground if it is free; says whether it was."""
        if not self.free(x, y, radius):
            return False
        self.taken.append((x, y, radius))
        return True

    def draw(self) -> None:
        """Paint everything, far to near."""
        for _, job in sorted(self.jobs, key=lambda item: -item[0]):
            job()
