"""Painting: against a point-in-polygon test written another way, and what bands, order and holes do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmif.labelsets import IGNORE
from segmif.rig.annotation.document import Document, Shape
from segmif.rig.annotation.raster import rasterise, ring_mask, shapes_of_map, window_mask

COORDINATE = st.floats(-6, 20, allow_nan=False, width=32)
RINGS = st.lists(st.tuples(COORDINATE, COORDINATE), min_size=3, max_size=7)


def winding_is_odd(x: float, y: float, ring: list[tuple[float, float]]) -> bool:
    """The number of turns of the ring around a point: the sum of the angles its sides are seen under."""
    total = 0.0
    for (x0, y0), (x1, y1) in zip(ring, [*ring[1:], ring[0]], strict=True):
        a, b = (x0 - x, y0 - y), (x1 - x, y1 - y)
        total += math.atan2(a[0] * b[1] - a[1] * b[0], a[0] * b[0] + a[1] * b[1])
    return round(total / (2 * math.pi)) % 2 == 1


def distance(x: float, y: float, ring: list[tuple[float, float]]) -> float:
    """From a point to the nearest side."""
    point, nearest = np.array([x, y]), math.inf
    for start, end in zip(ring, [*ring[1:], ring[0]], strict=True):
        a, b = np.array(start), np.array(end)
        length = float((b - a) @ (b - a))
        t = min(1.0, max(0.0, float((point - a) @ (b - a)) / length)) if length else 0.0
        nearest = min(nearest, float(np.linalg.norm(a + t * (b - a) - point)))
    return nearest


@given(ring=RINGS)
@settings(max_examples=40, deadline=None)
def test_a_pixel_belongs_to_a_ring_that_goes_round_its_centre(ring):
    mask = ring_mask(tuple(ring), (9, 13))
    for row in range(9):
        for column in range(13):
            x, y = column + 0.5, row + 0.5
            if distance(x, y, ring) > 1e-6:  # on the line itself either answer is right
                assert mask[row, column] == winding_is_odd(x, y, ring)


@given(ring=RINGS, band=st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_a_window_shows_what_the_whole_picture_shows(ring, band):
    shape = Shape(class_id=1, points=tuple(ring), band=band)
    mask, window = window_mask([shape], (9, 13))
    whole = np.zeros((9, 13), bool)
    whole[window] = mask
    np.testing.assert_array_equal(whole, ring_mask(shape.points, (9, 13)))


def square(class_id: int, left: int, top: int, side: int, **more: object) -> Shape:
    points = ((left, top), (left + side, top), (left + side, top + side), (left, top + side))
    return Shape(class_id=class_id, points=points, **more)  # type: ignore[arg-type]


def test_later_shapes_are_painted_over_earlier_ones_with_their_band_around_them():
    document = Document(
        image="a.png", width=12, height=12,
        shapes=(square(1, 0, 0, 12), square(9, 4, 4, 4, instance=2, band=1), square(8, 6, 6, 2, instance=3)),
    )  # fmt: skip
    labels, instances = rasterise(document)
    expected = np.full((12, 12), 1)
    expected[4:8, 3:9] = expected[3:9, 4:8] = IGNORE  # a disk of radius 1: no corners
    expected[4:8, 4:8] = 9
    expected[6:8, 6:8] = 8
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_array_equal(instances, np.where(expected == 9, 2, np.where(expected == 8, 3, 0)))


def test_the_pictures_ignore_band_blanks_borders_between_classes():
    labels, _ = rasterise(
        Document(image="a.png", width=8, height=2, shapes=(square(1, 0, 0, 4), square(2, 4, 0, 4)), ignore_band=1)
    )
    assert labels[0].tolist() == [1, 1, 1, IGNORE, IGNORE, 2, 2, 2]


def test_what_lies_outside_paints_nothing():
    labels, instances = rasterise(
        Document(image="a.png", width=5, height=5, shapes=(square(1, 20, 20, 4, band=3, instance=1),))
    )
    assert (labels == IGNORE).all()
    assert not instances.any()


@pytest.mark.parametrize("seed", range(8))
def test_a_label_map_becomes_shapes_and_the_same_label_map(seed):
    rng = np.random.default_rng(seed)
    size = tuple(int(n) for n in rng.integers(1, 14, 2))
    labels = rng.choice(np.array([0, 1, 9, IGNORE], np.uint8), size)
    instances = np.where(labels == 9, rng.integers(0, 3, size), 0).astype(np.int32)
    shapes = shapes_of_map(labels, instances)
    painted, numbers = rasterise(Document(image="a.png", width=size[1], height=size[0], shapes=tuple(shapes)))
    np.testing.assert_array_equal(painted, labels)
    np.testing.assert_array_equal(numbers, instances)
