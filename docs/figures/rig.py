"""Draws the figures of docs/rig.md into docs/images/: python docs/figures/rig.py"""

from pathlib import Path

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from segmif import io
from segmif.rig.boards import Board
from segmif.rig.geometry import infrared_to_visible, parallax
from segmif.rig.moving import MovingStreet
from segmif.rig.pictures import red_cyan
from segmif.rig.simulate import RIGS
from segmif.rig.simulate_boards import board_views

OUT = Path(__file__).parents[1] / "images"
IR, VIS, INK = "#d1495b", "#2e6f95", "#1f2328"


def figure(width: float, height: float, columns: int = 1):
    """A figure and its axes, without the upper and right frame."""
    sheet = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(sheet)
    axes = sheet.subplots(1, columns, squeeze=False)[0]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return sheet, axes


def boards() -> None:
    """A heated chessboard in both bands, one tile of a pair for each of two rigs."""
    board, tiles = Board(kind="chessboard", rows=6, cols=9, square=30), []
    for name in ("handheld", "stacked"):
        infrared, visible = board_views(RIGS[name], board, 1, seed=4)[0]
        thermal = np.rint(io.to_unit(infrared, "infrared") * 255).astype(np.uint8)
        height = 300
        sized = [
            cv2.resize(p, (round(p.shape[1] * height / p.shape[0]), height), interpolation=cv2.INTER_AREA)
            for p in (np.dstack([thermal] * 3), visible)
        ]
        tiles += [*sized, np.full((height, 10, 3), 255, np.uint8)]
    io.write_image(OUT / "rig-boards.jpg", np.hstack(tiles[:-1]))


def geometry() -> None:
    """Two cameras, a plane at the working distance, a nearer and a farther thing (from above)."""
    sheet, (axis,) = figure(9, 3.4)
    base, d = 1.0, 7.0
    axis.plot([d, d], [-1.7, 2.4], color="#8a8f98", linewidth=6, alpha=0.4, solid_capstyle="butt")
    axis.text(d, 2.55, "working distance d", ha="center", color="#5b626b")
    for z, y, name in ((4.0, 0.9, "near"), (10.0, 0.2, "far")):
        axis.plot(z, y, "o", color=INK, markersize=9)
        axis.text(z, y - 0.45, name, ha="center")
        meets = []
        for origin, colour in ((base, IR), (0.0, VIS)):
            slope = (y - origin) / z
            axis.plot([0, 11], [origin, origin + 11 * slope], color=colour, linewidth=1.1, alpha=0.8)
            meets.append(origin + d * slope)
        axis.plot([d, d], meets, color="#e09f3e", linewidth=5, solid_capstyle="butt")
    for origin, colour, name in ((base, IR, "infrared"), (0.0, VIS, "visible")):
        axis.plot(0, origin, ">", color=colour, markersize=16)
        axis.text(-0.25, origin, name, ha="right", va="center", color=colour)
    axis.annotate("", (-1.75, base), (-1.75, 0), arrowprops={"arrowstyle": "<->", "color": INK})
    axis.text(-1.85, base / 2, "B", ha="right", va="center", fontsize=12)
    axis.text(11.1, 1.7, "what is off the plane\nis shifted there by\nB·|1/z − 1/d|·d", va="center", color="#a8700f")
    axis.set(xlim=(-2.3, 13.4), ylim=(-1.8, 2.9))
    axis.axis("off")
    sheet.savefig(OUT / "rig-geometry.png")


def parallax_curves() -> None:
    """Parallax for baselines and working distances; error of clocks that do not agree."""
    sheet, (left, right) = figure(9, 3.3, 2)
    depths = np.sort(np.append(np.geomspace(2, 100, 80), 10.0))
    for name, colour in (("handheld", VIS), ("stacked", "#6a994e"), ("vehicle", IR)):
        truth = RIGS[name].truth
        label = f"B = {truth.baseline * 100:.1f} cm, f = {truth.visible.focal[0]:.0f} px"
        left.plot(depths, parallax(truth, 10.0, list(depths)), color=colour, label=label)
    left.axhline(2, color="#8a8f98", linestyle=":", linewidth=1)
    left.set(xscale="log", yscale="log", ylim=(0.2, 80), xlabel="distance z, m", ylabel="parallax, px")
    left.set_title("Laid on for d = 10 m", loc="left", fontsize=11)
    left.set_xticks([2, 5, 10, 20, 50, 100], ["2", "5", "10", "20", "50", "100"])
    left.set_yticks([0.3, 1, 3, 10, 30], ["0.3", "1", "3", "10", "30"])
    left.minorticks_off()
    left.legend(frameon=False, fontsize=8)
    offset = np.linspace(0, 50, 50)
    for text, rate, colour in (
        ("walks by at 1.4 m/s, 8 m away", 600 * 1.4 / 8, VIS),
        ("drives by at 50 km/h, 15 m away", 600 * 13.9 / 15, "#6a994e"),
        ("rig turns by 30°/s", 600 * np.radians(30), IR),
    ):
        right.plot(offset, rate * offset / 1000, color=colour, label=text)
    right.set(xlabel="difference of the clocks, ms", ylabel="shift, px", ylim=(0, 30))
    right.set_title("Pictures taken at different moments, f = 600 px", loc="left", fontsize=11)
    right.legend(frameon=False, fontsize=8)
    sheet.savefig(OUT / "rig-parallax.png")


def laid_on() -> None:
    """Red-cyan overlays: infrared as it comes, and laid on by the calibration."""
    rig = RIGS["handheld"]
    infrared, visible = MovingStreet(rig, seed=1, time="day").pair(0.3)
    came = cv2.resize(infrared, visible.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    laid = infrared_to_visible(infrared, rig.truth, 25.0)
    gap = np.full((visible.shape[0], 12, 3), 255, np.uint8)
    pair = np.hstack([red_cyan(came, visible), gap, red_cyan(laid, visible)])
    small = cv2.resize(pair, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)
    (OUT / "rig-laid-on.jpg").write_bytes(io.encode_image(small, ".jpg", quality=85))


if __name__ == "__main__":
    for draw in (boards, geometry, parallax_curves, laid_on):
        draw()
