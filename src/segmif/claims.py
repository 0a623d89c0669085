"""One run to a folder: who may write there, and what killed runs left.

A run *claims* its output folder for as long as it works. A second run that cannot share the folder is refused in one
line, and the temporary files of runs that were killed are removed. The claim is a lock of the system on the folder
itself: it leaves no file, and ends with its process however that ends. Where there are no such locks (Windows, some
network disks) nothing is refused and nothing removed.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from segmif.checks import InputError
from segmif.io import make_output_folder

_LEFT_OVER = re.compile(r"\..*\.(\d+)-[0-9a-f]{16}\.tmp(\.\w+)?")
"""What `segmif.io.temporary_beside` names files."""
_HELD = (errno.EWOULDBLOCK, errno.EACCES)
_PATIENCE = 2.0
"""Seconds to wait for another run that shares the folder and holds it alone while it removes what was left."""


@contextmanager
def claim(folder: str | os.PathLike[str], *, shared: bool = False, below: bool = False) -> Iterator[Path]:
    """Make `folder` and hold it while the block runs.

    Args:
        folder: made if need be.
        shared: other shared claims may be held at the same time: for runs whose files do not get into each other's way.
        below: look for left-over temporary files in all folders below it, too.

    Raises:
        InputError: another run holds it, or it cannot be made or written.
    """
    folder = make_output_folder(folder)
    descriptor = _lock(folder, shared=shared, below=below)
    try:
        yield folder
    finally:
        if descriptor is not None:
            _open.discard(descriptor)
            os.close(descriptor)


def _lock(folder: Path, *, shared: bool, below: bool) -> int | None:
    """The descriptor that holds the lock; None where the system or the disk has no locks."""
    try:
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):  # pragma: no cover (Windows opens no folders)
        return None
    try:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_left_over(folder, below=below)  # nobody else is writing here
        if shared:
            _share(descriptor)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in _HELD:
            raise InputError(
                f"{folder}: another run is writing there; wait for its end or choose another folder for the output"
            ) from error
        return None
    _open.add(descriptor)
    return descriptor


def _share(descriptor: int) -> None:
    import fcntl

    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def remove_left_over(folder: Path, *, below: bool = False) -> int:
    """Remove temporary files whose process no longer runs on this machine; how many there were."""
    removed = 0
    for path in folder.rglob(".*") if below else folder.glob(".*"):
        match = _LEFT_OVER.fullmatch(path.name)
        if match is not None and not _runs(int(match[1])):
            with suppress(OSError):
                path.unlink()
                removed += 1
    return removed


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it runs, and is somebody else's
        return True
    return True


_open: set[int] = set()
"""Descriptors of this process's claims."""


def _close_in_child() -> None:
    """A forked worker must not hold the folder after its parent was killed."""
    for descriptor in _open:
        with suppress(OSError):
            os.close(descriptor)
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
