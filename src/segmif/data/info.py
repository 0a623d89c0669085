"""What we know about a data set besides its files: classes, size, licence, home, and its traps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from segmif.data.layout import Layout, Scan
from segmif.data.reader import NIGHT_SKY
from segmif.labelsets import LabelSet

SIMPLE_LAYOUTS = (
    Layout(
        name="paired folders",
        infrared="infrared/*",
        visible="visible/*",
        labels=(("label/*", "hand"), ("label_model/*", "model")),
        boxes=("boxes.json",),
        lists="{split}.txt",
    ),
    Layout(
        name="paired folders per split",
        infrared="{split}/infrared/*",
        visible="{split}/visible/*",
        labels=(("{split}/label/*", "hand"), ("{split}/label_model/*", "model")),
        boxes=("{split}/boxes.json",),
    ),
)
"""The project's own simple layout, in which every data set may also be stored: folders ``infrared``, ``visible``,
``label`` (drawn by people), ``label_model`` (made by networks), COCO ``boxes.json``, lists ``train.txt``, ``val.txt``,
``test.txt``."""


def no_time(name: str) -> str | None:
    """Names that say nothing about the time of day."""
    return None


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """A data set of the field.

    `sizes` are the published numbers of samples by split, `classes` the published number of classes; `resolution`
    (width, height) or None if mixed; `layouts` are tried in order; `label_set` names the classes as we read them (a
    layout may have its own); `time_of` tells day or night from a sample's name, `night_sky` from brightness where it
    does not (see `time_by_brightness`); `meta` is true of every sample; `folders` are the usual names of its root;
    `scored` is the split that evaluations take unless told otherwise; `join` adds what the package itself knows to the
    pictures found; `notes` are facts that trip people.
    """

    name: str
    title: str
    task: str
    layouts: tuple[Layout, ...]
    label_set: LabelSet | None
    classes: int = 0
    sizes: Mapping[str, int]
    resolution: tuple[int, int] | None
    licence: str
    home: str
    citation: str
    folders: tuple[str, ...] = ()
    time_of: Callable[[str], str | None] = no_time
    night_sky: float = NIGHT_SKY
    meta: Mapping[str, Any] = field(default_factory=dict)
    scored: str = "test"
    join: Callable[[Scan], Scan] | None = None
    notes: tuple[str, ...] = ()


def time_by_suffix(name: str) -> str | None:
    """MFNet and MSRS end a name with D or N.

    >>> time_by_suffix("00004N"), time_by_suffix("00381D"), time_by_suffix("FLIR_0")
    ('night', 'day', None)
    """
    return {"D": "day", "N": "night"}.get(name[-1:]) if name[:-1].isdecimal() else None
