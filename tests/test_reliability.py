"""Commands that are killed, run out of disk, may not write, or meet another run: a few cases of each.

`python tools/reliability.py` runs many more and writes docs/reliability.md.
"""

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.crashing import Changes
from tests.faults import _refusal
from tests.jobs import JOBS

KILLS = 2
ROOT = Path(__file__).parents[1]
BRIEF = [job.name for job in JOBS if "processes" not in job.name]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="forks processes and looks for them in /proc"),
]


@pytest.fixture(scope="module")
def found() -> dict[str, list[dict[str, Any]]]:
    """What `tests.faults` prints, by command; a process of its own, since forks want one without threads."""
    pattern = "|".join(f"^{name}$" for name in BRIEF)
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--brief", "--kills", str(KILLS), "--only", pattern],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = defaultdict(list)
    for line in done.stdout.splitlines():
        lines[json.loads(line)["job"]].append(json.loads(line))
    assert set(lines) == set(BRIEF), done.stderr[-2000:]
    return lines


@pytest.mark.parametrize("job", BRIEF)
def test_killed_runs_go_on_to_the_same_result(found: dict[str, list[dict[str, Any]]], job: str) -> None:
    tally = found[job][0]
    assert tally["faults"] == []
    assert tally["kills"] == tally["equal"] == KILLS


@pytest.mark.parametrize("job", BRIEF)
def test_faults_of_the_system_are_one_line_and_leave_nothing_half(
    found: dict[str, list[dict[str, Any]]], job: str
) -> None:
    checks = found[job][1:]
    assert [(check["what"], check["fault"]) for check in checks if check["fault"]] == []
    refused = [check for check in checks if check["code"]]
    assert len(refused) >= 3
    assert all("cannot be written" in check["said"] or "cannot be finished" in check["said"] for check in refused[:3])


@pytest.mark.parametrize(
    ("code", "lines"),
    [(1, ["segmif: x"]), (2, []), (2, ["segmif: x", "segmif: y"]), (2, ["Traceback"]), (-9, ["segmif: x"])],
)
def test_the_checks_see_faults(code: int, lines: list[str]) -> None:
    assert _refusal(code, lines, codes=(2,))
    assert _refusal(2, ["segmif: x"], codes=(2,)) is None


def test_changes_to_files_are_counted(tmp_path: Path) -> None:
    changes = Changes(die_at=-1)
    for event, arguments in (
        ("open", ("a", "w", os.O_WRONLY | os.O_CREAT)),
        ("open", ("a", "r", os.O_RDONLY)),
        ("os.rename", ("a", "b", -1, -1)),
        ("socket.connect", ()),
    ):
        changes(event, arguments)
    assert changes.count == 2
