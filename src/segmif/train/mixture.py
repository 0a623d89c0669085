"""The training data of a recipe: several sources mixed by their weights, cut and augmented, in batches of tensors.

What stands at a position of a phase, and how it is augmented, follows from the seed and the position alone: a resumed
run starts its loader where it was, several workers give the same batches as one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from segmif.checks import InputError
from segmif.color import luma
from segmif.data import PairDataset, PairSample, open_dataset
from segmif.data.targets import TargetStore
from segmif.data.transforms import TensorSample, collate, transform
from segmif.guide import vsm_wls
from segmif.io import to_unit
from segmif.labelsets import IGNORE
from segmif.train.config import DataConfig, Phase, Recipe, Source
from segmif.train.distributed import Workers
from segmif.train.pretext import simulate_infrared
from segmif.train.schedule import draw_positions, fold_seed


@dataclass(frozen=True, kw_only=True)
class Batch:
    """`infrared` (B,1,H,W), `visible` (B,3,H,W), `target` (B,1,H,W) or None, float in [0, 1]; `labels` (B,H,W) int64
    with 255 = ignore; `label_weight` (B,), 0 for samples without labels; `names` for messages.
    """

    infrared: Tensor
    visible: Tensor
    target: Tensor | None
    labels: Tensor
    label_weight: Tensor
    names: list[str]

    def to(self, device: torch.device, *, channels_last: bool) -> Batch:
        """The same batch on a device, pictures in the memory format that is fast there."""
        layout = torch.channels_last if channels_last else torch.contiguous_format
        return replace(
            self,
            infrared=self.infrared.to(device, memory_format=layout, non_blocking=True),
            visible=self.visible.to(device, memory_format=layout, non_blocking=True),
            target=None if self.target is None else self.target.to(device, non_blocking=True),
            labels=self.labels.to(device, non_blocking=True),
            label_weight=self.label_weight.to(device, non_blocking=True),
        )


class Mixture:
    """The opened sources of a recipe.

    Raises:
        InputError: a source cannot be opened or is empty.
    """

    def __init__(self, recipe: Recipe) -> None:
        if not recipe.data.sources:
            raise InputError(f"recipe {recipe.name!r} names no data sources: it has nothing to train on")
        self.recipe = recipe
        self.sources = [OpenSource(source, recipe) for source in recipe.data.sources]

    def batches(self, phase: Phase, workers: Workers, *, start: int = 0) -> Iterator[Batch]:
        """The batches of this process from optimiser step `start` of the phase to its end.

        Raises:
            InputError: a sample cannot be read, holds ids that are not classes, or is smaller than the crop.
        """
        loader: DataLoader[Any] = DataLoader(
            _Positions(self, phase, workers, start),
            batch_size=phase.stage.batch,
            collate_fn=_collate,
            num_workers=self.recipe.data.workers,
            pin_memory=workers.device.type == "cuda",
            worker_init_fn=_use_one_thread,
        )
        for batch in loader:
            if isinstance(batch, InputError):
                raise batch
            yield batch

    def taking_part(self, phase: Phase) -> list[OpenSource]:
        """The sources the stage of this phase uses."""
        wanted = [one for one in self.sources if phase.kind in one.source.stages and one.source.weight > 0]
        if not wanted:
            raise InputError(f"no source is for the {phase.kind} stage: name it in the stages of a source")
        return wanted


class OpenSource:
    """One source: its samples, filtered, with their labels translated and weighted."""

    def __init__(self, source: Source, recipe: Recipe) -> None:
        self.source = source
        self.samples, self._kept = open_source(source, recipe.data)
        self._translation = label_translation(source, recipe.data)
        self._classes = recipe.model.num_classes or 0
        self._targets = target_store(recipe.data)

    def __len__(self) -> int:
        return len(self._kept)

    def sample(self, index: int, random: np.random.Generator, *, with_target: bool) -> tuple[PairSample, float]:
        """A whole sample and the weight of its labels; visible-only samples get a simulated infrared."""
        sample = self.samples[self._kept[index]]
        if sample.meta.get("infrared") == "simulated":
            assert sample.labels is not None
            visible = to_unit(sample.visible, "visible")
            sample = replace(sample, infrared=simulate_infrared(visible, sample.labels, random))
        elif with_target:
            sample = replace(sample, target=stored_target(sample, self._targets))
        return self._labelled(sample)

    def _labelled(self, sample: PairSample) -> tuple[PairSample, float]:
        by_network = sample.meta.get("label_kind") == "model"
        weight = self.source.model_weight if by_network else self.source.hand_weight
        if sample.labels is None or weight == 0 or self._classes == 0:
            return replace(sample, labels=None), 0.0
        labels = self._translation[sample.labels]
        outside = (labels >= self._classes) & (labels != IGNORE)
        if outside.any():
            y, x = (int(i) for i in np.argwhere(outside)[0])
            raise InputError(
                f"label of {sample.name} ({self.source.dataset}) holds id {int(labels[y, x])} at x={x} y={y}, but the "
                f"model has {self._classes} classes: choose a model with more, or map the id with --data.remap"
            )
        return replace(sample, labels=labels), weight


def open_source(source: Source, data: DataConfig) -> tuple[PairDataset, list[int]]:
    """A source's data set, and the positions in it that its filters by name leave.

    Raises:
        InputError: the folder is missing, holds no such split, or nothing is left.
    """
    root = Path(data.root).expanduser()
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; say where the data sets are with --data.root")
    folder = root / (source.folder or source.dataset)
    samples: PairDataset = open_dataset(source.dataset, folder, split=source.split)
    kept = [
        index
        for index, name in enumerate(samples.names)
        if (not source.only or any(fnmatchcase(name, pattern) for pattern in source.only))
        and not any(fnmatchcase(name, pattern) for pattern in source.leave_out)
    ]
    if not kept:
        raise InputError(
            f"{folder}: split {source.split!r} has {len(samples)} pairs but `only`/`leave_out` drop them all"
        )
    return samples, kept


def label_translation(source: Source, data: DataConfig) -> npt.NDArray[np.uint8]:
    """(256,) table from stored ids to trained ids: 0 is ignored unless kept, then `remap` counts."""
    table = np.arange(256, dtype=np.uint8)
    if not source.keep_zero:
        table[0] = IGNORE
    for before, after in data.remap:
        table[before] = after
    return table


def target_store(data: DataConfig) -> TargetStore:
    """Where VSM-WLS targets are kept between runs: `data.cache`, else the user's cache folder."""
    folder = data.cache or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "segmif" / "targets"
    return TargetStore(folder=Path(folder).expanduser())


