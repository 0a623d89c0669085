"""The calibration file, and what follows from it: epipolar lines, rectification, infrared on the visible grid."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from segmif.checks import InputError
from segmif.rig.calibration import Calibration
from segmif.rig.geometry import (
    balanced_distance,
    epipolar_errors,
    infrared_map,
    infrared_to_visible,
    parallax,
    rectification,
)
from segmif.rig.simulate import RIGS

TRUTH = RIGS["handheld"].truth


def points(calibration: Calibration, depth: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (infrared, visible) of points on the plane at `depth` before the infrared camera that both see."""
    grid = np.stack(np.meshgrid(np.linspace(-0.3, 0.3, 9), np.linspace(-0.2, 0.2, 7)), axis=-1).reshape(-1, 2)
    world = np.column_stack([grid, np.ones(len(grid))]) * depth
    seen = world @ calibration.matrix.T + calibration.shift
    return calibration.infrared.project(world), calibration.visible.project(seen)


def test_round_trip(tmp_path: Path):
    kept = replace(TRUTH, uncertainty={"baseline_m": 1e-4}, quality={"epipolar_px": 0.1}, board={"kind": "chessboard"})
    kept.save(tmp_path / "c.json")
    assert Calibration.load(tmp_path / "c.json", rig="handheld") == kept


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 2, this program reads 1"),
        ({"format": "other"}, "is no calibration"),
        ({"extra": 1}, "has the unknown extra"),
        ({"infrared": 3}, "infrared is not a group of values"),
        ({"rig": 3}, "rig is not a text"),
        ({"quality": {"rms": "low"}}, "quality.rms is 'low'"),
        ({"stereo": {"rotation": [[1, 0, 0], [0, 1, 0], [0, 0, 2]], "translation_m": [1, 0, 0]}}, "is no rotation"),
        ({"stereo": {"rotation": np.eye(3).tolist(), "translation_m": [0, 0, 0]}}, "not a baseline"),
        ({"stereo": {"rotation": np.eye(3).tolist(), "translation_m": ["x", 0, 0]}}, "holds no numbers"),
        ({"stereo": {"rotation": np.eye(2).tolist(), "translation_m": [1, 0, 0]}}, "has shape (2, 2)"),
        ({"visible": {**TRUTH.visible.as_dict(), "fx": -1}}, "must be positive"),
        ({"visible": {"width": 3}}, "visible lacks height"),
    ],
)
def test_refuses_what_is_no_calibration(tmp_path: Path, change: dict, message: str):
    path = tmp_path / "c.json"
    path.write_text(json.dumps({**TRUTH.as_dict(), **change}))
    with pytest.raises(InputError) as caught:
        Calibration.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_refuses_another_rig_resolution_or_file(tmp_path: Path):
    TRUTH.save(tmp_path / "c.json")
    with pytest.raises(InputError, match="is of rig 'handheld', not of 'vehicle'"):
        Calibration.load(tmp_path / "c.json", rig="vehicle")
    with pytest.raises(InputError, match="infrared is 640x512, but rig 'handheld' was calibrated at 320x256"):
        TRUTH.check_sizes((512, 640), (480, 640))
    (tmp_path / "d.json").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=r"d\.json: is not JSON"):
        Calibration.load(tmp_path / "d.json")
    with pytest.raises(InputError, match="no such file"):
        Calibration.load(tmp_path / "e.json")


@pytest.mark.parametrize("name", RIGS)
def test_undistort_inverts_project(name: str):
    camera = RIGS[name].truth.visible
    height, width = camera.size
    pixels = np.stack(np.meshgrid(np.linspace(0, width - 1, 9), np.linspace(0, height - 1, 7)), axis=-1).reshape(-1, 2)
    directions = camera.undistort(pixels)
    back = camera.project(np.column_stack([directions, np.ones(len(directions))]))
    np.testing.assert_allclose(back, pixels, atol=1e-3)
    assert camera.undistort(np.empty((0, 2))).shape == camera.project(np.empty((0, 3))).shape == (0, 2)


@pytest.mark.parametrize(("name", "side"), [("handheld", "right"), ("vehicle", "left"), ("stacked", "above")])
def test_true_geometry_has_no_epipolar_error(name: str, side: str):
    truth = RIGS[name].truth
    infrared, visible = points(truth)
    assert truth.side == side
    assert max(errors.max() for errors in epipolar_errors(truth, infrared, visible)) < 1e-3
    across = np.array([0, 1.0]) if side != "above" else np.array([1.0, 0])
    off = epipolar_errors(truth, infrared, visible + across)[1]
    assert 0.8 < off.min() <= off.max() < 1.2


@pytest.mark.parametrize("name", RIGS)
def test_rectified_partners_share_a_line(name: str):
    truth = RIGS[name].truth
    flat = rectification(truth)
    spots = [points(truth)[0][20:40:5], points(truth)[1][20:40:5]]
    axis = 1 if flat.lines == "rows" else 0
    found = []
    for maps, places in zip((flat.infrared, flat.visible), spots, strict=True):
        distance = [np.hypot(maps[0] - x, maps[1] - y) for x, y in places]
        found.append([np.unravel_index(d.argmin(), d.shape)[1 - axis] for d in distance])
        assert max(d.min() for d in distance) < 1.5  # the things are in the rectified picture
    np.testing.assert_allclose(found[0], found[1], atol=1.01)  # both rounded to whole pixels


def test_the_infrared_map_is_exact_at_its_distance():
    infrared, visible = points(TRUTH, 4.0)
    x, y = infrared_map(TRUTH, 4.0)
    at = visible.astype(np.float32)[None]
    found = np.stack([cv2.remap(sheet, at[..., 0], at[..., 1], cv2.INTER_LINEAR)[0] for sheet in (x, y)], axis=1)
    np.testing.assert_allclose(found, infrared, atol=0.03)
    shifted = infrared_map(TRUTH, 4.0, [[1, 0, 3], [0, 1, 0], [0, 0, 1]])[0]
    np.testing.assert_allclose(shifted[200, 303], x[200, 300], atol=1e-2)


def test_infrared_on_the_visible_grid_keeps_its_type():
    counts = np.random.default_rng(0).integers(7000, 9000, TRUTH.infrared.size).astype(np.uint16)
    laid = infrared_to_visible(counts, TRUTH, 10.0)
    assert (laid.dtype, laid.shape) == (np.uint16, TRUTH.visible.size)
    assert laid.min() >= counts.min()
    wide = RIGS["stacked"].truth
    black = infrared_to_visible(np.full(wide.infrared.size, 9.5, np.float32), wide, 10.0, outside="black")
    assert (black[0, 0], black.max()) == (0, np.float32(9.5))
    with pytest.raises(InputError, match="was calibrated at 320x256"):
        infrared_to_visible(counts[:100], TRUTH, 10.0)
    with pytest.raises(InputError, match="working distance"):
        infrared_to_visible(counts, TRUTH, -1.0)


def test_parallax_follows_the_formula():
    depths = [2.0, 5.0, 10.0, 50.0, float("inf")]
    expected = 598 * TRUTH.baseline * np.abs(1 / np.array(depths) - 1 / 10)
    np.testing.assert_allclose(parallax(TRUTH, 10.0, depths), expected, rtol=0.03, atol=0.05)
    near, far = parallax(TRUTH, balanced_distance(4, 40), [4, 40])
    assert near == pytest.approx(far, rel=0.05)
    with pytest.raises(InputError, match="must be positive"):
        parallax(TRUTH, 10.0, [0.0])
    with pytest.raises(InputError, match="is none"):
        balanced_distance(5, 4)
