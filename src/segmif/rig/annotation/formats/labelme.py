"""labelme: one JSON for each picture, shapes in painting order; ``labels.txt`` names the classes.

labelme keeps keys it does not know, so what we put under "segmif" survives editing there.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np

from segmif.checks import InputError
from segmif.io import decode_image
from segmif.labelsets import LabelSet
from segmif.rig.annotation import native
from segmif.rig.annotation.document import Annotations, Document, Shape
from segmif.rig.annotation.files import Fields, Files, dump_json, parse_json
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

_VERSION = "5.5.0"
"""Of labelme, whose layout this is."""


def encode(annotations: Annotations) -> dict[str, bytes]:
    """A JSON for each document, and labels.txt for ``labelme --labels``."""
    refuse_holes(annotations, "labelme")
    names = ["__ignore__", *annotations.label_set.classes]
    files = {"labels.txt": ("\n".join(names) + "\n").encode()}
    for document in annotations.documents:
        files[f"{document.stem}.json"] = dump_json(_document(document, annotations))
    return files


def _document(document: Document, annotations: Annotations) -> dict[str, Any]:
    extras = {"label_set": native.label_set_extras(annotations.label_set), **native.document_extras(document)}
    return {
        "version": _VERSION,
        "flags": {},
        "shapes": [_shape(shape, annotations) for shape in document.shapes],
        "imagePath": document.image,
        "imageData": None,
        "imageHeight": document.height,
        "imageWidth": document.width,
        native.KEY: extras,
    }


def _shape(shape: Shape, annotations: Annotations) -> dict[str, Any]:
    extras = {key: value for key, value in native.shape_extras(shape).items() if key != "instance"}
    return {
        "label": annotations.name_of(shape.class_id),
        "points": [list(point) for point in shape.points],
        "group_id": shape.instance,
        "description": "",
        "shape_type": "polygon",
        "flags": {},
        "mask": None,
        **({native.KEY: extras} if extras else {}),
    }


def decode(files: Files) -> Annotations:
    """Polygons, rectangles and masks of all .json files; other shapes are refused."""
    paths = file_with(files, ".json", "labelme writes one for each picture")
    contents = [Fields(parse_json(files[path], path), path) for path in paths]
    names = Names(_declared(contents))
    return_documents = [_read_document(content, names) for content in contents]
    return Annotations(label_set=names.label_set(), documents=tuple(return_documents))


def _declared(contents: list[Fields]) -> LabelSet | None:
    """The label set in our corner, if all files have the same; a class added in labelme is then an error."""
    found = [content.object(native.KEY) for content in contents]
    sets = [native.label_set_from(f.object("label_set")) if "label_set" in f.value else None for f in found]
    if any(label_set != sets[0] for label_set in sets):
        raise InputError(f"{contents[0].where}: the files were exported with different classes; convert them apart")
    return sets[0]


def _read_document(content: Fields, names: Names) -> Document:
    extras = content.object(native.KEY)
    image = content.get("imagePath", str)
    image = image if extras.value else image_name(image, content.where)
    height, width = content.number("imageHeight"), content.number("imageWidth")
    shapes: list[Shape] = []
    for item in content.objects("shapes"):
        try:
            shapes += _read_shape(item, names)
        except InputError as error:
            raise native.placed(error, item.where) from error
    return document_named(image, width, height, shapes, extras, content.where)


def _read_shape(item: Fields, names: Names) -> list[Shape]:
    kind = item.get("shape_type", str, "polygon")
    arguments = native.shape_extras_from(item.object(native.KEY))
    arguments["instance"] = item.get("group_id", int, None)
    arguments["class_id"] = names.id(item.value.get("label"), item.where)
    points = item.get("points", list)
    if kind == "polygon":
        return [Shape(points=points, **arguments)]
    if kind not in ("rectangle", "mask") or len(points) != 2:
        raise unsupported(item.where, kind, "polygon, rectangle and mask")
    box = Shape(points=(*points, points[0]), class_id=0).points  # the checks of a ring for two corners
    (x0, y0), (x1, y1) = box[:2]
    if kind == "rectangle":
        return [Shape(points=box_ring(x0, y0, x1, y1), **arguments)]
    return mask_shapes(_mask(item), round(x0), round(y0), **arguments)


def _mask(item: Fields) -> Any:
    try:
        return np.atleast_2d(decode_image(base64.b64decode(item.get("mask", str), validate=True))) > 0
    except binascii.Error as error:
        raise InputError(f"{item.where}: its mask is not base64 ({error}); export it again") from error
