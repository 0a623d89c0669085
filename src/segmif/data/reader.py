"""From records on disk to samples: one reader for every data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmif.checks import InputError, check_same_size
from segmif.data.annotations import CocoBoxes, RawBox, read_voc, read_yolo, to_boxes
from segmif.data.base import Boxes, PairSample
from segmif.data.labels import Ids, read_label_file
from segmif.data.layout import Layout, Record
from segmif.data.problems import Problem, raise_first
from segmif.io import decode_image, read_bytes, read_image
from segmif.labelsets import LabelSet

Array = npt.NDArray[Any]

NIGHT_SKY = 0.115
"""Median luma (0..1) of the upper third of a visible picture, mostly sky, below which it counts as taken at night,
where its name does not say. The best threshold on MSRS test pairs, right for 99 % of them; longer exposures need a
higher one."""


@dataclass(frozen=True, kw_only=True)
class FileDataset:
    """Samples read from files on demand; cheap to make, to pickle and to share between workers.

    Every sample's `meta` holds ``dataset``, ``split``, ``time`` (``"day"`` or ``"night"``), ``time_from`` (``"name"``,
    ``"dataset"`` or ``"brightness"``), ``infrared`` (``"thermal"``, ``"near"`` or ``"simulated"``: the luma of
    visible-only data) and, with labels, ``label_kind`` (``"hand"`` or ``"model"``).
    """

    name: str
    records: Sequence[Record]
    layout: Layout
    label_set: LabelSet | None = None
    coco: Mapping[Path, CocoBoxes] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)
    night_sky: float = NIGHT_SKY

    @property
    def names(self) -> list[str]:
        """The name of every sample, in order."""
        return [record.name for record in self.records]

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> PairSample:
        """The sample at a position.

        Raises:
            InputError: one of its files is missing, damaged, of another size, or holds ids that are not classes.
        """
        sample, problems = self.load(index)
        raise_first(problems)
        assert sample is not None
        return sample

    def __iter__(self) -> Iterator[PairSample]:
        return (self[index] for index in range(len(self)))

    def load(self, index: int) -> tuple[PairSample | None, list[Problem]]:
        """The sample as far as it can be read (None without two pictures), and everything wrong with it."""
        record = self.records[index]
        try:
            infrared, visible = _read_bands(record, self.layout)
            check_same_size(f"infrared {_name(record.infrared)}", infrared.shape[:2], "visible", visible.shape[:2])
        except InputError as error:
            kind = "sizes" if "same width" in str(error) else "unreadable"
            return None, [Problem(kind=kind, where=str(record.visible), message=str(error))]
        size = visible.shape[0], visible.shape[1]
        labels, problems = self._labels(record, size)
        boxes, found = self._boxes(record, size)
        problems += found
        sample = PairSample(
            name=record.name,
            infrared=infrared,
            visible=visible,
            labels=labels,
            boxes=boxes,
            meta=self._meta(record, visible, labels is not None),
        )
        return sample, problems

    def _meta(self, record: Record, visible: Array, labelled: bool) -> dict[str, Any]:
        meta = {"dataset": self.name, "split": record.split, "infrared": "thermal", **self.meta, **record.meta}
        if record.infrared is None:
            meta["infrared"] = "simulated"
        if "time" not in meta:
            meta |= {"time": time_by_brightness(visible, self.night_sky), "time_from": "brightness"}
        if labelled:
            meta["label_kind"] = record.label_kind
        return meta

    def _labels(self, record: Record, size: tuple[int, int]) -> tuple[Ids | None, list[Problem]]:
        if record.label is None:
            return None, []
        labels, problems = read_label_file(record.label, self.label_set, self.layout.code)
        if labels is not None and labels.shape != size:
            message = (
                f"label is {labels.shape[1]}x{labels.shape[0]} but its pair is {size[1]}x{size[0]}: "
                "export it at the size of the pair, without interpolation"
            )
            return None, [*problems, Problem(kind="sizes", where=str(record.label), message=message)]
        return labels, problems

    def _boxes(self, record: Record, size: tuple[int, int]) -> tuple[Boxes | None, list[Problem]]:
        if record.boxes is None or self.label_set is None:
            return None, []
        where = str(record.boxes)
        problems: list[Problem] = []
        try:
            raw = self._raw_boxes(record, size, problems)
        except InputError as error:
            message = str(error).removeprefix(f"{where}: ")
            return None, [Problem(kind="unreadable", where=where, message=message)]
        boxes, found = to_boxes(raw, self.label_set, size, where=f"{where} ({record.name})")
        return boxes, problems + found

    def _raw_boxes(self, record: Record, size: tuple[int, int], problems: list[Problem]) -> Sequence[RawBox]:
        path = record.boxes
        assert path is not None
        if path in self.coco:
            stem = record.visible.stem
            claimed = self.coco[path].sizes.get(stem, size)
            if claimed != size:
                message = (
                    f"says {stem} is {claimed[1]}x{claimed[0]}, it is {size[1]}x{size[0]}: boxes of another export"
                )
                problems.append(Problem(kind="sizes", where=str(path), message=message))
            return self.coco[path].boxes[stem]
        if path.suffix.lower() == ".txt":
            return read_yolo(path, self.layout.box_names, size)
        raw = read_voc(path)
        if not raw:
            message = "holds no object: right only if the picture shows none"
            problems.append(Problem(kind="no-boxes", where=str(path), message=message, severity="warning"))
        return raw


def _name(path: Path | None) -> str:
    return "" if path is None else path.name


def _read_bands(record: Record, layout: Layout) -> tuple[Array, Array]:
    """Infrared (H, W) and visible RGB (H, W, 3) of a record, as stored."""
    if layout.bands == "rgbt":
        return _read_four_channels(record.visible)
    if layout.bands == "red_nir":
        image = read_image(record.visible)
        if image.ndim != 3:
            raise InputError("expected a picture of three channels (red, unused, near infrared), it is grey")
        return np.ascontiguousarray(image[..., 2]), np.repeat(image[..., :1], 3, axis=2)
    visible = read_image(record.visible)
    if visible.ndim == 2:
        visible = np.repeat(visible[..., None], 3, axis=2)
    infrared = visible if record.infrared is None else read_image(record.infrared)
    return to_grey(infrared), visible


def _read_four_channels(path: Path) -> tuple[Array, Array]:
    """MFNet's PNGs: red, green, blue and, in the place of alpha, thermal."""
    image = cv2.imdecode(np.frombuffer(read_bytes(path), np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        decode_image(read_bytes(path))
    if image is None or image.ndim != 3 or image.shape[2] != 4:
        shape = None if image is None else image.shape
        raise InputError(f"{path}: expected four channels (red, green, blue, thermal), got shape {shape}")
    return np.ascontiguousarray(image[..., 3]), np.ascontiguousarray(image[..., 2::-1])


def to_grey(image: Array) -> Array:
    """(H, W) of a grey or RGB picture in its own type: one channel if all are equal, else the luma."""
    if image.ndim == 2:
        return image
    red, green, blue = (image[..., i] for i in range(3))
    if np.array_equal(red, green) and np.array_equal(green, blue):
        return np.ascontiguousarray(red)
    grey: Array = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    return grey


def time_by_brightness(visible: Array, threshold: float = NIGHT_SKY) -> str:
    """``"day"`` or ``"night"`` from the sky of a visible picture (see `NIGHT_SKY`)."""
    peak = 1.0 if visible.dtype.kind == "f" else float(np.iinfo(visible.dtype).max)
    sky = cv2.resize(visible[: max(1, visible.shape[0] // 3)], (64, 16), interpolation=cv2.INTER_AREA)
    luma = sky.astype(np.float32) @ np.asarray((0.299, 0.587, 0.114), np.float32)
    return "night" if float(np.median(luma)) / peak < threshold else "day"
