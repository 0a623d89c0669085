"""Average precision against a plain implementation of COCO's rules and against hand-made cases."""

import math

import numpy as np
import pytest

from segmif.checks import InputError, MissingExtraError
from segmif.labelsets import CWFID, FMB
from segmif.metrics import DetectionProtocol, Detections, DetectionScore, detection_protocol

PERSON, CAR = 8, 9
THRESHOLDS = np.linspace(0.5, 0.95, 10)


def overlap(found, true, crowd):
    """IoU; against an ignored region the share of the found box inside it."""
    width = min(found[2], true[2]) - max(found[0], true[0])
    height = min(found[3], true[3]) - max(found[1], true[1])
    inside = max(width, 0) * max(height, 0)
    area, other = ((b[2] - b[0]) * (b[3] - b[1]) for b in (found, true))
    return inside / (area if crowd else area + other - inside)


def matches(found, true, ignore, threshold):
    """For boxes by falling score: True hit, False miss, None not counted."""
    free = [not skip for skip in ignore]
    outcome = []
    for box in found:
        open_ones = [
            (overlap(box, t, False), i) for i, t in enumerate(true) if free[i] and overlap(box, t, False) >= threshold
        ]
        if open_ones:
            free[max(open_ones)[1]] = False
            outcome.append(True)
        else:
            skipped = any(s and overlap(box, t, True) >= threshold for t, s in zip(true, ignore, strict=True))
            outcome.append(None if skipped else False)
    return outcome


def average_precision(images, class_id, threshold):
    """images: (Detections, true boxes, ids, ignore); 101 recalls, precision made monotone."""
    rows, positives = [], 0
    for found, true, ids, ignore in images:
        true, ignore = true[ids == class_id], ignore[ids == class_id]
        mine = np.flatnonzero(found.class_ids == class_id)
        mine = mine[np.argsort(-found.scores[mine], kind="stable")]
        positives += int((~ignore).sum())
        rows += zip(found.scores[mine], matches(found.xyxy[mine], true, ignore, threshold), strict=True)
    if not positives:
        return math.nan
    outcome = [hit for _, hit in sorted(rows, key=lambda row: -row[0]) if hit is not None]
    hits = np.cumsum(outcome) if outcome else np.zeros(0)
    precision, recall = hits / np.arange(1, len(outcome) + 1), hits / positives
    return np.mean([precision[recall >= r].max(initial=0) for r in np.linspace(0, 1, 101)])


def random_images(seed, count=12):
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(count):
        corner = rng.uniform(0, 200, (rng.integers(0, 7), 2))
        true = np.hstack([corner, corner + rng.uniform(10, 80, corner.shape)])
        ids = rng.choice([PERSON, CAR, 3], len(true))
        ignore = rng.random(len(true)) < 0.2
        near = true[rng.random(len(true)) < 0.8] + rng.normal(0, 4, 4)
        stray = rng.uniform(0, 200, (rng.integers(0, 4), 2))
        boxes = np.vstack([near, np.hstack([stray, stray + rng.uniform(5, 60, stray.shape)])])
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2])
        found_ids = rng.choice([PERSON, CAR, CAR, 5], len(boxes))
        images.append((Detections.of(boxes, rng.permutation(len(boxes)) + rng.random(), found_ids), true, ids, ignore))
    return images


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_equals_a_plain_implementation(seed):
    pytest.importorskip("faster_coco_eval")
    images = random_images(seed)
    score = DetectionScore("person-car")
    for image in images:
        score.update(*image)
    result = score.compute()
    expected = {
        name: [average_precision(images, class_id, t) for t in THRESHOLDS]
        for name, class_id in (("person", PERSON), ("car", CAR))
    }
    for name, values in expected.items():
        assert result["AP50"][name] == pytest.approx(values[0], abs=1e-9)
        assert result["AP50_95"][name] == pytest.approx(np.mean(values), abs=1e-9)
    assert result["mAP50_95"] == pytest.approx(np.mean([result["AP50_95"][n] for n in expected]))
    assert 0 < result["mAP50_95"] < result["mAP50"] < 1
    assert result["images"] == len(images)
    counted = sum(int((np.isin(ids, (PERSON, CAR)) & ~ignore).sum()) for _, _, ids, ignore in images)
    assert result["true_boxes"] == counted
    assert score.compute() == result


