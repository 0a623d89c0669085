"""Scores of one method's files, against the accumulators fed by hand."""

import csv
import json

import numpy as np
import pytest

from segmif.bench.entries import Folder
from segmif.bench.segment import Segmented, protocol_of, score_labels, tabulate, truths_of_folder, truths_of_pairs
from segmif.bench.sources import open_pairs
from segmif.bench.tasks import (
    detect_in_folder,
    evaluate_boxes,
    evaluate_fusion,
    evaluate_saliency,
    evaluate_segmentation,
    fused_pictures,
    label_maps,
    masks_of_folder,
)
from segmif.checks import InputError
from segmif.data.base import Boxes
from segmif.io import write_image, write_labels
from segmif.labelsets import CWFID, FMB, MFNET
from segmif.metrics import Detections, SaliencyScore, SegmentationScore, fusion_metrics
from tests.bench.conftest import NAMES, SIZE, truth


def noisy(seed: int, share: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(SIZE) < share, rng.choice([1, 7, 8], SIZE), truth(seed)).astype(np.uint8)


@pytest.fixture
def predicted(tmp_path):
    for seed, name in enumerate(NAMES):
        write_labels(tmp_path / "p" / f"{name}_labels.png", noisy(seed, 0.3), FMB.palette)
        write_image(tmp_path / "p" / f"{name}_fused.png", np.zeros(SIZE, np.uint8))
    return tmp_path / "p"


def test_fusion(data):
    pairs = open_pairs("msrs", data)
    folder = Folder.of("X", data / "msrs" / "visible", pairs.samples.names)
    found = evaluate_fusion(pairs, folder, ["EN", "CE"])
    expected = [fusion_metrics(s.visible, s.infrared, s.visible, ["EN", "CE"]) for s in pairs.samples]
    assert found.scores["CE"]["mean"] == pytest.approx(np.mean([e["CE"] for e in expected]))
    assert found.images[NAMES[1]] == expected[1]
    worst = max(range(4), key=lambda i: expected[i]["CE"])
    assert found.table[1][1][0] == "CE ↓"
    assert found.table[1][1][4].endswith(f"({NAMES[worst]})")


def test_nothing_could_be_scored(data):
    pairs = open_pairs("msrs", data)
    folder = Folder.of("X", data / "msrs" / "visible", pairs.samples.names)
    for path in folder.files.values():
        path.write_bytes(b"")
    with pytest.raises(InputError, match="not one of 4 pictures could be scored; the first: 00001D"):
        evaluate_fusion(pairs, folder, ["EN"])


def test_segmentation(data, predicted, tmp_path):
    found = evaluate_segmentation(truths_of_pairs(open_pairs("msrs", data)), label_maps(predicted), "fmb")
    score, banded = SegmentationScore("fmb"), SegmentationScore("fmb", ignore_band=5)
    for seed in range(4):
        for s in (score, banded):
            s.update(noisy(seed, 0.3), truth(seed))
    assert found.scores["mIoU"] == score.compute()["mIoU"]
    assert found.scores["mIoU_band_5px"] == banded.compute()["mIoU"]
    assert found.images[NAMES[0]]["IoU person"] == pytest.approx(_single(noisy(0, 0.3), truth(0))["IoU"]["person"])
    json_path, csv_path = found.write(tmp_path / "v1.5")
    assert json_path.name == "v1.5.json"
    document = json.loads(json_path.read_text())
    assert document["scores"]["boundary_F"] is None
    assert document["scores"]["IoU"]["bicycle"] is None
    rows = list(csv.DictReader(csv_path.open()))
    assert [row["image"] for row in rows] == list(NAMES)
    assert float(rows[2]["mIoU"]) == pytest.approx(_single(noisy(2, 0.3), truth(2))["mIoU"])
    assert rows[0]["IoU bicycle"] == ""


def _single(pred, true):
    score = SegmentationScore("fmb")
    score.update(pred, true)
    return score.compute()


def test_bad_label_maps_cost_only_themselves(data, predicted):
    write_image(predicted / f"{NAMES[0]}_labels.png", np.zeros((8, 8), np.uint8))
    write_image(predicted / f"{NAMES[1]}_labels.png", np.full(SIZE, 77, np.uint8))
    (predicted / f"{NAMES[2]}_labels.png").unlink()
    truths = truths_of_pairs(open_pairs("msrs", data))
    found = evaluate_segmentation(truths, label_maps(predicted), "fmb", missing={NAMES[2]: "out of memory"})
    errors = {f.image: f.error for f in found.failures}
    assert "must have the same width x height" in errors[NAMES[0]]
    assert "holds the id 77" in errors[NAMES[1]]
    assert errors[NAMES[2]] == "out of memory"
    assert found.scores["images"] == 1
    assert found.scores["mIoU"] == pytest.approx(_single(noisy(3, 0.3), truth(3))["mIoU"])


