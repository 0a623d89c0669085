"""The training data of a recipe: several sources mixed by their weights, cut and augmented, in batches of tensors.

What stands at a position of a phase, and how it is augmented, follows from the seed and the position alone: a resumed
run starts its loader where it was, several workers give the same batches as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from segmif.checks import InputError
from segmif.claims import claim
from segmif.color import luma
from segmif.data.cutouts import Cutouts
from segmif.data.transforms import TensorSample, collate, transform
from segmif.guide import vsm_wls
from segmif.train.config import Phase, Recipe
from segmif.train.distributed import Workers
from segmif.train.schedule import draw_positions, fold_seed
from segmif.train.sources import OpenSource, collect_cutouts, needs_target, target_store


@dataclass(frozen=True, kw_only=True)
class Batch:
    """`infrared` (B,1,H,W), `visible` (B,3,H,W), `target` (B,1,H,W) or None, float in [0, 1]; `labels` (B,H,W) int64
    with 255 = ignore; `label_weight` (B,), 0 for samples without labels; `names` for messages. `guide` (B,1,H,W) takes
    the place of the model's own where it is not None.
    """

    infrared: Tensor
    visible: Tensor
    target: Tensor | None
    labels: Tensor
    label_weight: Tensor
    names: list[str]
    guide: Tensor | None = None

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
        used = [source for source in recipe.data.sources if source.weight > 0]
        if not used:
            raise InputError(f"recipe {recipe.name!r} names no data sources: it has nothing to train on")
        self.recipe = recipe
        self.sources = [OpenSource(source, recipe) for source in used]
        self._cutouts: Cutouts | None = None

    def batches(self, phase: Phase, workers: Workers, *, start: int = 0) -> Iterator[Batch]:
        """The batches of this process from optimiser step `start` of the phase to its end.

        Raises:
            InputError: a sample cannot be read, holds ids that are not classes, or is smaller than the crop.
        """
        cv2.setNumThreads(1)  # a pool of threads does not survive the fork of a loader process, which would hang
        loader: DataLoader[Any] = DataLoader(
            _Positions(self, phase, workers, start),
            batch_size=phase.stage.batch,
            collate_fn=_collate,
            num_workers=self.recipe.data.workers,
            pin_memory=workers.device.type == "cuda",
            worker_init_fn=_use_one_thread,
            generator=torch.Generator(),  # else starting the loader would advance the numbers that dropout draws
        )
        for batch in loader:
            if isinstance(batch, InputError):
                raise batch
            yield batch

    def prepare(self, phases: Sequence[Phase], say: Callable[[str], None]) -> None:
        """Read every pair once and make missing targets: what would stop a run stops it before the first step.

        Raises:
            InputError: a picture or label cannot be read, an id is no class, a crop exceeds a picture, a pair belongs
                to a test split, or a stage has no source.
        """
        for phase in phases:
            self.taking_part(phase)
            self.cutouts(phase)
        targets = target_store(self.recipe.data)
        with claim(targets.folder, shared=True) if self._needs_targets(phases) else nullcontext():
            for source in self.sources:
                used = [phase for phase in phases if source in self.taking_part(phase)]
                if used:
                    say(f"reading {len(source)} pairs of {source.source.dataset} {source.source.split}")
                    source.check(used, with_target=self._needs_targets(used))

    def cutouts(self, phase: Phase) -> Cutouts | None:
        """What the views of this phase may have pasted into them; read once.

        Raises:
            InputError: a class to paste that the model does not have, or no such object in the training pairs.
        """
        if phase.stage.augment.paste == 0 or not self.recipe.data.paste:
            return None
        if self._cutouts is None:
            self._cutouts = collect_cutouts(self.sources, self.recipe)
        return self._cutouts

    def _needs_targets(self, phases: Sequence[Phase]) -> bool:
        return any(needs_target(self.recipe, phase) for phase in phases)

    def taking_part(self, phase: Phase) -> list[OpenSource]:
        """The sources the stage of this phase uses."""
        wanted = [one for one in self.sources if phase.kind in one.source.stages]
        if not wanted:
            raise InputError(f"no source is for the {phase.kind} stage: name it in the stages of a source")
        return wanted


Item = tuple[TensorSample, float]


class _Positions(Dataset[Item | InputError]):
    """The samples of this process in the order of its steps."""

    def __init__(self, mixture: Mixture, phase: Phase, workers: Workers, start: int) -> None:
        self._sources = mixture.taking_part(phase)
        self._phase, self._seed = phase, mixture.recipe.seed
        self._with_target = needs_target(mixture.recipe, phase)
        self._cutouts = mixture.cutouts(phase)
        classes = mixture.recipe.model.label_set
        self._sky = classes.classes.index("sky") if classes is not None and "sky" in classes.classes else None
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
        tensors = transform(sample, self._phase.stage.augment, random, sky=self._sky, cutouts=self._cutouts)
        if self._with_target and (tensors.target is None or tensors.meta["effects"]):
            tensors = replace(tensors, target=_target_of(tensors))
        return replace(tensors, name=f"{self._sources[source].source.dataset}/{sample.name}"), weight


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
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
