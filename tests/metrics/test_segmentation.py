"""Segmentation scores against torchmetrics, naive loops and hand-counted examples."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segmif.checks import InputError
from segmif.labelsets import CWFID, FMB
from segmif.metrics import SegmentationProtocol, SegmentationScore, confusion_matrix, iou, mean_iou
from segmif.metrics.boundary import boundary_f
from segmif.metrics.protocols import SEGMENTATION_PROTOCOLS, segmentation_protocol
from segmif.metrics.segmentation import ignore_band, recall


def random_labels(seed, shape, num_classes, ignored=0.1):
    rng = np.random.default_rng(seed)
    true = rng.integers(0, num_classes, shape).astype(np.uint8)
    pred = np.where(rng.random(shape) < 0.6, true, rng.integers(0, num_classes, shape)).astype(np.uint8)
    true[rng.random(shape) < ignored] = 255
    return pred, true


def naive_confusion(pred, true, num_classes):
    table = [[0] * num_classes for _ in range(num_classes)]
    for p, t in zip(pred.ravel().tolist(), true.ravel().tolist(), strict=True):
        if t != 255:
            table[t][p] += 1
    return table


@given(seed=st.integers(0, 10_000), height=st.integers(1, 9), width=st.integers(1, 9), k=st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_confusion_equals_a_loop(seed, height, width, k):
    pred, true = random_labels(seed, (height, width), k)
    assert confusion_matrix(pred, true, k).tolist() == naive_confusion(pred, true, k)


@pytest.mark.parametrize("k", [2, 15, 255])
def test_confusion_and_iou_equal_torchmetrics(k):
    classification = pytest.importorskip("torchmetrics.classification")
    pred, true = random_labels(k, (37, 41), k)
    oracle = classification.MulticlassConfusionMatrix(k, ignore_index=255)
    oracle_iou = classification.MulticlassJaccardIndex(k, average="none", ignore_index=255, validate_args=False)
    ours = confusion_matrix(pred, true, k)
    tensors = torch.from_numpy(pred).long(), torch.from_numpy(true).long()
    np.testing.assert_array_equal(ours, oracle(*tensors).numpy())
    expected = oracle_iou(*tensors).numpy()
    seen = ours.sum(0) + ours.sum(1) > 0
    np.testing.assert_allclose(iou(ours)[seen], expected[seen], rtol=1e-6)
    assert np.isnan(iou(ours)[~seen]).all()


def test_confusion_takes_tensors_and_any_integer_dtype():
    pred, true = random_labels(3, (5, 7), 4)
    expected = confusion_matrix(pred, true, 4)
    np.testing.assert_array_equal(confusion_matrix(torch.from_numpy(pred).long(), torch.from_numpy(true), 4), expected)
    np.testing.assert_array_equal(confusion_matrix(pred.astype(np.int32), true.astype(np.uint16), 4), expected)
    assert confusion_matrix(np.array([[True]]), np.array([[False]]), 2).tolist() == [[0, 1], [0, 0]]


def test_any_prediction_is_legal_on_ignored_pixels():
    assert confusion_matrix(np.array([[200, 0]]), np.array([[255, 0]]), 2).tolist() == [[1, 0], [0, 0]]


@pytest.mark.parametrize(
    ("pred", "true", "message"),
    [
        (np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8), "labels_pred is 4x4 but labels_true is 5x4"),
        (np.zeros((2, 3, 4, 4), np.uint8), np.zeros((2, 4, 4), np.uint8), "argmax"),
        (np.zeros((4, 4), np.float32), np.zeros((4, 4), np.uint8), "labels_pred has dtype float32"),
        (np.zeros((1, 3), int), np.array([[0, 1, 3]]), "labels_true holds the id 3 at row 0, column 2"),
        (np.array([[0, 0], [0, 9]]), np.zeros((2, 2), int), "labels_pred holds the id 9 at row 1, column 1"),
        (np.array([[0, -1]]), np.zeros((1, 2), int), "labels_pred holds the id -1 at row 0, column 1"),
        (np.zeros((1, 2), int), np.array([[0, 300]]), "labels_true holds the id 300 at row 0, column 1"),
        (np.array([0, 7]), np.array([0, 0]), "id 7 at position"),
        (np.zeros((2, 1, 2), int), np.array([[[0, 0]], [[0, 4]]]), "id 4 at image 1, row 0, column 1"),
    ],
)
def test_bad_labels_are_named(pred, true, message):
    with pytest.raises(InputError, match="labels_") as caught:
        confusion_matrix(pred, true, 3)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_counts_of_classes_and_ignored_ids():
    labels = np.zeros((2, 2), np.uint8)
    with pytest.raises(InputError, match="num_classes is 0"):
        confusion_matrix(labels, labels, 0)
    with pytest.raises(InputError, match=r"ids are 0\.\.255"):
        confusion_matrix(labels, labels, 2, ignore=(-100,))


def test_pooled_score_equals_hand_count():
    score = SegmentationScore(2)
    score.update(np.array([[0, 0, 1, 1]]), np.array([[0, 1, 1, 255]]))
    score.update(torch.tensor([[[0]], [[1]]]), torch.tensor([[[0]], [[0]]]))
    result = score.compute()
    # Truth 0: two right... one seen as 1; truth 1: one right, one seen as 0.
    assert score.confusion.tolist() == [[2, 1], [1, 1]]
    assert score.per_image.shape == (3, 2, 2)
    assert result["IoU"] == {"class 0": 2 / 4, "class 1": 1 / 3}
    assert result["mIoU"] == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert result["accuracy"] == 3 / 5
    assert result["mean_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert result["recall"]["class 1"] == 0.5
    assert (result["images"], result["pixels"]) == (3, 5)
    assert math.isnan(result["boundary_F"])


def test_the_bicycle_question_both_ways():
    """FMB's test split has no bicycle: "fmb" divides by the 13 other classes, "fmb-14" by 14, "fmb-15" by 15."""
    true = np.array([[i for i in range(15) if i != 13]], np.uint8)
    pred = true.copy()
    pred[0, 0] = 13  # a bicycle seen in unlabelled ground
    results = {}
    for name in ("fmb", "fmb-nanmean", "fmb-14", "fmb-15"):
        score = SegmentationScore(name)
        score.update(pred, true)
        results[name] = score.compute()
    assert results["fmb"]["mIoU"] == 1
    assert results["fmb-nanmean"]["mIoU"] == 1
    assert results["fmb-14"]["mIoU"] == pytest.approx(13 / 14)
    assert results["fmb-15"]["mIoU"] == pytest.approx(13 / 15)
    assert results["fmb-15"]["mIoU_present"] == pytest.approx(13 / 14)
    assert results["fmb-15"]["mIoU_without_background"] == pytest.approx(13 / 14)
    assert math.isnan(results["fmb"]["IoU"]["bicycle"])
    assert results["fmb-15"]["IoU"]["bicycle"] == 0
    assert results["fmb"]["mIoU_all"] == results["fmb-14"]["mIoU"]


