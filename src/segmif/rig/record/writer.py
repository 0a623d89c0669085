"""Pairs to disk: raw infrared, display copy, visible; whole or not at all, within a budget."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from segmif.checks import InputError
from segmif.claims import remove_left_over
from segmif.io import Array, encode_image, make_output_folder, write_bytes
from segmif.rig.record.display import stretch
from segmif.rig.record.manifest import FILES, Manifest, Record, checksum, folder_of, sync_folder

_DIGITS = 6


class DiskFull(Exception):
    """There is no room for the next pair; `planned` if it is the budget the user set that is used up."""

    def __init__(self, message: str, *, planned: bool) -> None:
        super().__init__(message)
        self.planned = planned


@dataclass(frozen=True, kw_only=True)
class Formats:
    """How pairs are written.

    Attributes:
        infrared: ``.png`` or ``.tif``: without loss, 8 or 16 bits as the camera sent them.
        visible: ``.png``, or ``.jpg`` of quality 95.
        stretch: of the 8-bit display copy of infrared: percentile, clahe or none.
        prefix: of all file names.
    """

    infrared: str = ".png"
    visible: str = ".png"
    stretch: str = "percentile"
    prefix: str = ""

    def suffix(self, key: str) -> str:
        """Of the files of a key."""
        return {"infrared": self.infrared, "visible": self.visible, "display": ".png"}[key]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Limits of the disk in bytes.

    Attributes:
        most: all pairs of the recording together; None for no limit.
        keep_free: left free on the disk.
    """

    most: int | None = None
    keep_free: int = 500_000_000


