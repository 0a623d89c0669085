"""What tests ask of a finished run, and a script that trains in a process of its own."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

from segmif.train.config import Recipe, from_dict, to_dict
from segmif.train.loop import train


def curve(run: Path) -> list[dict[str, str]]:
    """The rows of losses.csv without the time they took."""
    with (run / "losses.csv").open(newline="", encoding="utf-8") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def start_process(recipe: Recipe, run: Path, **environment: str) -> "subprocess.Popen[str]":
    """Train in a new process, one thread, with more environment variables."""
    wanted = run.parent / f"{run.name}-{environment.get('RANK', '0')}.json"
    wanted.write_text(json.dumps(to_dict(recipe)))
    return subprocess.Popen(
        [sys.executable, "-m", "tests.train.runs", str(wanted), str(run)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


if __name__ == "__main__":
    train(from_dict(json.loads(Path(sys.argv[1]).read_text())), Path(sys.argv[2]))
