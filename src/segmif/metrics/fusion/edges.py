"""Metrics of edge transfer: how well the fused picture keeps strength and direction of the sources' edges.

g = edge strength, a = edge angle; Q combines, per pixel and source, a sigmoid of the strength ratio G with one of the
angle agreement D. F fused, A infrared, B visible.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from segmif.metrics.fusion.catalog import metric
from segmif.metrics.fusion.gradients import Gradient, magnitude, sobel, sobel_strength
from segmif.metrics.fusion.plane import Float, Plane, kept
from segmif.metrics.fusion.windows import strips

XYDEAS_PETROVIC = "Xydeas & Petrović, Electron. Lett. 36 (2000) 308"
_KUMAR = "Shreyamsha Kumar, Signal Image Video Process. 7 (2013) 1125, after Petrović & Xydeas (2005)"
_TINY = 1e-5
"""Stands in for zero slopes and strengths in Qg."""


class Edges(NamedTuple):
    """Edge strength and angle at every pixel."""

    strength: Float
    angle: Float


def edges_of(gx: Gradient, gy: Gradient) -> Edges:
    """Strength, and angle in (−π/2, π/2] with y upward; π/2 where nothing changes to the right."""
    upright = gx == 0
    angle = np.where(upright, np.pi / 2, np.arctan(-gy / np.where(upright, 1.0, gx)))
    return Edges(magnitude(gx, gy), angle)


def _sigmoid(x: Float, gain: float, slope: float, middle: float) -> Float:
    """gain / (1 + exp(−slope (x − middle)))."""
    power: Float = np.exp(slope * (middle - x))
    return gain / (1 + power)


def edges_transferred(source: Edges, fused: Edges) -> float:
    """Σ Q g of Qabf; where strengths tie, the ratio is the fused strength itself, as the programs have it."""
    low, high = np.minimum(source.strength, fused.strength), np.maximum(source.strength, fused.strength)
    ratio = np.where(low < high, low / np.maximum(high, np.finfo(np.float64).tiny), fused.strength)
    agreement = 1 - np.abs(source.angle - fused.angle) / (np.pi / 2)
    quality = _sigmoid(ratio, 0.9994, 15, 0.5) * _sigmoid(agreement, 0.9879, 22, 0.8)
    return float((quality * source.strength).sum())


@metric("Qabf", source=XYDEAS_PETROVIC, bounds=(0.0, 1.0))
def qabf(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """Qabf = Σ (Q_A g_A + Q_B g_B) / Σ (g_A + g_B), Sobel with zeros outside; 0 if both sources are black.

    Q = 0.9994 / (1 + exp(−15 (G − 0.5))) · 0.9879 / (1 + exp(−22 (D − 0.8))), G = min(g_X, g_F) / max(g_X, g_F) and
    g_F where both are equal, D = 1 − |a_X − a_F| / (π/2), a = atan(gy / gx) and π/2 where gx = 0.
    """
    strength = _total_strength(infrared) + _total_strength(visible)
    if strength == 0:
        return 0.0
    gradients = [sobel(plane) for plane in (infrared, visible, fused)]
    transferred = 0.0
    for rows in strips(*fused.levels.shape):
        a, b, f = (edges_of(gx[rows], gy[rows]) for gx, gy in gradients)
        transferred += edges_transferred(a, f) + edges_transferred(b, f)
    return transferred / strength


@kept
def _total_strength(plane: Plane) -> float:
    """Sum of the Sobel magnitude."""
    gx, gy = sobel(plane)
    return sum(float(magnitude(gx[rows], gy[rows]).sum()) for rows in strips(*gx.shape))


@kept
def _kumar_edges(plane: Plane) -> Edges:
    """Sobel / 8 with the border mirrored at the edge pixels; angle 0 where nothing changes."""
    gx, gy = (g / 8 for g in sobel(plane, cv2.BORDER_REFLECT_101))
    level = np.where(gx == 0, 0.0, np.inf)
    slope = np.divide(gx, gy, out=level, where=gy != 0)
    return Edges(magnitude(gx, gy), np.arctan(slope))


@kept
def _kumar_weight(source: Plane) -> Float:
    """g^1.5 of edges worth noticing, 0.001 elsewhere."""
    g = _kumar_edges(source).strength
    return np.where(g >= 2, g**1.5, 0.001)


class _Transfer(NamedTuple):
    """Shares of the source edges; the three add to 1."""

    preserved: float
    lost: float
    added: float


@kept
def _petrovic_transfer(fused: Plane, infrared: Plane, visible: Plane) -> _Transfer:
    f = _kumar_edges(fused)
    preserved = lost = added = total = 0.0
    artifact = (f.strength > _kumar_edges(infrared).strength) & (f.strength > _kumar_edges(visible).strength)
    for source in (infrared, visible):
        x, weight = _kumar_edges(source), _kumar_weight(source)
        high = np.maximum(x.strength, f.strength)
        ratio = np.divide(np.minimum(x.strength, f.strength), high, out=np.zeros_like(high), where=high > 0)
        agreement = np.abs(np.abs(x.angle - f.angle) - np.pi / 2) * (2 / np.pi)
        quality = np.sqrt(_sigmoid(ratio, 0.9999, 19, 0.5) * _sigmoid(agreement, 0.9995, 22, 0.5))
        missing = (1 - quality) * weight
        preserved += float(np.vdot(quality, weight))
        added += float(missing[artifact].sum())
        lost += float(missing[~artifact].sum())
        total += float(weight.sum())
    return _Transfer(preserved / total, lost / total, added / total)


@metric("Qabf_petrovic", source=_KUMAR, bounds=(0.0, 1.0), min_side=2)
def qabf_petrovic(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """Qabf_petrovic = Σ (Q_A w_A + Q_B w_B) / Σ (w_A + w_B); with Labf and Nabf it adds to 1. Constants: about 0.

    Sobel / 8, border mirrored without repeating the edge pixel; w = g^1.5 where g ≥ 2, else 0.001;
    Q = sqrt(0.9999 / (1 + exp(−19 (G − 0.5))) · 0.9995 / (1 + exp(−22 (D − 0.5)))), G = smaller / larger strength
    (0 if either is 0), D = ||a_X − a_F| − π/2| · 2/π, a = atan(gx / gy) (0 if both are 0).
    """
    return _petrovic_transfer(fused, infrared, visible).preserved


@metric("Labf", source=_KUMAR, bounds=(0.0, 1.0), better="lower", min_side=2)
def labf(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """Labf = Σ ((1 − Q_A) w_A + (1 − Q_B) w_B) / Σ (w_A + w_B) over pixels where g_F ≤ g_A or g_F ≤ g_B: edges lost.

    Q, w as in Qabf_petrovic. Constants: about 1.
    """
    return _petrovic_transfer(fused, infrared, visible).lost


@metric("Nabf", source=_KUMAR, bounds=(0.0, 1.0), better="lower", min_side=2)
def nabf(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """Nabf = Σ ((1 − Q_A) w_A + (1 − Q_B) w_B) / Σ (w_A + w_B) over pixels where g_F > g_A and g_F > g_B: edges added.

    Q, w as in Qabf_petrovic. Constants: 0.
    """
    return _petrovic_transfer(fused, infrared, visible).added


@kept
def _tiny_edges(plane: Plane) -> Edges:
    """Sobel edges as Qg wants them: 1e-5 for slopes and strengths of zero."""
    gx, gy = sobel(plane)
    strength = sobel_strength(plane)
    angle = np.arctan(gy / np.where(gx == 0, _TINY, gx))
    return Edges(np.where(strength == 0, _TINY, strength), angle)


@metric(
    "Qg",
    source="Xydeas & Petrović, Proc. SPIE 4051 (2000) 89, per pixel as Liu et al., TPAMI 34 (2012) 94",
    bounds=(0.0, 1.0),
)
def qg(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """Qg = mean over pixels of (Q_A g_A + Q_B g_B) / (g_A + g_B), Sobel with zeros outside, zeros replaced by 1e-5.

    Q = 1 / (1 + exp(−10 (G − 0.5))) / (1 + exp(−20 (D − 0.75))), D = ||a_X − a_F| − π/2| · 2/π, a = atan(gy / gx).
    """
    f = _tiny_edges(fused)
    weighted: Float = np.zeros_like(f.strength)
    total: Float = np.zeros_like(f.strength)
    for source, f_strength in ((infrared, sobel_strength(fused)), (visible, f.strength)):
        x = _tiny_edges(source)
        stronger = sobel_strength(source) > f_strength
        ratio = np.where(stronger, f_strength / x.strength, x.strength / f.strength)
        agreement = np.abs(np.abs(x.angle - f.angle) - np.pi / 2) * (2 / np.pi)
        weighted += _sigmoid(ratio, 1, 10, 0.5) * _sigmoid(agreement, 1, 20, 0.75) * x.strength
        total += x.strength
    return float(np.mean(weighted / total))
