"""One source of a mixture: its samples filtered by name, labels translated and weighted, targets from a store."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segmif.checks import InputError, unknown
from segmif.color import luma
from segmif.data import PairDataset, PairSample, open_dataset
from segmif.data.cutouts import Cutout, Cutouts, cut_out
from segmif.data.targets import TargetStore
from segmif.guide import vsm_wls
from segmif.io import to_unit
from segmif.labelsets import IGNORE
from segmif.train.config import DataConfig, Phase, Recipe, Source, option_of
from segmif.train.pretext import simulate_infrared

_MOST_CUTOUTS = 40
"""Objects that are kept of a source, the largest ones."""


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

    def cutouts(self, classes: Sequence[int]) -> tuple[Cutout, ...]:
        """The largest objects of some classes; none of visible-only samples, which have no infrared of them."""
        found: list[Cutout] = []
        for index in self._kept:
            sample = self.samples[index]
            if sample.meta.get("infrared") != "simulated":
                labelled, weight = self._labelled(sample)
                found += cut_out(labelled, classes) if weight > 0 else []
        return tuple(sorted(found, key=lambda one: -one.mask.sum())[:_MOST_CUTOUTS])

    def check(self, phases: Sequence[Phase], *, with_target: bool) -> None:
        """Read every sample as the phases will; see `Mixture.prepare` for the errors."""
        random = np.random.default_rng(0)
        for index in range(len(self)):
            sample, _ = self.sample(index, random, with_target=with_target)
            if str(sample.meta.get("split", "")).startswith("test"):
                raise InputError(
                    f"{sample.name} of {self.source.dataset} belongs to its test split: training on it spoils the "
                    "test; choose another split of this source"
                )
            for phase in phases:
                views = phase.stage.augment
                if views.crop > round(min(sample.size) * views.scale[1]):
                    height, width = sample.size
                    raise InputError(
                        f"the crop of {views.crop} exceeds {sample.name} of {self.source.dataset} ({width}x{height}, "
                        f"even enlarged {views.scale[1]:g} times): lower --{option_of(phase)}.augment.crop"
                    )

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


def collect_cutouts(sources: Sequence[OpenSource], recipe: Recipe) -> Cutouts:
    """The objects of the classes `data.paste` in all sources with infrared, of each source at most `_MOST_CUTOUTS`.

    Raises:
        InputError: a class the model does not have, or no such object anywhere.
    """
    names = recipe.model.label_set.classes if recipe.model.label_set is not None else ()
    for name in recipe.data.paste:
        if name not in names:
            raise unknown("class to paste", name, names)
    classes = [names.index(name) for name in recipe.data.paste]
    found = [(source.cutouts(classes), source.source.weight) for source in sources]
    found = [(group, weight) for group, weight in found if group]
    if not found:
        raise InputError(
            f"no training pair shows {' or '.join(recipe.data.paste)} large enough to paste: leave out --data.paste"
        )
    groups, weights = zip(*found, strict=True)
    return Cutouts(tuple(groups), tuple(weights))


def open_source(source: Source, data: DataConfig) -> tuple[PairDataset, list[int]]:
    """A source's data set, and the positions in it that its filters by name leave.

    Raises:
        InputError: the folder is missing, holds no such split, or nothing is left.
    """
    root = Path(data.root).expanduser()
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; say where the data sets are with --data.root")
    folder = root / (source.folder or source.dataset)
    if not folder.exists():
        raise InputError(f"{folder}: no such folder; {_how_to_get(source, folder, data)}")
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


def _how_to_get(source: Source, folder: Path, data: DataConfig) -> str:
    """What mends a folder that is missing."""
    if source in data.sources:
        option = f"data.sources.{data.sources.index(source)}"
        without = f"or leave this source out with --{option}.weight 0"
    else:
        option = "data.validation" if source == data.validation else "data.fusion-validation"
        without = f"or name another data set with --{option}.dataset"
    if source.synthetic:
        return f"make it by `segmif data make-synthetic {folder} {source.synthetic}`, {without}"
    return (
        f"{source.dataset} is wanted there (`segmif datasets --verbose` says where to get it): set --{option}.folder, "
        f"{without}"
    )


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


def needs_target(recipe: Recipe, phase: Phase) -> bool:
    """Whether a phase uses the VSM-WLS picture, in its loss or as guide."""
    in_loss = phase.kind != "segmentation" and recipe.loss.target > 0
    return in_loss or needs_guide(recipe)


def needs_guide(recipe: Recipe) -> bool:
    """Whether the network is guided by a VSM-WLS picture, which it cannot make itself."""
    return recipe.model.guide == "vsm_wls" and recipe.model.attention != "none"
