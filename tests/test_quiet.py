"""What commands do beside their work: nothing. No noise of libraries, no file elsewhere, no network."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.jobs import PROGRESS
from tests.watching import Watch

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The commands in a fresh process with an empty home and no settings of ours about warnings."""
    work = tmp_path_factory.mktemp("work")
    places = {name: work / name for name in ("home", "temporary")}
    for place in places.values():
        place.mkdir()
    environment = {n: v for n, v in os.environ.items() if not n.startswith(("PYTHON", "XDG", "HF_", "SEGMIF", "TORCH"))}
    environment |= {
        "HOME": str(places["home"]), "TMPDIR": str(places["temporary"]), "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "tests.watching", str(work)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return {
        "commands": [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")],
        "noise": [line for line in done.stdout.splitlines() if not line.startswith("{")] + done.stderr.splitlines(),
        **{name: sorted(str(p.relative_to(place)) for p in place.rglob("*")) for name, place in places.items()},
    }


def test_all_commands_did_their_work(watched: dict[str, Any]) -> None:
    assert len(watched["commands"]) >= 10
    assert [(one["command"], one["code"], one["stderr"]) for one in watched["commands"] if one["code"]] == []


def test_stderr_is_empty_where_nothing_is_wrong(watched: dict[str, Any]) -> None:
    """No warnings of torch, onnx or matplotlib, neither through Python nor past it; progress alone is allowed."""
    lines = [(one["command"], line) for one in watched["commands"] for line in one["stderr"].splitlines()]
    assert [entry for entry in lines if not PROGRESS.fullmatch(entry[1])] == []
    assert watched["noise"] == []


def test_nothing_is_written_outside_the_given_folder(watched: dict[str, Any]) -> None:
    assert [(one["command"], one["outside"]) for one in watched["commands"] if one["outside"]] == []
    assert [name for name in watched["temporary"] if not name.startswith("torchinductor_")] == []  # an empty folder
    assert watched["home"] == []


def test_nothing_reaches_for_the_network_or_other_programs(watched: dict[str, Any]) -> None:
    assert [(one["command"], one["reached"]) for one in watched["commands"] if one["reached"]] == []


def test_the_watch_sees(tmp_path: Path) -> None:
    watch = Watch()
    watch("open", (str(tmp_path / "a"), "w", os.O_WRONLY))
    watch("open", (str(tmp_path / "b"), "r", os.O_RDONLY))
    watch("os.rename", (str(tmp_path / "c"), str(tmp_path / "d"), -1, -1))
    watch("socket.connect", (None, ("example.org", 80)))
    assert {Path(path).name for path in watch.written} == {"a", "c", "d"}
    assert [re.split(r"\W", event)[1] for event in watch.reached] == ["connect"]
