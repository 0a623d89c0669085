"""What trucks carry: closed boxes, tarpaulins and open beds, with what stands on their walls.

The side of a box that fills the picture is a plain pale wall, as of a house. What tells them apart are doors with
bars, corner posts, lettering, badges and stickers, and the tanks and wheels below.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segmif.data.synthetic.camera import Points
from segmif.data.synthetic.canvas import Surface, pick, scaled
from segmif.data.synthetic.conditions import RGB
from segmif.data.synthetic.solid import Solid, upright
from segmif.data.synthetic.texture import Rng

TRUCK_PAINTS: tuple[RGB, ...] = (
    (0.75, 0.75, 0.73), (0.6, 0.6, 0.58), (0.1, 0.2, 0.45), (0.5, 0.1, 0.05), (0.12, 0.3, 0.15), (0.6, 0.45, 0.08),
)  # fmt: skip
_PALE: tuple[RGB, ...] = ((0.82, 0.82, 0.8), (0.75, 0.76, 0.77), (0.62, 0.63, 0.63), (0.78, 0.75, 0.68))
_PRINT: tuple[RGB, ...] = (
    *TRUCK_PAINTS[2:], (0.7, 0.1, 0.06), (0.08, 0.3, 0.6), (0.75, 0.5, 0.05), (0.03, 0.03, 0.04), (0.2, 0.45, 0.7),
)  # fmt: skip
_BLACK: RGB = (0.02, 0.02, 0.022)
_METAL: RGB = (0.45, 0.46, 0.47)
_LOW = 0.95
"""Metres above the ground at which a load begins."""


@dataclass(kw_only=True)
class Load(Solid):
    """A load from `rear` to `front` in metres along the truck's axis, `width` wide, its skin at `celsius`."""

    rng: Rng
    rear: float
    front: float
    width: float
    celsius: float
    close: bool

    def __post_init__(self) -> None:
        rng = self.rng
        self.style = rng.choice(("box", "flat", "tarp"), p=(0.6, 0.15, 0.25))
        self.high = {"box": rng.uniform(2.7, 3.4), "flat": rng.uniform(1.4, 1.8), "tarp": rng.uniform(2.5, 3.0)}[
            self.style
        ]
        pale = self.style == "box" and rng.random() < 0.75
        self.colour = pick(rng, _PALE if pale else TRUCK_PAINTS[2:], 0.05)
        self.wall = rng.choice(("ribbed", "smooth", "corrugated"), p=(0.2, 0.6, 0.2)) if self.style == "box" else ""

    def draw(self) -> None:
        """The walls, the far ones first, then what is on those that can be seen."""
        half = self.width / 2
        skin = self._surface(self.colour, 0.95 if self.style == "tarp" else 0.88)
        frame = self._surface(_BLACK, 0.9, 2.0)
        flanks = [upright((side, self.rear), (side, self.front), _LOW, self.high) for side in (-half, half)]
        for side in (-half, half):
            rail = upright((side, self.rear), (side, self.front), 0.5, _LOW)
            if self.face(rail, frame) and self.close:
                self._below(rail)
        back = upright((-half, self.rear), (half, self.rear), _LOW, self.high)
        walls = [*flanks, back, upright((-half, self.front), (half, self.front), _LOW, self.high)]
        for wall in sorted(walls, key=lambda face: -float(self.world(face)[:, 1].mean())):
            if self.face(wall, skin):
                flank = bool(wall[0, 0] == wall[1, 0])
                self._structure(wall, flank=flank)
                if self.style == "box" and self.close:
                    self._prints(wall, most=5 if flank else 2)

    def _surface(self, albedo: RGB, emissivity: float = 0.9, warmer: float = 0.0) -> Surface:
        return Surface(albedo=albedo, celsius=self.celsius + warmer, emissivity=emissivity, glow=(0.0, 0.0, 0.0))

    def _below(self, rail: Points) -> None:
        """Tanks and boxes between the wheels."""
        for _ in range(int(self.rng.integers(0, 4))):
            u, wide = self.rng.uniform(0.1, 0.8), self.rng.uniform(0.05, 0.16)
            tone = float(self.rng.uniform(0.1, 1.1))
            low = float(self.rng.uniform(-0.35, 0.2))
            self.patch(rail, (u, u + wide), (low, 0.85), self._surface(scaled(_METAL, tone), 0.85, 1.0))

    def _structure(self, wall: Points, *, flank: bool) -> None:
        """Posts, rails, ribs and doors."""
        rng = self.rng
        lines = self._surface(scaled(self.colour, 0.6), warmer=-1.0)
        if self.style != "box" or self.wall == "ribbed":
            for u in np.arange(0.0, 1.0, 0.125 if flank else 0.5):
                self.patch(wall, (u, u + 0.012), (0.02, 0.98), lines)
        elif self.wall == "corrugated" and self.close:
            faint = self._surface(scaled(self.colour, 0.86))
            for u in np.arange(0.02, 0.98, 0.035 if flank else 0.07):
                self.patch(wall, (u, u + 0.01), (0.04, 0.96), faint)
        if self.style != "box" or not self.close:
            return
        length = float(np.linalg.norm(wall[1] - wall[0]))
        edge = self._surface(_METAL if rng.random() < 0.4 else scaled(self.colour, float(rng.uniform(0.75, 1.15))))
        self.patch(wall, (0, 1), (0, 0.035), edge)
        self.patch(wall, (0, 1), (0.96, 1), edge)
        for u in (0.0, 1 - 0.07 / length):
            self.patch(wall, (u, u + 0.07 / length), (0, 1), edge)
        if not flank:
            self._leaf(wall, (0.03, 0.495), lines)
            self._leaf(wall, (0.505, 0.97), lines)
        elif rng.random() < 0.5:
            start = float(rng.uniform(0.05, 0.7))
            self._leaf(wall, (start, start + float(rng.uniform(0.9, 1.4)) / length), lines)

    def _leaf(self, wall: Points, u: tuple[float, float], lines: Surface) -> None:
        """A door: gaps around it, hinges on one edge, bars and a handle."""
        thin = 0.02 / float(np.linalg.norm(wall[1] - wall[0]))
        low, top = 0.04, float(self.rng.uniform(0.8, 0.96))
        for at in u:
            self.patch(wall, (at - thin, at + thin), (low, top), lines)
        self.patch(wall, u, (top - 0.008, top), lines)
        bar = self._surface(scaled(_METAL, float(self.rng.uniform(0.7, 1.6))), 0.7)
        dark = self._surface(_BLACK)
        for at in self.rng.uniform(u[0], u[1], int(self.rng.integers(0, 3))):
            self.patch(wall, (at - thin, at + thin), (low, top), bar)
        for height in (0.15, 0.5, 0.8):
            self.patch(wall, (u[0], u[0] + 5 * thin), (height, height + 0.025), bar)
        handle = u[0] + (u[1] - u[0]) * float(self.rng.uniform(0.6, 0.85))
        self.patch(wall, (handle, handle + 4 * thin), (0.25, 0.31), dark)

    def _prints(self, wall: Points, *, most: int) -> None:
        """Lettering, badges, coloured fields and stickers."""
        length, height = float(np.linalg.norm(wall[1] - wall[0])), float(wall[2, 2] - wall[0, 2])
        for _ in range(int(self.rng.integers(0, most + 1))):
            kind = self.rng.choice(("text", "banner", "badge", "sticker"), p=(0.4, 0.2, 0.2, 0.2))
            paint = self._surface(pick(self.rng, _PRINT, 0.2), warmer=-0.5)
            u, v = float(self.rng.uniform(0.03, 0.75)), float(self.rng.uniform(0.12, 0.8))
            tall = float(self.rng.uniform(0.08, 0.22)) * (2.0 if self.rng.random() < 0.2 else 1.0)
            if kind == "text":
                self._text(wall, u, v, tall, paint)
            elif kind == "banner":
                wide = float(self.rng.uniform(0.15, 0.45))
                self.patch(wall, (u, min(u + wide, 0.97)), (v, min(v + tall, 0.95)), paint)
                self._text(wall, u + 0.02, v + tall * 0.2, tall * 0.6, self._surface(_PALE[0]), until=u + wide)
            elif kind == "badge":
                self._badge(wall, (u + 0.1, v), tall * height * 0.7 / length, tall * 0.7, paint)
            else:
                wide = float(self.rng.uniform(0.15, 0.5)) / length
                self.patch(wall, (u, u + wide), (v, v + wide * length / height), self._surface(_PALE[0]))
                for row in (0.25, 0.5, 0.75):
                    self._text(
                        wall, u + wide * 0.1, v + wide * length / height * row, 0.02, paint, until=u + wide * 0.9
                    )

    def _text(self, wall: Points, u: float, v: float, tall: float, paint: Surface, *, until: float = 0.97) -> None:
        """A row of made-up letters, each a few strokes of a grid of 2 by 4."""
        shape = float((wall[2, 2] - wall[0, 2]) / np.linalg.norm(wall[1] - wall[0]))
        wide = tall * shape * float(self.rng.uniform(0.5, 0.9))
        pen, pen_v = wide * 0.2, tall * 0.14
        until = min(until, u + wide * 1.25 * int(self.rng.integers(3, 12)))
        top = min(tall, 0.96 - v)
        while u + wide < until:
            for at in (u, u + wide - pen):
                low, up = (0.0, top) if self.rng.random() < 0.6 else (0.0, top / 2)
                if self.rng.random() < 0.8:
                    self.patch(wall, (at, at + pen), (v + low, v + up), paint)
            for level in (0.0, 0.43, 0.86):
                if self.rng.random() < 0.6:
                    self.patch(wall, (u, u + wide), (v + level * top, v + level * top + pen_v), paint)
            u += wide * 1.25

    def _badge(self, wall: Points, middle: tuple[float, float], wide: float, high: float, paint: Surface) -> None:
        """A disc with a dark figure in it."""
        angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        for scale, surface in ((1.0, paint), (0.5, self._surface(_BLACK if self.rng.random() < 0.5 else _PALE[0]))):
            u = middle[0] + wide * scale * np.cos(angle)
            v = np.clip(middle[1] + high * scale * np.sin(angle) * (1 if scale == 1.0 else 0.6), 0.02, 0.98)
            ring = wall[0] + np.outer(np.clip(u, 0.02, 0.98), wall[1] - wall[0]) + np.outer(v, wall[3] - wall[0])
            self.face(ring, surface, cull=False)
