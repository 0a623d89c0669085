"""A folder of pairs being annotated: which pictures there are, and their documents on disk, none ever lost."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from segmif.checks import InputError
from segmif.data.patterns import find
from segmif.io import make_output_folder, read_bytes, read_image, write_bytes
from segmif.labelsets import LabelSet
from segmif.pairing import Pair, Pairing, pair_by_stem
from segmif.rig.annotation import native
from segmif.rig.annotation.document import Annotations, Document, check_class_ids

_BANDS = (
    ("registered/infrared", "visible"), ("infrared", "visible"), ("ir", "vis"), ("ir", "vi"), ("ir", "rgb"),
    ("thermal", "visible"),
)  # fmt: skip
"""Names of the two folders, in any case; what `segmif rig register` laid on the visible pictures goes first."""
_NAMED = 5


class StaleError(Exception):
    """Somebody saved in the meantime; `current` is what lies on disk."""

    def __init__(self, current: Document) -> None:
        super().__init__(f"{current.image} was saved by {current.author or 'somebody'} in the meantime")
        self.current = current


class Workspace:
    """Pairs and their documents.

    Args:
        root: a folder with the folders infrared and visible (or Infrared and Visible, ir and vis, …).
        folder: where the documents lie, NAME.json each; ``root/annotations`` by default, made if need be.
        label_set: classes of documents that do not exist yet; those that exist must have the same.
        author: written into every document that is saved.

    Raises:
        InputError: no pairs, or a folder that cannot be written.
    """

    def __init__(self, root: Path, *, folder: Path | None = None, label_set: LabelSet, author: str = "") -> None:
        self.root, self.label_set, self.author = root, label_set, author
        self.pairing = find_pairs(root)
        self.pairs: dict[str, Pair] = {pair.name: pair for pair in self.pairing.pairs}
        self.folder = make_output_folder(folder or root / "annotations")
        self._lock = threading.Lock()
        self._sizes: dict[str, tuple[int, int]] = {}

    def pair(self, name: str) -> Pair:
        """The pair of that name.

        Raises:
            InputError: no such pair; nothing but these names ever becomes a path.
        """
        if name not in self.pairs:
            raise InputError(f"there is no pair {name[:80]!r} in {self.root}; choose one of the list")
        return self.pairs[name]

    def load(self, name: str) -> Document:
        """The document of a pair; an empty one of revision 0 where there is none.

        Raises:
            InputError: no such pair, or a file that is damaged or of other classes.
        """
        path = self._path(name)
        if path.is_file():
            return self._read(path, name)
        height, width = self._size(name)
        return Document(image=self._image(name), width=width, height=height)

    def save(self, name: str, document: Document) -> Document:
        """Write a document whose `revision` is the one it was loaded with; the new one, its revision one higher.

        Raises:
            StaleError: the file on disk is newer, or older, than what was loaded.
            InputError: of another picture, unknown classes, or a disk that refuses; nothing is changed then.
        """
        with self._lock:
            current = self.load(name)
            if (document.image, document.size) != (current.image, current.size):
                raise InputError(
                    f"{document.image} {document.size} is not {current.image} {current.size}; load it again"
                )
            if document.revision != current.revision:
                raise StaleError(current)
            check_class_ids(document, self.label_set)
            saved = replace(document, revision=document.revision + 1, author=self.author or document.author)
            write_bytes(self._path(name), native.encode_document(saved, self.label_set))
            return saved

    def progress(self) -> list[tuple[str, Document | None]]:
        """Every name with its document, or None where nothing was drawn yet; damaged files count as nothing."""
        return [(name, self._glance(name)) for name in self.pairs]

    def annotations(self) -> Annotations:
        """All documents that exist."""
        drawn = (self.load(name) for name in self.pairs if self._path(name).is_file())
        return Annotations(label_set=self.label_set, documents=tuple(drawn))

    def _glance(self, name: str) -> Document | None:
        try:
            return self.load(name) if self._path(name).is_file() else None
        except InputError:
            return None

    def _read(self, path: Path, name: str) -> Document:
        document, label_set = native.decode_document(read_bytes(path), str(path))
        if label_set != self.label_set:
            raise InputError(
                f"{path}: was drawn with the classes of {label_set.name}, not of {self.label_set.name}; "
                "choose them with --labels, or another folder with --annotations"
            )
        if document.stem != name:
            raise InputError(f"{path}: is of {document.image}; name the file like its picture")
        return document

    def _path(self, name: str) -> Path:
        return self.folder / f"{self.pair(name).name}.json"

    def _image(self, name: str) -> str:
        pair = self.pair(name)
        return name + pair.visible.suffix

    def _size(self, name: str) -> tuple[int, int]:
        if name not in self._sizes:
            height, width = read_image(self.pair(name).visible).shape[:2]
            self._sizes[name] = height, width
        return self._sizes[name]


def find_pairs(root: Path) -> Pairing:
    """The pairs below a folder that holds one folder for each band.

    Raises:
        InputError: no such folders in it, or no pairs.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; check the path")
    for names in _BANDS:
        infrared, visible = (find(root, name) for name in names)
        if infrared is not None and visible is not None and infrared.is_dir() and visible.is_dir():
            return pair_by_stem(infrared, visible, recursive=True)
    found = sorted(path.name for path in root.iterdir() if path.is_dir())
    shown = ", ".join(found[:_NAMED]) + (f" and {len(found) - _NAMED} more" if len(found) > _NAMED else "")
    raise InputError(
        f"{root}: needs two folders, infrared and visible (or ir and vis), of pictures that share their names; "
        f"it holds {f'the folders {shown}' if found else 'no folder'}: rename them, or give the folder above"
    )
