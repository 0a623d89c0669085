"""Homographies: checked against plain projection, OpenCV and finite differences."""

import cv2
import numpy as np
import pytest

from segmif.checks import InputError
from segmif.rig.homography import (
    as_homography,
    corner_error,
    corners,
    correction,
    displacement_basis,
    is_sane,
    map_points,
    median_homography,
    plane_homography,
    resize_homography,
    similarity,
)

SIZE = (240, 320)


def test_plane_homography_is_projection_of_points_on_the_plane():
    rng = np.random.default_rng(0)
    infrared = np.array([[600, 0, 310], [0, 605, 250], [0, 0, 1.0]])
    visible = np.array([[1200, 0, 650], [0, 1190, 470], [0, 0, 1.0]])
    rotation = cv2.Rodrigues(np.array([0.02, -0.05, 0.01]))[0]
    translation = np.array([0.12, -0.01, 0.02])
    world = np.column_stack([rng.uniform(-2, 2, (20, 2)), np.full(20, 8.0)])
    seen, wanted = (cv2.projectPoints(world, *pose, camera, None)[0].reshape(-1, 2) for pose, camera in (
        ((np.zeros(3), np.zeros(3)), infrared), ((rotation, translation), visible)
    ))  # fmt: skip
    homography = plane_homography(infrared, visible, rotation, translation, 8.0)
    np.testing.assert_allclose(map_points(homography, seen), wanted, atol=1e-8)
    far = plane_homography(infrared, visible, rotation, translation)
    assert np.abs(map_points(far, seen) - wanted).max() > 5  # parallax of 0.12 m at 8 m


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.eye(3), np.eye(3), np.eye(3), np.zeros(3), 0.0), "working distance is 0"),
        ((np.eye(3), np.eye(3), np.eye(3), np.zeros(3), -2.0), "working distance is -2"),
        ((np.eye(2), np.eye(3), np.eye(3), np.zeros(3)), "infrared camera matrix"),
        ((np.eye(3), np.zeros((3, 3)), np.eye(3), np.zeros(3)), "visible camera matrix"),
        ((np.eye(3), np.eye(3), np.eye(3), np.zeros(2)), "translation hold 3 numbers"),
    ],
)
def test_plane_homography_refuses(arguments, message):
    with pytest.raises(InputError, match=message):
        plane_homography(*arguments)


@pytest.mark.parametrize(
    "matrix", [np.eye(2), np.zeros((3, 3)), np.full((3, 3), np.nan), [["a"] * 3] * 3, [[1, 2], [3]]]
)
def test_no_homographies(matrix):
    with pytest.raises(InputError, match="homography must be"):
        as_homography(matrix)


def test_resize_homography_is_what_opencv_resizes_by():
    ramp = np.tile(np.arange(40, dtype=np.float32), (30, 1))
    large = cv2.resize(ramp, (80, 90), interpolation=cv2.INTER_LINEAR)
    x, _ = map_points(np.linalg.inv(resize_homography((30, 40), (90, 80))), [[41, 50]])[0]
    assert large[50, 41] == pytest.approx(x, abs=1e-5)


def test_similarity_turns_clockwise_about_the_centre():
    matrix = similarity((101, 201), degrees=90, scale=2, shift=(3, -1))
    np.testing.assert_allclose(map_points(matrix, [[100, 50], [110, 50]]), [[103, 49], [103, 69]], atol=1e-9)


@pytest.mark.parametrize("model", ["translation", "similarity", "homography"])
def test_displacement_basis_is_the_derivative_of_the_correction(model):
    points = np.random.default_rng(0).uniform(0, 240, (30, 2))
    basis = displacement_basis(points, SIZE, model)
    for k in range(basis.shape[2]):
        step = np.zeros(basis.shape[2])
        step[k] = 1e-3
        moved = (map_points(correction(step, SIZE), points) - points) / 1e-3
        np.testing.assert_allclose(moved, basis[:, :, k], atol=2e-5)


def test_corner_error_of_a_shift_is_its_length():
    assert corner_error(similarity(SIZE, shift=(3, 4)), np.eye(3), SIZE) == pytest.approx(5)


def test_median_homography_outvotes_a_bad_one():
    good = [similarity(SIZE, shift=(2 + 0.1 * i, 1), degrees=1) for i in (-1, 0, 1)]
    common, spread = median_homography([*good, similarity(SIZE, shift=(60, 60), scale=1.3)], SIZE)
    assert corner_error(common, good[1], SIZE) < 0.11
    assert 0 < spread < 0.2


def test_sane():
    assert is_sane(similarity(SIZE, degrees=5, scale=1.05, shift=(20, 20)), SIZE)
    assert not is_sane(np.diag([-1.0, 1, 1]), SIZE)  # mirrored
    assert not is_sane(similarity(SIZE, scale=3), SIZE)
    assert not is_sane(np.array([[1, 0, 0], [0, 1, 0], [-0.01, 0, 1]]), SIZE)  # the right side behind the camera
    assert not is_sane(np.full((3, 3), np.nan), SIZE)
    fold = cv2.getPerspectiveTransform(
        corners(SIZE).astype(np.float32), np.float32([[0, 0], [319, 0], [60, 40], [0, 239]])
    )
    assert not is_sane(fold, SIZE)
