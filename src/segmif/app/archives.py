"""Zip files of strangers: their pairs, read member by member in memory and never unpacked into a folder."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from segmif.app.security import MEGABYTE, Refusal
from segmif.app.uploads import safe_stem
from segmif.io import IMAGE_SUFFIXES
from segmif.pairing import natural_key

_BANDS = {
    "infrared": ("infrared", "ir", "thermal", "lwir", "fir", "inf"),
    "visible": ("visible", "vis", "vi", "rgb", "color", "colour", "tv"),
}
_FOLDERS = {name: band for band, names in _BANDS.items() for name in names}
_SUFFIX = re.compile(rf"^(.+)[_\-. ]({'|'.join(_FOLDERS)})$", re.IGNORECASE)

_END, _ZIP64_LOCATOR = b"PK\x05\x06", b"PK\x06\x07"
_END_SIZE, _LOCATOR_SIZE, _LONGEST_COMMENT = 22, 20, 65535
_DIRECTORY_BYTES_PER_FILE = 600
"""A generous share of an archive's directory for one file: names are of at most a few hundred bytes."""


@dataclass(frozen=True, kw_only=True)
class ArchiveLimits:
    """How much an archive may hold."""

    pairs: int = 200
    unpacked: int = 2000 * MEGABYTE
    member: int = 64 * MEGABYTE
    ratio: int = 200
    """Largest factor of unpacking; pictures, being packed already, hardly reach 10."""


@dataclass(frozen=True, kw_only=True)
class ArchivePair:
    """Two members of an archive; `name` is the harmless name of the results."""

    name: str
    infrared: zipfile.ZipInfo
    visible: zipfile.ZipInfo


class PairArchive:
    """The pairs of a zip file: ``infrared/NAME.png`` with ``visible/NAME.png``, or ``NAME_ir`` with ``NAME_vis``.

    Attributes:
        pairs: in natural order of their names.
        ignored: how many pictures have no partner.

    Raises:
        Refusal: 400 not a zip, encrypted, unsafe names or no pairs; 413 above a limit.
    """

    def __init__(self, path: Path, limits: ArchiveLimits) -> None:
        self._limits = limits
        _check_directory(path, limits)
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error, UnicodeDecodeError):
            raise Refusal(400, "the archive is damaged: make the zip again") from None
        try:
            self.pairs, self.ignored = self._find_pairs()
        except Refusal:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def read(self, member: zipfile.ZipInfo) -> bytes:
        """A member's bytes, never more than it declared.

        Raises:
            Refusal: it is damaged, or holds more than it declared.
        """
        try:
            with self._zip.open(member) as file:
                data = file.read(member.file_size + 1)
        except (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zlib.error):
            raise Refusal(400, f"{_shown(member.filename)}: is damaged in the archive; make the zip again") from None
        if len(data) != member.file_size:
            raise Refusal(400, f"{_shown(member.filename)}: holds more than it says; make the zip again")
        return data

    def _find_pairs(self) -> tuple[list[ArchivePair], int]:
        found: dict[str, dict[str, zipfile.ZipInfo]] = {"infrared": {}, "visible": {}}
        unpacked = 0
        for member in self._zip.infolist():
            unpacked += member.file_size
            self._check(member, unpacked)
            where = None if member.is_dir() else band_and_key(member.filename)
            if where is not None:
                found[where[0]].setdefault(where[1], member)
        infrared, visible = found["infrared"], found["visible"]
        keys = sorted(infrared.keys() & visible.keys(), key=natural_key)
        if not keys:
            raise Refusal(
                400,
                f"no pairs in the archive ({len(infrared)} infrared and {len(visible)} visible pictures found): "
                "put them into folders infrared/ and visible/ under the same names",
            )
        if len(keys) > self._limits.pairs:
            raise Refusal(413, f"{len(keys)} pairs are above the limit of {self._limits.pairs}: split the archive")
        names = _unique(safe_stem(key.replace("/", "_") + ".png") for key in keys)
        pairs = [
            ArchivePair(name=name, infrared=infrared[key], visible=visible[key])
            for name, key in zip(names, keys, strict=True)
        ]
        return pairs, len(infrared) + len(visible) - 2 * len(keys)

    def _check(self, member: zipfile.ZipInfo, unpacked: int) -> None:
        name, limits = member.filename, self._limits
        parts = name.replace("\\", "/").split("/")
        if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in member.orig_filename:
            raise Refusal(400, f"the archive holds an unsafe name ({_shown(name)}): make the zip from a plain folder")
        if member.flag_bits & 0x1:
            raise Refusal(400, "the archive is encrypted: make it without a password")
        if member.file_size > limits.member or unpacked > limits.unpacked:
            raise Refusal(413, f"the archive unpacks to more than {limits.unpacked / MEGABYTE:g} MB: split it")
        if member.file_size > MEGABYTE and member.file_size > limits.ratio * max(1, member.compress_size):
            raise Refusal(413, f"{_shown(name)}: unpacks to far more than it should; the archive is refused")


def _shown(name: str) -> str:
    return repr(name[:60])


def _check_directory(path: Path, limits: ArchiveLimits) -> None:
    """Refuse an archive whose directory is huge, before zipfile makes an object of every entry.

    The end record is looked for just as `zipfile` does; archives above 4 GB (zip64) are not taken.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = max(0, size - _END_SIZE - _LONGEST_COMMENT - _LOCATOR_SIZE)
        file.seek(start)
        tail = file.read()
    exact = tail[-_END_SIZE:]
    at = len(tail) - _END_SIZE if exact[:4] == _END and exact[-2:] == b"\0\0" else tail.rfind(_END)
    if at < 0 or len(tail) < at + _END_SIZE:
        raise Refusal(400, "is not a zip archive: send a .zip with folders infrared/ and visible/")
    count, directory = struct.unpack("<HI", tail[at + 10 : at + 16])
    allowed = 4 * limits.pairs + 100
    if tail[max(0, at - _LOCATOR_SIZE) : at].startswith(_ZIP64_LOCATOR) or count > allowed:
        raise Refusal(413, f"the archive has more than {allowed} entries: split it")
    if directory > allowed * _DIRECTORY_BYTES_PER_FILE:
        raise Refusal(413, "the archive's directory is too large: split it")


def _unique(names: Iterator[str]) -> list[str]:
    taken: dict[str, int] = {}
    unique = []
    for name in names:
        count = taken[name.lower()] = taken.get(name.lower(), 0) + 1
        unique.append(name if count == 1 else f"{name}_{count}")
    return unique


def band_and_key(name: str) -> tuple[str, str] | None:
    """The band of a member, by its folder or the end of its name, and what its partner shares with it.

    >>> band_and_key("day/IR/007.png"), band_and_key("007_vis.jpg"), band_and_key("readme.txt")
    (('infrared', 'day/007'), ('visible', '007'), None)
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if path.name.startswith(".") or "__MACOSX" in path.parts:
        return None
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        return None
    folders = list(path.parts[:-1])
    for index, folder in enumerate(folders):
        if folder.lower() in _FOLDERS:
            rest = [*folders[:index], *folders[index + 1 :], path.stem]
            return _FOLDERS[folder.lower()], "/".join(rest)
    match = _SUFFIX.match(path.stem)
    if match is None:
        return None
    return _FOLDERS[match[2].lower()], "/".join([*folders, match[1]])
