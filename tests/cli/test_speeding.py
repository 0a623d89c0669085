"""`segmif speed` end to end, on pictures of 32 pixels."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from segmif.bench.speed import Job, measure, measure_apart
from segmif.checks import InputError
from segmif.cli import main
from tests.tiny import tiny_network


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    tiny_network().save_pretrained(folder)
    return str(folder)


def test_whole_command(model: str, tmp_path: Path) -> None:
    found, picture = tmp_path / "speed.json", tmp_path / "speed.png"
    command = [sys.executable, "-m", "segmif", "speed", "--models", model, "--size", "32x40", "--threads", "1"]
    command += ["--quick", "--dtypes", "float32", "--json", str(found), "--plot", str(picture)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "300"}, check=False)
    assert done.returncode == 0, done.stderr
    entries = json.loads(found.read_text())["entries"]
    assert [e["backend"] for e in entries] == ["plain", "eager"]
    assert all(0 < e["fastest"] <= e["median"] <= e["p95"] and e["peak_mib"] > 50 for e in entries)
    stages = entries[1]["stages"]
    assert list(stages) == ["guide", "encoders", "fusion", "segmentation head", "labels", "rest"]
    assert all(seconds > 0 for seconds in stages.values())
    assert "1.0x" in done.stdout
    assert picture.stat().st_size > 1000


def test_several_sizes_and_threads(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other sizes with the first count of threads, the other counts at the first size; `faster` by the clock."""

    def pretended(job: Job) -> dict[str, Any]:
        seconds = job.width * job.height * (4e-6 if job.backend == "plain" else 1e-6) / job.threads
        times = {"median": 9.0, "p95": 9.0, "fps": 1 / 9, "cpu": seconds * job.threads}
        return {**asdict(job), **times, "peak_mib": 100.0, "stages": {}}

    monkeypatch.setattr("segmif.bench.speed.measure_apart", pretended)
    monkeypatch.setenv("COLUMNS", "300")
    found, picture = tmp_path / "speed.json", tmp_path / "speed.svg"
    command = ["speed", "--models", model, "--dtypes", "float32", "--size", "64x48", "--sizes", "320x320,64x48"]
    assert main([*command, "--threads", "2,1", "--clock", "cpu", "--json", str(found), "--plot", str(picture)]) == 0
    entries = json.loads(found.read_text())["entries"]
    assert [(e["width"], e["threads"]) for e in entries[::2]] == [(64, 2), (320, 2), (64, 1)]
    assert capsys.readouterr().out.count("4.0x") == 3
    assert "threads: 2" in picture.read_text()


def test_measured_here_as_apart(model: str) -> None:
    result = measure(Job(model=model, width=32, height=32, threads=1, runs=1))
    assert result["median"] == result["p95"] == result["fastest"] == pytest.approx(1 / result["fps"])


def test_errors_cross_the_process(model: str) -> None:
    with pytest.raises(InputError, match="unknown preset"):
        measure_apart(Job(model="mit_b9", width=32, height=32, runs=1))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--size", "640"], "WIDTHxHEIGHT"), (["--size", "16x480"], "at least 32"), (["--backends", "eagre"], "eager"),
        (["--threads", "1,two"], "whole numbers"), (["--clock", "sun"], "wall"),
        (["--dtypes", "float8"], "dtype"), (["--models", "segmif-b"], "segmif-b0"),
    ],
)  # fmt: skip
def test_bad_input(options: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["speed", *options]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
