"""Small data sets written as the originals lie on disk: folder names, file names, formats, splits, annotations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[np.uint8]
SIZE = (24, 32)


def picture(seed: int, *, channels: int = 3, size: tuple[int, int] = SIZE) -> Array:
    """A picture with structure: smooth noise, different for every seed."""
    random = np.random.default_rng(seed)
    shape = (4, 5, channels) if channels > 1 else (4, 5)
    coarse = random.integers(0, 256, shape).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC))


def labels(seed: int, classes: int, *, size: tuple[int, int] = SIZE) -> Array:
    """Blocks of class ids."""
    coarse = np.random.default_rng(seed).integers(0, classes, (4, 4)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT))


def save(path: Path, array: Array, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array, mode).save(path)


def save_pair(infrared: Path, visible: Path, seed: int) -> None:
    save(infrared, picture(seed, channels=1))
    save(visible, picture(seed + 1000))


def voc(path: Path, boxes: Sequence[tuple[str, int, int, int, int]]) -> None:
    """A VOC file; corners count from 1, inclusive."""
    path.parent.mkdir(parents=True, exist_ok=True)
    objects = "".join(
        f"<object><name>{n}</name><difficult>0</difficult><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax>"
        f"<ymax>{d}</ymax></bndbox></object>"
        for n, a, b, c, d in boxes
    )
    path.write_text(f"<annotation><size><width>32</width><height>24</height></size>{objects}</annotation>")


def coco(path: Path, files: dict[str, list[tuple[str, float, float, float, float]]]) -> None:
    """A COCO file: (class, x, y, w, h) by file name."""
    names = sorted({box[0] for boxes in files.values() for box in boxes})
    annotations = [
        {"id": 1, "image_id": i, "category_id": names.index(n) + 1, "bbox": [x, y, w, h], "iscrowd": 0}
        for i, boxes in enumerate(files.values())
        for n, x, y, w, h in boxes
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps(
            {
                "images": [{"id": i, "file_name": f, "width": 32, "height": 24} for i, f in enumerate(files)],
                "categories": [{"id": i + 1, "name": name} for i, name in enumerate(names)],
                "annotations": annotations,
            }
        )
    )


def fmb(root: Path, *, train: int = 3, test: int = 2) -> Path:
    for split, count in (("train", train), ("test", test)):
        for i in range(count):
            name, seed = f"{i:05d}.png", i + 50 * (split == "test")
            save_pair(root / split / "Infrared" / name, root / split / "Visible" / name, seed)
            save(root / split / "Label" / name, labels(seed, 15))
            save(root / split / "color" / name, picture(seed))
    return root


def mfnet(root: Path) -> Path:
    names = {"train": ["00001D", "00002N"], "val": ["00003D"], "test": ["00004N", "00005D"]}
    names |= {"test_day": ["00005D"], "test_night": ["00004N"]}
    for split, members in names.items():
        (root).mkdir(exist_ok=True)
        (root / f"{split}.txt").write_text("".join(f"{name}\n" for name in members))
    for i, name in enumerate(names["train"] + names["val"] + names["test"]):
        save(root / "images" / f"{name}.png", np.dstack((picture(i), picture(i + 9, channels=1))), "RGBA")
        save(root / "labels" / f"{name}.png", labels(i, 9))
    return root


def msrs(root: Path) -> Path:
    for split, names in (("train", ["00001D", "00002N"]), ("test", ["00004N"])):
        for name in names:
            folder = root / split
            save_pair(folder / "ir" / f"{name}.png", folder / "vi" / f"{name}.png", int(name[:-1]))
            save(folder / "Segmentation_labels" / f"{name}.png", labels(int(name[:-1]), 9))
    detection = root / "detection"
    save_pair(detection / "ir" / "1.png", detection / "vi" / "1.png", 77)
    (detection / "labels").mkdir()
    (detection / "labels" / "1.txt").write_text("2 0.25 0.5 0.25 0.5\n0 0.75 0.5 0.125 0.25\n")
    return root


def pst900(root: Path) -> Path:
    for split, count in (("train", 2), ("test", 1)):
        for i in range(count):
            name = f"{i}_bag1a_rect_rgb_frame{i:010d}.png"
            save_pair(root / split / "thermal" / name, root / split / "rgb" / name, i)
            save(root / split / "thermal_raw" / name, picture(i, channels=1))
            save(root / split / "depth" / name, picture(i, channels=1))
            save(root / split / "labels" / name, labels(i, 5))
    return root


def cwfid(root: Path) -> Path:
    paint = np.array([(0, 0, 0), (0, 255, 0), (255, 0, 0)], np.uint8)
    for i in (1, 2, 28):
        ids = labels(i, 3)
        nir_red = np.dstack((picture(i, channels=1), np.zeros(SIZE, np.uint8), picture(i + 99, channels=1)))
        save(root / "images" / f"{i:03d}_image.png", nir_red)
        save(root / "annotations" / f"{i:03d}_annotation.png", paint[ids])
        (root / "annotations" / f"{i:03d}_annotation.yaml").write_text("filename: x\n")
        save(root / "masks" / f"{i:03d}_mask.png", picture(i, channels=1))
    (root / "train_test_split.yaml").write_text("train: [2, 28]\ntest: [1, 28]\n")
    return root


def camvid(root: Path) -> Path:
    for split, name in (("train", "0001TP_006690"), ("val", "0016E5_07959"), ("test", "Seq05VD_f00000")):
        save(root / split / f"{name}.png", picture(len(split)))
        save(root / f"{split}annot" / f"{name}.png", labels(len(split), 12))
        (root / f"{split}.txt").write_text(
            f"/SegNet/CamVid/{split}/{name}.png /SegNet/CamVid/{split}annot/{name}.png\n"
        )
    return root


def roadscene(root: Path) -> Path:
    for i, name in enumerate(("FLIR_00006", "FLIR_00018", "FLIR_video_00069")):
        save_pair(root / "cropinfrared" / f"{name}.jpg", root / "crop_LR_visible" / f"{name}.jpg", i)
        save(root / "infrared" / f"{name}.jpg", picture(i, channels=1, size=(51, 64)))  # not aligned, must not be read
        save(root / "visible" / f"{name}.jpg", picture(i, size=(90, 160)))
    return root


def tno_original(root: Path) -> Path:
    base = root / "TNO_Image_Fusion_Dataset"
    for folder, infrared, visible in (
        ("Athena_images/2_men_in_front_of_house", "IR_meting003_g.bmp", "VIS_meting003_r.bmp"),
        ("Athena_images/airplane_in_trees", "ir.bmp", "vis.bmp"),
        ("Athena_images/APC_2/view_1", "2_fk_ge_03_005.bmp", "1_fk_ge_03_005.bmp"),
        ("Athena_images/bunker", "IR_bunker_g.bmp", "bunker_r.bmp"),
        ("Triclobs_images/barbed_wire_1", "B_LWIR.tif", "R_Vis.tif"),
        ("Triclobs_images/Kaptein_01", "IR01.bmp", "Vis01.bmp"),
        ("Triclobs_images/Marne_01", "Marne_01_IR.bmp", "Marne_01_Vis.bmp"),
        ("Triclobs_images/soldier_behind_smoke", "LWIR-MarnehNew_15RGB_603.tif", "VIS-MarnehNew_15RGB_603.tif"),
        ("DHV_images/wall", "IR_163rad.bmp", "VIS_163dhvR.BMP"),
    ):
        save(base / folder / infrared, picture(len(folder), channels=1))
        save(base / folder / visible, picture(len(folder) + 1, channels=1))
    for name in ("NIR01.bmp", "Kaptein_01_II.bmp"):
        save(base / "Triclobs_images/Kaptein_01" / name, picture(3, channels=1))
    save(base / "Triclobs_images/House/NIR.bmp", picture(4, channels=1))
    save(base / "Triclobs_images/House/VIS.bmp", picture(5, channels=1))
    return root


def m3fd(root: Path) -> Path:
    for i in range(3):
        save_pair(root / "Ir" / f"{i:05d}.png", root / "Vis" / f"{i:05d}.png", i)
    voc(root / "Annotation" / "00000.xml", [("People", 1, 1, 8, 12), ("Lamp", 11, 3, 32, 24)])
    voc(root / "Annotation" / "00001.xml", [("Motorcycle", 2, 2, 9, 9)])
    voc(root / "Annotation" / "00002.xml", [("Truck", 2, 2, 9, 9), ("Bus", 12, 2, 19, 9), ("Car", 2, 12, 9, 19)])
    return root


def llvip(root: Path, *, annotations: str = "voc") -> Path:
    for split, names in (("train", ["010001", "010002"]), ("test", ["190001"])):
        for name in names:
            save_pair(root / "infrared" / split / f"{name}.jpg", root / "visible" / split / f"{name}.jpg", int(name))
            if annotations == "voc":
                voc(root / "Annotations" / f"{name}.xml", [("person", 3, 5, 10, 20)])
        if annotations == "coco":
            files = {f"{name}.jpg": [("person", 2.0, 4.0, 8.0, 16.0)] for name in names}
            coco(root / "coco_annotations" / f"{split}.json", files)
    return root


def saliency(root: Path, splits: Sequence[str] = ("",)) -> Path:
    for split in splits:
        for i in range(2):
            save_pair(root / split / "T" / f"{i}.jpg", root / split / "RGB" / f"{i}.jpg", i)
            save(root / split / "GT" / f"{i}.png", (labels(i, 2) * 255).astype(np.uint8))
    return root


def paired(root: Path, names: Sequence[str] = ("a", "b", "c")) -> Path:
    """The simple layout: labels drawn for the first, made by a network for the first two, boxes of the second."""
    for i, name in enumerate(names):
        save_pair(root / "infrared" / f"{name}.png", root / "visible" / f"{name}.png", i)
    save(root / "label" / f"{names[0]}.png", labels(0, 15))
    for name in names[:2]:
        save(root / "label_model" / f"{name}.png", labels(1, 15))
    coco(root / "boxes.json", {f"{names[1]}.png": [("person", 1, 2, 10, 12)]})
    return root
