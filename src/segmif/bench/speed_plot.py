"""How time grows with the picture and with threads, drawn from the entries of `segmif speed`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from segmif.checks import require_extra
from segmif.io import atomic_path

Clock = Literal["wall", "cpu"]
CLOCKS: dict[Clock, tuple[str, str]] = {"wall": ("median", "seconds"), "cpu": ("cpu", "processor seconds")}
"""For each clock the field of an entry and the unit."""
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_DASHES = {"float32": "-", "bfloat16": "--", "float16": ":"}

Entry = dict[str, Any]
Point = tuple[float, float]


def draw_speed(entries: Sequence[Entry], path: str | Path, clock: Clock = "wall") -> None:
    """Write a figure: time against pixels if there are several sizes, pairs per second against threads likewise.

    A colour is a model with its back end, a dash a precision.

    Args:
        entries: what `segmif.bench.speed.measure` returned.
        path: PNG, SVG or PDF.
        clock: "cpu" draws processor seconds, which other programs on the machine disturb less.

    Raises:
        InputError: matplotlib is not installed (extra bench).
    """
    pyplot = require_extra("matplotlib.pyplot", "bench")
    several_threads = len({e["threads"] for e in entries}) > 1
    several_sizes = len({(e["width"], e["height"]) for e in entries}) > 1
    panels = ([_draw_sizes] if several_sizes or not several_threads else []) + [_draw_threads] * several_threads
    figure, axes = pyplot.subplots(
        1, len(panels), figsize=(1 + 6 * len(panels), 4.8), layout="constrained", squeeze=False
    )
    for draw, panel in zip(panels, axes[0], strict=True):
        draw(panel, entries, clock)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=10)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=Path(path).suffix.lstrip(".").lower() or "png", dpi=150)
    pyplot.close(figure)


def _draw_sizes(axes: Any, entries: Sequence[Entry], clock: Clock) -> None:
    field, unit = CLOCKS[clock]
    threads = entries[0]["threads"]
    lines = _lines(entries, lambda e: (e["width"] * e["height"] / 1e6, e[field]), {"threads": threads})
    _panel(axes, lines, f"threads: {threads}", "size, by its pixels", f"{unit} per pair")
    axes.set_xscale("log")
    _mark_sizes(axes, entries)


def _draw_threads(axes: Any, entries: Sequence[Entry], clock: Clock) -> None:
    """By the clock on the wall in any case: the same work by more threads takes no fewer processor seconds."""
    same_size = {key: entries[0][key] for key in ("width", "height")}
    lines = _lines(entries, lambda e: (e["threads"], 1 / e["median"]), same_size)
    _panel(axes, lines, "{width}×{height}".format(**same_size), "threads", "pairs per second")
    axes.set_xticks(sorted({e["threads"] for e in entries}))


def _lines(
    entries: Sequence[Entry], point: Callable[[Entry], Point], same: dict[str, int]
) -> dict[tuple[str, str], list[Point]]:
    """The points of every model with back end, and precision, from left to right."""
    lines: dict[tuple[str, str], list[Point]] = {}
    for e in entries:
        if all(e[key] == value for key, value in same.items()):
            lines.setdefault((f"{Path(e['model']).name}, {e['backend']}", e["dtype"]), []).append(point(e))
    return {key: sorted(points) for key, points in lines.items()}


def _panel(axes: Any, lines: dict[tuple[str, str], list[Point]], title: str, x: str, y: str) -> None:
    names = list(dict.fromkeys(name for name, _ in lines))
    for (name, dtype), points in lines.items():
        colour = _COLOURS[names.index(name) % len(_COLOURS)]
        axes.plot(
            *zip(*points, strict=True), _DASHES.get(dtype, "-."), marker="o", color=colour, label=f"{name}, {dtype}"
        )
    axes.set_title(title, fontsize=12)
    axes.set_xlabel(x, fontsize=11)
    axes.set_ylabel(y, fontsize=11)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(True, which="major", alpha=0.3)


def _mark_sizes(axes: Any, entries: Sequence[Entry]) -> None:
    """Name the sizes where the ticks are."""
    sizes = sorted({(e["width"] * e["height"] / 1e6, f"{e['width']}×{e['height']}") for e in entries})
    axes.set_xticks([pixels for pixels, _ in sizes], [name for _, name in sizes], rotation=30, ha="right", fontsize=10)
    axes.set_xticks([], minor=True)
