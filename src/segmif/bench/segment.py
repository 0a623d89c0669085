"""Label maps against truth: of networks in a benchmark and of folders; whatever is wrong with one stays with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from segmif.bench.measure import Failure
from segmif.bench.sources import Pairs
from segmif.checks import InputError, check_same_size
from segmif.data.problems import errors
from segmif.io import read_labels
from segmif.labelsets import LabelSet
from segmif.metrics import SegmentationProtocol, SegmentationScore, iou, paired_bootstrap, segmentation_protocol
from segmif.metrics.segmentation import Counts, Labels
from segmif.pairing import list_images

BAND = 5
"""Width in pixels of the ignore band of the second score."""

_OWN_PROTOCOLS = ("roadscene15", "msrs15")
"""Data sets counted by the protocol of their own name."""


@dataclass(kw_only=True)
class Segmented:
    """Per-image confusion matrices of one method: all pixels, and without a band about label boundaries."""

    plain: SegmentationScore
    banded: SegmentationScore
    images: list[str] = field(default_factory=list)
    times: list[str] = field(default_factory=list)

    @classmethod
    def by(
        cls,
        protocol: SegmentationProtocol | LabelSet | str,
        *,
        classes: Sequence[str] | None = None,
        boundary_tolerance: float | None = None,
    ) -> Segmented:
        """Nothing scored yet; see `SegmentationScore` for arguments and errors."""
        return cls(
            plain=SegmentationScore(protocol, classes=classes, boundary_tolerance=boundary_tolerance),
            banded=SegmentationScore(protocol, classes=classes, ignore_band=BAND),
        )


def protocol_of(label_set: LabelSet | None, dataset: str = "") -> SegmentationProtocol | LabelSet:
    """How a data set with these labels, or of this name, is usually counted.

    Raises:
        InputError: it has no labels.
    """
    if label_set is None:
        raise InputError("the data set has no labels; give one that has, e.g. --dataset fmb")
    if dataset in _OWN_PROTOCOLS:
        return segmentation_protocol(dataset)
    named = {"fmb": "fmb", "mfnet": "msrs", "pst900": "pst900"}
    return segmentation_protocol(named[label_set.name]) if label_set.name in named else label_set


@dataclass(frozen=True, kw_only=True)
class Truth:
    """The labels of one picture, read when asked for, and when it was taken (``"day"``, ``"night"`` or unknown)."""

    name: str
    read: Callable[[], tuple[Labels, str]]


def truths_of_pairs(pairs: Pairs) -> list[Truth]:
    """The labelled pairs."""
    return [
        Truth(name=record.name, read=partial(_read_pair, pairs, index))
        for index, record in enumerate(pairs.samples.records)
        if record.label is not None
    ]


def truths_of_folder(folder: Path) -> list[Truth]:
    """A folder of label pictures (class ids); errors as `list_images`, and for an empty one."""
    found = list_images(folder, recursive=True)
    if not found:
        raise InputError(f"{folder}: holds no picture; give the folder of true label maps")
    return [Truth(name=name, read=partial(_read_file, path)) for name, path in found.items()]


def _read_pair(pairs: Pairs, index: int) -> tuple[Labels, str]:
    sample, problems = pairs.samples.load(index)
    if sample is None or sample.labels is None:
        raise InputError(errors(problems)[0].message if errors(problems) else "its label cannot be read")
    return sample.labels, str(sample.meta.get("time", ""))


def _read_file(path: Path) -> tuple[Labels, str]:
    return read_labels(path), ""


def score_labels(
    truths: Sequence[Truth],
    labels: Mapping[str, Path],
    segmented: Segmented,
    *,
    dataset: str,
    method: str,
    missing: Mapping[str, str] | None = None,
    advance: Callable[[], None] = lambda: None,
) -> list[Failure]:
    """Score the label maps `labels` (name → file) into `segmented`; what could not be scored is given back."""
    failures = []
    for truth in truths:
        try:
            wanted, time = truth.read()
            if truth.name not in labels:
                raise InputError((missing or {}).get(truth.name, f"{method} gave no label map; run it on this pair"))
            found = read_labels(labels[truth.name])
            check_same_size(f"the label map {labels[truth.name].name}", _size(found), "its truth", _size(wanted))
            segmented.plain.update(found, wanted)
            segmented.banded.update(found, wanted)
        except InputError as error:
            failures.append(Failure(dataset=dataset, method=method, image=truth.name, error=str(error)))
        else:
            segmented.images.append(truth.name)
            segmented.times.append(time)
        advance()
    return failures


def _size(labels: Labels) -> tuple[int, int]:
    return labels.shape[0], labels.shape[1]


def tabulate(results: Mapping[str, Segmented]) -> dict[str, dict[str, dict[str, Any]]]:
    """Scores by method and group (``all`` and, where both occur, ``day`` and ``night``), best mIoU marked per group.

    A group holds ``images``, ``mIoU``, ``mIoU_band`` (without a band of 5 px about label boundaries), ``accuracy``,
    ``IoU`` by class, and for those worse than the best ``p`` of the paired bootstrap over the images both have.
    """
    table: dict[str, dict[str, dict[str, Any]]] = {
        method: {group: _scores(segmented, keep) for group, keep in _groups(segmented).items()}
        for method, segmented in results.items()
        if segmented.images
    }
    for group in ("all", "day", "night"):
        means = {
            m: rows[group]["mIoU"] for m, rows in table.items() if group in rows and rows[group]["mIoU"] is not None
        }
        best = max(means, key=lambda method: means[method], default=None)
        for method in means:
            same = method == best
            assert best is not None
            p = None if same else _p_value(results[best], results[method], group)
            table[method][group] |= {"best": same, "p": p}
    return table


def _groups(segmented: Segmented) -> dict[str, list[int]]:
    """Positions of the images of each group."""
    everything = list(range(len(segmented.images)))
    parts = {time: [i for i in everything if segmented.times[i] == time] for time in ("day", "night")}
    return {"all": everything, **(parts if all(parts.values()) else {})}


def _scores(segmented: Segmented, keep: list[int]) -> dict[str, Any]:
    rules = segmented.plain.protocol
    confusion, banded = (score.per_image[keep].sum(0) for score in (segmented.plain, segmented.banded))
    ids = list(rules.evaluated)
    counted = confusion[ids].sum()
    return {
        "images": len(keep),
        "protocol": rules.name,
        "mIoU": _finite(segmented.plain.mean_iou(confusion)),
        "mIoU_band": _finite(segmented.plain.mean_iou(banded)),
        "accuracy": _finite(np.diagonal(confusion)[ids].sum() / counted) if counted else None,
        "IoU": {name: _finite(v) for name, v in zip(rules.class_names, iou(confusion)[ids], strict=True)},
    }


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _p_value(best: Segmented, other: Segmented, group: str) -> float | None:
    """Of the paired bootstrap of mIoU over the images both have."""
    first, second = (_matrices(segmented, group) for segmented in (best, other))
    both = [name for name in first if name in second]
    if len(both) < 2:
        return None
    one, two = (np.stack([part[name] for name in both]) for part in (first, second))
    return paired_bootstrap(one, two, best.plain.mean_iou, samples=2000).p_value


def _matrices(segmented: Segmented, group: str) -> dict[str, Counts]:
    """Image → confusion matrix of the images of a group."""
    rows = zip(segmented.images, segmented.times, segmented.plain.per_image, strict=True)
    return {name: matrix for name, time, matrix in rows if group in ("all", time)}
