"""Pictures for a README and a gallery: rendered scenes, and real pairs where a data root holds some.

Everything follows from the model and the seeds, so the same command makes the same files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from segmif import io
from segmif.bench.methods import fuse_luma, get_method
from segmif.data.base import PairSample
from segmif.data.catalog import CATALOG, find_locally, open_scan, scan_dataset
from segmif.data.info import DatasetInfo
from segmif.data.synthetic import EXAMPLES, Time, Weather, example_scene, synthetic_scene
from segmif.infer import Model, Result
from segmif.labelsets import FMB
from segmif.viz import contact_sheet

Picture = npt.NDArray[np.uint8]
Titled = tuple[str, Any]

SCENES: tuple[tuple[int, Time, Weather], ...] = (
    (14, "night", "clear"),
    (41, "night", "rain"),
    (5, "night", "clear"),
    (12, "dusk", "clear"),
    (18, "day", "fog"),
)
"""Seed, time and weather of the rendered scenes of the sheet."""
CLASSIC = ("average", "maximum", "laplacian", "gff", "gtf")
REAL = "real"
_IGNORE_ALL = "*\n"
"""A .gitignore that keeps a whole folder out of a repository."""
_QUALITY = 82
_WIDEST = 1600


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to draw.

    Attributes:
        out: folder of the pictures.
        size: (height, width) of rendered scenes in pixels.
        data: look for data sets below this folder, too; None for none.
        pairs: of each data set, spread evenly.
    """

    out: Path
    size: tuple[int, int] = (480, 640)
    data: Path | None = None
    pairs: int = 3


def draw_gallery(model: Model, settings: Settings, *, advance: Callable[[], None] = lambda: None) -> list[Path]:
    """Write all pictures.

    `demo.jpg` shows day and night, `gallery/EXAMPLE.jpg` one embedded scene each, `gallery/scenes.jpg` more of them,
    `gallery/methods.jpg` classic methods beside the model, `gallery/closer.jpg` what is found in the dark. With
    `data`, `real/DATASET.jpg` shows pairs of each data set found; a .gitignore there keeps them out of repositories,
    because few of them may be passed on.

    Args:
        model: any that `segmif.load` gives.
        settings: what to draw.
        advance: called after every picture.

    Returns:
        The files, in that order.

    Raises:
        InputError: a file cannot be written, or a data set is damaged.
    """
    written = []
    for name, sheet in _sheets(model, settings):
        path = settings.out / name
        if path.parent.name == REAL:
            io.write_text(path.parent / ".gitignore", _IGNORE_ALL)
        io.write_bytes(path, io.encode_image(np.asarray(sheet), ".jpg", quality=_QUALITY))
        written.append(path)
        advance()
    return written


def count_pictures(settings: Settings) -> int:
    """How many files `draw_gallery` will write."""
    return 4 + len(EXAMPLES) + len(_found(settings))


def _sheets(model: Model, settings: Settings) -> Iterator[tuple[str, Image.Image]]:
    scenes = {name: example_scene(name, size=settings.size) for name in EXAMPLES}
    results = {name: _fuse(model, scene) for name, scene in scenes.items()}
    yield "demo.jpg", result_sheet([results["day"], results["night"]], cell=(480, 360))
    for name, result in results.items():
        yield f"gallery/{name}.jpg", _narrowed(result.panel())
    more = [synthetic_scene(s, size=settings.size, time=t, weather=w) for s, t, w in SCENES]
    yield "gallery/scenes.jpg", result_sheet([_fuse(model, scene) for scene in more], cell=(360, 270))
    yield "gallery/methods.jpg", _methods(scenes["night"], results["night"], model.name)
    yield "gallery/closer.jpg", _closer(scenes["night"], results["night"])
    for info, folder in _found(settings):
        samples = _spread(info, folder, settings.pairs)
        # Classes learnt from thermal pictures of streets say nothing about near infrared, nor the other way round.
        labels = samples[0].meta.get("infrared") != "near" or info.label_set == model.network.config.label_set
        yield (
            f"{REAL}/{info.name}.jpg",
            result_sheet([_fuse(model, s) for s in samples], cell=(480, 360), labels=labels),
        )


def _narrowed(sheet: Image.Image) -> Image.Image:
    if sheet.width <= _WIDEST:
        return sheet
    return sheet.resize((_WIDEST, round(sheet.height * _WIDEST / sheet.width)), Image.Resampling.LANCZOS)


