"""The measured parts of docs/roadscene15.md: class statistics, alignment, quality of the labels, baselines, figures.

    python -m segmif.bench.roadscene15 ROOT docs/roadscene15.md

ROOT holds the user's copies of RoadScene and MSRS. What stands between ``<!-- NAME -->`` and ``<!-- /NAME -->`` in the
page is written anew, and the figures beside it in ``images``; no photograph is in any of them.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import cv2
import numpy as np

from segmif import viz
from segmif.bench.segment import BAND
from segmif.checks import InputError, InputWarning
from segmif.data import open_dataset
from segmif.data.annotations import class_id, read_coco
from segmif.data.catalog import dataset_info
from segmif.data.roadscene15.drawings import folder_of, paint, read_drawing, read_label_map, read_table
from segmif.infer import load
from segmif.io import encode_image, write_bytes, write_text
from segmif.labelsets import FMB, IGNORE
from segmif.metrics import SegmentationScore
from segmif.models.weights import SHIPPED
from segmif.rig.building.card import About, sections
from segmif.rig.building.figures import outlines
from segmif.rig.building.inspect import inspect
from segmif.rig.building.pages import Figure, Table, markdown_table
from segmif.train.recipes import RECIPES, recipe

SETS = {"roadscene15": "RoadScene-15", "msrs15": "MSRS-15"}
SHOWN = ("FLIR_00550", "FLIR_04701", "FLIR_05697", "FLIR_06953", "FLIR_07060", "FLIR_08220")
"""Pairs of the split val whose label maps and polygons are drawn in the page."""
_CARD = {
    "Splits": "splits",
    "Classes": "classes",
    "Which classes occur together": "together",
    "Alignment": "alignment",
}
_SAID_ABOVE = "A class counts as present"
_LIGHTS = ("day", "dusk", "night")
_GROUPS = ("all", "day", "night", "not seen in training", "seen in training")
_BOXED = ("person", "car", "bicycle")
_REACH = 3


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("page", type=Path)
    parser.add_argument("--models", default=",".join(of_roads()), help="names or folders of models, with commas")
    parser.add_argument("--no-models", action="store_true", help="leave the baselines as they are")
    options = parser.parse_args(argv)
    blocks = {**card_blocks(options.root, options.page.parent / "images"), "light": light_table()}
    blocks["quality"] = quality_table()
    draw(options.page.parent / "images")
    if not options.no_models:
        blocks["baseline"] = baseline_table(options.root, options.models.split(","))
    write_text(options.page, fill(options.page.read_text(encoding="utf-8"), blocks))


def of_roads() -> list[str]:
    """The shipped models; that of crop and weed has other classes."""
    return [name for name in SHIPPED if not name.endswith("cwfid")]


def fill(page: str, blocks: Mapping[str, Sequence[str]]) -> str:
    """The page with new lines between the marks of each block.

    Raises:
        InputError: a block has no marks.

    >>> fill("a <!-- x -->old<!-- /x --> b", {"x": ["new"]}).split(chr(10))
    ['a <!-- x -->', '', 'new', '', '<!-- /x --> b']
    """
    for name, lines in blocks.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, found, rest = page.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise InputError(f"the page has no marks <!-- {name} --> and <!-- /{name} -->: add them where it should go")
        page = before + "\n".join((begin, "", *lines, "", end)) + after
    return page


def card_blocks(root: Path, images: Path, *, pairs: int = 200) -> dict[str, list[str]]:
    """Parts of the data card of both sets; figures of RoadScene-15 are written to `images`."""
    blocks: dict[str, list[str]] = {name: [] for name in _CARD.values()}
    for dataset, title in SETS.items():
        inspection = inspect(dataset_info(dataset), root, pairs=pairs)
        for heading, parts in sections(inspection, About()):
            if heading not in _CARD:
                continue
            lines = blocks[_CARD[heading]]
            lines += [f"**{title}**", ""]
            for part in parts:
                if isinstance(part, str) and part.startswith(_SAID_ABOVE):
                    continue
                if isinstance(part, Figure):
                    name = f"{dataset}-{part.file}"
                    write_text(images / name, part.svg)
                    lines += [f"![{title}: {part.caption}](images/{name})", ""]
                else:
                    lines += [*(markdown_table(part) if isinstance(part, Table) else [part]), ""]
    return blocks


def light_table() -> list[str]:
    """Pairs by split and by the light that people saw."""
    lines: list[str] = []
    for dataset, title in SETS.items():
        pairs = read_table(folder_of(dataset)).values()
        rows = [
            (split, *(sum(pair.split == split and pair.light == light for pair in pairs) for light in _LIGHTS))
            for split in dict.fromkeys(pair.split for pair in pairs)
        ]
        lines += [f"**{title}**", "", *markdown_table(Table(header=("split", *_LIGHTS), rows=rows)), ""]
    return lines


def quality_table() -> list[str]:
    """How well the three kinds of drawing agree: polygons, label maps and boxes."""
    rows: list[tuple[str, ...]] = []
    for dataset, title in SETS.items():
        same = total = 0
        for name in read_table(folder_of(dataset)):
            drawn, labels = paint(read_drawing(dataset, name)), read_label_map(dataset, name)
            both = (drawn != IGNORE) & (labels != IGNORE)
            same += int((drawn == labels)[both].sum())
            total += int(both.sum())
        rows.append((title, "pixels drawn by polygons alone that the label map repeats", f"{same / total:.2%}"))
        for class_name in _BOXED:
            inside, overlap = box_agreement(dataset, class_name)
            if overlap:
                rows.append((title, f"pixels of {class_name} inside a box of one", f"{inside:.1%}"))
                text = f"IoU of a {class_name} box and the extent of its labelled pixels, median of {len(overlap)}"
                rows.append((title, text, f"{np.median(overlap):.2f}"))
    return markdown_table(Table(header=("set", "what", "value"), rows=rows))


def box_agreement(dataset: str, class_name: str) -> tuple[float, list[float]]:
    """Share of a class' labelled pixels inside its boxes, and for each scored box the IoU with what is labelled there.

    The extent of an object is that of the class' pixels within 3 pixels of its box: the label map has no instances.
    """
    boxes = read_coco(folder_of(dataset) / "boxes.json").boxes
    wanted = FMB.classes.index(class_name)
    inside = total = 0
    overlaps = []
    for name in read_table(folder_of(dataset)):
        mask = read_label_map(dataset, name) == wanted
        covered = np.zeros(mask.shape, np.bool_)
        for box in boxes[name]:
            if class_id(box.name, FMB) != wanted:
                continue
            x0, y0, x1, y1 = (round(value) for value in box.xyxy)
            covered[y0:y1, x0:x1] = True
            left, top = max(0, x0 - _REACH), max(0, y0 - _REACH)
            ys, xs = np.nonzero(mask[top : y1 + _REACH, left : x1 + _REACH])
            if not box.ignore and len(ys):
                found = (left + xs.min(), top + ys.min(), left + xs.max() + 1, top + ys.max() + 1)
                overlaps.append(_iou((x0, y0, x1, y1), found))
        inside += int((mask & covered).sum())
        total += int(mask.sum())
    return inside / max(1, total), overlaps


def _iou(first: Sequence[float], second: Sequence[float]) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    both = max(0.0, width) * max(0.0, height)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return float(both / (areas - both))


def draw(images: Path) -> None:
    """Label maps and polygons of a few pairs, without the photographs."""
    maps = [(name, viz.colour_labels(read_label_map("roadscene15", name), FMB)) for name in SHOWN]
    sheet = viz.contact_sheet(maps, columns=3, cell=(420, 290))
    write_bytes(images / "roadscene15-labels.png", encode_image(np.asarray(sheet)))
    name = SHOWN[3]
    drawing = read_drawing("roadscene15", name)
    shapes = []
    for stroke in drawing.strokes:
        colour = (150, 150, 150) if stroke.class_id == IGNORE else FMB.palette[stroke.class_id]
        title = "not scored" if stroke.class_id == IGNORE else FMB.classes[stroke.class_id]
        points = stroke.points
        if stroke.kind == "box":
            (x0, y0), (x1, y1) = points
            points = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
        width = float(np.mean(stroke.width)) if stroke.kind == "line" else 0.0
        shapes.append((points, colour, title, width))
    write_text(images / "roadscene15-polygons.svg", outlines(drawing.size, shapes, width=720))


def baseline_table(root: Path, models: Sequence[str]) -> list[str]:
    """Scores of models: mIoU of each set's protocol, whole and without a 5-pixel band, by light, and by class."""
    rows: list[tuple[object, ...]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        for model in models:
            for dataset, title in SETS.items():
                found = scores(root, model, dataset)
                for group in (group for group in _GROUPS if group in found):
                    plain, banded = (part.compute() for part in found[group])
                    cells = (f"{plain['mIoU']:.3f}", f"{banded['mIoU']:.3f}")
                    ious = (f"{banded['IoU'].get(name, float('nan')):.3f}" for name in ("person", "car"))
                    rows.append((Path(model).name, title, group, plain["images"], *cells, *ious))
    header = ("model", "set", "pairs", "count", "mIoU", f"mIoU, {BAND} px band", "person", "car")
    measured = [f"{name} (SHA-256 {SHIPPED[name].sha256[:8]}…)" for name in models if name in SHIPPED]
    weights = [f"Weights: {', '.join(measured)}.", ""] if measured else []
    return [*weights, *markdown_table(Table(header=header, rows=rows))]


def scores(root: Path, model: str, dataset: str) -> dict[str, tuple[SegmentationScore, SegmentationScore]]:
    """(plain, banded) scores on the split val: all, day, night, and the pairs the recipe trains on or not."""
    network = load(model)
    found: dict[str, tuple[SegmentationScore, SegmentationScore]] = {}
    for sample in open_dataset(dataset, root, split="val", strict=False):
        labels = network.predict(sample.infrared, sample.visible).labels
        assert sample.labels is not None
        if labels is None:
            raise InputError(f"model {model!r} is fusion only; choose one with classes")
        for group in ("all", str(sample.meta["time"]), *seen(model, dataset, sample.name)):
            plain, banded = found.setdefault(
                group, (SegmentationScore(dataset), SegmentationScore(dataset, ignore_band=BAND))
            )
            plain.update(labels, sample.labels)
            banded.update(labels, sample.labels)
    return found


def seen(model: str, dataset: str, name: str) -> Iterator[str]:
    """Whether the recipe of that name trains on a pair; nothing where there is no such recipe, or for MSRS."""
    if dataset != "roadscene15" or model not in RECIPES:
        return
    sources = [s for s in recipe(model).data.sources if s.dataset in ("roadscene", "roadscene15")]
    trained = any(
        (s.dataset == "roadscene" or s.split != "train")
        and (not s.only or any(fnmatchcase(name, pattern) for pattern in s.only))
        and not any(fnmatchcase(name, pattern) for pattern in s.leave_out)
        for s in sources
    )
    yield "seen in training" if trained else "not seen in training"


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main()
