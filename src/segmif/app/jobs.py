"""Long work visitors ask for and come back to: whole archives and short videos.

One job runs at a time, in a thread of its own that decodes and writes; it computes pair by pair through the `Worker`,
so a visitor with a single pair waits for one pair at most. Everything lies in one temporary folder, whose names
are ours, and goes away some time after the end or with the server.
"""

from __future__ import annotations

import errno
import logging
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from starlette.exceptions import HTTPException

from segmif.app.security import Refusal
from segmif.checks import InputError

State = Literal["waiting", "running", "done", "failed", "cancelled"]

_log = logging.getLogger("segmif.serve")
_END_STATES = ("done", "failed", "cancelled")


class CancelledError(Exception):
    """The visitor does not want the job any more."""


@dataclass
class Job:
    """One piece of long work; `advance` and `check` are for whoever does it."""

    kind: str
    folder: Path
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    state: State = "waiting"
    done: int = 0
    total: int | None = None
    notes: list[str] = field(default_factory=list)
    error: str | None = None
    result: Path | None = None
    media_type: str = "application/octet-stream"
    finished: float | None = None
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def advance(self) -> None:
        """One more pair or frame is done.

        Raises:
            CancelledError: the job is to end.
        """
        self.done += 1
        self.check()

    def check(self) -> None:
        """Raise `CancelledError` if the job is to end."""
        if self._cancelled.is_set():
            raise CancelledError

    def cancel(self) -> None:
        """Let it end soon."""
        self._cancelled.set()

    def describe(self) -> dict[str, Any]:
        """What visitors are told."""
        return {
            "id": self.id,
            "kind": self.kind,
            "state": self.state,
            "done": self.done,
            "total": self.total,
            "notes": self.notes,
            "error": self.error,
            "result": f"/jobs/{self.id}/result" if self.state == "done" else None,
        }


DISK_FULL = "the server's disk is full: try again later"


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is the system's refusal of more bytes.

    >>> is_disk_full(OSError(errno.ENOSPC, "")), is_disk_full(OSError(errno.EACCES, ""))
    (True, False)
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return True
        error = error.__cause__
    return False


def _told(error: Exception) -> str:
    """What a visitor is told; the log has the rest."""
    if is_disk_full(error):
        _log.error("a job failed: %s", error)
        return DISK_FULL
    if isinstance(error, InputError):
        return " ".join(str(error).split())
    _log.error("a job failed", exc_info=error)
    return "internal error; the server's log says more"


class Jobs:
    """The jobs of a server.

    Args:
        waiting: how many may wait or run at once.
        kept: how many finished ones are kept for their visitors.
        keep_seconds: how long.
    """

    def __init__(self, *, waiting: int = 4, kept: int = 8, keep_seconds: float = 1800) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="segmif-serve-"))
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="segmif-job")
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._waiting, self._kept, self._keep_seconds = waiting, kept, keep_seconds

    def prepare(self, kind: str) -> Job:
        """A job with a folder for its files, not yet begun.

        Raises:
            Refusal: 429, too many are waiting.
        """
        self.sweep()
        with self._lock:
            if sum(job.state not in _END_STATES for job in self._jobs.values()) >= self._waiting:
                raise Refusal(429, "too many long jobs are waiting: try again later", retry_after=60)
            job = Job(kind=kind, folder=Path(tempfile.mkdtemp(dir=self._folder)))
            self._jobs[job.id] = job
            return job

    def start(self, job: Job, work: Callable[[Job], Path]) -> None:
        """Run `work`, which returns the file of the result, when its turn comes."""
        self._pool.submit(self._run, job, work)

    def drop(self, job: Job) -> None:
        """Forget a job and remove its files."""
        job.cancel()
        with self._lock:
            self._jobs.pop(job.id, None)
        if job.state != "running":  # else its thread removes them
            shutil.rmtree(job.folder, ignore_errors=True)

    def get(self, name: str) -> Job:
        """The job of that id.

        Raises:
            Refusal: 404, there is none, or no longer.
        """
        self.sweep()
        job = self._jobs.get(name)
        if job is None:
            raise Refusal(404, "no such job: it was dropped, or its result was kept long enough")
        return job

    def sweep(self) -> None:
        """Remove finished jobs that are old, or the oldest of too many."""
        now = time.monotonic()
        with self._lock:
            ended = sorted(
                (job for job in self._jobs.values() if job.finished is not None), key=lambda job: job.finished or 0.0
            )
        surplus = ended[: max(0, len(ended) - self._kept)]
        for job in {job.id: job for job in [*surplus, *self._expired(ended, now)]}.values():
            self.drop(job)

    def _expired(self, ended: list[Job], now: float) -> list[Job]:
        return [job for job in ended if job.finished is not None and now - job.finished > self._keep_seconds]

    def _run(self, job: Job, work: Callable[[Job], Path]) -> None:
        try:
            job.check()
            job.state = "running"
            job.result = work(job)
            job.state = "done"
        except CancelledError:
            job.state = "cancelled"
        except HTTPException as error:
            job.error, job.state = error.detail, "failed"
        except Exception as error:
            job.error, job.state = _told(error), "failed"
        finally:
            job.finished = time.monotonic()
            if job.id not in self._jobs:
                shutil.rmtree(job.folder, ignore_errors=True)

    def close(self) -> None:
        """End all jobs and remove every file."""
        for job in list(self._jobs.values()):
            job.cancel()
        self._pool.shutdown(wait=True, cancel_futures=True)
        shutil.rmtree(self._folder, ignore_errors=True)
