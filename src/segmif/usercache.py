"""What is kept between runs in the user's cache folder. It is a help, never a need: nothing here ever fails."""

from __future__ import annotations

import os
from pathlib import Path

from segmif.checks import InputError
from segmif.io import write_bytes

VARIABLE = "SEGMIF_CACHE"
"""Environment variable that names the folder."""


def cache_folder() -> Path:
    """``SEGMIF_CACHE``, else ``segmif`` in ``XDG_CACHE_HOME``, else ``~/.cache/segmif``; it need not exist."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    home = os.environ.get("XDG_CACHE_HOME") or Path(os.path.expanduser("~")) / ".cache"  # noqa: PTH111 (cannot raise)
    return Path(home) / "segmif"


def read_kept(name: str) -> bytes | None:
    """The bytes kept under a relative name; None where there are none or they cannot be read."""
    try:
        return (cache_folder() / name).read_bytes()
    except OSError:
        return None


def keep(name: str, data: bytes, *, at_most: int | None = None) -> Path | None:
    """Keep bytes, whole or not at all.

    Args:
        name: relative to the folder.
        data: what to keep.
        at_most: so many files of its folder and suffix stay; the oldest others are removed.

    Returns:
        The file, None where it cannot be written.
    """
    path = cache_folder() / name
    try:
        write_bytes(path, data)
        if at_most is not None:
            files = sorted(path.parent.glob(f"*{path.suffix}"), key=lambda file: file.stat().st_mtime, reverse=True)
            for file in files[at_most:]:
                file.unlink()
    except (InputError, OSError):
        return path if path.is_file() else None
    return path
