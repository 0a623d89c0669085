"""What stands beside a road: lamps, poles, wires, traffic lamps, signs, fences, cones and bins."""

from __future__ import annotations

from typing import Literal

import numpy as np

from segmif.data.synthetic.camera import Points
from segmif.data.synthetic.canvas import Canvas, Light, Surface, pick, scaled
from segmif.data.synthetic.conditions import RGB
from segmif.data.synthetic.texture import Rng
from segmif.labelsets import FMB

LAMP, SIGN, POLE = (FMB.classes.index(name) for name in ("traffic lamp", "traffic sign", "pole"))

SignKind = Literal["disc", "triangle", "octagon", "diamond", "square", "board", "name"]
SIGN_KINDS: tuple[SignKind, ...] = ("disc", "triangle", "octagon", "diamond", "square", "board", "name")

_RED: RGB = (0.5, 0.02, 0.025)
_WHITE: RGB = (0.75, 0.75, 0.74)
_BLACK: RGB = (0.02, 0.02, 0.02)
_BLUE: RGB = (0.02, 0.08, 0.4)
_YELLOW: RGB = (0.75, 0.5, 0.03)
_GREEN: RGB = (0.01, 0.2, 0.09)
_LAMP_COLOURS: tuple[RGB, ...] = ((1.0, 0.62, 0.25), (1.0, 0.85, 0.62), (0.85, 1.0, 0.9), (0.8, 0.9, 1.1))


def _bar(canvas: Canvas, start: tuple[float, ...], end: tuple[float, ...], thick: float, surface: Surface) -> None:
    """A round bar between two world points with a lit and a shaded side."""
    local = canvas.camera.to_camera(np.array([start, end], float))
    if local[:, 2].min() < 0.5:
        return
    pixels, depth = canvas.camera.to_pixels(local)
    mean = float(depth.mean())
    width = thick * canvas.camera.focal / mean
    values = canvas.values(surface, 1 / mean)
    if width > 3:
        rim = values.copy()
        rim[:3] *= 0.55
        rim[8] -= 3
        canvas.stroke(pixels[0], pixels[1], width, rim)
        width *= 0.6
    canvas.stroke(pixels[0], pixels[1], width, values)


def _steel(canvas: Canvas, rng: Rng) -> Surface:
    tone = float(rng.choice((0.05, 0.2, 0.35, 0.5)))
    conditions = canvas.conditions
    return Surface(albedo=(tone, tone, tone * 0.97), celsius=conditions.warmed(6) + 1.5, emissivity=0.85)


def draw_street_lamp(canvas: Canvas, x: float, y: float, reach: float, rng: Rng) -> None:
    """A lamp post whose arm reaches `reach` metres in x; a globe on top where |reach| is below 0.5."""
    steel = _steel(canvas, rng)
    tall = rng.uniform(3.2, 4.5) if abs(reach) < 0.5 else rng.uniform(6, 9)
    with canvas.thing(POLE):
        _bar(canvas, (x, y, 0), (x, y, tall), 0.15, steel)
        _bar(canvas, (x, y, 0), (x, y, 0.9), 0.22, steel)
        if abs(reach) >= 0.5:
            _bar(canvas, (x, y, tall), (x + reach, y, tall + 0.35), 0.1, steel)
        head = (x + reach, y, tall + (0.35 if abs(reach) >= 0.5 else 0.2))
        on = canvas.conditions.lamps_on
        colour = pick(rng, _LAMP_COLOURS)
        glow = scaled(colour, (9.0 if canvas.conditions.time == "night" else 3.0) * on)
        lamp = Surface(albedo=(0.5, 0.5, 0.48), celsius=canvas.conditions.air + 14 * on, glow=glow)
        if abs(reach) < 0.5:
            _disc(canvas, head, 0.2, lamp)
        else:
            _bar(canvas, (head[0] - 0.35, y, head[2]), (head[0] + 0.35, y, head[2]), 0.18, lamp)
        if on:
            power = scaled(colour, 6.0 if abs(reach) >= 0.5 else 2.0)
            canvas.lights.append(Light(position=head, intensity=power))


