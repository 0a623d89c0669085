"""The parts of registration on pictures made for them: orientation, search, blocks, parallax, previews."""

import cv2
import numpy as np
import pytest

from segmif.checks import InputError
from segmif.rig.blocks import Blocks, correlate_blocks, fit
from segmif.rig.homography import corner_error, displacement_basis, similarity
from segmif.rig.orientation import inner, orientation_field, valid_area
from segmif.rig.parallax import Parallax, box_shift
from segmif.rig.pictures import before_after, checkerboard, draw_parallax, red_cyan
from segmif.rig.register import register, warp_infrared
from segmif.rig.search import Search, candidates, turn_field


def texture(size=(120, 160), seed=0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, size).astype(np.float32)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.5), None, 0, 1, cv2.NORM_MINMAX)


def field(grey: np.ndarray):
    return orientation_field(grey, np.ones(grey.shape, np.uint8))


# --- orientation ------------------------------------------------------------------------------------------------------


def test_an_edge_has_the_double_angle_of_its_gradient():
    y, x = np.mgrid[:64, :64].astype(np.float32)
    for degrees in (0, 30, 90, 120):
        across = x * np.cos(np.deg2rad(degrees)) + y * np.sin(np.deg2rad(degrees))
        value = field(np.sin(across / 5).astype(np.float32))[20:44, 20:44]
        found = np.angle(value[np.abs(value) > 0.5])
        assert np.abs(np.angle(np.exp(1j * (found - 2 * np.deg2rad(degrees))))).max() < 0.1


def test_inverted_contrast_has_the_same_orientation():
    grey = texture()
    np.testing.assert_allclose(field(1 - grey), field(grey), atol=1e-4)


def test_contrast_is_evened_out():
    grey = texture()
    grey[:, 80:] *= 0.1
    strength = np.abs(field(grey))
    assert strength[:, 100:].mean() > 0.25 * strength[:, :60].mean()  # of a tenth of the contrast


def test_valid_area_leaves_out_the_wedges_of_a_warp_and_keeps_dark_sky():
    grey = np.full((100, 100), 90, np.uint8)
    grey[:40, 30:70] = 0  # dark sky
    np.testing.assert_array_equal(valid_area(grey), 1)
    warped = cv2.warpPerspective(grey, similarity((100, 100), degrees=10), (100, 100))
    area = valid_area(warped)
    assert area[0, 0] == area[-1, -1] == 0
    assert area[50, 50] == area[30, 50] == 1
    assert valid_area(np.dstack([warped] * 3)).sum() == area.sum()
    assert not valid_area(np.zeros((50, 50), np.uint16)).any()


def test_no_edge_where_content_ends():
    grey = texture()
    valid = np.ones(grey.shape, np.uint8)
    valid[:, :30] = 0
    grey[:, :30] = 0
    assert not orientation_field(grey, inner(valid))[:, :33].any()
    assert inner(np.ones((20, 20), np.uint8)).all()  # the frame itself takes nothing away


# --- search -----------------------------------------------------------------------------------------------------------


def test_fields_turn_like_pictures():
    grey = texture()
    matrix = similarity(grey.shape, degrees=6, scale=1.05)
    turned = field(cv2.warpPerspective(grey, matrix, (160, 120), borderMode=cv2.BORDER_REPLICATE))
    guess = turn_field(field(grey), 6, 1.05)
    a, b = turned[20:-20, 20:-20].ravel(), guess[20:-20, 20:-20].ravel()
    assert np.vdot(a, b).real / (np.linalg.norm(a) * np.linalg.norm(b)) > 0.9


def test_search_finds_rotation_scale_and_shift():
    visible = texture((170, 220))[25:145, 30:190]
    truth = similarity((120, 160), degrees=-3, scale=1.05, shift=(14, -9))
    infrared = cv2.warpPerspective(1 - visible, np.linalg.inv(truth), (160, 120), borderMode=cv2.BORDER_REFLECT)
    best, *others = candidates(field(infrared), field(visible), Search(), "similarity")
    assert corner_error(best, truth, (120, 160)) < 2
    assert len(others) <= 3
    assert all(corner_error(best, other, (120, 160)) > 1 for other in others)


