"""RGB <-> YCrCb as the network uses it, for torch tensors and numpy arrays alike.

Y  = 0.299 R + 0.587 G + 0.114 B,   Cr = 0.713 (R − Y) + 0.5,   Cb = 0.564 (B − Y) + 0.5
R  = Y + 1.403 (Cr − ½),   G = Y − 0.714 (Cr − ½) − 0.344 (Cb − ½),   B = Y + 1.773 (Cb − ½)

All values are float in [0, 1]; nothing is clamped.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

LUMA_WEIGHTS = (0.299, 0.587, 0.114)


def rgb_to_ycrcb(rgb: Tensor) -> Tensor:
    """(..., 3, H, W) RGB to (..., 3, H, W) in the order Y, Cr, Cb.

    >>> rgb_to_ycrcb(torch.ones(1, 3, 1, 1)).flatten().round(decimals=3).tolist()
    [1.0, 0.5, 0.5]
    """
    red, green, blue = rgb.unbind(-3)
    luma = LUMA_WEIGHTS[0] * red + LUMA_WEIGHTS[1] * green + LUMA_WEIGHTS[2] * blue
    return torch.stack((luma, 0.713 * (red - luma) + 0.5, 0.564 * (blue - luma) + 0.5), dim=-3)


def ycrcb_to_rgb(ycrcb: Tensor) -> Tensor:
    """(..., 3, H, W) in the order Y, Cr, Cb to (..., 3, H, W) RGB."""
    luma, cr, cb = ycrcb.unbind(-3)
    cr, cb = cr - 0.5, cb - 0.5
    return torch.stack((luma + 1.403 * cr, luma - 0.714 * cr - 0.344 * cb, luma + 1.773 * cb), dim=-3)


def luma(rgb: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The Y of an (H, W, 3) RGB array in [0, 1]; a grey (H, W) array is returned unchanged."""
    if rgb.ndim == 2:
        return rgb
    return np.ascontiguousarray(rgb @ np.asarray(LUMA_WEIGHTS, np.float32))