def test_classes_keep_the_order_and_meaning_of_the_protocol():
    """M3FD's order is not that of the ids: a swap would give the person's score to the lamp."""
    pytest.importorskip("faster_coco_eval")
    score = DetectionScore("m3fd")
    box = [10.0, 10.0, 50.0, 90.0]
    score.update(Detections.of([box, box], [0.9, 0.8], [PERSON, 12]), [box, box], [PERSON, 4])
    result = score.compute()
    assert list(result["AP50"]) == ["person", "car", "bus", "traffic lamp", "motorcycle", "truck"]
    assert result["AP50"]["person"] == pytest.approx(1)
    assert result["AP50"]["traffic lamp"] == 0
    assert math.isnan(result["AP50"]["motorcycle"])
    assert result["mAP50"] == pytest.approx(0.5)
    assert result["recall"] == pytest.approx(0.5)


def test_images_without_boxes_and_empty_results():
    pytest.importorskip("faster_coco_eval")
    score = DetectionScore("llvip")
    score.update(Detections.of([], [], []), [], [])
    assert math.isnan(score.compute()["mAP50"])
    score.update(Detections.of([], [], []), [[0, 0, 5, 5]], [PERSON])
    result = score.compute()
    assert (result["mAP50"], result["recall"], result["true_boxes"]) == (0, 0, 1)


def test_false_boxes_in_an_image_without_truth_cost_precision():
    pytest.importorskip("faster_coco_eval")
    box = [0, 0, 10, 20]
    score = DetectionScore("llvip")
    score.update(Detections.of([box], [0.5], [PERSON]), [box], [PERSON])
    score.update(Detections.of([box], [0.9], [PERSON]), [], [])
    assert score.compute()["mAP50"] == pytest.approx(0.5)


def test_most_detections_that_count():
    pytest.importorskip("faster_coco_eval")
    one = DetectionProtocol(name="one", label_set=FMB, evaluated=(PERSON,), max_detections=1)
    boxes = [[0, 0, 10, 20], [50, 0, 60, 20]]
    score = DetectionScore(one)
    score.update(Detections.of(boxes, [0.9, 0.8], [PERSON] * 2), boxes, [PERSON] * 2)
    assert score.compute()["recall"] == pytest.approx(0.5)


def test_label_sets_stand_for_all_their_classes():
    assert DetectionScore(CWFID).protocol.class_names == ("soil", "crop", "weed")
    assert detection_protocol("llvip").class_names == ("person",)


@pytest.mark.parametrize(
    ("boxes", "scores", "ids", "message"),
    [
        ([[0, 0, 1]], [1], [8], r"shape \(1, 3\)"),
        ([[0, 0, 1, 1]], [1], [8, 8], r"class ids \(2,\)"),
        ([[0, 0, 1, 1]], [1, 2], [8], "scores have shape"),
        ([[0, 0, 1, 1]], [np.nan], [8], "not finite"),
        ([[0, 0, np.inf, 1]], [1], [8], "NaN or infinity"),
        ([[0, 0, 4, 4], [50, 50, 20, 60]], [1, 1], [8, 8], r"found box 1 is \[50.*convert from \(x, y, width, height"),
    ],
)
def test_bad_found_boxes_are_refused(boxes, scores, ids, message):
    with pytest.raises(InputError, match=message):
        Detections.of(boxes, scores, ids)


def test_bad_truth_is_refused():
    score, nothing = DetectionScore("llvip"), Detections.of([], [], [])
    with pytest.raises(InputError, match="true box 0 has class id 15"):
        score.update(nothing, [[0, 0, 1, 1]], [15])
    with pytest.raises(InputError, match="found box 0 has class id -1"):
        score.update(Detections.of([[0, 0, 1, 1]], [1], [-1]), [], [])
    with pytest.raises(InputError, match="true box 0 is"):
        score.update(nothing, [[5, 0, 1, 1]], [8])
    with pytest.raises(InputError, match="one flag per box"):
        score.update(nothing, [[0, 0, 1, 1]], [8], [True, False])
    with pytest.raises(InputError, match="call update"):
        score.compute()
    with pytest.raises(InputError, match="did you mean 'llvip'"):
        DetectionScore("llvp")
    with pytest.raises(InputError, match=r"evaluates ids \(99,\)"):
        DetectionProtocol(name="x", label_set=FMB, evaluated=(99,))


def test_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "faster_coco_eval", None)
    score = DetectionScore("llvip")
    score.update(Detections.of([], [], []), [], [])
    with pytest.raises(MissingExtraError, match=r"segmif\[bench\]"):
        score.compute()
