"""Object detection scores: COCO's mean average precision, computed by faster-coco-eval (extra ``bench``).

Lin et al.: Microsoft COCO: Common Objects in Context, ECCV 2014; precision interpolated at 101 recalls, averaged over
the IoU thresholds 0.50, 0.55 ... 0.95 (mAP50:95) or taken at 0.50 (mAP50). This is not the mAP of the YOLO family's own
scripts, which differ by up to about a point; say which one a table holds.

Letters: M found boxes, T true boxes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from segmif.checks import InputError, require_extra
from segmif.labelsets import LabelSet
from segmif.metrics.protocols import DetectionProtocol, detection_protocol


@dataclass(frozen=True, kw_only=True)
class Detections:
    """Boxes found in one image.

    `xyxy` (M, 4) pixel corners (x0, y0, x1, y1), x1 and y1 exclusive; `scores` (M,), higher is surer; `class_ids` (M,).

    Raises:
        InputError: lengths differ, a number is not finite, or a corner pair is swapped.
    """

    xyxy: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    class_ids: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        _check_boxes("found", self.xyxy, self.class_ids)
        if self.scores.shape != self.class_ids.shape or not np.isfinite(self.scores).all():
            raise InputError(
                f"scores have shape {self.scores.shape} for {len(self.class_ids)} boxes, or are not finite: "
                "give one number per box"
            )

    def __len__(self) -> int:
        return len(self.class_ids)

    @classmethod
    def of(cls, xyxy: npt.ArrayLike, scores: npt.ArrayLike, class_ids: npt.ArrayLike) -> Detections:
        """From anything array-like, empty lists included."""
        return cls(
            xyxy=np.asarray(xyxy, np.float64).reshape(-1, 4) if np.size(xyxy) == 0 else np.asarray(xyxy, np.float64),
            scores=np.asarray(scores, np.float64),
            class_ids=np.asarray(class_ids, np.int64),
        )


class DetectionResult(TypedDict):
    """What `DetectionScore.compute` returns; all in [0, 1], NaN for a class without true boxes.

    ``mAP50_95`` and ``mAP50`` are means over the classes that have true boxes; ``AP50_95`` and ``AP50`` are theirs.
    ``recall`` is COCO's average recall (AR) over the same thresholds.
    """

    protocol: str
    images: int
    true_boxes: int
    mAP50: float
    mAP50_95: float
    recall: float
    AP50: dict[str, float]
    AP50_95: dict[str, float]


@dataclass
class _CocoData:
    images: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)


class DetectionScore:
    """Accumulate found and true boxes of a data set and score them.

    Args:
        protocol: a protocol or its name (``"llvip"``, ``"m3fd"``...), or a label set, all of whose classes count.

    >>> score = DetectionScore("llvip")
    >>> score.update(Detections.of([[0, 0, 10, 20]], [0.9], [8]), [[0, 0, 10, 20]], [8])
    >>> round(score.compute()["mAP50_95"], 6)
    1.0
    """

    def __init__(self, protocol: DetectionProtocol | LabelSet | str) -> None:
        if isinstance(protocol, str):
            protocol = detection_protocol(protocol)
        if isinstance(protocol, LabelSet):
            protocol = DetectionProtocol(name=protocol.name, label_set=protocol, evaluated=tuple(range(len(protocol))))
        self.protocol = protocol
        self._data = _CocoData()

    def update(
        self,
        found: Detections,
        true_boxes: npt.ArrayLike,
        true_class_ids: npt.ArrayLike,
        ignore: npt.ArrayLike | None = None,
    ) -> None:
        """Add one image.

        Args:
            found: what the detector found.
            true_boxes: (T, 4) pixel corners (x0, y0, x1, y1), empty for none.
            true_class_ids: (T,) ids of the protocol's label set.
            ignore: (T,) bool; found boxes that lie in an ignored one are neither right nor wrong (COCO's ``iscrowd``).

        Raises:
            InputError: shapes, corners or ids are wrong.
        """
        ids = np.asarray(true_class_ids, np.int64)
        boxes = np.asarray(true_boxes, np.float64)
        boxes = boxes.reshape(-1, 4) if boxes.size == 0 else boxes
        ignored = np.zeros(ids.shape, np.bool_) if ignore is None else np.asarray(ignore, np.bool_)
        _check_boxes("true", boxes, ids)
        if ignored.shape != ids.shape:
            raise InputError(f"ignore has shape {ignored.shape} for {len(ids)} true boxes: give one flag per box")
        for name, given in (("found", found.class_ids), ("true", ids)):
            outside = (given < 0) | (given >= len(self.protocol.label_set))
            if outside.any():
                raise InputError(
                    f"{name} box {int(np.flatnonzero(outside)[0])} has class id {int(given[outside][0])}: ids of label "
                    f"set {self.protocol.label_set.name!r} are 0..{len(self.protocol.label_set) - 1}; translate them"
                )
        image = len(self._data.images) + 1
        self._data.images.append({"id": image})
        for box, class_id, skip in zip(boxes, ids, ignored, strict=True):
            record = _record(image, box, class_id)
            number = len(self._data.annotations) + 1
            self._data.annotations.append(record | {"id": number, "iscrowd": int(skip)})
        self._data.results += [
            _record(image, box, class_id) | {"score": float(score)}
            for box, score, class_id in zip(found.xyxy, found.scores, found.class_ids, strict=True)
        ]

    def compute(self) -> DetectionResult:
        """Scores over all images so far.

        Raises:
            InputError: nothing was added.
            MissingExtraError: faster-coco-eval is not installed.
        """
        if not self._data.images:
            raise InputError("no image was scored: call update(found, true_boxes, true_class_ids) before compute()")
        precision, recall = self._evaluate()
        # COCO writes -1 where a class has no true box.
        precision, recall = (np.where(values < 0, np.nan, values) for values in (precision, recall))
        classes = {
            name: (float(precision[0, :, k].mean()), float(precision[:, :, k].mean()))
            for k, name in enumerate(self.protocol.class_names)
        }
        wanted = set(self.protocol.evaluated)
        counted = [a for a in self._data.annotations if not a["iscrowd"] and a["category_id"] in wanted]
        return {
            "protocol": self.protocol.name,
            "images": len(self._data.images),
            "true_boxes": len(counted),
            "mAP50": _mean([at_half for at_half, _ in classes.values()]),
            "mAP50_95": _mean([average for _, average in classes.values()]),
            "recall": _mean(recall.mean(0).tolist()),
            "AP50": {name: at_half for name, (at_half, _) in classes.items()},
            "AP50_95": {name: average for name, (_, average) in classes.items()},
        }

    def _evaluate(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Precision (threshold, recall, class) and recall (threshold, class), classes in the protocol's order."""
        coco = require_extra("faster_coco_eval", "bench")
        categories = [{"id": i, "name": name} for i, name in enumerate(self.protocol.label_set.classes)]
        truth = coco.COCO(
            {
                "images": self._data.images,
                "annotations": [dict(a) for a in self._data.annotations],  # the library writes into them
                "categories": categories,
            }
        )
        evaluation = coco.COCOeval_faster(truth, truth.loadRes([dict(r) for r in self._data.results]), "bbox")
        evaluation.params.catIds = sorted(self.protocol.evaluated)
        evaluation.params.maxDets = [self.protocol.max_detections]
        evaluation.evaluate()
        evaluation.accumulate()
        # The library sorts classes by id; axes are (threshold, recall, class, area, detections), area 0 is "all".
        order = [sorted(self.protocol.evaluated).index(i) for i in self.protocol.evaluated]
        precision = np.asarray(evaluation.eval["precision"])[:, :, order, 0, -1]
        recall = np.asarray(evaluation.eval["recall"])[:, order, 0, -1]
        return precision, recall


def _mean(values: list[float]) -> float:
    defined = [v for v in values if np.isfinite(v)]
    return float(np.mean(defined)) if defined else float("nan")


def _record(image: int, box: npt.NDArray[np.float64], class_id: np.int64) -> dict[str, Any]:
    x0, y0, x1, y1 = (float(v) for v in box)
    size = x1 - x0, y1 - y0
    return {"image_id": image, "category_id": int(class_id), "bbox": [x0, y0, *size], "area": size[0] * size[1]}


def _check_boxes(kind: str, xyxy: npt.NDArray[Any], class_ids: npt.NDArray[Any]) -> None:
    if xyxy.ndim != 2 or xyxy.shape[1] != 4 or class_ids.ndim != 1 or len(xyxy) != len(class_ids):
        raise InputError(
            f"{kind} boxes have shape {xyxy.shape} and class ids {class_ids.shape}: expected (N, 4) and (N,)"
        )
    if not np.isfinite(xyxy).all():
        raise InputError(f"{kind} boxes hold NaN or infinity; leave those boxes out")
    swapped = np.flatnonzero((xyxy[:, 2] < xyxy[:, 0]) | (xyxy[:, 3] < xyxy[:, 1]))
    if len(swapped):
        raise InputError(
            f"{kind} box {int(swapped[0])} is {xyxy[swapped[0]].tolist()}: expected corners (x0, y0, x1, y1) with "
            "x0 <= x1 and y0 <= y1; convert from (x, y, width, height)"
        )
