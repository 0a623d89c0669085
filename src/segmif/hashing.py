"""Keys of what things are made of: bytes, files, code."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
from pathlib import Path

from segmif.checks import InputError


def digest(*parts: str | bytes) -> str:
    """A key of these parts in this order, 40 hexadecimal digits.

    >>> digest("a", "bc") == digest("ab", "c")
    False
    """
    state = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little") + data)
    return state.hexdigest()[:40]


def file_digest(path: str | os.PathLike[str]) -> str:
    """The key of a file's bytes.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:40]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error


@functools.cache
def code_version(*modules: str) -> str:
    """The key of the source of modules and packages: it changes when their code does.

    >>> code_version("segmif.color") == code_version("segmif.color")
    True
    """
    files: list[Path] = []
    for module in modules:
        spec = importlib.util.find_spec(module)
        assert spec is not None, module
        assert spec.origin is not None, module
        origin = Path(spec.origin)
        files += sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]
    return digest(*(file.read_bytes() for file in files))
