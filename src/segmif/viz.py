"""Pictures for people: coloured labels, overlays with a legend, side-by-side panels and contact sheets.

Pictures are uint8, RGB (H, W, 3) or grey (H, W); label maps are (H, W) uint8 class ids, 255 = ignore.
Classes whose palette colour is black (unlabelled, background) are left untinted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from segmif.checks import InputError, check_same_size
from segmif.labelsets import IGNORE, LabelSet

Picture = npt.NDArray[np.uint8]
Legend = Literal["present", "all", "none"]

_BACKGROUND = (24, 26, 30)
_TEXT = (236, 238, 240)
_FAINT = (122, 126, 132)


def colour_labels(labels: Picture, label_set: LabelSet) -> Picture:
    """Class ids (H, W) to their palette colours, RGB (H, W, 3)."""
    return label_set.colours()[labels]


def class_shares(labels: Picture, label_set: LabelSet) -> list[tuple[int, float]]:
    """Classes present in `labels` as (id, share of the labelled pixels in 0..1), largest first.

    Pixels with the ignore value or an id beyond the label set do not count.

    >>> from segmif.labelsets import CWFID
    >>> class_shares(np.array([[0, 0, 0, 2], [255, 255, 255, 255]], np.uint8), CWFID)
    [(0, 0.75), (2, 0.25)]
    """
    counts = np.bincount(labels.ravel(), minlength=256)[: len(label_set)]
    total = int(counts.sum())
    present = [(int(i), float(counts[i] / total)) for i in np.flatnonzero(counts)]
    return sorted(present, key=lambda item: (-item[1], item[0]))


def blend_labels(picture: Picture, labels: Picture, label_set: LabelSet, *, opacity: float = 0.45) -> Picture:
    """Tint `picture` with the label colours and draw the borders between classes; RGB (H, W, 3).

    Args:
        opacity: 0 shows the picture alone, 1 the colours alone. Borders keep the class colour at full strength.

    Raises:
        InputError: the two differ in size, or `opacity` is outside [0, 1].
    """
    check_same_size("picture", picture.shape[:2], "label map", labels.shape)
    if not 0.0 <= opacity <= 1.0:
        raise InputError(f"opacity is {opacity:g}: choose a value from 0 to 1")
    base = to_rgb(picture)
    colours = colour_labels(labels, label_set)
    tinted = (colours.any(axis=2) & (labels != IGNORE))[..., None]
    mixed = np.rint(base * np.float32(1 - opacity) + colours * np.float32(opacity)).astype(np.uint8)
    return np.where(tinted, np.where(_borders(labels)[..., None], colours, mixed), base)


def _borders(labels: Picture) -> npt.NDArray[np.bool_]:
    """Pixels whose right or lower neighbour has another class."""
    border = np.zeros(labels.shape, bool)
    border[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    border[:-1] |= labels[:-1] != labels[1:]
    return border


def overlay(
    picture: Picture, labels: Picture, label_set: LabelSet, *, opacity: float = 0.45, legend: Legend = "present"
) -> Image.Image:
    """`picture` tinted with its labels, and a legend below it: class, colour, share of the labelled pixels.

    Args:
        legend: ``"present"`` lists the classes found, largest first; ``"all"`` lists every class at a fixed place,
            absent ones faint, so that the frames of a video keep one size; ``"none"`` draws the picture alone.

    Returns:
        RGB image as wide as `picture` (at least 160 pixels with a legend); the legend adds to its height.
    """
    blended = blend_labels(picture, labels, label_set, opacity=opacity)
    if legend == "none":
        return Image.fromarray(blended)
    shares = class_shares(labels, label_set)
    strip = _legend_strip(shares, label_set, width=max(blended.shape[1], 160), fixed=legend == "all")
    sheet = Image.new("RGB", (strip.width, blended.shape[0] + strip.height), _BACKGROUND)
    sheet.paste(Image.fromarray(blended), ((strip.width - blended.shape[1]) // 2, 0))
    sheet.paste(strip, (0, blended.shape[0]))
    return sheet


def _legend_strip(shares: list[tuple[int, float]], label_set: LabelSet, *, width: int, fixed: bool) -> Image.Image:
    """Entries in columns of equal width, row by row."""
    size = min(40, max(11, round(width / 46)))
    font = ImageFont.load_default(size)
    share_of = dict(shares)
    ids = range(len(label_set)) if fixed else [class_id for class_id, _ in shares]
    entries = [(i, f"{label_set.classes[i]} {_percent(share_of.get(i, 0.0))}") for i in ids]
    if not entries:
        return Image.new("RGB", (width, 2 * size), _BACKGROUND)
    # A fixed legend must not move with the digits of the shares, so it reserves room for the longest one.
    texts = [f"{label_set.classes[i]} 100 %" if fixed else text for i, text in entries]
    column = int(max(font.getlength(text) for text in texts) + 2.6 * size)
    columns = max(1, min(len(entries), (width - size) // column))
    column = (width - size) // columns
    rows = -(-len(entries) // columns)
    line = round(1.6 * size)
    strip = Image.new("RGB", (width, rows * line + size), _BACKGROUND)
    draw = ImageDraw.Draw(strip)
    for position, (class_id, text) in enumerate(entries):
        x = size // 2 + (position % columns) * column
        y = size // 2 + (position // columns) * line
        draw.rectangle((x, y + size // 6, x + size, y + size // 6 + size), label_set.palette[class_id], _FAINT)
        colour = _TEXT if class_id in share_of else _FAINT
        draw.text((x + 1.5 * size, y + size // 6 + size / 2), text, colour, font, anchor="lm")
    return strip


def _percent(share: float) -> str:
    """A share in 0..1 as text, short enough for a legend.

    >>> [_percent(s) for s in (0.0, 0.0004, 0.034, 0.5, 1.0)]
    ['0 %', '<0.1 %', '3.4 %', '50 %', '100 %']
    """
    percent = 100 * share
    if 0 < percent < 0.1:
        return "<0.1 %"
    return f"{percent:.1f} %" if 0 < percent < 10 else f"{percent:.0f} %"


def panel(pictures: Sequence[tuple[str, Any]]) -> Image.Image:
    """(title, picture) pairs side by side at one height, each title above its picture.

    Raises:
        InputError: no pictures.

    >>> panel([("infrared", np.zeros((40, 60), np.uint8)), ("visible", np.zeros((40, 60, 3), np.uint8))]).mode
    'RGB'
    """
    return contact_sheet(pictures, columns=max(1, len(pictures)))


def contact_sheet(
    pictures: Sequence[tuple[str, Any]], *, columns: int = 4, cell: tuple[int, int] | None = None
) -> Image.Image:
    """(title, picture) pairs in rows of `columns`, each title above its picture.

    Args:
        pictures: titles and pictures: uint8 arrays, grey or RGB, or PIL images.
        cell: (width, height) in pixels that every picture is scaled to fit; large enough for all of them by default.

    Raises:
        InputError: no pictures, or `columns` below 1.
    """
    if not pictures or columns < 1:
        raise InputError("a contact sheet needs at least one picture and one column")
    images = [(title, _as_image(picture)) for title, picture in pictures]
    width, height = cell or (max(i.width for _, i in images), max(i.height for _, i in images))
    size = min(48, max(11, round(width / 28)))
    font = ImageFont.load_default(size)
    gap, band = max(2, size // 3), round(1.7 * size)
    rows = -(-len(images) // columns)
    columns = min(columns, len(images))
    sheet_size = (columns * (width + gap) + gap, rows * (height + band + gap))
    sheet = Image.new("RGB", sheet_size, _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for position, (title, image) in enumerate(images):
        x = gap + (position % columns) * (width + gap)
        y = (position // columns) * (height + band + gap)
        draw.text((x, y + band / 2), _shorten(title, font, width), _TEXT, font, anchor="lm")
        fitted = _fit(image, width, height)
        sheet.paste(fitted, (x + (width - fitted.width) // 2, y + band))
    return sheet


def _shorten(text: str, font: Any, width: int) -> str:
    """Cut `text` with an ellipsis so that it is no wider than `width` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _fit(image: Image.Image, width: int, height: int) -> Image.Image:
    """The picture scaled to touch the cell, its aspect kept."""
    scale = min(width / image.width, height / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)


def _as_image(picture: Any) -> Image.Image:
    return picture.convert("RGB") if isinstance(picture, Image.Image) else Image.fromarray(to_rgb(picture))


def to_rgb(picture: Picture) -> Picture:
    """A grey (H, W) or RGB (H, W, 3) picture as RGB (H, W, 3)."""
    return np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture
