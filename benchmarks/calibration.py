"""How near calibration comes to the truth: simulated rigs x kinds of boards, and what harder pictures do to it.

python benchmarks/calibration.py                       # the table of docs/rig.md, all rigs and boards
python benchmarks/calibration.py --rigs stacked --boards charuco --looks faint --seeds 3
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace

import cv2
import numpy as np

from segmif import io
from segmif.checks import InputError
from segmif.rig.boards import Board
from segmif.rig.calibrate import Views, calibrate
from segmif.rig.calibration import Calibration
from segmif.rig.detect import Finder
from segmif.rig.geometry import epipolar_errors
from segmif.rig.simulate import RIGS, SimulatedRig
from segmif.rig.simulate_boards import BoardLook, board_views

BOARDS = {
    "chessboard": Board(kind="chessboard", rows=6, cols=9, square=30),
    "circles": Board(kind="circles", rows=11, cols=4, square=22),
    "charuco": Board(kind="charuco", rows=6, cols=8, square=36),
    "aprilgrid": Board(kind="aprilgrid", rows=4, cols=5, square=48),
}
LOOKS = {
    "warm": BoardLook(),
    "positive": BoardLook(inverted=False),
    "faint": BoardLook(contrast=0.08, uneven=0.03),
    "bleeding": BoardLook(bleeding=2.5),
}
"""Dark parts warm (a negative in infrared); dark parts cold; a third of the contrast; edges 2.5 mm soft."""
FAULTS = {"as it is": (1.0, 1.0), "twice the blur": (2.0, 1.0), "twice the noise": (1.0, 2.0)}
"""By how much the rig's blur and noise are multiplied."""
BANDS: tuple[io.Band, io.Band] = ("infrared", "visible")
LIMITS = (0.3, 0.5, 0.3)
"""Focal length and baseline in percent, epipolar error in pixels."""


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Against the truth: focal length and baseline in percent, epipolar error in pixels of either picture."""

    focal: float
    baseline: float
    epipolar: float
    seen: tuple[int, int]

    @property
    def good(self) -> bool:
        """Whether all limits are kept."""
        return all(value < limit for value, limit in zip(vars(self).values(), LIMITS, strict=False))


def faulty(rig: SimulatedRig, blur: float, noise: float) -> SimulatedRig:
    """The rig with more blur and noise in both bands."""
    return replace(
        rig, infrared_blur=blur * rig.infrared_blur, visible_blur=blur * rig.visible_blur,
        infrared_noise=noise * rig.infrared_noise, visible_noise=noise * rig.visible_noise,
    )  # fmt: skip


def look_for(rig: SimulatedRig, board: Board, look: BoardLook, *, both: int, alone: int, seed: int) -> Views:
    """The boards found in rendered views."""
    views = Views(sizes={"infrared": rig.truth.infrared.size, "visible": rig.truth.visible.size})
    pictures = board_views(rig, board, both, alone=alone, seed=seed, look=look)
    for k, band in enumerate(BANDS):
        finder = Finder(board)
        found = {f"{i:02d}": finder.find(pair[k], band) for i, pair in enumerate(pictures)}
        views.detections[band] = {name: detection for name, detection in found.items() if detection is not None}
    return views


def compare(found: Calibration, truth: Calibration, seen: tuple[int, int]) -> Errors:
    """How far a calibration is from the truth; epipolar errors over the whole picture, things at 1 to 30 m."""
    focal = max(
        abs(a / b - 1)
        for band in BANDS
        for a, b in zip(getattr(found, band).focal, getattr(truth, band).focal, strict=True)
    )
    rng = np.random.default_rng(3)
    height, width = truth.infrared.size
    directions = truth.infrared.undistort(rng.uniform((0, 0), (width - 1, height - 1), (4000, 2)))
    world = np.column_stack([directions, np.ones(4000)]) * np.exp(rng.uniform(0, np.log(30), (4000, 1)))
    infrared, visible = truth.infrared.project(world), truth.visible.project(world @ truth.matrix.T + truth.shift)
    common = ((visible >= 0) & (visible < np.array(truth.visible.size[::-1]))).all(axis=1)
    epipolar = [
        float(np.sqrt(np.mean(errors**2))) for errors in epipolar_errors(found, infrared[common], visible[common])
    ]
    return Errors(
        focal=100 * focal,
        baseline=100 * abs(found.baseline / truth.baseline - 1),
        epipolar=max(epipolar),
        seen=seen,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rigs", nargs="+", default=list(RIGS), choices=list(RIGS))
    parser.add_argument("--boards", nargs="+", default=list(BOARDS), choices=list(BOARDS))
    parser.add_argument("--looks", nargs="+", default=["warm"], choices=list(LOOKS))
    parser.add_argument("--faults", nargs="+", default=["as it is"], choices=list(FAULTS))
    parser.add_argument("--views", type=int, default=16, help="that both cameras see")
    parser.add_argument("--alone", type=int, default=6, help="that only the visible camera must see")
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print("| rig | board | pictures | found | focal length | baseline | epipolar error | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    cases = [
        (rig, board, look, fault, seed)
        for rig in options.rigs
        for board in options.boards
        for look in options.looks
        for fault in options.faults
        for seed in range(options.seeds)
    ]
    bad = 0
    for name, kind, look, fault, seed in cases:
        began, rig, board = time.perf_counter(), faulty(RIGS[name], *FAULTS[fault]), BOARDS[kind]
        views = look_for(rig, board, LOOKS[look], both=options.views, alone=options.alone, seed=seed)
        seen = len(views.detections["infrared"]), len(views.detections["visible"])
        start = f"| {name} | {kind} | {look}, {fault} | {seen[0]} + {seen[1]}"
        try:
            errors = compare(calibrate(views, board, bootstrap=0).calibration, rig.truth, seen)
        except InputError as error:
            bad += 1
            print(f"{start} | {error} | | | |", flush=True)
            continue
        bad += not errors.good
        print(
            f"{start} | {errors.focal:.3f} % | {errors.baseline:.3f} % | {errors.epipolar:.3f} px "
            f"| {time.perf_counter() - began:.0f}{'' if errors.good else ' (!)'} |",
            flush=True,
        )
    print(f"{len(cases) - bad} of {len(cases)} within {LIMITS[0]} %, {LIMITS[1]} % and {LIMITS[2]} px")


if __name__ == "__main__":
    main()
