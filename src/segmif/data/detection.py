"""Data sets with boxes: M3FD and LLVIP."""

from __future__ import annotations

from dataclasses import replace

from segmif.data.info import SIMPLE_LAYOUTS, DatasetInfo
from segmif.data.layout import Layout
from segmif.labelsets import FMB as FMB_LABELS

M3FD = DatasetInfo(
    name="m3fd",
    title="M3FD, multi-scenario multi-modality detection",
    task="fusion, detection",
    layouts=(
        Layout(
            name="original",
            infrared="Ir/*",
            visible="Vis/*",
            boxes=("Annotation/*.xml",),
            lists="{split}.txt",
        ),
        *(replace(layout, whole="train") for layout in SIMPLE_LAYOUTS),
    ),
    label_set=FMB_LABELS,
    classes=6,
    sizes={"all": 4200},
    resolution=(1024, 768),
    licence="research",
    home="https://github.com/JinyuanLiu-CV/TarDAL",
    citation="Liu et al., Target-aware Dual Adversarial Learning and a Multi-scenario Multi-Modality Benchmark, "
    "CVPR 2022",
    folders=("M3FD", "M3FD_Detection", "M3FD_Fusion"),
    notes=(
        "its six classes are given FMB ids: People 8, Car 9, Bus 11, Lamp 4, Motorcycle 12, Truck 10",
        "M3FD_Fusion (300 pairs, no boxes) has the same folders Ir and Vis",
        "there is no official split, papers divide it in several ways: make one with 'segmif data split', share it",
    ),
)

LLVIP = DatasetInfo(
    name="llvip",
    title="LLVIP, pedestrians in low light, surveillance view",
    task="fusion, detection",
    layouts=(
        Layout(
            name="original",
            infrared="infrared/{split}/*",
            visible="visible/{split}/*",
            boxes=("Annotations/*.xml", "coco_annotations/{split}.json"),
        ),
        *(replace(layout, whole="train") for layout in SIMPLE_LAYOUTS),
    ),
    label_set=FMB_LABELS,
    classes=1,
    sizes={"train": 12025, "test": 3463},
    resolution=(1280, 1024),
    licence="academic, non-commercial",
    home="https://github.com/bupt-ai-cz/LLVIP",
    citation="Jia et al., LLVIP: A Visible-infrared Paired Dataset for Low-light Vision, ICCV Workshops 2021",
    folders=("LLVIP",),
    meta={"time": "night", "time_from": "dataset"},
    notes=(
        "one class, person (FMB id 8)",
        "two annotations hold no object and five boxes have no area: warnings, not errors",
        "consecutive numbers are video frames: split by sequence, never at random",
    ),
)

DATASETS = (M3FD, LLVIP)
