"""What the foreign formats share: collecting class names, refusing what a format cannot hold, masks to shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from segmif.checks import InputError
from segmif.labelsets import IGNORE, LabelSet
from segmif.rig.annotation import native
from segmif.rig.annotation.document import IGNORE_NAME, Annotations, Document, Ring, Shape
from segmif.rig.annotation.files import Fields
from segmif.rig.annotation.raster import Mask, trace

_IGNORE_NAMES = {IGNORE_NAME, "__ignore__"}


class Names:
    """Class names to ids while a file is read; unknown names get the next id unless the file declared its classes."""

    def __init__(self, declared: LabelSet | None = None) -> None:
        self.declared = declared
        self.ids: dict[str, int] = {} if declared is None else {name: i for i, name in enumerate(declared.classes)}

    def id(self, name: object, where: str) -> int:
        """The id of a class name; 255 for "ignore"."""
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"{where}: the class name {name!r} is empty or no text; name it")
        name = name.strip()
        if name in self.ids:
            return self.ids[name]
        if name in _IGNORE_NAMES:
            return IGNORE
        if self.declared is not None:
            raise InputError(f"{where}: the class {name!r} is not among those the file declares; export it again")
        if len(self.ids) == IGNORE:
            raise InputError(f"{where}: more than 255 classes; label maps hold no more, merge some")
        return self.ids.setdefault(name, len(self.ids))

    def label_set(self) -> LabelSet:
        """What was declared, or else all names seen, in their order."""
        return self.declared or native.named_set(list(self.ids))


def refuse_holes(annotations: Annotations, format_name: str) -> None:
    """Raise `InputError` for the first shape with a hole."""
    for document in annotations.documents:
        for number, shape in enumerate(document.shapes, 1):
            if shape.holes:
                raise InputError(
                    f"{document.image}: shape {number} ({annotations.name_of(shape.class_id)}) has a hole, which "
                    f"{format_name} cannot hold; --holes bridge joins it to the outline (the same pixels)"
                )


def unsupported(where: str, kind: object, can: str) -> InputError:
    """The error for a shape that is no region."""
    return InputError(f"{where}: a shape of type {kind!r} cannot become a polygon (we read {can}); remove it first")


def box_ring(x0: float, y0: float, x1: float, y1: float) -> Ring:
    """A rectangle as a ring."""
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def mask_shapes(mask: Mask, left: int, top: int, **arguments: Any) -> list[Shape]:
    """A mask whose first pixel is at (`left`, `top`) as shapes, exact to the pixel."""

    def moved(ring: Ring) -> Ring:
        return tuple((x + left, y + top) for x, y in ring)

    return [
        Shape(points=moved(points), holes=tuple(moved(hole) for hole in holes), **arguments)
        for points, holes in trace(mask)
    ]


def instances_of(shapes: Iterable[Shape]) -> dict[int, list[int]]:
    """Positions of the shapes of each object, in the order they first appear; a shape without number stands alone.

    Keys are instance numbers, or minus the position (from 1) of a shape without one.
    """
    groups: dict[int, list[int]] = {}
    for position, shape in enumerate(shapes):
        groups.setdefault(-position - 1 if shape.instance is None else shape.instance, []).append(position)
    return groups


def image_name(value: object, where: str) -> str:
    """The file name in a path or URL of another program: what we can find again in a folder of pictures.

    >>> image_name("/data/local-files/?d=night/0007.png", "here")
    '0007.png'
    """
    if not isinstance(value, str) or not value:
        raise InputError(f"{where}: names no picture; add its file name")
    return value.replace("\\", "/").rpartition("/")[2].rpartition("?d=")[2]


def file_with(files: Mapping[str, bytes], suffix: str, what: str) -> Sequence[str]:
    """Names of the files with this suffix; `InputError` where there is none."""
    found = [name for name in files if name.lower().endswith(suffix)]
    if not found:
        raise InputError(f"no {suffix} files among the {len(files)} given: {what}; check --from")
    return found


def document_named(
    image: str, width: int, height: int, shapes: Iterable[Shape], extras: Fields, where: str
) -> Document:
    """A document of a foreign file; errors name the place."""
    try:
        known = native.document_extras_from(extras)
        return Document(image=image, width=width, height=height, shapes=tuple(shapes), **known)
    except InputError as error:
        raise native.placed(error, where) from error
