"""Copy-paste: whole objects are cut, both cameras and the labels get them at the same place, nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest

from segmif.data import PairSample
from segmif.data.cutouts import Cutout, Cutouts, cut_out, paste
from segmif.data.transforms import TransformConfig, transform
from segmif.labelsets import IGNORE

TRUCK, CAR, ROAD = 10, 9, 1
PASTING = TransformConfig(
    crop=96, scale=(1, 1), flip=0, balance=0, photometric_visible=0, photometric_infrared=0, paste=1
)


def pair() -> PairSample:
    """A truck with a hole at rows 20 to 79, columns 30 to 89, and one too small; a car beside it."""
    labels = np.full((120, 160), ROAD, np.uint8)
    labels[20:80, 30:90] = TRUCK
    labels[40:45, 50:60] = IGNORE
    labels[100:110, 10:30] = TRUCK
    labels[30:90, 100:150] = CAR
    random = np.random.default_rng(0)
    return PairSample(
        name="pair",
        infrared=random.integers(0, 256, labels.shape, dtype=np.uint8),
        visible=random.integers(0, 256, (*labels.shape, 3), dtype=np.uint8),
        labels=labels,
    )


def background(value: int = 40) -> PairSample:
    labels = np.full((100, 140), ROAD, np.uint8)
    grey = np.full(labels.shape, value, np.uint8)
    return PairSample(name="road", infrared=grey, visible=np.dstack([grey] * 3), labels=labels, target=grey)


def test_objects_are_cut_whole_and_small_ones_are_left() -> None:
    sample = pair()
    (truck,) = cut_out(sample, [TRUCK])
    assert truck.class_id == TRUCK
    assert truck.mask.all()  # the hole, too: what is seen through a vehicle belongs to its picture
    np.testing.assert_array_equal(truck.infrared, sample.infrared[20:80, 30:90])
    np.testing.assert_array_equal(truck.visible, sample.visible[20:80, 30:90])
    assert [one.class_id for one in cut_out(sample, [CAR, TRUCK])] == [CAR, TRUCK]
    assert cut_out(replace(sample, labels=None), [TRUCK]) == []


def test_outlines_are_followed() -> None:
    labels = np.zeros((80, 80), np.uint8)
    rows, columns = np.mgrid[:80, :80]
    labels[rows > columns] = TRUCK
    grey = np.zeros((80, 80), np.uint8)
    (half,) = cut_out(PairSample(name="x", infrared=grey, visible=np.dstack([grey] * 3), labels=labels), [TRUCK])
    np.testing.assert_array_equal(half.mask, (labels == TRUCK)[1:, :79])


def plain(value: int) -> Cutout:
    grey = np.full((50, 60), value, np.uint8)
    return Cutout(infrared=grey, visible=np.dstack([grey] * 3), mask=np.ones((50, 60), bool), class_id=TRUCK)


@pytest.mark.parametrize("seed", range(6))
def test_both_cameras_and_the_labels_get_it_at_the_same_place(seed: int) -> None:
    random = np.random.default_rng(seed)
    before = {
        "infrared": np.full((96, 96), 0.1, np.float32),
        "visible": np.full((96, 96, 3), 0.1, np.float32),
        "labels": np.full((96, 96), ROAD, np.int64),
    }
    after = {name: values.copy() for name, values in before.items()}
    if not paste(after, plain(255), random):
        for name, values in before.items():
            np.testing.assert_array_equal(after[name], values)
        return
    pasted = after["labels"] == TRUCK
    assert pasted.sum() >= 400
    kept = after["labels"] == ROAD
    np.testing.assert_array_equal(after["infrared"][kept], before["infrared"][kept])
    np.testing.assert_array_equal(after["visible"][kept], before["visible"][kept])
    for band in ("infrared", "visible"):  # where it is another level than around it; a sign may be as dark
        assert (np.abs(after[band][pasted] - 0.1) > 1e-5).mean() > 0.9
    between = ~(pasted | kept)
    assert (after["labels"][between] == IGNORE).all()
    assert between.sum() < 6 * 4 * 96
    assert {name: values.dtype for name, values in after.items() if name != "labels"} == {
        "infrared": np.float32, "visible": np.float32
    }  # fmt: skip


def test_most_objects_land_in_the_view() -> None:
    landed = 0
    for seed in range(40):
        pictures = {
            "infrared": np.zeros((96, 96), np.float32),
            "visible": np.zeros((96, 96, 3), np.float32),
            "labels": np.zeros((96, 96), np.int64),
        }
        landed += paste(pictures, plain(200), np.random.default_rng(seed))
    assert landed > 30


def test_views_say_that_something_was_pasted_so_that_their_target_is_made_anew() -> None:
    cutouts = Cutouts(((plain(200),),), (1.0,))
    found = set()
    for seed in range(8):
        view = transform(background(), PASTING, np.random.default_rng(seed), cutouts=cutouts)
        assert view.labels is not None
        assert ("paste" in view.meta["effects"]) == bool((view.labels == TRUCK).any())
        found.add("paste" in view.meta["effects"])
        again = transform(background(), PASTING, np.random.default_rng(seed), cutouts=cutouts)
        assert (again.visible == view.visible).all()
    assert True in found


def test_nothing_is_pasted_without_labels_or_objects() -> None:
    random = np.random.default_rng(0)
    cutouts = Cutouts(((plain(200),),), (1.0,))
    unlabelled = transform(replace(background(), labels=None), PASTING, random, cutouts=cutouts)
    assert unlabelled.meta["effects"] == []
    assert transform(background(), PASTING, random).meta["effects"] == []


def test_groups_are_drawn_by_their_weights() -> None:
    ours, other = plain(1), replace(plain(2), class_id=CAR)
    cutouts = Cutouts(((ours,), (other, other, other)), (3.0, 1.0))
    random = np.random.default_rng(0)
    drawn = [cutouts.draw(random).class_id for _ in range(400)]
    assert 0.65 < drawn.count(TRUCK) / 400 < 0.85
    assert not Cutouts((), ())
