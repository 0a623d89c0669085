"""What was computed before: scores by a key that holds everything they depend on, in one file that only grows."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
from pathlib import Path
from typing import Any

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


class ScoreStore:
    """Values by key, kept in a JSON Lines file: a later line replaces an earlier one of the same key.

    A line that a killed run left half-written is passed over, so a run goes on where it was stopped.

    Args:
        path: the file, made when the first value comes; None keeps values in memory only.

    >>> store = ScoreStore()
    >>> store.put("key", {"EN": 6.5})
    >>> store.get("key"), store.get("other")
    ({'EN': 6.5}, None)
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._values: dict[str, Any] = {}
        if path is not None and path.exists():
            self._read(path)

    def _read(self, path: Path) -> None:
        try:
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            raise InputError(
                f"{path}: cannot be read ({error.strerror}); remove it or choose another folder"
            ) from error
        for line in lines:
            try:
                key, value = json.loads(line)
            except (ValueError, TypeError):
                continue
            if isinstance(key, str):
                self._values[key] = value

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: str) -> Any:
        """The value, or None."""
        return self._values.get(key)

    def put(self, key: str, value: Any) -> None:
        """Keep a value, here and in the file.

        Raises:
            InputError: the file cannot be written.
        """
        self._values[key] = value
        if self.path is None:
            return
        line = json.dumps([key, value], allow_nan=False, separators=(",", ":")).encode()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                # The newline goes first too, so that a half line before it spoils only itself.
                file.write((b"\n" if file.tell() else b"") + line + b"\n")
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror}); free space there") from error
