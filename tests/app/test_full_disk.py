"""A server whose disk is full says so: 507 at once, or in the job; never the path of a file."""

import errno
import time
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra app: pip install 'segmif[app]'")

from fastapi import FastAPI
from fastapi.testclient import TestClient

from segmif.app.jobs import DISK_FULL, Job, Jobs, is_disk_full
from segmif.app.serve import _errors
from segmif.checks import InputError


def _full() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device", "/tmp/segmif-serve-x/y")


def _wrapped() -> InputError:
    error = InputError("/tmp/segmif-serve-x/y: cannot be written")
    error.__cause__ = _full()
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (_full(), DISK_FULL),
        (_wrapped(), DISK_FULL),
        (InputError("the pair\nis too small"), "the pair is too small"),
        (OSError(errno.EIO, "x"), "internal error; the server's log says more"),
    ],
)
def test_jobs(error: Exception, said: str) -> None:
    def work(job: Job) -> Path:
        raise error

    jobs = Jobs()
    try:
        job = jobs.prepare("batch")
        jobs.start(job, work)
        deadline = time.monotonic() + 20
        while job.finished is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (job.state, job.error) == ("failed", said)
    finally:
        jobs.close()


@pytest.mark.parametrize(("error", "status"), [(_full(), 507), (OSError(errno.EIO, "x"), 500)])
def test_requests(error: OSError, status: int) -> None:
    app = FastAPI()
    _errors(app)

    @app.get("/")
    def get() -> None:
        raise error

    answer = TestClient(app, raise_server_exceptions=False).get("/")
    assert answer.status_code == status
    assert (answer.json()["error"] == DISK_FULL) is (status == 507)


def test_other_errors_are_no_full_disk() -> None:
    assert not is_disk_full(None)
    assert not is_disk_full(PermissionError(errno.EACCES, "x"))
