"""COCO instances: one JSON; an annotation for every object, or every shape that belongs to none.

COCO has no painting order; we keep ours under "segmif", and read foreign files in the order of their annotations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from segmif.checks import InputError
from segmif.labelsets import IGNORE, LabelSet
from segmif.rig.annotation import native
from segmif.rig.annotation.document import IGNORE_NAME, Annotations, Document, Shape
from segmif.rig.annotation.files import Fields, Files, dump_json, parse_json
from segmif.rig.annotation.formats.common import (
    Names,
    document_named,
    file_with,
    instances_of,
    mask_shapes,
    refuse_holes,
)
from segmif.rig.annotation.formats.rle import decode_coco
from segmif.rig.annotation.raster import window_mask


def encode(annotations: Annotations) -> dict[str, bytes]:
    """instances.json; category ids are class ids, 255 is "ignore"."""
    refuse_holes(annotations, "COCO's polygon list")
    images: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    for number, document in enumerate(annotations.documents, 1):
        images.append(image_entry(number, document))
        for positions in instances_of(document.shapes).values():
            objects.append(_object(len(objects) + 1, number, document, positions))
    return {
        "instances.json": dump_json(
            {
                "info": info(annotations),
                "images": images,
                "annotations": objects,
                "categories": categories(annotations.label_set),
            }
        )
    }


def info(annotations: Annotations) -> dict[str, Any]:
    """The head of a COCO file of ours."""
    return {"description": "made by segmif", native.KEY: native.label_set_extras(annotations.label_set)}


def image_entry(number: int, document: Document) -> dict[str, Any]:
    """A picture as COCO lists it."""
    size = {"width": document.width, "height": document.height}
    return {"id": number, "file_name": document.image, **size, native.KEY: native.document_extras(document)}


def categories(label_set: LabelSet) -> list[dict[str, Any]]:
    """The classes as COCO lists them, and "ignore"."""
    named = [*enumerate(zip(label_set.classes, label_set.palette, strict=True)), (IGNORE, (IGNORE_NAME, (255,) * 3))]
    return [{"id": i, "name": name, "color": list(colour)} for i, (name, colour) in named]


def _object(number: int, image: int, document: Document, positions: list[int]) -> dict[str, Any]:
    shapes = [document.shapes[i] for i in positions]
    mask, (rows, columns) = window_mask(shapes, document.size)
    x, y, width, height = bounding_box(mask)
    return {
        "id": number,
        "image_id": image,
        "category_id": shapes[0].class_id,
        "segmentation": [[float(value) for point in shape.points for value in point] for shape in shapes],
        "area": int(mask.sum()),
        "bbox": [x + columns.start, y + rows.start, width, height],
        "iscrowd": 0,
        native.KEY: {"order": positions, "shapes": [native.shape_extras(shape) for shape in shapes]},
    }


def bounding_box(mask: Any) -> list[int]:
    """[x, y, width, height] of a mask; zeros where it is empty."""
    ys, xs = np.nonzero(mask)
    if not len(ys):
        return [0, 0, 0, 0]
    x, y = int(xs.min()), int(ys.min())
    return [x, y, int(xs.max()) + 1 - x, int(ys.max()) + 1 - y]


def decode(files: Files) -> Annotations:
    """Polygons and run lengths of the .json file; an annotation with a box only is refused."""
    content = single_json(files)
    names = read_categories(content)
    shapes: dict[int, list[tuple[int, list[Shape]]]] = {}
    images = {image.number("id"): image for image in content.objects("images")}
    for item in content.objects("annotations"):
        image = images.get(item.number("image_id"))
        if image is None:
            raise InputError(f"{item.where}: there is no picture {item.value['image_id']}; export it again")
        try:
            shapes.setdefault(image.number("id"), []).extend(_read_object(item, image, names))
        except (InputError, TypeError, ValueError) as error:
            raise native.placed(InputError(str(error)), item.where) from error
    documents = [read_image(image, shapes.get(number, [])) for number, image in images.items()]
    return Annotations(label_set=names.label_set, documents=tuple(documents))


class Categories:
    """The categories of a COCO file: their ids to class ids."""

    def __init__(self, ids: Mapping[int, int], label_set: LabelSet, things: frozenset[int]) -> None:
        self.ids, self.label_set, self.things = ids, label_set, things

    def id(self, item: Fields) -> int:
        """The class id of an annotation or segment."""
        category = item.number("category_id")
        if category not in self.ids:
            raise InputError(f"{item.where}: there is no category {category}; export it again")
        return self.ids[category]


def single_json(files: Files) -> Fields:
    """The one .json file."""
    paths = file_with(files, ".json", "COCO is one JSON")
    if len(paths) != 1:
        raise InputError(f"{len(paths)} .json files ({paths[0]}, {paths[1]}, …): COCO is one; give the file itself")
    return Fields(parse_json(files[paths[0]], paths[0]), paths[0])


def read_categories(content: Fields) -> Categories:
    """The classes in the order of their ids, with their colours if all have one."""
    entries = sorted(content.objects("categories"), key=lambda entry: entry.number("id"))
    names = Names()
    ids = {entry.number("id"): names.id(entry.value.get("name"), entry.where) for entry in entries}
    coloured = [e for e in entries if ids[e.number("id")] != IGNORE]
    label_set = names.label_set()
    own = content.object("info").object(native.KEY)
    if own.value:
        label_set = native.label_set_from(own)
        if label_set.classes != tuple(names.ids):
            raise InputError(f"{content.where}: its categories were changed since segmif wrote it; remove info.segmif")
    elif all("color" in e.value for e in coloured) and len(coloured) == len(label_set):
        palette = [native.parse_colour(bytes(e.get("color", list)).hex(), e.where) for e in coloured]
        label_set = native.named_set(label_set.classes, palette)
    things = frozenset(e.number("id") for e in entries if e.value.get("isthing", 1))
    return Categories(ids, label_set, things)


def read_image(image: Fields, shapes: list[tuple[int, list[Shape]]]) -> Document:
    """The document of a COCO picture from (position, shapes) in whatever order."""
    ordered = [s for _, group in sorted(shapes, key=lambda pair: pair[0]) for s in group]
    size = image.number("width"), image.number("height")
    return document_named(image.get("file_name", str), *size, ordered, image.object(native.KEY), image.where)


def _read_object(item: Fields, image: Fields, categories: Categories) -> list[tuple[int, list[Shape]]]:
    class_id, own = categories.id(item), item.object(native.KEY)
    parts = item.value.get("segmentation")
    if isinstance(parts, dict):
        return [(item.number("id"), _read_runs(Fields(parts, item.where), image, class_id, item.number("id")))]
    if not isinstance(parts, list) or not parts:
        raise InputError(f"{item.where}: has no segmentation; boxes alone are no polygons, remove it")
    rings = [tuple(zip(part[0::2], part[1::2], strict=True)) for part in parts]
    if own.value:
        known, order = own.objects("shapes"), own.get("order", list)
        if len(known) == len(order) == len(rings):
            read = zip(order, rings, known, strict=True)
            return [(i, [Shape(class_id=class_id, points=r, **native.shape_extras_from(k))]) for i, r, k in read]
        raise InputError(f"{item.where}: its polygons were changed since segmif wrote it; remove its key 'segmif'")
    number = item.number("id")
    return [(number, [Shape(class_id=class_id, points=ring, instance=number) for ring in rings])]


def _read_runs(runs: Fields, image: Fields, class_id: int, number: int) -> list[Shape]:
    height, width = image.number("height"), image.number("width")
    if runs.get("size", list) != [height, width]:
        raise InputError(
            f"{runs.where}: its run lengths are for {runs.value['size']}, the picture is {[height, width]}"
        )
    mask = decode_coco(runs.get("counts", (str, list)), height, width)
    return mask_shapes(mask, 0, 0, class_id=class_id, instance=number)
