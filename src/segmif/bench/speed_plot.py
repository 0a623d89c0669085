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
    """Write a figure: time against pixels, and pairs per second against threads if there are several counts.

    A colour is a model with its back end, a dash a precision.

    Args:
        entries: what `segmif.bench.speed.measure` returned.
        path: PNG, SVG or PDF.
        clock: "cpu" draws processor seconds, which other programs on the machine disturb less.

    Raises:
        InputError: matplotlib is not installed (extra bench).
    """
    pyplot = require_extra("matplotlib.pyplot", "bench")
    field, unit = CLOCKS[clock]
    first = entries[0]
    sizes = _lines(entries, lambda e: (e["width"] * e["height"] / 1e6, e[field]), {"threads": first["threads"]})
    same_size = {"width": first["width"], "height": first["height"]}
    threads = _lines(entries, lambda e: (e["threads"], 1 / e["median"]), same_size)
    panels = 1 + (len({e["threads"] for e in entries}) > 1)
    figure, axes = pyplot.subplots(1, panels, figsize=(1 + 6 * panels, 4.8), layout="constrained", squeeze=False)
    _panel(axes[0, 0], sizes, f"threads: {first['threads']}", "size, by its pixels", f"{unit} per pair")
    axes[0, 0].set_xscale("log")
    axes[0, 0].set_yscale("log")
    axes[0, 0].yaxis.set_major_formatter("{x:g}")
    _mark_sizes(axes[0, 0], entries)
    if panels == 2:
        _panel(axes[0, 1], threads, f"{first['width']}×{first['height']}", "threads", "pairs per second")
        axes[0, 1].set_xticks(sorted({e["threads"] for e in entries}))
        axes[0, 1].set_ylim(bottom=0)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=10)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=Path(path).suffix.lstrip(".").lower() or "png", dpi=150)
    pyplot.close(figure)


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
    axes.grid(True, which="major", alpha=0.3)


def _mark_sizes(axes: Any, entries: Sequence[Entry]) -> None:
    """Name the sizes where the ticks are."""
    sizes = sorted({(e["width"] * e["height"] / 1e6, f"{e['width']}×{e['height']}") for e in entries})
    axes.set_xticks([pixels for pixels, _ in sizes], [name for _, name in sizes], rotation=30, ha="right", fontsize=10)
    axes.set_xticks([], minor=True)
