"""`segmif rig calibrate` on rendered boards whose truth is known, and on what goes wrong."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from segmif import cli, io
from segmif.rig.boards import Board
from segmif.rig.calibration import Calibration
from segmif.rig.simulate import RIGS
from segmif.rig.simulate_boards import board_views

BOARD = Board(kind="chessboard", rows=6, cols=9, square=60.0)
RIG = RIGS["handheld"]


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("views")
    for number, (infrared, visible) in enumerate(board_views(RIG, BOARD, 12, seed=3)):
        io.write_image(folder / "ir" / f"{number:02}.png", infrared)
        io.write_image(folder / "vis" / f"{number:02}.png", visible)
    io.write_image(folder / "vis" / "04.png", io.read_image(folder / "vis" / "05.png"))  # of another moment
    (folder / "ir" / "12.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pairs of flat pictures of a ChArUco board: quick to look at."""
    folder = tmp_path_factory.mktemp("few")
    picture = np.pad(Board(kind="charuco", rows=5, cols=7, square=40).picture(0.8), 20, constant_values=255)
    for number in range(2):
        io.write_image(folder / "ir" / f"{number}.png", (255 - picture).astype(np.uint16) * 4 + 7000)
        io.write_image(folder / "vis" / f"{number}.png", np.dstack([picture, picture, picture // 2 + 20]))
        io.write_image(folder / "mirrored" / f"{number}.png", np.dstack([picture[:, ::-1]] * 2 + [picture // 2]))
        io.write_image(folder / "empty wall" / f"{number}.png", np.full((120, 160), 90 + number, np.uint8))
    return folder


def run(capsys: pytest.CaptureFixture[str], folders: Path, out: Path, *more: object) -> tuple[int, str, list[str]]:
    """Exit code, stdout, and the lines of stderr that are no progress."""
    code = cli.main(["rig", "calibrate", *map(str, (*folders, "-o", out, *more))])
    captured = capsys.readouterr()
    return code, captured.out, [line for line in captured.err.splitlines() if "looking for boards" not in line]


CHESS = ("--board", "chessboard", "--rows", 6, "--cols", 9, "--square", 60)
CHARUCO = ("--board", "charuco", "--rows", 5, "--cols", 7, "--square", 40)


def test_truth_is_found_and_what_does_not_fit_is_left_out(
    views: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, (views / "ir", views / "vis"), tmp_path, *CHESS, "--rig", "mast")
    assert code == 1, err  # a file could not be read
    found, truth = Calibration.load(tmp_path / "calibration.json", rig="mast"), RIG.truth
    for band in ("infrared", "visible"):
        np.testing.assert_allclose(getattr(found, band).focal, getattr(truth, band).focal, rtol=0.003)
    assert found.baseline == pytest.approx(truth.baseline, rel=0.005)
    assert found.quality["epipolar_px"] < 0.3
    assert "left out 04 (both): the cameras disagree on where the board is" in out
    assert "left out 12 (infrared): " in out
    report = (tmp_path / "report.html").read_text()
    for words in (
        "Reprojection", "Coverage", "Epipolar error", "Rectified views", "Parameters", "± ", "Views left out",
        "the cameras disagree", "infrared right of visible",
    ):  # fmt: skip
        assert words.lower() in report.lower()
    assert report.count("data:image/") == 6  # errors, coverage, epipolar error; three rectified pairs
    assert io.read_image(tmp_path / "report.png").shape[1] > 800


def test_a_full_disk_keeps_the_calibration_that_was_there(
    views: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "calibration.json").write_text("of last week")
    few_views = tmp_path / "views"
    for band in ("ir", "vis"):
        (few_views / band).mkdir(parents=True)
        for number in (0, 1, 2, 3, 6, 7):
            (few_views / band / f"{number:02}.png").symlink_to(views / band / f"{number:02}.png")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(io.os, "fsync", full)
    code, _, err = run(capsys, (few_views / "ir", few_views / "vis"), tmp_path, *CHESS)
    assert code == 2
    [line] = err
    assert "No space left on device" in line
    assert (tmp_path / "calibration.json").read_text() == "of last week"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["calibration.json", "views"]


@pytest.mark.parametrize(
    ("infrared", "visible", "options", "message"),
    [
        ("ir", "vis", CHARUCO, "the board was found in 2 infrared pictures: at least 5 are needed"),
        ("ir", "empty wall", CHARUCO, "no charuco of 5 x 7 squares, 40 mm found in any of 2 visible pictures"),
        ("ir", "mirrored", CHARUCO, "but in their mirror images: turn off mirroring"),
        ("vis", "ir", CHARUCO, "infrared and visible seem swapped"),
        ("ir", "ir", CHARUCO, "are the same folder"),
        ("ir", "none", CHARUCO, "none"),
        ("ir", "vis", (*CHARUCO, "--infrared-side", "lft"), "--infrared-side is 'lft': give one of left, right"),
        ("ir", "vis", ("--board", "checkers", *CHARUCO[2:]), "unknown board 'checkers'"),
    ],
)
def test_bad_input_is_one_line(
    few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    infrared: str, visible: str, options: tuple[object, ...], message: str,
) -> None:  # fmt: skip
    code, out, err = run(capsys, (few / infrared, few / visible), tmp_path / "out", *options)
    assert (code, out) == (2, "")
    [line] = err
    assert message in line
    assert not list((tmp_path / "out").glob("*"))


def test_the_infrared_camera_on_the_other_side(views: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, (views / "ir", views / "vis"), tmp_path, *CHESS, "--infrared-side", "left")
    assert code == 2
    [line] = err
    assert "found right of the visible one by 45 mm, not left: are the folders of left and right swapped" in line


def test_a_board_to_print(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.main(["rig", "calibrate", *map(str, CHARUCO), "--print-board", str(tmp_path / "board.svg")])
    assert code == 0
    assert "print it at 100 % and measure it" in capsys.readouterr().out
    assert (tmp_path / "board.svg").read_text().startswith("<")
    assert cli.main(["rig", "calibrate", *map(str, CHARUCO)]) == 2
    assert "give the folders of the INFRARED and the VISIBLE pictures" in capsys.readouterr().err
