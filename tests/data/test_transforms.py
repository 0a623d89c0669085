"""Views and effects: geometry is one for all, boxes follow pixels, labels stay labels, seeds decide everything."""

import math
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from segmif.checks import InputError
from segmif.data import Boxes, PairSample, effects, open_dataset
from segmif.data.geometry import View, draw_view, rare_pixel, shifted, whole_view
from segmif.data.transforms import (
    PRESETS,
    TransformConfig,
    TransformedDataset,
    collate,
    make_loader,
    to_tensors,
    transform,
)

from . import worlds

GEOMETRY = replace(PRESETS["geometry"], crop=32)
ALL = TransformConfig(
    crop=32, balance=1, photometric_visible=1, photometric_infrared=1, dim_infrared=1, night=1, glare=1, fog=1, rain=1,
    noise=1, thermal_noise=1, misalign=1,
)  # fmt: skip


def sample(seed: int = 0, *, size: tuple[int, int] = (48, 64)) -> PairSample:
    ids = worlds.labels(seed, 15, size=size)
    ids[:3, :3] = 255
    boxes = Boxes(
        xyxy=np.array([[4, 6, 20, 30], [40, 10, 60, 40]], np.float32),
        class_ids=np.array([8, 9]),
        ignore=np.array([False, True]),
    )
    visible = worlds.picture(seed, size=size)
    infrared = worlds.picture(seed + 5, channels=1, size=size)
    return PairSample(
        name=f"s{seed}",
        infrared=infrared,
        visible=visible,
        labels=ids,
        boxes=boxes,
        target=infrared,
        meta={"time": "day"},
    )


views = st.builds(
    View,
    top=st.integers(-5, 40),
    left=st.integers(-5, 40),
    height=st.shared(st.integers(6, 60), key="side"),
    width=st.shared(st.integers(6, 60), key="side"),
    size=st.sampled_from([(16, 16), (24, 24), (32, 32)]),
    flip=st.booleans(),
)


@given(view=views)
@settings(max_examples=60, deadline=None)
def test_geometry_is_the_same_for_pictures_and_labels(view: View) -> None:
    """Labels painted into a picture and cut with it lie where the cut labels lie, but for pixels at borders."""
    ids = worlds.labels(3, 15, size=(48, 64))
    painted = (ids * 17).astype(np.uint8)
    cut, picture = view.labels(ids), view.picture(painted)
    known = cut != 255
    assert set(np.unique(cut)) <= {*np.unique(ids), 255}  # never interpolated
    inner = known & _flat(cut, reach=1 + math.ceil(view.size[0] / view.height))
    difference = np.abs(picture.astype(int) - cut.astype(int) * 17)[inner]
    assert (difference <= 1).all()


def _flat(ids: np.ndarray, reach: int) -> np.ndarray:
    """Pixels whose surroundings, `reach` pixels each way, hold one value: interpolation sees nothing else there."""
    side = 2 * reach + 1
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(ids.astype(int), reach, constant_values=-1), (side, side))
    return np.asarray((windows == ids[..., None, None]).all(axis=(2, 3)))


@given(view=views)
@settings(max_examples=60, deadline=None)
def test_flip_commutes_with_the_rest(view: View) -> None:
    image, ids = worlds.picture(1, size=(48, 64)), worlds.labels(1, 15, size=(48, 64))
    plain, mirrored = replace(view, flip=False), replace(view, flip=True)
    np.testing.assert_array_equal(plain.picture(image)[:, ::-1], mirrored.picture(image))
    np.testing.assert_array_equal(plain.labels(ids)[:, ::-1], mirrored.labels(ids))


@given(view=views, x=st.integers(0, 50), y=st.integers(0, 36), w=st.integers(4, 14), h=st.integers(4, 12))
@settings(max_examples=100, deadline=None)
def test_boxes_follow_pixels(view: View, x: int, y: int, w: int, h: int) -> None:
    """The box of a rectangle painted into the labels is where the rectangle is after the cut, to a pixel."""
    ids = np.zeros((48, 64), np.uint8)
    ids[y : y + h, x : x + w] = 1
    box = Boxes(xyxy=np.array([[x, y, x + w, y + h]], np.float32), class_ids=np.array([1]), ignore=np.array([False]))
    moved = view.boxes(box)
    rows, columns = np.nonzero(view.labels(ids) == 1)
    if len(rows) == 0:
        assert len(moved) == 0 or (moved.xyxy[0, 2:] - moved.xyxy[0, :2]).min() < 1
        return
    pixels = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    zoom = view.size[0] / view.height
    assert np.abs(moved.xyxy[0] - pixels).max() <= max(1.0, zoom)


