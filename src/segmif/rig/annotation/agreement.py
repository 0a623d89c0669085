"""How far two annotators agree: pixel by pixel, class by class, object by object, and where they do not.

With C the counts of pixels that A called r and B called c (255 of either left out), p_o = Σ C_kk / N and
p_e = Σ C_k· C_·k / N²; Cohen's kappa is (p_o − p_e) / (1 − p_e): agreement beyond what the shares of the classes alone
would give (Cohen, Educational and Psychological Measurement 1960).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segmif.checks import InputError, check_same_size
from segmif.labelsets import IGNORE, LabelSet
from segmif.metrics.segmentation import confusion_matrix, iou, mean_iou
from segmif.rig.annotation.document import Annotations, Document, rename_classes
from segmif.rig.annotation.raster import Instances, Labels, rasterise

_SAME_OBJECT = 0.1
"""Least IoU at which two outlines of one class can mean the same object."""


@dataclass(frozen=True, kw_only=True)
class PictureAgreement:
    """Agreement on one picture; NaN where both drew nothing in common.

    Attributes:
        name: of the picture.
        compared: share of the pixels that both gave a class.
        accuracy: share of those with the same class.
        kappa: Cohen's.
        mean_iou: over the classes either of them used.
        objects: mean IoU of objects both drew.
    """

    name: str
    compared: float
    accuracy: float
    kappa: float
    mean_iou: float
    objects: float


@dataclass(frozen=True, kw_only=True)
class ObjectAgreement:
    """Objects of one class: drawn by both and how alike, or by one alone (where the other says 255 does not count)."""

    both: int
    only_a: int
    only_b: int
    mean_iou: float


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What `agreement` found.

    Attributes:
        label_set: the classes.
        confusion: (K, K) int64 pixels; row = A, column = B.
        drawn: shares of all pixels: by both, only A, only B, neither.
        pictures: one entry each, the worst (by `mean_iou`) first.
        objects: by class id.
        only_a: pictures that only A has.
        only_b: likewise.
    """

    label_set: LabelSet
    confusion: npt.NDArray[np.int64]
    drawn: tuple[float, float, float, float]
    pictures: list[PictureAgreement]
    objects: dict[int, ObjectAgreement]
    only_a: list[str]
    only_b: list[str]

    @property
    def kappa(self) -> float:
        """Cohen's kappa over all pixels."""
        return cohens_kappa(self.confusion)

    @property
    def accuracy(self) -> float:
        """Share of compared pixels with the same class."""
        total = int(self.confusion.sum())
        return float(np.trace(self.confusion) / total) if total else float("nan")

    @property
    def class_iou(self) -> npt.NDArray[np.float64]:
        """(K,) IoU of every class; NaN for a class neither used."""
        return iou(self.confusion)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: NaN is null."""
        names = self.label_set.classes
        return {
            "pictures_compared": len(self.pictures),
            "only_a": self.only_a,
            "only_b": self.only_b,
            "drawn": dict(zip(("both", "only_a", "only_b", "neither"), self.drawn, strict=True)),
            "accuracy": _plain(self.accuracy),
            "kappa": _plain(self.kappa),
            "mean_iou": _plain(float(mean_iou(self.confusion, absent="union"))),
            "iou": {name: _plain(float(value)) for name, value in zip(names, self.class_iou, strict=True)},
            "objects": {names[i]: {k: _plain(v) for k, v in asdict(o).items()} for i, o in self.objects.items()},
            "classes": list(names),
            "confusion": self.confusion.tolist(),
            "pictures": [{k: _plain(v) for k, v in asdict(p).items()} for p in self.pictures],
        }


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value


def cohens_kappa(confusion: npt.NDArray[np.int64]) -> float:
    """Cohen's kappa of a (K, K) confusion matrix; NaN without counts, or where both only ever use one class.

    >>> round(cohens_kappa(np.array([[20, 5], [10, 15]])), 3)
    0.4
    """
    total = float(confusion.sum())
    if not total:
        return float("nan")
    observed = float(np.trace(confusion)) / total
    expected = float((confusion.sum(0) / total) @ (confusion.sum(1) / total))
    return float("nan") if expected >= 1 else (observed - expected) / (1 - expected)


def agreement(a: Annotations, b: Annotations) -> Agreement:
    """Compare two sets of annotations on the pictures both have (by name without suffix); B's classes by name.

    Raises:
        InputError: no picture in common, sizes that differ, a class of B that A does not know.
    """
    b = b if b.label_set == a.label_set else rename_classes(b, a.label_set)
    left, right = ({document.stem: document for document in side.documents} for side in (a, b))
    common = [name for name in left if name in right]
    if not common:
        raise InputError(
            f"no picture in common: A has {len(left)} ({', '.join([*left][:2])}, …), B {len(right)} "
            f"({', '.join([*right][:2])}, …); names must match"
        )
    classes = len(a.label_set)
    confusion = np.zeros((classes, classes), np.int64)
    drawn = np.zeros(4, np.int64)
    tally = _Objects()
    pictures = []
    for name in common:
        counts, shares, own = _compare(left[name], right[name], classes, tally)
        confusion += counts
        drawn += shares
        pictures.append(_picture(name, counts, shares, own))
    pictures.sort(key=lambda p: (not np.isnan(p.mean_iou), p.mean_iou))
    both, only_a, only_b, neither = (float(share) for share in drawn / max(1, drawn.sum()))
    return Agreement(
        label_set=a.label_set,
        confusion=confusion,
        drawn=(both, only_a, only_b, neither),
        pictures=pictures,
        objects=tally.by_class(),
        only_a=[name for name in left if name not in right],
        only_b=[name for name in right if name not in left],
    )


def _compare(
    a: Document, b: Document, classes: int, tally: _Objects
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], list[float]]:
    """Confusion, pixels drawn by (both, A, B, neither), and the IoU of the objects both drew."""
    check_same_size(f"A's {a.image}", a.size, "B's", b.size)
    (labels_a, numbers_a), (labels_b, numbers_b) = rasterise(a), rasterise(b)
    in_a, in_b = labels_a != IGNORE, labels_b != IGNORE
    known = np.where(in_a & in_b, labels_a, IGNORE)
    counts = confusion_matrix(np.where(in_b, labels_b, 0), known, classes) if classes else np.zeros((0, 0), np.int64)
    shares = np.array([(in_a & in_b).sum(), (in_a & ~in_b).sum(), (~in_a & in_b).sum(), (~in_a & ~in_b).sum()])
    return counts, shares, tally.add(labels_a, numbers_a, labels_b, numbers_b)


def _picture(
    name: str, counts: npt.NDArray[np.int64], shares: npt.NDArray[np.int64], own: list[float]
) -> PictureAgreement:
    total = int(counts.sum())
    return PictureAgreement(
        name=name,
        compared=float(shares[0] / shares.sum()),
        accuracy=float(np.trace(counts) / total) if total else float("nan"),
        kappa=cohens_kappa(counts),
        mean_iou=float(mean_iou(counts, absent="union")) if total else float("nan"),
        objects=float(np.mean(own)) if own else float("nan"),
    )


class _Objects:
    """Pairs the objects of two annotators, the best IoU first."""

    def __init__(self) -> None:
        self.ious: dict[int, list[float]] = {}
        self.lonely: dict[int, list[int]] = {}

    def add(self, labels_a: Labels, numbers_a: Instances, labels_b: Labels, numbers_b: Instances) -> list[float]:
        """The IoU of every pair of one picture."""
        objects_a, objects_b = _masks(labels_a, numbers_a), _masks(labels_b, numbers_b)
        pairs = sorted(
            (-_overlap(mask_a, mask_b), i, j)
            for i, (class_a, mask_a) in enumerate(objects_a)
            for j, (class_b, mask_b) in enumerate(objects_b)
            if class_a == class_b and _overlap(mask_a, mask_b) >= _SAME_OBJECT
        )
        found: list[float] = []
        free_a, free_b = set(range(len(objects_a))), set(range(len(objects_b)))
        for negative, i, j in pairs:
            if i in free_a and j in free_b:
                free_a.remove(i)
                free_b.remove(j)
                found.append(-negative)
                self.ious.setdefault(objects_a[i][0], []).append(-negative)
        for side, (free, objects, other) in enumerate(((free_a, objects_a, labels_b), (free_b, objects_b, labels_a))):
            for class_id, mask in (objects[k] for k in free):
                if (other[mask] != IGNORE).mean() > 0.5:
                    self.lonely.setdefault(class_id, [0, 0])[side] += 1
        return found

    def by_class(self) -> dict[int, ObjectAgreement]:
        """The counts of each class."""
        result = {}
        for class_id in sorted({*self.ious, *self.lonely}):
            values = self.ious.get(class_id, [])
            only_a, only_b = self.lonely.get(class_id, [0, 0])
            mean = float(np.mean(values)) if values else float("nan")
            result[class_id] = ObjectAgreement(both=len(values), only_a=only_a, only_b=only_b, mean_iou=mean)
        return result


def _masks(labels: Labels, numbers: Instances) -> list[tuple[int, npt.NDArray[np.bool_]]]:
    """(class id, pixels) of every object."""
    masks = [(numbers == number) & (labels != IGNORE) for number in np.unique(numbers) if number]
    return [(int(labels[mask][0]), mask) for mask in masks if mask.any()]


def _overlap(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> float:
    return float((a & b).sum() / (a | b).sum())
