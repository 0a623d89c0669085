"""A whole benchmark on a small data set: what the document says, and that a second run has nothing to do."""

import json

import numpy as np
import pytest

import segmif.bench.networks as networks
from segmif.bench.run import Settings, run_benchmark
from segmif.checks import InputError
from segmif.infer import load
from segmif.io import read_image, write_image
from segmif.metrics import SegmentationScore, fusion_metrics
from tests.bench.conftest import NAMES, SIZE, truth, write_pairs

METRICS = ("EN", "MI", "Nabf")


def settings(data, *methods, **changes) -> Settings:
    options = {
        "datasets": ["msrs"],
        "methods": methods,
        "root": data,
        "metrics": METRICS,
        "pictures": 2,
        "dtype": "float32",
    }
    return Settings(**{**options, "device": "cpu", **changes})


def test_the_document(data, tmp_path):
    result = run_benchmark(settings(data, "average", "maximum"), tmp_path / "cache")
    document = result.document
    json.dumps(document, allow_nan=False)
    part = document["fusion"]["msrs"]
    assert document["datasets"]["msrs"]["images"] == list(NAMES)
    assert [len(part["values"][m]["EN"]) for m in ("average", "maximum")] == [4, 4]
    assert part["summary"]["maximum"]["EN"]["mean"] == pytest.approx(np.mean(part["values"]["maximum"]["EN"]))
    assert {c["rank"] for c in (part["summary"][m]["Nabf"] for m in ("average", "maximum"))} == {1, 2}
    assert document["metrics"]["Nabf"]["higher_is_better"] is False
    assert [row["method"] for row in part["published"]] == ["SegMiF", "EMMA", "CDDFuse"]
    assert document["versions"]["segmif"]
    assert document["machine"]["cores"] >= 1
    assert document["failures"] == []
    assert result.computed == 8
    assert [(s.image, [t for t, _ in s.files]) for s in result.shown] == [
        (name, ["infrared", "visible", "average", "maximum"]) for name in (NAMES[0], NAMES[2])
    ]
    assert (
        run_benchmark(settings(data, "average", published=False), tmp_path / "c2").document["fusion"]["msrs"][
            "published"
        ]
        == []
    )


def test_a_second_run_computes_nothing(data, tmp_path, monkeypatch):
    first = run_benchmark(settings(data, "average", "maximum"), tmp_path / "cache")
    monkeypatch.setattr("segmif.bench.summary.paired_bootstrap", None)
    monkeypatch.setattr("segmif.bench.measure.SourcePair", None)
    second = run_benchmark(settings(data, "average", "maximum"), tmp_path / "cache")
    assert second.computed == 0
    assert second.document["fusion"] == first.document["fusion"]
    assert second.shown == first.shown


def test_a_network_runs_once_and_its_labels_count(data, tiny, tmp_path, monkeypatch):
    runs = []
    write = networks._write
    monkeypatch.setattr(networks, "_write", lambda *a: (runs.append(1), write(*a)))
    chosen = settings(data, "average", str(tiny))
    document = run_benchmark(chosen, tmp_path / "cache").document
    assert len(runs) == 4
    assert document["methods"]["tiny"]["identity"]
    model = load(tiny, device="cpu", dtype="float32")
    infrared, visible = (read_image(data / "msrs" / b / f"{NAMES[1]}.png") for b in ("infrared", "visible"))
    result = model.predict(infrared, visible)
    expected = fusion_metrics(result.fused, infrared, visible, METRICS)
    assert {m: document["fusion"]["msrs"]["values"]["tiny"][m][1] for m in METRICS} == expected

    score = SegmentationScore("fmb")
    for seed, name in enumerate(NAMES):
        pair = (read_image(data / "msrs" / b / f"{name}.png") for b in ("infrared", "visible"))
        score.update(model.predict(*pair).labels, truth(seed))
    table = document["segmentation"]["msrs"]
    assert list(table) == ["tiny"]
    assert set(table["tiny"]) == {"all", "day", "night"}
    assert table["tiny"]["all"]["mIoU"] == pytest.approx(score.compute()["mIoU"])
    assert table["tiny"]["night"]["images"] == 2

    again = run_benchmark(chosen, tmp_path / "cache").document
    assert len(runs) == 4
    assert again["fusion"] == document["fusion"]
    write_image(data / "msrs" / "infrared" / f"{NAMES[0]}.png", np.full(SIZE, 90, np.uint8))
    run_benchmark(chosen, tmp_path / "cache")
    assert len(runs) == 5