def stored_target(sample: PairSample, store: TargetStore) -> npt.NDArray[np.uint8]:
    """The VSM-WLS picture of a sample (H, W), computed and kept if it is not there yet."""
    if not store.path(sample).is_file():
        infrared, visible = to_unit(sample.infrared, "infrared"), to_unit(sample.visible, "visible")
        store.write(sample, vsm_wls(infrared, luma(visible)))
    return store.read(sample)


Item = tuple[TensorSample, float]


class _Positions(Dataset[Item | InputError]):
    """The samples of this process in the order of its steps."""

    def __init__(self, mixture: Mixture, phase: Phase, workers: Workers, start: int) -> None:
        self._sources = mixture.taking_part(phase)
        self._phase, self._seed = phase, mixture.recipe.seed
        self._with_target = needs_target(mixture.recipe, phase)
        stage = phase.stage
        together = stage.batch * workers.count
        self._order = draw_positions(
            [len(source) for source in self._sources],
            [source.source.weight for source in self._sources],
            stage.steps * stage.accumulate * together,
            fold_seed(self._seed, "order", phase.index),
        )
        numbers = np.arange(start * stage.accumulate * together, len(self._order))
        self._mine = numbers.reshape(-1, workers.count, stage.batch)[:, workers.rank].reshape(-1)

    def __len__(self) -> int:
        return len(self._mine)

    def __getitem__(self, position: int) -> Item | InputError:
        try:
            return self._item(int(self._mine[position]))
        except InputError as error:
            return error  # raised here, a worker process would bury it in a traceback

    def _item(self, number: int) -> Item:
        random = np.random.default_rng(fold_seed(self._seed, "augment", self._phase.index, number))
        source, index = (int(value) for value in self._order[number])
        sample, weight = self._sources[source].sample(index, random, with_target=self._with_target)
        tensors = transform(sample, self._phase.stage.augment, random)
        if self._with_target and (tensors.target is None or tensors.meta["effects"]):
            tensors = replace(tensors, target=_target_of(tensors))
        return replace(tensors, name=f"{self._sources[source].source.dataset}/{sample.name}"), weight


def needs_target(recipe: Recipe, phase: Phase) -> bool:
    """Whether a phase uses the VSM-WLS picture, in its loss or as guide."""
    in_loss = phase.kind != "segmentation" and recipe.loss.target > 0
    return in_loss or needs_guide(recipe)


def needs_guide(recipe: Recipe) -> bool:
    """Whether the network is guided by a VSM-WLS picture, which it cannot make itself."""
    return recipe.model.guide == "vsm_wls" and recipe.model.attention != "none"


def _target_of(tensors: TensorSample) -> Tensor:
    """The VSM-WLS picture (1, H, W) of a view, where the one of the whole picture no longer belongs to it."""
    visible = luma(np.ascontiguousarray(tensors.visible.numpy().transpose(1, 2, 0)))
    return torch.from_numpy(vsm_wls(tensors.infrared[0].numpy(), visible))[None]


def _collate(items: list[Item | InputError]) -> Batch | InputError:
    good: list[Item] = []
    for item in items:
        if isinstance(item, InputError):
            return item
        good.append(item)
    return to_batch(good)


def to_batch(items: Sequence[Item]) -> Batch:
    """Samples with the weights of their labels as one batch."""
    batch = collate([sample for sample, _ in items])
    return Batch(
        infrared=batch.infrared,
        visible=batch.visible,
        target=batch.target,
        labels=batch.labels,
        label_weight=torch.tensor([weight for _, weight in items], dtype=torch.float32),
        names=batch.names,
    )


def _use_one_thread(_: int) -> None:
    import cv2

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
