"""Find the points of a calibration board in a picture of either band, to a fraction of a pixel.

A board in infrared may be a negative (warm squares shine), faint, unevenly warm, noisy and blurred. So a picture is
tried in several guises: as it is or with contrast evened out by its surroundings, positive or negative, as large as it
is or doubled. The guise that worked for the last picture of a camera is tried first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmif import io
from segmif.color import luma
from segmif.rig.boards import Board
from segmif.rig.homography import Matrix
from segmif.rig.refine import refine

Grey = npt.NDArray[np.uint8]

_FEWEST = 8
"""Points below which a partly seen board is not used."""
_DOUBLED_BELOW = 1500
"""Pictures whose larger side is at least this long are not doubled."""
_CHESSBOARD = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_EXHAUSTIVE | cv2.CALIB_CB_ACCURACY


@dataclass(frozen=True, kw_only=True)
class Guise:
    """How a picture is shown to the detector."""

    even: bool
    negative: bool
    scale: int

    def __str__(self) -> str:
        words = ["evened"] * self.even + ["negative"] * self.negative + ["doubled"] * (self.scale == 2)
        return ", ".join(words) or "as it is"


@dataclass(frozen=True, kw_only=True, eq=False)
class Detection:
    """The points of a board in one picture.

    Attributes:
        ids: (N,), which points of the board.
        points: (N, 2), where they are in pixels; the centre of the first pixel is (0, 0).
        guise: in which guise of the picture they were found.
    """

    ids: npt.NDArray[np.int64]
    points: Matrix
    guise: str

    def among(self, ids: npt.NDArray[np.int64]) -> Matrix:
        """The points with these ids, in their order; all must be there."""
        place = {int(number): row for row, number in enumerate(self.ids)}
        return self.points[[place[int(number)] for number in ids]]

    def reordered(self, order: npt.NDArray[np.int64]) -> Detection:
        """The same points under another numbering: `order` of `Board.symmetries`."""
        return replace(self, ids=order[self.ids])


class Finder:
    """Finds one board in the pictures of one camera."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self._guises = [
            Guise(even=even, negative=negative, scale=scale)
            for scale in (1, 2)
            for even in (False, True)
            for negative in (False, True)
        ]
        if board.kind == "chessboard":  # its detector takes a negative for the same
            self._guises = [guise for guise in self._guises if not guise.negative]

    def find(self, picture: npt.NDArray[Any], band: io.Band) -> Detection | None:
        """The board in a picture as stored; None if it is not seen or too little of it.

        Args:
            picture: (H, W) or (H, W, 3), uint8, uint16 or float.
        """
        grey = grey_picture(picture, band)
        shown = _Shown(grey)
        best: tuple[Guise, npt.NDArray[np.int64], Matrix] | None = None
        for guise in self._guises:
            if guise.scale == 2 and max(grey.shape) >= _DOUBLED_BELOW:
                continue
            found = _DETECTORS[self.board.kind](self.board, shown.as_(guise))
            if found is not None and (best is None or len(found[0]) > len(best[1])):
                best = guise, found[0], (found[1] + 0.5) / guise.scale - 0.5
                if len(found[0]) == len(self.board.points):
                    break
        fewest = min(_FEWEST, len(self.board.points))
        if best is None or len(best[1]) < fewest:
            return None
        guise, ids, points = best
        self._guises.sort(key=lambda other: other != guise)
        points, good = refine(self.board, grey, ids, points)
        if self.board.partial:
            ids, points = ids[good], points[good]
        return Detection(ids=ids, points=points, guise=str(guise)) if len(ids) >= fewest and good.any() else None


def grey_picture(picture: npt.NDArray[Any], band: io.Band) -> npt.NDArray[np.float32]:
    """(H, W) float32 in [0, 1], infrared counts stretched to their range."""
    return np.asarray(luma(io.to_unit(picture, band)), np.float32)


