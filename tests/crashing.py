"""Commands killed at random moments with SIGKILL, started again, and compared with an undisturbed run.

`python -m tests.crashing --kills 50` prints a line of JSON per command. It starts every run as a fork of a process
that has imported everything and computed nothing, so that a run takes a second and kills hit the work, not the imports.
Every other kill comes at a random time; the others come right before a random one of the run's changes to files
(opened for writing, renamed, removed ...), where a time hardly ever falls.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.jobs import JOBS, Job, files, make_world, plain

LIMIT = 300.0
"""Seconds after which a run counts as hanging."""
PATIENCE = 60.0
"""Seconds within which processes of a killed run must be gone."""
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")


@dataclass(kw_only=True)
class Tally:
    """What happened to one command; `faults` tell the seed of the kill and what was wrong."""

    job: str
    kills: int = 0
    equal: int = 0
    seconds: float = 0.0
    changes: int = 0
    faults: list[str] = field(default_factory=list)


# ------------------------------------------------------------------------------------------------------ processes


def in_child(work: Callable[[], int], *, log: Path) -> int:
    """The id of a new process, a session of its own, that does `work` and ends with what it returns.

    What it prints goes to `log`, its errors to ``<log>.err``.
    """
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.setsid()
        for stream, path in ((1, log), (2, errors_of(log))):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), stream)
        code = work()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def errors_of(log: Path) -> Path:
    """Where a child's errors go."""
    return log.with_suffix(".err")


def segmif(folder: Path, arguments: tuple[str, ...], *, die_at: int = -1, report: bool = True) -> Callable[[], int]:
    """Work that runs a command in `folder`, and kills itself before its change to files of that number.

    With `report`, it leaves the number of changes beside the output, in a file ``changes``.
    """

    def work() -> int:
        from segmif.cli import main

        os.chdir(folder)
        changes = Changes(die_at)
        sys.addaudithook(changes)
        code = main(arguments)
        if report:
            (folder / "changes").write_text(str(changes.count))
        return code

    return work


class Changes:
    """An audit hook that counts changes to files and kills its process before one of them."""

    def __init__(self, die_at: int) -> None:
        self.count, self.die_at = 0, die_at

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Python's audit events."""
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if not writes and event not in CHANGES:
            return
        if self.count == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1


def wait(child: int) -> int:
    """The exit code of a child, negative for a signal."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -signal.SIGALRM


def orphans(session: int) -> list[int]:
    """Processes of a session that live, zombies aside (Linux)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            rest = entry.read_text().rpartition(")")[2].split()
            if int(rest[3]) == session and rest[0] != "Z":
                found.append(int(entry.parent.name))
    return found


def left_behind(session: int) -> list[int]:
    """Processes of a killed run that are still there after a while; they are ended then."""
    deadline = time.monotonic() + PATIENCE
    while (found := orphans(session)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for process in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return found


# ---------------------------------------------------------------------------------------------------------- kills


class Crashes:
    """Runs one command undisturbed, then kills it again and again.

    Args:
        job: the command.
        work: folder that holds ``world``.
    """

    def __init__(self, job: Job, work: Path) -> None:
        self.job, self.work = job, work
        self.tally = Tally(job=job.name)
        self.log = work / f"{plain(job.name)}.log"
        self._import_what_it_needs()
        self.expected, self.tally.seconds, self.tally.changes = self._undisturbed()

    def folder(self, name: str) -> Path:
        """A new empty folder for a run."""
        folder = self.work / f"{plain(self.job.name)}-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def _run(self, folder: Path, arguments: tuple[str, ...]) -> None:
        code = wait(in_child(segmif(folder, arguments), log=self.log))
        text = errors_of(self.log).read_text("utf-8", "replace")
        if code != 0 or "Traceback" in text:
            raise AssertionError(f"exit code {code}: {text.strip()[-800:]}")

    def _import_what_it_needs(self) -> None:
        folder = self.folder("imports")

        def work() -> int:
            code = segmif(folder, self.job.arguments)()
            (folder / "modules").write_text("\n".join(sys.modules))
            return code

        code = wait(in_child(work, log=self.log))
        assert code == 0, errors_of(self.log).read_text("utf-8", "replace")
        for name in (folder / "modules").read_text().split("\n"):
            with contextlib.suppress(Exception):
                importlib.import_module(name)

    def _undisturbed(self) -> tuple[Any, float, int]:
        folder = self.folder("whole")
        began = time.monotonic()
        self._run(folder, self.job.arguments)
        seconds = time.monotonic() - began
        self.files = files(folder / "out")
        return self.job.outcome(folder / "out"), seconds, int((folder / "changes").read_text())

    def kill(self, seed: int) -> None:
        """Start, kill, start again, compare; a run that was over before its kill does not count."""
        rng = random.Random(f"{self.job.name} {seed}")
        folder = self.folder("killed")
        at_change = rng.randrange(self.tally.changes) if seed % 2 else -1
        moment = rng.uniform(0, self.tally.seconds)
        child = in_child(segmif(folder, self.job.arguments, die_at=at_change), log=self.log)
        if at_change < 0:
            time.sleep(moment)
            os.kill(child, signal.SIGKILL)
        if wait(child) != -signal.SIGKILL:
            return
        self.tally.kills += 1
        fault = self._go_on(folder, child)
        if fault is None:
            self.tally.equal += 1
        else:
            where = f"change {at_change}" if at_change >= 0 else f"{moment:.2f} s"
            self.tally.faults.append(f"seed {seed}, killed at {where}: {fault}")

    def kill_often(self, kills: int, *, limit: float = 3600.0) -> Tally:
        """Kill so often, less often if `limit` seconds pass first."""
        began, seed = time.monotonic(), 0
        while self.tally.kills < kills and time.monotonic() - began < limit:
            self.kill(seed)
            seed += 1
        return self.tally

    def _go_on(self, folder: Path, killed: int) -> str | None:
        if processes := left_behind(killed):
            return f"{len(processes)} processes of the killed run live on"
        try:
            self._run(folder, (*self.job.arguments, *self.job.again))
        except AssertionError as error:
            return " ".join(str(error).split())
        return self.difference(folder / "out")

    def difference(self, out: Path) -> str | None:
        """In what an output folder differs from that of the undisturbed run."""
        try:
            found = self.job.outcome(out)
        except (AssertionError, OSError, KeyError, ValueError) as error:
            return " ".join(f"{type(error).__name__}: {error}".split())
        differing = sorted(str(name) for name in {*self.expected, *found} if self.expected.get(name) != found.get(name))
        return f"differs from an undisturbed run: {', '.join(differing)}" if differing else None


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A folder with a world in it, in memory where there is such a place: a kill does not lose what the system has."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="segmif-crash-", dir=place) as name:
        work = Path(name)

        def make() -> int:
            make_world(work / "world")
            return 0

        code = wait(in_child(make, log=work / "world.log"))
        assert code == 0, (work / "world.err").read_text("utf-8", "replace")
        work.chmod(0o755)  # some commands will run as somebody else
        yield work


def main() -> int:
    """Exit code 1 if a fault was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="of each command")
    parser.add_argument("--limit", type=float, default=3600.0, help="seconds after which a command is killed no more")
    parser.add_argument("--only", default="", help="regular expression for names of commands")
    options = parser.parse_args()
    faults = 0
    with workplace() as work:
        for job in (job for job in JOBS if re.search(options.only, job.name)):
            tally = Crashes(job, work).kill_often(options.kills, limit=options.limit)
            faults += len(tally.faults)
            print(json.dumps(asdict(tally)), flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; threads do not survive a fork
    raise SystemExit(main())
