"""Foreign formats: what goes out comes back; what cannot be held is refused in one line."""

import io as streams
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmif.checks import InputError
from segmif.labelsets import FMB, LabelSet
from segmif.rig.annotation.document import Annotations, Document, Shape
from segmif.rig.annotation.files import open_files, parse_xml
from segmif.rig.annotation.formats import FORMATS, read_annotations, write_annotations
from segmif.rig.annotation.formats.rle import decode_coco, encode_coco
from segmif.rig.annotation.holes import bridge_holes, restore_holes
from segmif.rig.annotation.raster import rasterise, ring_mask, shape_mask, trace

TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn"), exclude_characters=":#"), min_size=1, max_size=6)
NAMES = TEXT.map(str.strip).filter(lambda name: name not in ("", "ignore", "__ignore__"))
RINGS = st.lists(st.tuples(st.floats(-3, 30), st.floats(-3, 30)), min_size=3, max_size=6).map(tuple)


@st.composite
def annotation_sets(draw, holes=False):
    classes = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    label_set = LabelSet(
        name="mine", classes=tuple(classes), palette=tuple((i, 2 * i, 200) for i in range(len(classes)))
    )
    documents = []
    for stem in draw(st.lists(st.sampled_from(["a", "sub/b", "ü 7"]), min_size=1, max_size=2, unique=True)):
        shapes = []
        for _ in range(draw(st.integers(0, 4))):
            class_id = draw(st.sampled_from([*range(len(classes)), 255]))
            instance = draw(st.none() | st.integers(0, 2).map(lambda i, c=class_id: 1 + 3 * c + i))
            rings = tuple(draw(st.lists(RINGS, max_size=2))) if holes else ()
            attributes = draw(st.dictionaries(TEXT, TEXT, max_size=2))
            shapes.append(
                Shape(class_id=class_id, points=draw(RINGS), holes=rings, instance=instance,
                      band=draw(st.integers(0, 3)), attributes=attributes)
            )  # fmt: skip
        documents.append(
            Document(image=f"{stem}.png", width=24, height=17, shapes=tuple(shapes), author=draw(TEXT),
                     revision=draw(st.integers(0, 9)), done=draw(st.booleans()), ignore_band=draw(st.integers(0, 2)))
        )  # fmt: skip
    return Annotations(label_set=label_set, documents=tuple(documents))


@pytest.mark.parametrize("name", ["cvat", "labelme", "labelstudio", "coco", "segmif"])
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_polygons_come_back(name, data):
    annotations = data.draw(annotation_sets(holes=name == "segmif"))
    form = FORMATS[name]
    back = form.decode(form.encode(annotations))
    assert back.documents == annotations.documents
    assert back.label_set.classes == annotations.label_set.classes
    assert back.label_set.palette == annotations.label_set.palette


@pytest.mark.parametrize("name", ["panoptic", "voc", "labels"])
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_pixels_come_back(name, data):
    annotations = data.draw(annotation_sets(holes=True))
    form = FORMATS[name]
    back = form.decode(form.encode(annotations))
    for before, after in zip(annotations.documents, back.documents, strict=True):
        labels, instances = rasterise(before)
        np.testing.assert_array_equal(rasterise(after)[0], labels)
        if name != "labels":
            np.testing.assert_array_equal(rasterise(after)[1], np.where(labels == 255, 0, instances))


@st.composite
def holed_sets(draw):
    """Boxes, some over the picture's edge, with up to three holes side by side, painted over one another."""
    documents = []
    for stem in ("a", "dusk/Зима 7"):
        shapes = []
        for _ in range(draw(st.integers(1, 3))):
            left, top = draw(st.integers(-4, 12)), draw(st.integers(-4, 6))
            count = draw(st.integers(0, 3))
            depth = draw(st.integers(1, 2))
            starts = range(left + 1, left + 1 + 4 * count, 4)
            holes = [((x, top + 1), (x + 3, top + depth), (x + 1, top + 5)) for x in starts]
            outline = ((left, top), (left + 14, top), (left + 13.5, top + 7), (left, top + 7))
            class_id = draw(st.sampled_from([1, 9, 255]))
            note = draw(st.dictionaries(TEXT, TEXT, max_size=1))
            shapes.append(Shape(class_id=class_id, points=outline, holes=tuple(holes), attributes=note))
        documents.append(Document(image=f"{stem}.png", width=24, height=11, shapes=tuple(shapes)))
    return Annotations(label_set=FMB, documents=tuple(documents))


@pytest.mark.parametrize("name", ["cvat", "labelme", "labelstudio", "coco", "segmif"])
@given(annotations=holed_sets())
@settings(max_examples=12, deadline=None)
def test_bridged_holes_come_back_as_holes(name, annotations, tmp_path_factory):
    path = tmp_path_factory.mktemp("holes") / "set.zip"
    bridged = bridge_holes(annotations)
    for before, after in zip(annotations.documents, bridged.documents, strict=True):
        assert all(not shape.holes for shape in after.shapes)
        np.testing.assert_array_equal(rasterise(after)[0], rasterise(before)[0])
    write_annotations(path, annotations if name == "segmif" else bridged, name)
    assert read_annotations(path, name) == annotations


