"""Our own file: one JSON for each picture, complete in itself. And what other formats carry in a corner of theirs.

``extras`` of a set, a document or a shape is what a foreign format has no word for; formats that let programs add keys
hold it under "segmif", and with it they come back as they went.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from segmif.checks import InputError
from segmif.labelsets import LABEL_SETS, LabelSet, numbered
from segmif.rig.annotation.document import Annotations, Document, Shape
from segmif.rig.annotation.files import Fields, Files, dump_json, parse_json

FORMAT = "segmif-annotation"
VERSION = 1
KEY = "segmif"


def encode(annotations: Annotations) -> dict[str, bytes]:
    """A file for each document."""
    return {f"{d.stem}.json": encode_document(d, annotations.label_set) for d in annotations.documents}


def decode(files: Files) -> Annotations:
    """All documents of a folder; they must agree on their classes."""
    label_set: LabelSet | None = None
    documents = []
    for name in (name for name in files if name.endswith(".json")):
        document, found = decode_document(files[name], name)
        if label_set is not None and found != label_set:
            raise InputError(f"{name}: its classes are not those of the files before; convert them one by one")
        label_set = found
        documents.append(document)
    if label_set is None:
        raise InputError(f"no .json files of ours among the {len(files)} given; check --from")
    return Annotations(label_set=label_set, documents=tuple(documents))


def encode_document(document: Document, label_set: LabelSet) -> bytes:
    """One document with its classes."""
    return dump_json(
        {"format": FORMAT, "version": VERSION, "label_set": label_set_extras(label_set), **document_dict(document)}
    )


def decode_document(data: bytes, where: str) -> tuple[Document, LabelSet]:
    """One document and its classes.

    Raises:
        InputError: not such a file, or of a version this program does not know.
    """
    content = Fields(parse_json(data, where), where)
    if content.value.get("format") != FORMAT:
        raise InputError(f"{where}: is not a {FORMAT} file; choose its format with --from")
    if content.value.get("version") != VERSION:
        raise InputError(
            f"{where}: is of version {content.value.get('version')!r}, this program reads {VERSION}; update segmif"
        )
    label_set = label_set_from(content.object("label_set"))
    return document_from(content), label_set


def document_dict(document: Document) -> dict[str, Any]:
    """A document as JSON says it, without its classes."""
    return {
        "image": document.image,
        "width": document.width,
        "height": document.height,
        **document_extras(document),
        "shapes": [shape_dict(shape) for shape in document.shapes],
    }


def document_from(content: Fields) -> Document:
    """The document in what `document_dict` made; errors name the file."""
    try:
        return Document(
            image=content.get("image", str),
            width=content.number("width"),
            height=content.number("height"),
            shapes=tuple(shape_from(shape) for shape in content.objects("shapes")),
            **document_extras_from(content),
        )
    except InputError as error:
        raise placed(error, content.where) from error


def shape_dict(shape: Shape) -> dict[str, Any]:
    """A shape as JSON says it."""
    holes = {"holes": [points_list(hole) for hole in shape.holes]} if shape.holes else {}
    return {"class": shape.class_id, **shape_extras(shape), "points": points_list(shape.points), **holes}


def shape_from(content: Fields) -> Shape:
    """The shape in what `shape_dict` made; errors name the place."""
    try:
        return Shape(
            class_id=content.number("class"),
            points=content.get("points", list),
            holes=tuple(content.get("holes", list, [])),
            **shape_extras_from(content),
        )
    except InputError as error:
        raise placed(error, content.where) from error


def points_list(ring: Sequence[tuple[float, float]]) -> list[list[float]]:
    """Points as JSON says them, whole numbers without ``.0``."""
    return [[int(x) if x == int(x) else x, int(y) if y == int(y) else y] for x, y in ring]


def shape_extras(shape: Shape) -> dict[str, Any]:
    """What few formats know of a shape; only what is not as usual."""
    extras: dict[str, Any] = {}
    if shape.instance is not None:
        extras["instance"] = shape.instance
    if shape.band:
        extras["band"] = shape.band
    if shape.attributes:
        extras["attributes"] = dict(shape.attributes)
    return extras


def shape_extras_from(content: Fields) -> dict[str, Any]:
    """Arguments of `Shape` from what `shape_extras` made."""
    return {
        "instance": content.get("instance", int, None),
        "band": content.get("band", int, 0),
        "attributes": content.get("attributes", dict, {}),
    }


def document_extras(document: Document) -> dict[str, Any]:
    """What few formats know of a document."""
    return {
        "ignore_band": document.ignore_band,
        "author": document.author,
        "revision": document.revision,
        "done": document.done,
        "attributes": dict(document.attributes),
    }


def document_extras_from(content: Fields) -> dict[str, Any]:
    """Arguments of `Document` from what `document_extras` made, or from nothing."""
    return {
        "ignore_band": content.get("ignore_band", int, 0),
        "author": content.get("author", str, ""),
        "revision": content.get("revision", int, 0),
        "done": content.get("done", bool, False),
        "attributes": content.get("attributes", dict, {}),
    }


def label_set_extras(label_set: LabelSet) -> dict[str, Any]:
    """A label set as JSON says it: complete, so that a file tells its classes wherever it goes."""
    return {
        "name": label_set.name,
        "classes": list(label_set.classes),
        "palette": [hex_colour(colour) for colour in label_set.palette],
    }


def label_set_from(content: Fields) -> LabelSet:
    """The label set in what `label_set_extras` made.

    Raises:
        InputError: names and colours do not fit together.
    """
    classes, palette = content.get("classes", list), content.get("palette", list)
    if len(classes) != len(palette) or not all(isinstance(name, str) for name in classes):
        raise InputError(f"{content.where}: needs a name and a colour for each class; export it again")
    colours = tuple(parse_colour(colour, content.where) for colour in palette)
    return known_set(LabelSet(name=content.get("name", str), classes=tuple(classes), palette=colours))


def named_set(classes: Sequence[str], palette: Sequence[tuple[int, int, int]] | None = None) -> LabelSet:
    """A label set for the class names of a foreign file, with its colours or ours."""
    colours = numbered(len(classes) + 1).palette[1:] if palette is None else tuple(palette)
    return known_set(LabelSet(name="foreign", classes=tuple(classes), palette=colours))


def known_set(label_set: LabelSet) -> LabelSet:
    """One of the label sets of the field where names and colours are the same."""
    for known in LABEL_SETS.values():
        if (known.classes, known.palette) == (label_set.classes, label_set.palette):
            return known
    return label_set


def hex_colour(colour: tuple[int, int, int]) -> str:
    """Three numbers as ``#rrggbb``.

    >>> hex_colour((255, 128, 0))
    '#ff8000'
    """
    return "#{:02x}{:02x}{:02x}".format(*colour)


def parse_colour(text: object, where: str) -> tuple[int, int, int]:
    """``#rrggbb`` as three numbers.

    >>> parse_colour("#ff8000", "here")
    (255, 128, 0)
    """
    try:
        digits = str(text).strip().removeprefix("#")
        red, green, blue = bytes.fromhex(digits)
    except ValueError:
        raise InputError(f"{where}: {text!r} is not a colour; write it as #rrggbb") from None
    return red, green, blue


def placed(error: InputError, where: str) -> InputError:
    """The error with its place, said once."""
    return error if where in str(error) else InputError(f"{where}: {error}")
