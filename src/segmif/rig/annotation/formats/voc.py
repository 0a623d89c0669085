"""Pascal VOC: boxes as XML, SegmentationClass and SegmentationObject as palette PNGs, labelmap.txt with the colours.

PNG values are our class ids, 255 is void. Like COCO panoptic it holds what is seen: label map and objects come back to
the pixel, polygons as outlines. Where there are boxes only, they become rectangles.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from xml.etree.ElementTree import Element, SubElement

import numpy as np
import numpy.typing as npt

from segmif.checks import InputError
from segmif.data.labels import ids_from_colours, stored_values
from segmif.io import encode_labels
from segmif.labelsets import IGNORE, LabelSet
from segmif.rig.annotation import native
from segmif.rig.annotation.document import Annotations, Document, Shape, check_image_name
from segmif.rig.annotation.files import Fields, Files, dump_xml, parse_xml
from segmif.rig.annotation.formats.coco import bounding_box
from segmif.rig.annotation.formats.common import Names, box_ring, document_named, file_with
from segmif.rig.annotation.raster import Instances, Labels, rasterise, shapes_of_map

_OBJECT_COLOURS = tuple(
    tuple(sum((i >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(8)) for channel in range(3))
    for i in range(IGNORE)
)
"""VOC's palette: the bits of the number spread over the high bits of red, green and blue."""


def encode(annotations: Annotations) -> dict[str, bytes]:
    """Annotations/, SegmentationClass/, SegmentationObject/, ImageSets/Segmentation/default.txt and labelmap.txt."""
    label_set = annotations.label_set
    stems = [document.stem for document in annotations.documents]
    files = {
        "labelmap.txt": write_labelmap(label_set).encode(),
        "ImageSets/Segmentation/default.txt": "".join(f"{stem}\n" for stem in stems).encode(),
    }
    for document in annotations.documents:
        labels, instances = rasterise(document)
        instances[labels == IGNORE] = 0
        numbers = [int(n) for n in np.unique(instances) if n]
        if len(numbers) >= IGNORE:
            raise InputError(f"{document.image}: {len(numbers)} objects, VOC can hold 254; use COCO panoptic")
        objects = np.where(labels == IGNORE, IGNORE, np.searchsorted(np.array([0, *numbers]), instances))
        files[f"Annotations/{document.stem}.xml"] = _boxes(document, labels, instances, numbers, annotations)
        files[f"SegmentationClass/{document.stem}.png"] = encode_labels(labels, label_set.palette)
        colours = [(r, g, b) for r, g, b in _OBJECT_COLOURS]
        files[f"SegmentationObject/{document.stem}.png"] = encode_labels(objects.astype(np.uint8), colours)
    return files


def write_labelmap(label_set: LabelSet) -> str:
    """CVAT's way to name the colours: ``name:r,g,b:parts:actions``."""
    for name in label_set.classes:
        if ":" in name or name.startswith("#"):
            raise InputError(f"class name {name!r} cannot stand in VOC's labelmap.txt (no ':', no '#'); rename it")
    pairs = zip(label_set.classes, label_set.palette, strict=True)
    return "# label:color_rgb:parts:actions\n" + "".join(f"{name}:{r},{g},{b}::\n" for name, (r, g, b) in pairs)


def _boxes(
    document: Document, labels: Labels, instances: Instances, numbers: list[int], annotations: Annotations
) -> bytes:
    root = Element("annotation")
    folder, _, name = document.image.rpartition("/")
    SubElement(root, "folder").text = folder
    SubElement(root, "filename").text = name
    size = SubElement(root, "size")
    for key, value in (("width", document.width), ("height", document.height), ("depth", 3)):
        SubElement(size, key).text = str(value)
    SubElement(root, "segmented").text = "1"
    for number in numbers:
        mask = instances == number
        x, y, width, height = bounding_box(mask)
        item = SubElement(root, "object")
        SubElement(item, "name").text = annotations.name_of(int(labels[mask][0]))
        SubElement(item, "difficult").text = "0"
        SubElement(item, "instance").text = str(number)
        box = SubElement(item, "bndbox")
        corners = {"xmin": x + 1, "ymin": y + 1, "xmax": x + width, "ymax": y + height}  # from 1, both ends inside
        for key, value in corners.items():
            SubElement(box, key).text = str(value)
    return dump_xml(root)


def decode(files: Files) -> Annotations:
    """Pictures with an XML, a SegmentationClass PNG, or both."""
    found = [name for name in files if "Annotations" in PurePosixPath(name).parts[:-1] and name.endswith(".xml")]
    found = found or list(file_with(files, ".xml", "VOC has a folder Annotations"))
    names = Names(read_labelmap(files))
    documents = [_read(name, files, names) for name in found]
    return Annotations(label_set=names.label_set(), documents=tuple(documents))


