"""Fusion targets kept beside the data: found by what a pair shows, not by what its files are called."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segmif.checks import InputError
from segmif.data.base import PairDataset, PairSample
from segmif.io import read_image, write_image
from segmif.labelsets import LabelSet

FOLDER = Path(".segmif") / "targets"
"""Where targets lie below the root of a data set, unless another folder is given."""


@dataclass(frozen=True, kw_only=True)
class TargetStore:
    """A folder of targets, 8-bit PNGs (at most 1/510 off) named by the content of their pair.

    `method` is part of the name, so that targets of another method or version are never mistaken for these.
    A renamed, moved or copied pair keeps its target; a changed one has none.
    """

    folder: Path
    method: str = "vsm_wls-1"

    def path(self, sample: PairSample) -> Path:
        """The file of a sample's target, whether it is there or not."""
        digest = hashlib.blake2b(self.method.encode(), digest_size=16)
        for image in (sample.infrared, sample.visible):
            digest.update(f"{image.dtype.str}{image.shape}".encode())
            digest.update(np.ascontiguousarray(image).data)
        return self.folder / f"{digest.hexdigest()}.png"

    def write(self, sample: PairSample, target: npt.NDArray[np.float32]) -> Path:
        """Keep a target (H, W) float in [0, 1]; a whole file or none."""
        path = self.path(sample)
        write_image(path, np.round(np.clip(target, 0, 1) * 255).astype(np.uint8))
        return path

    def read(self, sample: PairSample) -> npt.NDArray[np.uint8]:
        """The target (H, W) uint8.

        Raises:
            InputError: it was not computed, or is damaged or of another size.
        """
        path = self.path(sample)
        if not path.is_file():
            raise InputError(f"{sample.name}: no target in {self.folder}; compute them with 'segmif data targets'")
        target = read_image(path)
        if target.dtype != np.uint8 or target.shape != sample.size:
            raise InputError(f"{path}: is not a target of {sample.name}; delete it and run 'segmif data targets' again")
        return target


@dataclass(frozen=True, kw_only=True)
class TargetedDataset:
    """A data set whose samples carry their target from a store."""

    dataset: PairDataset
    store: TargetStore

    @property
    def label_set(self) -> LabelSet | None:
        """Classes of the labels."""
        return self.dataset.label_set

    @property
    def names(self) -> list[str]:
        """The name of every sample, in order."""
        return self.dataset.names

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> PairSample:
        sample = self.dataset[index]
        return replace(sample, target=self.store.read(sample))

    def __iter__(self) -> Iterator[PairSample]:
        return (self[index] for index in range(len(self)))
