"""A board as a file: PDF and PNG to print at their true size, SVG to cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from segmif import io
from segmif.checks import InputError
from segmif.rig.boards import CIRCLE_RADIUS, COUNTED, Board, cell_grids

SUFFIXES = (".pdf", ".png", ".svg")
_DPI = 300
_LARGEST = 20_000

_Vertex = tuple[int, int]


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
    >>> text.count("<circle"), 'width="152mm"' in text
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
    """A closed path around each dark part and each hole in one."""
    left, top, *_ = board.extent
    paths = []
    for dark, (x0, y0, x1, y1) in cell_grids(board):
        side = np.array([(x1 - x0) / dark.shape[1], (y1 - y0) / dark.shape[0]])
        for loop in _loops(dark):
            corners = np.array(loop) * side + (x0 - left, y0 - top)
            paths.append("M" + " L".join(f"{x:.6g},{y:.6g}" for x, y in corners) + " Z")
    return paths


def _loops(dark: npt.NDArray[np.bool_]) -> list[list[_Vertex]]:
    """The borders between dark and bright cells as closed loops of corners (column, row), dark on the right hand.

    >>> _loops(np.array([[True, True], [False, False]]))
    [[(0, 0), (2, 0), (2, 1), (0, 1)]]
    """
    edges: dict[_Vertex, list[_Vertex]] = {}
    for row, col in np.argwhere(dark).tolist():
        ring = [(col, row), (col + 1, row), (col + 1, row + 1), (col, row + 1)]
        for start, end in zip(ring, ring[1:] + ring[:1], strict=True):
            if start in edges.get(end, []):  # the neighbour is dark too: no border
                edges[end].remove(start)
            else:
                edges.setdefault(start, []).append(end)
    loops = []
    while any(edges.values()):
        first = next(vertex for vertex, ends in edges.items() if ends)
        loop, here = [first], edges[first].pop(0)
        while here != first:
            dx, dy = here[0] - loop[-1][0], here[1] - loop[-1][1]
            onward = edges[here]
            turn = (here[0] - dy, here[1] + dx)  # to the right: cells that touch at a corner stay apart
            following = turn if turn in onward else onward[0]
            onward.remove(following)
            loop.append(here)
            here = following
        loops.append(_without_straight(loop))
    return loops


def _without_straight(loop: list[_Vertex]) -> list[_Vertex]:
    """A loop without the corners at which it does not turn."""
    around = zip(loop[-1:] + loop[:-1], loop, loop[1:] + loop[:1], strict=True)
    return [b for a, b, c in around if (b[0] - a[0]) * (c[1] - b[1]) != (b[1] - a[1]) * (c[0] - b[0])]
