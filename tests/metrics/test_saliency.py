"""Saliency scores against pysodmetrics (stored numbers, and live where it is installed) and against known answers."""

import json

import numpy as np
import pytest
import torch

from segmif.checks import InputError
from segmif.metrics import SaliencyScore, paired_bootstrap
from segmif.metrics.saliency import e_measure, f_measure, s_measure, saliency_values, threshold_counts
from tests.golden.make_saliency import GOLDEN, cases, oracle

CASES = cases()
STORED = json.loads(GOLDEN.read_text(encoding="utf-8"))
AGREE = {"abs": 1e-9}


def scores(*pairs):
    score = SaliencyScore()
    for saliency, truth in pairs:
        score.update(saliency, truth)
    result = score.compute()
    assert result.pop("images") == len(pairs)
    return result


@pytest.mark.parametrize("name", CASES)
def test_each_image_equals_the_stored_oracle(name):
    assert scores(CASES[name]) == pytest.approx(STORED[name], **AGREE)


def test_data_set_equals_the_stored_oracle():
    assert scores(*CASES.values()) == pytest.approx(STORED["data set"], **AGREE)


def test_live_oracle_on_fresh_random_maps():
    pytest.importorskip("py_sod_metrics")
    rng = np.random.default_rng(99)
    pairs = []
    for _ in range(12):
        shape = tuple(rng.integers(8, 60, 2))
        truth = ((np.add.outer(np.arange(shape[0]), np.arange(shape[1])) % 23) < rng.integers(3, 20)) * 255
        pairs.append((rng.integers(0, 256, shape).astype(np.uint8), truth.astype(np.uint8)))
    assert scores(*pairs) == pytest.approx(oracle(pairs), **AGREE)


def test_curves_equal_thresholding_one_by_one():
    saliency, truth = CASES["blobs1"][0] / 255, CASES["blobs1"][1] > 128
    hits, false = threshold_counts(saliency, truth)
    f_curve = f_measure(hits, false, int(truth.sum()))
    e_curve = e_measure(hits, false, int(truth.sum()), truth.size)
    for position, threshold in enumerate(range(255, -1, -1)):
        found = np.floor(saliency * 255) >= threshold
        tp = (found & truth).sum()
        assert (hits[position], false[position]) == (tp, (found & ~truth).sum())
        precision, recall = tp / max(found.sum(), 1), tp / truth.sum()
        bottom = 0.3 * precision + recall
        assert f_curve[position] == pytest.approx(1.3 * precision * recall / bottom if bottom else 0)
        a, b = found - found.mean(), truth - truth.mean()
        aligned = 2 * a * b / (a * a + b * b + 1e-16)
        assert e_curve[position] == pytest.approx(((aligned + 1) ** 2 / 4).sum() / (truth.size - 1))


def test_inputs_of_other_kinds_mean_the_same():
    saliency, truth = CASES["blobs0"]
    expected = scores((saliency, truth))
    assert scores((saliency / 255, truth > 128)) == pytest.approx(expected, **AGREE)
    assert scores((torch.from_numpy(saliency), truth // 255)) == pytest.approx(expected, **AGREE)
    assert scores((torch.from_numpy(saliency / 255), torch.from_numpy(truth > 128))) == pytest.approx(expected, **AGREE)


def test_stretching_can_be_left_out():
    truth = np.eye(9, dtype=bool)
    plain = saliency_values(truth * 0.5, truth, stretch=False)
    assert plain.mae == pytest.approx(0.5 * truth.mean())
    assert saliency_values(truth * 0.5, truth).mae == 0


def test_one_pixel_of_truth_has_a_defined_structure():
    truth = np.zeros((6, 7), bool)
    truth[2, 3] = True
    saliency = truth.astype(float)
    assert s_measure(saliency, truth) == pytest.approx(1, abs=1e-6)
    # Inverted: no object part; three quarters without truth are constant (1 each), the 12 of 42 pixels before the
    # centroid compare means 11/12 and 1/12 with opposite variation.
    quarter = -4 * 11 / ((11**2 + 1**2) * 2)
    assert s_measure(1 - saliency, truth) == pytest.approx((30 / 42 + 12 / 42 * quarter) / 2)
    last = np.zeros((6, 7), bool)
    last[5, 6] = True  # nothing is right of or below the centroid
    assert s_measure(last.astype(float), last) == pytest.approx(1, abs=1e-6)
    one = saliency_values(np.array([[0.5]]), np.array([[True]]))
    assert np.isfinite([one.s, one.mae, one.weighted_f, one.adaptive_e, *one.e_curve]).all()


def test_per_image_values_feed_the_bootstrap():
    good, bad = SaliencyScore(), SaliencyScore()
    for saliency, truth in list(CASES.values())[:6]:
        good.update(truth, truth)
        bad.update(saliency, truth)
    result = paired_bootstrap([v.s for v in good.per_image], [v.s for v in bad.per_image], samples=300)
    assert result.low > 0
    curves = [[v.f_curve for v in score.per_image] for score in (good, bad)]
    peak = paired_bootstrap(*curves, lambda mean: mean.max(-1), samples=300)
    assert peak.difference == pytest.approx(good.compute()["maxF"] - bad.compute()["maxF"])


@pytest.mark.parametrize(
    ("saliency", "truth", "message"),
    [
        (np.zeros((4, 5)), np.zeros((4, 4), bool), "the saliency map is 5x4 but the truth is 4x4"),
        (np.full((4, 4), 200.0), np.zeros((4, 4), bool), "apply a sigmoid"),
        (np.full((4, 4), np.nan), np.zeros((4, 4), bool), "nan..nan"),
        (np.full((4, 4), -0.1), np.zeros((4, 4), bool), "floats must be in 0..1"),
        (np.zeros((4, 4), np.uint16), np.zeros((4, 4), bool), "dtype uint16"),
        (np.zeros((1, 4, 4)), np.zeros((4, 4), bool), r"shape \(1, 4, 4\)"),
        (np.zeros((0, 4)), np.zeros((0, 4), bool), "expected"),
        (np.zeros((4, 4)), np.zeros((4, 4)), "the truth has dtype float64"),
    ],
)
def test_bad_input_is_refused(saliency, truth, message):
    with pytest.raises(InputError, match=message):
        SaliencyScore().update(saliency, truth)


def test_no_image_no_score():
    with pytest.raises(InputError, match="call update"):
        SaliencyScore().compute()
