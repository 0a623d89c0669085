"""Points of a board, refined against the board's own picture."""

import numpy as np
import pytest

from segmif.rig.boards import Board
from segmif.rig.detect import grey_picture
from segmif.rig.refine import refine
from segmif.rig.simulate import RIGS
from segmif.rig.simulate_boards import BoardLook, board_plane, board_poses

RIG = RIGS["stacked"]  # its visible lens bends most
Seen = tuple[Board, np.ndarray, np.ndarray]


@pytest.fixture(scope="module", params=["circles", "aprilgrid"])
def seen(request: pytest.FixtureRequest) -> Seen:
    """A tilted board, its grey picture, and where its points are."""
    rows, cols, square = {"circles": (7, 4, 24), "aprilgrid": (3, 4, 50)}[request.param]
    board = Board(kind=request.param, rows=rows, cols=cols, square=square)
    rng = np.random.default_rng(5)
    pose = board_poses(RIG, board, 1, rng, tilt=35, seen="visible")[0]
    picture = RIG.visible([board_plane(board, *pose, BoardLook(), rng)], rng)
    return board, grey_picture(picture, "visible"), RIG.truth.visible.project(board.points / 1000 @ pose[0].T + pose[1])


def test_rough_guesses_become_exact(seen: Seen):
    board, grey, truth = seen
    guesses = truth + np.random.default_rng(0).normal(0, 0.25, truth.shape)
    points, good = refine(board, grey, np.arange(len(truth)), guesses)
    assert good.mean() > 0.95
    errors = np.linalg.norm(points - truth, axis=1)[good]
    assert np.median(errors) < 0.05
    assert errors.max() < 0.3


def test_guesses_far_off_are_brought_back_by_their_neighbours(seen: Seen):
    board, grey, truth = seen
    guesses = truth.copy()
    wrong = [3, 11, 20]
    guesses[wrong] += (9.0, -7.0)
    points, good = refine(board, grey, np.arange(len(truth)), guesses)
    assert np.linalg.norm(points - truth, axis=1)[wrong].max() < 0.3
    assert good.mean() > 0.9


def test_points_that_are_hidden_are_no_good_and_lie_where_the_others_put_them(seen: Seen):
    board, grey, truth = seen
    edge = int(np.quantile(truth[:, 0], 0.3))
    covered = grey.copy()
    covered[:, :edge] = 0.4
    points, good = refine(board, covered, np.arange(len(truth)), truth + 0.3)
    hidden = truth[:, 0] < edge - 15
    assert hidden.sum() >= 4
    assert not good[hidden].any()
    assert good[truth[:, 0] > edge + 25].mean() > 0.9
    assert np.linalg.norm(points - truth, axis=1)[hidden].max() < 3


def test_nothing_to_go_by(seen: Seen):
    board, grey, truth = seen
    line = np.arange(4)[:, None] * np.array([10.0, 5.0]) + 100
    points, good = refine(board, grey, np.arange(4), line)
    assert not good.all()
    assert np.isfinite(points).all()
    points, good = refine(board, np.full_like(grey, 0.5), np.arange(len(truth)), truth)
    assert not good.any()
    np.testing.assert_array_equal(points, truth)
