"""benchmarks/inference.py end to end, on pictures of 32 pixels: entries take turns, the baseline comes first."""

import importlib.util
import json
from pathlib import Path

import pytest

from segmif.bench.speed import Job, Worker
from segmif.checks import InputError
from segmif.cli.speeding import possible_jobs
from tests.tiny import tiny_network

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "inference.py"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    tiny_network().save_pretrained(folder)
    return str(folder)


def test_whole_script(model, tmp_path, capsys):
    spec = importlib.util.spec_from_file_location("inference", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    found = tmp_path / "speed.json"
    options = ["--models", model, "--baseline", model, "--backends", "eager", "--dtypes", "float32"]
    options += ["--size", "32x40", "--threads", "1", "--rounds", "2", "--json", str(found)]
    assert script.main(options) == 0
    plain, eager = json.loads(found.read_text())["entries"]
    assert [plain["backend"], eager["backend"]] == ["plain", "eager"]
    assert plain["ratio"] == plain["cpu_ratio"] == 1
    for entry in (plain, eager):
        assert 0 < entry["fastest"] <= entry["median"] <= entry["p95"]
        assert 0 < entry["cpu_least"] <= entry["cpu"]
        assert entry["peak_mib"] > 50
    assert "by turns" in capsys.readouterr().out


def test_a_worker_says_what_is_wrong():
    with pytest.raises(InputError, match="unknown preset"):
        Worker(Job(model="mit_b9", width=32, height=32, threads=1))


def test_models_back_ends_and_precisions_as_far_as_they_go_together(model):
    def found(backends: str, dtypes: str) -> list[tuple[str, str]]:
        jobs = possible_jobs(model, backends, dtypes, width=32, height=32)
        return [(job.backend, job.dtype) for job in jobs]

    assert found("plain,onnxruntime", "float32,bfloat16") == [("plain", "float32"), ("onnxruntime", "float32")]
    assert found("openvino", "float32,bfloat16") == [("openvino", "float32"), ("openvino", "bfloat16")]
    assert found("onnxruntime", "bfloat16") == [("onnxruntime", "float32")]
    with pytest.raises(InputError, match="unknown backend"):
        found("openvin", "float32")
