"""Boxes from VOC XML, COCO JSON and YOLO text files, named in the classes of a label set."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

import numpy as np

from segmif.checks import InputError
from segmif.data.base import Boxes
from segmif.data.problems import Problem
from segmif.io import read_bytes
from segmif.labelsets import LabelSet

_ALIASES = {
    "people": "person",
    "pedestrian": "person",
    "lamp": "traffic lamp",
    "traffic light": "traffic lamp",
    "traffic_light": "traffic lamp",
    "motor": "motorcycle",
    "motorbike": "motorcycle",
    "bike": "bicycle",
    "bicycle": "bike",
}
"""What other data sets call our classes; used only where the label set lacks the name itself."""


@dataclass(frozen=True, kw_only=True)
class RawBox:
    """One box as a file has it: `xyxy` in pixels with exclusive right and bottom edge, and a class name."""

    xyxy: tuple[float, float, float, float]
    name: str
    ignore: bool = False


@dataclass(frozen=True, kw_only=True)
class CocoBoxes:
    """The boxes of a COCO file by picture stem, and the (height, width) it claims for each picture."""

    boxes: Mapping[str, Sequence[RawBox]]
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def read_voc(path: Path) -> list[RawBox]:
    """Boxes of a PASCAL VOC XML file; its corners count from 1 and are inclusive, ``difficult`` means ignore.

    Raises:
        InputError: the file is empty, is not XML, or an object lacks a name or a corner.
    """
    try:
        root = ElementTree.fromstring(read_bytes(path))
    except ElementTree.ParseError as error:
        raise InputError(f"{path}: is not XML ({error}); download the annotation again") from error
    boxes = []
    for number, item in enumerate(root.iter("object"), 1):
        try:
            x0, y0, x1, y1 = (float(str(item.findtext(f"bndbox/{key}"))) for key in ("xmin", "ymin", "xmax", "ymax"))
        except ValueError:
            raise InputError(f"{path}: object {number} has no number in one of xmin, ymin, xmax, ymax") from None
        name = item.findtext("name")
        if not name:
            raise InputError(f"{path}: object {number} has no name; add its class")
        difficult = (item.findtext("difficult") or "0").strip() == "1"
        boxes.append(RawBox(xyxy=(x0 - 1, y0 - 1, x1, y1), name=name.strip(), ignore=difficult))
    return boxes


def read_yolo(path: Path, names: Mapping[int, str], size: tuple[int, int]) -> list[RawBox]:
    """Boxes of a YOLO text file: ``class cx cy w h`` per line, as fractions of the (height, width) `size`.

    Raises:
        InputError: a line is not five numbers, or its class is not in `names`.
    """
    height, width = size
    boxes = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()  # an empty file is a picture without objects
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not readable text ({error}); export the boxes again") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            class_id, cx, cy, w, h = (float(part) for part in line.split()[:5])
            if not np.isfinite((class_id, cx, cy, w, h)).all():
                raise ValueError
        except ValueError:
            raise InputError(f"{path}: line {number} is not 'class cx cy w h': {line.strip()!r}") from None
        if int(class_id) not in names:
            raise InputError(f"{path}: line {number} has class {int(class_id)}, expected one of {sorted(names)}")
        x0, y0 = (cx - w / 2) * width, (cy - h / 2) * height
        boxes.append(RawBox(xyxy=(x0, y0, x0 + w * width, y0 + h * height), name=names[int(class_id)]))
    return boxes


def read_coco(path: Path) -> CocoBoxes:
    """Boxes of a COCO instances file; ``iscrowd`` and ``ignore`` mean ignore.

    Raises:
        InputError: the file is not JSON of that form.
    """
    try:
        content: dict[str, Any] = json.loads(read_bytes(path))
        names = {category["id"]: str(category["name"]) for category in content["categories"]}
        stems = {image["id"]: PurePosixPath(image["file_name"]).stem for image in content["images"]}
        boxes: dict[str, list[RawBox]] = {stem: [] for stem in stems.values()}
        for item in content["annotations"]:
            x, y, w, h = (float(value) for value in item["bbox"])
            ignore = bool(item.get("iscrowd", 0) or item.get("ignore", 0))
            box = RawBox(xyxy=(x, y, x + w, y + h), name=names[item["category_id"]], ignore=ignore)
            boxes[stems[item["image_id"]]].append(box)
        sizes = {
            stems[image["id"]]: (int(image["height"]), int(image["width"]))
            for image in content["images"]
            if "height" in image and "width" in image
        }
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not JSON ({error}); export the boxes again") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path}: is not a COCO file (missing or wrong: {error}); expected images, annotations and categories"
        ) from error
    return CocoBoxes(boxes=boxes, sizes=sizes)


def class_id(name: str, label_set: LabelSet) -> int | None:
    """The id of a class by its name in whatever spelling, or None.

    >>> from segmif.labelsets import FMB, MFNET
    >>> class_id("People", FMB), class_id("traffic light", FMB), class_id("bicycle", MFNET), class_id("dog", FMB)
    (8, 4, 3, None)
    """
    plain = name.strip().lower().replace("_", " ")
    for candidate in (plain, _ALIASES.get(plain)):
        if candidate in label_set.classes:
            return label_set.classes.index(candidate)
    return None


def to_boxes(
    raw: Iterable[RawBox], label_set: LabelSet, size: tuple[int, int], *, where: str
) -> tuple[Boxes, list[Problem]]:
    """Boxes with ids, clipped to the (height, width) `size`; what had to be clipped or dropped is reported.

    Boxes wholly outside or without area are dropped; one pixel of overhang is clipped silently, since data sets
    disagree on whether corners count from 0 or 1.
    """
    height, width = size
    kept: list[tuple[float, float, float, float]] = []
    ids: list[int] = []
    ignore: list[bool] = []
    problems: list[Problem] = []

    def report(kind: str, message: str, severity: Any = "warning") -> None:
        problems.append(Problem(kind=kind, where=where, message=message, severity=severity))

    for box in raw:
        identity = class_id(box.name, label_set)
        if identity is None:
            report("unknown-class", f"box class {box.name!r} is not in {label_set.name}; rename it", "error")
            continue
        x0, y0, x1, y1 = box.xyxy
        text = f"{box.name} box ({x0:g}, {y0:g}, {x1:g}, {y1:g}) in a {width}x{height} picture"
        clipped = (min(max(x0, 0), width), min(max(y0, 0), height), min(max(x1, 0), width), min(max(y1, 0), height))
        if x1 - x0 <= 0 or y1 - y0 <= 0:
            report("box-empty", f"{text} has no area; dropped")
            continue
        if clipped[2] - clipped[0] <= 0 or clipped[3] - clipped[1] <= 0:
            report("box-outside", f"{text} lies outside; dropped")
            continue
        if max(-x0, -y0, x1 - width, y1 - height) > 1:
            report("box-outside", f"{text} reaches outside; clipped")
        kept.append(clipped)
        ids.append(identity)
        ignore.append(box.ignore)
    boxes = Boxes(
        xyxy=np.array(kept, np.float32).reshape(-1, 4),
        class_ids=np.array(ids, np.int64),
        ignore=np.array(ignore, np.bool_),
    )
    return boxes, problems
