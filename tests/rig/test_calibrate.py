"""Calibration of simulated rigs whose truth is known, and what it says when the pictures are wrong."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from segmif import io
from segmif.checks import InputError
from segmif.rig.boards import Board
from segmif.rig.calibrate import Calibrated, Views, calibrate, find_boards
from segmif.rig.calibration import Calibration
from segmif.rig.calibration_report import _name_views, write_report
from segmif.rig.detect import Detection, Finder
from segmif.rig.geometry import epipolar_errors
from segmif.rig.simulate import RIGS
from segmif.rig.simulate_boards import BoardLook, board_plane, board_poses, board_views, clutter

CHESS = Board(kind="chessboard", rows=6, cols=9, square=30)
BOARDS = {
    "chessboard": CHESS,
    "circles": Board(kind="circles", rows=11, cols=4, square=22),
    "charuco": Board(kind="charuco", rows=5, cols=7, square=45),
    "aprilgrid": Board(kind="aprilgrid", rows=4, cols=5, square=50),
}
BANDS: tuple[io.Band, io.Band] = ("infrared", "visible")
HELD = {"handheld": CHESS, "vehicle": BOARDS["circles"], "stacked": BOARDS["aprilgrid"]}
"""The board held before each rig; benchmarks/calibration.py has all boards before all rigs."""


@pytest.fixture(scope="session")
def found() -> dict[str, Views]:
    """For each rig, the boards found in 12 rendered views."""
    result = {}
    for name, rig in RIGS.items():
        views = Views(sizes={"infrared": rig.truth.infrared.size, "visible": rig.truth.visible.size})
        pictures = board_views(rig, HELD[name], 12, seed=5)
        for k, band in enumerate(BANDS):
            finder = Finder(HELD[name])
            detections = {f"{i:02d}": finder.find(pair[k], band) for i, pair in enumerate(pictures)}
            views.detections[band] = {key: value for key, value in detections.items() if value is not None}
        result[name] = views
    return result


@pytest.fixture(scope="session")
def solved(found: dict[str, Views]) -> dict[str, Calibrated]:
    return {name: calibrate(views, HELD[name], rig=name, bootstrap=12) for name, views in found.items()}


def copy(views: Views) -> Views:
    return Views(detections={band: dict(views.detections[band]) for band in BANDS}, sizes=dict(views.sizes))


def true_points(truth: Calibration) -> tuple[np.ndarray, np.ndarray]:
    """Things between 1 and 40 m that both cameras see."""
    rng = np.random.default_rng(3)
    height, width = truth.infrared.size
    directions = truth.infrared.undistort(rng.uniform((0, 0), (width - 1, height - 1), (2000, 2)))
    world = np.column_stack([directions, np.ones(2000)]) * rng.uniform(1, 40, (2000, 1))
    infrared, visible = truth.infrared.project(world), truth.visible.project(world @ truth.matrix.T + truth.shift)
    seen = ((visible >= 0) & (visible < np.array(truth.visible.size[::-1]))).all(axis=1)
    return infrared[seen], visible[seen]


@pytest.mark.parametrize("name", RIGS)
def test_finds_the_truth(solved: dict[str, Calibrated], name: str):
    truth, got = RIGS[name].truth, solved[name].calibration
    for band in BANDS:
        np.testing.assert_allclose(getattr(got, band).focal, getattr(truth, band).focal, rtol=0.003)
        np.testing.assert_allclose(getattr(got, band).centre, getattr(truth, band).centre, atol=1.0)
    assert got.baseline == pytest.approx(truth.baseline, rel=0.005)
    infrared, visible = true_points(truth)
    assert len(infrared) > 500
    for errors in epipolar_errors(got, infrared, visible):
        assert np.sqrt(np.mean(errors**2)) < 0.3
    assert got.quality["epipolar_px"] < 0.3
    assert got.side == truth.side


@pytest.mark.parametrize("name", RIGS)
def test_uncertainty_covers_the_errors(solved: dict[str, Calibrated], name: str):
    truth, got = RIGS[name].truth, solved[name].calibration
    for band in BANDS:
        error = abs(getattr(got, band).focal[0] - getattr(truth, band).focal[0])
        deviation = got.uncertainty[f"{band}.fx"]
        assert 0 < deviation < 0.003 * getattr(truth, band).focal[0]
        assert error < 6 * deviation
    assert 0 < got.uncertainty["baseline_m"] < 0.005 * truth.baseline
    assert abs(got.baseline - truth.baseline) < 8 * got.uncertainty["baseline_m"]


@pytest.mark.parametrize(
    ("kind", "look"),
    [
        ("chessboard", BoardLook(contrast=0.05, uneven=0.02)),
        ("chessboard", BoardLook(bleeding=4.0, inverted=False)),
        ("circles", BoardLook()),
        ("circles", BoardLook(inverted=False)),
        ("charuco", BoardLook()),
        ("charuco", BoardLook(inverted=False)),
        ("aprilgrid", BoardLook()),
    ],
    ids=str,
)
def test_boards_in_both_bands(kind: str, look: BoardLook):
    rig, board = RIGS["vehicle"], BOARDS[kind]
    rng = np.random.default_rng(1)
    wall = clutter(rng, depth=4.0, width=12.0)
    for rotation, translation in board_poses(rig, board, 2, rng, tilt=30):
        pair = rig.capture([wall, board_plane(board, rotation, translation, look, rng)], rng)
        world = board.points / 1000 @ rotation.T + translation
        truths = (
            rig.truth.infrared.project((world - rig.truth.shift) @ rig.truth.matrix),
            rig.truth.visible.project(world),
        )
        for band, picture, truth in zip(BANDS, pair, truths, strict=True):
            detection = Finder(board).find(picture, band)
            assert detection is not None
            assert len(detection.ids) >= 0.8 * len(board.points)
            errors = [np.linalg.norm(detection.points - truth[s][detection.ids], axis=1) for s in board.symmetries()]
            assert min(np.sqrt((e**2).mean()) for e in errors) < 0.2


@pytest.mark.parametrize(
    ("kind", "blur"), [("chessboard", 2.5), ("circles", 2.5), ("charuco", 1.6), ("aprilgrid", 2.5)]
)
def test_boards_out_of_focus_in_infrared(kind: str, blur: float):
    """The cells of ChArUco markers are the smallest: they are the first that cannot be read."""
    rig, board = replace(RIGS["vehicle"], infrared_blur=blur), BOARDS[kind]
    rng = np.random.default_rng(2)
    pose = board_poses(rig, board, 1, rng, tilt=25)[0]
    picture = rig.infrared([clutter(rng, depth=4.0, width=12.0), board_plane(board, *pose, BoardLook(), rng)], rng)
    world = board.points / 1000 @ pose[0].T + pose[1]
    truth = rig.truth.infrared.project((world - rig.truth.shift) @ rig.truth.matrix)
    detection = Finder(board).find(picture, "infrared")
    assert detection is not None
    assert len(detection.ids) >= 0.5 * len(board.points)
    errors = [np.linalg.norm(detection.points - truth[s][detection.ids], axis=1) for s in board.symmetries()]
    assert min(np.sqrt((e**2).mean()) for e in errors) < 0.3


def test_a_part_of_a_board_is_enough():
    rig, board = RIGS["vehicle"], BOARDS["charuco"]
    rng = np.random.default_rng(1)
    pose = board_poses(rig, board, 1, rng, tilt=20)[0]
    _, visible = rig.capture([board_plane(board, *pose, BoardLook(), rng)], rng)
    whole = Finder(board).find(visible, "visible")
    assert whole is not None
    covered = visible.copy()
    covered[:, int(np.median(whole.points[:, 0])) :] = 90
    part = Finder(board).find(covered, "visible")
    assert part is not None
    assert 8 <= len(part.ids) < len(whole.ids)
    np.testing.assert_allclose(part.points, whole.among(part.ids), atol=0.3)
    assert Finder(CHESS).find(covered, "visible") is None


def test_bad_views_are_left_out_with_a_reason(found: dict[str, Views]):
    views = copy(found["handheld"])
    bent = views.detections["infrared"]["03"]
    noise = np.random.default_rng(0).normal(0, 1.5, bent.points.shape)
    views.detections["infrared"]["03"] = replace(bent, points=bent.points + noise)
    moved = views.detections["visible"]["05"]
    views.detections["visible"]["05"] = replace(moved, points=moved.points + np.array([4.0, 2.0]))
    result = calibrate(views, CHESS, bootstrap=2)
    why = {(name, band): reason for name, band, reason in result.rejected}
    assert why["03", "infrared"].startswith("reprojection error 2.") or "reprojection error 1." in why["03", "infrared"]
    assert why["05", "both"].startswith("the cameras disagree on where the board is: ")
    assert len(why) == 2
    assert result.calibration.baseline == pytest.approx(RIGS["handheld"].truth.baseline, rel=0.005)


def test_one_pair_of_two_moments_leads_nothing_astray(found: dict[str, Views]):
    views = copy(found["handheld"])
    views.detections["visible"]["05"] = views.detections["visible"]["06"]
    result = calibrate(views, CHESS, bootstrap=2)
    [(name, band, why)] = result.rejected
    assert (name, band) == ("05", "both")
    assert why.startswith("the cameras disagree on where the board is: ")
    assert why.endswith("above 3.00 px")
    assert result.calibration.baseline == pytest.approx(RIGS["handheld"].truth.baseline, rel=0.005)


def test_boards_numbered_from_the_other_end_are_turned(found: dict[str, Views]):
    views = copy(found["handheld"])
    for name in ("00", "04", "07"):
        views.detections["infrared"][name] = views.detections["infrared"][name].reordered(CHESS.symmetries()[1])
    assert calibrate(views, CHESS, bootstrap=2).calibration.baseline == pytest.approx(0.04514, rel=0.005)


def test_too_few_views(found: dict[str, Views]):
    views = copy(found["handheld"])
    views.detections["infrared"] = dict(list(views.detections["infrared"].items())[:4])
    with pytest.raises(InputError, match="found in 4 infrared pictures: at least 5 are needed"):
        calibrate(views, CHESS, bootstrap=0)
    views = copy(found["handheld"])
    views.detections["visible"] = {f"x{name}": d for name, d in views.detections["visible"].items()}
    with pytest.raises(InputError, match="both cameras see the board in only 0 pairs"):
        calibrate(views, CHESS, bootstrap=0)


def test_boards_that_only_face_the_camera(found: dict[str, Views]):
    rig, views = RIGS["handheld"], copy(found["handheld"])
    rng = np.random.default_rng(0)
    for i in range(6):
        world = CHESS.points / 1000 + (-0.12 + 0.03 * i, -0.08, 0.5 + 0.1 * i)
        points = rig.truth.visible.project(world) + rng.normal(0, 0.02, (54, 2))
        views.detections["visible"][f"{i:02d}"] = Detection(ids=np.arange(54), points=points, guise="")
    views.detections["visible"] = dict(list(views.detections["visible"].items())[:6])
    with pytest.raises(InputError, match="no visible view is tilted by 8° or more"):
        calibrate(views, CHESS, bootstrap=0)


def test_a_mirrored_band(found: dict[str, Views]):
    views = copy(found["handheld"])
    width = views.sizes["infrared"][1]
    order = np.arange(54).reshape(6, 9)[:, ::-1].reshape(-1)
    for name, detection in views.detections["infrared"].items():
        points = detection.points * (-1, 1) + (width - 1, 0)
        views.detections["infrared"][name] = replace(detection, points=points, ids=order[detection.ids])
    with pytest.raises(InputError, match="but not when one of them is mirrored: flip"):
        calibrate(views, CHESS, bootstrap=0)


def test_views_that_do_not_correspond(found: dict[str, Views]):
    views = copy(found["handheld"])
    names = list(views.detections["visible"])
    turned = names[5:] + names[:5]
    views.detections["visible"] = {a: views.detections["visible"][b] for a, b in zip(names, turned, strict=True)}
    with pytest.raises(InputError, match="files of one name must show the same moment"):
        calibrate(views, CHESS, bootstrap=0)


def test_the_infrared_camera_on_the_other_side(found: dict[str, Views]):
    with pytest.raises(InputError, match="found right of the visible one by 45 mm, not left"):
        calibrate(found["handheld"], CHESS, infrared_side="left", bootstrap=0)
    with pytest.raises(InputError, match="unknown side 'lift': did you mean 'left'"):
        calibrate(found["handheld"], CHESS, infrared_side="lift")


def test_report_of_cameras_one_above_the_other(tmp_path: Path):
    truth, rng = RIGS["stacked"].truth, np.random.default_rng(0)
    views = Views(sizes={"infrared": truth.infrared.size, "visible": truth.visible.size})
    for number, (rotation, translation) in enumerate(board_poses(RIGS["stacked"], CHESS, 7, rng)):
        world = CHESS.points / 1000 @ rotation.T + translation
        before = {"infrared": (world - truth.shift) @ truth.matrix, "visible": world}
        for band in BANDS:
            points = getattr(truth, band).project(before[band]) + rng.normal(0, 0.02, (54, 2))
            views.detections[band][f"{number}"] = Detection(ids=np.arange(54), points=points, guise="")
    for band in BANDS:
        path = tmp_path / f"{band}.png"
        io.write_image(path, rng.integers(0, 255, views.sizes[band], np.uint8))
        views.paths[band] = dict.fromkeys(views.detections[band], path)
    write_report(calibrate(views, CHESS, rig="stacked", bootstrap=2), tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text()
    assert "lies on one column in both bands" in page
    assert page.count("data:image/") == 4  # errors, coverage, epipolar error; three pairs in one picture
    assert "infrared above visible" in page


def test_views_are_named_without_what_all_names_begin_with():
    def ticks(*names: str) -> list[str]:
        axis = Figure().subplots()
        _name_views(axis, list(names))
        return [label.get_text() for label in axis.get_xticklabels()]

    assert ticks("lab_2026_0100", "lab_2026_0101") == ["0100", "0101"]
    assert ticks("a", "b") == ["a", "b"]
    assert ticks("lab_1") == ["lab_1"]


def board_folders(root: Path, board: Board, count: int = 1) -> tuple[Path, Path]:
    """Folders ir/ and vis/ with flat pictures of a board."""
    picture = np.pad(board.picture(1.2), 30, constant_values=255)
    for i in range(count):
        io.write_image(root / "ir" / f"{i}.png", (255 - picture).astype(np.uint16) * 4 + 7000)
        io.write_image(root / "vis" / f"{i}.png", np.dstack([picture, picture, picture // 2 + 20]))
    return root / "ir", root / "vis"


def test_swapped_folders(tmp_path: Path):
    infrared, visible = board_folders(tmp_path, CHESS)
    with pytest.raises(InputError, match="infrared and visible seem swapped"):
        find_boards(visible, infrared, CHESS)
    assert len(find_boards(visible, infrared, CHESS, check_bands=False).detections["visible"]) == 1
    with pytest.raises(InputError, match="are the same folder"):
        find_boards(visible, visible, CHESS)


def test_raw_thermal_pictures_in_the_visible_folder(tmp_path: Path):
    infrared, visible = board_folders(tmp_path, CHESS)
    io.write_image(visible / "0.png", io.read_image(visible / "0.png")[..., 0])
    with pytest.raises(InputError, match=r"holds grey pictures of 16 bits, as thermal cameras take them: .* swapped"):
        find_boards(visible, infrared, CHESS)


def test_a_board_that_is_never_found(tmp_path: Path):
    folders = board_folders(tmp_path, CHESS)
    with pytest.raises(InputError, match="but one of 6 x 9: give --rows 6 --cols 9"):
        find_boards(*folders, replace(CHESS, rows=7, cols=10))
    io.write_image(tmp_path / "ir" / "0.png", np.full((200, 300), 90, np.uint8))
    with pytest.raises(InputError, match=r"ir: no chessboard of 6 x 9 .* found in any of 1 infrared pictures; check"):
        find_boards(*folders, CHESS)


def test_mirrored_markers(tmp_path: Path):
    infrared, visible = board_folders(tmp_path, BOARDS["charuco"])
    io.write_image(visible / "0.png", io.read_image(visible / "0.png")[:, ::-1])
    with pytest.raises(InputError, match="but in their mirror images"):
        find_boards(infrared, visible, BOARDS["charuco"])


def test_files_that_cannot_be_used(tmp_path: Path):
    infrared, visible = board_folders(tmp_path, CHESS, 2)
    (visible / "2.png").write_bytes(b"no picture")
    views = find_boards(infrared, visible, CHESS)
    assert views.damaged == 1
    assert [(name, band) for name, band, _ in views.left_out] == [("2", "visible")]
    assert len(views.detections["visible"]) == 2
    (visible / "1.png").write_bytes(b"no picture")
    (visible / "0.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="none of 3 pictures can be read"):
        find_boards(infrared, visible, CHESS)
    io.write_image(infrared / "1.png", np.zeros((50, 60), np.uint8))
    with pytest.raises(InputError, match=r"60x50, the infrared pictures before it .* at one resolution"):
        find_boards(infrared, visible, CHESS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no pictures"):
        find_boards(tmp_path / "empty", visible, CHESS)
