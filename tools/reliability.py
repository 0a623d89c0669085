"""Measure what breaks segmif, and write the tables of docs/reliability.md: `python tools/reliability.py`.

Damaged files (tools/fuzz.py), runs killed at random moments (tests/crashing.py), full disks, missing permissions and
two runs at once (tests/faults.py). As root in a container it takes half an hour on two free cores; without root, full
disks are left out. `--only kills` and the like measure one of them, `--job REGEX` some commands. Do not edit the source
meanwhile: it is part of the keys of a benchmark.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tools.fuzz import fill  # noqa: E402

PARTS = ("fuzz", "kills", "faults")
CODES = {0: "0", 1: "1, partly done", 2: "2, refused"}


def measured(module: str, *options: str) -> Iterator[dict[str, Any]]:
    """The JSON lines a module of tests prints, as they come."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", flush=True)
        yield json.loads(line)
    if process.wait() not in (0, 1):
        raise SystemExit(f"{module} ended with {process.returncode}")


def kills_table(tallies: Iterable[dict[str, Any]]) -> str:
    """Markdown: how often a command was killed, and whether what it came to was the same."""
    lines = [
        "| command | killed | went on to the same result | one run | changes to files |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `{one['job']}` | {one['kills']} | {one['equal']} | {one['seconds']:.1f} s | {one['changes']} |"
        for one in tallies
    ]
    return "\n".join(lines)


def faults_table(checks: Iterable[dict[str, Any]]) -> str:
    """Markdown: what was done to a command, what it said; checks with the same end in one row."""
    rows: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for one in checks:
        rows.setdefault((one["job"], kind_of(one["what"]), one["code"]), []).append(one)
    lines = ["| command | what happened | times | exit code | it says | faults |", "|---|---|---|---|---|---|"]
    for (job, what, code), found in rows.items():
        bad = sum(one["fault"] is not None for one in found)
        line = f"`{re.sub('[0-9a-f]{32,}', '…', found[0]['said'])}`" if found[0]["said"] else "–"
        lines.append(f"| {job} | {what} | {len(found)} | {CODES.get(code, code)} | {line} | {bad} |")
    return "\n".join(lines)


def kind_of(what: str) -> str:
    """What several checks have in common.

    >>> kind_of("disk of 30% of what it writes"), kind_of("second refused")
    ('disk too small', 'two at once')
    """
    kinds = {"disk of": "disk too small", "disk filled": "disk filled by others", "files of": "files limited in size"}
    kinds |= {"second": "two at once", "both": "two at once"}
    return next((kind for beginning, kind in kinds.items() if what.startswith(beginning)), what)


def main() -> int:
    """Exit code 1 if a fault was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=PARTS, help="measure this alone")
    parser.add_argument("--job", default="", help="regular expression for commands; the page is then left alone")
    parser.add_argument("--cases", type=int, default=10_000, help="damaged files")
    parser.add_argument("--kills", type=int, default=50, help="of each command")
    options = parser.parse_args()
    bad = 0
    if options.only in (None, "fuzz") and not options.job:
        done = subprocess.run([sys.executable, "tools/fuzz.py", "--cases", str(options.cases)], cwd=ROOT, check=False)
        bad += done.returncode
    if options.only in (None, "kills"):
        tallies = list(measured("tests.crashing", "--kills", str(options.kills), "--only", options.job))
        bad += sum(len(one["faults"]) for one in tallies)
        if not options.job:
            fill("kills", kills_table(tallies))
    if options.only in (None, "faults"):
        checks = list(measured("tests.faults", "--only", options.job))
        bad += sum(one["fault"] is not None for one in checks)
        if not options.job:
            fill("faults", faults_table(checks))
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
