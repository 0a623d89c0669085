"""Label sets of the field: class names and colours, id = position.

The FMB ids and colours are the ones of the FMB benchmark (SegMiF, ICCV 2023); the MFNet ones are shared by
MFNet and MSRS. 255 means "ignore" everywhere.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segmif.checks import unknown

IGNORE = 255


@dataclass(frozen=True, kw_only=True)
class LabelSet:
    """Names and RGB colours (0..255) of classes; the id of a class is its position."""

    name: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]

    def __post_init__(self) -> None:
        assert len(self.classes) == len(self.palette)

    def __len__(self) -> int:
        return len(self.classes)

    def colours(self) -> npt.NDArray[np.uint8]:
        """(256, 3) uint8 look-up table; unused ids grey, ignore white."""
        table = np.full((256, 3), 128, np.uint8)
        table[: len(self)] = self.palette
        table[IGNORE] = 255
        return table


def _label_set(name: str, **colours: tuple[int, int, int]) -> LabelSet:
    return LabelSet(
        name=name,
        classes=tuple(key.replace("_", " ") for key in colours),
        palette=tuple(colours.values()),
    )


FMB = _label_set(
    "fmb",
    unlabelled=(0, 0, 0),
    road=(179, 228, 228),
    sidewalk=(181, 57, 133),
    building=(67, 162, 177),
    traffic_lamp=(200, 178, 50),
    traffic_sign=(132, 45, 199),
    vegetation=(66, 172, 84),
    sky=(179, 73, 79),
    person=(76, 99, 166),
    car=(66, 121, 253),
    truck=(137, 165, 91),
    bus=(155, 97, 152),
    motorcycle=(105, 153, 140),
    bicycle=(222, 215, 158),
    pole=(135, 113, 90),
)

MFNET = _label_set(
    "mfnet",
    unlabelled=(0, 0, 0),
    car=(64, 0, 128),
    person=(64, 64, 0),
    bike=(0, 128, 192),
    curve=(0, 0, 192),
    car_stop=(128, 128, 0),
    guardrail=(64, 64, 128),
    colour_cone=(192, 128, 128),
    bump=(192, 64, 0),
)

PST900 = _label_set(
    "pst900",
    background=(0, 0, 0),
    fire_extinguisher=(0, 0, 255),
    backpack=(0, 255, 0),
    drill=(255, 0, 0),
    survivor=(255, 255, 255),
)

CWFID = _label_set("cwfid", soil=(92, 64, 51), crop=(40, 160, 60), weed=(220, 60, 40))

SALIENCY = _label_set("saliency", background=(0, 0, 0), salient=(255, 255, 255))

LABEL_SETS = {s.name: s for s in (FMB, MFNET, PST900, CWFID, SALIENCY)}


def numbered(count: int) -> LabelSet:
    """A label set for `count` classes nobody has named; the first is black, the others spread over the hues.

    >>> numbered(3).classes
    ('class 0', 'class 1', 'class 2')
    """
    hues = [(i * 0.618034) % 1.0 for i in range(count)]  # golden ratio: any two neighbours differ clearly
    colours = [tuple(round(255 * c) for c in colorsys.hsv_to_rgb(hue, 0.65, 0.9)) for hue in hues[1:]]
    return LabelSet(
        name="numbered",
        classes=tuple(f"class {i}" for i in range(count)),
        palette=((0, 0, 0), *((r, g, b) for r, g, b in colours)),
    )


def label_set(name: str) -> LabelSet:
    """The label set of that name.

    Raises:
        InputError: no such label set.

    >>> label_set("fmb").classes[8]
    'person'
    """
    if name not in LABEL_SETS:
        raise unknown("label set", name, LABEL_SETS)
    return LABEL_SETS[name]
