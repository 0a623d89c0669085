import hashlib
from pathlib import Path

import numpy as np
import pytest

from segmif import io
from segmif.cli import main
from segmif.data.synthetic import examples
from segmif.models import weights
from tests.tiny import tiny_network


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A version that ships one model with labels and one without."""
    records = {}
    for name, options in (("segmif-tiny", {}), ("segmif-bare", {"label_set": None, "num_classes": None})):
        tiny_network(**options).save_pretrained(tmp_path / name)
        data = (tmp_path / name / "model.safetensors").read_bytes()
        records[name] = weights.ModelRecord(
            name=name, file=f"{name}/model.safetensors", config=f"{name}/config.json", data="synthetic scenes",
            licence="research only", sha256=hashlib.sha256(data).hexdigest(), scores={"MSRS mIoU": 0.5},
        )  # fmt: skip
    monkeypatch.setattr(weights, "SHIPPED", records)
    monkeypatch.setattr(weights, "SHIPPED_FOLDER", tmp_path)
    return tmp_path


def test_models_lists_size_classes_scores_and_licence(shipped, capsys):
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    tiny = next(line for line in lines if "segmif-tiny (default)" in line)
    for part in (" MB", "15 (fmb)", "MSRS mIoU 0.5", "synthetic scenes", "research only"):
        assert part in tiny
    bare = next(line for line in lines if "segmif-bare" in line)
    assert "fusion only" in bare
    assert "default" not in bare


def test_a_missing_file_shows_in_the_list(shipped, capsys):
    (shipped / "segmif-tiny" / "model.safetensors").unlink()
    assert main(["models"]) == 0
    assert "missing" in capsys.readouterr().out


def test_a_version_without_models_says_so(monkeypatch, capsys):
    monkeypatch.setattr(weights, "SHIPPED", {})
    assert main(["models"]) == 0
    assert "ships no models" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "outputs"), [("segmif-tiny", 4), ("segmif-bare", 2)])
def test_demo_writes_every_scene_and_says_where(shipped, tmp_path, capsys, monkeypatch, name, outputs):
    monkeypatch.setattr(examples, "EXAMPLE_SIZE", (96, 128))
    assert main(["demo", "-o", str(tmp_path / "demo"), "--model", name, "--device", "cpu", "--dtype", "float32"]) == 0
    files = sorted((tmp_path / "demo").iterdir())
    assert len(files) == 3 * outputs
    out = capsys.readouterr().out
    for scene in ("day", "night", "fog"):
        assert str(tmp_path / "demo" / f"{scene}_panel.png") in out
        assert io.read_image(tmp_path / "demo" / f"{scene}_fused.png").shape == (96, 128, 3)
    day, night = (io.read_image(tmp_path / "demo" / f"{scene}_fused.png") for scene in ("day", "night"))
    assert (np.abs(day.astype(int) - night) > 5).mean() > 0.1


def test_demo_into_a_place_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["demo", "-o", str(tmp_path / "file" / "demo")]) == 2
    assert "cannot be written" in capsys.readouterr().err
