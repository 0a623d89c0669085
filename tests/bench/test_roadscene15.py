"""The page of RoadScene-15: its blocks are filled, its numbers are those of the drawings, no photograph is in it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from segmif.bench import roadscene15
from segmif.checks import InputError
from segmif.data import PairSample
from segmif.data.roadscene15.drawings import ROADSCENE_FOLDER, read_label_map, read_table
from segmif.io import read_image
from segmif.labelsets import FMB
from segmif.models.weights import load_shipped

PAGE = "".join(f"<!-- {name} --><!-- /{name} -->" for name in ("splits", "light", "classes", "together", "alignment"))


def test_blocks_without_marks_are_refused() -> None:
    with pytest.raises(InputError, match="no marks <!-- y -->"):
        roadscene15.fill("<!-- x --><!-- /x -->", {"y": []})


def test_polygons_label_maps_and_boxes_agree() -> None:
    text = "\n".join(roadscene15.quality_table())
    assert "| RoadScene-15 | pixels drawn by polygons alone that the label map repeats | 99.87% |" in text
    inside, overlaps = roadscene15.box_agreement("roadscene15", "car")
    assert inside > 0.95
    assert np.median(overlaps) > 0.85


def test_light_is_what_people_saw() -> None:
    lines = roadscene15.light_table()
    assert "| train | 27 | 3 | 71 |" in lines
    assert lines.count("| val | 10 | 7 | 18 |") == lines.count("| val | 15 | 0 | 15 |") == 1


def test_baselines_are_models_of_roads() -> None:
    models = roadscene15.of_roads()
    assert "segmif-lite" in models
    assert all(load_shipped(name).config.num_classes == len(FMB) for name in models)


def test_overlap_of_boxes() -> None:
    assert roadscene15._iou((0, 0, 4, 4), (2, 0, 6, 4)) == pytest.approx(1 / 3)
    assert roadscene15._iou((0, 0, 4, 4), (8, 8, 9, 9)) == 0


def test_figures_show_palette_colours_only(tmp_path: Path) -> None:
    roadscene15.draw(tmp_path)
    sheet = read_image(tmp_path / "roadscene15-labels.png")
    known = {*FMB.palette, (255, 255, 255), (24, 26, 30)}
    colours, counts = np.unique(sheet.reshape(-1, 3), axis=0, return_counts=True)
    flat = sum(int(n) for colour, n in zip(colours, counts, strict=True) if tuple(int(c) for c in colour) in known)
    assert flat / counts.sum() > 0.8, "the rest are the borders, smoothed by scaling, and the titles"
    assert "<image" not in (tmp_path / "roadscene15-polygons.svg").read_text()


def test_what_a_recipe_trains_on_is_told_by_name() -> None:
    assert list(roadscene15.seen("segmif-lite", "roadscene15", "FLIR_07060")) == ["not seen in training"]
    assert list(roadscene15.seen("segmif-lite", "roadscene15", "FLIR_00550")) == ["seen in training"]
    assert list(roadscene15.seen("segmif-lite", "msrs15", "00012N")) == []
    assert list(roadscene15.seen("mine", "roadscene15", "FLIR_00550")) == []


def test_the_baseline_scores_what_a_model_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = [row for row in read_table(ROADSCENE_FOLDER).values() if row.split == "val"][::3]
    samples = [
        PairSample(
            name=row.name,
            infrared=read_label_map("roadscene15", row.name),
            visible=np.zeros((*row.size, 3), np.uint8),
            labels=read_label_map("roadscene15", row.name),
            meta={"time": row.time},
        )
        for row in rows
    ]
    truthful = SimpleNamespace(predict=lambda infrared, _: SimpleNamespace(labels=np.where(infrared > 14, 0, infrared)))
    monkeypatch.setattr(roadscene15, "open_dataset", lambda *_, **__: samples)
    monkeypatch.setattr(roadscene15, "load", lambda _: truthful)
    monkeypatch.setattr(roadscene15, "SETS", {"roadscene15": "RoadScene-15"})
    lines = roadscene15.baseline_table(tmp_path, ["segmif-lite"])
    assert any(line.startswith("| segmif-lite | RoadScene-15 | all | 12 | 1.000 | 1.000 |") for line in lines)
    assert any("| not seen in training |" in line for line in lines)
    groups = [line.split("|")[3].strip() for line in lines if line.startswith("| segmif-lite")]
    assert groups == ["all", "day", "night", "not seen in training", "seen in training"]
    assert lines[0].startswith("Weights: segmif-lite (SHA-256 ")
    blind = SimpleNamespace(predict=lambda *_: SimpleNamespace(labels=None))
    monkeypatch.setattr(roadscene15, "load", lambda _: blind)
    with pytest.raises(InputError, match="fusion only"):
        roadscene15.baseline_table(tmp_path, ["x"])


def test_the_page_is_written_from_real_pairs(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roadscene15, "SETS", {"msrs15": "MSRS-15"})
    inspect = roadscene15.inspect
    monkeypatch.setattr(roadscene15, "inspect", lambda info, root, **_: inspect(info, root, pairs=1))
    page = tmp_path / "page.md"
    page.write_text(PAGE + "<!-- quality --><!-- /quality -->")
    roadscene15.main([str(shared / "data"), str(page), "--no-models"])
    text = page.read_text()
    assert "| val | 30 | 30 |" in text
    assert "![MSRS-15: Chord diagram" in text
    assert (tmp_path / "images" / "msrs15-together.svg").is_file()
