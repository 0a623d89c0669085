"""A small language of paths: which files belong to a data set, and what their samples are called.

A pattern is a path below a root with these signs: ``*`` stands for (part of) the sample's name, ``**/`` for any number
of folders, ``{any}`` for text that is not part of the name. A pattern without a suffix takes every picture format.
Upper and lower case are the same, hidden files are passed over, links to folders are not followed.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from segmif.io import is_image


def matches(root: Path, pattern: str) -> Iterator[tuple[str, Path]]:
    """(sample name, file) of every file below `root` that fits the pattern, in order of paths."""
    base = folder_of(root, pattern)
    if base is None:
        return
    _, rest = _literal_prefix(pattern)
    regex, any_picture = _regex(rest)
    depth = rest.count("/") if "**" not in rest else None
    for path in sorted(walk(base, depth)):
        relative = path.relative_to(base).as_posix()
        if any_picture:
            if not is_image(path):
                continue
            relative = relative[: -len(path.suffix)]
        match = regex.fullmatch(relative)
        if match:
            yield "/".join(group.strip("/") for group in match.groups() if group), path


def _literal_prefix(pattern: str) -> tuple[str, str]:
    """Leading folders without signs, and the rest."""
    parts = pattern.split("/")
    count = next(i for i, part in enumerate(parts) if "*" in part or "{any}" in part or i == len(parts) - 1)
    return "/".join(parts[:count]), "/".join(parts[count:])


@functools.lru_cache(maxsize=256)
def _regex(rest: str) -> tuple[re.Pattern[str], bool]:
    """Regular expression with one group per star, and whether the pattern leaves the suffix open."""
    any_picture = "." not in rest.rpartition("/")[2]
    pieces = {"**/": "((?:[^/]+/)*)", "*": "([^/]+?)", "{any}": "[^/]*"}
    expression = "".join(pieces.get(token) or re.escape(token) for token in re.split(r"(\*\*/|\*|\{any\})", rest))
    return re.compile(expression, re.IGNORECASE), any_picture


def walk(base: Path, depth: int | None) -> Iterator[Path]:
    """Files below `base`, at most `depth` folders down; hidden names and links to folders are passed over."""
    for current, folders, files in os.walk(base, followlinks=False):
        level = len(Path(current).relative_to(base).parts)
        folders[:] = [n for n in folders if not n.startswith(".")] if depth is None or level < depth else []
        yield from (Path(current) / name for name in files if not name.startswith("."))


def folder_of(root: Path, pattern: str) -> Path | None:
    """The folder that the leading plain part of a pattern names, if it is there."""
    literal, _ = _literal_prefix(pattern)
    folder = find(root, literal)
    return folder if folder is not None and folder.is_dir() else None


def find(root: Path, relative: str) -> Path | None:
    """The path below `root`, each part matched exactly or else without regard to case."""
    current = root
    for part in (p for p in relative.split("/") if p):
        exact = current / part
        if not exact.exists():
            names = _names(current)
            exact = next((current / name for name in names if name.lower() == part.lower()), exact)
        if not exact.exists():
            return None
        current = exact
    return current


def _names(folder: Path) -> Iterable[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 (names suffice)
    except OSError:
        return []
