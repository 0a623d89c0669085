"""Boards: their pictures, their points, and the files to print or cut them."""

import io as buffers
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segmif import io
from segmif.checks import InputError
from segmif.rig.board_files import board_svg, write_board
from segmif.rig.boards import Board, Kind
from segmif.rig.detect import Finder

BOARDS = [
    Board(kind="chessboard", rows=5, cols=8, square=25),
    Board(kind="circles", rows=7, cols=4, square=20),
    Board(kind="charuco", rows=5, cols=7, square=30),
    Board(kind="aprilgrid", rows=2, cols=3, square=40),
]


@pytest.mark.parametrize("board", BOARDS, ids=str)
def test_points_are_where_the_picture_shows_them(board: Board):
    scale = 2.0
    picture = board.picture(scale)
    left, top, right, bottom = board.extent
    fit = np.array([picture.shape[1] / (right - left), picture.shape[0] / (bottom - top)])
    found = Finder(board).find(picture, "visible")
    assert found is not None
    assert len(found.ids) == len(board.points)
    truth = (board.points[:, :2] - (left, top)) * fit - 0.5
    errors = [np.abs(found.points - truth[order][found.ids]).max() for order in board.symmetries()]
    assert min(errors) < 0.15


@pytest.mark.parametrize("board", BOARDS, ids=str)
def test_symmetries_leave_the_board_as_it_is(board: Board):
    plain = board.points[:, :2] - board.points[:, :2].mean(axis=0)
    for order in board.symmetries():
        assert sorted(order) == list(range(len(board.points)))
        turned = plain[order]
        distances = [np.linalg.norm(p[:, None] - p[None], axis=2) for p in (plain, turned)]
        np.testing.assert_allclose(distances[0], distances[1], atol=1e-3)


def test_an_even_board_of_circles_looks_alike_from_both_ends():
    assert len(Board(kind="circles", rows=6, cols=4, square=20).symmetries()) == 2
    assert len(Board(kind="chessboard", rows=5, cols=5, square=20).symmetries()) == 4


@pytest.mark.parametrize(
    ("kind", "rows", "cols", "square", "message"),
    [
        ("checkers", 5, 5, 20, "unknown board 'checkers'"),
        ("chessboard", 2, 9, 20, "is too small"),
        ("circles", 3, 100, 20, "is too large"),
        ("aprilgrid", 30, 30, 20, "is too large"),
        ("charuco", 5, 5, 0, "give the size in millimetres"),
    ],
)
def test_boards_that_cannot_be(kind: Kind, rows: int, cols: int, square: float, message: str):
    with pytest.raises(InputError, match=message):
        Board(kind=kind, rows=rows, cols=cols, square=square)


def area(path: str) -> float:
    """Signed area of the outlines of an SVG path."""
    total = 0.0
    for outline in path.split("Z")[:-1]:
        x, y = np.array(re.findall(r"(-?[\d.]+),(-?[\d.]+)", outline), float).T
        total += float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    return total


@pytest.mark.parametrize("board", [b for b in BOARDS if b.kind != "circles"], ids=str)
def test_outlines_hold_exactly_what_is_dark(board: Board):
    path = re.search(r'd="([^"]+)"', board_svg(board))
    assert path is not None
    left, top, right, bottom = board.extent
    dark = 1 - board.picture(4.0).mean() / 255
    assert area(path[1]) == pytest.approx(dark * (right - left) * (bottom - top), rel=2e-3)


def test_files_have_the_true_size(tmp_path: Path):
    board = BOARDS[0]
    for suffix in (".png", ".pdf", ".svg"):
        write_board(board, tmp_path / f"board{suffix}")
    with Image.open(tmp_path / "board.png") as picture:
        assert picture.width / picture.info["dpi"][0] * 25.4 == pytest.approx(265, abs=0.2)
    assert b"%PDF" in (tmp_path / "board.pdf").read_bytes()[:8]
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+)", (tmp_path / "board.pdf").read_bytes())
    assert box is not None
    assert float(box[1]) / 72 * 25.4 == pytest.approx(265, abs=0.2)
    assert 'width="265mm"' in (tmp_path / "board.svg").read_text()
    again = Finder(board).find(
        io.decode_image(buffers.BytesIO((tmp_path / "board.png").read_bytes()).getvalue()), "visible"
    )
    assert again is not None
    with pytest.raises(InputError, match=r"boards are written as \.pdf"):
        write_board(board, tmp_path / "board.jpg")
    with pytest.raises(InputError, match="too large to print"):
        write_board(Board(kind="chessboard", rows=30, cols=30, square=100), tmp_path / "large.png")