HOLED = Annotations(
    label_set=FMB,
    documents=(
        Document(
            image="a.png", width=20, height=20,
            shapes=(Shape(class_id=9, points=((1, 1), (18, 2), (16, 17), (2, 15)), holes=(((5, 5), (9, 5), (8, 9)),)),),
        ),
    ),
)  # fmt: skip


@pytest.mark.parametrize("name", ["cvat", "labelme", "labelstudio", "coco"])
def test_holes_are_refused_or_bridged(name):
    with pytest.raises(InputError, match=r"shape 1 \(car\) has a hole.*--holes bridge"):
        FORMATS[name].encode(HOLED)
    bridged = FORMATS[name].decode(FORMATS[name].encode(bridge_holes(HOLED)))
    np.testing.assert_array_equal(rasterise(bridged.documents[0])[0], rasterise(HOLED.documents[0])[0])


def test_a_bridge_that_was_edited_stays_a_polygon():
    (document,) = bridge_holes(HOLED).documents
    (shape,) = document.shapes
    note = shape.attributes["segmif_holes"]
    for points, noted in (
        (((0, 0), *shape.points[1:]), note),  # the corner the bridge starts from, one of its two copies
        (shape.points[:-2], note),
        (shape.points, "1.1.99"),
        (shape.points, "1.9.3"),
        (shape.points, "a hole"),
    ):
        edited = replace(shape, points=points, attributes={"segmif_holes": noted, "colour": "red"})
        (after,) = restore_holes(replace(HOLED, documents=(replace(document, shapes=(edited,)),))).documents[0].shapes
        assert (after.points, after.holes, after.attributes) == (edited.points, (), {"colour": "red"})


def test_holes_that_cross_are_not_bridged():
    crossing = replace(HOLED.documents[0].shapes[0], holes=(((15, 5), (25, 5), (20, 9)),))
    document = replace(HOLED.documents[0], shapes=(crossing,))
    with pytest.raises(InputError, match=r"a\.png: a hole of shape 1 crosses its outline or another"):
        bridge_holes(replace(HOLED, documents=(document,)))


def test_trace_is_exact():
    rng = np.random.default_rng(0)
    for _ in range(300):
        mask = rng.random(rng.integers(1, 12, 2)) < rng.random()
        painted = np.zeros_like(mask)
        for points, holes in trace(mask):
            part = shape_mask(Shape(class_id=0, points=points, holes=holes), mask.shape)
            assert not (painted & part).any()
            painted |= part
        np.testing.assert_array_equal(painted, mask)


def test_neighbours_share_no_pixel_and_leave_none():
    rng = np.random.default_rng(1)
    for _ in range(200):
        p = [tuple(point) for point in (np.round(rng.uniform(-3, 20, (4, 2)) * 2) / 2).tolist()]
        halves = ring_mask((p[0], p[1], p[2]), (15, 17)) ^ ring_mask((p[0], p[2], p[3]), (15, 17))
        np.testing.assert_array_equal(halves, ring_mask(tuple(p), (15, 17)))


def test_run_lengths_are_cocos():
    mask_api = pytest.importorskip("faster_coco_eval.core.mask")
    rng = np.random.default_rng(2)
    for _ in range(50):
        mask = rng.random(rng.integers(1, 40, 2)) < rng.random()
        theirs = mask_api.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]
        assert encode_coco(mask) == (theirs.decode() if isinstance(theirs, bytes) else theirs)
        np.testing.assert_array_equal(decode_coco(encode_coco(mask), *mask.shape), mask)


def test_hostile_xml_and_zips_are_refused(tmp_path):
    bomb = b'<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>'
    with pytest.raises(InputError, match="DTD"):
        parse_xml(bomb, "bomb.xml")
    for name in ("../out.json", "/etc/x.json", "C:/x.json", "a/../../x.json"):
        with zipfile.ZipFile(buffer := streams.BytesIO(), "w") as archive:
            archive.writestr(name, "{}")
        (tmp_path / "z.zip").write_bytes(buffer.getvalue())
        with pytest.raises(InputError, match="leads out"):
            open_files(tmp_path / "z.zip")
    with pytest.raises(InputError, match="inside its folder"):
        Document(image="../a.png", width=3, height=3)


def test_folder_zip_and_file_are_alike(tmp_path):
    for name in ("folder", "set.zip", "instances.json"):
        write_annotations(tmp_path / name, bridge_holes(HOLED), "coco")
        assert read_annotations(tmp_path / name, "coco") == HOLED, "what was bridged is a hole again"


def test_our_drawn_polygons_come_back(shared):
    import json

    folder = shared / "data" / "msrs" / "label_polygons"
    files = FORMATS["handdrawn"].encode(read_annotations(folder, "handdrawn"))
    assert len(files) == 30
    for name, data in files.items():
        assert json.loads(data) == json.loads((folder / name).read_text())
