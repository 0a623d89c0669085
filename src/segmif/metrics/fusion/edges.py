"""Metrics of edge transfer: how well the fused picture keeps strength and direction of the sources' edges.

g = edge strength, a = edge angle; Q combines, per pixel and source, a sigmoid of the strength ratio G with one of the
angle agreement D. F fused, A infrared, B visible.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from segmif.metrics.fusion.catalog import metric
from segmif.metrics.fusion.plane import Float, Plane, kept

_XYDEAS_PETROVIC = "Xydeas & Petrović, Electron. Lett. 36 (2000) 308"


@kept
def sobel(plane: Plane) -> tuple[Float, Float]:
    """Sobel 1-2-1 responses to the right and downward, zeros outside: integers held as float64."""
    gx, gy = (cv2.Sobel(plane.levels, cv2.CV_64F, *order, borderType=cv2.BORDER_CONSTANT) for order in ((1, 0), (0, 1)))
    return cast("Float", gx), cast("Float", gy)


@kept
def sobel_strength(plane: Plane) -> Float:
    """Sobel magnitude, zeros outside."""
    gx, gy = sobel(plane)
    return np.sqrt(gx * gx + gy * gy)


@kept
def _angle(plane: Plane) -> Float:
    """Angle in (−π/2, π/2] with y upward; π/2 where nothing changes to the right."""
    gx, gy = sobel(plane)
    slope = np.divide(-gy, gx, out=np.full_like(gx, np.inf), where=gx != 0)
    return cast("Float", np.arctan(slope, out=slope))


def strength_ratio(first: Float, second: Float, tie: Float) -> Float:
    """Smaller over larger; `tie` where both are equal."""
    low, high = np.minimum(first, second), np.maximum(first, second)
    return np.divide(low, high, out=tie.copy(), where=low < high)


def sigmoid(x: Float, gain: float, slope: float, middle: float) -> Float:
    """gain / (1 + exp(−slope (x − middle)))."""
    return cast("Float", gain / (1 + np.exp(slope * (middle - x))))


def qabf_with_tie(fused: Plane, infrared: Plane, visible: Plane, tie_scale: float) -> float:
    """Qabf where equally strong edges get the ratio G = `tie_scale` · g_F; the programs differ in it."""
    g_fused = sobel_strength(fused)
    a_fused = _angle(fused)
    tie = g_fused * tie_scale
    numerator = denominator = 0.0
    for source in (infrared, visible):
        g = sobel_strength(source)
        ratio = strength_ratio(g, g_fused, tie)
        agreement = 1 - np.abs(_angle(source) - a_fused) * (2 / np.pi)
        kept_part = sigmoid(ratio, 0.9994, 15, 0.5)
        kept_part *= sigmoid(agreement, 0.9879, 22, 0.8)
        numerator += float(np.vdot(kept_part, g))
        denominator += float(g.sum())
    return numerator / denominator if denominator > 0 else 0.0


@metric("Qabf", source=_XYDEAS_PETROVIC, bounds=(0.0, 1.0))
def qabf(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """Qabf = Σ (Q_A g_A + Q_B g_B) / Σ (g_A + g_B), Sobel with zeros outside; 0 if the sources are black.

    Q = 0.9994 / (1 + exp(−15 (G − 0.5))) · 0.9879 / (1 + exp(−22 (D − 0.8))), G = min(g_X, g_F) / max(g_X, g_F) and
    g_F where both are equal, D = 1 − |a_X − a_F| / (π/2), a = atan(gy / gx) and π/2 where gx = 0.
    """
    return qabf_with_tie(fused, infrared, visible, 1.0)
