"""What infrared and visible pictures of one scene share: the directions of their edges.

A hot object is bright in one band and dark in the other, so gradients may point opposite ways; their *direction modulo
180°* is common. Doubling the angle makes it a number: an edge with gradient g = |g| e^{iθ} becomes |g| e^{2iθ}
(the idea of normalized gradient fields, Haber & Modersitzki 2006, and of double-angle orientation tensors, Granlund &
Knutsson 1995). The product of two such fields, Re(f·conj(v)) = |f||v| cos 2(θ_f − θ_v), is large where edges lie on
edges of the same direction, and its sum over all shifts is one complex correlation.
"""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.float32]
Mask = npt.NDArray[np.uint8]
Field = npt.NDArray[np.complex64]

_SMOOTHING = 1.0
"""Standard deviation in pixels of the blur before the derivative."""
_NEIGHBOURHOOD = 12.0
"""Standard deviation in pixels of the window in which contrast is evened out."""
_FLOOR = 0.3
"""Local contrast below this share of the picture's is taken for noise and not raised to the common level."""
_CAP = 2.0
"""Edges count up to this many times the contrast around them: no headlamp outvotes a street."""
_FILL_LEVEL = 0.012
"""Share of the maximum up to which a pixel may be the black that a warp leaves (compressed files blur it)."""
_MARGIN = 4
"""Pixels beside invalid ones whose gradients see the border between both."""


def valid_area(image: npt.NDArray[Any]) -> Mask:
    """1 where the picture has content, 0 in the black wedges that an earlier warp left at its border; (H, W).

    A warp leaves a convex picture, so the convex hull of all pixels that are not black is kept: dark sky and dark
    roads inside it stay valid.
    """
    bright = image if image.ndim == 2 else image.max(axis=2)
    peak = float(bright.max(initial=0))
    area = np.zeros(bright.shape, np.uint8)
    points = cv2.findNonZero((bright > _FILL_LEVEL * peak).astype(np.uint8)) if peak > 0 else None
    if points is not None:
        cv2.fillConvexPoly(area, cv2.convexHull(points), (1,))
    return area


def inner(valid: Mask) -> Mask:
    """`valid` without the pixels whose gradient sees beyond it; the picture's own frame takes nothing away."""
    side = 2 * _MARGIN + 1
    return cast("Mask", cv2.erode(valid, np.ones((side, side), np.uint8), borderType=cv2.BORDER_REPLICATE))


def orientation_field(grey: Grey, inside: Mask) -> Field:
    """The edges of a picture as |g| e^{2iθ}, contrast evened out over the picture; (H, W), 0 outside `inside`."""
    smooth = cv2.GaussianBlur(grey, (0, 0), _SMOOTHING)
    weight = inside.astype(np.float32)
    dx = cv2.Scharr(smooth, cv2.CV_32F, 1, 0) * weight
    dy = cv2.Scharr(smooth, cv2.CV_32F, 0, 1) * weight
    power = dx * dx + dy * dy
    around = _local_mean(power) / (_local_mean(weight) + np.float32(1e-3))
    typical = float(power.sum()) / max(1.0, float(weight.sum()))
    contrast = cv2.sqrt(around) + np.float32(_FLOOR * typical**0.5 + 1e-9)
    strength = cv2.sqrt(power) + np.float32(1e-12)
    scale = np.minimum(1 / contrast, np.float32(_CAP) / strength) / strength
    field = np.empty(grey.shape, np.complex64)
    field.real = (dx * dx - dy * dy) * scale
    field.imag = 2 * dx * dy * scale
    return field


def _local_mean(image: Grey) -> Grey:
    """Gaussian mean over the neighbourhood, computed on a quarter of the side: it is that smooth."""
    height, width = image.shape
    small = cv2.resize(image, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), _NEIGHBOURHOOD / 4)
    return cast("Grey", cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR))
