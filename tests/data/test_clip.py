import numpy as np
import pytest

from segmif.checks import InputError
from segmif.data.synthetic import clip
from segmif.data.synthetic.clip import synthetic_clip
from segmif.labelsets import FMB


def test_people_move_before_a_street_that_stands_still():
    frames = list(synthetic_clip(5, 12, size=(120, 160), noise=0))
    moved = np.any([moving for _, moving in frames], axis=0)
    assert 0.005 < moved.mean() < 0.5
    for frame, moving in frames:
        assert (frame.labels[moving] == FMB.classes.index("person")).all()
        np.testing.assert_array_equal(frame.visible[~moved], frames[0][0].visible[~moved])
        np.testing.assert_array_equal(frame.labels[~moved], frames[0][0].labels[~moved])
    centres = [np.argwhere(moving)[:, 1].mean() for _, moving in frames]
    assert len(set(centres)) > 6


def test_the_same_clip_again_and_fresh_noise_in_every_frame():
    first, second = (list(synthetic_clip(2, 2, size=(96, 128), walkers=1)) for _ in range(2))
    for (one, _), (other, _) in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.infrared, other.infrared)
        np.testing.assert_array_equal(one.visible, other.visible)
    assert (first[0][0].infrared != first[1][0].infrared).mean() > 0.3


def test_a_picture_too_small_for_people(monkeypatch):
    monkeypatch.setattr(clip, "_SEARCHED", 2)
    with pytest.raises(InputError, match="too small to hold 5 people"):
        next(clip.synthetic_clip(1, 2, size=(64, 64), walkers=5))
