"""The figure of `segmif speed`: what is drawn is what was measured."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot
import pytest

from segmif.bench.speed_plot import Clock, draw_speed


def entry(width: int, height: int, threads: int, dtype: str = "float32", model: str = "folder/small") -> dict[str, Any]:
    seconds = width * height * 1e-6 / threads
    sides = {"width": width, "height": height, "threads": threads}
    return {"model": model, "backend": "eager", "dtype": dtype, **sides, "median": seconds, "cpu": threads * seconds}


@pytest.mark.parametrize(("clock", "unit"), [("wall", "seconds per pair"), ("cpu", "processor seconds per pair")])
def test_sizes_and_threads(clock: Clock, unit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures: list[Any] = []
    monkeypatch.setattr("matplotlib.pyplot.close", figures.append)
    entries = [entry(640, 480, 2), entry(320, 320, 2), entry(640, 480, 2, "bfloat16"), entry(640, 480, 1)]
    draw_speed(entries, tmp_path / "speed.svg", clock)
    assert "<svg" in (tmp_path / "speed.svg").read_text()
    sizes, threads = figures[0].axes
    assert sizes.get_ylabel() == unit
    factor = 0.5 if clock == "wall" else 1.0
    assert [list(line.get_ydata()) for line in sizes.lines] == [
        pytest.approx([factor * 0.1024, factor * 0.3072]), pytest.approx([factor * 0.3072])
    ]  # fmt: skip
    assert [line.get_linestyle() for line in sizes.lines] == ["-", "--"]
    assert sizes.lines[0].get_color() == sizes.lines[1].get_color(), "one model, one colour"
    assert list(threads.lines[0].get_xdata()) == [1, 2]
    assert list(threads.lines[0].get_ydata()) == pytest.approx([1 / 0.3072, 2 / 0.3072])
    assert [text.get_text() for text in figures[0].legends[0].get_texts()] == [
        "small, eager, float32", "small, eager, bfloat16"
    ]  # fmt: skip
    monkeypatch.undo()
    matplotlib.pyplot.close("all")


def test_one_count_of_threads_needs_one_panel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures: list[Any] = []
    monkeypatch.setattr("matplotlib.pyplot.close", figures.append)
    draw_speed([entry(64, 64, 1)], tmp_path / "speed.png")
    assert len(figures[0].axes) == 1
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.undo()
    matplotlib.pyplot.close("all")
