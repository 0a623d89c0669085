"""Full disks, missing permissions, two runs at once: what a command says, and what it leaves.

`python -m tests.faults` prints a line of JSON per check; see `tests.crashing` for how commands are run. As root, disks
are small file systems in memory that really fill up, and users without permission are real ones; otherwise a limit
of the size of files stands in for the disk.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.crashing import Crashes, errors_of, in_child, segmif, wait, workplace
from tests.jobs import JOBS, PROGRESS, Job, files

NOBODY = 65534
_UNSURE = re.compile(r"^precious.txt$|^tensorboard/|\.pt$")
"""Files that are our own, have the time in their name, or come and go."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing done to a command.

    Attributes:
        what: was done; `said` is the line the command ended with; `fault` is what was wrong.
    """

    job: str
    what: str
    code: int
    said: str
    fault: str | None


def said(log: Path) -> list[str]:
    """The lines a command wrote to stderr, progress aside."""
    lines = errors_of(log).read_text("utf-8", "replace").splitlines()
    return [line for line in lines if not PROGRESS.fullmatch(line)]


class Faults:
    """Does these things to one command.

    Args:
        job: the command.
        work: folder that holds ``world``.
    """

    def __init__(self, job: Job, work: Path) -> None:
        self.job, self.work = job, work
        self.crashes = Crashes(job, work)
        self.log = self.crashes.log

    # ------------------------------------------------------------------------------------------------ full disks

    def full_disk(self, share: float) -> Check:
        """The disk holds `share` of what the command writes; more room, and it goes on."""
        used = sum(len(data) for data in self.crashes.files.values())
        folder = self.crashes.folder("full")
        with _disk(folder, round(share * used)) as resize:
            precious = folder / "out" / "precious.txt"
            precious.parent.mkdir()
            precious.write_text("there before")
            code, lines = self._run(folder, self.job.arguments)
            fault = _refusal(code, lines, codes=(1, 2)) or self._half_files(folder / "out")
            if precious.read_text() != "there before":
                fault = fault or "a file that was there has changed"
            precious.unlink()
            resize(1 << 29)
            again, more = self._run(folder, (*self.job.arguments, *self.job.again))
            if again != 0:
                fault = fault or f"with room again: exit code {again}: {more}"
            elif not fault:
                fault = self.crashes.difference(folder / "out")
        return self._check(f"disk of {share:.0%} of what it writes", code, lines, fault)

    def filled_disk(self, moment: float) -> Check:
        """Somebody else fills the disk after a share `moment` of the time the command takes."""
        folder = self.crashes.folder("filled")
        with _disk(folder, 1 << 29) as resize:
            child = in_child(segmif(folder, self.job.arguments, report=False), log=self.log)
            time.sleep(moment * self.crashes.tally.seconds)
            resize(0)
            code, lines = wait(child), said(self.log)
            fault = (_refusal(code, lines, codes=(1, 2)) if code else None) or self._half_files(folder / "out")
            resize(1 << 29)
            again, more = self._run(folder, (*self.job.arguments, *self.job.again))
            if again != 0 and code != 0:
                fault = fault or f"with room again: exit code {again}: {more}"
            fault = fault or self.crashes.difference(folder / "out")
        return self._check(f"disk filled up after {moment:.0%} of the time", code, lines, fault)

    def limited_files(self, size: int) -> Check:
        """No file may exceed `size` bytes; what a system without a limit would write must not be there in part."""
        folder = self.crashes.folder("limited")

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

        code, lines = self._run(folder, self.job.arguments, before=limit)
        fault = _refusal(code, lines, codes=(1, 2)) or self._half_files(folder / "out")
        return self._check(f"files of {size} bytes at most", code, lines, fault)

    def _half_files(self, out: Path) -> str | None:
        """Files that an undisturbed run does not leave; and pictures, models and videos that differ from its own."""
        found, expected = files(out), self.crashes.files
        whole = (".png", ".mp4", ".safetensors", ".tex")
        strange = [name for name in found if name not in expected and not _UNSURE.search(name)]
        half = [n for n in found if n.endswith(whole) and found[n] != expected.get(n) and not n.startswith("best/")]
        return f"half or strange files: {', '.join(strange + half)}" if strange or half else None

    # ----------------------------------------------------------------------------------------------- permissions

    def no_permission(self) -> list[Check]:
        """The output folder, then its parent, cannot be written."""
        checks = []
        for what, place in (("output folder not writable", "out"), ("its parent not writable", ".")):
            folder = self.crashes.folder("forbidden")
            (folder / "out").mkdir() if place == "out" else None
            (folder / place).chmod(0o555)
            code, lines = self._run(folder, self.job.arguments, before=_become_nobody)
            (folder / place).chmod(0o755)
            left = sorted(files(folder))
            fault = _refusal(code, lines, codes=(2,)) or (f"left {left}" if left else None)
            checks.append(self._check(what, code, lines, fault))
        return checks

    def no_reading(self) -> Check:
        """The folder of the inputs cannot be entered."""
        world, folder = self.work / "world", self.crashes.folder("unreadable")
        folder.chmod(0o777)
        world.chmod(0)
        try:
            code, lines = self._run(folder, self.job.arguments, before=_become_nobody)
        finally:
            world.chmod(0o755)
        left = sorted(files(folder))
        fault = _refusal(code, lines, codes=(2,)) or (f"left {left}" if left else None)
        return self._check("inputs not readable", code, lines, fault)

    # ------------------------------------------------------------------------------------------------ two at once

    def two_at_once(self, seed: int) -> Check:
        """Two runs into one folder, the second a moment after the first."""
        folder, pause = self.crashes.folder("two"), random.Random(seed).uniform(0, 1.2 * self.crashes.tally.seconds)
        logs = [self.log, self.work / "second.log"]
        children = []
        for log in logs:
            children.append(in_child(segmif(folder, self.job.arguments), log=log))
            if log == self.log:
                time.sleep(pause * (seed % 3 > 0))  # every third time both begin at once
        codes = [wait(child) for child in children]
        fault, line = None, ""
        for code, log in zip(codes, logs, strict=True):
            if code:
                line = line or " ".join(said(log))
                fault = fault or _refusal(code, said(log), codes=(2,))
        if 0 not in codes:
            fault = fault or "neither came to its end"
        fault = fault or self.crashes.difference(folder / "out")
        what = "second refused" if any(codes) else "both finished"
        return self._check(what, max(codes), [line], fault)

    # ---------------------------------------------------------------------------------------------------- helpers

    def _run(
        self, folder: Path, arguments: tuple[str, ...], before: Callable[[], None] = lambda: None
    ) -> tuple[int, list[str]]:
        work = segmif(folder, arguments, report=False)

        def limited() -> int:
            before()
            return work()

        code = wait(in_child(limited, log=self.log))
        return code, said(self.log)

    def _check(self, what: str, code: int, lines: list[str], fault: str | None) -> Check:
        line = lines[-1] if lines else ""
        return Check(job=self.job.name, what=what, code=code, said=line.replace(str(self.work), ""), fault=fault)


def _refusal(code: int, lines: list[str], *, codes: tuple[int, ...]) -> str | None:
    """What is wrong with how a command ended that could not do its work."""
    if code not in codes:
        return f"exit code {code}: {lines[-3:]}"
    if len(lines) != 1 or not lines[0].startswith("segmif: "):
        return f"{len(lines)} lines: {lines[-3:]}"
    return None


def _become_nobody() -> None:
    if os.geteuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)


@contextlib.contextmanager
def _disk(folder: Path, size: int) -> Iterator[Callable[[int], None]]:
    """A file system in memory of so many bytes; the function yielded gives it another size, 0 for what is there."""
    page = os.sysconf("SC_PAGE_SIZE")

    def mount(size: int, *options: str) -> None:
        wanted = ",".join((*options, f"size={max(page, size // page * page)}"))
        subprocess.run(["mount", "-t", "tmpfs", "-o", wanted, "tmpfs", str(folder)], check=True, capture_output=True)

    def resize(size: int) -> None:
        for attempt in range(50):  # what is there may become more meanwhile, and no disk is made smaller than that
            there = os.statvfs(folder)
            try:
                mount(size or (there.f_blocks - there.f_bfree) * there.f_frsize, "remount")
                break
            except subprocess.CalledProcessError:
                if attempt == 49:
                    raise

    mount(size)
    try:
        yield resize
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def can_mount() -> bool:
    """Whether there can be disks of our own."""
    tried = subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True)
    return os.geteuid() == 0 and tried.returncode == 0


def main() -> int:
    """Exit code 1 if a fault was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="regular expression for names of commands")
    parser.add_argument("--brief", action="store_true", help="one check of each kind, none that needs root")
    parser.add_argument("--kills", type=int, default=0, help="first also kill each command so often")
    options = parser.parse_args()
    bad = 0
    with workplace() as work:
        for job in (job for job in JOBS if re.search(options.only, job.name)):
            faults = Faults(job, work)
            if options.kills:
                tally = faults.crashes.kill_often(options.kills)
                bad += len(tally.faults)
                print(json.dumps(asdict(tally)), flush=True)
            for check in checks(faults, brief=options.brief):
                bad += check.fault is not None
                print(json.dumps(asdict(check)), flush=True)
    return 1 if bad else 0


def checks(faults: Faults, *, brief: bool = False) -> Iterator[Check]:
    """All checks of one command."""
    yield faults.limited_files(2000)
    if can_mount() and not brief:
        for share in (0.1, 0.3, 0.5, 0.7, 0.9):
            yield faults.full_disk(share)
        for moment in (0.3, 0.5, 0.7):
            yield faults.filled_disk(moment)
    yield from faults.no_permission()
    yield faults.no_reading()
    for seed in range(1 if brief else 6):
        yield faults.two_at_once(seed)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    raise SystemExit(main())
