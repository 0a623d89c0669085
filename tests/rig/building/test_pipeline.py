"""From a simulated rig in motion to a data set that training and evaluation take, every step by its command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from segmif.io import read_image, read_labels
from tests.rig.building.recordings import recording, street


def _segmif(folder: Path, *arguments: str) -> str:
    result = subprocess.run(
        [sys.executable, "-m", "segmif", *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, f"segmif {' '.join(arguments)}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.mark.slow
def test_from_the_rig_to_training_and_evaluation(tmp_path: Path) -> None:
    drive = recording(tmp_path / "drive", drives=6, shift=4, polygons=True)
    registered = drive / "registered"
    _segmif(
        tmp_path, "rig", "register", str(drive / "Infrared"), str(drive / "Visible"), "-o", str(registered),
        "--model", "translation", "--preview", "none",
    )  # fmt: skip
    _segmif(tmp_path, "rig", "build", str(drive), "-o", "synthetic", "--parts", "train=0.7,test=0.3")

    built = tmp_path / "synthetic"
    assert {path.name for path in built.iterdir()} == {"train", "test", "pairs.jsonl", "build.json"}
    assert {path.name for path in (built / "train").iterdir()} == {"Infrared", "Visible", "Label", "color"}
    rows = [json.loads(line) for line in (built / "pairs.jsonl").read_text().splitlines()]
    assert len(rows) == 12
    assert len({(row["drive"], row["split"]) for row in rows}) == len({row["drive"] for row in rows})
    first = rows[0]
    rig = street(0)
    labels = read_labels(built / first["split"] / "Label" / "000001.png")
    assert np.array_equal(labels, rig.labels(0.0)), "polygons of the truth come back as the truth"
    infrared = read_image(built / first["split"] / "Infrared" / "000001.png").astype(float)
    inner = np.s_[8:-8, 16:-16]
    mended, shifted = infrared[inner], read_image(drive / "Infrared" / "000001.png").astype(float)[inner]
    truth = rig.view("infrared", 0.0).astype(float)[inner]
    assert np.corrcoef(mended.ravel(), truth.ravel())[0, 1] > 0.98 > np.corrcoef(shifted.ravel(), truth.ravel())[0, 1]

    assert "synthetic is sound" in _segmif(tmp_path, "rig", "check", "synthetic", "-j", "1")
    card = json.loads((built / "card" / "card.json").read_text())
    assert card["sun_and_brightness"]["pairs"] == 12
    assert sum(card["splits"].values()) == 12
    aligned = [pair["pixels"] for pair in card["registration"] if pair["sure"]]
    assert aligned
    assert np.median(aligned) < 2

    names = sorted(row["name"] for row in rows if row["split"] == "train")
    _segmif(
        tmp_path, "train", "smoke", "-o", "run", "--data.root", str(tmp_path),
        "--rounds", "1", "--joint.steps", "0", "--data.sources.0.leave_out", names[-1],
        "--data.validation.only", names[-1],
    )  # fmt: skip
    _segmif(
        tmp_path, "evaluate", "segmentation", "--model", "run/model", "--dataset", "fmb:test", "--root", "synthetic",
        "-o", "scores", "--device", "cpu",
    )  # fmt: skip
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["task"] == "segmentation"
