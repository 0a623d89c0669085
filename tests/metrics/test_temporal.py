import math

import numpy as np
import pytest

from segmif.checks import InputError
from segmif.data.synthetic.clip import synthetic_clip
from segmif.metrics.temporal import (
    TemporalScore,
    label_flicker,
    luma_flicker,
    still_mask,
    warped_labels,
)


def textured(height: int = 96, width: int = 128, seed: int = 0) -> np.ndarray:
    """A smooth random grey picture, good to follow."""
    import cv2

    noise = np.random.default_rng(seed).random((height, width)).astype(np.float32)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.5), None, 20, 230, cv2.NORM_MINMAX).astype(np.uint8)


def colour(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)


def test_label_flicker_is_the_share_that_changes_where_it_counts():
    before, after = np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    after[0] = 1
    where = np.zeros((4, 4), bool)
    assert math.isnan(label_flicker(before, after, where))
    where[:2] = True
    assert label_flicker(before, after, where) == 0.5


def test_luma_flicker_is_in_grey_levels():
    before = np.full((4, 4, 3), 100, np.uint8)
    after = before + np.array([10, 0, 0], np.uint8)
    everywhere = np.ones((4, 4), bool)
    assert luma_flicker(before, after, everywhere) == pytest.approx(2.99, abs=1e-3)
    assert math.isnan(luma_flicker(before, after, ~everywhere))


@pytest.mark.parametrize("band", [0, 1])
def test_what_changes_in_one_band_is_not_still_nor_is_what_is_near(band):
    grey = textured()
    before = [grey, colour(grey)]
    after = [grey.copy(), colour(grey)]
    after[band][40:50, 60:70] = 255 - after[band][40:50, 60:70]
    still = still_mask(tuple(before), tuple(after))
    assert not still[38:52, 58:72].any()
    assert still[:30].all()
    assert still[:, :50].all()


def test_noise_is_still():
    rng = np.random.default_rng(0)
    grey = textured()
    noisy = [np.clip(grey + rng.normal(0, 4, grey.shape), 0, 255).astype(np.uint8) for _ in range(4)]
    assert still_mask((noisy[0], colour(noisy[1])), (noisy[2], colour(noisy[3]))).mean() > 0.99


def test_labels_follow_what_moves():
    grey = textured(128, 160)
    labels = (grey > 120).astype(np.uint8)
    before = grey[10:106, 10:138]
    after = grey[13:109, 8:136]  # moves by (2, -3)
    moved, known = warped_labels((before, colour(before)), (after, colour(after)), labels[10:106, 10:138])
    assert known.mean() > 0.8
    assert (moved == labels[13:109, 8:136])[known].mean() > 0.98
    assert (labels[10:106, 10:138] == labels[13:109, 8:136])[known].mean() < 0.9


def test_a_cut_is_not_followed():
    first, second = textured(seed=1), textured(seed=2)
    _, known = warped_labels((first, colour(first)), (second, colour(second)), np.zeros(first.shape, np.uint8))
    assert known.mean() < 0.25


def test_scores_of_a_clip_with_known_flicker():
    """True labels never flicker where nothing moves; pixels drawn anew in each frame flicker as computed."""
    rng = np.random.default_rng(0)
    true, spoiled = TemporalScore(), TemporalScore(motion=False)
    share, classes = 0.1, 15
    for frame, _ in synthetic_clip(5, 6, size=(120, 160), noise=3.0):
        labels = frame.labels.copy()
        true.update(frame.visible, frame.infrared, frame.visible, frame.labels)
        drawn = rng.random(labels.shape) < share
        labels[drawn] = rng.integers(100, 100 + classes, labels.shape)[drawn]
        spoiled.update(frame.visible, frame.infrared, frame.visible, labels)
    result = true.compute()
    assert result.label_flicker < 0.002
    assert result.label_flicker_moving < 0.01
    assert result.still_share > 0.9
    # The fused picture is the visible one; both flicker by E|N(0, 3)·√2| times what the luma leaves of three noises.
    noise = 3 * math.sqrt(2) * math.sqrt(2 / math.pi)
    assert result.infrared_flicker == pytest.approx(noise, rel=0.1)
    assert result.visible_flicker == pytest.approx(noise * math.hypot(0.299, 0.587, 0.114), rel=0.1)
    assert result.fused_flicker == result.visible_flicker
    assert result.flicker_ratio == pytest.approx(result.fused_flicker / result.infrared_flicker)
    assert result.frames == 6
    # Two independent draws differ unless both are kept, or both drawn alike.
    expected = 1 - (1 - share) ** 2 - share**2 / classes
    assert spoiled.compute().label_flicker == pytest.approx(expected, rel=0.05)
    assert math.isnan(spoiled.compute().label_flicker_moving)


def test_a_still_mask_may_be_given_and_labels_left_out():
    score = TemporalScore()
    grey = textured()
    for shift in (0, 10):
        score.update(colour(grey + np.uint8(shift)), grey, colour(grey), still=np.ones(grey.shape, bool))
    result = score.compute()
    assert math.isnan(result.label_flicker)
    assert result.fused_flicker == pytest.approx(10, abs=1e-3)
    assert math.isnan(result.flicker_ratio), "sources that do not flicker at all have no ratio"


def test_bad_input():
    score = TemporalScore()
    grey = textured()
    with pytest.raises(InputError, match="at least two frames, got 0"):
        score.compute()
    with pytest.raises(InputError, match="labels is 10x10 but infrared is 128x96"):
        score.update(colour(grey), grey, colour(grey), np.zeros((10, 10), np.uint8))
    score.update(colour(grey), grey, colour(grey))
    with pytest.raises(InputError, match="the frame is 100x80 but the last frame is 128x96"):
        score.update(colour(grey[:80, :100]), grey[:80, :100], colour(grey[:80, :100]))
