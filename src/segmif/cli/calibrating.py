"""The work behind `segmif rig calibrate`: from a request to files."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from segmif import io
from segmif.checks import InputError, require_extra
from segmif.cli.progress import progress
from segmif.cli.showing import print_table
from segmif.pairing import list_images
from segmif.rig.board_files import write_board
from segmif.rig.boards import Board, Kind
from segmif.rig.calibrate import SIDES, Calibrated, calibrate, find_boards
from segmif.rig.calibration_report import write_report
from segmif.rig.geometry import parallax

RESULT = "calibration.json"
DISTANCES = (2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 40.0, 100.0)
"""Metres at which parallax is told."""
_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asked for."""

    infrared: Path | None
    visible: Path | None
    out: Path | None
    board: str
    rows: int
    cols: int
    square: float
    rig: str
    infrared_side: str | None
    check_bands: bool
    print_board: Path | None


def run(request: Request) -> int:
    """Calibrate, or write a board; the exit code."""
    board = Board(kind=cast("Kind", request.board), rows=request.rows, cols=request.cols, square=request.square)
    if request.print_board is not None:
        write_board(board, request.print_board)
        print(f"{board}: {request.print_board}; print it at 100 % and measure it")
        return 0
    if request.infrared is None or request.visible is None or request.out is None:
        raise InputError("give the folders of the INFRARED and the VISIBLE pictures and -o OUT, or --print-board FILE")
    if request.infrared_side is not None and request.infrared_side not in SIDES:
        raise InputError(f"--infrared-side is {request.infrared_side!r}: give one of {', '.join(SIDES)}")
    total = sum(len(list_images(folder)) for folder in (request.infrared, request.visible))
    io.make_output_folder(request.out)
    require_extra("matplotlib", "rig")  # for the report: better now than after the search
    began = time.monotonic()
    with progress("looking for boards", total) as bar:
        views = find_boards(
            request.infrared, request.visible, board, check_bands=request.check_bands, on_picture=bar.advance
        )
    result = calibrate(views, board, rig=request.rig, infrared_side=request.infrared_side)
    result.calibration.save(request.out / RESULT)
    write_report(result, request.out)
    _tell(result)
    print(f"calibrated in {time.monotonic() - began:.1f} s: {request.out / RESULT}, report.html, report.png")
    return 1 if views.damaged else 0


def _tell(result: Calibrated) -> None:
    c, sd, quality = result.calibration, result.calibration.uncertainty, result.calibration.quality
    rows = [
        (
            band,
            f"{int(quality[f'{band}.views'])}",
            f"{camera.focal[0]:.1f} ± {sd[f'{band}.fx']:.2g}",
            f"{camera.field_of_view[0]:.1f}° x {camera.field_of_view[1]:.1f}°",
            f"{quality[f'{band}.rms_px']:.3f} px",
        )
        for band, camera in (("infrared", c.infrared), ("visible", c.visible))
    ]
    print_table(("camera", "views", "focal length, px", "field of view", "reprojection error"), rows)
    print(
        f"baseline {c.baseline * 1000:.2f} ± {sd['baseline_m'] * 1000:.2g} mm, infrared {c.place} visible; "
        f"epipolar error {quality['epipolar_px']:.3f} px over {int(quality['stereo.views'])} views"
    )
    _tell_rejected(result)
    table = parallax(c, 10.0, DISTANCES)
    print("parallax at a working distance of 10 m: " + ", ".join(
        f"{z:g} m {p:.1f} px" for z, p in zip(DISTANCES, table, strict=True)))  # fmt: skip


def _tell_rejected(result: Calibrated) -> None:
    for name, band, why in result.rejected[:_SHOWN]:
        print(f"left out {name} ({band}): {why}")
    if len(result.rejected) > _SHOWN:
        print(f"left out {len(result.rejected) - _SHOWN} more: see the report")
