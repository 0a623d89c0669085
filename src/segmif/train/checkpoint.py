"""Checkpoints: whole or not there, the last two kept, loaded without running any code from the file."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch

from segmif.checks import InputError
from segmif.io import atomic_path

KEEP = 2
"""Checkpoints kept: the newest, and the one before it should the newest be damaged."""

_PATTERN = "checkpoint-*.pt"


def save_checkpoint(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Write ``checkpoint-<step>.pt`` (a killed run leaves no half file) and drop all but the last two.

    Args:
        folder: of the run.
        step: counted over all phases.
        state: tensors and plain values only.

    Raises:
        InputError: the folder cannot be written or the disk is full.
    """
    path = checkpoint_path(folder, step)
    with atomic_path(path) as temporary:
        try:
            with temporary.open("wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
        except RuntimeError as error:  # the archive writer hides the cause of a failed write
            raise _write_failed(path, error) from error
    for old in checkpoints(folder)[:-KEEP]:
        old.unlink(missing_ok=True)
    return path


def _write_failed(path: Path, error: RuntimeError) -> InputError:
    free = shutil.disk_usage(path.parent).free / 2**20
    reason = str(error).splitlines()[0]
    return InputError(
        f"{path}: cannot be written ({reason}; {free:.0f} MiB are free); free space, then run again with --resume"
    )


def checkpoint_path(folder: Path, step: int) -> Path:
    """Where the checkpoint after so many steps is written."""
    return folder / f"checkpoint-{step:08d}.pt"


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted(folder.glob(_PATTERN))


def load_checkpoint(folder: Path) -> dict[str, Any]:
    """The newest readable checkpoint of a run, on the CPU.

    Raises:
        InputError: there is none, or none can be read.
    """
    found = checkpoints(folder)
    if not found:
        raise InputError(f"{folder}: holds no checkpoint to resume from; leave --resume out to start anew")
    problems = []
    for path in reversed(found):
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            return state
        except Exception as error:
            problems.append(f"{path.name}: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
    raise InputError(f"{folder}: no checkpoint can be read ({'; '.join(problems)}); start anew without --resume")


def check_same_recipe(saved: dict[str, Any], current: dict[str, Any], *, free: frozenset[str]) -> None:
    """Raise `InputError` unless a checkpoint's recipe is the current one, but for the dotted names in `free`."""
    before, now = flatten(saved), flatten(current)
    changed = sorted(
        name
        for name in before.keys() | now.keys()
        if before.get(name) != now.get(name) and not any(name == f or name.startswith(f + ".") for f in free)
    )
    if changed:
        first = changed[0]
        raise InputError(
            f"the checkpoint was made by another recipe: {first} was {json.dumps(before.get(first))}, now "
            f"{json.dumps(now.get(first))}"
            + (f" (and {len(changed) - 1} more differ)" if len(changed) > 1 else "")
            + "; resume with the settings in the run's recipe.json, or use another output folder"
        )


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested dicts and lists as one dict with dotted names.

    >>> flatten({"a": {"b": 1}, "c": [2, 3]})
    {'a.b': 1, 'c.0': 2, 'c.1': 3}
    """
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    else:
        return {prefix: value}
    found: dict[str, Any] = {}
    for key, inner in items:
        found.update(flatten(inner, f"{prefix}.{key}" if prefix else str(key)))
    return found
