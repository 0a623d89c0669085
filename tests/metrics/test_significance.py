"""The paired bootstrap against a plain resampling loop and against cases with a known answer."""

import numpy as np
import pytest

from segmif.checks import InputError
from segmif.metrics import SegmentationScore, paired_bootstrap


def test_same_seed_same_result_and_other_seed_another():
    rng = np.random.default_rng(0)
    first, second = rng.random(20), rng.random(20)
    assert paired_bootstrap(first, second, seed=3, samples=500) == paired_bootstrap(first, second, seed=3, samples=500)
    assert paired_bootstrap(first, second, seed=3, samples=500) != paired_bootstrap(first, second, seed=4, samples=500)


def test_interval_and_p_value_agree_with_a_resampling_loop():
    rng = np.random.default_rng(1)
    first = rng.normal(0.05, 0.1, 30)
    second = np.zeros(30)
    ours = paired_bootstrap(first, second, samples=20_000)
    means = np.array([first[rng.integers(0, 30, 30)].mean() for _ in range(20_000)])
    assert ours.difference == pytest.approx(first.mean())
    low, high = np.percentile(means, (2.5, 97.5))
    error = 4 * means.std() / np.sqrt(20_000) * 3  # a tail quantile is about three times as uncertain as the mean
    assert ours.low == pytest.approx(low, abs=error)
    assert ours.high == pytest.approx(high, abs=error)
    assert ours.p_value == pytest.approx(2 * min((means <= 0).mean(), (means >= 0).mean()), abs=0.01)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(2)
    covered = []
    for seed in range(200):
        values = rng.normal(0.3, 1, 40)
        result = paired_bootstrap(values, np.zeros(40), samples=400, seed=seed)
        covered.append(result.low <= 0.3 <= result.high)
    # 95 % less the percentile method's known shortfall at 40 images; binomial deviation 1.6 points.
    assert 0.89 <= np.mean(covered) <= 0.99


def test_equal_methods_do_not_differ():
    values = np.random.default_rng(0).random(10)
    result = paired_bootstrap(values, values, samples=200)
    assert (result.difference, result.low, result.high, result.p_value) == (0, 0, 0, 1)
    assert not result.significant


def test_swapping_the_methods_mirrors_the_result():
    rng = np.random.default_rng(5)
    first, second = rng.random(15) + 0.2, rng.random(15)
    there, back = paired_bootstrap(first, second, samples=700), paired_bootstrap(second, first, samples=700)
    assert there.difference == pytest.approx(-back.difference)
    assert there.low == pytest.approx(-back.high)
    assert there.p_value == back.p_value


def test_segmentation_scores_are_compared_on_pooled_counts():
    rng = np.random.default_rng(0)
    good, bad = SegmentationScore(3), SegmentationScore(3)
    for _ in range(25):
        true = rng.integers(0, 3, (12, 12))
        good.update(np.where(rng.random(true.shape) < 0.9, true, 0), true)
        bad.update(np.where(rng.random(true.shape) < 0.6, true, 0), true)
    result = paired_bootstrap(good.per_image, bad.per_image, good.mean_iou, samples=1200)
    assert result.difference == pytest.approx(good.compute()["mIoU"] - bad.compute()["mIoU"])
    assert result.low < result.difference < result.high
    assert result.low > 0
    assert result.p_value == 2 / 1201
    assert (result.images, result.samples) == (25, 1200)


@pytest.mark.parametrize(
    ("first", "second", "options", "message"),
    [
        ([1.0, 2.0], [1.0, 2.0, 3.0], {}, "same images in the same order"),
        ([1.0], [1.0], {}, "at least 2 images"),
        (1.0, 1.0, {}, "at least 2 images"),
        ([1.0, np.nan], [1.0, 2.0], {}, "hold NaN"),
        ([1.0, 2.0], [1.0, 2.0], {"samples": 5}, "fewer than 100"),
    ],
)
def test_bad_input_is_refused(first, second, options, message):
    with pytest.raises(InputError, match=message):
        paired_bootstrap(first, second, **options)


def test_an_undefined_statistic_is_refused():
    score = SegmentationScore(3, classes=[2])
    score.update(np.zeros((2, 4, 4), int), np.zeros((2, 4, 4), int))
    with pytest.raises(InputError, match="undefined on these images"):
        paired_bootstrap(score.per_image, score.per_image, score.mean_iou)
