"""Registration: known warps undone, strangers refused, aligned pairs left alone, every kind of picture taken."""

import json
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest

from segmif.checks import InputError, InputWarning
from segmif.data.synthetic import synthetic_scene
from segmif.io import read_image
from segmif.pairing import pair_by_stem
from segmif.rig.homography import corner_error, corners, correction, resize_homography, similarity
from segmif.rig.register import Registration, Search, align_pair, assess, register, warp_infrared

SIZE = (240, 320)


def warped(infrared, matrix, outside="black"):
    return warp_infrared(infrared, matrix, infrared.shape[:2], outside=outside)


def error(result: Registration, matrix, size=SIZE) -> float:
    return corner_error(result.homography @ matrix, np.eye(3), size)


# --- what it finds ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_known_similarities_are_undone(pair, seed):
    rng = np.random.default_rng(seed)
    shift = tuple(rng.uniform(-20, 20, 2))
    matrix = similarity(SIZE, degrees=rng.uniform(-5, 5), scale=rng.uniform(0.95, 1.05), shift=shift)
    result = register(warped(pair[0], matrix), pair[1])
    assert result.accepted, result.reason
    assert error(result, matrix) < 1.0


def test_known_perspective_is_undone(pair):
    matrix = correction(np.array([5, -4, 3, 4, 2, -2, 1.5, -1.5]), SIZE)
    result = register(warped(pair[0], matrix), pair[1])
    assert error(result, matrix) < 1.0
    assert error(register(warped(pair[0], matrix), pair[1], model="similarity"), matrix) > 1.0


def test_translation_is_a_pure_shift(pair):
    result = register(warped(pair[0], similarity(SIZE, shift=(-7, 4))), pair[1], model="translation")
    np.testing.assert_allclose(result.homography, similarity(SIZE, shift=(7, -4)), atol=0.3)
    np.testing.assert_array_equal(result.homography[:, :2], np.eye(3)[:, :2])


@pytest.mark.parametrize("seed", range(4))
def test_aligned_pairs_are_not_made_worse(seed):
    scene = synthetic_scene(seed, size=SIZE)
    result = register(scene.infrared, scene.visible)
    assert error(result, np.eye(3)) < 1.0


def test_a_second_registration_leaves_the_first_alone(pair):
    moved = warped(pair[0], similarity(SIZE, degrees=2, shift=(9, -5)))
    once = register(moved, pair[1])
    twice = register(warp_infrared(moved, once, SIZE, outside="black"), pair[1])
    np.testing.assert_array_equal(twice.homography, np.eye(3))


def test_strangers_are_refused(pair, stranger):
    result = register(pair[0], stranger)
    assert not result.accepted
    assert result.quality < 0.5
    assert result.reason.startswith("refused: too few edges in common (quality 0.")


@pytest.mark.parametrize("flat", [0, 128])
def test_a_flat_picture_is_refused(pair, flat):
    result = register(np.full(SIZE, flat, np.uint8), pair[1])
    assert (result.accepted, result.quality) == (False, 0.0)
    assert np.isfinite(result.homography).all()
    assert result.as_dict()["parallax"]["median_px"] is None


def test_a_mirrored_picture_is_refused(pair):
    assert not register(np.ascontiguousarray(pair[0][:, ::-1]), pair[1]).accepted


# --- what it takes ----------------------------------------------------------------------------------------------------


def test_depth_and_polarity_do_not_matter(pair):
    matrix = similarity(SIZE, degrees=-2, shift=(6, 3))
    moved = warped(pair[0], matrix)
    raw = (moved.astype(np.float64) * 30 + 21000 * (moved > 0)).astype(np.uint16)
    celsius = moved.astype(np.float32) / 10 - 5
    for infrared in (moved, 255 - moved, raw, celsius, np.dstack([moved] * 3)):
        assert error(register(infrared, pair[1]), matrix) < 1.0
    assert error(register(moved, pair[1].astype(np.float64) / 255), matrix) < 1.0


def test_sizes_may_differ(pair):
    small = cv2.resize(pair[0], (200, 150), interpolation=cv2.INTER_AREA)
    result = register(small, pair[1])
    assert corner_error(result.homography, resize_homography((150, 200), SIZE), (150, 200)) < 1.0
    assert warp_infrared(small, result, SIZE).shape == SIZE
    large = cv2.resize(pair[1], (960, 720), interpolation=cv2.INTER_CUBIC)
    result = register(pair[0], large)
    assert corner_error(result.homography, resize_homography(SIZE, (720, 960)), SIZE) < 2.0


def test_a_start_replaces_the_search(pair):
    far = similarity(SIZE, shift=(0, 0), degrees=25, scale=0.8)
    moved = warped(pair[0], far)
    near = np.linalg.inv(far) @ similarity(SIZE, shift=(3, -2))
    assert not (lone := register(moved, pair[1])).accepted or error(lone, far) > 5
    for search in (Search(), None):
        result = register(moved, pair[1], initial=near, search=search)
        assert result.accepted
        assert error(result, far) < 2.0


