"""Where exactly the points of a board are: its own picture is laid over the photograph, point by point.

Around each point the board is known, so the brightness there is a ramp plus the board's (blurred) picture times a
contrast of either sign, shifted by a little: g = a + b·(u, v) + c T(u − δ) ≈ a + b·(u, v) + c T − c ∇T·δ. That is
linear least squares, repeated a few times. Against white noise no estimate is better, warm boards need no other
treatment than cold ones, and since T is seen in perspective and bent by the lens, circles and rounded corners are not
shifted by it. How the board lies is told by the points themselves, so all is done once more with the refined ones.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmif.rig.boards import Board, Kind
from segmif.rig.homography import Matrix

Floats = npt.NDArray[np.float64]
Move = Callable[[Floats], Floats]

_REACH: dict[Kind, float] = {"chessboard": 0.6, "circles": 0.75, "charuco": 0.5, "aprilgrid": 0.28}
"""Half the side of the window around a point, relative to the board's `square`."""
_TEXELS = (32, 64, 128)
"""Of the board's picture per `square`: the first that is finer than the photograph."""
_BLURS = (0.5, 0.8, 1.2, 1.8, 2.7)
"""Standard deviations in pixels of the picture among which the likeliest is chosen."""
_PASSES, _ROUNDS = 2, 5
_SAMPLES = (9, 27)
"""Fewest and most samples along each side of the window."""
_BENT_FROM = 20
"""Points from which the bending by the lens is told from the noise of first guesses."""
_LARGEST_MOVE, _LEAST_FIT = 0.25, 0.5
"""Relative to `square`; and the share of what a ramp leaves that the board explains at a good point."""
_FLAT = 1e-8
"""Variance below which there is nothing to see."""
_STRAY, _TIMES = 0.1, 6.0
"""A point is astray if it is off by this many pixels, and so many robust deviations, from where the others put it."""


def refine(
    board: Board, grey: npt.NDArray[np.float32], ids: npt.NDArray[np.int64], points: Matrix
) -> tuple[Matrix, npt.NDArray[np.bool_]]:
    """Move points to where the picture itself says they are.

    Args:
        grey: (H, W) in [0, 1].
        ids: (N,) which points of the board, N >= 4.
        points: (N, 2) first guesses in pixels.

    Returns:
        The points, and which of them look like the board; the others are where those put them.
    """
    plane, good = board.points[ids, :2].astype(np.float64), np.ones(len(points), bool)
    for _ in range(_PASSES):
        move = _bent_homography(plane[good], points[good]) if good.sum() >= 4 else None
        if move is None:
            return points, np.zeros(len(points), bool)
        points = np.where(good[:, None], points, move(plane))
        points, good = _pass(board, grey, plane, points, move)
    return points, good


def _pass(
    board: Board, grey: npt.NDArray[np.float32], plane: Floats, points: Matrix, move: Move
) -> tuple[Matrix, npt.NDArray[np.bool_]]:
    """Each point refined, given how the board lies; those that fail go where the others put them."""
    half = _REACH[board.kind] * board.square
    pixels = np.median(np.linalg.norm(move(plane + np.array([half, 0.0])) - points, axis=1))
    count = int(np.clip(np.rint(2 * pixels), *_SAMPLES))
    # Samples farther apart than a pixel would miss edges: both pictures are blurred until they do not.
    extra = 0.6 * max(0.0, 2 * pixels / count - 1)
    if extra:
        grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), extra), np.float32)
    axis = np.linspace(-half, half, count)
    window = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    spread = move((plane[:, None] + window).reshape(-1, 2)).reshape(len(plane), -1, 2)
    offsets = spread - move(plane)[:, None]
    steps = np.stack([move(plane + e) - move(plane - e) for e in np.eye(2) / 2], axis=2)
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
    points, good = _climb(basis, grey, points, offsets, steps, _LARGEST_MOVE * board.square)
    return _without_strays(plane, points, good)


