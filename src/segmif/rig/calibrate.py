"""Calibrate a rig from two folders of pictures of a board: find, solve, doubt, and say what is wrong in one line."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from segmif import io
from segmif._version import __version__
from segmif.checks import InputError, unknown
from segmif.pairing import list_images, natural_key
from segmif.rig.boards import COUNTED, Board
from segmif.rig.calibration import INTRINSICS, Calibration
from segmif.rig.detect import Detection, Finder
from segmif.rig.geometry import epipolar_errors
from segmif.rig.homography import Size
from segmif.rig.solve import CameraSolution, solve_camera
from segmif.rig.stereo import StereoSolution, solve_stereo

Side = Literal["left", "right", "above", "below"]
SIDES: tuple[Side, ...] = get_args(Side)

_BANDS: tuple[io.Band, io.Band] = ("infrared", "visible")
_COLOURED = 3.0
"""Mean difference of the channels, in 8-bit steps, from which a picture counts as coloured."""
_PROBES = 6
"""Pictures looked at to find out why no board was found."""
_DISAGREE, _TIMES = 1.0, 5.0
"""The bands contradict one another if they disagree by this many pixels, and so many times the error of each alone."""


@dataclass(kw_only=True)
class Views:
    """What was found in the pictures, by the names of the files.

    Attributes:
        detections: for each band, the views in which the board was found.
        sizes: (height, width) of each band's pictures.
        paths: for each band, all files.
        left_out: (name, band, why) of the views without a board, and of files that could not be read.
        damaged: how many files could not be read.
    """

    detections: dict[io.Band, dict[str, Detection]] = field(default_factory=lambda: {band: {} for band in _BANDS})
    sizes: dict[io.Band, Size] = field(default_factory=dict)
    paths: dict[io.Band, dict[str, Path]] = field(default_factory=dict)
    left_out: list[tuple[str, str, str]] = field(default_factory=list)
    damaged: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibrated:
    """A calibration with everything a report tells about it; `rejected` lists (view, band, why)."""

    calibration: Calibration
    board: Board
    views: Views
    infrared: CameraSolution
    visible: CameraSolution
    stereo: StereoSolution
    epipolar: dict[str, float]
    rejected: list[tuple[str, str, str]]


def find_boards(
    infrared: Path,
    visible: Path,
    board: Board,
    *,
    check_bands: bool = True,
    on_picture: Callable[[], None] | None = None,
) -> Views:
    """Look for the board in all pictures of two folders; views of one moment share their name.

    Args:
        check_bands: refuse pictures that seem to be of the other band.
        on_picture: called after each picture.

    Raises:
        InputError: a folder is missing or empty, a band has pictures of two sizes or no board at all, or the folders
            are swapped.
    """
    views = Views()
    if infrared.resolve() == visible.resolve():
        raise InputError(f"infrared and visible are the same folder ({infrared}): give one of each band")
    coloured: dict[str, list[bool]] = {}
    deep: dict[str, list[bool]] = {}
    for band, folder in zip(_BANDS, (infrared, visible), strict=True):
        files = list_images(folder)
        if not files:
            raise InputError(f"{folder}: holds no pictures; give the folder of the {band} views of the board")
        views.paths[band] = {name: files[name] for name in sorted(files, key=natural_key)}
        coloured[band], deep[band] = [], []
        finder = Finder(board)
        for name, path in views.paths[band].items():
            picture = _look(views, finder, band, name, path)
            if picture is not None:
                coloured[band].append(
                    picture.ndim == 3 and float(np.ptp(picture.astype(np.float32), axis=2).mean()) > _COLOURED
                )
                deep[band].append(picture.ndim == 2 and picture.dtype.itemsize > 1)
            if on_picture is not None:
                on_picture()
    if check_bands:
        _check_bands(infrared, visible, coloured, deep)
    for band, folder in zip(_BANDS, (infrared, visible), strict=True):
        if not views.detections[band]:
            raise InputError(f"{folder}: {_why_not_found(board, views, band)}")
    return views


def _check_bands(
    infrared: Path, visible: Path, coloured: Mapping[str, list[bool]], deep: Mapping[str, list[bool]]
) -> None:
    """Thermal pictures are grey, and those of visible cameras are not grey of 16 bits."""
    seems = "infrared and visible seem swapped, the infrared folder comes first; if they are not, use --no-band-check"
    if _mostly(coloured["infrared"]) and not any(coloured["visible"]):
        raise InputError(f"{infrared} holds colour pictures and {visible} grey ones: {seems}")
    if _mostly(deep["visible"]) and not any(deep["infrared"]):
        raise InputError(f"{visible} holds grey pictures of 16 bits, as thermal cameras take them: {seems}")


def _look(views: Views, finder: Finder, band: io.Band, name: str, path: Path) -> io.Array | None:
    try:
        picture = io.read_image(path)
    except InputError as error:
        views.left_out.append((name, band, str(error)))
        views.damaged += 1
        return None
    size = (picture.shape[0], picture.shape[1])
    if views.sizes.setdefault(band, size) != size:
        expected = views.sizes[band]
        raise InputError(
            f"{path}: is {size[1]}x{size[0]}, the {band} pictures before it {expected[1]}x{expected[0]}; a camera is "
            "calibrated at one resolution: leave out what was taken with another"
        )
    found = finder.find(picture, band)
    if found is None:
        views.left_out.append((name, band, "no board found"))
    else:
        views.detections[band][name] = found
    return picture


def _mostly(flags: list[bool]) -> bool:
    return sum(flags) > len(flags) / 2


def _why_not_found(board: Board, views: Views, band: io.Band) -> str:
    pictures = []
    for path in list(views.paths[band].values())[:_PROBES]:
        try:
            pictures.append(io.read_image(path))
        except InputError:
            continue
    start = f"no {board} found in any of {len(views.paths[band])} {band} pictures"
    if not pictures:
        return f"none of {len(views.paths[band])} pictures can be read; the first: {views.left_out[0][2]}"
    for rows, cols in ((board.rows - 1, board.cols - 1), (board.cols, board.rows), (board.rows + 1, board.cols + 1)):
        try:
            other = replace(board, rows=rows, cols=cols)
        except InputError:
            continue
        if any(Finder(other).find(picture, band) for picture in pictures[:2]):
            return (
                f"{start}, but one of {rows} x {cols}: give --rows {rows} --cols {cols} ({COUNTED[board.kind]} count)"
            )
    if any(Finder(board).find(picture[:, ::-1], band) for picture in pictures):
        return f"{start}, but in their mirror images: turn off mirroring in the camera or flip the pictures"
    return f"{start}; check --board, --rows and --cols, fill the view with the board, and for infrared heat it"


def calibrate(
    views: Views, board: Board, *, rig: str = "rig", infrared_side: str | None = None, bootstrap: int = 60
) -> Calibrated:
    """Solve for both cameras and how they stand to each other.

    Args:
        rig: the name that goes into the file.
        infrared_side: where the infrared camera is known to sit, seen from the visible one and looking ahead.
        bootstrap: how often views are drawn anew to tell the uncertainty of the baseline.

    Raises:
        InputError: too few views, views that do not belong together, a mirrored band, or another side than expected.
    """
    if infrared_side is not None and infrared_side not in SIDES:
        raise unknown("side", infrared_side, SIDES)
    infrared, visible = (
        solve_camera(board, views.detections[band], views.sizes[band], band) for band in _BANDS
    )  # fmt: skip
    stereo = solve_stereo(
        board, views.detections["infrared"], views.detections["visible"], (infrared, visible), bootstrap=bootstrap
    )
    if _contradict(stereo, infrared, visible):
        raise InputError(_why_contradict(board, views, visible, stereo))
    calibration = _assemble(board, rig, infrared, visible, stereo)
    if infrared_side is not None and calibration.side != infrared_side:
        raise InputError(
            f"the infrared camera is found {calibration.place} the visible one by "
            f"{calibration.baseline * 1000:.0f} mm, not {infrared_side}: are the folders of left and right swapped, "
            "or is one band upside down or mirrored?"
        )
    rejected = list(views.left_out)
    for band, solution in (("infrared", infrared), ("visible", visible)):
        rejected += [(name, band, why) for name, why in solution.rejected.items()]
    rejected += [(name, "both", why) for name, why in stereo.rejected.items()]
    epipolar = {
        name: float(np.sqrt(np.mean(np.square(epipolar_errors(calibration, *points)))))
        for name, points in stereo.pairs.items()
    }
    return Calibrated(
        calibration=replace(
            calibration,
            quality={
                **calibration.quality,
                "epipolar_px": round(float(np.sqrt(np.mean(np.square(list(epipolar.values()))))), 5),
            },
        ),
        board=board,
        views=views,
        infrared=infrared,
        visible=visible,
        stereo=stereo,
        epipolar=epipolar,
        rejected=sorted(rejected, key=lambda row: natural_key(row[0])),
    )


def _contradict(stereo: StereoSolution, *cameras: CameraSolution) -> bool:
    typical = float(np.median(list(stereo.errors.values())))
    return typical > max(_DISAGREE, _TIMES * max(camera.rms for camera in cameras))


def _why_contradict(board: Board, views: Views, visible: CameraSolution, stereo: StereoSolution) -> str:
    typical = float(np.median(list(stereo.errors.values())))
    start = f"infrared and visible contradict each other by {typical:.1f} px in a typical view"
    if not board.partial:
        flipped = {
            name: _mirrored(board, detection, views.sizes["infrared"])
            for name, detection in views.detections["infrared"].items()
        }
        try:
            camera = solve_camera(board, flipped, views.sizes["infrared"], "infrared")
            again = solve_stereo(board, flipped, views.detections["visible"], (camera, visible), bootstrap=0)
            if not _contradict(again, camera, visible):
                return f"{start}, but not when one of them is mirrored: flip the pictures of that camera left to right"
        except InputError:
            pass
    return (
        f"{start}: files of one name must show the same moment, the board at rest and the cameras fixed to each other; "
        "check that the folders belong together"
    )


def _mirrored(board: Board, detection: Detection, size: Size) -> Detection:
    """The board as it would have been found in the picture flipped left to right."""
    order = np.arange(len(board.points)).reshape(board.rows, board.cols)[::-1].reshape(-1)
    points = detection.points.copy()
    points[:, 0] = size[1] - 1 - points[:, 0]
    return replace(detection, ids=order[detection.ids], points=points)


def _assemble(
    board: Board, rig: str, infrared: CameraSolution, visible: CameraSolution, stereo: StereoSolution
) -> Calibration:
    uncertainty: dict[str, float] = {}
    for band, solution in (("infrared", infrared), ("visible", visible)):
        uncertainty |= {f"{band}.{key}": float(v) for key, v in zip(INTRINSICS, solution.deviations, strict=True)}
    uncertainty |= {"baseline_m": stereo.baseline_deviation, "rotation_deg": stereo.rotation_deviation}
    quality: Mapping[str, float] = {
        "infrared.rms_px": infrared.rms,
        "visible.rms_px": visible.rms,
        "stereo.rms_px": stereo.rms,
        "infrared.views": len(infrared.errors),
        "visible.views": len(visible.errors),
        "stereo.views": len(stereo.errors),
    }
    return Calibration(
        infrared=infrared.camera,
        visible=visible.camera,
        rotation=tuple(tuple(float(v) for v in row) for row in stereo.rotation),
        translation=tuple(float(v) for v in stereo.translation),
        rig=rig,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        uncertainty={key: float(f"{value:.4g}") for key, value in uncertainty.items()},
        quality={key: round(value, 5) for key, value in quality.items()},
        board={**board.as_dict(), "program": f"segmif {__version__}"},
    )