def test_hypotheses():
    assert Search().hypotheses("translation") == [(0.0, 1.0)]
    grid = Search(degrees=1.5, scale=0.02).hypotheses("similarity")
    assert len(grid) == 9
    assert (0.0, 1.0) in grid
    assert Search(degrees=0, scale=0).hypotheses("homography") == [(0.0, 1.0)]


# --- blocks -----------------------------------------------------------------------------------------------------------


def test_surfaces_peak_where_the_infrared_lies():
    grey = texture()
    blocks = correlate_blocks(field(np.roll(grey, (2, -3), (0, 1))), field(grey), across=4, radius=5)
    peaks, heights = blocks.peaks()
    inside = np.abs(blocks.centres - (79.5, 59.5)).max(axis=1) < 40
    np.testing.assert_array_equal(np.unique(peaks[inside], axis=0), [[-3, 2]])
    assert (heights[inside] > 0.8 * blocks.energy[inside]).all()
    assert blocks.radius == 5
    assert (blocks.prominence()[inside] > 2.5).all()


def test_spline_values_slopes_and_curvatures():
    rng = np.random.default_rng(0)
    blocks = Blocks(
        size=(50, 50), centres=rng.uniform(0, 50, (6, 2)),
        surfaces=rng.normal(size=(6, 11, 11)).astype(np.float32), energy=np.ones(6),
    )  # fmt: skip
    shifts, step = rng.uniform(-3.5, 3.5, (6, 2)), 1e-4
    value, slope, curvature = blocks.at(shifts)
    for axis in (0, 1):
        d = np.eye(2)[axis] * step
        (up, up_slope, _), (down, down_slope, _) = blocks.at(shifts + d), blocks.at(shifts - d)
        np.testing.assert_allclose((up - down) / (2 * step), slope[:, axis], atol=1e-6)
        np.testing.assert_allclose((up_slope - down_slope) / (2 * step), curvature[:, axis], atol=1e-3)
    assert np.isfinite(value).all()
    outside = blocks.at(np.full((6, 2), 99.0))[0]
    np.testing.assert_allclose(outside, blocks.at(np.full((6, 2), 4.0))[0], atol=1e-4)


@pytest.mark.parametrize("model", ["translation", "similarity", "homography"])
def test_fit_finds_what_was_put_in(model):
    put = np.array([1.3, -0.7, 1.0, -1.2, 0.6, 0.4, 0.5, -0.5])[: {"translation": 2, "similarity": 4}.get(model, 8)]
    y, x = np.mgrid[:6, :8] * 20.0 + 10
    centres = np.column_stack([x.ravel(), y.ravel()])
    basis = displacement_basis(centres, (120, 160), model)
    wanted = basis @ put
    dy, dx = np.mgrid[-5:6, -5:6]
    away = (dx - wanted[:, 0, None, None]) ** 2 + (dy - wanted[:, 1, None, None]) ** 2
    surfaces = np.exp(-away / 4).astype(np.float32)
    blocks = Blocks(size=(120, 160), centres=centres, surfaces=surfaces, energy=np.ones(48))
    found = basis @ fit(blocks, model)
    assert np.abs(found - wanted).max() < 0.1
    assert blocks.evidence(found) > 3 * blocks.evidence(found + 4)


def test_nothing_to_see_is_no_evidence():
    nothing = np.zeros((60, 80), np.complex64)
    blocks = correlate_blocks(nothing, nothing, across=4, radius=3)
    assert not fit(blocks, "homography").any() or blocks.evidence(np.zeros((len(blocks.centres), 2))) == 0
    assert blocks.evidence(np.zeros((len(blocks.centres), 2))) == 0
    assert not blocks.prominence().any()


