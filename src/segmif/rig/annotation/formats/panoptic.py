"""COCO panoptic: one JSON, and a PNG for each picture whose colours number the segments (R + 256 G + 65536 B).

It holds what is seen, not how it was drawn: label map and objects come back to the pixel, polygons as outlines.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from segmif.checks import InputError
from segmif.io import decode_image, encode_image
from segmif.labelsets import IGNORE
from segmif.rig.annotation import native
from segmif.rig.annotation.document import Annotations, Document, Shape
from segmif.rig.annotation.files import Fields, Files, dump_json
from segmif.rig.annotation.formats.coco import (
    Categories,
    bounding_box,
    categories,
    image_entry,
    info,
    read_categories,
    read_image,
    single_json,
)
from segmif.rig.annotation.formats.common import mask_shapes
from segmif.rig.annotation.raster import rasterise

_FOLDER = "panoptic"


def encode(annotations: Annotations) -> dict[str, bytes]:
    """panoptic.json and panoptic/NAME.png; 255 and undrawn pixels are 0, "void"."""
    files: dict[str, bytes] = {}
    images, entries = [], []
    things = {s.class_id for d in annotations.documents for s in d.shapes if s.instance is not None}
    for number, document in enumerate(annotations.documents, 1):
        ids, segments = _segments(document)
        name = f"{document.stem}.png"
        files[f"{_FOLDER}/{name}"] = encode_image(np.stack((ids & 255, ids >> 8 & 255, ids >> 16), -1).astype(np.uint8))
        extras = {**native.document_extras(document), "ignore_band": 0}  # it is in the pixels now
        images.append({**image_entry(number, document), native.KEY: extras})
        entries.append({"image_id": number, "file_name": name, "segments_info": segments})
    named = [{**c, "isthing": int(c["id"] in things)} for c in categories(annotations.label_set) if c["id"] != IGNORE]
    content = {"info": info(annotations), "images": images, "annotations": entries, "categories": named}
    return {"panoptic.json": dump_json(content), **files}


def _segments(document: Document) -> tuple[npt.NDArray[np.int64], list[dict[str, Any]]]:
    """Segment numbers (H, W) and the list of segments: one for each object, and one for the rest of each class."""
    labels, instances = rasterise(document)
    keys = np.where(labels == IGNORE, IGNORE, instances.astype(np.int64) * 256 + labels)
    ids = np.zeros(labels.shape, np.int64)
    segments: list[dict[str, Any]] = []
    for key in (int(k) for k in np.unique(keys)):
        if key == IGNORE:
            continue
        mask = keys == key
        number = len(segments) + 1
        ids[mask] = number
        segments.append(
            {
                "id": number,
                "category_id": key % 256,
                "area": int(mask.sum()),
                "bbox": bounding_box(mask),
                "iscrowd": 0,
                native.KEY: {"instance": key // 256 or None},
            }
        )
    return ids, segments


def decode(files: Files) -> Annotations:
    """Every segment as outlines; segments of categories that are things become objects."""
    content = single_json(files)
    found = read_categories(content)
    images = {image.number("id"): image for image in content.objects("images")}
    documents = []
    for entry in content.objects("annotations"):
        image = images.get(entry.number("image_id"))
        if image is None:
            raise InputError(f"{entry.where}: there is no picture {entry.value['image_id']}; export it again")
        documents.append(read_image(image, [(0, _read_segments(entry, image, found, files))]))
    return Annotations(label_set=found.label_set, documents=tuple(documents))


def _read_segments(entry: Fields, image: Fields, found: Categories, files: Files) -> list[Shape]:
    ids = _read_ids(entry.get("file_name", str), files)
    height, width = image.number("height"), image.number("width")
    if ids.shape != (height, width):
        raise InputError(f"{entry.where}: the PNG is {ids.shape[1]}x{ids.shape[0]}, the picture {width}x{height}")
    shapes: list[Shape] = []
    listed = {0}
    for number, segment in enumerate(entry.objects("segments_info"), 1):
        identity = segment.number("id")
        listed.add(identity)
        own = segment.object(native.KEY)
        thing = segment.number("category_id") in found.things
        instance = own.get("instance", int, None) if own.value else (number if thing else None)
        shapes += mask_shapes(ids == identity, 0, 0, class_id=found.id(segment), instance=instance)
    strange = set(np.unique(ids).tolist()) - listed
    if strange:
        raise InputError(f"{entry.where}: the PNG has the segment {min(strange)}, which is not listed; export it again")
    return shapes


def _read_ids(name: str, files: Files) -> npt.NDArray[np.int64]:
    fitting = [path for path in files if path == name or path.endswith(f"/{name}")]
    if len(fitting) != 1:
        raise InputError(f"{PurePosixPath(name).name}: {len(fitting)} such PNGs beside the JSON, expected one")
    try:
        rgb = decode_image(files[fitting[0]])
    except InputError as error:
        raise InputError(f"{fitting[0]}: {error}") from error
    if rgb.ndim != 3 or rgb.dtype != np.uint8:
        raise InputError(f"{fitting[0]}: a panoptic PNG has three 8-bit channels; export it again")
    ids: npt.NDArray[np.int64] = rgb.astype(np.int64) @ np.array([1, 256, 65536])
    return ids
