"""What the figures of the documentation share: a sheet to draw on, boxes, arrows, small pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

IR, VIS, SEM, INK, FAINT = "#d1495b", "#2e6f95", "#6a994e", "#1f2328", "#8a8f98"
"""Colours of infrared, visible, semantics, text, and what stands back."""

Point = tuple[float, float]


class Diagram:
    """A drawing in units of its own, `width` x `height`, the origin at the lower left.

    Args:
        scale: inches per unit.
    """

    def __init__(self, width: float, height: float, *, scale: float = 0.078) -> None:
        self.sheet = Figure(figsize=(width * scale, height * scale), dpi=165)
        FigureCanvasAgg(self.sheet)
        self.axis = self.sheet.add_axes((0, 0, 1, 1))
        self.axis.set(xlim=(0, width), ylim=(0, height))
        self.axis.axis("off")

    def box(self, centre: Point, size: Point, text: str, *, colour: str = INK, fill: str = "white") -> None:
        """A rounded box with text in its middle."""
        (x, y), (width, height) = centre, size
        patch = FancyBboxPatch(
            (x - width / 2, y - height / 2), width, height,
            boxstyle="round,pad=0,rounding_size=0.8", edgecolor=colour, facecolor=fill, linewidth=1.4, zorder=2,
        )  # fmt: skip
        self.axis.add_patch(patch)
        self.axis.text(x, y, text, ha="center", va="center", color=colour, fontsize=9.5, zorder=3, linespacing=1.35)

    def picture(self, centre: Point, width: float, picture: Any, title: str, *, colour: str = INK) -> None:
        """A small picture with its name below."""
        height = width * picture.shape[0] / picture.shape[1]
        x, y = centre
        where = (x - width / 2, x + width / 2, y - height / 2, y + height / 2)
        limits = self.axis.axis()
        shown = picture if picture.ndim == 3 else np.dstack([picture] * 3)
        self.axis.imshow(shown, extent=where, aspect="auto", interpolation="antialiased", zorder=2)
        self.axis.axis(limits)
        self.axis.text(x, y - height / 2 - 0.7, title, ha="center", va="top", color=colour, fontsize=9.5)

    def arrow(self, *path: Point, colour: str = INK, dashed: bool = False, width: float = 1.4) -> None:
        """A line through all points, with a head at the last."""
        style = (0, (3, 2)) if dashed else "-"
        xs, ys = zip(*path, strict=True)
        self.axis.plot(
            xs[:-1], ys[:-1], color=colour, linewidth=width, linestyle=style, solid_joinstyle="round", zorder=1
        )
        head = {
            "arrowstyle": "-|>",
            "color": colour,
            "linewidth": width,
            "linestyle": style,
            "shrinkA": 0,
            "shrinkB": 0,
        }
        self.axis.annotate("", path[-1], path[-2], arrowprops=head, zorder=1)

    def note(self, at: Point, text: str, *, colour: str = FAINT, ha: str = "center", size: float = 8.5) -> None:
        """A remark."""
        self.axis.text(*at, text, ha=ha, va="center", color=colour, fontsize=size, linespacing=1.3)


def panels(columns: int, rows: int, size: Point, *, width_ratios: Sequence[float] | None = None) -> tuple[Figure, Any]:
    """A sheet of axes (rows, columns), each of `size` inches, without frames on the right and above."""
    sheet = Figure(figsize=(columns * size[0], rows * size[1]), dpi=150, layout="constrained")
    FigureCanvasAgg(sheet)
    axes = sheet.subplots(rows, columns, squeeze=False, width_ratios=width_ratios)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
    return sheet, axes