# --- parallax and pictures --------------------------------------------------------------------------------------------


def test_a_nearer_object_is_seen_as_parallax():
    visible = texture((240, 320))
    infrared = 1 - visible
    infrared[80:200, 160:280] = 1 - visible[80:200, 155:275]  # 5 pixels to the right
    thermal, colour = ((255 * picture).astype(np.uint8) for picture in (infrared, visible))
    result = register(thermal, colour)
    assert result.accepted
    assert corner_error(result.homography, np.eye(3), (240, 320)) < 1
    peak = result.parallax.peaks(1)[0]
    assert (peak["right"], peak["down"]) == pytest.approx((5, 0), abs=0.6)
    assert 170 < peak["x"] < 270
    assert 90 < peak["y"] < 190
    assert box_shift(thermal, colour, (170, 90, 100, 100)) == pytest.approx((5, 0), abs=0.3)
    assert box_shift(thermal, colour, (20, 20, 80, 100)) == pytest.approx((0, 0), abs=0.3)


def test_box_shift_says_when_it_cannot_tell():
    noise = np.random.default_rng(0).integers(0, 255, (2, 100, 100), np.uint8)
    assert box_shift(noise[0], noise[1], (30, 30, 40, 40)) is None
    with pytest.raises(InputError, match="has no part in the 100x100 picture"):
        box_shift(noise[0], noise[1], (200, 30, 40, 40))
    with pytest.raises(InputError, match="same width x height"):
        box_shift(noise[0], noise[1, :50], (30, 30, 40, 40))


def test_red_cyan_shows_equal_pictures_grey_and_a_shift_in_colour():
    grey = (255 * texture()).astype(np.uint8)
    assert np.ptp(red_cyan(grey, grey).astype(int), axis=2).max() == 0
    assert np.ptp(red_cyan(np.roll(grey, 4, 1), grey).astype(int), axis=2).mean() > 10
    with pytest.raises(InputError, match="same width x height"):
        red_cyan(grey, grey[:50])


def test_checkerboard_alternates():
    board = checkerboard(np.full((80, 160), 0, np.uint8), np.full((80, 160, 3), (200, 100, 50), np.uint8))
    np.testing.assert_array_equal(board[5, [5, 25, 45]], [[0, 0, 0], [200, 100, 50], [0, 0, 0]])
    np.testing.assert_array_equal(board[25, [5, 25]], [[200, 100, 50], [0, 0, 0]])


def test_arrows_only_where_something_is_left():
    picture = np.zeros((60, 60, 3), np.uint8)
    parallax = Parallax(points=np.array([[10.0, 10], [40, 40]]), shifts=np.array([[0.3, 0.2], [4, 0]]))
    drawn = draw_parallax(picture, parallax)
    assert not picture.any()
    assert not drawn[:30].any()
    assert drawn[40, 40:52].any(axis=1).all()
    assert parallax.peaks() == [
        {"x": 40, "y": 40, "right": 4, "down": 0}, {"x": 10, "y": 10, "right": 0.3, "down": 0.2}
    ]  # fmt: skip


def test_before_after_is_two_pictures_side_by_side(pair):
    infrared, visible = pair
    moved = warp_infrared(infrared, similarity((240, 320), shift=(6, 0)), (240, 320))
    picture = before_after(moved, visible, register(moved, visible))
    assert picture.shape == (240, 320 + 8 + 320, 3)
    fringe = np.ptp(picture[20:-20].astype(int), axis=2)
    aligned = np.ptp(red_cyan(infrared, visible)[20:-20].astype(int), axis=2)
    after = fringe[:, 348:628]
    assert np.abs(after - aligned[:, 20:300]).mean() < 0.5 * np.abs(fringe[:, 20:300] - aligned[:, 20:300]).mean()
    with pytest.raises(InputError, match="unknown preview 'redcyan': did you mean 'red-cyan'"):
        before_after(moved, visible, register(moved, visible), "redcyan")
