"""Calibration boards: what they look like, where their points are, and files to print or cut them.

A board lies in its own plane, x right and y down, in millimetres; its points are numbered, so that a part of it can be
seen too. Boards for infrared are cut out, painted or taped, not printed: ink is as warm as paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt

from segmif.checks import InputError, unknown

Kind = Literal["chessboard", "circles", "charuco", "aprilgrid"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Floats = npt.NDArray[np.float64]

COUNTED: dict[Kind, str] = {
    "chessboard": "inner corners",
    "circles": "circles",
    "charuco": "squares",
    "aprilgrid": "tags",
}
"""What `rows` and `cols` count."""

CIRCLE_RADIUS = 0.5
"""Radius of a circle relative to the distance between rows; neighbours are 1.41 such distances apart."""
MARKER = 0.75
"""Side of a ChArUco marker relative to its square."""
TAG_GAP = 0.3
"""Gap between the tags of an AprilGrid relative to their side."""

_FEWEST: dict[Kind, tuple[int, int]] = {
    "chessboard": (3, 3),
    "circles": (3, 3),
    "charuco": (3, 3),
    "aprilgrid": (1, 2),
}
_MOST = 60
_CHARUCO_MARKERS = ((50, cv2.aruco.DICT_4X4_50), (250, cv2.aruco.DICT_4X4_250), (1000, cv2.aruco.DICT_4X4_1000))
_TAGS = 587


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board.

    Attributes:
        kind: chessboard, circles (asymmetric: every second row is shifted by half a step), charuco or aprilgrid
            (a grid of AprilTags 36h11, the ids row by row from the top left).
        rows, cols: inner corners of a chessboard, circles, squares of a ChArUco board, tags of an AprilGrid.
        square: in millimetres: side of a square; circles: distance from row to row, half the distance along a row;
            aprilgrid: side of a tag.

    Raises:
        InputError: an unknown kind, too few or too many rows or columns, or a side that is not positive.
    """

    kind: Kind
    rows: int
    cols: int
    square: float

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown("board", str(self.kind), KINDS)
        fewest = _FEWEST[self.kind]
        if not (sorted((self.rows, self.cols)) >= list(fewest) and min(self.rows, self.cols) >= fewest[0]):
            raise InputError(
                f"a {self.kind} board of {self.rows} x {self.cols} {COUNTED[self.kind]} is too small: "
                f"at least {fewest[0]} x {fewest[1]}"
            )
        if max(self.rows, self.cols) > _MOST or (self.kind == "aprilgrid" and self.rows * self.cols > _TAGS):
            raise InputError(
                f"a {self.kind} board of {self.rows} x {self.cols} is too large: give fewer rows and columns"
            )
        if not 0 < self.square < 10_000:
            raise InputError(f"--square is {self.square:g}: give the size in millimetres, above 0")

    def __str__(self) -> str:
        return f"{self.kind} of {self.rows} x {self.cols} {COUNTED[self.kind]}, {self.square:g} mm"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"kind": self.kind, "rows": self.rows, "cols": self.cols, "square_mm": self.square}

    @property
    def partial(self) -> bool:
        """Whether a part of the board can be used: its points are numbered."""
        return self.kind in ("charuco", "aprilgrid")

    @property
    def points(self) -> npt.NDArray[np.float32]:
        """Where the points lie on the board in millimetres, (N, 3) with z = 0; row N has the id N."""
        return _points(self)

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the board with a white margin, in millimetres."""
        left, top, right, bottom = _pattern_box(self)
        margin = 0.8 * self.square if self.kind != "aprilgrid" else 0.4 * self.square
        return left - margin, top - margin, right + margin, bottom + margin

    def symmetries(self) -> list[npt.NDArray[np.int64]]:
        """Orders of the points under which the board looks the same when inverted or turned; the first is the order.

        In infrared a board may be a negative, so the colours of a chessboard do not tell its top from its bottom.
        """
        order = np.arange(len(self.points))
        if self.kind == "chessboard":
            grid = order.reshape(self.rows, self.cols)
            turns = range(4) if self.rows == self.cols else (0, 2)
            return [np.rot90(grid, turn).reshape(-1).copy() for turn in turns]
        if self.kind == "circles" and self.rows % 2 == 0:
            return [order, order[::-1].copy()]
        return [order]

    def picture(self, scale: float) -> npt.NDArray[np.uint8]:
        """The board with its margin, about `scale` pixels per millimetre, (H, W) uint8, 255 is white."""
        left, top, right, bottom = self.extent
        dark = _darkness(self, (round((bottom - top) * scale), round((right - left) * scale)))
        return np.asarray(np.rint(255 * (1 - dark)), np.uint8)

    def aruco(self) -> Any:
        """The `cv2.aruco` board of a ChArUco board or AprilGrid, in millimetres."""
        return _aruco(self)


@lru_cache(maxsize=8)
def _aruco(board: Board) -> Any:
    if board.kind == "charuco":
        markers = board.rows * board.cols // 2
        name = next(name for count, name in _CHARUCO_MARKERS if markers <= count)
        dictionary = cv2.aruco.getPredefinedDictionary(name)
        return cv2.aruco.CharucoBoard((board.cols, board.rows), board.square, MARKER * board.square, dictionary)
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_APRILTAG_36h11)
    return cv2.aruco.GridBoard((board.cols, board.rows), board.square, TAG_GAP * board.square, dictionary)


@lru_cache(maxsize=8)
def _points(board: Board) -> npt.NDArray[np.float32]:
    if board.kind == "charuco":
        points = np.asarray(_aruco(board).getChessboardCorners(), np.float32)
    elif board.kind == "aprilgrid":
        points = np.asarray(_aruco(board).getObjPoints(), np.float32).reshape(-1, 3)
    else:
        row, col = (index.reshape(-1) for index in np.mgrid[: board.rows, : board.cols])
        x = 2 * col + row % 2 if board.kind == "circles" else col
        points = np.column_stack([x, row, np.zeros_like(row)]).astype(np.float32) * np.float32(board.square)
    points.setflags(write=False)
    return points


def _pattern_box(board: Board) -> tuple[float, float, float, float]:
    side = board.square
    if board.kind == "chessboard":
        return -side, -side, board.cols * side, board.rows * side
    if board.kind == "charuco":
        return 0.0, 0.0, board.cols * side, board.rows * side
    (left, top), (right, bottom) = board.points[:, :2].min(axis=0), board.points[:, :2].max(axis=0)
    grow = CIRCLE_RADIUS * side if board.kind == "circles" else 0.0
    return float(left - grow), float(top - grow), float(right + grow), float(bottom + grow)


def cell_grids(board: Board) -> list[tuple[npt.NDArray[np.bool_], tuple[float, float, float, float]]]:
    """What is dark as grids of cells, True for dark, each with its box (left, top, right, bottom) in millimetres."""
    grids = []
    if board.kind in ("chessboard", "charuco"):
        box = _pattern_box(board)
        rows, cols = (round((box[k + 2] - box[k]) / board.square) for k in (1, 0))
        grids.append((np.indices((rows, cols)).sum(axis=0) % 2 == 0, box))
    if board.kind in ("charuco", "aprilgrid"):
        grid = _aruco(board)
        cells = grid.getDictionary().markerSize + 2
        for number, outline in zip(grid.getIds().reshape(-1), grid.getObjPoints(), strict=True):
            bits = np.asarray(cv2.aruco.generateImageMarker(grid.getDictionary(), int(number), cells))
            (x0, y0), (x1, y1) = np.asarray(outline, np.float64)[[0, 2], :2].tolist()
            grids.append((bits < 128, (x0, y0, x1, y1)))
    return grids


def _darkness(board: Board, size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """How much of each pixel is dark, (height, width) in [0, 1], over the board's extent."""
    left, top, right, bottom = board.extent
    x, y = np.linspace(left, right, size[1] + 1), np.linspace(top, bottom, size[0] + 1)
    dark = np.zeros(size)
    for cells, box in cell_grids(board):
        dark += _cells(cells, box, x, y)
    if board.kind == "circles":
        pixel = (right - left) / size[1]
        middles = np.stack(np.meshgrid((x[:-1] + x[1:]) / 2, (y[:-1] + y[1:]) / 2), axis=-1)
        for centre in board.points[:, :2]:
            row, col = (int(v) for v in (centre[::-1] - (top, left)) / pixel)
            reach = int(CIRCLE_RADIUS * board.square / pixel) + 3
            part = slice(max(0, row - reach), row + reach), slice(max(0, col - reach), col + reach)
            inside = CIRCLE_RADIUS * board.square - np.linalg.norm(middles[part] - centre, axis=2)
            dark[part] += np.clip(inside / pixel + 0.5, 0, 1)
    return np.clip(dark, 0, 1)


def _cells(
    dark: npt.NDArray[Any], box: tuple[float, float, float, float], x: Floats, y: Floats
) -> npt.NDArray[np.float64]:
    """Share of each pixel that a grid of dark (1) and bright (0) cells over a box darkens, exactly.

    Args:
        x, y: borders of the pixels' columns and rows.
    """
    down = _overlap(np.linspace(box[1], box[3], dark.shape[0] + 1), y)
    across = _overlap(np.linspace(box[0], box[2], dark.shape[1] + 1), x)
    return np.asarray(down @ dark.astype(np.float64) @ across.T, np.float64)


def _overlap(cells: Floats, pixels: Floats) -> Floats:
    """(P, C): the share of each pixel that each cell covers, along one axis."""
    first = np.maximum(cells[None, :-1], pixels[:-1, None])
    last = np.minimum(cells[None, 1:], pixels[1:, None])
    return np.asarray(np.clip(last - first, 0, None) / np.diff(pixels)[:, None], np.float64)
