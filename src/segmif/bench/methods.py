"""Classic fusion methods to compare with, written from their papers; and a folder of somebody's results as a method.

A method takes `infrared` and the visible `luma`, grey (H, W) float in [0, 1] of one size, and returns the fused luma,
(H, W) float32 in [0, 1]. All raise `InputError` for anything else. They need no training and no seed.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from segmif.bench.gradient_transfer import transfer_gradients
from segmif.checks import InputError, check_same_size, require_extra, unknown
from segmif.color import luma as luma_of
from segmif.color import rgb_to_ycrcb, ycrcb_to_rgb
from segmif.guide import check_pair, guided_filter, vsm_wls
from segmif.io import read_image
from segmif.pairing import list_images

Array = npt.NDArray[Any]
Picture = npt.NDArray[np.float32]
Method = Callable[[Array, Array], Picture]

METHODS: dict[str, Method] = {}
"""Every method by its name, in the order of the tables."""

_TINY = 1e-12


def get_method(name: str) -> Method:
    """The method of that name.

    Raises:
        InputError: there is none; the message lists them.
    """
    if name not in METHODS:
        raise unknown("fusion method", name, METHODS)
    return METHODS[name]


def fuse_luma(method: Method, infrared: Array, visible: Array) -> Picture:
    """Colour fusion as this package does it: the luma is fused, the chroma of the visible picture kept.

    Args:
        method: any of `METHODS`.
        infrared: (H, W) float in [0, 1].
        visible: RGB (H, W, 3) float in [0, 1].

    Returns:
        RGB (H, W, 3) float32, clipped to [0, 1].
    """
    _check_rgb(visible)
    ycrcb = rgb_to_ycrcb(torch.from_numpy(np.ascontiguousarray(visible, np.float32)).permute(2, 0, 1))
    ycrcb[0] = torch.from_numpy(method(infrared, luma_of(visible)))
    fused: Picture = ycrcb_to_rgb(ycrcb).clamp(0, 1).permute(1, 2, 0).contiguous().numpy()
    return fused


def fuse_channels(method: Method, infrared: Array, visible: Array) -> Picture:
    """Colour fusion as VIFB's pictures of VSM-WLS are made: R, G and B are fused with the infrared one by one.

    Arguments and result as `fuse_luma`.
    """
    _check_rgb(visible)
    return np.stack([method(infrared, visible[..., channel]) for channel in range(3)], axis=-1)


def _check_rgb(visible: Array) -> None:
    if visible.ndim != 3 or visible.shape[2] != 3:
        raise InputError(f"visible has shape {visible.shape}: expected RGB (H, W, 3); repeat a grey one three times")


class ResultFolder:
    """Pictures some other program fused, by the name of the pair: ``ResultFolder("results/SeAFusion")("0007")``."""

    def __init__(self, folder: str | os.PathLike[str], *, recursive: bool = False) -> None:
        """List the folder; raises `InputError` if there is none or it holds no picture."""
        self.folder = Path(folder)
        self._files = list_images(self.folder, recursive=recursive)
        if not self._files:
            raise InputError(f"{folder}: holds no picture; give the folder of the fused pictures")

    def missing(self, names: list[str]) -> list[str]:
        """Those of `names` without a picture here, in their order."""
        return [name for name in names if name not in self._files]

    def __call__(self, name: str, *, size: tuple[int, int] | None = None) -> Array:
        """The picture of pair `name` as stored, (H, W) or RGB (H, W, 3).

        Args:
            name: the stem of the pair, with sub-folder if any.
            size: (height, width) it must have, or None.

        Raises:
            InputError: there is none of that name, it cannot be read, or it has another size.
        """
        if name not in self._files:
            raise InputError(
                f"{self.folder}: holds no picture named {name!r} among its {len(self._files)}; "
                "results must have the name of their pair"
            )
        picture = read_image(self._files[name])
        if size is not None:
            check_same_size(str(self._files[name]), (picture.shape[0], picture.shape[1]), "its pair", size)
        return picture


def _method(name: str) -> Callable[[Method], Method]:
    """Register a method; it gets checked float32 pictures, and its result is clipped to [0, 1]."""

    def register(function: Method) -> Method:
        @functools.wraps(function)
        def checked(infrared: Array, luma: Array) -> Picture:
            return np.clip(function(*check_pair(infrared, luma)), 0, 1).astype(np.float32)

        METHODS[name] = checked
        return checked

    return register


@_method("average")
def average(infrared: Array, luma: Array) -> Array:
    """The mean of both."""
    mean: Array = (infrared + luma) / 2
    return mean


@_method("maximum")
def maximum(infrared: Array, luma: Array) -> Array:
    """The larger of both, pixel by pixel."""
    return np.maximum(infrared, luma)


@_method("laplacian")
def laplacian(infrared: Array, luma: Array) -> Array:
    """Laplacian pyramid: details by larger magnitude, coarsest level averaged (Burt & Adelson 1983, Toet 1989)."""
    levels = _levels(infrared.shape)
    (*details_1, base_1), (*details_2, base_2) = _pyramid(infrared, levels), _pyramid(luma, levels)
    fused: Array = (base_1 + base_2) / 2
    for first, second in zip(reversed(details_1), reversed(details_2), strict=True):
        fused = _larger(first, second) + cv2.pyrUp(fused, dstsize=first.shape[::-1])
    return fused


@_method("wavelet")
def wavelet(infrared: Array, luma: Array) -> Array:
    """Discrete wavelet transform (db2): details by larger magnitude, approximation averaged (Li et al. 1995).

    Needs PyWavelets, from the extra `bench`.
    """
    pywt = require_extra("pywt", "bench")
    levels = min(_levels(infrared.shape), pywt.dwtn_max_level(infrared.shape, "db2"))
    base_1, *details_1 = pywt.wavedec2(infrared, "db2", level=levels)
    base_2, *details_2 = pywt.wavedec2(luma, "db2", level=levels)
    details = [tuple(map(_larger, first, second)) for first, second in zip(details_1, details_2, strict=True)]
    fused: Array = pywt.waverec2([(base_1 + base_2) / 2, *details], "db2")
    return fused[: infrared.shape[0], : infrared.shape[1]]


@_method("tif")
def two_scale(infrared: Array, luma: Array) -> Array:
    """TIF: mean-filter base, averaged; detail weighted by saliency (Bavirisetti & Dhuli, IPT 76, 2016).

    Saliency is (35×35 mean − 3×3 median)².
    """
    base_1, base_2 = (cv2.blur(image, (35, 35), borderType=cv2.BORDER_REFLECT) for image in (infrared, luma))
    saliency_1 = (base_1 - cv2.medianBlur(infrared, 3)) ** 2
    saliency_2 = (base_2 - cv2.medianBlur(luma, 3)) ** 2
    share = (saliency_1 + _TINY) / (saliency_1 + saliency_2 + 2 * _TINY)
    fused: Array = (base_1 + base_2) / 2 + share * (infrared - base_1) + (1 - share) * (luma - base_2)
    return fused


@_method("gff")
def guided_filter_fusion(infrared: Array, luma: Array) -> Array:
    """GFF: two scales, each weighted by a saliency map the guided filter fits to edges (Li, Kang, Hu, TIP 22(7), 2013).

    Saliency is the blurred magnitude of the Laplacian; the weight is which picture has more of it.
    """
    sources = [luma.astype(np.float64), infrared.astype(np.float64)]
    saliencies = [cv2.Laplacian(source, cv2.CV_64F, borderType=cv2.BORDER_REPLICATE) for source in sources]
    blurred = [
        cv2.GaussianBlur(np.abs(saliency), (11, 11), 5, borderType=cv2.BORDER_REPLICATE) for saliency in saliencies
    ]
    choice = (blurred[0] >= blurred[1]).astype(np.float64)
    bases = [cv2.blur(source, (31, 31), borderType=cv2.BORDER_REPLICATE) for source in sources]
    details = [source - base for source, base in zip(sources, bases, strict=True)]
    fused = np.zeros_like(choice)
    for layers, radius, eps in ((bases, 45, 0.3), (details, 7, 1e-6)):
        weights = [
            np.clip(guided_filter(source, mask, radius, eps), 0, 1) + _TINY
            for source, mask in zip(sources, (choice, 1 - choice), strict=True)
        ]
        fused += (weights[0] * layers[0] + weights[1] * layers[1]) / (weights[0] + weights[1])
    return fused


@_method("gtf")
def gradient_transfer(infrared: Array, luma: Array) -> Array:
    """GTF: infrared intensity with visible gradients (Ma et al., Information Fusion 31, 2016), λ = 4."""
    return transfer_gradients(infrared, luma, weight=4.0)


METHODS["vsm_wls"] = vsm_wls


def _levels(shape: tuple[int, ...]) -> int:
    """Four levels, fewer for a small picture: the coarsest keeps a few pixels."""
    return max(0, min(4, int(np.log2(min(shape))) - 2))


def _pyramid(image: Array, levels: int) -> list[Array]:
    """Detail levels, fine to coarse, and the rest."""
    layers = []
    for _ in range(levels):
        coarse = cv2.pyrDown(image)
        layers.append(image - cv2.pyrUp(coarse, dstsize=image.shape[::-1]))
        image = coarse
    return [*layers, image]


def _larger(first: Array, second: Array) -> Array:
    """Element by element the one of larger magnitude."""
    return np.where(np.abs(first) >= np.abs(second), first, second)