def _disc(
    canvas: Canvas,
    centre: tuple[float, float, float],
    radius: float,
    surface: Surface,
    sides: int = 18,
    turn: float = 0.0,
) -> None:
    """A polygon upright and facing the camera."""
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False) + turn
    face = np.array(centre) + radius * np.stack([np.cos(angle), np.zeros(sides), np.sin(angle)], axis=1)
    canvas.face(face, surface, (0.0, -1.0, 0.0))


def _rectangle(
    canvas: Canvas, centre: tuple[float, float, float], width: float, height: float, surface: Surface
) -> None:
    corners = np.array([(-width, 0, -height), (width, 0, -height), (width, 0, height), (-width, 0, height)]) / 2
    canvas.face(corners + np.array(centre), surface, (0.0, -1.0, 0.0))


def draw_traffic_lamp(canvas: Canvas, x: float, y: float, reach: float, rng: Rng, *, facing: bool) -> None:
    """A traffic lamp on a post, with a second one on an arm over the road where `reach` is not 0."""
    steel = _steel(canvas, rng)
    tall = 6.0 if reach else 3.4
    with canvas.thing(POLE):
        _bar(canvas, (x, y, 0), (x, y, tall), 0.16, steel)
        if reach:
            _bar(canvas, (x, y, tall - 0.2), (x + reach, y, tall), 0.12, steel)
    state = int(rng.integers(3))
    _lamp_head(canvas, (x, y - 0.1, 2.9), state, rng, facing=facing)
    if reach:
        _lamp_head(canvas, (x + reach, y - 0.1, tall - 0.2), state, rng, facing=facing)


def _lamp_head(canvas: Canvas, centre: tuple[float, float, float], state: int, rng: Rng, *, facing: bool) -> None:
    conditions = canvas.conditions
    x, y, z = centre
    scale = rng.uniform(0.95, 1.4)
    housing = Surface(albedo=_YELLOW if rng.random() < 0.25 else _BLACK, celsius=conditions.warmed(7) + 3)
    with canvas.thing(LAMP, boxed=True):
        _rectangle(canvas, centre, 0.36 * scale, 1.02 * scale, housing)
        if not facing:
            return
        strength = {"day": 1.3, "dusk": 3.0, "night": 4.5}[conditions.time]
        colours = ((1.0, 0.06, 0.04), (1.0, 0.5, 0.04), (0.05, 1.0, 0.55))
        for index, colour in enumerate(colours):
            lit = strength if index == state else 0.0
            glass = Surface(
                albedo=scaled(colour, 0.08),
                celsius=conditions.warmed(7) + 4 + 5 * (lit > 0),
                glow=scaled(colour, lit),
            )
            _disc(canvas, (x, y - 0.02, z + (1 - index) * 0.31 * scale), 0.125 * scale, glass, 14)


