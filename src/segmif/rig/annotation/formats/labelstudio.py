"""Label Studio: one JSON list of tasks, points in percent of the picture, and the labelling configuration.

Regions are in painting order. Label Studio knows neither objects of several parts nor holes; our keys under "segmif"
in a task's data survive there, those in a region's ``meta`` as long as the region is not edited.
"""

from __future__ import annotations

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
    refuse_holes,
    unsupported,
)

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
    """Polygons and rectangles of the newest annotation of every task (or of its predictions, if it has no other)."""
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
    shapes = [_read_region(region, names) for region in regions]
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


def _read_region(region: Fields, names: Names) -> Shape:
    kind = region.get("type", str)
    if kind not in ("polygonlabels", "rectanglelabels"):
        raise unsupported(region.where, kind, "polygonlabels and rectanglelabels")
    value = region.object("value")
    labels = value.get(kind, list)
    if len(labels) != 1 or region.value.get("image_rotation") or value.value.get("rotation"):
        raise InputError(f"{region.where}: must have one label and no rotation; correct it in Label Studio")
    across, down = region.number("original_width") / 100, region.number("original_height") / 100
    if kind == "polygonlabels":
        points = value.get("points", list)
    else:
        x, y, w, h = (value.get(key, (int, float)) for key in ("x", "y", "width", "height"))
        points = box_ring(x, y, x + w, y + h)
    try:
        return Shape(
            class_id=names.id(labels[0], region.where),
            points=tuple((x * across, y * down) for x, y in points),
            **native.shape_extras_from(region.object("meta").object(native.KEY)),
        )
    except (TypeError, ValueError) as error:
        raise native.placed(InputError(str(error)), region.where) from error
