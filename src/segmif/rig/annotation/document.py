"""What an annotator draws: polygons in painting order on one picture, and the pictures of a set.

Coordinates are pixels (x, y) from the picture's top left corner: the first pixel covers 0..1, its centre is (0.5, 0.5).
They are kept to a thousandth of a pixel, so that formats with percentages give back the same numbers.
Everything here is checked when it is made; what other modules hand around is therefore sound.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from segmif.checks import InputError, unknown
from segmif.data.annotations import class_id
from segmif.io import MAX_PIXELS
from segmif.labelsets import IGNORE, LabelSet

Point = tuple[float, float]
Ring = tuple[Point, ...]

IGNORE_NAME = "ignore"
"""What class 255 is called where a format wants a name."""
MAX_COORDINATE = 1e6
MAX_SIDE = 65535
MAX_BAND = 255
_DECIMALS = 3
_BAD_NAME = re.compile(r"(^|/)\.{0,2}(/|$)|^[A-Za-z]:|\\")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One polygon.

    Attributes:
        class_id: position in the label set, or 255: whatever lies here is not to be scored.
        points: corners of the outline, at least three; closed without repeating the first.
        holes: outlines of what is cut out of it.
        instance: number of the object it belongs to; several shapes with one number are parts of one object.
        band: width in pixels of a 255 border painted around it, for objects whose outline is not sharp.
        attributes: anything else, text to text; no program here reads it, but for the note of
            `segmif.rig.annotation.holes`.

    Raises:
        InputError: fewer than three points, coordinates that are no numbers, unknown ids.
    """

    class_id: int
    points: Ring
    holes: tuple[Ring, ...] = ()
    instance: int | None = None
    band: int = 0
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", _ring(self.points))
        object.__setattr__(self, "holes", tuple(_ring(hole) for hole in self.holes))
        _check_integer("class id", self.class_id, 0, IGNORE)
        if self.instance is not None:
            _check_integer("instance", self.instance, 1, 2**31 - 1)
        _check_integer("band", self.band, 0, MAX_BAND)
        check_attributes(self.attributes)


@dataclass(frozen=True, kw_only=True)
class Document:
    """All polygons of one picture; a later shape is painted over an earlier one.

    Attributes:
        image: file name of the visible picture below its folder, with ``/`` between folders.
        width: of the picture in pixels.
        height: likewise.
        shapes: in painting order.
        ignore_band: pixels nearer than this to a border between two classes become 255 (0: none).
        author: who drew it.
        revision: counts the times it was saved, so that nobody overwrites what he has not seen.
        done: the annotator says it is finished.
        attributes: anything else, text to text.

    Raises:
        InputError: a name that leaves its folder, an impossible size, one instance in two classes.
    """

    image: str
    width: int
    height: int
    shapes: tuple[Shape, ...] = ()
    ignore_band: int = 0
    author: str = ""
    revision: int = 0
    done: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_image_name(self.image)
        object.__setattr__(self, "shapes", tuple(self.shapes))
        _check_integer(f"{self.image}: width", self.width, 1, MAX_SIDE)
        _check_integer(f"{self.image}: height", self.height, 1, MAX_SIDE)
        if self.width * self.height > MAX_PIXELS:
            raise InputError(
                f"{self.image}: {self.width}x{self.height} is above the limit of {MAX_PIXELS} pixels; crop it"
            )
        _check_integer(f"{self.image}: ignore band", self.ignore_band, 0, MAX_BAND)
        _check_integer(f"{self.image}: revision", self.revision, 0, 2**53)
        check_text(f"{self.image}: author", self.author)
        check_attributes(self.attributes)
        classes: dict[int, int] = {}
        for shape in self.shapes:
            if shape.instance is not None and classes.setdefault(shape.instance, shape.class_id) != shape.class_id:
                raise InputError(
                    f"{self.image}: instance {shape.instance} has shapes of the classes {classes[shape.instance]} and "
                    f"{shape.class_id}; give the objects different instance numbers"
                )

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width

    @property
    def stem(self) -> str:
        """The picture's name without suffix, with its sub-folder."""
        return stem_of(self.image)


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """The documents of a set of pictures, and the classes their ids mean.

    Raises:
        InputError: two documents of one name, a class id outside the label set, a class name used twice.
    """

    label_set: LabelSet
    documents: tuple[Document, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "documents", tuple(self.documents))
        check_classes(self.label_set)
        seen: dict[str, str] = {}
        for document in self.documents:
            if document.stem in seen:
                raise InputError(f"{document.image} and {seen[document.stem]} share a name; keep one of them")
            seen[document.stem] = document.image
            check_class_ids(document, self.label_set)

    def name_of(self, class_id: int) -> str:
        """The name of a class id; "ignore" for 255."""
        return IGNORE_NAME if class_id == IGNORE else self.label_set.classes[class_id]


