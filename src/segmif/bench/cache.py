"""What was computed before: scores by a key that holds everything they depend on, in one file that only grows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from segmif.checks import InputError
from segmif.hashing import code_version, digest, file_digest

__all__ = ["ScoreStore", "code_version", "digest", "file_digest"]


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