class PairWriter:
    """Writes pairs into a recording's folders and its manifest.

    The order makes a crash harmless: pictures under temporary names, synced and renamed, then the folders synced,
    then the manifest's line. What an earlier run left behind without a line is removed on opening.

    Args:
        folder: of the recording.
        resume: go on with the recording that is there.
        free: bytes free on the disk of a path; for tests.

    Attributes:
        used: bytes of all pairs written, those of earlier runs included.
        count: number of pairs.

    Raises:
        InputError: see `Manifest`; or the folder cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        formats: Formats,
        budget: Budget,
        resume: bool,
        free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
    ) -> None:
        self.folder, self.formats, self.budget = make_output_folder(folder), formats, budget
        self.manifest = Manifest(folder, resume=resume)
        self._free = free
        self.earlier = self.manifest.records
        self._known = {_identity(record) for record in self.earlier if record.get("visible_stamp") is not None}
        self.count = len(self.earlier)
        self.used = sum(int(record.get("bytes", 0)) for record in self.earlier)
        self.keys = tuple(key for key in FILES if key != "display" or formats.stretch != "none")
        for key in self.keys:
            make_output_folder(folder / folder_of(key))
        self._number = max((_number(record["name"]) for record in self.earlier), default=0)
        self.removed = self._sweep()

    def _sweep(self) -> int:
        """Remove what a crash left: temporary files, and pictures of pairs the manifest does not know."""
        if self.manifest.new:  # whose pictures these are is not known: nothing is removed
            return 0
        known = {record["name"] for record in self.earlier}
        ours = re.compile(rf"{re.escape(self.formats.prefix)}\d{{{_DIGITS},}}")
        removed = 0
        for key in FILES:
            folder = self.folder / folder_of(key)
            for path in folder.iterdir() if folder.is_dir() else ():
                temporary = path.name.startswith(".") and ".tmp." in path.name
                orphan = ours.fullmatch(path.stem) is not None and path.stem not in known
                if temporary or (orphan and _number(path.stem) > self._number):
                    path.unlink()
                    removed += 1
        return removed + remove_left_over(self.folder)

    def missing(self) -> list[str]:
        """Files of earlier pairs that are gone or of another size than they were."""
        return [
            record[key]
            for record in self.earlier
            for key in FILES
            if record.get(key) and not _has_size(self.folder / record[key], record.get(f"{key}_bytes"))
        ]

    def write(self, infrared: Array, visible: Array, facts: Record) -> bool:
        """Write a pair; `facts` are added to its record.

        A pair of an earlier run, the same pictures with the same time stamps, is left as it is: recorded material is
        read from its beginning when a recording of it goes on.

        Returns:
            Whether it was written.

        Raises:
            DiskFull: there is no room; nothing of the pair is left.
            InputError: it cannot be written for another reason; nothing of the pair is left.
        """
        name = f"{self.formats.prefix}{self._number + 1:0{_DIGITS}d}"
        pictures = {"infrared": infrared, "visible": visible}
        if "display" in self.keys:
            pictures["display"] = stretch(infrared, self.formats.stretch)
        data = {key: encode_image(pictures[key], self.formats.suffix(key)) for key in self.keys}
        record: Record = {"name": name}
        for key in FILES:
            there = key in data
            record[key] = f"{folder_of(key)}/{name}{self.formats.suffix(key)}" if there else None
            record[f"{key}_bytes"] = len(data[key]) if there else None
            record[f"{key}_sha256"] = checksum(data[key]) if there else None
        size = sum(map(len, data.values()))
        record |= {"bytes": size, **facts}
        if _identity(record) in self._known:
            return False
        self._check_room(size)
        self._commit(record, data)
        self._count(record)
        return True

    def _count(self, record: Record) -> None:
        self._number += 1
        self.count += 1
        self.used += record["bytes"]

    def _check_room(self, size: int) -> None:
        if self.budget.most is not None and self.used + size > self.budget.most:
            raise DiskFull(f"the budget of {megabytes(self.budget.most)} (--max-disk) is used up", planned=True)
        free = self._free(self.folder)
        if free - size < self.budget.keep_free:
            raise DiskFull(
                f"{self.folder}: only {megabytes(free)} free on the disk, {megabytes(self.budget.keep_free)} are to "
                "stay free (--keep-free); free space and go on with --resume",
                planned=False,
            )

    def _commit(self, record: Record, data: dict[str, bytes]) -> None:
        written, before = [], self.manifest.length
        try:
            for key, content in data.items():
                path = self.folder / record[key]
                written.append(path)
                write_bytes(path, content)
            for key in data:
                sync_folder(self.folder / folder_of(key))
            self.manifest.append(record)
        except BaseException as error:
            if self.manifest.length > before:  # Ctrl-C came after the line was safe
                self._count(record)
                raise
            for path in written:
                path.unlink(missing_ok=True)
            cause = error if isinstance(error, OSError) else error.__cause__
            if isinstance(cause, OSError) and isinstance(error, (OSError, InputError)):
                raise DiskFull(
                    f"{self.folder}: cannot be written any more ({cause.strerror}); free space and go on with --resume",
                    planned=False,
                ) from error
            raise

    def left(self) -> int:
        """Bytes that may still be written."""
        room = self._free(self.folder) - self.budget.keep_free
        if self.budget.most is not None:
            room = min(room, self.budget.most - self.used)
        return max(0, room)

    def close(self) -> None:
        """Let others write the manifest."""
        self.manifest.close()


def _identity(record: Record) -> tuple[object, ...]:
    keys = ("infrared_stamp", "visible_stamp", "infrared_sha256", "visible_sha256")
    return tuple(record.get(key) for key in keys)


def _number(name: str) -> int:
    match = re.search(r"\d+$", name)
    return int(match[0]) if match else 0


def _has_size(path: Path, size: int | None) -> bool:
    try:
        return size is None or path.stat().st_size == size
    except OSError:
        return False


def megabytes(count: float) -> str:
    """
    >>> megabytes(20_500_000_000), megabytes(31_000_000), megabytes(4200)
    ('20.5 GB', '31 MB', '4 kB')
    """
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if count >= unit:
            return f"{count / unit:.{1 if count < 100e9 and unit == 1e9 else 0}f} {name}"
    return f"{count / 1e3:.0f} kB"
