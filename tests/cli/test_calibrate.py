"""`segmif rig calibrate` on rendered boards whose truth is known."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from segmif import cli
from segmif.rig.boards import Board
from segmif.rig.calibration import Calibration
from segmif.rig.simulate import RIGS
from segmif.rig.simulate_boards import board_views

BOARD = Board(kind="chessboard", rows=6, cols=9, square=60.0)


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("views")
    for band in ("ir", "vis"):
        (folder / band).mkdir()
    for number, (infrared, visible) in enumerate(board_views(next(iter(RIGS.values())), BOARD, 14, seed=3)):
        cv2.imwrite(str(folder / "ir" / f"{number:02}.png"), infrared)
        cv2.imwrite(str(folder / "vis" / f"{number:02}.png"), visible[..., ::-1])
    return folder


def arguments(views: Path, out: Path, *more: str) -> list[str]:
    board = ["--board", "chessboard", "--rows", "6", "--cols", "9", "--square", "60"]
    return ["rig", "calibrate", str(views / "ir"), str(views / "vis"), *board, "-o", str(out), *more]


def test_truth_is_found(views: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments(views, tmp_path)) == 0, capsys.readouterr().err
    found, truth = Calibration.load(tmp_path / "calibration.json"), next(iter(RIGS.values())).truth
    for band in ("infrared", "visible"):
        focal = getattr(found, band).matrix[[0, 1], [0, 1]]
        np.testing.assert_allclose(focal, getattr(truth, band).matrix[[0, 1], [0, 1]], rtol=0.01)
    assert np.linalg.norm(found.shift) == pytest.approx(np.linalg.norm(truth.shift), rel=0.03)
    assert (tmp_path / "report.html").is_file()
    assert (tmp_path / "report.png").is_file()
