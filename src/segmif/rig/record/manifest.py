"""The manifest: one JSON line per pair, appended and synced, so that a power cut costs at most the pair being written.

A line is written only after its pictures are safely on disk. After a crash the file may end in a torn line, which is
cut off, and there may be pictures no line speaks of, which are removed; nothing else can be wrong.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from segmif.checks import InputError, require_extra
from segmif.io import atomic_path

MANIFEST = "manifest.jsonl"
FILES: tuple[str, ...] = ("infrared", "visible", "display")
"""Keys of a record that name files below the recording's folder; `display` may be null."""

Record = dict[str, Any]


def read_manifest(path: Path) -> tuple[list[Record], int]:
    """All whole records, and the length in bytes of the part that holds them; a torn last line is left out.

    Raises:
        InputError: a line before the last is no record.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    records: list[Record] = []
    length = 0
    lines = data.splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line) if line.endswith(b"\n") else None
        except ValueError:
            record = None
        if not isinstance(record, dict) or not {"name", "infrared", "visible"} <= record.keys():
            if number == len(lines):
                break
            raise InputError(f"{path}: line {number} is no record of a pair; restore the file or start a new recording")
        records.append(record)
        length += len(line)
    return records, length


class Manifest:
    """The manifest of a recording, open for appending; no second recorder can open it meanwhile.

    Args:
        folder: of the recording.
        resume: go on with what is there; otherwise a manifest that holds pairs is refused.

    Attributes:
        records: what it held when it was opened; `new`: there was none.
        length: of the file in bytes.

    Raises:
        InputError: it holds pairs and `resume` is not asked, is damaged, or is in use.
    """

    def __init__(self, folder: Path, *, resume: bool) -> None:
        self.path = folder / MANIFEST
        self.records, length = read_manifest(self.path)
        self.new = not self.path.exists()
        if self.new:
            _refuse_strangers(folder)
        if self.records and not resume:
            raise InputError(
                f"{folder}: already holds a recording of {len(self.records)} pairs; go on with --resume, "
                "or choose another folder"
            )
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror}); choose another folder") from error
        self._lock()
        os.ftruncate(self._file, length)
        self.length = length
        sync_folder(folder)

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # pragma: no cover (Windows)
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise InputError(
                f"{self.path}: another recording is writing it; stop that one or choose another folder"
            ) from error

    def append(self, record: Record) -> None:
        """Write a record so that it survives a power cut; on failure the file is as before."""
        line = (json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n").encode()
        try:
            written = os.pwrite(self._file, line, self.length)
            if written != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file)
            self.length += len(line)
        except BaseException:
            os.ftruncate(self._file, self.length)
            raise

    def close(self) -> None:
        """Let others write it."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _refuse_strangers(folder: Path) -> None:
    for key in FILES:
        place = folder / folder_of(key)
        if place.is_dir() and any(place.iterdir()):
            raise InputError(
                f"{place}: holds files but there is no {MANIFEST}; choose another folder for the recording"
            )


def sync_folder(folder: Path) -> None:
    """Make the names of new files in `folder` survive a power cut."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # pragma: no cover (Windows opens no folders)
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def checksum(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def verify(folder: Path) -> list[str]:
    """What is wrong with a recording, one line each: missing files, and files that differ from their checksum.

    Raises:
        InputError: there is no recording.
    """
    records, _ = read_manifest(folder / MANIFEST)
    if not records:
        raise InputError(f"{folder}: holds no recording; give the folder that 'segmif rig record' wrote")
    wrong = []
    for record in records:
        for key in FILES:
            if record.get(key) is None:
                continue
            try:
                data = (folder / record[key]).read_bytes()
            except OSError as error:
                wrong.append(f"{record[key]}: {error.strerror}")
                continue
            if checksum(data) != record[f"{key}_sha256"]:
                wrong.append(f"{record[key]}: differs from its checksum")
    return wrong


def folder_of(key: str) -> str:
    """The folder for the files of a key of `FILES`: Infrared, Visible or Display."""
    return key.capitalize()


def export_parquet(records: Iterable[Record], path: Path) -> None:
    """Write records as a Parquet table with one column per key.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    arrow = require_extra("pyarrow", "ray")
    parquet = require_extra("pyarrow.parquet", "ray")
    with atomic_path(path) as temporary:
        parquet.write_table(arrow.Table.from_pylist(list(records)), temporary)
