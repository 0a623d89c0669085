"""Detectors on fused images: any `transformers` model, or boxes from a file, against COCO or VOC truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from segmif.checks import InputError, require_extra
from segmif.data.annotations import class_id, read_coco, read_voc, to_boxes
from segmif.data.base import Boxes
from segmif.io import read_bytes, write_json
from segmif.labelsets import LabelSet
from segmif.metrics import DetectionProtocol, DetectionResult, DetectionScore
from segmif.metrics.detection import Detections

Detector = Callable[[npt.NDArray[np.uint8]], Detections]
"""Anything that finds boxes in one uint8 picture, grey (H, W) or RGB (H, W, 3)."""

_Row = tuple[list[float], float, int]

_UNBOUNDED = (2**31, 2**31)
"""Picture size where the truth does not tell it: nothing is clipped."""


class TransformersDetector:
    """An object-detection model of `transformers` (DETR, YOLOS, RT-DETR...) with classes in our ids.

    Classes are matched by name ("traffic light" is our "traffic lamp"); boxes of other classes are dropped.

    Args:
        model: local folder or Hugging Face Hub id, of a model and its image processor.
        label_set: gives the ids of what is found.
        threshold: least score of a box; low, since average precision weighs scores itself.
        device: where the model runs.

    Raises:
        MissingExtraError: transformers is not installed.
        InputError: the model cannot be loaded or shares no class with `label_set`.
    """

    def __init__(
        self, model: str | Path, label_set: LabelSet, *, threshold: float = 0.001, device: str | torch.device = "cpu"
    ) -> None:
        transformers = require_extra("transformers", "transformers")
        try:
            self._processor = transformers.AutoImageProcessor.from_pretrained(str(model))
            network = transformers.AutoModelForObjectDetection.from_pretrained(str(model))
        except (OSError, ValueError, ImportError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise InputError(
                f"detector {str(model)!r} cannot be loaded ({reason}); give a folder or Hub id of an "
                "object-detection model with its image processor"
            ) from error
        self._network = network.to(device).eval()
        self._device = device
        self._threshold = threshold
        named = {i: class_id(name, label_set) for i, name in network.config.id2label.items()}
        self.class_ids = {i: identity for i, identity in named.items() if identity is not None}
        """Ids of the model's classes -> ids of the label set."""
        if not self.class_ids:
            known = ", ".join(list(network.config.id2label.values())[:5])
            raise InputError(
                f"detector {str(model)!r} knows none of the classes of {label_set.name!r} (it knows {known}...); "
                "choose another detector or label set"
            )

    def __call__(self, image: npt.NDArray[np.uint8]) -> Detections:
        """Boxes found in one picture, uint8 grey (H, W) or RGB (H, W, 3), highest scores first."""
        if image.dtype != np.uint8 or image.ndim not in (2, 3):
            raise InputError(f"the picture is {image.dtype} of shape {image.shape}: expected uint8 (H, W) or (H, W, 3)")
        inputs = self._processor(images=Image.fromarray(image).convert("RGB"), return_tensors="pt").to(self._device)
        with torch.inference_mode():
            outputs = self._network(**inputs)
        size = torch.tensor([image.shape[:2]])
        found = self._processor.post_process_object_detection(outputs, threshold=self._threshold, target_sizes=size)[0]
        scores, labels, xyxy = (found[key].cpu().double().numpy() for key in ("scores", "labels", "boxes"))
        order = np.argsort(-scores, kind="stable")
        kept = [i for i in order if int(labels[i]) in self.class_ids]
        return Detections.of(
            np.clip(xyxy[kept], 0, [image.shape[1], image.shape[0]] * 2),
            scores[kept],
            [self.class_ids[int(labels[i])] for i in kept],
        )


def detect(detector: Detector, images: Iterable[tuple[str, npt.NDArray[np.uint8]]]) -> dict[str, Detections]:
    """Run a detector over (name, picture) pairs, one picture in memory at a time."""
    return {name: detector(image) for name, image in images}


def read_truth(path: str | Path, label_set: LabelSet) -> dict[str, Boxes]:
    """True boxes by picture stem, from a COCO JSON file or a folder of PASCAL VOC XML files.

    Raises:
        InputError: nothing to read there, a damaged file, or a class that `label_set` does not have.
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(path.glob("*.xml"))
        if not files:
            raise InputError(f"{path}: holds no .xml file; give the folder of VOC annotations or a COCO .json file")
        return {file.stem: _to_boxes(read_voc(file), label_set, _UNBOUNDED, str(file)) for file in files}
    coco = read_coco(path)
    return {
        stem: _to_boxes(boxes, label_set, coco.sizes.get(stem, _UNBOUNDED), f"{path}: {stem}")
        for stem, boxes in coco.boxes.items()
    }


def _to_boxes(raw: Any, label_set: LabelSet, size: tuple[int, int], where: str) -> Boxes:
    boxes, problems = to_boxes(raw, label_set, size, where=where)
    errors = [p for p in problems if p.severity == "error"]
    if errors:
        raise InputError(f"{where}: {errors[0].message}")
    return boxes


def read_predictions(
    path: str | Path, label_set: LabelSet, *, truth: str | Path | None = None
) -> dict[str, Detections]:
    """Found boxes by picture stem, from a JSON list of ``{"image_id", "category_id", "bbox", "score"}``.

    That is COCO's result format (`bbox` is x, y, width, height). The ids are numbers of the COCO file `truth`, or
    names: a file name or stem, and a class name. Boxes of classes that `label_set` lacks are dropped.

    Raises:
        InputError: not such a file, or a number `truth` does not define.
    """
    path = Path(path)
    stems, names = _coco_ids(Path(truth)) if truth is not None and Path(truth).is_file() else ({}, {})
    rows: dict[str, list[_Row]] = {}
    for number, item in enumerate(_json_list(path), 1):
        where = f"{path}: entry {number}"
        row, image, category = _entry(item, where)
        stem = PurePosixPath(image).stem if isinstance(image, str) else _defined(stems, image, "image_id", where)
        name = category if isinstance(category, str) else _defined(names, category, "category_id", where)
        found, identity = rows.setdefault(stem, []), class_id(name, label_set)
        if identity is not None:
            found.append((*row, identity))
    return {stem: Detections.of(*_columns(found)) for stem, found in rows.items()}


def _entry(item: Any, where: str) -> tuple[tuple[list[float], float], int | str, int | str]:
    """((corners, score), image, category) of one entry of a result file."""
    try:
        image, category = item["image_id"], item["category_id"]
        x, y, width, height = (float(v) for v in item["bbox"])
        score = float(item["score"])
        if not (isinstance(image, int | str) and isinstance(category, int | str)):
            raise TypeError("an id is neither number nor name")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{where} is not {{image_id, category_id, bbox: [x, y, width, height], score}} ({error!r}); mend or drop it"
        ) from error
    return ([x, y, x + width, y + height], score), image, category


def _defined(table: Mapping[int, str], number: int, key: str, where: str) -> str:
    if number not in table:
        raise InputError(
            f"{where} has {key} {number}, which the truth does not define; "
            "give the COCO file these numbers belong to, or use names"
        )
    return table[number]


def _columns(rows: list[_Row]) -> tuple[list[list[float]], list[float], list[int]]:
    return [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]


def _json_list(path: Path) -> list[Any]:
    try:
        content = json.loads(read_bytes(path))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not JSON ({error}); export the boxes again") from error
    if not isinstance(content, list):
        raise InputError(f"{path}: holds a JSON {type(content).__name__}, expected a list of found boxes")
    return content


def _coco_ids(path: Path) -> tuple[dict[int, str], dict[int, str]]:
    """The file's image ids -> stems and category ids -> names."""
    read_coco(path)  # says what is wrong, if anything is
    content = json.loads(read_bytes(path))
    stems = {image["id"]: PurePosixPath(image["file_name"]).stem for image in content["images"]}
    return stems, {category["id"]: str(category["name"]) for category in content["categories"]}


def write_predictions(path: str | Path, found: Mapping[str, Detections], label_set: LabelSet) -> None:
    """Write found boxes as `read_predictions` reads them, with names in place of ids; whole or not at all."""
    rows = []
    for stem, boxes in found.items():
        for (x0, y0, x1, y1), score, identity in zip(
            boxes.xyxy.tolist(), boxes.scores.tolist(), boxes.class_ids.tolist(), strict=True
        ):
            name = label_set.classes[identity]
            rows.append({"image_id": stem, "category_id": name, "bbox": [x0, y0, x1 - x0, y1 - y0], "score": score})
    write_json(path, rows)


def evaluate_detection(
    found: Mapping[str, Detections],
    truth: Mapping[str, Boxes],
    protocol: DetectionProtocol | LabelSet | str,
    *,
    names: Iterable[str] | None = None,
) -> DetectionResult:
    """Score found against true boxes, by picture stem.

    Args:
        found: by stem; a picture of the truth that is not here counts as one where nothing was found.
        truth: by stem.
        protocol: see `DetectionScore`.
        names: the pictures to count, e.g. those of a test split; all of the truth if not given.

    Raises:
        InputError: found boxes for a picture without truth, a name without truth, or nothing in common.
    """
    chosen = list(truth) if names is None else list(names)
    unknown = [name for name in (*chosen, *(() if names is not None else found)) if name not in truth]
    if unknown:
        raise InputError(
            f"no true boxes for picture {unknown[0]!r} ({len(unknown)} such): give the annotations of the same pictures"
        )
    if not any(name in found for name in chosen):
        raise InputError("found boxes and truth have no picture in common; check that their file names agree")
    nothing = Detections.of([], [], [])
    score = DetectionScore(protocol)
    for name in chosen:
        score.update(found.get(name, nothing), truth[name].xyxy, truth[name].class_ids, truth[name].ignore)
    return score.compute()
