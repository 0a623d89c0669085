"""A calibration's report: one HTML page that needs nothing else, and its figures as one PNG."""

from __future__ import annotations

import base64
import io as buffers
from html import escape
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from segmif import io
from segmif.checks import require_extra
from segmif.rig.calibrate import Calibrated
from segmif.rig.calibration import INTRINSICS
from segmif.rig.detect import evened, grey_picture
from segmif.rig.geometry import Rectification, balanced_distance, parallax, rectification
from segmif.rig.solve import CameraSolution

if TYPE_CHECKING:
    from segmif.io import Band

Bytes = npt.NDArray[np.uint8]

_IR, _VIS, _GREY = "#d1495b", "#2e6f95", "#8a8f98"
_SAMPLES, _LINES = 3, 12
_AROUND = 0.06
"""Margin around the infrared field of view in rectified samples, relative to its size."""
_DEPTHS = np.geomspace(2, 100, 60)
_WORKING = (5.0, 10.0, 20.0)

_STYLE = """
:root { --line: #d9dce1; --soft: #f4f5f7; --ink: #1f2328; }
body { font: 15px/1.55 system-ui, sans-serif; color: var(--ink); background: #fff; max-width: 1080px;
  margin: 2.2rem auto 4rem; padding: 0 1.2rem; }
h1 { margin: 0 0 .2rem; font-size: 1.75rem; } h2 { margin: 2.4rem 0 .6rem; font-size: 1.2rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(160px, 1fr)); gap: .8rem; margin: 1.4rem 0; }
.fact { background: var(--soft); border-radius: 8px; padding: .7rem .9rem; }
.fact b { display: block; font-size: 1.3rem; font-variant-numeric: tabular-nums; } .fact span { color: #5b626b; }
table { border-collapse: collapse; width: 100%; } th, td { padding: .3rem .8rem .3rem 0; text-align: left; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; } tr + tr { border-top: 1px solid var(--line); }
img { width: 100%; display: block; } figure { margin: .6rem 0 1.2rem; } figcaption { color: #5b626b; font-size: .9rem; }
small { color: #5b626b; }
"""


def write_report(result: Calibrated, folder: Path) -> None:
    """Write report.html and report.png into a folder.

    Raises:
        InputError: matplotlib is not installed, or the folder cannot be written.
    """
    figures = {
        "errors": _figure_errors(result),
        "coverage": _figure_coverage(result),
        "epipolar": _figure_epipolar(result),
    }
    samples = _rectified_samples(result)
    io.write_text(folder / "report.html", _html(result, figures, samples))
    sheets = [io.decode_image(data) for data in figures.values()] + samples
    width = max(sheet.shape[1] for sheet in sheets)
    io.write_image(folder / "report.png", np.vstack([_to_width(sheet, width) for sheet in sheets]))


def _to_width(picture: Bytes, width: int) -> Bytes:
    height = round(picture.shape[0] * width / picture.shape[1])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _axes(width: float, height: float, columns: int, **options: Any) -> tuple[Any, Any]:
    """A figure that no window or global state knows."""
    require_extra("matplotlib", "rig")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, columns, squeeze=False, **options)[0]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Any) -> bytes:
    buffer = buffers.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _figure_errors(result: Calibrated) -> bytes:
    names = [name for name in result.views.paths["visible"] if name in _used(result)]
    names += [name for name in _used(result) if name not in names]
    figure, (axis,) = _axes(10, 2.9, 1)
    place = np.arange(len(names))
    for shift, colour, band, solution in (
        (-0.2, _IR, "infrared", result.infrared),
        (0.2, _VIS, "visible", result.visible),
    ):
        axis.bar(place + shift, [solution.errors.get(n, 0) for n in names], 0.38, color=colour, label=band)
    _name_views(axis, names)
    axis.set_ylabel("RMS error, px")
    axis.set_title("Reprojection error of each view", loc="left", fontsize=11)
    axis.legend(frameon=False, ncols=2, loc="upper right", bbox_to_anchor=(1, 1.16))
    return _png(figure)


def _name_views(axis: Any, names: list[str]) -> None:
    """Ticks with the names of views, without what all of them begin with."""
    alike = [letters[0] for letters in takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))]
    common = "".join(alike).rstrip("0123456789") if len(names) > 1 else ""
    short = [name[len(common) :] for name in names]
    upright = max(map(len, short)) > 3 or len(names) > 25
    axis.set_xticks(np.arange(len(names)), short, rotation=90 if upright else 0, fontsize=8)