def rename_classes(annotations: Annotations, label_set: LabelSet) -> Annotations:
    """The same shapes with the ids of another label set, matched by class name (`segmif.data.annotations.class_id`).

    Raises:
        InputError: a class that is drawn has no counterpart in `label_set`.
    """
    old = annotations.label_set
    table = {IGNORE: IGNORE}
    for identity, name in enumerate(old.classes):
        found = label_set.classes.index(name) if name in label_set.classes else class_id(name, label_set)
        if found is not None:
            table[identity] = found
    for document in annotations.documents:
        for shape in document.shapes:
            if shape.class_id not in table:
                error = unknown("class", old.classes[shape.class_id], label_set.classes)
                raise InputError(
                    f"{document.image}: {error}; rename it, or leave out --labels to keep the file's classes"
                )
    documents = (
        replace(document, shapes=tuple(replace(s, class_id=table[s.class_id]) for s in document.shapes))
        for document in annotations.documents
    )
    return Annotations(label_set=label_set, documents=tuple(documents))


def stem_of(image: str) -> str:
    """A picture's name without suffix, with its sub-folder.

    >>> stem_of("night/0007.final.png")
    'night/0007.final'
    """
    return PurePosixPath(image).with_suffix("").as_posix()


def check_image_name(name: object) -> str:
    """The name, if it is one of a file inside its folder; an `InputError` otherwise."""
    if not isinstance(name, str) or not name or _BAD_NAME.search(name):
        raise InputError(f"picture name {name!r} is refused: it must name a file inside its folder, without .. or \\")
    return check_text("picture name", name)


def check_text(what: str, text: object) -> str:
    """The text, if every format can hold it: no control characters, no half characters."""
    if not isinstance(text, str):
        raise InputError(f"{what} must be text, got {type(text).__name__}; put it in quotes")
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs") or ord(character) & 0xFFFE == 0xFFFE:
            raise InputError(f"{what} {text!r} holds the unprintable character {character!r}; remove it")
    return text


def check_attributes(attributes: Mapping[str, str]) -> None:
    """Raise `InputError` unless all are text."""
    if not isinstance(attributes, Mapping):
        raise InputError(f"attributes must be names and texts, got {type(attributes).__name__}")
    for name, value in attributes.items():
        check_text("attribute name", name)
        check_text(f"attribute {name!r}", value)


def check_classes(label_set: LabelSet) -> None:
    """Raise `InputError` unless class names are distinct, not empty, not "ignore" and can be written everywhere."""
    for name in label_set.classes:
        check_text("class name", name)
        if not name or name != name.strip() or name == IGNORE_NAME:
            raise InputError(
                f"class name {name!r} is refused: it is empty, has spaces around it or means 255; rename it"
            )
    if len(set(label_set.classes)) < len(label_set) or len(label_set) > IGNORE:
        raise InputError(
            f"label set {label_set.name!r} names a class twice or has more than 255; give each its own name"
        )


def check_class_ids(document: Document, label_set: LabelSet) -> None:
    """Raise `InputError` for a shape whose class is neither in the label set nor 255."""
    for number, shape in enumerate(document.shapes, 1):
        if shape.class_id >= len(label_set) and shape.class_id != IGNORE:
            raise InputError(
                f"{document.image}: shape {number} has class {shape.class_id}, expected 0..{len(label_set) - 1} of "
                f"{label_set.name} or 255; choose the label set it was drawn with"
            )


def _check_integer(what: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"{what} is {value!r}: it must be a whole number from {low} to {high}")


def _ring(points: Iterable[Sequence[float]]) -> Ring:
    try:
        ring = tuple((_coordinate(x), _coordinate(y)) for x, y in points)
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"a polygon's points must be pairs of numbers ({error}); draw it again") from error
    if len(ring) < 3:
        raise InputError(f"a polygon needs at least 3 points, got {len(ring)}; remove it or draw it again")
    return ring


def _coordinate(value: float) -> float:
    number = float(value)
    if not math.isfinite(number) or abs(number) > MAX_COORDINATE:
        raise InputError(f"the coordinate {value!r} is not a number of pixels; draw the polygon again")
    return round(number, _DECIMALS) + 0.0  # + 0.0 makes -0.0 a plain zero
