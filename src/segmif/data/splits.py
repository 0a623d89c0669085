"""Splits: reading the lists data sets come with, and making new ones that do not leak."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from segmif.checks import InputError
from segmif.data.problems import Problem
from segmif.io import read_bytes


def read_split_file(path: Path, split: str, known: Collection[str]) -> tuple[list[str], list[Problem]]:
    """The sample names a list file gives to `split`, in its order.

    Text files hold one sample per line: a name, a file name or a path (further columns, blank lines and lines that
    begin with ``#`` are passed over). YAML files hold ``train: [2, 5, …]``, numbers meaning names with leading zeros.

    Returns:
        Names that are in `known`, and a problem for each line that is not or that repeats an earlier one.
    """
    problems: list[Problem] = []
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except (InputError, UnicodeDecodeError) as error:
        message = str(error).removeprefix(f"{path}: ")
        return [], [Problem(kind="split-file", where=str(path), message=f"{message}; expected one name per line")]
    lines = _yaml_entries(text, split) if path.suffix.lower() in (".yaml", ".yml") else _text_entries(text)
    lookup = {name.lower(): name for name in known}
    numbers = {int(name): name for name in known if name.isdecimal()}
    names: dict[str, None] = {}
    for number, entry in lines:
        where = f"{path}:{number}"
        name = _resolve(entry, lookup, numbers)
        if name is None:
            problems.append(
                Problem(kind="split-file", where=where, message=f"names {entry!r}, which is not among the pairs")
            )
        elif name in names:
            problems.append(
                Problem(kind="split-file", where=where, message=f"names {entry!r} a second time", severity="warning")
            )
        else:
            names[name] = None
    return list(names), problems


def _text_entries(text: str) -> list[tuple[int, str]]:
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def _yaml_entries(text: str, split: str) -> list[tuple[int, str]]:
    """Entries of one top-level key, in flow (``[1, 2]``) or block (``- 1``) style."""
    match = re.search(rf"^{re.escape(split)}\s*:(.*?)(?=^\S+\s*:|\Z)", text, re.MULTILINE | re.DOTALL)
    if match is None:
        return []
    line = text.count("\n", 0, match.start()) + 1
    return [(line, entry) for entry in re.findall(r"[^\s,\[\]'\"]+", re.sub(r"^\s*-", "", match[1], flags=re.M))]


def _resolve(entry: str, lookup: dict[str, str], numbers: dict[int, str]) -> str | None:
    """The sample an entry means: the whole line, else its first column; as it is, without suffix, or its stem."""
    for text in (entry, entry.split()[0]):
        path = PurePosixPath(text.replace("\\", "/"))
        for candidate in (text, path.with_suffix("").as_posix(), path.stem):
            if candidate.lower() in lookup:
                return lookup[candidate.lower()]
        if text.isdecimal() and int(text) in numbers:
            return numbers[int(text)]
    return None
