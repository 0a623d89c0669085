"""Commands run one after another in a fresh process that is watched: what they print, write, reach and start.

`python -m tests.watching FOLDER` prints a line of JSON per command. Watching is by Python's audit events: files opened
for writing, renamed, removed, made; connections; other programs. What compiled code does is not among them, so the
home folder and the folder for temporary files are looked at as well.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
MOVES = {"os.rename": 2, "os.remove": 1, "os.mkdir": 1, "os.rmdir": 1, "os.link": 2, "os.symlink": 2, "os.truncate": 1}
REACHES = ("socket.connect", "socket.getaddrinfo", "socket.bind", "subprocess.Popen", "os.system", "os.exec")


class Watch:
    """An audit hook that keeps what a command changed and where it reached."""

    def __init__(self) -> None:
        self.written: set[str] = set()
        self.reached: set[str] = set()

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Python's audit events."""
        if event == "open":
            path, mode, flags = arguments
            if isinstance(path, str | bytes | os.PathLike) and (
                (isinstance(flags, int) and flags & WRITES) or (isinstance(mode, str) and set(mode) & set("wax+"))
            ):
                self.written.add(os.path.realpath(os.fsdecode(path)))
        elif event in MOVES:
            paths = (path for path in arguments[: MOVES[event]] if isinstance(path, str | bytes | os.PathLike))
            self.written.update(os.path.realpath(os.fsdecode(path)) for path in paths)
        elif event in REACHES:
            self.reached.add(f"{event} {arguments[:2]}")


def commands() -> Iterator[tuple[str, ...]]:
    """What is watched, in order: later commands use what earlier ones made."""
    from tests.jobs import FUSE, JOBS

    pairs = ("../world/pairs/Infrared", "../world/pairs/Visible")
    yield from (job.arguments for job in JOBS if "processes" not in job.name)
    yield (*FUSE, *pairs, "-o", "out", "--panel", "--resume", "--limit", "2")
    yield ("evaluate", "fusion", *pairs, "../fused", "-o", "out/scores")
    yield ("data", "check", "../world/synthetic", "--dataset", "fmb", "--html", "out/check.html", "-j", "1")
    yield ("models",)
    yield ("datasets",)


def main() -> int:
    """Run all commands."""
    work = Path(sys.argv[1]).resolve()
    from segmif.cli import main as run
    from tests.jobs import make_world

    make_world(work / "world")
    (work / "fused").mkdir()
    for picture in (work / "world" / "pairs" / "Visible").iterdir():
        (work / "fused" / picture.name).write_bytes(picture.read_bytes())
    watch = Watch()
    sys.addaudithook(watch)
    for number, arguments in enumerate(commands()):
        folder = work / f"run{number}"
        (folder / "out").mkdir(parents=True)
        os.chdir(folder)
        watch.written.clear()
        watch.reached.clear()
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(arguments)
        inside = (str(folder), os.path.realpath(tempfile.gettempdir()) + os.sep)
        found = {
            "command": " ".join(arguments[:2]),
            "code": code,
            "stderr": err.getvalue(),
            "outside": sorted(path for path in watch.written if not path.startswith(inside) and path != os.devnull),
            "reached": sorted(watch.reached),
        }
        print(json.dumps(found), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
