"""Pre-labels: polygons that paint the network's map, nearly, with few corners; objects numbered, doubt left out."""

from __future__ import annotations

import numpy as np
import pytest

from segmif.checks import InputError
from segmif.data.synthetic import synthetic_scene
from segmif.labelsets import FMB, IGNORE
from segmif.rig.annotation.document import Document
from segmif.rig.annotation.prelabel import THINGS, PrelabelOptions, clean, prelabel, simplify
from segmif.rig.annotation.raster import rasterise, ring_mask, trace


def painted(shapes, size):
    return rasterise(Document(image="a.png", width=size[1], height=size[0], shapes=tuple(shapes)))


@pytest.fixture(scope="module")
def labels():
    scene = synthetic_scene(5, size=(96, 128), time="day")
    assert scene.labels is not None
    return scene.labels


def test_without_simplification_the_map_comes_back_to_the_pixel(labels):
    shapes = prelabel(labels, None, FMB, PrelabelOptions(smallest=0, iou_loss=0))
    np.testing.assert_array_equal(painted(shapes, labels.shape)[0], labels)


def test_noise_comes_back_to_the_pixel_too():
    rng = np.random.default_rng(0)
    noise = rng.choice(np.array([1, 6, 9, IGNORE], np.uint8), (17, 23))
    shapes = prelabel(noise, None, FMB, PrelabelOptions(smallest=0, iou_loss=0))
    np.testing.assert_array_equal(painted(shapes, noise.shape)[0], noise)


def test_simplified_polygons_have_few_corners_and_nearly_the_same_pixels(labels):
    exact = prelabel(labels, None, FMB, PrelabelOptions(smallest=0, iou_loss=0))
    few = prelabel(labels, None, FMB)
    assert sum(len(s.points) for s in few) < 0.4 * sum(len(s.points) for s in exact)
    assert (painted(few, labels.shape)[0] == labels).mean() > 0.95


@pytest.mark.parametrize("loss", [0.02, 0.1, 0.3])
def test_a_ring_loses_no_more_than_it_may(loss):
    y, x = np.mgrid[:60, :80]
    region = ((x - 40) / 30.0) ** 2 + ((y - 30) / 20.0) ** 2 < 1
    ((ring, _),) = trace(region)
    simple = simplify(ring, loss)
    mask = ring_mask(simple, region.shape)
    assert len(simple) < len(ring) / 2
    assert (mask & region).sum() / (mask | region).sum() >= 1 - loss
    tiny = ((3.0, 3.0), (4.0, 3.0), (4.0, 4.0), (3.0, 4.0))
    assert ring_mask(simplify(tiny, 0.0), (6, 6)).sum() == 1


def test_objects_are_numbered_and_stuff_is_not(labels):
    shapes = prelabel(labels, None, FMB)
    numbers = [shape.instance for shape in shapes if shape.instance is not None]
    assert numbers == list(range(1, len(numbers) + 1))
    for shape in shapes:
        thing = shape.class_id != IGNORE and FMB.classes[shape.class_id] in THINGS
        assert (shape.instance is not None) == thing


def test_doubt_is_left_undrawn_and_specks_go_to_their_surroundings():
    labels = np.full((20, 20), 1, np.uint8)
    labels[:, 10:] = 6
    labels[4:6, 4:6] = 9  # four pixels of car in the road
    confidence = np.ones((20, 20), np.float32)
    confidence[12:, :] = 0.3
    cleaned = clean(labels, confidence, PrelabelOptions(confidence=0.5, smallest=9))
    assert (cleaned[12:] == IGNORE).all()
    assert (cleaned[:12, :10] == 1).all()
    shapes = prelabel(labels, confidence, FMB, PrelabelOptions(smallest=9, iou_loss=0))
    np.testing.assert_array_equal(painted(shapes, labels.shape)[0], cleaned)
    assert {shape.class_id for shape in shapes} == {1, 6}, "undrawn ground needs no polygon"


def test_an_undecided_hole_in_a_region_is_drawn_as_ignore():
    labels = np.full((20, 20), 1, np.uint8)
    labels[6:14, 6:14] = IGNORE
    shapes = prelabel(labels, None, FMB, PrelabelOptions(iou_loss=0))
    assert [shape.class_id for shape in shapes] == [1, IGNORE]
    np.testing.assert_array_equal(painted(shapes, labels.shape)[0], labels)


def test_a_map_of_specks_only_stays_as_it_is():
    labels = np.indices((6, 6)).sum(0).astype(np.uint8) % 2
    np.testing.assert_array_equal(clean(labels, None, PrelabelOptions(smallest=40)), labels)


def test_bad_options_and_sizes_are_refused():
    for bad in ({"confidence": 1.5}, {"iou_loss": 1}, {"smallest": -1}):
        with pytest.raises(InputError, match=r"must be 0\.\.1"):
            PrelabelOptions(**bad)
    with pytest.raises(InputError, match="confidence"):
        prelabel(np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.float32), FMB)
