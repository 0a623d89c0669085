"""Files as CVAT, labelme, Label Studio, COCO tools and VOC write them; and what in them is refused in one line."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import numpy as np
import pytest

from segmif.checks import InputError
from segmif.io import encode_image, encode_labels
from segmif.labelsets import FMB
from segmif.rig.annotation.document import Annotations
from segmif.rig.annotation.formats import FORMATS
from segmif.rig.annotation.formats.rle import decode_brush, from_run_lengths
from segmif.rig.annotation.raster import rasterise

MASK = np.array([[0, 1, 1], [0, 0, 1]], bool)
BRUSH = [0, 0, 0, 24, 57, 27, 252, 96, 19, 255, 206, 1, 31, 248]
"""`MASK` as label-studio-converter 0.0.59 packs it."""


def read(format_name: str, files: dict[str, Any]) -> Annotations:
    as_text = {n: content if isinstance(content, str | bytes) else json.dumps(content) for n, content in files.items()}
    as_bytes = {name: text.encode() if isinstance(text, str) else text for name, text in as_text.items()}
    return FORMATS[format_name].decode(as_bytes)


def painted(annotations: Annotations, document: int = 0) -> np.ndarray:
    return rasterise(annotations.documents[document])[0]


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<meta><job><labels><label><name>road</name><color>#00ff00</color></label>
<label><name>car</name><color>#0000ff</color></label></labels></job></meta>
<image id="0" name="night/0001.png" width="6" height="4">
<mask label="car" source="manual" rle="1, 2, 2, 1" left="2" top="1" width="3" height="2" z_order="2"></mask>
<box label="road" occluded="0" xtl="0.00" ytl="1.00" xbr="6.00" ybr="4.00" z_order="1"></box>
<polygon label="car" points="0.00,0.00;2.00,0.00;2.00,2.00;0.00,2.00" z_order="0" group_id="7"></polygon>
</image></annotations>"""


def test_cvat_masks_boxes_and_the_painting_order():
    found = read("cvat", {"annotations.xml": CVAT})
    assert found.label_set.classes == ("road", "car")
    assert found.label_set.palette[1] == (0, 0, 255)
    assert [shape.instance for shape in found.documents[0].shapes] == [7, None, None]
    np.testing.assert_array_equal(
        painted(found), [[1, 1, 255, 255, 255, 255], [0, 0, 0, 1, 1, 0], [0, 0, 0, 0, 1, 0], [0] * 6]
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<annotations>", "<pictures>", "is not XML"),
        ("<version>1.1</version>", "<track/>", "is not 'CVAT for images 1.1'"),
        ('width="6" height="4"', 'height="4"', "night/0001.png: has no width and height"),
        ('points="0.00,0.00;', 'points="a,0.00;', "night/0001.png, polygon 3: could not convert"),
        ('points="0.00,0.00;2.00,0.00;', 'points="', "a polygon needs at least 3 points, got 2"),
        ("<box ", '<box rotation="30" ', "a shape of type 'box' cannot become a polygon"),
        ('rle="1, 2, 2, 1"', 'rle="1, 2, 2"', "mask 1: run lengths add up to 5, expected 6 pixels"),
        ('width="3" height="2"', 'width="99999" height="9999"', "a mask of 999890001 pixels is refused"),
        ('label="car" points', 'label="" points', "the class name '' is empty"),
        ('label="car" points', 'label="lorry" points', "the class 'lorry' is not among those the file declares"),
        ("#00ff00", "green", "'green' is not a colour"),
        ('name="night/0001.png"', 'name="../0001.png"', "picture name '../0001.png' is refused"),
    ],
)  # fmt: skip
def test_cvat_is_refused_in_one_line(old, new, message):
    assert old in CVAT
    with pytest.raises(InputError) as caught:
        read("cvat", {"annotations.xml": CVAT.replace(old, new, 1)})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_cvat_files_of_one_folder_declare_the_same_classes():
    other = CVAT.replace("road", "lane").replace("0001", "0002")
    with pytest.raises(InputError, match=r"b\.xml: declares other classes"):
        read("cvat", {"a.xml": CVAT, "b.xml": other})
    both = read("cvat", {"a.xml": CVAT, "b.xml": CVAT.replace("0001", "0002")})
    assert [document.stem for document in both.documents] == ["night/0001", "night/0002"]
    bare = CVAT[: CVAT.index("<meta>")] + CVAT[CVAT.index("<image") :]
    assert read("cvat", {"a.xml": bare}).label_set.classes == ("car", "road"), "as they are met"