def draw_sign(canvas: Canvas, x: float, y: float, kind: SignKind, rng: Rng) -> None:
    """A traffic sign of that kind on its post; a board hangs from two."""
    steel = _steel(canvas, rng)
    z = 5.6 if kind == "board" else rng.uniform(2.1, 2.8)
    with canvas.thing(POLE):
        posts = (-1.6, 1.6) if kind == "board" else (0.0,)
        for offset in posts:
            _bar(canvas, (x + offset, y, 0), (x + offset, y, z + 0.2), 0.12 if kind == "board" else 0.07, steel)
    size = rng.uniform(0.3, 0.42)
    conditions = canvas.conditions
    glare = 0.15 if conditions.time == "night" else 0.0

    def plate(colour: RGB) -> Surface:
        return Surface(albedo=colour, celsius=conditions.warmed(6) - 1, emissivity=0.82, glow=scaled(colour, glare))

    centre = (x, y - 0.05, z)
    with canvas.thing(SIGN, boxed=True):
        if kind == "disc":
            solid = rng.choice(3)
            _disc(canvas, centre, size, plate(_BLUE if solid == 2 else _RED))
            if solid == 0:
                _rectangle(canvas, centre, size * 1.4, size * 0.35, plate(_WHITE))
            elif solid == 1:
                _disc(canvas, centre, size * 0.76, plate(_WHITE))
                for dx in (-0.28, 0.2):
                    _rectangle(canvas, (x + dx * size, y - 0.05, z), size * 0.3, size * 0.65, plate(_BLACK))
            else:
                _rectangle(canvas, centre, size * 0.25, size * 1.1, plate(_WHITE))
        elif kind == "triangle":
            _disc(canvas, centre, size * 1.2, plate(_RED), 3, np.pi / 2)
            _disc(canvas, centre, size * 0.8, plate(_WHITE), 3, np.pi / 2)
            _rectangle(canvas, centre, size * 0.16, size * 0.5, plate(_BLACK))
        elif kind == "octagon":
            _disc(canvas, centre, size * 1.05, plate(_WHITE), 8, np.pi / 8)
            _disc(canvas, centre, size * 0.97, plate(_RED), 8, np.pi / 8)
            for i in range(4):
                _rectangle(canvas, (x + (i - 1.5) * size * 0.36, y - 0.05, z), size * 0.22, size * 0.5, plate(_WHITE))
        elif kind == "diamond":
            _disc(canvas, centre, size * 1.2, plate(_BLACK), 4)
            _disc(canvas, centre, size * 1.1, plate(_YELLOW), 4)
            _rectangle(canvas, centre, size * 0.2, size * 0.9, plate(_BLACK))
        elif kind == "square":
            _rectangle(canvas, centre, size * 1.7, size * 1.7, plate(_BLUE))
            _disc(canvas, (x, y - 0.05, z - 0.1 * size), size * 0.6, plate(_WHITE), 3, np.pi / 2)
        elif kind == "name":
            _rectangle(canvas, (x, y - 0.05, z + 0.3), 1.1, 0.26, plate(_GREEN if rng.random() < 0.5 else _BLUE))
            _lettering(canvas, (x, y, z + 0.3), 0.9, 0.1, plate(_WHITE), rng)
        else:
            colour = _GREEN if rng.random() < 0.5 else _BLUE
            _rectangle(canvas, centre, 4.2, 1.9, plate(_WHITE))
            _rectangle(canvas, centre, 4.05, 1.75, plate(colour))
            for row in (0.45, 0.0, -0.45):
                _lettering(canvas, (x, y, z + row), rng.uniform(1.8, 3.2), 0.26, plate(_WHITE), rng)


def _lettering(
    canvas: Canvas, centre: tuple[float, float, float], width: float, height: float, surface: Surface, rng: Rng
) -> None:
    """A row of blocks that reads as text from afar."""
    x, y, z = centre
    count = max(3, int(width / height / 0.9))
    for i in range(count):
        if rng.random() < 0.85:
            at = (x + (i + 0.5 - count / 2) * width / count, y - 0.06, z)
            _rectangle(canvas, at, width / count * rng.uniform(0.45, 0.75), height * rng.uniform(0.75, 1.1), surface)


def draw_utility_poles(canvas: Canvas, places: list[tuple[float, float]], rng: Rng) -> None:
    """Wooden poles with cross-arms, and wires between them; wires are too thin to label."""
    wood = Surface(albedo=(0.11, 0.08, 0.06), celsius=canvas.conditions.warmed(6) + 1)
    wire = Surface(albedo=_BLACK, celsius=canvas.conditions.air)
    tall = rng.uniform(8, 10)
    tops: list[Points] = []
    for x, y in sorted(places, key=lambda place: -place[1]):
        with canvas.thing(POLE):
            _bar(canvas, (x, y, 0), (x, y, tall), 0.26, wood)
            _bar(canvas, (x - 1.0, y, tall - 0.7), (x + 1.0, y, tall - 0.7), 0.12, wood)
        ends = np.array([(x + dx, y, tall - 0.55) for dx in (-0.9, 0.9)])
        if tops:
            _wires(canvas, tops[-1], ends, wire)
        tops.append(ends)


