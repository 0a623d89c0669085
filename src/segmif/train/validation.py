"""Scores on pairs the run does not train on: mean IoU by day and night, and the fusion panel, with sample pictures."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segmif.checks import InputError
from segmif.color import rgb_to_ycrcb
from segmif.data import PairSample
from segmif.data.transforms import to_tensors
from segmif.io import write_image
from segmif.metrics import confusion_matrix, fusion_metrics, iou
from segmif.models import SegMiF
from segmif.train.config import Recipe, Source
from segmif.train.mixture import Batch, to_batch
from segmif.train.sources import label_translation, needs_guide, open_source, stored_target, target_store
from segmif.train.stages import fuse, segment_pair, segmentation_input

PANEL = ("EN", "SD", "SF", "AG", "MI", "SCD", "VIF", "Qabf")
"""Fusion metrics of every validation."""


class Validation:
    """The validation pairs of a recipe, opened.

    Raises:
        InputError: a test split is named, or a source cannot be opened.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        for source in (recipe.data.validation, recipe.data.fusion_validation):
            if source is None:
                continue
            if source.split.startswith("test"):
                raise InputError(
                    f"validation on split {source.split!r} of {source.dataset}: choosing on a test split spoils it; "
                    "use val, or keep some training pairs aside (only, leave_out)"
                )
            names = _names(source, recipe)
            for trained_on in recipe.data.sources:
                if (trained_on.dataset, trained_on.folder) == (source.dataset, source.folder):
                    _check_apart(names, _names(trained_on, recipe), source.dataset)

    def score(self, network: SegMiF, *, pictures: Path | None = None) -> dict[str, float]:
        """All scores by name: ``miou``, ``miou/night``, ``iou/person``, ``iou/night/person``, ``fusion/EN`` ...

        Args:
            network: in any mode; its mode is kept.
            pictures: folder for a few fused pictures and label overlays.
        """
        was_training, begun = network.training, time.perf_counter()
        network.eval()
        data = self._recipe.data
        scores: dict[str, float] = {}
        if data.validation is not None and network.head is not None:
            scores |= self._segmentation(network, data.validation, pictures)
        source = data.fusion_validation or data.validation
        if source is not None:
            scores |= self._fusion(network, source, pictures)
        network.train(was_training)
        return {**scores, "seconds": time.perf_counter() - begun}

    def selecting(self, scores: dict[str, float]) -> float | None:
        """The number checkpoints are chosen by: mean IoU where there is one, else the mean of VIF and Qabf."""
        if "miou" in scores:
            return scores["miou"]
        if "fusion/VIF" in scores and "fusion/Qabf" in scores:
            return (scores["fusion/VIF"] + scores["fusion/Qabf"]) / 2
        return None

    def _segmentation(self, network: SegMiF, source: Source, pictures: Path | None) -> dict[str, float]:
        classes = network.config.num_classes
        assert classes is not None
        counts = {period: np.zeros((classes, classes), np.int64) for period in ("day", "night")}
        for number, (sample, batch) in enumerate(self._batches(source, network)):
            if sample.labels is None:
                continue
            predicted = self._predict(network, batch)
            truth = label_translation(source, self._recipe.data)[sample.labels]
            counts[sample.meta.get("time", "day")] += confusion_matrix(predicted, truth, classes)
            if pictures is not None and number < self._recipe.pictures:
                self._show(pictures / f"{sample.name}_labels.png", sample, predicted)
        both = counts["day"] + counts["night"]
        scores = self._means("", both)
        for period, matrix in counts.items():
            scores |= self._means(f"{period}/", matrix)
        return scores

    @torch.no_grad()
    def _predict(self, network: SegMiF, batch: Batch) -> npt.NDArray[np.uint8]:
        if network.config.layout == "shared":
            logits = segment_pair(network, batch, self._recipe).float()
        else:
            logits = network.segment(segmentation_input(network, batch, self._recipe)).float()
        size = batch.infrared.shape[-2:]
        full = torch.nn.functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)
        return full.argmax(1)[0].to(torch.uint8).cpu().numpy()

    def _means(self, prefix: str, counts: npt.NDArray[np.int64]) -> dict[str, float]:
        """Per-class IoU of classes that occur, and their mean over the scored classes; empty without pixels."""
        label_set = self._recipe.model.label_set
        names = label_set.classes if label_set else tuple(str(i) for i in range(len(counts)))
        present = counts.sum(1) > 0
        values = {name: float(value) for name, value, seen in zip(names, iou(counts), present, strict=True) if seen}
        wanted = [values[n] for n in (self._recipe.data.scored_classes or names) if n in values]
        if not wanted:
            return {}
        return {f"miou{'/' if prefix else ''}{prefix.rstrip('/')}": float(np.mean(wanted))} | {
            f"iou/{prefix}{name}": value for name, value in values.items()
        }

    def _fusion(self, network: SegMiF, source: Source, pictures: Path | None) -> dict[str, float]:
        rows = []
        for number, (sample, batch) in enumerate(self._batches(source, network)):
            with torch.no_grad():
                fused = fuse(network, batch, self._recipe)
            planes = fused.fused_luma, batch.infrared, rgb_to_ycrcb(batch.visible)[:, :1]
            fused_levels, infrared, visible = (_bytes(plane[0, 0]) for plane in planes)
            rows.append(fusion_metrics(fused_levels, infrared, visible, which=PANEL))
            if pictures is not None and number < self._recipe.pictures:
                write_image(pictures / f"{sample.name}_fused.png", _bytes(fused.fused_rgb[0].permute(1, 2, 0)))
        means = {name: float(np.mean([row[name] for row in rows])) for name in PANEL}
        return {f"fusion/{name}": mean for name, mean in means.items() if math.isfinite(mean)}  # nan: a flat picture

    def _batches(self, source: Source, network: SegMiF) -> Iterator[tuple[PairSample, Batch]]:
        """Every pair of a source as a batch of one whole picture."""
        device = next(network.parameters()).device
        samples, kept = open_source(source, self._recipe.data)
        for index in kept[: self._recipe.data.validation_limit or None]:
            sample = samples[index]
            if needs_guide(self._recipe):
                sample = replace(sample, target=stored_target(sample, target_store(self._recipe.data)))
            batch = to_batch([(to_tensors(sample), 0.0)])
            yield sample, batch.to(device, channels_last=self._recipe.channels_last)

    def _show(self, path: Path, sample: PairSample, predicted: npt.NDArray[np.uint8]) -> None:
        from segmif.viz import overlay

        if self._recipe.model.label_set is not None:
            overlaid = overlay(sample.visible, predicted, self._recipe.model.label_set)
            write_image(path, np.asarray(overlaid.convert("RGB")))


def _names(source: Source, recipe: Recipe) -> set[str]:
    samples, kept = open_source(source, recipe.data)
    return {samples.names[index] for index in kept}


def _check_apart(validated: set[str], trained: set[str], dataset: str) -> None:
    shared = sorted(validated & trained)
    if shared:
        raise InputError(
            f"{len(shared)} pairs of {dataset} are both trained on and validated on (first: {shared[0]}): keep them "
            "apart with splits, `only` or `leave_out`"
        )


def _bytes(picture: Tensor) -> npt.NDArray[np.uint8]:
    """Float in [0, 1] to uint8, clamped."""
    return (picture.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
