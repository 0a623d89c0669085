"""CVAT: XML "for images 1.1", one file for all pictures; z_order is the painting order, group_id the object.

CVAT writes coordinates with two decimals; we write as many as there are. What CVAT has no word for stands in
``<meta>``, which CVAT reads over.
"""

from __future__ import annotations

import json
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from segmif.checks import InputError
from segmif.labelsets import LabelSet
from segmif.rig.annotation import native
from segmif.rig.annotation.document import IGNORE_NAME, Annotations, Document, Shape
from segmif.rig.annotation.files import Fields, Files, dump_xml, parse_json, parse_xml
from segmif.rig.annotation.formats.common import (
    Names,
    box_ring,
    document_named,
    file_with,
    mask_shapes,
    refuse_holes,
    unsupported,
)
from segmif.rig.annotation.formats.rle import from_run_lengths

_BAND = "segmif_band"
"""The attribute that holds a shape's ignore band."""


def encode(annotations: Annotations) -> dict[str, bytes]:
    """annotations.xml."""
    refuse_holes(annotations, "CVAT")
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    meta = SubElement(root, "meta")
    labels = SubElement(SubElement(meta, "task"), "labels")
    palette = [*annotations.label_set.palette, (255, 255, 255)]
    for name, colour in zip([*annotations.label_set.classes, IGNORE_NAME], palette, strict=True):
        label = SubElement(labels, "label")
        SubElement(label, "name").text = name
        SubElement(label, "color").text = native.hex_colour(colour)
        SubElement(label, "type").text = "polygon"
    SubElement(meta, native.KEY).text = json.dumps(_extras(annotations), ensure_ascii=False)
    for number, document in enumerate(annotations.documents):
        _write_image(root, number, document, annotations)
    return {"annotations.xml": dump_xml(root)}


def _extras(annotations: Annotations) -> dict[str, Any]:
    images = {document.image: native.document_extras(document) for document in annotations.documents}
    return {"name": annotations.label_set.name, "images": images}


def _write_image(root: Element, number: int, document: Document, annotations: Annotations) -> None:
    size = {"width": str(document.width), "height": str(document.height)}
    image = SubElement(root, "image", {"id": str(number), "name": document.image, **size})
    for order, shape in enumerate(document.shapes):
        polygon = SubElement(
            image,
            "polygon",
            label=annotations.name_of(shape.class_id),
            source="manual",
            occluded="0",
            points=";".join(f"{x!r},{y!r}" for x, y in shape.points),
            z_order=str(order),
        )
        if shape.instance is not None:
            polygon.set("group_id", str(shape.instance))
        band = {_BAND: str(shape.band)} if shape.band else {}
        for name, value in {**shape.attributes, **band}.items():
            SubElement(polygon, "attribute", name=name).text = value


def decode(files: Files) -> Annotations:
    """Polygons, boxes and masks of all pictures; other shapes and tracks are refused."""
    roots = [(path, parse_xml(files[path], path)) for path in file_with(files, ".xml", "CVAT exports annotations.xml")]
    documents: list[Document] = []
    names: Names | None = None
    for path, root in roots:
        if root.tag != "annotations" or root.find("track") is not None:
            raise InputError(f"{path}: is not 'CVAT for images 1.1'; choose that format when exporting from CVAT")
        extras = _read_extras(root, path)
        declared = _declared(root, extras, path)
        if names is not None and names.declared != declared:
            raise InputError(f"{path}: declares other classes than the file before; convert them one by one")
        names = names or Names(declared)
        documents += [_read_image(image, names, extras, path) for image in root.iter("image")]
    assert names is not None
    return Annotations(label_set=names.label_set(), documents=tuple(documents))


def _read_extras(root: Element, path: str) -> Fields:
    text = root.findtext(f"meta/{native.KEY}")
    return Fields(parse_json((text or "{}").encode(), path), f"{path}, meta")


def _declared(root: Element, extras: Fields, path: str) -> LabelSet | None:
    meta = root.find("meta")
    labels = [] if meta is None else list(meta.iter("label"))
    pairs = [(label.findtext("name") or "", label.findtext("color") or "") for label in labels]
    pairs = [(name.strip(), colour) for name, colour in pairs if name.strip() != IGNORE_NAME]
    if not pairs and not extras.value:
        return None
    palette = [native.parse_colour(colour, path) for _, colour in pairs] if all(c for _, c in pairs) else None
    found = native.named_set([name for name, _ in pairs], palette)
    own = LabelSet(name=extras.get("name", str, found.name), classes=found.classes, palette=found.palette)
    return native.known_set(own)


def _read_image(image: Element, names: Names, extras: Fields, path: str) -> Document:
    name = image.get("name", "")
    where = f"{path}, {name}"
    shapes: list[tuple[int, list[Shape]]] = []
    for number, item in enumerate(image, 1):
        place = f"{where}, {item.tag} {number}"
        try:
            shapes.append((int(item.get("z_order", "0")), _read_shape(item, names, place)))
        except (ValueError, OverflowError) as error:
            raise native.placed(InputError(str(error)), place) from error
    shapes.sort(key=lambda pair: pair[0])  # stable: what has the same z_order keeps the order of the file
    try:
        width, height = int(image.get("width", "")), int(image.get("height", ""))
    except ValueError:
        raise InputError(f"{where}: has no width and height; export it again") from None
    known = Fields(extras.object("images").value.get(name, {}), where)
    return document_named(name, width, height, (s for _, group in shapes for s in group), known, where)


def _read_shape(item: Element, names: Names, where: str) -> list[Shape]:
    attributes = {a.get("name", ""): a.text or "" for a in item.iter("attribute")}
    group = int(item.get("group_id", "0"))
    arguments: dict[str, Any] = {
        "class_id": names.id(item.get("label"), where),
        "instance": group or None,
        "band": int(attributes.pop(_BAND, "0")),
        "attributes": attributes,
    }
    if item.tag == "polygon":
        pairs = (point.split(",") for point in item.get("points", "").split(";"))
        return [Shape(points=tuple((float(x), float(y)) for x, y in pairs), **arguments)]
    if item.tag == "box" and not float(item.get("rotation", "0")):
        corners = (float(item.get(key, "nan")) for key in ("xtl", "ytl", "xbr", "ybr"))
        return [Shape(points=box_ring(*corners), **arguments)]
    if item.tag == "mask":
        left, top, width, height = (int(item.get(key, "")) for key in ("left", "top", "width", "height"))
        counts = [int(count) for count in item.get("rle", "").split(",")]
        return mask_shapes(from_run_lengths(counts, width * height).reshape(height, width), left, top, **arguments)
    raise unsupported(where, item.tag, "polygon, upright box and mask")
