"""Label Studio: one JSON list of tasks, points in percent of the picture, and the labelling configuration.

Regions are in painting order. Label Studio's polygons know neither objects of several parts nor holes; our keys under
"segmif" in a task's data survive there, those in a region's ``meta`` as long as the region is not edited. Brushes are
read as outlines along their pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from xml.etree import ElementTree

from segmif.checks import InputError
from segmif.labelsets import LabelSet
from segmif.rig.annotation import native
from segmif.rig.annotation.document import IGNORE_NAME, Annotations, Document, Shape
from segmif.rig.annotation.files import Fields, Files, dump_json, dump_xml, parse_json
from segmif.rig.annotation.formats.common import (
    Names,
    box_ring,
    document_named,
    file_with,
    image_name,
    mask_shapes,
    refuse_holes,
    unsupported,
)
from segmif.rig.annotation.formats.rle import decode_brush

_KINDS = ("polygonlabels", "rectanglelabels", "brushlabels")
_UPLOAD_PREFIX = 9  # "1a2b3c4d-", which Label Studio puts before the names of uploaded files


def encode(annotations: Annotations) -> dict[str, bytes]:
    """tasks.json, and label_config.xml to paste into the project's settings."""
    refuse_holes(annotations, "Label Studio")
    tasks = [_task(number, document, annotations) for number, document in enumerate(annotations.documents, 1)]
    return {"tasks.json": dump_json(tasks), "label_config.xml": _config(annotations.label_set)}


def _config(label_set: LabelSet) -> bytes:
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Image", name="image", value="$image", zoom="true")
    labels = ElementTree.SubElement(view, "PolygonLabels", name="label", toName="image")
    for name, colour in zip(label_set.classes, label_set.palette, strict=True):
        ElementTree.SubElement(labels, "Label", value=name, background=native.hex_colour(colour))
    ElementTree.SubElement(labels, "Label", value=IGNORE_NAME, background="#ffffff")
    return dump_xml(view)


def _task(number: int, document: Document, annotations: Annotations) -> dict[str, Any]:
    extras = {
        "image": document.image,
        "width": document.width,
        "height": document.height,
        "label_set": native.label_set_extras(annotations.label_set),
        **native.document_extras(document),
    }
    results = [_region(i, shape, document, annotations) for i, shape in enumerate(document.shapes, 1)]
    return {
        "id": number,
        "data": {"image": f"/data/local-files/?d={document.image}", native.KEY: extras},
        "annotations": [{"id": number, "result": results}],
    }


def _region(number: int, shape: Shape, document: Document, annotations: Annotations) -> dict[str, Any]:
    points = [[x * 100 / document.width, y * 100 / document.height] for x, y in shape.points]
    extras = native.shape_extras(shape)
    return {
        "id": f"s{number}",
        "type": "polygonlabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": document.width,
        "original_height": document.height,
        "image_rotation": 0,
        "value": {"points": points, "closed": True, "polygonlabels": [annotations.name_of(shape.class_id)]},
        **({"meta": {native.KEY: extras}} if extras else {}),
    }


def decode(files: Files) -> Annotations:
    """Polygons, rectangles and brushes of the newest annotation of every task, else of its predictions."""
    tasks: list[Fields] = []
    for path in file_with(files, ".json", "Label Studio exports one with all tasks"):
        content = parse_json(files[path], path)
        if not isinstance(content, list):
            raise InputError(f"{path}: is not a list of tasks; export as JSON, not JSON-MIN")
        tasks += [Fields(task, f"{path}, task {i}") for i, task in enumerate(content, 1)]
    sets = [task.object("data").object(native.KEY).object("label_set") for task in tasks]
    declared = native.label_set_from(sets[0]) if sets and all(s.value == sets[0].value != {} for s in sets) else None
    names = Names(declared)
    documents = [_read_task(task, names) for task in tasks]
    return Annotations(label_set=names.label_set(), documents=tuple(documents))


def _read_task(task: Fields, names: Names) -> Document:
    extras = task.object("data").object(native.KEY)
    kind = "annotations" if task.value.get("annotations") else "predictions"
    drawn = [a for a in (task.objects(kind) if task.value.get(kind) else []) if not a.value.get("was_cancelled")]
    regions = drawn[-1].objects("result") if drawn else []
    shapes = [shape for region in regions for shape in _read_region(region, names)]
    sizes = [(r.number("original_width"), r.number("original_height")) for r in regions]
    if "image" in extras.value:
        image, size = extras.get("image", str), (extras.number("width"), extras.number("height"))
    else:
        image = _plain_name(task.object("data"))
        if not sizes:
            raise InputError(f"{task.where}: {image} has no regions, so its size is unknown; remove the task")
        size = sizes[0]
    if any(s != size for s in sizes):
        raise InputError(f"{task.where}: {image} has regions for pictures of different size; export it again")
    return document_named(image, *size, shapes, extras, task.where)


def _plain_name(data: Fields) -> str:
    name = image_name(data.value.get("image"), data.where)
    prefix = name[:_UPLOAD_PREFIX]
    uploaded = len(prefix) == _UPLOAD_PREFIX and prefix[-1] == "-" and set(prefix[:-1]) <= set("0123456789abcdef")
    return name[_UPLOAD_PREFIX:] if uploaded else name


def _read_region(region: Fields, names: Names) -> list[Shape]:
    kind = region.get("type", str)
    if kind not in _KINDS:
        raise unsupported(region.where, kind, " and ".join(_KINDS))
    value = region.object("value")
    labels = value.get(kind, list)
    if len(labels) != 1 or region.value.get("image_rotation") or value.value.get("rotation"):
        raise InputError(f"{region.where}: must have one label and no rotation; correct it in Label Studio")
    arguments = native.shape_extras_from(region.object("meta").object(native.KEY))
    arguments["class_id"] = names.id(labels[0], region.where)
    width, height = region.number("original_width"), region.number("original_height")
    try:
        if kind == "brushlabels":
            return mask_shapes(decode_brush(_brush(value), height, width), 0, 0, **arguments)
        points = tuple((x * width / 100, y * height / 100) for x, y in _percent(kind, value))
        return [Shape(points=points, **arguments)]
    except (InputError, TypeError, ValueError) as error:
        raise native.placed(InputError(str(error)), region.where) from error


def _brush(value: Fields) -> list[int]:
    if value.value.get("format") != "rle":
        raise InputError(f"a brush of format {value.value.get('format')!r} cannot be read, only 'rle'; export it again")
    return list(value.get("rle", list))


def _percent(kind: str, value: Fields) -> Iterable[Sequence[float]]:
    """The corners in percent of the picture."""
    if kind == "polygonlabels":
        return list(value.get("points", list))
    x, y, w, h = (value.get(key, (int, float)) for key in ("x", "y", "width", "height"))
    return box_ring(x, y, x + w, y + h)