def _without_strays(plane: Floats, points: Matrix, good: npt.NDArray[np.bool_]) -> tuple[Matrix, npt.NDArray[np.bool_]]:
    move = _bent_homography(plane[good], points[good]) if good.sum() >= 4 else None
    if move is None:
        return points, good
    expected = move(plane)
    off = np.linalg.norm(points - expected, axis=1)
    good = good & (off <= max(_STRAY, _TIMES * 1.4826 * float(np.median(off[good]))))
    return np.where(good[:, None], points, expected), good


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
    left = _rest(basis, np.einsum("nps,ns->np", inverse, values), values)
    ramp = basis[:, :, :3]
    plain = _rest(ramp, _fit(ramp, values), values)
    explained = np.where(plain > _FLAT, 1 - left / plain.clip(_FLAT), 0.0)
    way = np.linalg.norm(np.linalg.solve(steps, (points - start)[..., None])[..., 0], axis=1)
    good = (explained >= _LEAST_FIT) & (way <= furthest) & np.isfinite(points).all(axis=1)
    return np.where(good[:, None], points, start), good


def _bent_homography(plane: Floats, points: Matrix) -> Move | None:
    """The map from the board to the picture: a homography, and the lens as a cubic; None for points on a line."""
    found: Any = cv2.findHomography(plane, points, 0)[0]
    if found is None:
        return None
    homography = np.asarray(found, np.float64)
    centre, reach = plane.mean(axis=0), np.abs(plane - plane.mean(axis=0)).max()

    def flat(places: Floats) -> Floats:
        return np.asarray(cv2.perspectiveTransform(places[None], homography)[0], np.float64)

    def powers(places: Floats) -> Floats:
        x, y = ((places - centre) / reach).T
        return np.stack([x**i * y**k for i in range(4) for k in range(4 - i)], axis=1)

    if len(plane) < _BENT_FROM or np.linalg.matrix_rank(powers(plane)) < 10:
        return flat
    lens = np.linalg.lstsq(powers(plane), points - flat(plane), rcond=None)[0]
    return lambda places: flat(places) + powers(places) @ lens


def _sample(picture: npt.NDArray[np.float32], places: Floats) -> Floats:
    x, y = np.moveaxis(places.astype(np.float32), -1, 0)
    return np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float64)


def _template(board: Board, sheet: npt.NDArray[np.float32], places: Floats, blur: float) -> Floats:
    """At places (N, S, 2) in millimetres the board's picture, its slopes per millimetre, and its curvatures.

    Returns:
        (N, S, 6). Curvatures are what more blur adds along either axis and between them, which lets a fit mend the
        blur: corners of an L would else move inwards or outwards with it.
    """
    left, top, right, bottom = board.extent
    fit = np.array([sheet.shape[1] / (right - left), sheet.shape[0] / (bottom - top)])
    sigma = blur * float(fit[0])
    picture = np.asarray(cv2.GaussianBlur(sheet, (0, 0), sigma), np.float32)
    texels = (places - (left, top)) * fit - 0.5
    down, across = np.gradient(picture)
    bent, twisted = np.gradient(down)
    curvatures = (sigma**2 * sheet for sheet in (np.gradient(across, axis=1), bent, twisted))
    sheets = (picture, across * fit[0], down * fit[1], *curvatures)
    return np.stack([_sample(sheet, texels) for sheet in sheets], axis=-1)


@lru_cache(maxsize=4)
def _picture(board: Board, texels: int) -> npt.NDArray[np.float32]:
    return board.picture(texels / board.square).astype(np.float32) / np.float32(255)


def _basis(window: Floats, template: Floats) -> Floats:
    """(N, S, 9): one, u, v, and the template's six."""
    ramp = np.column_stack([np.ones(len(window)), window])
    return np.concatenate([np.broadcast_to(ramp, (len(template), *ramp.shape)), template], axis=2)


def _fit(basis: Floats, values: Floats) -> Floats:
    return np.asarray(np.einsum("nps,ns->np", np.linalg.pinv(basis), values), np.float64)


def _rest(basis: Floats, fit: Floats, values: Floats) -> Floats:
    """Mean square of what a fit leaves, (N,)."""
    return np.asarray(((values - np.einsum("nsp,np->ns", basis, fit)) ** 2).mean(axis=1), np.float64)