def test_a_false_bicycle_costs_a_nanmean_a_fourteenth():
    true = np.array([[i for i in range(1, 15) if i != 13] * 2], np.uint8)
    pred = true.copy()
    pred[0, 0] = 13
    scores = [SegmentationScore(name) for name in ("fmb", "fmb-nanmean")]
    for score in scores:
        score.update(pred, true)
    assert scores[0].compute()["mIoU"] == pytest.approx((12 + 0.5) / 13)
    assert scores[1].compute()["mIoU"] == pytest.approx((12 + 0.5) / 14)


@pytest.mark.parametrize(("absent", "expected"), [("skip", 0.5), ("union", 0.25), ("zero", 0.125)])
def test_absent_class_rules(absent, expected):
    confusion = np.zeros((4, 4), int)
    confusion[0, 0] = confusion[0, 2] = 5  # class 2 predicted, never true; classes 1 and 3 neither
    assert mean_iou(confusion, absent=absent) == expected


def test_mean_is_nan_without_any_class():
    assert np.isnan(mean_iou(np.zeros((3, 3), int)))
    assert np.isnan(recall(np.zeros((3, 3), int))).all()


def test_means_keep_leading_dimensions():
    stack = np.random.default_rng(0).integers(0, 9, (2, 5, 4, 4))
    for i, j in itertools.product(range(2), range(5)):
        assert mean_iou(stack)[i, j] == mean_iou(stack[i, j])


@pytest.mark.parametrize(
    ("name", "classes", "ignored", "absent"),
    [
        ("fmb", range(1, 15), (0, 255), "skip"),
        ("mfnet", range(9), (255,), "zero"),
        ("msrs", range(9), (255,), "skip"),
        ("pst900", range(5), (255,), "skip"),
    ],
)
def test_protocols_by_name(name, classes, ignored, absent):
    protocol = segmentation_protocol(name)
    assert protocol.evaluated == tuple(classes)
    assert (protocol.ignore, protocol.absent) == (ignored, absent)
    assert len(protocol.class_names) == len(classes)


def test_every_protocol_says_who_counts_like_this():
    assert all(p.note and name == p.name for name, p in SEGMENTATION_PROTOCOLS.items())


def test_chosen_classes_by_name_and_by_id():
    pred, true = random_labels(5, (20, 20), 15)
    names = ["road", "building", "vegetation", "person", "car"]
    by_name, by_id = SegmentationScore("fmb", classes=names), SegmentationScore(FMB, classes=[1, 3, 6, 8, 9])
    whole = SegmentationScore("fmb")
    for score in (by_name, by_id, whole):
        score.update(pred, true)
    expected = np.mean([whole.compute()["IoU"][name] for name in names])
    assert by_name.compute()["mIoU"] == pytest.approx(expected)
    assert list(by_id.compute()["IoU"]) == names
    # Unlabelled truth does not count in "fmb", but does in the plain label set.
    assert by_id.compute()["mIoU"] < by_name.compute()["mIoU"]


def test_label_sets_by_name_and_object_agree():
    pred, true = random_labels(1, (6, 6), 3)
    by_name, by_object = SegmentationScore("cwfid"), SegmentationScore(CWFID, absent="zero")
    by_name.update(pred, true)
    by_object.update(pred, true)
    assert by_name.compute()["IoU"] == by_object.compute()["IoU"]
    assert by_object.protocol.absent == "zero"


def test_bad_set_up_is_refused():
    with pytest.raises(InputError, match="did you mean 'fmb'"):
        SegmentationScore("fbm")
    with pytest.raises(InputError, match="did you mean 'person'"):
        SegmentationScore("fmb", classes=["persn"])
    with pytest.raises(InputError, match="evaluates id 0"):
        SegmentationScore("fmb", classes=[0])
    with pytest.raises(InputError, match="evaluates no class"):
        SegmentationProtocol(name="empty", label_set=FMB, evaluated=())
    with pytest.raises(InputError, match="unknown absent-class rule"):
        SegmentationScore("fmb", absent="maybe")
    with pytest.raises(InputError, match="call update"):
        SegmentationScore("fmb").compute()
    with pytest.raises(InputError, match=r"expected \(H, W\)"):
        SegmentationScore(2).update(np.zeros(4, int), np.zeros(4, int))


def test_a_refused_batch_adds_nothing():
    score = SegmentationScore(2)
    with pytest.raises(InputError, match="id 5 at"):
        score.update(np.zeros((2, 1, 1), int), np.array([[[0]], [[5]]]))
    assert len(score.per_image) == 0


@pytest.mark.parametrize("width", [0, 1, 2, 5])
def test_ignore_band_equals_a_loop_over_distances(width):
    rng = np.random.default_rng(width)
    labels = np.kron(rng.integers(0, 3, (4, 5)), np.ones((6, 5), int)).astype(np.uint8)
    labels[3:6, 4:9] = 255
    expected = labels.copy()
    points = list(np.ndindex(labels.shape))
    for y, x in points:
        near = ((v - y) ** 2 + (u - x) ** 2 <= width**2 and labels[v, u] != labels[y, x] for v, u in points)
        if any(near):
            expected[y, x] = 255
    np.testing.assert_array_equal(ignore_band(labels, width), expected)


def test_ignore_band_forgives_a_shifted_outline():
    true = np.zeros((40, 40), np.uint8)
    true[10:30, 10:30] = 1
    strict, lenient = SegmentationScore(2), SegmentationScore(2, ignore_band=5)
    for score in (strict, lenient):
        score.update(np.roll(true, 3, axis=1), true)
    assert strict.compute()["mIoU"] < 0.9
    assert lenient.compute()["mIoU"] == 1
    with pytest.raises(InputError, match="cannot be negative"):
        ignore_band(true, -1)


def naive_boundary_f(pred, true, class_id, tolerance, known):
    def boundary(labels):
        height, width = labels.shape
        points = []
        for y, x in np.ndindex(height, width):
            around = [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
            inside = [(v, u) for v, u in around if 0 <= v < height and 0 <= u < width]
            change = any(known[v, u] and labels[v, u] != class_id for v, u in inside)
            if labels[y, x] == class_id and known[y, x] and change:
                points.append((y, x))
        return points

    def share(these, those):
        return np.mean([min(math.dist(p, q) for q in those) <= tolerance for p in these])

    p, t = boundary(pred), boundary(true)
    if not p and not t:
        return math.nan
    if not p or not t:
        return 0.0
    precision, found = share(p, t), share(t, p)
    return 2 * precision * found / (precision + found) if precision + found else 0.0


@pytest.mark.parametrize("tolerance", [0.0, 1.0, 1.5, 3.0])
def test_boundary_f_equals_a_loop(tolerance):
    rng = np.random.default_rng(7)
    true = np.kron(rng.integers(0, 3, (4, 4)), np.ones((5, 6), int)).astype(np.uint8)
    pred = np.roll(true, (1, -2), (0, 1))
    true[8:11, :7] = 255
    ours = boundary_f(pred, true, range(5), tolerance=tolerance)
    expected = [naive_boundary_f(pred, true, c, tolerance, true != 255) for c in range(5)]
    np.testing.assert_allclose(ours, expected, rtol=1e-12)
    assert np.isnan(ours[4])


def test_boundary_f_is_one_within_the_tolerance_and_zero_for_a_missed_class():
    true = np.zeros((40, 40), np.uint8)
    true[10:30, 10:30] = 1
    shifted = np.roll(true, 2, axis=0)
    np.testing.assert_array_equal(boundary_f(shifted, true, (0, 1), tolerance=2), [1, 1])
    assert boundary_f(shifted, true, (1,), tolerance=1)[0] < 1
    np.testing.assert_array_equal(boundary_f(np.zeros_like(true), true, (0, 1), tolerance=2), [0, 0])


def test_score_averages_boundary_f_over_classes_then_images():
    true = np.zeros((40, 40), np.uint8)
    true[10:30, 10:30] = 1
    empty = np.zeros_like(true)
    score = SegmentationScore(2, boundary_tolerance=0.0075)
    score.update(np.stack([true, empty, empty]), np.stack([true, true, empty]))
    # The third image has no boundary at all and does not count.
    assert score.compute()["boundary_F"] == 0.5
