"""Which infrared file belongs to which visible file: pairing by stem, with a report of what has no partner."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from segmif.checks import InputError
from segmif.io import is_image


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One infrared and one visible file of the same scene; `name` is the stem, with sub-folder if any."""

    name: str
    infrared: Path
    visible: Path


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """The result of pairing two folders: pairs in natural order of their names, and what was left over."""

    pairs: list[Pair]
    only_infrared: list[Path] = field(default_factory=list)
    only_visible: list[Path] = field(default_factory=list)

    def summary(self) -> str:
        """One line: how many pairs, how many files without a partner, and the first of them."""
        text = f"{len(self.pairs)} pair{'s' * (len(self.pairs) != 1)}"
        for band, rest in (("infrared", self.only_infrared), ("visible", self.only_visible)):
            if rest:
                text += f"; {len(rest)} {band} without a partner (first: {rest[0].name})"
        return text


def list_images(folder: Path, *, recursive: bool = False, accept: Callable[[Path], bool] = is_image) -> dict[str, Path]:
    """Files of `folder` that `accept` takes, by stem (with sub-folder when recursive), hidden ones left out.

    Raises:
        InputError: no such folder, or two files with one stem.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; check the path")
    found: dict[str, Path] = {}
    for path in sorted(_walk(folder, recursive)):
        if not accept(path):
            continue
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise InputError(f"{path}: shares its name with {found[name].name}; keep one file per name")
        found[name] = path
    return found


def _walk(folder: Path, recursive: bool) -> Iterator[Path]:
    """Files below `folder`; links to folders are not followed, so a loop of links cannot trap us."""

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be listed ({error.strerror}); check its permissions") from error

    for root, folders, files in os.walk(folder, followlinks=False, onerror=refuse):
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        yield from (Path(root) / name for name in files)


def pair_by_stem(infrared: Path, visible: Path, *, recursive: bool = False) -> Pairing:
    """Pair the pictures of two folders by stem (``0007.png`` with ``0007.jpg``).

    Raises:
        InputError: a folder is missing, or not one stem is common to both.
    """
    left = list_images(infrared, recursive=recursive)
    right = list_images(visible, recursive=recursive)
    common = sorted(left.keys() & right.keys(), key=natural_key)
    if not common:
        raise InputError(
            f"no pairs: {infrared} holds {len(left)} pictures ({_examples(left)}) and {visible} holds "
            f"{len(right)} ({_examples(right)}), no name in common; pairs must share their file name"
        )
    return Pairing(
        pairs=[Pair(name=name, infrared=left[name], visible=right[name]) for name in common],
        only_infrared=[left[name] for name in sorted(left.keys() - right.keys(), key=natural_key)],
        only_visible=[right[name] for name in sorted(right.keys() - left.keys(), key=natural_key)],
    )


def _examples(files: dict[str, Path]) -> str:
    return ", ".join([*list(files)[:2], "…"]) if files else "none"


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key under which ``frame10`` follows ``frame9``; no two names share a key.

    >>> sorted(["f10b", "f10a", "f9", "f"], key=natural_key)
    ['f', 'f9', 'f10a', 'f10b']
    """
    parts = [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]
    return [*parts, (-1, 0, name)]