def test_another_label_set_is_not_scored(data, tmp_path):
    from tests.tiny import tiny_network

    tiny_network(label_set="mfnet").save_pretrained(tmp_path / "foreign")
    document = run_benchmark(settings(data, str(tmp_path / "foreign")), tmp_path / "cache").document
    assert document["segmentation"] == {}
    assert "foreign labels mfnet classes" in document["notes"][0]


def test_chosen_classes(data, tiny, tmp_path):
    document = run_benchmark(settings(data, str(tiny), classes=("road", "person", "soil")), tmp_path / "cache").document
    assert list(document["segmentation"]["msrs"]["tiny"]["all"]["IoU"]) == ["road", "person"]


def test_bad_pairs_of_a_network(data, tiny, tmp_path):
    (data / "msrs" / "visible" / f"{NAMES[1]}.png").write_bytes(b"no picture")
    document = run_benchmark(settings(data, str(tiny), "average"), tmp_path / "cache").document
    assert {(f["method"], f["image"]) for f in document["failures"]} == {("tiny", NAMES[1]), ("average", NAMES[1])}
    assert len(document["failures"]) == 2
    assert all("not a picture" in f["error"] for f in document["failures"])
    assert document["fusion"]["msrs"]["values"]["tiny"]["EN"][1] is None
    assert document["fusion"]["msrs"]["summary"]["tiny"]["EN"]["count"] == 3
    assert document["segmentation"]["msrs"]["tiny"]["all"]["images"] == 3


def test_folders_of_results_with_labels(data, tmp_path):
    from segmif.io import write_labels
    from segmif.labelsets import FMB

    for seed, name in enumerate(NAMES):
        write_image(tmp_path / "r" / "msrs" / f"{name}_fused.png", np.full(SIZE, 50 + seed, np.uint8))
        write_labels(tmp_path / "r" / "msrs" / f"{name}_labels.png", truth(seed), FMB.palette)
    (data / "msrs" / "infrared" / f"{NAMES[3]}.png").unlink()
    document = run_benchmark(settings(data, f"mine={tmp_path / 'r'}"), tmp_path / "cache").document
    assert document["segmentation"]["msrs"]["mine"]["all"]["mIoU"] == 1.0
    assert document["fusion"]["msrs"]["summary"]["mine"]["EN"]["count"] == 3
    assert any(NAMES[3] in note for note in document["notes"])


def test_an_unreadable_source_has_no_hash(data, tmp_path, monkeypatch):
    from segmif.bench.sources import Pairs

    real = Pairs.sources

    def sources(self, index):
        if index == 1:
            raise InputError("x: cannot be read (Permission denied); check the path")
        return real(self, index)

    monkeypatch.setattr(Pairs, "sources", sources)
    document = run_benchmark(settings(data, "average", pictures=4), tmp_path / "cache").document
    assert [f["image"] for f in document["failures"]] == [NAMES[1]]


def test_a_method_of_one_data_set(data, tmp_path):
    write_pairs(data / "tno")
    both = settings(data, "average@tno", "maximum", datasets=["msrs", "tno"])
    document = run_benchmark(both, tmp_path / "cache").document
    assert {name: list(part["summary"]) for name, part in document["fusion"].items()} == {
        "msrs": ["maximum"],
        "tno": ["average", "maximum"],
    }
    with pytest.raises(InputError, match="no method runs on msrs"):
        run_benchmark(settings(data, "average@tno"), tmp_path / "cache")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"datasets": []}, "no data sets"),
        ({"datasets": ["msrs", "msrs=other"]}, "two data sets are named 'msrs'"),
        ({"metrics": ("EN", "XX")}, "unknown metric 'XX'"),
        ({"methods": ["nothing"]}, "unknown method 'nothing'"),
        ({"datasets": ["tno"]}, "'tno' is not below"),
    ],
)
def test_wrong_settings(changes, message, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "other")
    with pytest.raises(InputError, match=message):
        run_benchmark(settings(data, **{"methods": ["average"], **changes}), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