LABELME = {
    "version": "5.5.0",
    "flags": {},
    "shapes": [
        {"label": "road", "points": [[0, 3], [6, 4]], "shape_type": "rectangle", "group_id": None, "flags": {}},
        {"label": "car", "points": [[1, 1], [3, 2]], "shape_type": "mask", "group_id": 4,
         "mask": base64.b64encode(encode_image(MASK.astype(np.uint8))).decode()},
        {"label": "_background_", "points": [[5, 0], [6, 0], [6, 1], [5, 1]], "group_id": None},
    ],
    "imagePath": "..\\visible\\0001.jpg",
    "imageHeight": 4,
    "imageWidth": 6,
}  # fmt: skip


def test_labelme_masks_and_rectangles():
    found = read("labelme", {"0001.json": LABELME})
    assert found.label_set.classes == ("road", "car", "_background_")
    assert found.documents[0].image == "0001.jpg"
    assert found.documents[0].shapes[1].instance == 4
    np.testing.assert_array_equal(
        painted(found),
        [[255, 255, 255, 255, 255, 2], [255, 255, 1, 1, 255, 255], [255, 255, 255, 1, 255, 255], [0] * 6],
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape_type": "circle"}, "shapes 1: a shape of type 'circle' cannot become a polygon"),
        ({"points": [[1, 2]]}, "a shape of type 'rectangle'"),
        ({"points": "all"}, "'points' must be list, found 'all'"),
        ({"points": [[1, 2], [3, 1e9]]}, "the coordinate 1000000000.0 is not a number of pixels"),
        ({"shape_type": "mask", "mask": "%"}, "its mask is not base64"),
        ({"shape_type": "mask", "mask": "aGk="}, "shapes 1: "),
        ({"label": None}, "the class name None is empty or no text"),
        ({"group_id": "4"}, "'group_id' must be int, found '4'"),
        ({"group_id": -4}, "instance is -4"),
    ],
)
def test_labelme_is_refused_in_one_line(change, message):
    content = copy.deepcopy(LABELME)
    content["shapes"][0].update(change)
    with pytest.raises(InputError) as caught:
        read("labelme", {"0001.json": content})
    assert str(caught.value).startswith("0001.json")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_labelme_files_of_one_folder_have_one_label_set():
    ours = FORMATS["labelme"].encode(read("labelme", {"0001.json": LABELME}))
    with pytest.raises(InputError, match="exported with different classes"):
        read("labelme", {**ours, "0002.json": {**LABELME, "imagePath": "0002.jpg"}})
    with pytest.raises(InputError, match=r"no \.json files among the 1 given"):
        read("labelme", {"labels.txt": "road"})


def region(kind: str, value: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": "x",
        "type": kind,
        "original_width": 3,
        "original_height": 2,
        "image_rotation": 0,
        "value": value,
        **more,
    }


def tasks(*regions: dict[str, Any], **task: Any) -> dict[str, Any]:
    entry = {"id": 5, "data": {"image": "/data/upload/3/1a2b3c4d-0001.png"}, "annotations": [{"result": list(regions)}]}
    return {"export.json": [{**entry, **task}]}


def test_label_studio_brushes_and_rectangles():
    box = region(
        "rectanglelabels", {"x": 0, "y": 50, "width": 100, "height": 50, "rotation": 0, "rectanglelabels": ["road"]}
    )
    brush = region("brushlabels", {"format": "rle", "rle": BRUSH, "brushlabels": ["car"]})
    found = read("labelstudio", tasks(box, brush))
    assert found.documents[0].image == "0001.png"
    assert found.label_set.classes == ("road", "car")
    np.testing.assert_array_equal(painted(found), [[255, 1, 1], [0, 0, 1]])


