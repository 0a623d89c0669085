"""Guide and fusion target: a grey picture made from a pair without any learning.

`vsm_wls` follows Ma, Zhou, Wang, Zong, "Infrared and visible image fusion based on visual saliency map and weighted
least square optimization", Infrared Physics & Technology 82:8-17, 2017.

All pictures are grey (H, W), float in [0, 1], of any size; results are float32.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from segmif.checks import InputError, check_same_size, unknown

Array = npt.NDArray[Any]
Picture = npt.NDArray[np.float32]
Result = TypeVar("Result")

_DETAIL_SIGMAS = (2, 4, 8)
"""Scales in pixels of the edge-preserving detail layers, fine to coarse."""
_BASE_SIGMA = 2
_RANGE_SIGMA = 0.05
_ROLLS = 4
_MASK_SIGMA = 2
_ANCHOR_WEIGHT = 0.01
_ACTIVITY_SIDE = 7
_TINY = 1e-6

_SLACK = 1e-3
"""By how much rounding may leave [0, 1]."""


def vsm_wls(infrared: Array, luma: Array, *, anchor: Literal["infrared", "visible"] = "infrared") -> Picture:
    """Fuse a pair by visual saliency (base layers) and weighted least squares (detail layers).

    Both pictures are split by `rolling_guidance` of growing scale and a last Gaussian into four detail layers and a
    base. With V the `visual_saliency`, the base is ½(1 + V_A − V_B) B_A + ½(1 + V_B − V_A) B_B. The finest detail is
    the larger by magnitude. Each coarser detail D minimises Σ (D − M)² + λ a (D − D_A)², where M chooses the larger
    detail by a blurred mask, a = 1 / (|mean of D_B over 7×7| + ε) and λ = 0.01: where B has no detail, D follows the
    anchor A. No term couples two pixels, so the minimum is closed: D = (M + λ a D_A) / (1 + λ a).

    Args:
        infrared: (H, W) float in [0, 1].
        luma: the visible picture's Y, same shape.
        anchor: which picture is A. The published result pictures of the method (VIFB's) are made with the infrared
            one; "visible" keeps more of the visible texture and less infrared noise.

    Returns:
        (H, W) float32, clipped to [0, 1].

    Raises:
        InputError: a picture is not a grey float in [0, 1], or their sizes differ.
    """
    infrared, luma = check_pair(infrared, luma)
    if anchor not in ("infrared", "visible"):
        raise unknown("anchor", anchor, ("infrared", "visible"))
    first, second = (infrared, luma) if anchor == "infrared" else (luma, infrared)
    (details_1, base_1), (details_2, base_2) = _both(_decompose, first, second)
    preference = visual_saliency(first) - visual_saliency(second)
    fused = (base_1 + base_2) / 2 + preference * (base_1 - base_2) / 2
    fused += np.where(np.abs(details_1[0]) < np.abs(details_2[0]), details_2[0], details_1[0])
    for detail_1, detail_2 in zip(details_1[1:], details_2[1:], strict=True):
        fused += _fuse_detail(detail_1, detail_2)
    clipped: Picture = np.clip(fused, 0, 1)
    return clipped


def make_guide(kind: str, infrared: Array, luma: Array) -> Picture:
    """The guide of a pair by its name, one of `GUIDE_KINDS`.

    Args:
        kind: ``"vsm_wls"``, ``"visible"`` (the luma itself), ``"average"`` (the mean of both) or ``"maximum"`` (the
            brighter of both).
        infrared: (H, W) float in [0, 1].
        luma: the visible picture's Y, same shape.

    Raises:
        InputError: an unknown kind, or pictures `vsm_wls` would refuse.
    """
    if kind not in _MAKERS:
        raise unknown("guide", kind, GUIDE_KINDS)
    return _MAKERS[kind](*check_pair(infrared, luma))


def _average(infrared: Picture, luma: Picture) -> Picture:
    mean: Array = (infrared + luma) / 2
    return mean


_MAKERS: dict[str, Callable[[Picture, Picture], Picture]] = {
    "vsm_wls": vsm_wls,
    "visible": lambda infrared, luma: luma.copy(),
    "average": _average,
    "maximum": lambda infrared, luma: np.maximum(infrared, luma),
}
GUIDE_KINDS = tuple(_MAKERS)
"""Names `make_guide` knows."""


def visual_saliency(image: Array) -> Picture:
    """How much each pixel's grey level differs from all pixels', stretched to [0, 1] (a constant picture: 0).

    V(p) = Σ_q |I_p − I_q| over 256 grey levels (Zhai & Shah, ACM Multimedia 2006).

    Args:
        image: (H, W) float in [0, 1].
    """
    levels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    counts = np.bincount(levels.ravel(), minlength=256).astype(np.float64)
    steps = np.arange(256)
    contrast = np.abs(steps[:, None] - steps) @ counts
    present = contrast[counts > 0]
    span = np.ptp(present)
    table = (contrast - present.min()) / span if span > 0 else np.zeros(256)
    saliency: Picture = table.astype(np.float32)[levels]
    return saliency


def rolling_guidance(image: Array, sigma_s: int, sigma_r: float, rolls: int = _ROLLS) -> Array:
    """Remove structures smaller than `sigma_s` pixels and keep the edges of what is larger (Zhang et al., ECCV 2014).

    The picture is blurred, then sharpened again `rolls` times: each time it is filtered with the last result as
    guide. The joint filter is `guided_filter` of radius `sigma_s` and ε = `sigma_r`².

    Args:
        image: (H, W) float.
        sigma_s: scale in pixels.
        sigma_r: contrast, in units of the picture, from which an edge is kept.
        rolls: how often.
    """
    result = _gaussian(image, sigma_s, cv2.BORDER_REPLICATE)
    windows = _Windows(image, sigma_s)
    mean_image = windows.mean(image)
    for _ in range(rolls):
        result = _guided(windows, result, image, mean_image, sigma_r**2)
    return result


def guided_filter(guide: Array, image: Array, radius: int, eps: float) -> Array:
    """Smooth `image` along the edges of `guide` (He, Sun, Tang, TPAMI 35(6), 2013); windows are cut at the border.

    Args:
        guide: (H, W) float.
        image: (H, W) of the same dtype; float64 where `eps` is below 1e-4.
        radius: of the square window, in pixels.
        eps: variance, in squared units of the guide, below which a window counts as flat.
    """
    windows = _Windows(image, radius)
    return _guided(windows, guide, image, windows.mean(image), eps)


class _Windows:
    """Means over square windows that are cut at the border."""

    def __init__(self, like: Array, radius: int) -> None:
        self.side = (2 * radius + 1, 2 * radius + 1)
        self.whole: Array | float = 1.0
        self.whole = 1 / self.mean(np.ones_like(like))

    def mean(self, values: Array) -> Array:
        total: Array = cv2.boxFilter(values, -1, self.side, borderType=cv2.BORDER_CONSTANT)
        total *= self.whole
        return total


def _guided(windows: _Windows, guide: Array, image: Array, mean_image: Array, eps: float) -> Array:
    mean_guide = windows.mean(guide)
    slope = windows.mean(guide * image)
    slope -= mean_guide * mean_image
    variance = windows.mean(guide * guide)
    variance -= mean_guide * mean_guide
    variance += eps
    slope /= variance
    offset = mean_image - slope * mean_guide
    smooth = windows.mean(slope)
    smooth *= guide
    smooth += windows.mean(offset)
    return smooth


def _both(function: Callable[[Array], Result], first: Array, second: Array) -> tuple[Result, Result]:
    """`function` of two pictures, at the same time if OpenCV may use more than one thread."""
    if cv2.getNumThreads() < 2:
        return function(first), function(second)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(function, second)
        return function(first), other.result()


def _decompose(image: Array) -> tuple[list[Array], Array]:
    """Detail layers, fine to coarse, and the base; they add up to the picture."""
    details = []
    for sigma in _DETAIL_SIGMAS:
        smooth = rolling_guidance(image, sigma, _RANGE_SIGMA)
        details.append(image - smooth)
        image = smooth
    base = _gaussian(image, _BASE_SIGMA, cv2.BORDER_REPLICATE)
    return [*details, image - base], base


def _fuse_detail(anchor: Array, other: Array) -> Array:
    """The closed minimum of the weighted least squares in `vsm_wls`."""
    mask = (np.abs(anchor) < np.abs(other)).astype(np.float32)
    mask = _gaussian(mask, _MASK_SIGMA, cv2.BORDER_REFLECT)
    larger = anchor + mask * (other - anchor)
    activity = np.abs(cv2.blur(other, (_ACTIVITY_SIDE, _ACTIVITY_SIDE), borderType=cv2.BORDER_REPLICATE))
    weight = _ANCHOR_WEIGHT / (activity + _TINY)
    fused: Array = (larger + weight * anchor) / (1 + weight)
    return fused


def _gaussian(image: Array, sigma: int, border: int) -> Array:
    """A Gaussian cut off at three sigma."""
    side = 6 * sigma + 1
    return cv2.GaussianBlur(image, (side, side), sigma, borderType=border)


def check_pair(infrared: Array, luma: Array) -> tuple[Picture, Picture]:
    """Both pictures as contiguous float32.

    Raises:
        InputError: a picture is not a grey (H, W) float in [0, 1], or their sizes differ.
    """
    pictures = []
    for name, picture in (("infrared", infrared), ("luma", luma)):
        if picture.ndim != 2 or picture.size == 0:
            raise InputError(
                f"{name} has shape {picture.shape}: expected a grey (H, W) picture; take the luma of a colour one"
            )
        if picture.dtype.kind != "f":
            raise InputError(
                f"{name} has dtype {picture.dtype}: expected float in [0, 1]; convert with segmif.io.to_unit"
            )
        low, high = float(picture.min()), float(picture.max())
        if not (low >= -_SLACK and high <= 1 + _SLACK):
            raise InputError(f"{name} has values {low:g}..{high:g}: expected [0, 1]; convert with segmif.io.to_unit")
        pictures.append(np.ascontiguousarray(picture, np.float32))
    check_same_size("infrared", infrared.shape, "luma", luma.shape)
    return pictures[0], pictures[1]
