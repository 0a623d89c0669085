"""Annotation files from strangers: folders and zips in, JSON and XML out of them, without trusting any of it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from segmif.checks import InputError
from segmif.io import make_output_folder, read_bytes, write_bytes
from segmif.pairing import natural_key
from segmif.rig.annotation.document import check_image_name

MAX_FILE_BYTES = 256 * 2**20
"""A single annotation file above this is refused; in a zip it is more often a bomb than a data set."""
MAX_FILES = 200_000
_SUFFIXES = (".json", ".xml", ".png", ".txt")
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)

Files = Mapping[str, bytes]
"""Names with ``/`` between folders, and what is in them."""


class _Lazy(Files):
    """Files that are read when asked for: a data set's pictures stay on disk."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self.names = names

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.names, key=natural_key))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, name: str) -> bytes:
        return bytes(self.names[name]())


def open_files(path: Path) -> Files:
    """The annotation files (.json, .xml, .png, .txt) of a folder or a zip, or the one file itself.

    Raises:
        InputError: nothing there, a broken or oversized zip, names that lead out of it.
    """
    if path.is_dir():
        found = {}
        for file in path.rglob("*"):
            if file.suffix.lower() in _SUFFIXES and not file.name.startswith(".") and not file.is_symlink():
                found[file.relative_to(path).as_posix()] = _reader(file)
        if not found:
            raise InputError(f"{path}: holds no annotation files ({', '.join(_SUFFIXES)}); check the path")
        return _Lazy(found)
    if not path.exists():
        raise InputError(f"{path}: no such folder or file; check the path")
    if path.suffix.lower() == ".zip":
        return _open_zip(path)
    return _Lazy({path.name: _reader(path)})


def _reader(file: Path) -> Any:
    def read() -> bytes:
        if file.is_file() and file.stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"{file}: is larger than {MAX_FILE_BYTES >> 20} MiB; split the export")
        return read_bytes(file)

    return read


def _open_zip(path: Path) -> Files:
    try:
        archive = zipfile.ZipFile(io.BytesIO(read_bytes(path)))
    except zipfile.BadZipFile as error:
        raise InputError(f"{path}: is not a zip file ({error}); download it again") from error
    found: dict[str, Any] = {}
    if len(archive.infolist()) > MAX_FILES:
        raise InputError(f"{path}: holds more than {MAX_FILES} files; split the export")
    for entry in archive.infolist():
        if entry.is_dir():
            continue
        try:
            check_image_name(entry.filename)
        except InputError:
            raise InputError(f"{path}: the name {entry.filename!r} leads out of the archive; refused") from None
        if Path(entry.filename).suffix.lower() in _SUFFIXES:
            found[entry.filename] = _unpacker(path, archive, entry)
    return _Lazy(found)


def _unpacker(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Any:
    def read() -> bytes:
        try:
            with archive.open(entry) as file:
                data = file.read(MAX_FILE_BYTES + 1)  # the size an archive states may be a lie
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError, ValueError) as error:
            raise InputError(f"{path}: {entry.filename} cannot be unpacked ({error}); make the zip again") from error
        except Exception as error:  # zlib.error and its like share no base class
            raise InputError(f"{path}: {entry.filename} is damaged ({error}); make the zip again") from error
        if len(data) > MAX_FILE_BYTES:
            raise InputError(f"{path}: {entry.filename} unpacks to more than {MAX_FILE_BYTES >> 20} MiB; refused")
        return data

    return read


def write_files(path: Path, files: Files) -> None:
    """Write to a folder, to a .zip (the same bytes every time), or a single file to the path itself.

    Raises:
        InputError: several files and a path that names one, or a disk that refuses.
    """
    suffix = path.suffix.lower()
    if suffix == ".zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), data, zipfile.ZIP_DEFLATED)
        write_bytes(path, buffer.getvalue())
        return
    main = [name for name in files if Path(name).suffix.lower() == suffix]
    if suffix in _SUFFIXES and not path.is_dir():
        if len(files) != 1 or not main:
            raise InputError(f"{path}: this format writes {len(files)} files; give a folder or a .zip instead")
        write_bytes(path, files[main[0]])
        return
    make_output_folder(path)
    for name, data in files.items():
        write_bytes(path / name, data)


def parse_json(data: bytes, where: str) -> Any:
    """JSON, or an `InputError` that names the file; NaN and infinity are refused."""
    try:
        return json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: is not JSON ({error}); export it again") from error


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def dump_json(value: object) -> bytes:
    """Compact enough to be small, spaced enough to be read; keys in the order given."""
    return (json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode()


def parse_xml(data: bytes, where: str) -> ElementTree.Element:
    """The root of an XML document without DTD, so without entities that grow or that read other files.

    Raises:
        InputError: it is not XML, or has a DTD.
    """
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise InputError(f"{where}: has a DTD (<!DOCTYPE …>), which may hold hostile entities; remove it")

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data, True)
        return builder.close()
    except (expat.ExpatError, ValueError, LookupError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{where}: is not XML ({error}); export it again") from error


def dump_xml(root: ElementTree.Element) -> bytes:
    """Indented UTF-8 with a declaration."""
    ElementTree.indent(root, " ")
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


class Fields:
    """One JSON object, asked for its members by type: what is missing or wrong becomes one line with its place."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise InputError(f"{where}: expected an object, found {type(value).__name__}; export it again")
        self.value: dict[str, Any] = value
        self.where = where

    def get(self, key: str, kind: type | tuple[type, ...], default: Any = ...) -> Any:
        """The member `key`; `default` where it is missing or null and a default is given."""
        value = self.value.get(key)
        if value is None and default is not ...:
            return default
        wanted = kind if isinstance(kind, tuple) else (kind,)
        if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
            names = " or ".join(k.__name__ for k in wanted)
            raise InputError(f"{self.where}: {key!r} must be {names}, found {value!r:.60}; export it again")
        return value

    def number(self, key: str) -> int:
        """A whole number, also where it is written as 640.0."""
        value = self.get(key, (int, float))
        if value != value or int(value) != value:
            raise InputError(f"{self.where}: {key!r} must be a whole number, found {value!r}; export it again")
        return int(value)

    def object(self, key: str) -> Fields:
        """The object `key`, an empty one where it is missing."""
        return Fields(self.get(key, dict, {}), f"{self.where}, {key}")

    def objects(self, key: str) -> list[Fields]:
        """The list of objects `key`."""
        return [Fields(item, f"{self.where}, {key} {i}") for i, item in enumerate(self.get(key, list), 1)]