def pack(rgba: np.ndarray, lengths: tuple[int, ...]) -> list[int]:
    """A brush packed by the book: every count with each of the four lengths in turn, repeated or word by word."""
    flat = rgba.ravel().tolist()
    bits = f"{len(flat):032b}{7:05b}" + "".join(f"{length - 1:04b}" for length in lengths)
    at = turn = 0
    while at < len(flat):
        which = turn % 4
        most = min(len(flat) - at, 2 ** lengths[which])
        same = next((n for n in range(most) if flat[at + n] != flat[at]), most)
        count = most if turn % 3 else same
        words = flat[at : at + count] if turn % 3 else [flat[at]]
        bits += f"{int(turn % 3 == 0)}{which:02b}{count - 1:0{lengths[which]}b}" + "".join(f"{w:08b}" for w in words)
        at, turn = at + count, turn + 1
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def test_brushes_are_unpacked_as_they_were_packed():
    rng = np.random.default_rng(3)
    np.testing.assert_array_equal(decode_brush(BRUSH, 2, 3), MASK)
    for lengths in ((3, 4, 8, 16), (1, 2, 5, 9), (16, 1, 1, 1)):
        alpha = rng.choice(np.array([0, 40, 127, 128, 255], np.uint8), (9, 13))
        rgba = np.concatenate((rng.integers(0, 255, (9, 13, 3), np.uint8), alpha[..., None]), -1)
        np.testing.assert_array_equal(decode_brush(pack(rgba, lengths), 9, 13), alpha >= 128)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (BRUSH[:-3], "end too early"),
        ([], "end too early"),
        ([*BRUSH[:3], 25, *BRUSH[4:]], "packs 25 numbers of 8 bits, expected RGBA of 3x2"),
        ([0, 256], "must be bytes"),
        ([0, "1"], "must be bytes"),
        (pack(np.zeros((2, 3, 4), np.uint8), (9, 3, 3, 3))[:4] + [63] * 8, "more than its picture holds"),
    ],
)
def test_broken_brushes_are_refused(data, message):
    with pytest.raises(InputError, match=message):
        decode_brush(data, 2, 3)


def polygon(**changes: Any) -> dict[str, Any]:
    value = {"points": [[0, 0], [100, 0], [100, 100]], "closed": True, "polygonlabels": ["car"]}
    return region("polygonlabels", {**value, **changes})


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"export.json": {"image": "a"}}, "is not a list of tasks"),
        (tasks(region("keypointlabels", {})), "a shape of type 'keypointlabels'"),
        (tasks(polygon(polygonlabels=["car", "bus"])), "must have one label and no rotation"),
        (tasks({**polygon(), "image_rotation": 90}), "must have one label and no rotation"),
        (tasks(polygon(points=[[0, 0], [1]])), "result 1: not enough values to unpack"),
        (tasks(polygon(points=[[0, "a"], [1, 2], [3, 4]])), "result 1"),
        (tasks(polygon(), {**polygon(), "original_width": 9}), "pictures of different size"),
        (tasks(region("brushlabels", {"format": "png", "brushlabels": ["car"]})), "a brush of format 'png'"),
        (tasks(region("brushlabels", {"format": "rle", "rle": BRUSH[:9], "brushlabels": ["car"]})),
         "task 1, annotations 1, result 1: the brush's"),
        (tasks(), "0001.png has no regions, so its size is unknown"),
        (tasks(polygon(), data={}), "names no picture"),
        ({"export.json": "["}, "is not JSON"),
        ({"export.json": '[{"id": NaN}]'}, "NaN is not a JSON number"),
        ({"export.json": [3]}, "expected an object, found int"),
    ],
)  # fmt: skip
def test_label_studio_is_refused_in_one_line(files, message):
    with pytest.raises(InputError) as caught:
        read("labelstudio", files)
    assert message in str(caught.value)
    assert str(caught.value).startswith("export.json")
    assert "\n" not in str(caught.value)


def test_label_studio_takes_the_newest_annotation_else_the_predictions():
    def drawn(name: str, **more: Any) -> dict[str, Any]:
        return {"result": [polygon(polygonlabels=[name])], **more}

    newest = read("labelstudio", tasks(annotations=[drawn("car"), drawn("bus"), drawn("person", was_cancelled=True)]))
    assert newest.label_set.classes == ("bus",)
    predicted = read("labelstudio", tasks(annotations=[], predictions=[drawn("truck")]))
    assert predicted.label_set.classes == ("truck",)


COCO: dict[str, Any] = {
    "images": [{"id": 3, "file_name": "0001.png", "width": 3, "height": 2}],
    "categories": [{"id": 9, "name": "car", "color": [1, 2, 3]}, {"id": 2, "name": "road", "color": [4, 5, 6]}],
    "annotations": [
        {"id": 1, "image_id": 3, "category_id": 2, "segmentation": [[0, 0, 3, 0, 3, 2, 0, 2]], "iscrowd": 0},
        {"id": 8, "image_id": 3, "category_id": 9, "segmentation": {"size": [2, 3], "counts": [2, 1, 1, 2]}},
    ],
}  # fmt: skip


