"""Documents and their files: what is checked when they are made, classes mapped by name, our own format."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from segmif.checks import InputError
from segmif.labelsets import CWFID, FMB, MFNET, LabelSet
from segmif.rig.annotation import native
from segmif.rig.annotation.document import Annotations, Document, Shape, rename_classes
from segmif.rig.annotation.files import MAX_FILE_BYTES, dump_json, open_files, parse_xml, write_files
from segmif.rig.annotation.formats import read_annotations, write_annotations
from segmif.rig.annotation.formats.common import Names

TRIANGLE = ((0, 0), (4, 0), (4, 4))


def document(*shapes: Shape, **more: Any) -> Document:
    return Document(**{"image": "a.png", "width": 8, "height": 6, "shapes": shapes, **more})


def shape(**more: Any) -> Shape:
    return Shape(**{"class_id": 9, "points": TRIANGLE, **more})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: shape(points=TRIANGLE[:2]), "at least 3 points, got 2"),
        (lambda: shape(points=((0, 0), (1, 1), (2,))), "must be pairs of numbers"),
        (lambda: shape(points=((0, 0), (1, 1), (2, float("nan")))), "the coordinate nan"),
        (lambda: shape(holes=(((1, 1), (2, 2)),)), "at least 3 points, got 2"),
        (lambda: shape(class_id=256), "class id is 256: it must be a whole number from 0 to 255"),
        (lambda: shape(class_id=True), "class id is True"),
        (lambda: shape(instance=0), "instance is 0"),
        (lambda: shape(band=-1), "band is -1"),
        (lambda: shape(attributes={"a": 1}), "attribute 'a' must be text, got int"),
        (lambda: shape(attributes=["a"]), "attributes must be names and texts, got list"),
        (lambda: shape(attributes={"a": "\ud800"}), "unprintable"),
        (lambda: document(width=0), "a.png: width is 0"),
        (lambda: document(width=60000, height=60000), "60000x60000 is above the limit of"),
        (lambda: document(image="a/../../b.png"), "is refused"),
        (lambda: document(image="C:\\b.png"), "is refused"),
        (lambda: document(image="a\n.png"), "unprintable character '\\n'"),
        (lambda: document(author=7), "author must be text"),
        (lambda: document(shape(instance=1), shape(instance=1, class_id=8)), "instance 1 has shapes of the classes 9"),
        (lambda: Annotations(label_set=CWFID, documents=(document(shape()),)), "shape 1 has class 9, expected 0..2"),
        (lambda: Annotations(label_set=FMB, documents=(document(), document(image="a.jpg"))), "share a name"),
    ],
)  # fmt: skip
def test_nothing_unsound_is_made(make, message):
    with pytest.raises(InputError) as caught:
        make()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("road", " car"), "class name ' car' is refused"),
        (("road", ""), "class name '' is refused"),
        (("road", "ignore"), "class name 'ignore' is refused"),
        (("road", "road"), "names a class twice"),
    ],
)
def test_class_names_that_no_format_can_hold_are_refused(classes, message):
    with pytest.raises(InputError, match=message):
        Annotations(label_set=LabelSet(name="x", classes=classes, palette=((0, 0, 0), (1, 1, 1))), documents=())


def test_coordinates_are_thousandths_and_there_is_no_minus_zero():
    points = shape(points=((0.12345, -0.0001), (4, 0), (4, 4))).points
    assert points[0] == (0.123, 0.0)
    assert str(points[0][1]) == "0.0"


def test_classes_are_matched_by_name():
    drawn = Annotations(label_set=MFNET, documents=(document(shape(class_id=2), shape(class_id=255)),))
    assert [s.class_id for s in rename_classes(drawn, FMB).documents[0].shapes] == [FMB.classes.index("person"), 255]
    strange = Annotations(label_set=MFNET, documents=(document(shape(class_id=MFNET.classes.index("guardrail"))),))
    with pytest.raises(InputError, match=r"a\.png: unknown class 'guardrail'.*rename it, or leave out --labels"):
        rename_classes(strange, FMB)


def test_unknown_names_get_the_next_id():
    names = Names()
    assert [names.id(name, "here") for name in ("road", "car ", "road", "__ignore__", "ignore")] == [0, 1, 0, 255, 255]
    for number in range(253):
        names.id(f"class {number}", "here")
    with pytest.raises(InputError, match="here: more than 255 classes"):
        names.id("one more", "here")


OURS = json.loads(native.encode_document(document(shape(instance=1)), FMB))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "x"}, "a.json: is not a segmif-annotation file"),
        ({"version": 9}, "a.json: is of version 9, this program reads 1; update segmif"),
        ({"label_set": {"name": "x", "classes": ["a"], "palette": []}}, "needs a name and a colour for each class"),
        ({"label_set": {"name": "x", "classes": ["a"], "palette": ["red"]}}, "'red' is not a colour"),
        ({"shapes": [{"class": 9}]}, "a.json, shapes 1: 'points' must be list"),
        ({"shapes": [{"class": 9, "points": [[0, 0]]}]}, "a.json, shapes 1: a polygon needs at least 3 points"),
        ({"width": 0}, "a.json: a.png: width is 0"),
        ({"done": 1}, "a.json: 'done' must be bool, found 1"),
    ],
)
def test_our_files_are_refused_in_one_line(change, message, tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(dump_json({**OURS, **change}))
    with pytest.raises(InputError) as caught:
        read_annotations(path, "segmif")
    assert str(caught.value).startswith(f"{tmp_path}/")
    assert message in str(caught.value)
    assert str(caught.value).count("a.json") == 1


def test_a_folder_of_ours_has_one_label_set_and_other_files_are_told(tmp_path):
    write_annotations(tmp_path / "a", Annotations(label_set=FMB, documents=(document(shape()),)), "segmif")
    write_annotations(tmp_path / "b", Annotations(label_set=CWFID, documents=(document(image="b.png"),)), "segmif")
    (tmp_path / "b" / "b.json").rename(tmp_path / "a" / "b.json")
    with pytest.raises(InputError, match=r"/a: b\.json: its classes are not those of the files before"):
        read_annotations(tmp_path / "a", "segmif")
    (tmp_path / "b" / "notes.txt").write_text("x")
    with pytest.raises(InputError, match=r"/b: no \.json files of ours among the 1 given; check --from"):
        read_annotations(tmp_path / "b", "segmif")
    with pytest.raises(InputError, match="/nowhere: no such folder or file"):
        read_annotations(tmp_path / "nowhere", "cvat")
    (tmp_path / "b" / "notes.txt").unlink()
    with pytest.raises(InputError, match="holds no annotation files"):
        read_annotations(tmp_path / "b", "cvat")


def test_files_that_are_too_large_or_no_zip_are_refused(tmp_path):
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)  # sparse: no disk, no memory
    with pytest.raises(InputError, match="is larger than 256 MiB"):
        read_annotations(tmp_path / "a.json", "segmif")
    (tmp_path / "a.zip").write_bytes(b"PK no")
    with pytest.raises(InputError, match="is not a zip file"):
        open_files(tmp_path / "a.zip")
    write_files(tmp_path / "b.zip", {"a.json": b"{}" * 40})
    whole = bytearray((tmp_path / "b.zip").read_bytes())
    whole[40] ^= 0xFF
    (tmp_path / "b.zip").write_bytes(whole)
    with pytest.raises(InputError, match=r"a\.json (is damaged|cannot be unpacked)"):
        open_files(tmp_path / "b.zip")["a.json"]
    with pytest.raises(InputError, match="writes 2 files; give a folder"):
        write_files(tmp_path / "c.json", {"a.json": b"", "b.json": b""})
    with pytest.raises(InputError, match="is not XML"):
        parse_xml(b"<a>", "a.xml")


def test_ids_are_written_as_they_are_read(tmp_path):
    given = document(shape(instance=3, holes=(((1, 1), (2, 1), (2, 2)),), band=2, attributes={"α": "β"}), done=True)
    annotations = Annotations(
        label_set=replace(FMB, name="mine", palette=((9, 9, 9), *FMB.palette[1:])), documents=(given,)
    )
    write_annotations(tmp_path, annotations, "segmif")
    assert read_annotations(tmp_path, "segmif") == annotations
    assert np.array(json.loads((tmp_path / "a.json").read_text())["shapes"][0]["points"]).tolist() == [
        [0, 0],
        [4, 0],
        [4, 4],
    ]
