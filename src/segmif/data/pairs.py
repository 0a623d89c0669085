"""Data sets of pairs without official labels: RoadScene, TNO, and any folder of pairs."""

from __future__ import annotations

from dataclasses import replace

from segmif.data.info import SIMPLE_LAYOUTS, DatasetInfo
from segmif.data.layout import Layout
from segmif.labelsets import FMB as FMB_LABELS

_SCENE_NAMES = (r"(?:^|[_-])(?:LW)?IR(?![A-Z])|^2_", r"(?:^|[_-])VIS(?![A-Z])|(?<!IR)(?<!NIR)_r$|^1_|_REF$")
"""What TNO's original archive calls the thermal and the visible file of a scene (``IR_meting003_g``, ``LWIR_B``,
``Kaptein_1123_IR``, ``2_fk_ge_03_005``; ``VIS_meting003_r``, ``R_Vis``, ``bunker_r``); NIR and II are other bands."""

ROADSCENE = DatasetInfo(
    name="roadscene",
    title="RoadScene, aligned road scenes from FLIR video",
    task="fusion",
    layouts=(
        Layout(name="original", infrared="cropinfrared/*", visible="crop_LR_visible/*", lists="{split}.txt"),
        *SIMPLE_LAYOUTS,
    ),
    label_set=FMB_LABELS,
    sizes={"all": 221},
    resolution=None,
    licence="research, cite",
    home="https://github.com/hanna-xu/RoadScene",
    citation="Xu et al., U2Fusion: A Unified Unsupervised Image Fusion Network, TPAMI 2020",
    night_sky=0.57,  # its night pictures are exposed long: best on 115 pairs whose time people noted, right for 93 %
    folders=("RoadScene", "RoadScene-master", "road-scene-infrared-visible-images-master"),
    notes=(
        "aligned are cropinfrared and crop_LR_visible; the folders infrared and visible of the original archive are "
        "not, and crop_HR_visible has another size",
        "FLIR_08919, FLIR_09488 and FLIR_video_03374 show one corner: keep them in one split",
    ),
)

TNO = DatasetInfo(
    name="tno",
    title="TNO image fusion data set, military scenes",
    task="fusion",
    layouts=(
        *(replace(layout, whole="test") for layout in SIMPLE_LAYOUTS),
        Layout(name="ir and vi", infrared="ir/*", visible="vi/*", whole="test"),
        Layout(name="ir and vis", infrared="ir/*", visible="vis/*", whole="test"),
        Layout(name="Test_ir and Test_vi", infrared="Test_ir/*", visible="Test_vi/*", whole="test"),
        Layout(name="numbered in one folder", infrared="IR*", visible="VIS*", whole="test"),
        Layout(name="original", visible="**/*", scenes=_SCENE_NAMES, whole="test"),
    ),
    label_set=None,
    sizes={"test": 42},
    resolution=None,
    licence="free for research with credit to TNO",
    home="https://doi.org/10.6084/m9.figshare.1008029",
    citation="Toet, The TNO Multiband Image Data Collection, Data in Brief 2017",
    folders=("TNO", "TNO_Image_Fusion_Dataset"),
    notes=(
        "there is no one TNO set: papers use 20, 21, 25, 37, 40 or 42 of its pairs, some cropped; say which",
        "of the original archive one thermal-visible pair per scene folder is read; image sequences are not",
    ),
)

FOLDER = DatasetInfo(
    name="folder",
    title="your own folder: two glob patterns, or folders infrared and visible",
    task="any",
    layouts=SIMPLE_LAYOUTS,
    label_set=FMB_LABELS,
    sizes={},
    resolution=None,
    licence="yours",
    home="",
    citation="",
)

DATASETS = (ROADSCENE, TNO, FOLDER)