def test_coco_polygons_and_run_lengths():
    found = read("coco", {"train.json": COCO})
    assert found.label_set.classes == ("road", "car")
    assert found.label_set.palette == ((4, 5, 6), (1, 2, 3))
    assert [shape.instance for shape in found.documents[0].shapes] == [1, 8]
    np.testing.assert_array_equal(painted(found), np.where(MASK, 1, 0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"segmentation": []}, "boxes alone are no polygons"),
        ({"segmentation": [[0, 0, 3]]}, "annotations 1: "),
        ({"image_id": 4}, "there is no picture 4"),
        ({"category_id": 4}, "there is no category 4"),
        ({"segmentation": {"size": [3, 2], "counts": "0"}}, "its run lengths are for [3, 2], the picture is [2, 3]"),
        ({"segmentation": {"size": [2, 3], "counts": "\u007f"}}, "has the letter"),
        ({"segmentation": {"size": [2, 3], "counts": "o"}}, "ends in the middle"),
        ({"segmentation": {"size": [2, 3], "counts": [1, "5"]}}, "must be whole numbers"),
        ({"segmentation": {"size": [2, 3], "counts": [-1, 7]}}, "run lengths add up to 6"),
        ({"segmif": {"order": [0], "shapes": []}}, "its polygons were changed since"),
        ({"id": 1.5}, "'id' must be a whole number"),
    ],
)
def test_coco_is_refused_in_one_line(change, message):
    content = copy.deepcopy(COCO)
    content["annotations"][0].update(change)
    with pytest.raises(InputError) as caught:
        read("coco", {"train.json": content})
    assert message in str(caught.value)
    assert str(caught.value).startswith("train.json")


def test_coco_is_one_file_with_its_own_classes():
    with pytest.raises(InputError, match=r"2 \.json files"):
        read("coco", {"train.json": COCO, "val.json": COCO})
    ours = FORMATS["coco"].encode(read("coco", {"train.json": COCO}))
    content = json.loads(ours["instances.json"])
    content["categories"][0]["name"] = "lane"
    with pytest.raises(InputError, match="its categories were changed since segmif wrote it"):
        read("coco", {"train.json": content})


PANOPTIC: dict[str, Any] = {
    "images": [{"id": 3, "file_name": "0001.jpg", "width": 3, "height": 2}],
    "categories": [{"id": 1, "name": "road", "isthing": 0}, {"id": 2, "name": "car", "isthing": 1}],
    "annotations": [
        {"image_id": 3, "file_name": "0001.png",
         "segments_info": [{"id": 258, "category_id": 1}, {"id": 70000, "category_id": 2}]}
    ],
}  # fmt: skip
IDS = np.where(MASK, 70000, 258)
SEGMENTS = encode_image(np.stack((IDS & 255, IDS >> 8 & 255, IDS >> 16), -1).astype(np.uint8))


def test_panoptic_things_become_objects():
    found = read("panoptic", {"panoptic.json": PANOPTIC, "masks/0001.png": SEGMENTS})
    labels, instances = rasterise(found.documents[0])
    np.testing.assert_array_equal(labels, np.where(MASK, 1, 0))
    np.testing.assert_array_equal(instances, np.where(MASK, 2, 0))


@pytest.mark.parametrize(
    ("change", "picture", "message"),
    [
        ({"image_id": 4}, SEGMENTS, "there is no picture 4"),
        ({"file_name": "b.png"}, SEGMENTS, "b.png: 0 such PNGs beside the JSON"),
        ({"segments_info": [{"id": 258, "category_id": 1}]}, SEGMENTS, "has the segment 70000, which is not listed"),
        ({}, encode_image(np.zeros((9, 9, 3), np.uint8)), "the PNG is 9x9, the picture 3x2"),
        ({}, encode_image(np.zeros((2, 3), np.uint8)), "has three 8-bit channels"),
        ({}, b"no picture", "masks/0001.png: "),
    ],
)
def test_panoptic_is_refused_in_one_line(change, picture, message):
    content = copy.deepcopy(PANOPTIC)
    content["annotations"][0].update(change)
    with pytest.raises(InputError) as caught:
        read("panoptic", {"panoptic.json": content, "masks/0001.png": picture})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