class _Shown:
    """The guises of one picture, made as they are asked for."""

    def __init__(self, grey: npt.NDArray[np.float32]) -> None:
        self._grey = grey
        self._made: dict[Guise, Grey] = {}

    def as_(self, guise: Guise) -> Grey:
        if guise not in self._made:
            self._made[guise] = self._make(guise)
        return self._made[guise]

    def _make(self, guise: Guise) -> Grey:
        if guise.scale == 2:
            small = self.as_(replace(guise, scale=1))
            return np.asarray(cv2.resize(small, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8)
        if guise.negative:
            return 255 - self.as_(replace(guise, negative=False))
        return evened(self._grey) if guise.even else _bytes(self._grey)


def evened(grey: npt.NDArray[np.float32]) -> Grey:
    """Brightness less that of the surroundings, relative to the contrast there: faint and uneven boards come out."""
    sigma = max(grey.shape) / 32
    smooth = cv2.GaussianBlur(grey, (0, 0), max(grey.shape) / 800)
    mean = cv2.GaussianBlur(smooth, (0, 0), sigma)
    contrast = np.sqrt(cv2.GaussianBlur((smooth - mean) ** 2, (0, 0), sigma))
    return _bytes(0.5 + 0.2 * (smooth - mean) / (contrast + 0.02))


def _bytes(unit: npt.NDArray[Any]) -> Grey:
    return np.asarray(np.rint(np.clip(unit, 0, 1) * 255), np.uint8)


_Found = tuple[npt.NDArray[np.int64], Matrix]


def _chessboard(board: Board, picture: Grey) -> _Found | None:
    seen, corners = cv2.findChessboardCornersSB(picture, (board.cols, board.rows), flags=_CHESSBOARD)
    return _whole(corners) if seen else None


def _circles(board: Board, picture: Grey) -> _Found | None:
    opencv: Any = cv2  # its type stubs lack the blob detector
    blobs = opencv.SimpleBlobDetector_Params()
    blobs.minArea, blobs.maxArea = 12, picture.size / board.rows / board.cols
    blobs.minDistBetweenBlobs = 3
    for flags in (cv2.CALIB_CB_ASYMMETRIC_GRID, cv2.CALIB_CB_ASYMMETRIC_GRID | cv2.CALIB_CB_CLUSTERING):
        seen, centres = cv2.findCirclesGrid(
            picture, (board.cols, board.rows), flags=flags, blobDetector=opencv.SimpleBlobDetector_create(blobs)
        )
        if seen:
            return _whole(centres)
    return None


def _charuco(board: Board, picture: Grey) -> _Found | None:
    options = cv2.aruco.CharucoParameters()
    options.minMarkers, options.tryRefineMarkers = 1, True
    detector = cv2.aruco.CharucoDetector(board.aruco(), options, _markers())
    corners, ids, _, _ = detector.detectBoard(picture)
    return None if ids is None or not len(ids) else _part(ids, corners)


def _aprilgrid(board: Board, picture: Grey) -> _Found | None:
    grid = board.aruco()
    corners, ids, _ = cv2.aruco.ArucoDetector(grid.getDictionary(), _markers()).detectMarkers(picture)
    own = [] if ids is None else [i for i, n in enumerate(ids.reshape(-1)) if 0 <= n < board.rows * board.cols]
    if not own:
        return None
    numbers = (4 * ids.reshape(-1)[own][:, None] + np.arange(4)).reshape(-1)
    return _part(numbers, np.concatenate([corners[i].reshape(-1, 2) for i in own]))


def _markers() -> Any:
    """Options for markers of few pixels with soft edges."""
    options = cv2.aruco.DetectorParameters()
    options.adaptiveThreshWinSizeMin, options.adaptiveThreshWinSizeMax, options.adaptiveThreshWinSizeStep = 5, 53, 8
    options.perspectiveRemovePixelPerCell = 8
    options.minMarkerPerimeterRate = 0.02
    options.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
    return options


def _whole(points: npt.NDArray[Any]) -> _Found:
    places = np.asarray(points, np.float64).reshape(-1, 2)
    return np.arange(len(places)), places


def _part(ids: npt.NDArray[Any], points: npt.NDArray[Any]) -> _Found:
    numbers = np.asarray(ids, np.int64).reshape(-1)
    order = np.argsort(numbers, kind="stable")
    return numbers[order], np.asarray(points, np.float64).reshape(-1, 2)[order]


_DETECTORS: dict[str, Callable[[Board, Grey], _Found | None]] = {
    "chessboard": _chessboard,
    "circles": _circles,
    "charuco": _charuco,
    "aprilgrid": _aprilgrid,
}
