"""Foreign annotation formats. Each is two pure functions between `Annotations` and files by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from segmif.checks import InputError, unknown
from segmif.rig.annotation import handdrawn, native
from segmif.rig.annotation.document import Annotations
from segmif.rig.annotation.files import Files, open_files, write_files
from segmif.rig.annotation.formats import coco, cvat, labelme, labelstudio, maps, panoptic, voc
from segmif.rig.annotation.holes import restore_holes


@dataclass(frozen=True, kw_only=True)
class Format:
    """One format: `exact` formats give back the polygons, the others the pixels."""

    title: str
    encode: Callable[[Annotations], dict[str, bytes]]
    decode: Callable[[Files], Annotations]
    exact: bool
    holes: bool


FORMATS = {
    "segmif": Format(title="ours", encode=native.encode, decode=native.decode, exact=True, holes=True),
    "cvat": Format(title="CVAT for images 1.1", encode=cvat.encode, decode=cvat.decode, exact=True, holes=False),
    "labelme": Format(title="labelme", encode=labelme.encode, decode=labelme.decode, exact=True, holes=False),
    "labelstudio": Format(
        title="Label Studio JSON", encode=labelstudio.encode, decode=labelstudio.decode, exact=True, holes=False
    ),
    "coco": Format(title="COCO instances", encode=coco.encode, decode=coco.decode, exact=True, holes=False),
    "panoptic": Format(title="COCO panoptic", encode=panoptic.encode, decode=panoptic.decode, exact=False, holes=True),
    "voc": Format(title="Pascal VOC", encode=voc.encode, decode=voc.decode, exact=False, holes=True),
    "labels": Format(title="label maps", encode=maps.encode, decode=maps.decode, exact=False, holes=True),
    "handdrawn": Format(
        title="the polygons of RoadScene-15", encode=handdrawn.encode, decode=handdrawn.decode, exact=True, holes=False
    ),
}


def format_named(name: str) -> Format:
    """The format of that name.

    Raises:
        InputError: no such format.
    """
    if name not in FORMATS:
        raise unknown("format", name, FORMATS)
    return FORMATS[name]


def read_annotations(path: Path, format_name: str) -> Annotations:
    """All annotations in a folder, a zip or a file; holes that were bridged on the way out are holes again.

    Raises:
        InputError: not there, unreadable, hostile, or not of that format; one line with the place.
    """
    decode = format_named(format_name).decode
    files = open_files(path)
    try:
        return restore_holes(decode(files))
    except InputError as error:
        raise _located(error, path) from error


def _located(error: InputError, path: Path) -> InputError:
    """The error with the path the user gave, said once."""
    text = str(error)
    if str(path) in text:
        return error
    return InputError(f"{path}{text.removeprefix(path.name)}" if text.startswith(path.name) else f"{path}: {text}")


def write_annotations(path: Path, annotations: Annotations, format_name: str) -> list[str]:
    """Write annotations to a folder, a .zip or, for formats of one file, a file; the names written.

    Raises:
        InputError: the format cannot hold them, or the disk refuses.
    """
    files = format_named(format_name).encode(annotations)
    write_files(path, files)
    return list(files)