VOC = """<annotation><folder>VOC2012</folder><filename>0001.jpg</filename>
<size><width>3</width><height>2</height><depth>3</depth></size><segmented>1</segmented>
<object><name>car</name><bndbox><xmin>2</xmin><ymin>1</ymin><xmax>3</xmax><ymax>1</ymax></bndbox></object></annotation>"""
LABELMAP = "# label:color_rgb:parts:actions\nroad:1,1,1::\n\ncar:128,0,0::\n"
COLOURS = np.array([(1, 1, 1), (128, 0, 0)], np.uint8)


def test_voc_boxes_where_there_is_nothing_else():
    found = read("voc", {"Annotations/0001.xml": VOC})
    assert found.label_set.classes == ("car",)
    np.testing.assert_array_equal(painted(found), [[255, 0, 0], [255, 255, 255]])


def test_voc_pictures_in_colour_and_in_numbers():
    colour = encode_image(COLOURS[MASK.astype(int)])
    numbers = encode_labels(MASK.astype(np.uint8), FMB.palette)
    for picture in (colour, numbers):
        files = {"Annotations/0001.xml": VOC, "SegmentationClass/0001.png": picture, "labelmap.txt": LABELMAP}
        np.testing.assert_array_equal(painted(read("voc", files)), np.where(MASK, 1, 0))
    objects = read("voc", {**files, "SegmentationObject/0001.png": numbers})
    np.testing.assert_array_equal(rasterise(objects.documents[0])[1], MASK)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"Annotations/0001.xml": VOC.replace("<width>3</width>", "")}, "has no size"),
        ({"Annotations/0001.xml": VOC.replace("<xmin>2</xmin>", "")}, "object 1: has no number in one of xmin"),
        ({"Annotations/0001.xml": VOC.replace("<name>car</name>", "")}, "object 1: the class name None"),
        ({"SegmentationClass/0001.png": encode_image(np.zeros((9, 9), np.uint8))}, "is 9x9, its XML says 3x2"),
        ({"SegmentationClass/0001.png": b"x"}, "SegmentationClass/0001.png: "),
        ({"SegmentationClass/0001.png": encode_labels(MASK.astype(np.uint8), FMB.palette), "labelmap.txt": None},
         "but no labelmap.txt to name its classes"),
        ({"SegmentationClass/0001.png": encode_image(COLOURS[MASK.astype(int)] + 1)}, "SegmentationClass/0001.png: "),
        ({"SegmentationObject/0001.png": encode_image(COLOURS[MASK.astype(int)])}, "painted in colours nobody named"),
        ({"Annotations/0001.xml": VOC.replace("<bndbox>", "<instance>x</instance><bndbox>")},
         "object 1 has the instance 'x'"),
        ({"labelmap.txt": b"road:\xff"}, "is not UTF-8 text"),
        ({"labelmap.txt": "road:1,2::"}, "'road:1,2::' is not 'name:r,g,b::'"),
        ({"labelmap.txt": "road:1,2,999::"}, "is not 'name:r,g,b::'"),
    ],
)  # fmt: skip
def test_voc_is_refused_in_one_line(files, message):
    whole = {"Annotations/0001.xml": VOC, "labelmap.txt": LABELMAP}
    if any("Segmentation" in name for name in files) or "instance" in str(files):
        numbers = encode_labels(MASK.astype(np.uint8), FMB.palette)
        whole |= {"SegmentationClass/0001.png": numbers, "SegmentationObject/0001.png": numbers}
    whole = {name: content for name, content in {**whole, **files}.items() if content is not None}
    if "has no number" in message or "class name" in message:
        whole.pop("labelmap.txt")
    with pytest.raises(InputError) as caught:
        read("voc", whole)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_voc_holds_at_most_254_objects_and_no_colons():
    shapes = [{"class": 9, "instance": i + 1, "points": [[i, 0], [i + 1, 0], [i + 1, 1], [i, 1]]} for i in range(255)]
    label_set = {
        "name": "fmb",
        "classes": list(FMB.classes),
        "palette": ["#{:02x}{:02x}{:02x}".format(*c) for c in FMB.palette],
    }
    ours = {
        "format": "segmif-annotation",
        "version": 1,
        "label_set": label_set,
        "image": "a.png",
        "width": 255,
        "height": 1,
    }
    many = read("segmif", {"a.json": {**ours, "shapes": shapes}})
    assert many.label_set is FMB
    with pytest.raises(InputError, match="255 objects, VOC can hold 254"):
        FORMATS["voc"].encode(many)
    label_set["classes"][3] = "a:b"
    for name in ("voc", "labels"):
        with pytest.raises(InputError, match=r"class name 'a:b' cannot stand in VOC's labelmap\.txt"):
            FORMATS[name].encode(read("segmif", {"a.json": {**ours, "shapes": []}}))


