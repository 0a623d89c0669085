"""The pictures of the model cards: what a model makes of embedded scenes, and what it takes for what.

    python tools/card_pictures.py segmif-lite segmif-b0 --data DATA

DATA is the folder of data sets. For each model, src/segmif/weights/NAME receives `example.jpg` (road models; the
scenes of `segmif demo`, because few real pairs may be passed on) and `confusion.png`, drawn from the pairs its card
scores labels on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt

import segmif
from segmif import io
from segmif.bench.gallery import result_sheet
from segmif.data import open_dataset
from segmif.data.synthetic.examples import EXAMPLES, example_scene
from segmif.metrics.segmentation import confusion_matrix

WEIGHTS = Path("src/segmif/weights")


def draw(name: str, data: Path) -> None:
    """All pictures of one card."""
    model = segmif.load(WEIGHTS / name)
    assert model.classes
    fields = "crop" in model.classes
    if not fields:
        io.write_bytes(WEIGHTS / name / "example.jpg", io.encode_image(example(model), ".jpg", quality=85))
    draw_confusion(model, data, WEIGHTS / name / "confusion.png", fields=fields)


def example(model: segmif.Model) -> npt.NDArray[np.uint8]:
    """A row for each scene: infrared, visible, fused, labels."""
    scenes = [example_scene(name) for name in EXAMPLES]
    results = [model.predict(scene.infrared, scene.visible) for scene in scenes]
    return np.asarray(result_sheet(results, cell=(320, 240)))


def draw_confusion(model: segmif.Model, data: Path, path: Path, *, fields: bool) -> None:
    """Share of the pixels of each class (rows) that were given each class (columns)."""
    assert model.classes
    pairs = (
        open_dataset("cwfid", data / "cwfid", split="test")
        if fields
        else open_dataset("msrs", data / "msrs", split="val")
    )
    counts = np.zeros((len(model.classes), len(model.classes)), np.int64)
    for pair in pairs:
        found = model.predict(pair.infrared, pair.visible).labels
        assert found is not None
        assert pair.labels is not None
        truth = pair.labels if fields else np.where(pair.labels == 0, 255, pair.labels).astype(np.uint8)
        counts += confusion_matrix(found, truth, len(model.classes))
    shown = np.flatnonzero(counts.sum(1))
    shares = counts[np.ix_(shown, shown)] / counts[shown].sum(1, keepdims=True)
    names = [model.classes[i] for i in shown]
    side = 1.6 + 0.42 * len(names)
    figure, axes = plt.subplots(figsize=(side + 0.6, side), layout="constrained")
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("labelled as")
    axes.set_ylabel("is")
    for row, column in zip(*np.nonzero(shares >= 0.005), strict=True):
        colour = "white" if shares[row, column] > 0.6 else "black"
        axes.text(column, row, f"{100 * shares[row, column]:.0f}", ha="center", va="center", fontsize=8, color=colour)
    axes.set_title("% of the pixels of a class", fontsize=10)
    with io.atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
    plt.close(figure)


def main() -> None:
    """Draw the cards that were named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    for name in options.names:
        draw(name, options.data)


if __name__ == "__main__":
    main()