def _wires(canvas: Canvas, far: Points, near: Points, wire: Surface) -> None:
    t = np.linspace(0, 1, 9)[:, None]
    for a, b in zip(far, near, strict=True):
        sag = a + (b - a) * t - np.array([0, 0, 3.2]) * (t * (1 - t))
        local = canvas.camera.to_camera(sag)
        if local[:, 2].min() < 0.5:
            continue
        pixels, depth = canvas.camera.to_pixels(local)
        for i in range(8):
            values = canvas.values(wire, 1 / float(depth[i]))
            start, end = pixels[i], pixels[i + 1]
            side = np.array([0.0, 0.5])
            opacity = float(np.clip(0.025 * canvas.camera.focal / depth[i], 0.12, 0.49))
            canvas.polygon(np.stack([start - side, end - side, end + side, start + side]), values, opacity=opacity)


def draw_fence(canvas: Canvas, start: tuple[float, float], end: tuple[float, float], rng: Rng) -> None:
    """A rail fence or crash barrier, unlabelled."""
    rail = rng.random() < 0.4
    surface = Surface(
        albedo=(0.4, 0.4, 0.4) if rail else tuple(rng.choice((0.05, 0.3, 0.6)) * np.ones(3)),
        celsius=canvas.conditions.warmed(6),
        emissivity=0.8,
    )
    a, b = np.array(start), np.array(end)
    count = max(2, int(np.linalg.norm(b - a) / (2.0 if rail else 1.2)))
    with canvas.thing(0):
        for t in np.linspace(1, 0, count):
            x, y = a + (b - a) * t
            _bar(canvas, (x, y, 0), (x, y, 0.8 if rail else 1.0), 0.09, surface)
        heights = ((0.62, 0.3),) if rail else ((0.95, 0.06), (0.5, 0.05), (0.15, 0.05))
        for z, thick in heights:
            quad = np.array([(*a, z - thick / 2), (*b, z - thick / 2), (*b, z + thick / 2), (*a, z + thick / 2)])
            canvas.face(quad, surface)


def draw_clutter(canvas: Canvas, x: float, y: float, rng: Rng) -> None:
    """A traffic cone, a bollard or a bin, unlabelled."""
    kind = rng.choice(("cone", "bollard", "bin"))
    air = canvas.conditions.warmed(5)
    with canvas.thing(0):
        if kind == "cone":
            orange = Surface(albedo=(0.6, 0.12, 0.02), celsius=air)
            canvas.face(np.array([(x - 0.2, y, 0), (x + 0.2, y, 0), (x + 0.03, y, 0.75), (x - 0.03, y, 0.75)]), orange)
            canvas.face(
                np.array([(x - 0.12, y, 0.33), (x + 0.12, y, 0.33), (x + 0.08, y, 0.5), (x - 0.08, y, 0.5)]),
                Surface(albedo=_WHITE, celsius=air),
            )
        elif kind == "bollard":
            _bar(canvas, (x, y, 0), (x, y, 0.9), 0.14, _steel(canvas, rng))
        else:
            green = Surface(albedo=(0.04, 0.12, 0.06), celsius=air)
            _rectangle(canvas, (x, y, 0.5), 0.6, 1.0, green)
            _rectangle(canvas, (x, y - 0.02, 0.95), 0.66, 0.14, Surface(albedo=(0.02, 0.06, 0.03), celsius=air - 1))
