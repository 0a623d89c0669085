"""Pre-decoded samples in one memory-mapped file: no decoding, no copy per worker.

``pixels.bin`` holds the arrays one after another; ``index.json`` says where, with names, meta and boxes. It is written
last, so a folder with an index is whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segmif.checks import InputError
from segmif.claims import claim
from segmif.data.base import PairDataset, PairSample
from segmif.data.serial import boxes_from_json, boxes_to_json, classes_of
from segmif.io import atomic_path, read_bytes, write_json
from segmif.labelsets import LabelSet

_FORMAT = "segmif-cache-1"
_ROLES = ("infrared", "visible", "labels", "target")


def write_cache(dataset: PairDataset, folder: Path) -> None:
    """Decode every sample once and write the cache; whole or not at all.

    Raises:
        InputError: a sample cannot be read, another run writes there, or the folder cannot be written.
    """
    with claim(folder):
        entries: list[dict[str, Any]] = []
        with atomic_path(folder / "pixels.bin") as temporary, temporary.open("wb") as file:
            for sample in dataset:
                arrays: dict[str, list[Any]] = {}
                for role in _ROLES:
                    array = getattr(sample, role)
                    if array is not None:
                        arrays[role] = [file.tell(), array.dtype.str, list(array.shape)]
                        file.write(np.ascontiguousarray(array).data)
                boxes = None if sample.boxes is None else boxes_to_json(sample.boxes)
                entries.append({"name": sample.name, "meta": dict(sample.meta), "boxes": boxes, "arrays": arrays})
            size = file.tell()
            (folder / "index.json").unlink(missing_ok=True)  # that of an earlier cache does not fit these pixels
        classes = dataset.label_set.name if dataset.label_set else None
        write_json(folder / "index.json", {"format": _FORMAT, "classes": classes, "bytes": size, "samples": entries})


class CachedDataset:
    """The samples of a cache folder. Arrays are read-only views of the file, shared by all processes.

    Raises:
        InputError: the folder holds no cache, or one that is cut off.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            index = json.loads(read_bytes(folder / "index.json"))
            if index["format"] != _FORMAT:
                raise InputError(f"{folder}: is a cache of format {index['format']}; write it again")
            self._entries: list[dict[str, Any]] = index["samples"]
            size = int(index["bytes"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{folder}: is not a cache ({error}); write it with 'segmif data cache'") from error
        self._label_set = classes_of(index)
        self._pixels: npt.NDArray[np.uint8] | None = None
        there = (folder / "pixels.bin").stat().st_size if (folder / "pixels.bin").is_file() else 0
        if there != size:
            raise InputError(f"{folder}/pixels.bin: holds {there} of {size} bytes; write the cache again")

    @property
    def label_set(self) -> LabelSet | None:
        """Classes of the labels."""
        return self._label_set

    @property
    def names(self) -> list[str]:
        """The name of every sample, in order."""
        return [str(entry["name"]) for entry in self._entries]

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> PairSample:
        entry = self._entries[index]
        arrays = {role: self._array(*place) for role, place in entry["arrays"].items()}
        boxes = None if entry["boxes"] is None else boxes_from_json(entry["boxes"])
        return PairSample(name=str(entry["name"]), meta=entry["meta"], boxes=boxes, **arrays)

    def __iter__(self) -> Iterator[PairSample]:
        return (self[index] for index in range(len(self)))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pixels": None}  # a worker maps the file itself instead of receiving its bytes

    def _array(self, offset: int, dtype: str, shape: list[int]) -> npt.NDArray[Any]:
        if self._pixels is None:
            self._pixels = np.memmap(self._folder / "pixels.bin", np.uint8, mode="r")
        count = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return np.asarray(self._pixels[offset : offset + count]).view(dtype).reshape(shape)
