"""`segmif evaluate` and `segmif benchmark` as users call them."""

import json
from pathlib import Path

import numpy as np
import pytest

from segmif.cli import main
from segmif.io import read_image, write_image, write_json, write_labels
from segmif.labelsets import FMB
from tests.bench.conftest import NAMES, SIZE, data, tiny, truth  # noqa: F401 (fixtures)
from tests.bench.test_detector import coco, tiny_yolos  # noqa: F401


@pytest.fixture
def call(capsys, monkeypatch, tmp_path):
    """Run a command in an empty folder; gives exit code, stdout and the lines of stderr."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*arguments: object) -> tuple[int, str, list[str]]:
        code = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err.splitlines()

    return run


@pytest.fixture
def fused(data, tmp_path) -> Path:  # noqa: F811
    """What `segmif fuse` would write, made of the visible pictures and the truth."""
    for seed, name in enumerate(NAMES):
        write_image(tmp_path / "fused" / f"{name}_fused.png", read_image(data / "msrs" / "visible" / f"{name}.png"))
        write_labels(tmp_path / "fused" / f"{name}_labels.png", truth(seed), FMB.palette)
    return tmp_path / "fused"


def load(path) -> dict:
    return json.loads(Path(path).read_text())


def test_fusion_of_three_folders(call, data, fused):  # noqa: F811
    code, out, err = call(
        "evaluate", "fusion", fused, data / "msrs/infrared", data / "msrs/visible", "-m", "EN,SSIM", "-o", "x/mine.json"
    )
    assert (code, err) == (0, [])
    assert "SSIM ↑" in out
    assert "wrote x/mine.json and x/mine.csv" in out
    document = load("x/mine.json")
    assert document["task"] == "fusion"
    assert f"{document['scores']['EN']['mean']:.4f}" in out
    assert set(document["images"]) == set(NAMES)
    assert (Path("x") / "mine.csv").read_text().count("\n") == 5


def test_fusion_in_a_data_set_with_a_convention(call, data, fused):  # noqa: F811
    where = ["--dataset", "msrs", "--root", data / "msrs", "-j", 1]
    assert call("evaluate", "fusion", fused, *where, "--convention", "vifb")[0] == 0
    document = load("evaluation-fusion.json")
    assert document["settings"]["convention"] == "vifb"
    assert set(document["scores"]) == {"EN", "SD", "SF", "AG", "MI", "Qabf", "SSIM"}
    assert call("evaluate", "fusion", fused, *where, "-m", "all", "--convention", "vifb", "--limit", 1)[0] == 0
    assert "RMSE" in load("evaluation-fusion.json")["scores"]


def test_fusion_of_one_picture(call, data, fused):  # noqa: F811
    one = [
        fused / f"{NAMES[0]}_fused.png",
        data / f"msrs/infrared/{NAMES[0]}.png",
        data / f"msrs/visible/{NAMES[0]}.png",
    ]
    assert call("evaluate", "fusion", *one, "-m", "EN")[0] == 0
    code, _, err = call("evaluate", "fusion", one[0], data / "msrs/infrared", data / "msrs/visible")
    assert code == 2
    assert "is one picture but there are 4 pairs" in err[0]


def test_one_bad_picture_is_a_partial_failure(call, data, fused):  # noqa: F811
    write_image(fused / f"{NAMES[1]}_fused.png", np.zeros((8, 8), np.uint8))
    (data / "msrs" / "infrared" / f"{NAMES[2]}.png").unlink()
    code, out, err = call("evaluate", "fusion", fused, "-d", "msrs", "-r", data, "-m", "EN")
    assert code == 1
    assert "EN" in out
    assert any(NAMES[1] in line and "same width x height" in line for line in err)
    assert any(NAMES[2] in line for line in err)
    document = load("evaluation-fusion.json")
    assert set(document["images"]) == {NAMES[0], NAMES[3]}
    assert [f["image"] for f in document["failures"]] == [NAMES[1]]


def test_segmentation(call, data, fused):  # noqa: F811
    code, out, err = call("evaluate", "segmentation", fused, data / "msrs/label", "--protocol", "fmb")
    assert (code, err) == (0, [])
    assert load("evaluation-segmentation.json")["scores"]["mIoU"] == 1.0
    code, out, _ = call(
        "evaluate", "segmentation", fused, "-d", "msrs", "-r", data, "--classes", "person", "--boundary", 0.01,
        "--against", fused,
    )  # fmt: skip
    assert code == 0
    scores = load("evaluation-segmentation.json")["scores"]
    assert scores["IoU"] == {"person": 1.0}
    assert scores["boundary_F"] == 1.0
    assert scores["against"]["difference"] == 0.0
    assert "boundary_F" in out


def test_a_part_of_a_data_set_is_a_partial_failure(call, data, fused):  # noqa: F811
    (data / "msrs" / "infrared" / f"{NAMES[2]}.png").unlink()
    code, _, err = call("evaluate", "segmentation", fused, "-d", "msrs", "-r", data)
    assert code == 1
    assert any(NAMES[2] in line and line.startswith("segmif: left out") for line in err)
    assert set(load("evaluation-segmentation.json")["images"]) == {*NAMES} - {NAMES[2]}


def test_segmentation_by_a_model(call, data, tiny):  # noqa: F811
    (data / "msrs" / "label" / f"{NAMES[3]}.png").unlink()
    (data / "msrs" / "visible" / f"{NAMES[1]}.png").write_bytes(b"x")
    code, _, err = call("evaluate", "segmentation", "--model", tiny, "-d", "msrs", "-r", data, "--device", "cpu")
    assert code == 1
    assert len([line for line in err if NAMES[1] in line]) == 1
    assert set(load("evaluation-segmentation.json")["images"]) == {NAMES[0], NAMES[2]}


def test_a_model_without_classes(call, data, tmp_path):  # noqa: F811
    from tests.tiny import tiny_network

    tiny_network(label_set=None, num_classes=None).save_pretrained(tmp_path / "bare")
    code, _, err = call("evaluate", "segmentation", "--model", tmp_path / "bare", "-d", "msrs", "-r", data)
    assert code == 2
    assert "is fusion only" in err[0]


def test_detection_from_a_file(call, coco, tmp_path):  # noqa: F811
    write_json(tmp_path / "f.json", [{"image_id": 7, "category_id": 1, "bbox": [10, 5, 20, 35], "score": 0.9}])
    code, out, err = call("evaluate", "detection", tmp_path / "f.json", coco)
    assert (code, err) == (0, [])
    assert load("evaluation-detection.json")["scores"]["AP50"] == {"person": 1.0, "car": None}
    assert "mAP50:95" in out


def test_detection_by_a_detector(call, coco, tiny_yolos, tmp_path):  # noqa: F811
    write_image(tmp_path / "pictures" / "one_fused.png", np.full((48, 64, 3), 90, np.uint8))
    (tmp_path / "pictures" / "two.png").write_bytes(b"x")
    code, _, err = call("evaluate", "detection", tmp_path / "pictures", coco, "--detector", tiny_yolos)
    assert code == 1
    assert [line.split(":")[1] for line in err if line.startswith("segmif")] == [" left out two"]
    assert load("evaluation-detection.json")["images"]["one"]["found_boxes"] > 0


def test_detection_in_a_data_set(call, data, tmp_path):  # noqa: F811
    annotations = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 20], "area": 400, "iscrowd": 0}]
    images = [{"id": i + 1, "file_name": f"{n}.png", "width": 64, "height": 48} for i, n in enumerate(NAMES)]
    truth_file = {"images": images, "categories": [{"id": 1, "name": "person"}], "annotations": annotations}
    write_json(data / "msrs" / "boxes.json", truth_file)
    found = [{"image_id": NAMES[0], "category_id": "person", "bbox": [5, 5, 20, 20], "score": 1.0}]
    write_json(tmp_path / "f.json", found)
    assert call("evaluate", "detection", tmp_path / "f.json", "-d", "msrs", "-r", data)[0] == 0
    assert load("evaluation-detection.json")["scores"]["mAP50_95"] == pytest.approx(1)
    (data / "msrs" / "visible" / f"{NAMES[1]}.png").write_bytes(b"x")
    code, _, err = call("evaluate", "detection", tmp_path / "f.json", "-d", "msrs", "-r", data)
    assert code == 1
    assert NAMES[1] in err[0]


def test_saliency(call, tmp_path):
    for seed in range(3):
        mask = (truth(seed) == 8).astype(np.uint8) * 255
        for folder in ("maps", "vt821/GT", "vt821/RGB", "vt821/T"):
            write_image(tmp_path / folder / f"{seed}.png", mask)
    assert call("evaluate", "saliency", tmp_path / "maps", tmp_path / "vt821/GT")[0] == 0
    assert load("evaluation-saliency.json")["scores"]["MAE"] == 0
    assert call("evaluate", "saliency", tmp_path / "maps", "-d", "vt821", "-r", tmp_path, "-o", "vt")[0] == 0
    assert load("vt.json")["scores"]["wF"] == pytest.approx(1)


def test_benchmark(call, data, fused, tiny):  # noqa: F811
    common = ["--root", data, "--metrics", "EN,CC", "--pictures", 1, "-j", 1, "--device", "cpu", "-o", "report"]
    several = ["--datasets", "msrs", "--methods", "average", "maximum,laplacian", f"mine={fused}", tiny]
    code, out, err = call("benchmark", *several, *common)
    assert code == 0, err
    assert "MSRS, test: 4 pairs" in out
    assert "20 pictures measured now" in out
    document = load("report/report.json")
    assert list(document["methods"]) == ["average", "maximum", "laplacian", "mine", "tiny"]
    assert document["segmentation"]["msrs"]["mine"]["all"]["mIoU"] == 1.0
    assert "data:image/webp" in Path("report/report.html").read_text()
    code, out, _ = call("benchmark", *several, *common)
    assert code == 0
    assert "0 pictures measured now" in out


def test_benchmark_goes_on_after_a_bad_picture(call, data, fused):  # noqa: F811
    (fused / f"{NAMES[0]}_fused.png").unlink()
    args = ["--datasets", "msrs", "--methods", f"mine={fused},average", "--root", data, "-m", "EN", "-o", "p/page.html"]
    code, out, err = call("benchmark", *args, "--no-published")
    assert code == 1
    assert "mine (3/4)" in out
    assert any(NAMES[0] in line and "holds no picture" in line for line in err)
    assert load("p/page.json")["fusion"]["msrs"]["published"] == []
    assert Path("p/page-cache/scores.jsonl").is_file()


def test_many_failures_are_counted(call, data, capsys):  # noqa: F811
    from segmif.cli.evaluating import _say_failures

    _say_failures([(str(i), "broken") for i in range(25)])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 21
    assert "5 more" in lines[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "fusion", "x"], "give FUSED INFRARED VISIBLE"),
        (["evaluate", "fusion", "x", "a", "b"], "no such folder"),
        (["evaluate", "fusion", "DATA/visible", "DATA/infrared", "DATA/visible", "-m", "ENN"], "unknown metric 'ENN'"),
        (["evaluate", "fusion", "DATA/visible", "DATA/infrared", "DATA/visible", "--convention", "tan"], "'tang'"),
        (["evaluate", "fusion", "DATA", "DATA/infrared", "DATA/visible"], "holds no picture of the 4 pairs"),
        (["evaluate", "fusion", "DATA/visible", "-d", "fbm"], "did you mean 'fmb'"),
        (["evaluate", "fusion", "DATA/visible", "-d", "tno=nowhere"], "nowhere: no such folder"),
        (["evaluate", "segmentation"], "give PREDICTED TRUTH"),
        (["evaluate", "segmentation", "DATA/label", "DATA/label"], "give --protocol"),
        (["evaluate", "segmentation", "DATA/label", "DATA/label", "-p", "fmbb"], "did you mean 'fmb'"),
        (["evaluate", "segmentation", "-d", "msrs", "-r", "DATA"], "or --model NAME"),
        (["evaluate", "detection", "DATA/visible"], "give TRUTH"),
        (["evaluate", "detection", "x.json", "-d", "msrs", "-r", "DATA"], "no pair has boxes"),
        (["evaluate", "detection", "x.json", "y.json", "-p", "lvip"], "did you mean 'llvip'"),
        (["evaluate", "saliency", "DATA/label"], "give MAPS TRUTH"),
        (["benchmark", "-d", "msrs", "--methods", "averag", "--root", "DATA", "-o", "r"], "did you mean 'average'"),
        (["benchmark", "-d", "msrs", "--methods", "average", "--root", "DATA", "-o", "FILE/r"], "cannot be written"),
    ],
)  # fmt: skip
def test_wrong_use_is_one_line(arguments, message, call, data, tmp_path):  # noqa: F811
    (tmp_path / "file").write_text("")
    replaced = [str(a).replace("DATA", str(data / "msrs")).replace("FILE", str(tmp_path / "file")) for a in arguments]
    code, _, err = call(*replaced)
    assert code == 2
    assert len(err) == 1
    assert message in err[0]


def test_pairs_without_labels(call, data, fused):  # noqa: F811
    for path in (data / "msrs" / "label").iterdir():
        path.unlink()
    code, _, err = call("evaluate", "segmentation", fused, "-d", "msrs", "-r", data)
    assert code == 2
    assert "no pair has a label" in err[0]


def test_a_folder_instead_of_boxes(call, data, coco):  # noqa: F811
    code, _, err = call("evaluate", "detection", data / "msrs" / "visible", coco)
    assert code == 2
    assert "give --detector" in err[0]
