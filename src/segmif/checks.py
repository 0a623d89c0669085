"""Errors and the questions we ask of input: one wording for every mistake a user can make.

Every message is one line and says *what* is wrong, *where*, and *how to mend it*.
The command line prints it and leaves with exit code 2; Python users catch `InputError`, a `ValueError`.
"""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Iterable
from types import ModuleType
from typing import Any

MIN_SIDE = 32
"""Smallest image side in pixels the networks accept: the encoder's last stage has stride 32."""


class InputError(ValueError):
    """A mistake in what the user gave us; the message is one line with the remedy."""


class InputWarning(UserWarning):
    """Something about the input the user should know, though we can go on."""


class MissingExtraError(InputError, ImportError):
    """An optional dependency is not installed; the message names the extra."""


def require_extra(module: str, extra: str) -> ModuleType:
    """Import `module`, or say which extra brings it.

    Args:
        module: dotted module name, e.g. ``"onnxruntime"``.
        extra: name of the extra in ``pip install 'segmif[extra]'``.

    Raises:
        MissingExtraError: `module` cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"this needs the package {module.partition('.')[0]!r}: pip install 'segmif[{extra}]' ({error})"
        ) from error


def unknown(kind: str, name: str, options: Iterable[str]) -> InputError:
    """The error for a name that is not among `options`, with a did-you-mean.

    >>> str(unknown("model", "segmif-b", ["segmif-b0", "segmif-lite"]))
    "unknown model 'segmif-b': did you mean 'segmif-b0'? (known: segmif-b0, segmif-lite)"
    """
    known = sorted(options)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" did you mean {close[0]!r}?" if close else ""
    return InputError(f"unknown {kind} {name!r}:{hint} (known: {', '.join(known)})")


_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def check_file_name(what: str, name: str) -> None:
    """Raise `InputError` unless `name` can be a file's name, or the beginning of one, on every system.

    >>> check_file_name("prefix", "lab-3_")
    >>> check_file_name("split", "a:b")
    Traceback (most recent call last):
    segmif.checks.InputError: split 'a:b' cannot be in a file's name on every system; use letters, digits, - and _
    """
    bad = any(sign in '<>:"/\\|?*' or ord(sign) < 32 for sign in name)
    if bad or name.startswith((".", " ")) or name.endswith((".", " ")) or _RESERVED.fullmatch(name):
        raise InputError(f"{what} {name!r} cannot be in a file's name on every system; use letters, digits, - and _")


def check_same_size(name: str, size: tuple[int, int], other_name: str, other_size: tuple[int, int]) -> None:
    """Raise `InputError` unless two (height, width) sizes are equal."""
    if size != other_size:
        raise InputError(
            f"{name} is {size[1]}x{size[0]} but {other_name} is {other_size[1]}x{other_size[0]}: "
            "both must have the same width x height; resize or register one of them first"
        )


def check_min_size(name: str, size: tuple[int, int], minimum: int = MIN_SIDE) -> None:
    """Raise `InputError` if a (height, width) size has a side below `minimum` pixels."""
    if min(size) < minimum:
        raise InputError(
            f"{name} is {size[1]}x{size[0]}: both sides must be at least {minimum} pixels; enlarge it first"
        )


def check_batch(name: str, tensor: Any, channels: int) -> None:
    """Raise `InputError` unless `tensor` is a floating (B, `channels`, H, W) tensor with H, W >= 32."""
    shape = tuple(tensor.shape)
    if len(shape) != 4 or shape[1] != channels:
        raise InputError(
            f"{name} must have shape (B, {channels}, H, W), got {shape}; add a batch dimension with "
            f"{name}[None] or select its channels"
        )
    if not tensor.dtype.is_floating_point:
        raise InputError(f"{name} must be float in [0, 1], got {tensor.dtype}; use {name}.float() / 255")
    check_min_size(name, (shape[2], shape[3]))
