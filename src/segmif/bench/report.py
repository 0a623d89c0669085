"""The files of a benchmark; among them one HTML page that needs nothing else, not even a network."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmif.bench.run import Benchmark, Shown
from segmif.bench.tables import images_csv, latex, markdown, means_csv
from segmif.checks import InputError
from segmif.io import Band, encode_image, read_image, to_unit, write_json, write_text

BUDGET = 16_000_000
"""Bytes of pictures in a page, as it stores them; larger sets are shown smaller, then rougher."""

_STEPS = ((960, 88), (800, 82), (640, 80), (640, 65), (480, 60), (360, 55), (240, 45))
"""Longest side in pixels and JPEG quality, from best to smallest."""


@dataclass(frozen=True, kw_only=True)
class ReportFiles:
    """Where a benchmark's files go, from what the user gave as REPORT: a folder, or the name of the page."""

    html: Path
    cache: Path

    @classmethod
    def of(cls, out: Path) -> ReportFiles:
        """``out/report.html`` for a folder, `out` itself if it ends in .html.

        >>> ReportFiles.of(Path("bench")).json.as_posix()
        'bench/report.json'
        """
        if out.suffix.lower() in (".html", ".htm"):
            return cls(html=out, cache=out.with_name(f"{out.stem}-cache"))
        return cls(html=out / "report.html", cache=out / "cache")

    @property
    def json(self) -> Path:
        """Everything."""
        return self.html.with_suffix(".json")

    @property
    def csv(self) -> Path:
        """Means."""
        return self.html.with_suffix(".csv")

    @property
    def images_csv(self) -> Path:
        """Values per image."""
        return self.html.with_name(f"{self.html.stem}-images.csv")

    @property
    def markdown(self) -> Path:
        """Tables."""
        return self.html.with_suffix(".md")

    @property
    def latex(self) -> Path:
        """Tables."""
        return self.html.with_suffix(".tex")


def write_report(benchmark: Benchmark, files: ReportFiles, *, budget: int = BUDGET) -> list[Path]:
    """Write JSON, two CSVs, Markdown, LaTeX and the page; each whole or not at all.

    Raises:
        InputError: a file cannot be written.
    """
    document = benchmark.document
    write_json(files.json, document)
    write_text(files.csv, means_csv(document))
    write_text(files.images_csv, images_csv(document))
    write_text(files.markdown, markdown(document))
    write_text(files.latex, latex(document))
    write_text(files.html, page(document, embed(benchmark.shown, budget)))
    return [files.html, files.json, files.csv, files.images_csv, files.markdown, files.latex]


def page(document: dict[str, Any], pictures: list[dict[str, Any]]) -> str:
    """The HTML text: the template with the data in its place."""
    template = resources.files("segmif.bench").joinpath("report.html").read_text(encoding="utf-8")
    data = json.dumps({"document": document, "pictures": pictures}, ensure_ascii=False, allow_nan=False)
    marker = "/*DATA*/null"
    assert template.count(marker) == 1
    # The two sequences that could end a script element early, or hide its end.
    return template.replace(marker, data.replace("</", "<\\/").replace("<!--", "<\\!--"))


def embed(shown: Sequence[Shown], budget: int) -> list[dict[str, Any]]:
    """Pictures as data URIs: {dataset, image, width, height, pictures: [{title, data}]}.

    The best size and quality are taken that keep all of them within `budget` bytes; a picture that cannot be read is
    left out.
    """
    read = [
        (pair, [(title, p) for title, path in pair.files if (p := _read(title, path)) is not None]) for pair in shown
    ]
    for side, quality in _STEPS:
        found = [_embedded(pair, pictures, side, quality) for pair, pictures in read]
        if sum(len(p["data"]) for pair in found for p in pair["pictures"]) <= budget:
            break
    return found if read else []


def _embedded(
    pair: Shown, pictures: Sequence[tuple[str, npt.NDArray[np.uint8]]], side: int, quality: int
) -> dict[str, Any]:
    size = pictures[0][1].shape if pictures else (0, 0)
    return {
        "dataset": pair.dataset,
        "image": pair.image,
        "height": size[0],
        "width": size[1],
        "pictures": [{"title": title, "data": _data_uri(picture, side, quality)} for title, picture in pictures],
    }


def _read(title: str, path: Path) -> npt.NDArray[np.uint8] | None:
    band: Band = "infrared" if title == "infrared" else "visible"
    try:
        picture = read_image(path)
        return picture if picture.dtype == np.uint8 else np.rint(to_unit(picture, band) * 255).astype(np.uint8)
    except InputError:
        return None  # it is on the list of failures


def _data_uri(picture: npt.NDArray[np.uint8], side: int, quality: int) -> str:
    factor = side / max(picture.shape[:2])
    if factor < 1:
        size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    data = encode_image(picture, ".webp", quality=quality)
    return "data:image/webp;base64," + base64.b64encode(data).decode()