def test_label_maps_are_grey_or_palette_pictures():
    labels = encode_labels(MASK.astype(np.uint8), FMB.palette)
    found = read("labels", {"0001.png": labels})
    assert found.label_set is FMB
    np.testing.assert_array_equal(painted(found), MASK)
    with pytest.raises(InputError, match=r"0001\.png: is not a grey or palette PNG of class ids"):
        read("labels", {"0001.png": encode_image(COLOURS[MASK.astype(int)])})


DRAWN: dict[str, Any] = {
    "image": "0001.jpg", "width": 20, "height": 10, "annotator": "by eye",
    "shapes": [
        {"cls": "road", "id": 1, "role": "stuff", "options": {}, "points": [0, 5, 20, 5, 20, 10, 0, 10]},
        {"cls": "bld", "id": 3, "role": "stuff", "options": {"rect": 1}, "input": [0, 0, 4, 3]},
        {"cls": "pole", "id": 14, "role": "object", "options": {"w": [2, 2]}, "points": [10, 1, 10, 8]},
        {"cls": "person", "id": 8, "role": "object", "options": {}, "input": [5, 4, 9, 9],
         "contour": [[5, 5, 6, 5, 6, 7, 5, 7], [8, 8, 8, 9, 9, 9, 9, 8]]},
        {"cls": "void", "id": 255, "role": "object", "options": {}, "polygon": [18, 0, 20, 0, 20, 2]},
    ],
}  # fmt: skip


def test_hand_drawn_entries_are_painted_and_come_back_whole():
    found = read("handdrawn", {"0001.json": DRAWN})
    labels, instances = rasterise(found.documents[0])
    assert (labels[:3, :4] == 3).all()
    assert (labels[2:7, 9:11] == 14).all()
    assert [int((labels == i).sum()) for i in (14, 8)] == [14, 6 + 4]
    assert set(np.unique(instances)) == {0, 1, 2}, "the pole and the person; ignored areas are no objects"
    assert json.loads(FORMATS["handdrawn"].encode(found)["0001.json"]) == DRAWN
    moved = copy.deepcopy(DRAWN)
    moved["shapes"][0]["points"][1] = 4
    again = read("handdrawn", FORMATS["handdrawn"].encode(read("handdrawn", {"0001.json": moved})))
    assert again.documents[0].shapes[0].points[0] == (0, 4)


def test_hand_drawn_polygons_may_be_new_and_their_head_lost():
    plain = Annotations(
        label_set=FMB,
        documents=read("segmif", FORMATS["segmif"].encode(read("handdrawn", {"a.json": DRAWN}))).documents,
    )
    (document,) = plain.documents
    bare = {**json.loads(FORMATS["segmif"].encode(plain)["0001.json"]), "attributes": {"handdrawn": "{"}}
    for shape in bare["shapes"]:
        shape.pop("attributes")
    written = json.loads(FORMATS["handdrawn"].encode(read("segmif", {"a.json": bare}))["0001.json"])
    assert "annotator" not in written
    assert [entry["cls"] for entry in written["shapes"]] == ["road", "bld", "pole", "person", "person", "void"]
    assert len(document.shapes) == 6


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"cls": "road", "id": 1, "role": "stuff"}, "shapes 1: has no list of points, input, polygon"),
        ({"id": 1, "points": [1, 2, 3]}, "shapes 1: "),
        ({"id": 1, "points": ["a", 2, 3, 4, 5, 6]}, "shapes 1: "),
    ],
)
def test_hand_drawn_entries_without_geometry_are_refused(entry, message):
    with pytest.raises(InputError) as caught:
        read("handdrawn", {"0001.json": {**DRAWN, "shapes": [entry]}})
    assert message in str(caught.value)


def test_run_lengths_of_nothing_are_refused():
    with pytest.raises(InputError, match="a mask of 0 pixels"):
        from_run_lengths([], 0)