def test_assess_measures_a_given_homography(pair):
    good, bad = assess(*pair, np.eye(3)), assess(*pair, similarity(SIZE, shift=(3, 0)))
    assert good.accepted
    assert good.quality > bad.quality
    np.testing.assert_array_equal(bad.homography, similarity(SIZE, shift=(3, 0)))
    right = bad.parallax.shifts[:, 0]
    assert len(right) > 5
    assert np.median(right) == pytest.approx(3, abs=0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "affine"}, "unknown model 'affine'"),
        ({"infrared": np.zeros((20, 320), np.uint8)}, "infrared picture is 320x20: both sides must be at least 32"),
        ({"visible": np.zeros((240, 320, 2), np.uint8)}, r"visible picture has shape \(240, 320, 2\)"),
        ({"visible": np.zeros(SIZE, np.int32)}, "visible image has dtype int32"),
        ({"infrared": np.full(SIZE, np.nan, np.float32)}, "infrared image holds NaN"),
        ({"initial": np.zeros((3, 3))}, "homography must be an invertible 3x3 matrix"),
    ],
)
def test_bad_input(pair, change, message):
    arguments = {"infrared": pair[0], "visible": pair[1], **change}
    with pytest.raises(InputError, match=message):
        register(arguments.pop("infrared"), arguments.pop("visible"), **arguments)


def test_as_dict_is_json(pair):
    facts = json.loads(json.dumps(register(*pair).as_dict(), allow_nan=False))
    assert facts["accepted"] is True
    assert np.shape(facts["homography"]) == (3, 3)
    assert facts["parallax"]["blocks"] > 5


# --- warping and aligning ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_warp_keeps_type_and_range(dtype):
    picture = np.zeros((40, 50), dtype) + dtype(100)
    picture[10:20, 10:30] = 200
    moved = warp_infrared(picture, similarity((40, 50), shift=(5, 0)), (40, 50))
    assert moved.dtype == dtype
    np.testing.assert_array_equal(moved[:, 5:], picture[:, :-5])
    assert (moved[:, :5] == 100).all()
    turned = warp_infrared(picture, similarity((40, 50), degrees=20), (60, 70))
    assert turned.shape == (60, 70)
    assert 100 <= turned.min() < turned.max() <= 200
    assert (warp_infrared(picture, similarity((40, 50), shift=(5, 0)), (40, 50), outside="black")[:, :4] == 0).all()


def test_align_pair_moves_the_infrared_only(pair):
    moved = warped(pair[0], similarity(SIZE, shift=(8, 2)), "repeat").astype(np.uint16) * 40
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        infrared, visible = align_pair(moved, pair[1])
    assert visible is pair[1]
    assert (infrared.dtype, infrared.shape) == (np.uint16, SIZE)
    inside = np.s_[20:-20, 20:-20]
    truth = pair[0].astype(int)
    assert np.abs(infrared // 40 - truth)[inside].mean() < 0.4 * np.abs(moved // 40 - truth)[inside].mean()


def test_align_pair_says_when_it_leaves_a_pair_alone(pair, stranger):
    with pytest.warns(InputWarning, match="not aligned: registration refused: too few edges"):
        infrared, visible = align_pair(pair[0], stranger)
    assert infrared is pair[0]
    assert visible is stranger
    said: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        align_pair(pair[0], stranger, on_refusal=said.append)
    assert said[0].startswith("not aligned: registration refused")


# --- real pairs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "limit"), [("roadscene", 1.5), ("msrs", 3.0)])
def test_real_pairs_against_themselves(shared: Path, name, limit):
    """The published pairs are misaligned themselves, so a warped one is held against its own registration."""
    pairs = pair_by_stem(shared / "data" / name / "infrared", shared / "data" / name / "visible").pairs
    rng = np.random.default_rng(5)
    errors = []
    for pair in pairs[:: len(pairs) // 10][:10]:
        infrared, visible = read_image(pair.infrared), read_image(pair.visible)
        size = infrared.shape[:2]
        shift = tuple(rng.uniform(-20, 20, 2))
        matrix = similarity(size, degrees=rng.uniform(-5, 5), scale=rng.uniform(0.95, 1.05), shift=shift)
        original, again = register(infrared, visible), register(warped(infrared, matrix), visible)
        if original.accepted and again.accepted:
            errors.append(corner_error(again.homography @ matrix, original.homography, size))
    assert len(errors) >= 8
    assert np.median(errors) < limit / 2
    assert np.mean(np.array(errors) < limit) >= 0.85


def test_real_strangers(shared: Path):
    root = shared / "data" / "roadscene"
    pairs = pair_by_stem(root / "infrared", root / "visible").pairs[::20]
    for number, pair in enumerate(pairs):
        visible = read_image(pairs[number - len(pairs) // 2].visible)
        assert not register(read_image(pair.infrared), visible).accepted


def test_corners_are_pixel_centres():
    assert corners((3, 4)).tolist() == [[0, 0], [3, 0], [3, 2], [0, 2]]
