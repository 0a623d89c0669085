"""From whatever the user has to what the network takes: one grid, floats in [0, 1], and notes on what was done.

H, W size of the visible picture, whose grid is the result's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from segmif import io
from segmif.checks import InputError, check_min_size
from segmif.color import luma
from segmif.guide import GUIDE_KINDS, make_guide

Picture = str | os.PathLike[str] | Image.Image | npt.NDArray[Any] | torch.Tensor
"""A file; a Pillow image; an array (H, W) or (H, W, 3); a tensor (H, W), (C, H, W) or (1, C, H, W), C = 1 or 3."""
Guide = str | os.PathLike[str] | Image.Image | npt.NDArray[Any] | torch.Tensor | None
"""A kind ("vsm_wls", "visible", "average"), a picture, a folder of pictures named like the pairs, or None: the kind
the weights were trained with."""

Unit = npt.NDArray[np.float32]

ASPECT_TOLERANCE = 0.1
"""Largest relative difference of width / height at which two pictures may still show the same field of view."""
_GREY_TOLERANCE = 8 / 255
"""Channels that differ by less are grey saved as colour, with the noise of JPEG."""


@dataclass(frozen=True, kw_only=True)
class PreparedPair:
    """A pair on one grid: `infrared` (H, W) and `visible` (H, W, 3), float32 in [0, 1]; what was done in `notes`.

    `guide` is (h, w), of the size the network sees the whole picture at, or None where it needs none. `seconds` and
    `captured` are those of `segmif.streams.StreamPair`.
    """

    name: str
    infrared: Unit
    visible: Unit
    guide: Unit | None = None
    notes: tuple[str, ...] = ()
    seconds: float | None = None
    captured: float | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.infrared.shape[0], self.infrared.shape[1]


def prepare(
    infrared: Picture,
    visible: Picture,
    *,
    name: str = "pair",
    seconds: float | None = None,
    limits: tuple[float, float] | None = None,
) -> PreparedPair:
    """Bring a pair onto one grid and scale.

    The rules: values by `io.to_unit`; infrared saved in colour becomes its luma; grey visible is repeated; the
    infrared picture is resampled to the visible one's size where they differ. `limits` are the infrared values to
    take to 0 and 1, as `segmif.streams.RunningLimits` steadies them for a video; None: those of the picture itself.

    Raises:
        InputError: unreadable or unsuitable pictures, sides below 32 pixels, or shapes so different that they cannot
            show the same field of view.
    """
    notes: list[str] = []
    thermal = _read_unit(infrared, "infrared", limits)
    colour = _read_unit(visible, "visible")
    for band, picture in (("infrared", thermal), ("visible", colour)):
        check_min_size(f"the {band} picture", (picture.shape[0], picture.shape[1]))
        if picture.min() == picture.max():
            kind = "all black" if picture.max() == 0 else "of one value everywhere"
            notes.append(f"the {band} picture is {kind}: the result can only show the other one")
    if thermal.ndim == 3:
        if np.ptp(thermal, axis=2).max() > _GREY_TOLERANCE:
            notes.append("the infrared picture is in false colours: its brightness is used; grey infrared works better")
        thermal = luma(thermal)
    if colour.ndim == 2:
        colour = np.repeat(colour[..., None], 3, axis=2)
    size = (colour.shape[0], colour.shape[1])
    if thermal.shape != size:
        notes.append(_size_note(thermal.shape, size))
        thermal = resample(thermal, size)
    return PreparedPair(name=name, infrared=thermal, visible=colour, notes=tuple(notes), seconds=seconds)


def _size_note(infrared: tuple[int, ...], visible: tuple[int, int]) -> str:
    stretch = _stretch("infrared", infrared, "visible", visible)
    note = f"infrared resampled from {_text(infrared)} to the visible picture's {_text(visible)}"
    return note + (f", stretched by {stretch:.1%}" if stretch > 0.01 else "")


def _stretch(name: str, size: tuple[int, ...], other_name: str, other: tuple[int, ...]) -> float:
    """By how much the aspects of two (height, width) differ, 0 for none.

    Raises:
        InputError: by more than `ASPECT_TOLERANCE`.
    """
    ratio = (size[1] / size[0]) / (other[1] / other[0])
    difference = max(ratio, 1 / ratio) - 1
    if difference > ASPECT_TOLERANCE:
        raise InputError(
            f"{name} is {_text(size)} but {other_name} is {_text(other)}: their shapes differ by {difference:.0%}, so "
            "they do not show the same field of view; crop or register one of them first"
        )
    return difference


def _text(size: tuple[int, ...]) -> str:
    return f"{size[1]}x{size[0]}"


def resample(picture: Unit, size: tuple[int, int]) -> Unit:
    """A float picture at another (height, width): bilinear upwards, area mean downwards.

    >>> resample(np.eye(4, dtype=np.float32), (2, 2)).tolist()
    [[0.5, 0.0], [0.0, 0.5]]
    """
    height, width = picture.shape[:2]
    method = cv2.INTER_AREA if size[0] * size[1] < height * width else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (size[1], size[0]), interpolation=method), np.float32)


def _read_unit(picture: Picture, band: io.Band, limits: tuple[float, float] | None = None) -> Unit:
    """(H, W) or (H, W, 3) float32 in [0, 1]."""
    where = f"{os.fspath(picture)}: " if isinstance(picture, str | os.PathLike) else ""
    array = as_array(picture, f"the {band} picture")
    try:
        return io.to_unit(array, band, limits=limits)
    except InputError as error:
        raise InputError(f"{where}{error}") from error


def as_array(picture: Picture, what: str) -> npt.NDArray[Any]:
    """Any `Picture` as an array (H, W) or (H, W, 3) in its stored type.

    Raises:
        InputError: unreadable, of another type, or of another shape.
    """
    if isinstance(picture, str | os.PathLike):
        return io.read_image(picture)
    if isinstance(picture, Image.Image):
        return io.from_pillow(picture)
    if isinstance(picture, torch.Tensor):
        picture = _tensor_array(picture)
    if not isinstance(picture, np.ndarray):
        raise InputError(f"{what} is a {type(picture).__name__}: give a path, a PIL image, an array or a tensor")
    if picture.ndim == 3 and picture.shape[2] in (1, 4):
        picture = picture[..., 0] if picture.shape[2] == 1 else picture[..., :3]
    if picture.ndim not in (2, 3) or (picture.ndim == 3 and picture.shape[2] != 3):
        raise InputError(f"{what} has shape {picture.shape}: expected (H, W) or (H, W, 3)")
    return picture.astype(np.float32) if picture.dtype.kind == "f" else picture


def _tensor_array(tensor: torch.Tensor) -> npt.NDArray[Any]:
    """Channels last; a batch of one is unpacked."""
    tensor = tensor.detach().cpu()
    if tensor.is_floating_point():
        tensor = tensor.float()
    if tensor.ndim == 4 and len(tensor) == 1:
        tensor = tensor[0]
    if tensor.ndim == 3 and tensor.shape[0] in (1, 3):
        tensor = tensor.permute(1, 2, 0)
    array: npt.NDArray[Any] = tensor.numpy()
    return array


def guide_maker(guide: Guide, trained_with: str, name: str) -> Callable[[Unit, Unit], Unit]:
    """What makes the guide of the pair `name` from its (infrared, visible) in [0, 1].

    Args:
        guide: the user's wish.
        trained_with: the kind used where `guide` is None.
        name: with sub-folder, if any; looked for where `guide` is a folder.

    Raises:
        InputError: neither a kind nor a readable picture, or a shape unlike the pair's (when called).
    """
    wanted = trained_with if guide is None else guide
    if isinstance(wanted, str) and wanted in GUIDE_KINDS:
        kind = wanted
        return lambda infrared, visible: make_guide(kind, infrared, luma(visible))
    if isinstance(wanted, str | os.PathLike):
        wanted = _guide_file(Path(wanted), name)
    picture = luma(_read_unit(wanted, "visible"))

    def from_picture(infrared: Unit, visible: Unit) -> Unit:
        size = (infrared.shape[0], infrared.shape[1])
        _stretch("the guide", picture.shape, "visible", size)
        return picture if picture.shape == size else resample(picture, size)

    return from_picture


def _guide_file(path: Path, name: str) -> Path:
    if not path.is_dir():
        if not path.exists():
            raise InputError(f"guide {path}: neither a file nor one of {', '.join(GUIDE_KINDS)}")
        return path
    matches = sorted(p for p in (path / name).parent.glob("*") if p.stem == Path(name).name and io.is_image(p))
    if not matches:
        raise InputError(f"{path}: holds no guide named like the pair {name!r}; add {name}.png")
    return matches[0]