def read_labelmap(files: Files) -> LabelSet | None:
    """The classes in labelmap.txt; None where there is no such file."""
    paths = [name for name in files if PurePosixPath(name).name == "labelmap.txt"]
    if not paths:
        return None
    classes, palette = [], []
    try:
        text = files[paths[0]].decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{paths[0]}: is not UTF-8 text ({error}); save it again") from error
    for line in text.split("\n"):
        name, _, rest = line.strip().partition(":")
        if not name or name.startswith("#"):
            continue
        try:
            red, green, blue = (int(part) for part in rest.partition(":")[0].split(","))
            colour = native.parse_colour(bytes((red, green, blue)).hex(), paths[0])
        except ValueError:
            raise InputError(f"{paths[0]}: {line!r} is not 'name:r,g,b::'; export it again") from None
        classes.append(name)
        palette.append(colour)
    return native.named_set(classes, palette)


def _read(name: str, files: Files, names: Names) -> Document:
    root = parse_xml(files[name], name)
    folder, file_name = root.findtext("folder") or "", root.findtext("filename") or ""
    path = PurePosixPath(name)
    parts = path.parts
    below = parts[parts.index("Annotations") + 1 : -1] if "Annotations" in parts else ()
    image = check_image_name(f"{folder}/{file_name}" if folder and folder == "/".join(below) else file_name)
    try:
        width, height = (int(root.findtext(f"size/{key}") or "") for key in ("width", "height"))
    except ValueError:
        raise InputError(f"{name}: has no size; export it again") from None
    stem = "/".join((*below, path.stem))
    labels = _picture(files, f"SegmentationClass/{stem}.png", (height, width), names.declared)
    if labels is None:
        shapes = [_box_shape(item, i, names, name) for i, item in enumerate(root.iter("object"), 1)]
    else:
        if names.declared is None:
            raise InputError(f"{name}: there is a SegmentationClass picture but no labelmap.txt to name its classes")
        objects = _picture(files, f"SegmentationObject/{stem}.png", (height, width), None)
        shapes = shapes_of_map(labels, None if objects is None else _numbers(objects, labels, root, name))
    return document_named(image, width, height, shapes, Fields({}, name), name)


def _picture(files: Files, name: str, size: tuple[int, int], label_set: LabelSet | None) -> Labels | None:
    """A palette PNG's numbers, or a colour PNG's by `label_set`; None where there is no such file."""
    path = next((path for path in files if path == name or path.endswith(f"/{name}")), None)
    if path is None:
        return None
    try:
        values = stored_values(files[path])
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if values.shape[:2] != size:
        raise InputError(f"{path}: is {values.shape[1]}x{values.shape[0]}, its XML says {size[1]}x{size[0]}")
    if values.ndim == 2:
        return values.astype(np.uint8)
    if label_set is None:
        raise InputError(f"{path}: is painted in colours nobody named; export numbers in a palette PNG")
    ids, problems = ids_from_colours(values, {c: i for i, c in enumerate(label_set.palette)}, where=path)
    if problems:
        raise InputError(f"{path}: {problems[0].message}")
    return ids


def _numbers(objects: Labels, labels: Labels, root: Element, where: str) -> Instances:
    """Object numbers (H, W) as instance numbers: the XML's where it has them."""
    table = np.arange(256, dtype=np.int64)
    table[IGNORE] = 0
    for position, item in enumerate(root.iter("object"), 1):
        text = item.findtext("instance")
        if text is not None and position < IGNORE:
            try:
                table[position] = int(text)
            except (ValueError, OverflowError):
                raise InputError(f"{where}: object {position} has the instance {text!r}, expected a number") from None
    objects = objects.copy()
    objects[labels == IGNORE] = 0
    numbers: npt.NDArray[np.int32] = table[objects].astype(np.int32)
    return numbers


def _box_shape(item: Element, number: int, names: Names, where: str) -> Shape:
    place = f"{where}, object {number}"
    try:
        x0, y0, x1, y1 = (float(item.findtext(f"bndbox/{k}") or "") for k in ("xmin", "ymin", "xmax", "ymax"))
    except ValueError:
        raise InputError(f"{place}: has no number in one of xmin, ymin, xmax, ymax") from None
    class_id = names.id(item.findtext("name"), place)
    return Shape(class_id=class_id, points=box_ring(x0 - 1, y0 - 1, x1, y1), instance=number)