def _used(result: Calibrated) -> list[str]:
    return list(dict.fromkeys([*result.infrared.errors, *result.visible.errors]))


def _figure_coverage(result: Calibrated) -> bytes:
    figure, axes = _axes(10, 3.9, 2)
    bands: tuple[tuple[Band, str, CameraSolution], ...] = (
        ("infrared", _IR, result.infrared),
        ("visible", _VIS, result.visible),
    )
    for axis, (band, colour, solution) in zip(axes, bands, strict=True):
        height, width = solution.camera.size
        points = np.vstack([result.views.detections[band][name].points for name in solution.errors])
        counts, *_ = np.histogram2d(points[:, 1], points[:, 0], (9, 12), ((0, height), (0, width)))
        axis.imshow(
            np.where(counts > 0, counts, np.nan), extent=(0, width, height, 0), cmap="Greys", alpha=0.35, aspect="equal"
        )
        axis.plot(*points.T, ".", color=colour, markersize=1.6)
        axis.plot(*solution.camera.centre, "+", color="black", markersize=10)
        axis.set(xlim=(0, width), ylim=(height, 0))
        axis.spines[["top", "right"]].set_visible(True)
        seen = float((counts > 0).mean())
        axis.set_title(f"Coverage, {band}: {seen:.0%} of the picture", loc="left", fontsize=11)
    return _png(figure)


def _figure_epipolar(result: Calibrated) -> bytes:
    figure, (left, right) = _axes(10, 3.2, 2)
    values = list(result.epipolar.values())
    left.bar(np.arange(len(values)), values, color=_GREY)
    _name_views(left, list(result.epipolar))
    left.set_ylabel("RMS distance, px")
    left.set_title("Distance from the epipolar lines, each view", loc="left", fontsize=11)
    for distance, shade in zip(_WORKING, ("#9db9cb", _VIS, "#173b52"), strict=True):
        right.plot(_DEPTHS, parallax(result.calibration, distance, list(_DEPTHS)), color=shade, label=f"{distance:g} m")
    right.set(xscale="log", ylim=(0, None), xlabel="distance of a thing, m", ylabel="parallax, visible px")
    right.set_xticks([2, 5, 10, 20, 50, 100], ["2", "5", "10", "20", "50", "100"])
    right.minorticks_off()
    right.legend(title="working distance", frameon=False)
    right.set_title("Parallax left by a working distance", loc="left", fontsize=11)
    return _png(figure)


def _rectified_samples(result: Calibrated) -> list[Bytes]:
    """Rectified pairs with lines that partners share: side by side, or one above the other and then in one picture."""
    rectified = rectification(result.calibration)
    names = list(result.stereo.pairs)
    chosen = [names[k] for k in np.unique(np.linspace(0, len(names) - 1, _SAMPLES).astype(int))]
    pairs = [_rectified_pair(result, rectified, name) for name in chosen]
    if rectified.lines == "rows":
        return pairs
    gap = np.full((pairs[0].shape[0], 12, 3), 255, np.uint8)
    return [np.hstack([part for pair in pairs for part in (pair, gap)][:-1])]


