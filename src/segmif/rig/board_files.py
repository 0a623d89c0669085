"""A board as a file: PDF and PNG to print at their true size, SVG to cut."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from segmif import io
from segmif.checks import InputError
from segmif.rig.boards import CIRCLE_RADIUS, COUNTED, Board

SUFFIXES = (".pdf", ".png", ".svg")
_DPI = 300
_LARGEST = 20_000


def write_board(board: Board, path: Path) -> None:
    """Write a board at its true size, with a white margin; print at 100 %, without fitting to the page.

    Args:
        path: ends in .pdf or .png (300 dots per inch), or .svg: outlines in millimetres of what is dark, to be cut out.

    Raises:
        InputError: another suffix, a board too large to draw, or a file that cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: boards are written as {', '.join(SUFFIXES)}; end the name with one of them")
    if suffix == ".svg":
        io.write_text(path, board_svg(board))
        return
    scale = _DPI / 25.4
    left, top, right, bottom = board.extent
    if max(right - left, bottom - top) * scale > _LARGEST:
        raise InputError(f"{board} is {right - left:.0f} x {bottom - top:.0f} mm, too large to print; write it as .svg")
    from PIL import Image

    picture = Image.fromarray(board.picture(scale))
    with io.atomic_path(path) as temporary:
        if suffix == ".pdf":
            picture.save(temporary, "PDF", resolution=_DPI, title=str(board))
        else:
            picture.save(temporary, "PNG", dpi=(_DPI, _DPI))


def board_svg(board: Board) -> str:
    """The board as SVG text: one closed outline for each dark part, in millimetres.

    >>> text = board_svg(Board(kind="circles", rows=3, cols=3, square=20))
    >>> text.count("<circle"), 'width="136mm"' in text
    (9, True)
    """
    left, top, right, bottom = board.extent
    if board.kind == "circles":
        radius = CIRCLE_RADIUS * board.square
        shapes = [f'<circle cx="{x - left:g}" cy="{y - top:g}" r="{radius:g}"/>' for x, y, _ in board.points]
    else:
        shapes = [f'<path d="{" ".join(_outlines(board))}"/>']
    size = f'width="{right - left:g}mm" height="{bottom - top:g}mm" viewBox="0 0 {right - left:g} {bottom - top:g}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
            f"<title>{board}: {board.rows} x {board.cols} {COUNTED[board.kind]}</title>",
            '<g fill="black" fill-rule="evenodd" stroke="none">',
            *shapes,
            "</g>",
            "</svg>",
            "",
        ]
    )


def _outlines(board: Board) -> list[str]:
    """Paths around the dark parts, corners exact to a twentieth of a cell of a tag."""
    cell = board.square / 160
    picture = board.picture(1 / cell)
    big = cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours((big < 128).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    paths = []
    for contour in contours:
        rough = cv2.approxPolyDP(contour, 3.0, True).reshape(-1, 2)
        corners = (rough.astype(np.float64) + 0.5) / 2 * cell
        paths.append("M" + " L".join(f"{x:.2f},{y:.2f}" for x, y in corners) + " Z")
    return paths
