"""Semantic segmentation scores from pooled confusion matrices.

Everything is a function of the confusion matrix of counts C (rows: truth, columns: prediction), summed over images:
IoU_c = C_cc / (row_c + column_c - C_cc), recall_c = C_cc / row_c, accuracy = trace / sum
(Everingham et al., IJCV 2010).

Letters: N images, K classes, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypedDict, cast

import cv2
import numpy as np
import numpy.typing as npt

from segmif.checks import InputError, check_same_size, unknown
from segmif.labelsets import IGNORE, LABEL_SETS, LabelSet
from segmif.metrics.boundary import boundary_f
from segmif.metrics.protocols import (
    SEGMENTATION_PROTOCOLS,
    AbsentRule,
    SegmentationProtocol,
    segmentation_protocol,
)

Counts = npt.NDArray[np.int64]
Labels = npt.NDArray[np.uint8]


def confusion_matrix(
    labels_pred: Any, labels_true: Any, num_classes: int, *, ignore: Sequence[int] = (IGNORE,)
) -> Counts:
    """Count how often each true class was given each predicted class.

    Args:
        labels_pred: predicted ids 0..K-1, an integer array or tensor of any shape.
        labels_true: true ids 0..K-1 or one of `ignore`, same shape.
        num_classes: K, at most 255.
        ignore: ids of the truth whose pixels are not counted; whatever was predicted there is legal.

    Returns:
        (K, K) int64; row = truth, column = prediction.

    Raises:
        InputError: shapes differ, a dtype is not integer, or an id is out of range (value and first pixel are named).

    >>> confusion_matrix(np.array([[0, 1, 1]]), np.array([[0, 1, 255]]), 2)
    array([[1, 0],
           [0, 1]])
    """
    if not 1 <= num_classes <= 255:
        raise InputError(f"num_classes is {num_classes}: label maps hold 1 to 255 classes; count them again")
    if not all(0 <= i <= 255 for i in ignore):
        raise InputError(f"ignore is {tuple(ignore)}: ids are 0..255; remap the truth, 255 means ignore here")
    pred, true = as_labels("labels_pred", labels_pred), as_labels("labels_true", labels_true)
    _check_shapes(pred, true)
    # One table look-up per pixel instead of masks: column K collects illegal predictions, row K the ignored
    # pixels and row K + 1 illegal truth.
    columns = np.full(256, num_classes, np.int32)
    columns[:num_classes] = np.arange(num_classes)
    rows = np.full(256, num_classes + 1, np.int32)
    rows[:num_classes] = np.arange(num_classes)
    rows[list(ignore)] = num_classes
    width = num_classes + 1
    index = (rows * width)[true] + columns[pred]
    table = np.bincount(index.ravel(), minlength=(num_classes + 2) * width).reshape(-1, width)
    if table[-1].any():
        raise _illegal("labels_true", true, rows[true] == num_classes + 1, num_classes, ignore)
    if table[:num_classes, -1].any():
        illegal = (columns[pred] == num_classes) & (rows[true] != num_classes)
        raise _illegal("labels_pred", pred, illegal, num_classes, ())
    return table[:num_classes, :num_classes].astype(np.int64)


def as_labels(name: str, labels: Any) -> Labels:
    """An integer array or tensor of ids 0..255 as uint8; `InputError` for anything else."""
    array = np.asarray(labels.detach().cpu() if hasattr(labels, "detach") else labels)
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind not in "biu":
        raise InputError(
            f"{name} has dtype {array.dtype}: class ids must be integers; use .argmax over the classes of logits, "
            "or .astype(np.uint8)"
        )
    outside = (array < 0) | (array > 255)
    if outside.any():
        raise _illegal(name, array, outside, 256, ())
    return array.astype(np.uint8)


def _check_shapes(pred: Labels, true: Labels) -> None:
    if pred.shape == true.shape:
        return
    if pred.ndim == true.ndim == 2:
        check_same_size("labels_pred", pred.shape, "labels_true", true.shape)
    raise InputError(
        f"labels_pred has shape {pred.shape} but labels_true {true.shape}: both must be (H, W) or (B, H, W); "
        "take the argmax of logits over their classes and resize to the size of the truth first"
    )


def _illegal(
    name: str, labels: npt.NDArray[Any], illegal: npt.NDArray[np.bool_], num_classes: int, ignore: Sequence[int]
) -> InputError:
    where = tuple(int(i) for i in np.argwhere(illegal)[0])
    place = f"row {where[-2]}, column {where[-1]}" if len(where) > 1 else f"position {where}"
    if len(where) > 2:
        place = f"image {where[0]}, {place}"
    legal = f"0..{num_classes - 1}" + "".join(f" or {i}" for i in ignore if i >= num_classes)
    return InputError(
        f"{name} holds the id {int(labels[where])} at {place} ({int(illegal.sum())} such pixels): "
        f"ids must be {legal}; remap them or choose the label set they belong to"
    )


def iou(confusion: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Intersection over union of every class, (..., K, K) -> (..., K); NaN for a class neither true nor predicted.

    >>> iou(np.array([[3, 1], [0, 0]]))
    array([0.75, 0.  ])
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    return _ratio(hits, confusion.sum(-1) + confusion.sum(-2) - hits)


def recall(confusion: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Share of a class' true pixels that were found, (..., K, K) -> (..., K); NaN for a class without true pixels."""
    return _ratio(np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(-1))


