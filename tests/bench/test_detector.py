"""Detectors, result files and truth files, from disk to average precision."""

import json

import numpy as np
import pytest
import torch

from segmif.bench.detector import (
    TransformersDetector,
    detect,
    evaluate_detection,
    read_predictions,
    read_truth,
    write_predictions,
)
from segmif.checks import InputError
from segmif.labelsets import CWFID, FMB
from segmif.metrics import Detections

PERSON, CAR = 8, 9
VOC = """<annotation><size><width>64</width><height>48</height></size>
<object><name>{name}</name><difficult>{difficult}</difficult>
<bndbox><xmin>11</xmin><ymin>6</ymin><xmax>30</xmax><ymax>40</ymax></bndbox></object></annotation>"""


@pytest.fixture
def coco(tmp_path):
    """Two pictures, the second empty but for an ignored car."""
    path = tmp_path / "truth.json"
    content = {
        "images": [
            {"id": 7, "file_name": "vis/one.png", "width": 64, "height": 48},
            {"id": 3, "file_name": "two.png", "width": 64, "height": 48},
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "car"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 1, "bbox": [10, 5, 20, 35], "area": 700, "iscrowd": 0},
            {"id": 2, "image_id": 3, "category_id": 2, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0, "ignore": 1},
        ],
    }
    path.write_text(json.dumps(content))
    return path


@pytest.fixture(scope="module")
def tiny_yolos(tmp_path_factory):
    """A random YOLOS that knows a person, a dog and a car, with its image processor."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("yolos")
    names = {0: "person", 1: "dog", 2: "car"}
    config = transformers.YolosConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=[32, 48],
        patch_size=16,
        num_detection_tokens=30,
        id2label=names,
        label2id={v: k for k, v in names.items()},
    )
    network = transformers.YolosForObjectDetection(config)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in network.parameters():  # the usual start gives every query the same box
            parameter.normal_(0, 0.5, generator=generator)
    network.save_pretrained(folder)
    transformers.YolosImageProcessor(size={"shortest_edge": 32, "longest_edge": 64}).save_pretrained(folder)
    return folder


def test_transformers_detector_finds_boxes_in_our_ids(tiny_yolos):
    detector = TransformersDetector(tiny_yolos, FMB)
    assert detector.class_ids == {0: PERSON, 2: CAR}
    rng = np.random.default_rng(0)
    images = [(name, rng.integers(0, 256, (48, 64, 3)).astype(np.uint8)) for name in ("one", "two")]
    found = detect(detector, images)
    assert list(found) == ["one", "two"]
    for boxes in found.values():
        assert len(boxes) > 0
        assert set(boxes.class_ids.tolist()) <= {PERSON, CAR}
        assert (np.diff(boxes.scores) <= 0).all()
        assert boxes.xyxy.min() >= 0
        assert (boxes.xyxy <= [64, 48, 64, 48]).all()
    assert len(detector(images[0][1][..., 0])) > 0


def test_transformers_detector_equals_its_own_arithmetic(tiny_yolos):
    """Boxes are centre and size as fractions of the picture; scores the best class' probability."""
    transformers = pytest.importorskip("transformers")
    image = np.random.default_rng(1).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    found = TransformersDetector(tiny_yolos, FMB, threshold=0.0)(image)
    pixels = transformers.AutoImageProcessor.from_pretrained(tiny_yolos)(images=[image], return_tensors="pt")
    with torch.no_grad():
        out = transformers.AutoModelForObjectDetection.from_pretrained(tiny_yolos)(**pixels)
    probabilities, labels = out.logits[0].softmax(-1)[:, :-1].max(-1)
    keep = labels != 1
    order = probabilities[keep].argsort(descending=True, stable=True)
    assert 0 < len(found) < 30  # all three classes occur, the dog is dropped
    cx, cy, w, h = out.pred_boxes[0][keep][order].double().unbind(-1)
    xyxy = torch.stack([(cx - w / 2) * 64, (cy - h / 2) * 48, (cx + w / 2) * 64, (cy + h / 2) * 48], -1).numpy()
    np.testing.assert_allclose(found.scores, probabilities[keep][order].numpy(), rtol=1e-5)
    np.testing.assert_allclose(found.xyxy, xyxy.clip(0, [64, 48, 64, 48]), atol=1e-3)


def test_threshold_drops_unsure_boxes(tiny_yolos):
    image = np.zeros((48, 64, 3), np.uint8)
    everything = TransformersDetector(tiny_yolos, FMB, threshold=0.0)(image)
    middle = float(np.median(everything.scores))
    sure = TransformersDetector(tiny_yolos, FMB, threshold=middle)(image)
    assert len(sure) == int((everything.scores > middle).sum()) < len(everything)


def test_detectors_that_cannot_be_had(tmp_path, tiny_yolos):
    with pytest.raises(InputError, match="cannot be loaded"):
        TransformersDetector(tmp_path / "nothing", FMB)
    with pytest.raises(InputError, match=r"none of the classes of 'cwfid' \(it knows person, dog, car"):
        TransformersDetector(tiny_yolos, CWFID)
    with pytest.raises(InputError, match="expected uint8"):
        TransformersDetector(tiny_yolos, FMB)(np.zeros((48, 64, 3), np.float32))


