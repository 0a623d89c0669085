"""Splits: reading the lists data sets come with, and making new ones that do not leak."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from segmif.checks import InputError, check_file_name
from segmif.data.problems import Problem
from segmif.io import read_bytes, write_text


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


def make_splits(
    groups: Sequence[Sequence[str]], fractions: Mapping[str, float], *, seed: int = 0
) -> dict[str, list[str]]:
    """Divide groups of samples so that no group is torn and each split has about its fraction of the samples.

    Groups are taken in an order that follows from a hash of their names and `seed`, large ones first; each goes to the
    split that lacks most. Adding samples elsewhere hardly moves the others.

    Args:
        groups: samples that must stay together, see `segmif.data.likeness.groups_of`.
        fractions: wanted part of each split; they must add up to 1.
        seed: another number gives another division.

    Raises:
        InputError: fractions that are negative or do not add up to 1, or fewer groups than splits.

    >>> make_splits([["a", "b"], ["c"], ["d"]], {"train": 0.75, "val": 0.25})
    {'train': ['a', 'b', 'c'], 'val': ['d']}
    """
    if any(part <= 0 for part in fractions.values()) or abs(sum(fractions.values()) - 1) > 1e-6:
        raise InputError(f"fractions {dict(fractions)} must be positive and add up to 1, e.g. train=0.8,val=0.2")
    if len(groups) < len(fractions):
        raise InputError(
            f"the pairs form {len(groups)} independent groups, too few for {len(fractions)} splits: where they are "
            "no frames of one drive, divide them --by hash (only look-alikes stay together), or lower --gap"
        )
    total = sum(len(group) for group in groups)
    splits: dict[str, list[str]] = {split: [] for split in fractions}
    ordered = sorted(groups, key=lambda group: (-len(group), _digest(group, seed)))
    for number, group in enumerate(ordered):
        empty = [split for split, members in splits.items() if not members]
        eligible = empty if len(ordered) - number <= len(empty) else list(splits)
        splits[max(eligible, key=lambda split: fractions[split] * total - len(splits[split]))] += group
    order = {name: number for number, name in enumerate(name for group in groups for name in group)}
    return {split: sorted(members, key=order.__getitem__) for split, members in splits.items()}


def _digest(group: Iterable[str], seed: int) -> str:
    return hashlib.blake2b(f"{seed}\0{min(group)}".encode(), digest_size=8).hexdigest()


def write_splits(folder: Path, splits: Mapping[str, Sequence[str]], *, overwrite: bool = False) -> list[Path]:
    """Write ``train.txt`` and so on, one name per line.

    Raises:
        InputError: a list is there already and `overwrite` is not set, or a split's name cannot be a file's.
    """
    for split in splits:
        check_file_name("split", split)
    paths = [folder / f"{split}.txt" for split in splits]
    there = [path for path in paths if path.exists()]
    if there and not overwrite:
        raise InputError(f"{there[0]}: is there already; write elsewhere with --out, or replace it with --overwrite")
    for path, names in zip(paths, splits.values(), strict=True):
        write_text(path, "".join(f"{name}\n" for name in names))
    return paths