def test_mostly_hidden_boxes_are_ignored() -> None:
    boxes = Boxes(
        xyxy=np.array([[0, 0, 20, 10], [30, 0, 40, 10], [0, 0, 11, 10]], np.float32),
        class_ids=np.arange(3),
        ignore=np.zeros(3, bool),
    )
    moved = View(top=0, left=9, height=10, width=10, size=(10, 10)).boxes(boxes)
    assert moved.class_ids.tolist() == [0, 2]
    assert moved.ignore.tolist() == [False, True]


def test_beyond_the_border_labels_are_ignored_and_pictures_mirrored() -> None:
    view = View(top=-2, left=0, height=6, width=6, size=(6, 6))
    image = worlds.picture(0, size=(8, 8))
    np.testing.assert_array_equal(view.picture(image)[:2], image[1::-1, :6])
    cut = view.labels(np.ones((8, 8), np.uint8))
    assert (cut[:2] == 255).all()
    assert (cut[2:] == 1).all()


@pytest.mark.parametrize("side", [12, 24, 48])
def test_views_agree_with_kornia(side: int) -> None:
    kornia = pytest.importorskip("kornia")
    image = worlds.picture(4, size=(48, 64)).astype(np.float32) / 255
    ours = View(top=0, left=8, height=side, width=side, size=(24, 24)).picture(image)
    crop = torch.from_numpy(image[:side, 8 : 8 + side].transpose(2, 0, 1))[None]
    if side > 24:  # OpenCV averages areas, kornia has no such mode: average by hand
        theirs = torch.nn.functional.avg_pool2d(crop, side // 24)
    else:
        theirs = kornia.geometry.resize(crop, (24, 24), interpolation="bilinear", align_corners=False)
    np.testing.assert_allclose(ours, theirs[0].permute(1, 2, 0).numpy(), atol=2e-3)


def test_shift_agrees_with_kornia() -> None:
    kornia = pytest.importorskip("kornia")
    image = worlds.picture(4, channels=1, size=(48, 64)).astype(np.float32) / 255
    ours = shifted(image, dx=3.0, dy=-2.0, degrees=0, zoom=1)
    moved = kornia.geometry.translate(torch.from_numpy(image)[None, None], torch.tensor([[3.0, -2.0]]))
    np.testing.assert_allclose(ours[4:-4, 4:-4], moved[0, 0].numpy()[4:-4, 4:-4], atol=1e-4)
    turned = shifted(image, dx=0, dy=0, degrees=5, zoom=1)
    theirs = kornia.geometry.rotate(torch.from_numpy(image)[None, None], torch.tensor([5.0]))
    np.testing.assert_allclose(turned[8:-8, 8:-8], theirs[0, 0].numpy()[8:-8, 8:-8], atol=0.03)


@given(
    seed=st.integers(0, 10_000), height=st.integers(20, 70), width=st.integers(20, 70), crop=st.sampled_from([16, 32])
)
@settings(max_examples=80, deadline=None)
def test_drawn_views_hold_their_focus_and_stay_inside_if_they_can(
    seed: int, height: int, width: int, crop: int
) -> None:
    random = np.random.default_rng(seed)
    focus = (seed % height, seed % width)
    view = draw_view((height, width), crop, scale=(0.5, 2.0), flip=0.5, random=random, focus=focus)
    assert view.size == (crop, crop)
    assert view.top <= focus[0] < view.top + view.height
    assert view.left <= focus[1] < view.left + view.width
    assert round(crop / 2) - 1 <= view.width <= 2 * crop
    for start, side, length in ((view.top, view.height, height), (view.left, view.width, width)):
        if side <= length:
            assert 0 <= start <= length - side
        else:
            assert start <= 0
            assert start + side >= length


def test_crop_that_exceeds_the_picture() -> None:
    with pytest.raises(InputError, match="crop 200 exceeds a picture of 64x48, even enlarged 2 times"):
        transform(sample(), replace(GEOMETRY, crop=200), np.random.default_rng(0))


def test_rare_classes_are_shown_as_often_as_common_ones() -> None:
    ids = np.zeros((60, 60), np.uint8)
    ids[10:14, 10:14] = 8
    ids[50:, 50:] = 255
    random = np.random.default_rng(0)
    places = [rare_pixel(ids, random) for _ in range(200)]
    shown = [ids[place] for place in places if place is not None]
    assert set(shown) == {0, 8}
    assert 70 <= shown.count(8) <= 130
    assert rare_pixel(np.full((9, 9), 255, np.uint8), random) is None


def test_balance_uses_boxes_without_labels() -> None:
    pair = replace(sample(), labels=None)
    config = replace(GEOMETRY, balance=1, scale=(1, 1), crop=16)
    for seed in range(10):
        assert len(transform(pair, config, np.random.default_rng(seed)).boxes)  # type: ignore[arg-type]


@pytest.mark.parametrize("config", [GEOMETRY, ALL, replace(ALL, drop=1)])
def test_tensors_are_typed_and_in_range(config: TransformConfig) -> None:
    for seed in range(4):
        result = transform(sample(seed), config, np.random.default_rng(seed))
        assert result.infrared.shape == (1, 32, 32)
        assert result.visible.shape == (3, 32, 32)
        assert result.target is not None
        assert result.target.shape == (1, 32, 32)
        for picture in (result.infrared, result.visible, result.target):
            assert picture.dtype == torch.float32
            assert 0 <= picture.min() <= picture.max() <= 1
        assert result.labels is not None
        assert result.labels.dtype == torch.int64
        assert set(result.labels.unique().tolist()) <= {*range(15), 255}
        assert result.meta["time"] == "day"


def test_target_and_labels_are_untouched_by_effects() -> None:
    nothing = {name: 0.0 for name in vars(ALL) if name not in ("crop", "scale", "misalign_pixels", "flip", "balance")}
    plain = transform(sample(), replace(ALL, **nothing), np.random.default_rng(3))
    changed = transform(sample(), ALL, np.random.default_rng(3))
    assert changed.labels is not None
    assert changed.target is not None
    assert torch.equal(plain.labels, changed.labels)  # type: ignore[arg-type]
    assert torch.equal(plain.target, changed.target)  # type: ignore[arg-type]
    assert plain.meta["effects"] == []
    assert set(changed.meta["effects"]) >= {"night", "fog", "misalign", "thermal_noise"}


def test_dropped_camera() -> None:
    bands = set()
    for seed in range(12):
        result = transform(sample(), replace(GEOMETRY, drop=1), np.random.default_rng(seed))
        (band,) = (name.removeprefix("drop ") for name in result.meta["effects"])
        bands.add(band)
        assert getattr(result, band).std() < 0.05
    assert bands == {"infrared", "visible"}


def test_what_each_effect_does() -> None:
    image = np.full((40, 60, 3), 0.5, np.float32)
    image[10:20, 10:40] = (0.2, 0.6, 0.3)
    random = np.random.default_rng(0)
    assert np.mean([effects.night(image, random).mean() for _ in range(8)]) < 0.5 * image.mean()
    assert effects.glare(image, random).mean() > image.mean()
    fogged = effects.fog(image, random)
    assert np.ptp(fogged[10:20]) < np.ptp(image[10:20])
    assert (effects.rain(image, random) > image).any()
    noisy = effects.visible_noise(image, random) - image
    assert abs(noisy.mean()) < 0.01
    assert noisy.std() > 0.001
    thermal = image[..., 0]
    assert effects.thermal_noise(thermal, random).shape == thermal.shape
    assert effects.photometric_infrared(thermal, random).shape == thermal.shape
    for effect in (effects.photometric_visible, effects.night, effects.glare, effects.fog, effects.rain):
        result = effect(image, random)
        assert result.dtype == np.float32
        assert np.isfinite(result).all()


def test_the_sky_of_a_night_is_black_as_far_as_labels_show_it() -> None:
    image = np.full((60, 80, 3), 0.98, np.float32)
    image[30:] = 0.5
    sky = np.zeros((60, 80), bool)
    sky[:30] = True
    known = [effects.night(image, np.random.default_rng(seed), sky) for seed in range(24)]
    unknown = [effects.night(image, np.random.default_rng(seed)) for seed in range(24)]
    black = [night[:26].mean() < 0.06 for night in known]
    assert 16 < sum(black) < 24  # some skies are lit by the town
    assert sum(night[:26].mean() < 0.06 for night in unknown) < 6
    assert np.median([night[:26].mean() for night in known]) < 0.5 * np.median([n[:26].mean() for n in unknown])


def test_the_class_of_the_sky_is_what_gets_black_with_its_border() -> None:
    pair = sample()
    labels = np.full(pair.size, 7, np.uint8)
    labels[20:24] = 255
    labels[24:] = 1
    bright = np.full_like(pair.visible, 230)
    config = replace(GEOMETRY, crop=48, scale=(1, 1), flip=0, night=1)
    at_night = replace(pair, visible=bright, labels=labels)
    darker = 0
    for seed in range(12):
        known = transform(at_night, config, np.random.default_rng(seed), sky=7)
        other = transform(at_night, config, np.random.default_rng(seed), sky=8)
        assert known.labels is not None
        torch.testing.assert_close(known.visible[:, 36:], other.visible[:, 36:])  # well below nothing changes
        up = (known.labels == 7) | (known.labels == 255)
        darker += int(known.visible[:, up].mean() < 0.8 * other.visible[:, up].mean())
    assert darker >= 8


def test_nights_are_smooth_or_noisy_and_never_quite_black() -> None:
    image = np.full((60, 80, 3), 0.02, np.float32)
    nights = [effects.night(image, np.random.default_rng(seed)) for seed in range(24)]
    rough = [float(np.abs(np.diff(night, axis=1)).mean()) * 255 for night in nights]
    assert min(rough) < 0.5 < 1.5 < max(rough)
    assert 6 < sum(value < 1 for value in rough) < 22
    assert max(float(night.min()) for night in nights) > 0.01
    for night in nights:  # as 8 bits hold them
        np.testing.assert_allclose(night * 255, np.rint(night * 255), atol=1e-3)


def test_infrared_may_be_nearly_dark() -> None:
    image = np.full((40, 60), 0.6, np.float32)
    levels = [effects.photometric_infrared(image, np.random.default_rng(seed)).mean() for seed in range(60)]
    assert 4 < sum(level < 0.12 for level in levels) < 40
    assert sum(level > 0.3 for level in levels) > 15
    dim = [effects.dim_infrared(image, np.random.default_rng(seed)) for seed in range(60)]
    assert max(float(picture.max()) for picture in dim) < 0.26
    assert min(float(picture.min()) for picture in dim) > 0.04


def test_sixteen_bit_infrared_is_scaled_by_the_whole_picture() -> None:
    thermal = np.full((48, 64), 20000, np.uint16)
    thermal[:, 32:] = 21000
    pair = replace(sample(), infrared=thermal, target=None)
    left = transform(pair, replace(GEOMETRY, crop=8, scale=(1, 1)), np.random.default_rng(4))
    assert set(left.infrared.unique().tolist()) <= {0.0, 1.0}


def test_whole_samples_for_evaluation() -> None:
    pair = sample()
    result = to_tensors(pair)
    np.testing.assert_array_equal((result.visible * 255).round().byte().permute(1, 2, 0).numpy(), pair.visible)
    np.testing.assert_array_equal(result.labels, pair.labels)
    assert result.boxes is pair.boxes
    assert to_tensors(replace(pair, labels=None, target=None)).labels is None
    assert whole_view((4, 6), flip=True).picture(pair.visible[:4, :6])[0, 0].tolist() == pair.visible[0, 5].tolist()


def test_same_seed_same_samples_with_any_number_of_workers(tmp_path: Path) -> None:
    dataset = open_dataset("fmb", worlds.fmb(tmp_path, train=5, test=2))
    stream = TransformedDataset(dataset, replace(ALL, crop=16), seed=7)
    batches = [list(make_loader(stream, batch=2, steps=5, workers=workers)) for workers in (0, 2)]
    for one, two in zip(*batches, strict=True):
        assert one.names == two.names
        for field in ("infrared", "visible", "labels"):
            assert torch.equal(getattr(one, field), getattr(two, field))
    resumed = list(make_loader(stream, batch=2, steps=2, start=3))
    assert torch.equal(resumed[0].visible, batches[0][3].visible)
    other = TransformedDataset(dataset, replace(ALL, crop=16), seed=8)
    assert not torch.equal(next(iter(make_loader(other, batch=2, steps=1))).visible, batches[0][0].visible)


def test_every_epoch_shows_every_sample_once_in_its_own_order(tmp_path: Path) -> None:
    dataset = open_dataset("fmb", worlds.fmb(tmp_path, train=6, test=0))
    stream = TransformedDataset(dataset, replace(GEOMETRY, crop=16))
    epochs = [[stream[i + 6 * epoch].name for i in range(6)] for epoch in range(3)]
    assert all(sorted(epoch) == dataset.names for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1
    straight = TransformedDataset(dataset, replace(GEOMETRY, crop=16), shuffle=False)
    assert [straight[i].name for i in range(6)] == dataset.names


def test_collate_fills_missing_labels() -> None:
    config = replace(GEOMETRY, crop=16)
    with_labels = transform(sample(0), config, np.random.default_rng(0))
    without = transform(replace(sample(1), labels=None, target=None), config, np.random.default_rng(0))
    batch = collate([with_labels, without])
    assert batch.labelled.tolist() == [True, False]
    assert (batch.labels[1] == 255).all()
    assert batch.target is None
    whole = collate([with_labels]).target
    assert whole is not None
    assert whole.shape == (1, 1, 16, 16)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("scale", (0.0, 1.0), "0 < low"),
        ("crop", 0, "at least 1"),
        ("flip", 1.5, "probability"),
        ("night", -0.1, "probability"),
    ],
)
def test_impossible_settings(field: str, value: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(GEOMETRY, **{field: value})  # type: ignore[arg-type]