def _ratio(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> npt.NDArray[np.float64]:
    out = np.full(np.shape(numerator), np.nan)
    return cast("npt.NDArray[np.float64]", np.divide(numerator, denominator, out=out, where=np.greater(denominator, 0)))


def class_mean(
    values: npt.NDArray[np.float64], confusion: npt.NDArray[Any], class_ids: Sequence[int], absent: AbsentRule
) -> npt.NDArray[np.float64]:
    """Mean of per-class values (..., K) over `class_ids` under an absent-class rule -> (...).

    NaN where no class counts. Leading dimensions (resamples of a bootstrap) are kept.
    """
    ids = list(class_ids)
    true = confusion.sum(-1)[..., ids]
    counted = {
        "skip": true > 0,
        "union": (true > 0) | (confusion.sum(-2)[..., ids] > 0),
        "zero": np.ones(true.shape, np.bool_),
    }[absent]
    summed = np.where(counted, np.nan_to_num(values[..., ids]), 0.0).sum(-1)
    return _ratio(summed, counted.sum(-1))


def mean_iou(
    confusion: npt.NDArray[Any], class_ids: Sequence[int] | None = None, absent: AbsentRule = "skip"
) -> npt.NDArray[np.float64]:
    """Mean IoU over `class_ids` (default all) of confusion matrices (..., K, K) -> (...); see `class_mean`."""
    ids = range(confusion.shape[-1]) if class_ids is None else class_ids
    return class_mean(iou(confusion), confusion, ids, absent)


def ignore_band(labels: Labels, width: int, *, value: int = IGNORE) -> Labels:
    """Label map whose pixels near a label boundary are set to `value`.

    A pixel is near if the centre of some pixel with another label (ignored ones included) is at most `width`
    pixels away (Euclidean). Width 1 blanks the two rows of pixels that touch a straight boundary.

    Args:
        labels: (H, W) uint8.
        width: in pixels; 0 changes nothing.

    Raises:
        InputError: negative width.

    >>> ignore_band(np.array([[1, 1, 1, 2, 2, 2]], np.uint8), 1)
    array([[  1,   1, 255, 255,   2,   2]], dtype=uint8)
    """
    if width < 0:
        raise InputError(f"the ignore band is {width} pixels wide: it cannot be negative; use 0 for none")
    if width == 0:
        return labels
    y, x = np.ogrid[-width : width + 1, -width : width + 1]
    disk = (x * x + y * y <= width * width).astype(np.uint8)
    labels = np.ascontiguousarray(labels)
    near = cv2.dilate(labels, disk) != cv2.erode(labels, disk)
    return np.where(near, np.uint8(value), labels)


class SegmentationResult(TypedDict):
    """What `SegmentationScore.compute` returns: plain floats by plain names, NaN where undefined.

    ``mIoU`` follows the protocol's absent-class rule; ``mIoU_all`` divides by the number of evaluated classes
    (absent = 0), ``mIoU_present`` by those that occur in the truth, ``mIoU_without_background`` is ``mIoU`` without
    the background class. ``accuracy`` is the share of right pixels, ``mean_accuracy`` the mean recall of the classes.
    ``boundary_F`` is NaN unless asked for.
    """

    protocol: str
    images: int
    pixels: int
    mIoU: float
    mIoU_all: float
    mIoU_present: float
    mIoU_without_background: float
    accuracy: float
    mean_accuracy: float
    boundary_F: float
    IoU: dict[str, float]
    recall: dict[str, float]


class SegmentationScore:
    """Accumulate predictions of a data set and score them as one: counts are pooled over images, then divided.

    Args:
        protocol: a protocol or its name (``"fmb"``, ``"mfnet"``...), a label set or its name, or the number of
            classes. Label sets and numbers score all classes, skipping those absent from the truth.
        classes: names or ids to average over instead of the protocol's.
        absent: overrides the protocol's rule for classes without a true pixel.
        ignore_band: pixels of the truth this near a label boundary are not counted.
        boundary_tolerance: also compute boundary F with this tolerance, as a fraction of the image diagonal
            (0.0075 is usual); None leaves it out, being slower.

    Raises:
        InputError: unknown protocol, class or rule.

    >>> score = SegmentationScore("fmb", classes=["road", "person"])
    >>> score.update(np.array([[1, 1, 8, 8]]), np.array([[1, 1, 1, 8]]))
    >>> result = score.compute()
    >>> round(result["mIoU"], 4), result["accuracy"], result["IoU"].get("person")
    (0.5833, 0.75, 0.5)
    """

    def __init__(
        self,
        protocol: SegmentationProtocol | LabelSet | str | int,
        *,
        classes: Sequence[str | int] | None = None,
        absent: AbsentRule | None = None,
        ignore_band: int = 0,
        boundary_tolerance: float | None = None,
    ) -> None:
        self.protocol = _resolve(protocol, classes, absent)
        self.ignore_band = ignore_band
        self.boundary_tolerance = boundary_tolerance
        self._confusions: list[Counts] = []
        self._boundaries: list[npt.NDArray[np.float64]] = []

    def update(self, labels_pred: Any, labels_true: Any) -> None:
        """Add one image (H, W) or a batch (B, H, W) of integer label maps (arrays or tensors).

        Raises:
            InputError: see `confusion_matrix`; nothing is added then.
        """
        pred, true = as_labels("labels_pred", labels_pred), as_labels("labels_true", labels_true)
        _check_shapes(pred, true)
        if pred.ndim not in (2, 3):
            raise InputError(f"label maps have shape {pred.shape}: expected (H, W) or (B, H, W); drop other dimensions")
        if pred.ndim == 2:
            pred, true = pred[None], true[None]
        rules = self.protocol
        confusions, boundaries = [], []
        for image_pred, image_true in zip(pred, true, strict=True):
            counted = ignore_band(image_true, self.ignore_band, value=IGNORE)
            ignore = (*rules.ignore, IGNORE)
            confusions.append(confusion_matrix(image_pred, counted, len(rules.label_set), ignore=ignore))
            if self.boundary_tolerance is not None:
                tolerance = self.boundary_tolerance * float(np.hypot(*image_true.shape))
                boundaries.append(
                    boundary_f(image_pred, image_true, rules.evaluated, tolerance=tolerance, ignore=ignore)
                )
        self._confusions += confusions
        self._boundaries += boundaries

    @property
    def per_image(self) -> Counts:
        """(N, K, K) confusion matrix of every image, in the order of `update`: input of `paired_bootstrap`."""
        size = len(self.protocol.label_set)
        return np.stack(self._confusions) if self._confusions else np.zeros((0, size, size), np.int64)

    @property
    def confusion(self) -> Counts:
        """(K, K) pooled confusion matrix, rows = truth, over all ids of the label set."""
        return cast("Counts", self.per_image.sum(0))

    def mean_iou(self, confusion: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """The protocol's mIoU of confusion matrices (..., K, K) -> (...): the statistic for `paired_bootstrap`."""
        return mean_iou(confusion, self.protocol.evaluated, self.protocol.absent)

    def compute(self) -> SegmentationResult:
        """Scores over all images so far.

        Raises:
            InputError: nothing was added.
        """
        if not self._confusions:
            raise InputError("no image was scored: call update(labels_pred, labels_true) before compute()")
        rules, confusion = self.protocol, self.confusion
        ids = list(rules.evaluated)
        ious, recalls = iou(confusion), recall(confusion)
        foreground = [i for i in ids if i != rules.background]
        rows = confusion[ids]
        return {
            "protocol": rules.name,
            "images": len(self._confusions),
            "pixels": int(confusion.sum()),
            "mIoU": float(mean_iou(confusion, ids, rules.absent)),
            "mIoU_all": float(mean_iou(confusion, ids, "zero")),
            "mIoU_present": float(mean_iou(confusion, ids, "skip")),
            "mIoU_without_background": float(mean_iou(confusion, foreground, rules.absent)),
            "accuracy": float(_ratio(np.diagonal(confusion)[ids].sum(), rows.sum())),
            "mean_accuracy": float(class_mean(recalls, confusion, ids, rules.absent)),
            "boundary_F": self._mean_boundary(),
            "IoU": {name: float(ious[i]) for name, i in zip(rules.class_names, ids, strict=True)},
            "recall": {name: float(recalls[i]) for name, i in zip(rules.class_names, ids, strict=True)},
        }

    def _mean_boundary(self) -> float:
        """Mean over the classes of each image, then over images (Csurka et al. 2013); NaN where nothing counts."""
        if not self._boundaries:
            return float("nan")
        values = np.stack(self._boundaries)
        per_image = _ratio(np.nansum(values, 1), np.isfinite(values).sum(1))
        return float(_ratio(np.nansum(per_image), np.isfinite(per_image).sum()))


def _resolve(
    protocol: SegmentationProtocol | LabelSet | str | int,
    classes: Sequence[str | int] | None,
    absent: AbsentRule | None,
) -> SegmentationProtocol:
    if isinstance(protocol, str):
        plain_set = protocol in LABEL_SETS and protocol not in SEGMENTATION_PROTOCOLS
        protocol = LABEL_SETS[protocol] if plain_set else segmentation_protocol(protocol)
    if isinstance(protocol, int):
        names = tuple(f"class {i}" for i in range(protocol))
        protocol = LabelSet(name=f"{protocol} classes", classes=names, palette=((0, 0, 0),) * protocol)
    if isinstance(protocol, LabelSet):
        protocol = SegmentationProtocol(name=protocol.name, label_set=protocol, evaluated=tuple(range(len(protocol))))
    if classes is not None:
        names = protocol.label_set.classes
        chosen = tuple(_class_id(names, c) for c in classes)
        protocol = replace(protocol, name=f"{protocol.name}, {len(chosen)} classes", evaluated=chosen)
    if absent not in (None, "skip", "union", "zero"):
        raise unknown("absent-class rule", str(absent), ("skip", "union", "zero"))
    return replace(protocol, absent=absent) if absent else protocol


def _class_id(names: Sequence[str], name: str | int) -> int:
    if isinstance(name, int):
        return name
    if name not in names:
        raise unknown("class", name, names)
    return names.index(name)
