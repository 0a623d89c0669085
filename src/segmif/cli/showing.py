"""The work behind `segmif demo` and `segmif models`: what is embedded in the package."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segmif.io import make_output_folder

if TYPE_CHECKING:
    from segmif.infer import Result

_OUTPUTS = ("fused", "labels", "overlay", "panel")


def run_demo(out: Path, *, model: str | None, device: str, dtype: str, backend: str | None = None) -> int:
    """Fuse and label the embedded scenes; print where the pictures are."""
    from segmif.data.synthetic import EXAMPLES, example_scene
    from segmif.infer import load

    folder = make_output_folder(out)
    network = load(model, device=device, dtype=dtype, backend=backend)
    rows = []
    for name in EXAMPLES:
        scene = example_scene(name)
        start = time.perf_counter()
        result = network.predict(scene.infrared, scene.visible, name=name)
        seconds = time.perf_counter() - start
        paths = result.save(folder, outputs=_OUTPUTS)
        found = _largest(result) if result.labels is not None else "no labels: fusion only"
        height, width = scene.infrared.shape
        rows.append((name, f"{width}x{height}", f"{seconds:.1f} s", found, str(paths["panel"])))
    print_table(("scene", "size", "time", "mostly", "look at"), rows, title=f"{network!r}")
    print(f"All pictures (fused, labels, overlay, panel): {folder}")
    return 0


def _largest(result: Result, count: int = 3) -> str:
    """The classes that cover most, with their shares."""
    from segmif.viz import class_shares

    assert result.labels is not None
    assert result.label_set is not None
    shares = class_shares(result.labels, result.label_set)[:count]
    return ", ".join(f"{result.label_set.classes[i]} {share:.0%}" for i, share in shares)


def list_models() -> int:
    """Print a table of the shipped models."""
    from segmif.models import SegMiFConfig, store, weights

    rows = []
    for position, (name, record) in enumerate(weights.SHIPPED.items()):
        path = weights.SHIPPED_FOLDER / record.file
        config = SegMiFConfig.from_dict(store.read_config(weights.SHIPPED_FOLDER / record.config))
        classes = f"{config.num_classes}" if config.num_classes else "fusion only"
        if config.label_set:
            classes += f" ({config.label_set.name})"
        scores = ", ".join(f"{key} {value:g}" for key, value in record.scores.items())
        size = f"{path.stat().st_size / 1e6:.1f} MB" if path.is_file() else "missing"
        rows.append((name + (" (default)" if not position else ""), size, classes, scores, record.data, record.licence))
    if not rows:
        print("This version ships no models: give `--model` a folder or a Hub id.")
        return 0
    print_table(("model", "size", "classes", "scores", "trained on", "licence"), rows)
    return 0


def print_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, title: str | None = None) -> None:
    """A table that fits the terminal; piped, one line per row."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(*header, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    if not console.is_terminal:
        console = Console(width=max(80, console.measure(table, options=console.options.update(width=1000)).maximum))
    console.print(table, markup=False)