def test_coco_truth_and_numbered_results_to_average_precision(tmp_path, coco):
    pytest.importorskip("faster_coco_eval")
    results = tmp_path / "found.json"
    entries = [
        {"image_id": 7, "category_id": 1, "bbox": [10, 5, 20, 35], "score": 0.9},
        {"image_id": 3, "category_id": 2, "bbox": [1, 1, 6, 6], "score": 0.95},
    ]
    results.write_text(json.dumps(entries))
    truth = read_truth(coco, FMB)
    assert truth["one"].xyxy.tolist() == [[10, 5, 30, 40]]
    assert truth["two"].ignore.tolist() == [True]
    found = read_predictions(results, FMB, truth=coco)
    assert found["one"].class_ids.tolist() == [PERSON]
    result = evaluate_detection(found, truth, "person-car")
    assert result["mAP50_95"] == pytest.approx(1)
    assert (result["true_boxes"], result["images"]) == (1, 2)


def test_voc_truth_counts_corners_from_one(tmp_path):
    folder = tmp_path / "Annotations"
    folder.mkdir()
    (folder / "a.xml").write_text(VOC.format(name="People", difficult=0))
    (folder / "b.xml").write_text(VOC.format(name="Lamp", difficult=1))
    truth = read_truth(folder, FMB)
    assert truth["a"].xyxy.tolist() == [[10, 5, 30, 40]]
    assert (truth["a"].class_ids.tolist(), truth["b"].class_ids.tolist()) == ([PERSON], [4])
    assert truth["b"].ignore.tolist() == [True]


def test_predictions_survive_a_round_trip(tmp_path):
    found = {
        "one": Detections.of([[1, 2, 30, 40.5], [0, 0, 5, 5]], [0.25, 0.125], [PERSON, 4]),
        "two": Detections.of([[3, 3, 4, 4]], [1.0], [CAR]),
    }
    path = tmp_path / "found.json"
    write_predictions(path, found, FMB)
    again = read_predictions(path, FMB)
    for name, boxes in found.items():
        np.testing.assert_array_equal(again[name].xyxy, boxes.xyxy)
        np.testing.assert_array_equal(again[name].scores, boxes.scores)
        np.testing.assert_array_equal(again[name].class_ids, boxes.class_ids)


def test_boxes_of_other_classes_are_dropped(tmp_path):
    path = tmp_path / "found.json"
    path.write_text(json.dumps([{"image_id": "one.png", "category_id": "dog", "bbox": [0, 0, 2, 2], "score": 1}]))
    assert len(read_predictions(path, FMB)["one"]) == 0


def test_a_split_is_chosen_by_names(coco):
    pytest.importorskip("faster_coco_eval")
    truth = read_truth(coco, FMB)
    box = Detections.of([[10, 5, 30, 40]], [1.0], [PERSON])
    assert evaluate_detection({"one": box, "elsewhere": box}, truth, "llvip", names=["one"])["images"] == 1
    assert evaluate_detection({"one": box}, truth, "llvip")["images"] == 2
    with pytest.raises(InputError, match="no true boxes for picture 'elsewhere'"):
        evaluate_detection({"one": box, "elsewhere": box}, truth, "llvip")
    with pytest.raises(InputError, match="no true boxes for picture 'three'"):
        evaluate_detection({"one": box}, truth, "llvip", names=["three"])
    with pytest.raises(InputError, match="no picture in common"):
        evaluate_detection({}, truth, "llvip")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("{}", "holds a JSON dict"),
        ("[3]", "entry 1 is not"),
        ('[{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1], "score": 1}]', "entry 1 is not"),
        ('[{"image_id": [1], "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1}]', "neither number nor name"),
        ('[{"image_id": 5, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1}]', "entry 1 has image_id 5"),
        ('[{"image_id": 7, "category_id": 9, "bbox": [0, 0, 1, 1], "score": 1}]', "entry 1 has category_id 9"),
        ('[{"image_id": "a", "category_id": 1, "bbox": [0, 0, -1, 1], "score": 1}]', "found box 0 is"),
    ],
)
def test_bad_result_files_are_refused(tmp_path, coco, content, message):
    path = tmp_path / "found.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_predictions(path, FMB, truth=coco)


def test_bad_truth_is_refused(tmp_path, coco):
    with pytest.raises(InputError, match=r"holds no \.xml"):
        read_truth(tmp_path, FMB)
    with pytest.raises(InputError, match="no such file"):
        read_truth(tmp_path / "none.json", FMB)
    with pytest.raises(InputError, match="'person' is not in cwfid"):
        read_truth(coco, CWFID)
    (tmp_path / "bad.xml").write_text("<annotation>")
    with pytest.raises(InputError, match="is not XML"):
        read_truth(tmp_path, FMB)


def test_real_boxes_of_msrs(shared):
    pytest.importorskip("faster_coco_eval")
    truth = read_truth(shared / "data" / "msrs" / "boxes.json", FMB)
    perfect = {name: Detections.of(b.xyxy, np.ones(len(b)), b.class_ids) for name, b in truth.items()}
    result = evaluate_detection(perfect, truth, "person-car")
    assert result["mAP50_95"] == pytest.approx(1)
    assert (result["images"], result["true_boxes"]) == (30, 80)
