"""RoadScene-15: our hand-drawn labels, polygons and boxes of RoadScene and MSRS pairs, an open benchmark like FMB.

The drawings ship with the package (CC BY 4.0), the photographs do not: `join` lays the drawings on the user's own copy
and says which file is not the one they were drawn on. ``docs/roadscene15.md`` tells how they were drawn and how good
they are.

    >>> from segmif.data import open_dataset
    >>> val = open_dataset("roadscene15", "~/data/RoadScene", split="val")  # doctest: +SKIP
    >>> val[0].labels.shape == val[0].visible.shape[:2]  # doctest: +SKIP
    True
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from segmif.data import pairs, semantic
from segmif.data.info import DatasetInfo
from segmif.data.layout import Layout
from segmif.data.roadscene15.drawings import MSRS_FOLDER, ROADSCENE_FOLDER
from segmif.data.roadscene15.join import join
from segmif.labelsets import FMB


def _pictures_only(layouts: tuple[Layout, ...]) -> tuple[Layout, ...]:
    """The same layouts without lists, labels and boxes of their own: ours take their place."""
    return tuple(
        replace(layout, lists=None, labels=(), boxes=(), every_label=False, label_set=None) for layout in layouts
    )


ROADSCENE15 = DatasetInfo(
    name="roadscene15",
    title="RoadScene-15, hand-drawn labels of RoadScene pairs",
    task="segmentation",
    layouts=_pictures_only(pairs.ROADSCENE.layouts),
    label_set=FMB,
    classes=15,
    sizes={"train": 101, "val": 35},
    resolution=None,
    licence="labels CC BY 4.0, in the package; pictures research, cite",
    home=pairs.ROADSCENE.home,
    citation=f"{pairs.ROADSCENE.citation}; RoadScene-15 labels, segmif project, CC BY 4.0",
    folders=("roadscene", *pairs.ROADSCENE.folders),
    scored="val",
    join=partial(join, folder=ROADSCENE_FOLDER),
    notes=(
        "give the folder of RoadScene: the labels are in the package and laid on your pictures, which are checked",
        "drives are kept together in train and val; all 136 pairs belong to RoadScene's usual training part",
        "far cars and people, poles, signs and traffic lamps are not complete: see docs/roadscene15.md",
    ),
)

MSRS15 = DatasetInfo(
    name="msrs15",
    title="RoadScene-15's companion: hand-drawn labels of MSRS test pairs, to choose models on",
    task="segmentation",
    layouts=_pictures_only(semantic.MSRS.layouts),
    label_set=FMB,
    classes=15,
    sizes={"val": 30},
    resolution=(640, 480),
    licence="labels CC BY 4.0, in the package; pictures research, cite",
    home=semantic.MSRS.home,
    citation=f"{semantic.MSRS.citation}; RoadScene-15 labels, segmif project, CC BY 4.0",
    folders=("msrs", *semantic.MSRS.folders),
    scored="val",
    join=partial(join, folder=MSRS_FOLDER),
    notes=(
        "give the folder of MSRS: the labels are in the package and laid on your pictures, which are checked",
        "the pairs are of MSRS' official test part: validate on them, never train",
        "the two cameras of MSRS are 3 to 7 pixels apart on people: score with a 5-pixel ignore band",
    ),
)

DATASETS = (ROADSCENE15, MSRS15)