def _fuse(model: Model, sample: PairSample) -> Result:
    return model.predict(sample.infrared, sample.visible, name=sample.name)


def result_sheet(results: Sequence[Result], *, cell: tuple[int, int], labels: bool = True) -> Image.Image:
    """A row for each result: infrared, visible, fused and, if wanted and there are any, its labels."""
    pictures: list[Titled] = []
    for result in results:
        pictures += [("infrared", result.infrared), ("visible", result.visible), ("fused", result.fused)]
        if labels and result.labels is not None:
            pictures.append(("labels", result.overlay(legend="none")))
    return contact_sheet(pictures, columns=len(pictures) // len(results), cell=cell)


def _methods(scene: PairSample, result: Result, name: str) -> Image.Image:
    """Both sources, classic methods, and the model."""
    infrared, visible = (picture.astype(np.float32) / 255 for picture in (scene.infrared, scene.visible))
    pictures: list[Titled] = [("infrared", scene.infrared), ("visible", scene.visible)]
    for method in CLASSIC:
        fused = fuse_luma(get_method(method), infrared, visible)
        pictures.append((method, np.rint(fused * 255).astype(np.uint8)))
    return contact_sheet([*pictures, (name, result.fused)], columns=4, cell=(480, 360))


def _closer(scene: PairSample, result: Result) -> Image.Image:
    """The largest people and vehicles of a scene, cut out of every picture."""
    pictures: list[Titled] = []
    for box in _largest(scene, 3):
        for title, picture in (("infrared", result.infrared), ("visible", result.visible), ("fused", result.fused)):
            pictures.append((title, _cut(picture, box)))
        if result.labels is not None:
            pictures.append(("labels", _cut(np.asarray(result.overlay(legend="none")), box)))
    return contact_sheet(pictures, columns=len(pictures) // 3, cell=(360, 360))


def _largest(scene: PairSample, count: int) -> list[tuple[int, int, int]]:
    """Squares (x, y, side) round the largest people and vehicles, none overlapping; in want of them all of it."""
    assert scene.boxes is not None
    height, width = scene.infrared.shape
    wanted = [FMB.classes.index(name) for name in ("person", "car", "truck", "bus", "motorcycle", "bicycle")]
    kept = np.isin(scene.boxes.class_ids, wanted)
    boxes = scene.boxes.xyxy[kept]
    order = np.argsort(-(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), kind="stable")
    squares: list[tuple[int, int, int]] = []
    for x0, y0, x1, y1 in boxes[order]:
        side = int(min(max(1.5 * max(x1 - x0, y1 - y0), width / 8), height, width))
        x, y = (int(min(max(0, middle - side / 2), limit - side)) for middle, limit in
                (((x0 + x1) / 2, width), ((y0 + y1) / 2, height)))  # fmt: skip
        if all(max(abs(2 * (x - a) + side - s), abs(2 * (y - b) + side - s)) > side + s for a, b, s in squares):
            squares.append((x, y, side))
    whole = (0, 0, min(height, width))
    return (squares + [whole] * count)[:count]


def _cut(picture: Picture, box: tuple[int, int, int]) -> Picture:
    x, y, side = box
    part = picture[y : y + side, x : x + side]
    return np.asarray(cv2.resize(part, (360, 360), interpolation=cv2.INTER_CUBIC), np.uint8)


def _found(settings: Settings) -> list[tuple[DatasetInfo, Path]]:
    """Data sets below the root that have an infrared camera, each once."""
    if settings.data is None:
        return []
    found: dict[Path, DatasetInfo] = {}
    for info in sorted(CATALOG.values(), key=lambda info: len(info.name)):  # MSRS rather than our labels of it
        folder = find_locally(info, settings.data) if info.name not in ("folder", "camvid") else None
        if folder is not None:
            found.setdefault(folder, info)
    return sorted(((info, folder) for folder, info in found.items()), key=lambda item: item[0].name)


def _spread(info: DatasetInfo, folder: Path, count: int) -> list[PairSample]:
    """`count` pairs of the test split, or of all where there is none, evenly over their order."""
    scan = scan_dataset(info, folder)
    split = "test" if scan.splits.get("test") else "all"
    dataset = open_scan(info, scan, split=split, labels="none", strict=False)
    places = np.unique(np.linspace(0, len(dataset) - 1, count).round().astype(int))
    return [dataset[int(place)] for place in places]
