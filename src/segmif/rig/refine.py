"""Where exactly the points of a board are: its own picture is laid over the photograph, point by point.

Around each point the board is known, so the brightness there is a ramp plus the board's (blurred) picture times a
contrast of either sign, shifted by a little: g = a + b·(u, v) + c T(u − δ) ≈ a + b·(u, v) + c T − c ∇T·δ. That is
linear least squares, repeated a few times. Against white noise no estimate is better, warm boards need no other
treatment than cold ones, and since T is seen in perspective, circles and rounded corners are not shifted by it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmif.rig.boards import Board, Kind
from segmif.rig.homography import Matrix

Floats = npt.NDArray[np.float64]

_REACH: dict[Kind, float] = {"chessboard": 0.6, "circles": 0.75, "charuco": 0.5, "aprilgrid": 0.28}
"""Half the side of the window around a point, relative to the board's `square`."""
_TEXELS = (32, 64, 128)
"""Of the board's picture per `square`: the first that is finer than the photograph."""
_BLURS = (0.5, 0.8, 1.2, 1.8, 2.7)
"""Standard deviations in pixels of the picture among which the likeliest is chosen."""
_ROUNDS = 5
_SAMPLES = (9, 27)
"""Fewest and most samples along each side of the window."""
_LARGEST_MOVE, _LEAST_FIT = 0.25, 0.5
"""Relative to `square`; and the share of the variance a good point explains."""


def refine(
    board: Board, grey: npt.NDArray[np.float32], ids: npt.NDArray[np.int64], points: Matrix
) -> tuple[Matrix, npt.NDArray[np.bool_]]:
    """Move points to where the picture itself says they are.

    Args:
        grey: (H, W) in [0, 1].
        ids: (N,) which points of the board, N >= 4.
        points: (N, 2) first guesses in pixels.

    Returns:
        The points, and which of them look like the board; the others stay where they were.
    """
    plane = board.points[ids, :2].astype(np.float64)
    found: Any = cv2.findHomography(plane, points, 0)[0]
    if found is None:  # points on a line
        return points, np.zeros(len(points), bool)
    homography = np.asarray(found, np.float64)
    half = _REACH[board.kind] * board.square
    pixels = np.median(np.linalg.norm(_move(homography, plane + np.array([half, 0.0])) - points, axis=1))
    count = int(np.clip(np.rint(2 * pixels), *_SAMPLES))
    # Samples farther apart than a pixel would miss edges: both pictures are blurred until they do not.
    extra = 0.6 * max(0.0, 2 * pixels / count - 1)
    if extra:
        grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), extra), np.float32)
    axis = np.linspace(-half, half, count)
    window = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    spread = _move(homography, (plane[:, None] + window).reshape(-1, 2)).reshape(len(plane), -1, 2)
    offsets = spread - _move(homography, plane)[:, None]
    steps = np.stack([_move(homography, plane + e) - _move(homography, plane - e) for e in np.eye(2) / 2], axis=2)
    values = _sample(grey, points[:, None] + offsets)
    places, unit = plane[:, None] + window, half / pixels
    side = pixels / _REACH[board.kind]
    sheet = _picture(board, next((n for n in _TEXELS if n >= 1.5 * side), _TEXELS[-1]))
    # Few points and samples tell the blur well enough.
    some = slice(None, None, max(1, len(plane) // 12)), slice(None, None, 3)
    blurs = [unit * float(np.hypot(blur, extra)) for blur in _BLURS]
    losses = []
    for blur in blurs:
        trial = _basis(window[some[1]] / half, _template(board, sheet, places[some], blur))
        losses.append(float(_rest(trial, _fit(trial, values[some]), values[some]).sum()))
    basis = _basis(window / half, _template(board, sheet, places, blurs[int(np.argmin(losses))]))
    return _climb(basis, grey, points, offsets, steps, _LARGEST_MOVE * board.square)


def _climb(
    basis: Floats,
    grey: npt.NDArray[np.float32],
    start: Matrix,
    offsets: Floats,
    steps: Floats,
    furthest: float,
) -> tuple[Matrix, npt.NDArray[np.bool_]]:
    points, inverse = start.copy(), np.linalg.pinv(basis)
    for _ in range(_ROUNDS):
        values = _sample(grey, points[:, None] + offsets)
        fit = np.einsum("nps,ns->np", inverse, values)
        contrast = np.where(np.abs(fit[:, 3]) < 1e-6, np.inf, fit[:, 3])
        move = np.clip(-fit[:, 4:6] / contrast[:, None], -furthest / 2, furthest / 2)
        points = points + np.einsum("nij,nj->ni", steps, move)
    values = _sample(grey, points[:, None] + offsets)
    explained = 1 - _rest(basis, np.einsum("nps,ns->np", inverse, values), values) / values.var(axis=1).clip(1e-9)
    way = np.linalg.norm(np.linalg.solve(steps, (points - start)[..., None])[..., 0], axis=1)
    good = (explained >= _LEAST_FIT) & (way <= furthest) & np.isfinite(points).all(axis=1)
    return np.where(good[:, None], points, start), good


def _move(homography: Matrix, points: Floats) -> Floats:
    return np.asarray(cv2.perspectiveTransform(points[None], homography)[0], np.float64)


def _sample(picture: npt.NDArray[np.float32], places: Floats) -> Floats:
    x, y = np.moveaxis(places.astype(np.float32), -1, 0)
    return np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float64)


def _template(board: Board, sheet: npt.NDArray[np.float32], places: Floats, blur: float) -> Floats:
    """At places (N, S, 2) in millimetres the board's picture, its slopes per millimetre, and what more blur adds.

    Returns:
        (N, S, 4). The last lets a fit mend the blur: corners of an L would else move inwards or outwards with it.
    """
    left, top, right, bottom = board.extent
    fit = np.array([sheet.shape[1] / (right - left), sheet.shape[0] / (bottom - top)])
    picture, softer = (
        np.asarray(cv2.GaussianBlur(sheet, (0, 0), sigma * float(fit[0])), np.float32) for sigma in (blur, 1.2 * blur)
    )
    texels = (places - (left, top)) * fit - 0.5
    down, across = np.gradient(picture)
    sheets = (picture, across * fit[0], down * fit[1], softer - picture)
    return np.stack([_sample(sheet, texels) for sheet in sheets], axis=-1)


@lru_cache(maxsize=4)
def _picture(board: Board, texels: int) -> npt.NDArray[np.float32]:
    return board.picture(texels / board.square).astype(np.float32) / np.float32(255)


def _basis(window: Floats, template: Floats) -> Floats:
    """(N, S, 7): one, u, v, and the template's four."""
    ramp = np.column_stack([np.ones(len(window)), window])
    return np.concatenate([np.broadcast_to(ramp, (len(template), *ramp.shape)), template], axis=2)


def _fit(basis: Floats, values: Floats) -> Floats:
    return np.asarray(np.einsum("nps,ns->np", np.linalg.pinv(basis), values), np.float64)


def _rest(basis: Floats, fit: Floats, values: Floats) -> Floats:
    """Mean square of what a fit leaves, (N,)."""
    return np.asarray(((values - np.einsum("nsp,np->ns", basis, fit)) ** 2).mean(axis=1), np.float64)
