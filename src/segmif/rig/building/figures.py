"""Drawings for the data card, as SVG that needs nothing else: bars, the chord diagram, outlines.

All are on white, in the colours of the label set, with the number behind each mark as its tool tip.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt

Colour = tuple[int, int, int]

_FONT = "font-family='system-ui,sans-serif' fill='#24292f'"
_PAD = 0.03
"""Radians between the arcs of two classes."""
_NAME = 1 / 48
"""Height of a class' name as a part of the diagram's size."""


def chord_diagram(
    names: Sequence[str], colours: Sequence[Colour], together: npt.NDArray[np.int64], *, size: int = 720
) -> str:
    """The chord diagram of a co-occurrence matrix.

    Each class that occurs has an arc as long as the sum of its co-occurrences; a ribbon between two arcs is as wide as
    the number of pictures that show both, in the colour of the rarer class. The number beside a name is how many
    pictures show it. Classes painted black (unlabelled, background) are left out.

    Args:
        names, colours: of the K classes.
        together: (K, K) symmetric; pictures with both classes, on the diagonal those with one.
        size: width and height in pixels.
    """
    shown = [i for i in range(len(names)) if together[i, i] and any(colours[i])]
    links = together[np.ix_(shown, shown)].astype(float)
    alone = np.diagonal(links).copy()
    np.fill_diagonal(links, 0)
    radius, centre = size * 0.305, size / 2
    arcs, scale = _arcs(links.sum(1), least=_NAME * size / radius)
    parts = [_open(size, size, "Which classes occur together")]
    parts += _ribbons(links, alone, arcs, scale, [colours[i] for i in shown], [names[i] for i in shown], centre, radius)
    for position, i in enumerate(shown):
        start, end = arcs[position]
        parts.append(
            f"<path d='{_band(centre, radius * 1.015, radius * 1.075, start, end)}' fill='{css(colours[i])}'>"
            f"<title>{escape(names[i])}: {int(alone[position])} pictures</title></path>"
        )
        parts.append(
            _radial(f"{names[i]} {int(alone[position])}", (start + end) / 2, centre, radius * 1.11, _NAME * size)
        )
    return "".join([*parts, "</svg>"])


def _arcs(weights: npt.NDArray[np.float64], *, least: float) -> tuple[list[tuple[float, float]], float]:
    """(start, end) angle of each class clockwise from the top, room for its name at least; radians per picture."""
    room = 2 * math.pi - (_PAD + least) * len(weights)
    scale = max(0.0, room) / max(1.0, float(weights.sum()))
    ends = np.cumsum(weights * scale + least + _PAD)
    return [(float(end - weight * scale - least), float(end)) for end, weight in zip(ends, weights, strict=True)], scale


def _ribbons(
    links: npt.NDArray[np.float64],
    alone: npt.NDArray[np.float64],
    arcs: Sequence[tuple[float, float]],
    scale: float,
    colours: Sequence[Colour],
    names: Sequence[str],
    centre: float,
    radius: float,
) -> list[str]:
    """A ribbon for each pair of classes, wide ones first; at every arc in the order that crosses least."""
    count = len(arcs)
    feet: dict[tuple[int, int], tuple[float, float]] = {}
    for i in range(count):
        at = (arcs[i][0] + arcs[i][1] - links[i].sum() * scale) / 2
        for j in ((i - step) % count for step in range(1, count)):
            feet[i, j] = at, at + links[i, j] * scale
            at = feet[i, j][1]
    pairs = [(i, j) for i in range(count) for j in range(i) if links[i, j]]
    drawn = []
    for i, j in sorted(pairs, key=lambda pair: -links[pair]):
        rarer = i if alone[i] < alone[j] else j
        (a, b), (c, d) = feet[i, j], feet[j, i]
        arc, bend = f"A{radius:.1f} {radius:.1f} 0 0 1 ", f"Q{centre:.1f} {centre:.1f} "
        first, second, third, fourth = (_at(centre, radius, angle) for angle in (a, b, c, d))
        path = f"M{first}{arc}{second}{bend}{third}{arc}{fourth}{bend}{first}Z"
        title = f"{names[j]} and {names[i]}: {int(links[i, j])} pictures"
        drawn.append(
            f"<path d='{path}' fill='{css(colours[rarer])}' fill-opacity='.55' stroke='#fff' stroke-width='.4'>"
            f"<title>{escape(title)}</title></path>"
        )
    return drawn


def _at(centre: float, radius: float, angle: float) -> str:
    return f"{centre + radius * math.sin(angle):.1f} {centre - radius * math.cos(angle):.1f}"


def _band(centre: float, inner: float, outer: float, start: float, end: float) -> str:
    """A piece of a ring."""
    large = int(end - start > math.pi)
    return (
        f"M{_at(centre, inner, start)}A{inner:.1f} {inner:.1f} 0 {large} 1 {_at(centre, inner, end)}"
        f"L{_at(centre, outer, end)}A{outer:.1f} {outer:.1f} 0 {large} 0 {_at(centre, outer, start)}Z"
    )


def _radial(text: str, angle: float, centre: float, radius: float, size: float) -> str:
    """Text that points away from the centre, never upside down."""
    degrees = math.degrees(angle) - 90
    left = angle > math.pi
    turn = degrees + 180 if left else degrees
    x, y = _at(centre, radius, angle).split()
    return (
        f"<text x='{x}' y='{y}' transform='rotate({turn:.1f} {x} {y})' font-size='{size:.1f}' {_FONT} "
        f"text-anchor='{'end' if left else 'start'}' dominant-baseline='central'>{escape(text)}</text>"
    )


def bar_chart(
    names: Sequence[str],
    colours: Sequence[Colour],
    rows: Sequence[tuple[str, Sequence[float]]],
    *,
    width: int = 720,
    unit: str = "{:.2%}",
) -> str:
    """Horizontal bars on a logarithmic scale, one group for each class, one bar for each row.

    Args:
        names, colours: of the K classes.
        rows: (title, K values ≥ 0); later rows are drawn paler.
        unit: how a value is written.
    """
    largest = max((max(values, default=0) for _, values in rows), default=0) or 1.0
    smallest = min((v for _, values in rows for v in values if v > 0), default=largest)
    low = math.log10(smallest) - 0.3
    left, right, line = width * 0.17, width * 0.1, 15.0
    group = line * len(rows) + 7
    height = round(group * len(names) + 44)
    parts = [_open(width, height, "Share of each class")]
    for position, name in enumerate(names):
        top = 8 + position * group
        middle = top + line * len(rows) / 2
        parts.append(_text(name, left - 8, middle, anchor="end"))
        for number, (title, values) in enumerate(rows):
            value = values[position]
            span = (math.log10(value) - low) / (math.log10(largest) - low) if value > 0 else 0.0
            length = max(0.0, span) * (width - left - right)
            y = top + number * line
            parts.append(
                f"<rect x='{left:.1f}' y='{y + 1:.1f}' width='{length:.1f}' height='{line - 2:.1f}' rx='2' "
                f"fill='{css(colours[position])}' fill-opacity='{1 - 0.45 * number / max(1, len(rows) - 1):.2f}' "
                f"stroke='#0003'><title>{escape(f'{name}, {title}: {unit.format(value)}')}</title></rect>"
            )
            parts.append(_text(unit.format(value) if value > 0 else "–", left + length + 5, y + line / 2, size=11))
    note = "from top to bottom: " + ", ".join(title for title, _ in rows) if len(rows) > 1 else rows[0][0]
    parts.append(_text(f"{note}; logarithmic scale", left, height - 14, size=11))
    return "".join([*parts, "</svg>"])


def outlines(
    size: tuple[int, int], shapes: Sequence[tuple[npt.NDArray[np.float64], Colour, str, float]], *, width: int = 480
) -> str:
    """Polygons drawn without any picture: (points (N, 2), colour, name, width of a line or 0), in painting order."""
    scale = width / size[1]
    parts = [_open(width, round(size[0] * scale), "Polygons as they were drawn")]
    for points, colour, name, line in shapes:
        path = " ".join(f"{x * scale:.1f},{y * scale:.1f}" for x, y in points)
        if line:
            style = f"fill='none' stroke='{css(colour)}' stroke-width='{max(1.0, line * scale):.1f}'"
            parts.append(f"<polyline points='{path}' {style}><title>{escape(name)}</title></polyline>")
        else:
            style = f"fill='{css(colour)}' fill-opacity='.45' stroke='{css(colour)}' stroke-width='1.4'"
            parts.append(f"<polygon points='{path}' {style}><title>{escape(name)}</title></polygon>")
    return "".join([*parts, "</svg>"])


def _open(width: float, height: float, title: str) -> str:
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}' "
        f"role='img'><title>{escape(title)}</title><rect width='{width}' height='{height}' rx='6' fill='#fff'/>"
    )


def _text(text: str, x: float, y: float, *, anchor: str = "start", size: float = 13) -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size:g}' {_FONT} text-anchor='{anchor}' "
        f"dominant-baseline='central'>{escape(text)}</text>"
    )


def css(colour: Colour) -> str:
    """``rgb(1,2,3)``."""
    return "rgb({},{},{})".format(*colour)
