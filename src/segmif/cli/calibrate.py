"""`segmif rig calibrate`: from pictures of a board to the numbers of a rig."""

from __future__ import annotations

from pathlib import Path

import typer


def calibrate(
    infrared: Path | None = typer.Argument(None, metavar="INFRARED", help="Folder of infrared pictures of the board."),
    visible: Path | None = typer.Argument(
        None, metavar="VISIBLE", help="Folder of visible ones; pictures of one moment share their name."
    ),
    out: Path | None = typer.Option(None, "-o", "--out", help="Folder for calibration.json and the report."),
    board: str = typer.Option("chessboard", help="chessboard, circles (asymmetric), charuco or aprilgrid."),
    rows: int = typer.Option(..., help="Rows of inner corners (chessboard), circles, squares (charuco) or tags."),
    cols: int = typer.Option(..., help="Columns of the same."),
    square: float = typer.Option(
        ..., help="Millimetres: side of a square or tag; for circles the distance from row to row."
    ),
    rig: str = typer.Option("rig", help="Name of the rig; it goes into the file and can be asked for later."),
    infrared_side: str | None = typer.Option(
        None, help="left, right, above or below: where the infrared camera sits, looking ahead; checked."
    ),
    no_band_check: bool = typer.Option(False, "--no-band-check", help="Do not mind grey visible, coloured infrared."),
    print_board: Path | None = typer.Option(
        None, "--print-board", help="Write the board to this .pdf, .png or .svg (for cutting) and stop."
    ),
) -> int:
    """Calibrate the two cameras of a rig from pictures of a board that both see.

    Writes calibration.json (read by `segmif rig register --calibration`), report.html and report.png. Views in which
    no board is found or that do not fit are left out, with reasons. Exit code 1: files could not be read.

    Example: segmif rig calibrate ir/ vis/ --board chessboard --rows 6 --cols 9 --square 30 -o calibration/
    """
    from segmif.cli.calibrating import Request, run

    return run(
        Request(
            infrared=infrared, visible=visible, out=out, board=board, rows=rows, cols=cols, square=square, rig=rig,
            infrared_side=infrared_side, check_bands=not no_band_check, print_board=print_board,
        )
    )  # fmt: skip
