"""Salient objects with thermal images: VT821, VT1000, VT5000 (binary masks)."""

from __future__ import annotations

from dataclasses import replace

from segmif.data.info import SIMPLE_LAYOUTS, DatasetInfo
from segmif.data.labels import LabelCode
from segmif.data.layout import Layout
from segmif.labelsets import SALIENCY as SALIENCY_LABELS

_MASKS = LabelCode(threshold=128)


def _layouts(split_folders: bool, whole: str = "all") -> tuple[Layout, ...]:
    prefix = "{split}/" if split_folders else ""
    return (
        Layout(
            name="original",
            infrared=f"{prefix}T/*",
            visible=f"{prefix}RGB/*",
            labels=((f"{prefix}GT/*", "hand"),),
            every_label=True,
            code=_MASKS,
            whole=whole,
        ),
        *(replace(layout, code=_MASKS, whole=whole) for layout in SIMPLE_LAYOUTS),
    )


_HOME = "https://github.com/lz118/RGBT-Salient-Object-Detection"
_MASK_NOTE = "masks are grey files, some saved as JPEG: 128 and above is salient"

VT821 = DatasetInfo(
    name="vt821",
    title="VT821, salient objects in RGB and thermal",
    task="saliency",
    layouts=_layouts(False, "test"),
    label_set=SALIENCY_LABELS,
    classes=2,
    sizes={"test": 821},
    resolution=None,
    licence="research",
    home=_HOME,
    citation="Wang et al., RGB-T Saliency Detection Benchmark, IGTA 2018",
    folders=("VT821",),
    notes=(_MASK_NOTE,),
)

VT1000 = DatasetInfo(
    name="vt1000",
    title="VT1000, salient objects in RGB and thermal",
    task="saliency",
    layouts=_layouts(False, "test"),
    label_set=SALIENCY_LABELS,
    classes=2,
    sizes={"test": 1000},
    resolution=None,
    licence="research",
    home=_HOME,
    citation="Tu et al., RGB-T Image Saliency Detection via Collaborative Graph Learning, TMM 2020",
    folders=("VT1000",),
    notes=(_MASK_NOTE,),
)

VT5000 = DatasetInfo(
    name="vt5000",
    title="VT5000, salient objects in RGB and thermal",
    task="saliency",
    layouts=_layouts(True),
    label_set=SALIENCY_LABELS,
    classes=2,
    sizes={"train": 2500, "test": 2500},
    resolution=(640, 480),
    licence="research",
    home=_HOME,
    citation="Tu et al., RGBT Salient Object Detection: A Large-scale Dataset and Benchmark, TMM 2022",
    folders=("VT5000", "VT5000_clear", "VT5000-Train_unalign"),
    notes=(_MASK_NOTE, "methods are trained on its Train half and tested on its Test half, VT821 and VT1000"),
)

DATASETS = (VT821, VT1000, VT5000)