def _rectified_pair(result: Calibrated, rectified: Rectification, name: str) -> Bytes:
    halves, part = [], _seen_by_infrared(result, rectified)
    bands: tuple[tuple[Band, Any], ...] = (("infrared", rectified.infrared), ("visible", rectified.visible))
    for band, maps in bands:
        grey = grey_picture(io.read_image(result.views.paths[band][name]), band)
        shown = evened(grey) if band == "infrared" else np.asarray(np.rint(grey * 255), np.uint8)
        flat = cv2.remap(shown, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        halves.append(np.repeat(flat[part][..., None], 3, axis=2))
    rows = rectified.lines == "rows"
    pair = np.hstack(halves) if rows else np.vstack(halves)
    height, width = pair.shape[:2]
    for k in range(1, _LINES):
        colour = ((230, 60, 80), (60, 170, 90), (60, 130, 210))[k % 3]
        at = round((height if rows else width) * k / _LINES)
        cv2.line(pair, (0, at) if rows else (at, 0), (width, at) if rows else (at, height), colour, 1, cv2.LINE_AA)
    return np.asarray(pair, np.uint8)


def _seen_by_infrared(result: Calibrated, rectified: Rectification) -> tuple[slice, slice]:
    """Rows and columns of the rectified pictures around what the infrared camera sees, often the narrower one."""
    (x, y), (height, width) = rectified.infrared, result.calibration.infrared.size
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    parts = []
    for axis in (1, 0):
        there = np.flatnonzero(inside.any(axis=axis))
        margin = round(_AROUND * len(there))
        parts.append(slice(max(0, int(there[0]) - margin), int(there[-1]) + 1 + margin))
    return parts[0], parts[1]


def _html(result: Calibrated, figures: dict[str, bytes], samples: list[Bytes]) -> str:
    c, sd, q = result.calibration, result.calibration.uncertainty, result.calibration.quality
    facts = [
        (f"{c.baseline * 1000:.2f} mm", f"baseline, ± {sd['baseline_m'] * 1000:.2g} mm"),
        (f"{q['epipolar_px']:.3f} px", f"epipolar error, {int(q['stereo.views'])} views"),
        (f"{q['infrared.rms_px']:.3f} px", "reprojection, infrared"),
        (f"{q['visible.rms_px']:.3f} px", "reprojection, visible"),
        (f"{balanced_distance(5, 50):.1f} m", "working distance with equal parallax at 5 and 50 m"),
    ]
    cells = "".join(f"<div class=fact><b>{escape(a)}</b><span>{escape(b)}</span></div>" for a, b in facts)
    rejected = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(band)}</td><td>{escape(why)}</td></tr>"
        for name, band, why in result.rejected
    )
    left_out = (
        f"<table><tr><th>view</th><th>camera</th><th>why</th></tr>{rejected}</table>" if rejected else "<p>None.</p>"
    )
    pictures = "".join(f"<figure>{_image(io.encode_image(sample, '.jpg', quality=82))}</figure>" for sample in samples)
    line = "row" if rectification(c).lines == "rows" else "column"
    return f"""<!doctype html>
<html lang=en><head><meta charset=utf-8><meta name=viewport content="width=device-width">
<title>Calibration of {escape(c.rig)}</title><style>{_STYLE}</style></head><body>
<h1>Calibration of {escape(c.rig)}</h1>
<small>{escape(c.created)} · {escape(str(result.board))} · infrared {c.place} visible</small>
<div class=facts>{cells}</div>
<h2>Errors</h2><figure>{_image(figures["errors"])}</figure>
<h2>Coverage</h2><figure>{_image(figures["coverage"])}
<figcaption>Points of the board; the cross is where the optical axis meets the picture. Lenses are known only where
points are: fill the corners too.</figcaption></figure>
<h2>Epipolar error and parallax</h2><figure>{_image(figures["epipolar"])}</figure>
<h2>Rectified views</h2><p>The same thing lies on one {line} in both bands (infrared first).</p>{pictures}
<h2>Parameters</h2>{_parameters(result)}
<h2>Views left out</h2>{left_out}
</body></html>
"""


def _image(data: bytes) -> str:
    kind = "png" if data[:4] == b"\x89PNG" else "jpeg"
    return f'<img alt="" src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'


def _parameters(result: Calibrated) -> str:
    def column(solution: CameraSolution) -> list[str]:
        camera = solution.camera
        values = (*camera.focal, *camera.centre, *camera.distortion)
        return [
            f"{value:.2f} ± {deviation:.2g}" if k < 4 else f"{value:.4f} ± {deviation:.2g}" if deviation else "0 (held)"
            for k, (value, deviation) in enumerate(zip(values, solution.deviations, strict=True))
        ]

    rows = zip(INTRINSICS, column(result.infrared), column(result.visible), strict=True)
    body = "".join(f"<tr><td>{name}</td><td class=n>{ir}</td><td class=n>{vis}</td></tr>" for name, ir, vis in rows)
    c, sd = result.calibration, result.calibration.uncertainty
    angles = np.degrees(cv2.Rodrigues(c.matrix)[0].reshape(-1))
    stereo = (
        f"<p>Infrared to visible: t = ({', '.join(f'{1000 * v:.2f}' for v in c.translation)}) mm, baseline "
        f"{c.baseline * 1000:.2f} ± {sd['baseline_m'] * 1000:.2g} mm; rotation vector "
        f"({', '.join(f'{v:.3f}' for v in angles)})° ± {sd['rotation_deg']:.2g}°. ± is one standard deviation: of the "
        "fit for the cameras, of a bootstrap over the views for the pair.</p>"
    )
    return (
        f"<table><tr><th></th><th class=n>infrared</th><th class=n>visible</th></tr>{body}</table>{stereo}"
        "<p><small>px for f and c; coefficients marked held do not differ from 0 by three deviations.</small></p>"
    )
