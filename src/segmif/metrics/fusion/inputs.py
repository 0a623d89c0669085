"""What a picture may be, and how it becomes the 256 grey levels that all metrics are defined on.

- uint8 (H, W) or (H, W, 3): as it is. A torch tensor may also be (1, H, W) or (3, H, W).
- float in [0, 1]: times 255, rounded half up.
- Everything else is refused with the remedy: the scale of a float picture in 0..255 or of a 16-bit one is a guess,
  and a wrong guess gives plausible numbers.
"""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt
import torch

from segmif.checks import InputError, check_same_size
from segmif.metrics.fusion.catalog import View
from segmif.metrics.fusion.plane import Levels

_ROUNDING_SLACK = 1e-6


def as_levels(name: str, image: Any) -> Levels:
    """A picture as uint8 (H, W) or (H, W, 3); `name` is what errors call it.

    Raises:
        InputError: no picture, another shape or dtype, NaN, or values whose scale is not 0..1 or 0..255 for sure.
    """
    array = _as_array(name, image)
    if array.dtype == np.uint8:
        if array.max() == 1 and array.min() == 0:
            raise InputError(
                f"the {name} image is uint8 but holds only 0 and 1, like [0, 1] floats cut off: "
                "multiply by 255 before .astype(np.uint8)"
            )
        return array
    if array.dtype.kind == "f":
        return _quantised(name, array)
    if array.dtype == np.uint16:
        raise InputError(
            f"the {name} image is uint16: metrics are defined on 256 grey levels; use "
            "(segmif.io.to_unit(image, band) * 255).round().astype(np.uint8) or the scaling the fusion used"
        )
    raise InputError(
        f"the {name} image has dtype {array.dtype}: expected uint8 or float in [0, 1]; "
        "convert grey levels 0..255 with .astype(np.uint8)"
    )


def _as_array(name: str, image: Any) -> npt.NDArray[Any]:
    """The picture as an array (H, W) or (H, W, 3) of any dtype."""
    if image is None:
        raise InputError(f"the {name} image is missing: give all of fused, infrared and visible")
    if isinstance(image, torch.Tensor):
        image = image.detach().cpu()
        if image.ndim == 3 and image.shape[0] in (1, 3) and image.shape[2] not in (1, 3):
            image = image.permute(1, 2, 0)
        image = image.float() if image.dtype in (torch.bfloat16, torch.float16) else image
        array = cast("npt.NDArray[Any]", image.numpy())
    else:
        array = np.asarray(image)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim == 3 and array.shape[2] == 4:
        raise InputError(f"the {name} image has 4 channels: drop alpha with image[..., :3]")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        raise InputError(f"the {name} image must have shape (H, W) or (H, W, 3), got {array.shape}; one picture a call")
    if array.size == 0:
        raise InputError(f"the {name} image is empty, shape {array.shape}; check how it was cropped")
    return array


def _quantised(name: str, array: npt.NDArray[Any]) -> Levels:
    """Floats in [0, 1] to 256 levels."""
    finite = np.isfinite(array)
    if not finite.all():
        raise InputError(f"the {name} image holds {int((~finite).sum())} NaN or infinite values: fill them first")
    low, high = float(array.min()), float(array.max())
    if low < -_ROUNDING_SLACK or high > 1 + _ROUNDING_SLACK:
        remedy = "np.rint(image).astype(np.uint8)" if low >= 0 and high <= 255 else "image.clip(0, 1)"
        raise InputError(f"the {name} image is float with values {low:g}..{high:g}: expected 0..1; use {remedy}")
    if low < high <= 1 / 255 + _ROUNDING_SLACK:
        raise InputError(
            f"the {name} image is float with values {low:g}..{high:g}, as if divided by 255 twice: multiply it by 255"
        )
    return np.floor(array.astype(np.float64).clip(0, 1) * 255 + 0.5).astype(np.uint8)


def check_sizes(fused: Levels, infrared: Levels | None, visible: Levels | None) -> None:
    """Raise `InputError` unless the sources have the size of the fused image."""
    for name, image in (("infrared", infrared), ("visible", visible)):
        if image is not None:
            check_same_size("the fused image", _size(fused), f"the {name} image", _size(image))


def _size(levels: Levels) -> tuple[int, int]:
    return levels.shape[0], levels.shape[1]


def luma_levels(levels: Levels) -> Levels:
    """Y = 0.298936 R + 0.587043 G + 0.114021 B rounded half up, in exact integers; grey is unchanged."""
    if levels.ndim == 2:
        return levels
    weighted = levels.astype(np.int32) @ np.array([298936, 587043, 114021], np.int32)
    return ((weighted + 500_000) // 1_000_000).astype(np.uint8)


def opencv_luma_levels(levels: Levels) -> Levels:
    """OpenCV's float32 luma (0.299, 0.587, 0.114), rounded half to even; grey is unchanged."""
    if levels.ndim == 2:
        return levels
    luma = cv2.cvtColor(levels.astype(np.float32), cv2.COLOR_RGB2GRAY)
    return np.rint(luma).astype(np.uint8)


def planes_of(levels: Levels, view: View) -> list[Levels]:
    """The grey pictures that a metric with this view of colour looks at, one after the other."""
    if view == "grey":
        return [luma_levels(levels)]
    if view == "opencv grey":
        return [opencv_luma_levels(levels)]
    channels = [levels] if levels.ndim == 2 else [levels[..., k] for k in range(3)]
    return channels if view == "channels" else [np.hstack(channels)]