def test_against_another_method(data, predicted, tmp_path):
    for seed, name in enumerate(NAMES):
        write_labels(tmp_path / "q" / f"{name}.png", noisy(seed, 0.9), FMB.palette)
    truths = truths_of_folder(data / "msrs" / "label")
    found = evaluate_segmentation(truths, label_maps(predicted), "fmb", against=label_maps(tmp_path / "q"))
    assert found.scores["against"]["difference"] > 0.1
    assert found.scores["against"]["p_value"] < 0.05
    for name in NAMES[1:]:
        (tmp_path / "q" / f"{name}.png").unlink()
    with pytest.raises(InputError, match="1 images in common"):
        evaluate_segmentation(truths, label_maps(predicted), "fmb", against=label_maps(tmp_path / "q"))


def test_a_damaged_truth_costs_only_its_pair(data, predicted):
    (data / "msrs" / "label" / f"{NAMES[1]}.png").write_bytes(b"x")
    (data / "msrs" / "visible" / f"{NAMES[2]}.png").write_bytes(b"x")
    found = evaluate_segmentation(truths_of_pairs(open_pairs("msrs", data)), label_maps(predicted), "fmb")
    assert [f.image for f in found.failures] == list(NAMES[1:3])
    assert found.scores["images"] == 2


def test_tables_of_methods(data, predicted, tmp_path):
    truths = truths_of_pairs(open_pairs("msrs", data))
    results = {}
    for name, share in (("good", 0.1), ("bad", 0.9)):
        for seed, stem in enumerate(NAMES):
            write_labels(tmp_path / name / f"{stem}.png", noisy(seed, share), FMB.palette)
        results[name] = Segmented.by("fmb")
        assert score_labels(truths, label_maps(tmp_path / name), results[name], dataset="d", method=name) == []
    results["none"] = Segmented.by("fmb")
    table = tabulate(results)
    assert set(table) == {"good", "bad"}
    assert (table["good"]["all"]["best"], table["good"]["all"]["p"]) == (True, None)
    assert table["bad"]["all"]["p"] < 0.05
    assert table["bad"]["day"]["images"] == table["bad"]["night"]["images"] == 2
    assert table["good"]["all"]["accuracy"] > 0.9 > table["bad"]["all"]["accuracy"]
    results["bad"].images[:] = ["other"] * 3 + [NAMES[0]]
    assert tabulate(results)["bad"]["all"]["p"] is None


def test_protocols_of_data_sets():
    assert protocol_of(FMB).name == "fmb"
    assert protocol_of(MFNET).name == "msrs"
    assert protocol_of(FMB, "roadscene15").name == "roadscene15"
    assert protocol_of(CWFID) is CWFID
    with pytest.raises(InputError, match="has no labels"):
        protocol_of(None)


def boxes(*corners):
    count = len(corners)
    return Boxes(
        xyxy=np.array(corners, np.float32).reshape(-1, 4), class_ids=np.full(count, 8), ignore=np.zeros(count, bool)
    )


def test_detection(tmp_path):
    write_image(tmp_path / "a_fused.png", np.zeros(SIZE, np.uint8))
    write_image(tmp_path / "a_labels.png", np.zeros(SIZE, np.uint8))
    write_image(tmp_path / "b.png", np.zeros(SIZE, np.uint16))
    found, failures = detect_in_folder(lambda image: Detections.of([[0, 0, 9, 9]], [0.9], [8]), tmp_path)
    assert set(found) == {"a"}
    assert [f.image for f in failures] == ["b"]
    result = evaluate_boxes(found, {"a": boxes((0, 0, 9, 9)), "c": boxes()}, "llvip", failures=failures)
    assert result.scores["mAP50"] == pytest.approx(1)
    assert result.images == {"a": {"true_boxes": 1, "found_boxes": 1}, "c": {"true_boxes": 0, "found_boxes": 0}}
    assert result.document["failures"][0]["image"] == "b"


def test_saliency(tmp_path):
    rng = np.random.default_rng(0)
    maps = {n: rng.integers(0, 256, SIZE).astype(np.uint8) for n in "abc"}
    masks = {n: (truth(i) == 8).astype(np.uint8) * 255 for i, n in enumerate("abc")}
    for name in maps:
        write_image(tmp_path / "maps" / f"{name}.png", maps[name])
        write_image(tmp_path / "gt" / f"{name}.png", masks[name])
    write_image(tmp_path / "maps" / "b.png", np.stack([maps["b"]] * 3, axis=2))
    write_image(tmp_path / "gt" / "missing.png", masks["a"])
    write_image(tmp_path / "gt" / "deep.png", masks["a"].astype(np.uint16))
    write_image(tmp_path / "maps" / "deep.png", maps["a"])
    found = evaluate_saliency(fused_pictures(tmp_path / "maps"), masks_of_folder(tmp_path / "gt"))
    score = SaliencyScore()
    for name in "abc":
        score.update(maps[name], masks[name])
    assert found.scores == pytest.approx(score.compute())
    assert {f.image for f in found.failures} == {"missing", "deep"}
    assert found.images["b"]["S"] == pytest.approx(score.per_image[1].s)


@pytest.mark.parametrize("reader", [fused_pictures, label_maps, masks_of_folder, truths_of_folder])
def test_empty_folders(reader, tmp_path):
    with pytest.raises(InputError, match="holds no picture"):
        reader(tmp_path)
