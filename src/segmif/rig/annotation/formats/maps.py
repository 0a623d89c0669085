"""Label maps: a palette PNG of class ids for each picture, as FMB's folder ``Label`` and our readers have them."""

from __future__ import annotations

import numpy as np

from segmif.checks import InputError
from segmif.data.labels import stored_values
from segmif.io import encode_labels
from segmif.labelsets import FMB
from segmif.rig.annotation import native
from segmif.rig.annotation.document import Annotations, Document, stem_of
from segmif.rig.annotation.files import Files
from segmif.rig.annotation.formats.common import file_with
from segmif.rig.annotation.formats.voc import read_labelmap, write_labelmap
from segmif.rig.annotation.raster import rasterise, shapes_of_map


def encode(annotations: Annotations) -> dict[str, bytes]:
    """NAME.png for each picture, and labelmap.txt with the names and colours."""
    palette = annotations.label_set.palette
    pictures = {f"{d.stem}.png": encode_labels(rasterise(d)[0], palette) for d in annotations.documents}
    return {**pictures, "labelmap.txt": write_labelmap(annotations.label_set).encode()}


def decode(files: Files) -> Annotations:
    """Every region of every .png as outlines; classes are those of labelmap.txt, FMB's where there is none."""
    label_set = read_labelmap(files) or FMB
    documents = []
    for name in file_with(files, ".png", "label maps are PNG"):
        try:
            labels = stored_values(files[name])
            if labels.ndim != 2 or labels.dtype != np.uint8:
                raise InputError("is not a grey or palette PNG of class ids; convert by palette")
            height, width = labels.shape
            shapes = tuple(shapes_of_map(labels))
            documents.append(Document(image=f"{stem_of(name)}.png", width=width, height=height, shapes=shapes))
        except InputError as error:
            raise native.placed(error, name) from error
    return Annotations(label_set=label_set, documents=tuple(documents))
