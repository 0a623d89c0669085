"""`benchmarks/gpu.py` on the processor: the one place where it can be tried before it runs on a GPU unattended."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from segmif.models import SegMiF, SegMiFConfig
from tests.tiny import TINY, tiny_network


@pytest.fixture(scope="module")
def gpu() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "gpu.py"
    module = ModuleType("gpu_benchmark")
    exec(compile(path.read_text(), str(path), "exec"), module.__dict__)
    return module


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("tiny")
    tiny_network().save_pretrained(folder)
    return str(folder)


def test_whole_run(gpu: ModuleType, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = tmp_path / "gpu.json"
    shared = SegMiF(SegMiFConfig.preset("segmif-lite", **TINY))
    shared.save_pretrained(tmp_path / "shared")
    command = ["--device", "cpu", "--models", f"{model},{tmp_path}/shared", "--size", "48x32", "--batches", "1,2"]
    command += ["--ways", "plain,eager,cuda-graphs", "--runs", "2", "--json", str(found)]
    assert gpu.main(command) == 1, "something was left out"
    report = json.loads(found.read_text())
    done = [(e["model"] == model, e["batch"], e["way"], e["dtype"]) for e in report["entries"]]
    ours = [("eager", "float32"), ("eager", "bfloat16")]
    assert done == [
        (cascade, batch, *each)
        for cascade in (True, False)
        for batch in (1, 2)
        for each in ([("plain", "float32"), *ours] if cascade else ours)
    ]
    reasons = {e["way"]: e["reason"] for e in report["left_out"]}
    assert "NVIDIA GPU" in reasons["cuda-graphs"]
    assert "plain" in reasons["plain"], "the shared layout cannot be written out plainly"
    for e in report["entries"]:
        assert e["ms"] > e["bound_ms"] > 0
        assert 0 < e["of_peak"] < 1.5
        assert e["pairs_per_s"] == pytest.approx(1e3 * e["batch"] / e["ms"])
        assert e["psnr_db"] > (100 if e["dtype"] == "float32" else 30)
        assert e["equal_labels"] > 0.9
        assert (e["faster"] is None) == (e["model"] != model)
    assert capsys.readouterr().out.count("\n") == 2 + len(report["entries"]) + len(report["left_out"]) + 1


def test_operations_of_the_published_network(gpu: ModuleType) -> None:
    """B3 as drawn is 827 GFLOP in convolutions and linear layers; the rest are the products of the attentions."""
    plain = gpu.count("mit_b3", "plain", 1, (480, 640), torch.float32)
    assert plain["tflop"] == pytest.approx(0.827, rel=0.02)
    assert plain["traffic_gb"] > 100 * plain["least_gb"]


def test_traffic_of_one_operation(gpu: ModuleType) -> None:
    values = torch.zeros(10, 20)
    with gpu.Traffic() as traffic:
        values.t()
        values + 1
    assert traffic.bytes == 2 * 4 * 200, "read once, written once; a view is free"


@pytest.mark.parametrize(("arguments", "says"), [(["--device", "cuda:7"], "cuda:7"), (["--dtypes", "float8"], "dtype")])
def test_bad_input(gpu: ModuleType, arguments: list[Any], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--device", "cpu", *arguments]) == 2
    assert says in capsys.readouterr().err
