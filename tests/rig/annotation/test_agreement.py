"""Agreement of two annotators, against the same numbers counted pixel by pixel in another way."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from segmif.checks import InputError
from segmif.labelsets import FMB, IGNORE, MFNET, LabelSet
from segmif.rig.annotation.agreement import agreement, cohens_kappa
from segmif.rig.annotation.document import Annotations, Document, Shape
from segmif.rig.annotation.raster import rasterise

SIZE = (40, 56)


def box(class_id: int, left: float, top: float, right: float, bottom: float, instance: int | None = None) -> Shape:
    points = ((left, top), (right, top), (right, bottom), (left, bottom))
    return Shape(class_id=class_id, points=points, instance=instance)


def drawn(*pictures: tuple[str, tuple[Shape, ...]], label_set: LabelSet = FMB) -> Annotations:
    documents = tuple(
        Document(image=f"{name}.png", width=SIZE[1], height=SIZE[0], shapes=shapes) for name, shapes in pictures
    )
    return Annotations(label_set=label_set, documents=documents)


def random_set(seed: int) -> Annotations:
    rng = np.random.default_rng(seed)
    pictures = []
    for name in ("a", "b", "night/c"):
        shapes = [box(1, 0, 20, 56, 40), box(7, 0, 0, 56, 20)][: int(rng.integers(1, 3))]
        for number in range(1, 7):
            left, top = rng.uniform(0, 40), rng.uniform(0, 30)
            class_id = (8, 9, IGNORE)[number % 3]
            instance = number if class_id != IGNORE else None
            shapes.append(box(class_id, left, top, left + rng.uniform(4, 16), top + rng.uniform(4, 10), instance))
        pictures.append((name, tuple(shapes)))
    return drawn(*pictures)


def pixel_pairs(a: Annotations, b: Annotations) -> list[tuple[int, int]]:
    return [
        (int(p), int(q))
        for one, two in zip(a.documents, b.documents, strict=True)
        for p, q in zip(rasterise(one)[0].ravel(), rasterise(two)[0].ravel(), strict=True)
    ]


def kappa_by_chance(pairs: list[tuple[int, int]]) -> float:
    """Kappa as the text-book says it: of two raters who throw dice with their own shares, how many agree by luck?"""
    total = len(pairs)
    seen = sum(p == q for p, q in pairs) / total
    first = {c: sum(p == c for p, _ in pairs) / total for c in range(15)}
    second = {c: sum(q == c for _, q in pairs) / total for c in range(15)}
    luck = sum(first[c] * second[c] for c in range(15))
    return (seen - luck) / (1 - luck)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_numbers_are_those_counted_pixel_by_pixel(seed):
    a, b = random_set(seed), random_set(seed + 10)
    result = agreement(a, b)
    everything = pixel_pairs(a, b)
    pairs = [(p, q) for p, q in everything if IGNORE not in (p, q)]
    assert result.kappa == pytest.approx(kappa_by_chance(pairs), abs=1e-12)
    assert result.accuracy == pytest.approx(np.mean([p == q for p, q in pairs]), abs=1e-12)
    for class_id in range(15):
        either = sum(class_id in pair for pair in pairs)
        expected = sum(p == q == class_id for p, q in pairs) / either if either else math.nan
        assert result.class_iou[class_id] == pytest.approx(expected, abs=1e-12, nan_ok=True)
        for other in range(15):
            assert result.confusion[class_id, other] == sum(pair == (class_id, other) for pair in pairs)
    kinds = [(p != IGNORE, q != IGNORE) for p, q in everything]
    order = ((True, True), (True, False), (False, True), (False, False))
    assert result.drawn == pytest.approx([kinds.count(kind) / len(kinds) for kind in order])


def test_kappa_is_the_published_example_and_has_its_limits():
    # Fleiss, Levin, Paik, Statistical Methods for Rates and Proportions (2003), table 18.1: kappa 0.68.
    assert cohens_kappa(np.array([[75, 1, 4], [5, 4, 1], [0, 0, 10]])) == pytest.approx(0.6765, abs=5e-5)
    assert cohens_kappa(np.eye(3, dtype=np.int64) * 7) == 1.0
    assert cohens_kappa(np.array([[25, 25], [25, 25]])) == 0.0
    assert cohens_kappa(np.array([[0, 5], [5, 0]])) == -1.0
    assert math.isnan(cohens_kappa(np.array([[9, 0], [0, 0]])))
    assert math.isnan(cohens_kappa(np.zeros((2, 2), np.int64)))


def test_objects_are_paired_best_first_and_counted_once():
    ground = box(1, 0, 0, 56, 40)
    a = drawn(("a", (ground, box(9, 0, 0, 10, 10, 1), box(9, 20, 0, 30, 10, 2), box(8, 40, 0, 44, 10, 3))))
    b = drawn(("a", (ground, box(9, 22, 0, 32, 10, 1), box(9, 0, 0, 10, 8, 2), box(9, 40, 20, 50, 30, 3))))
    result = agreement(a, b)
    cars, people = result.objects[9], result.objects[8]
    assert (cars.both, cars.only_a, cars.only_b) == (2, 0, 1)
    assert cars.mean_iou == pytest.approx((80 / 120 + 80 / 100) / 2)
    assert (people.both, people.only_a, people.only_b) == (0, 1, 0)
    assert math.isnan(people.mean_iou)
    assert result.pictures[0].objects == pytest.approx(cars.mean_iou)
    unsaid = drawn(("a", (ground, box(IGNORE, 40, 0, 44, 10), *b.documents[0].shapes[1:])))
    assert 8 not in agreement(a, unsaid).objects, "where B says 255 it says nothing against A's object"


def test_of_a_crowd_the_most_alike_are_paired_first():
    """A's first car overlaps both of B's; B's first is more like A's second, so it goes there."""
    ground = box(1, 0, 0, 56, 40)
    a = drawn(("a", (ground, box(9, 0, 0, 10, 10, 1), box(9, 10, 0, 20, 10, 2))))
    b = drawn(("a", (ground, box(9, 8, 0, 20, 10, 1), box(9, 0, 0, 5, 10, 2))))
    cars = agreement(a, b).objects[9]
    assert (cars.both, cars.only_a, cars.only_b) == (2, 0, 0)
    assert cars.mean_iou == pytest.approx((10 / 12 + 5 / 10) / 2)
    far = drawn(("a", (ground, box(9, 9.5, 0, 20, 10, 1))))
    result = agreement(drawn(("a", (ground, box(9, 0, 0, 10, 10, 1)))), far).objects[9]
    assert (result.both, result.only_a, result.only_b) == (0, 1, 1), "an overlap below a tenth is none"


def test_pictures_are_matched_by_stem_and_the_worst_comes_first():
    ground = (box(1, 0, 0, 56, 40),)
    a = drawn(("same", ground), ("mine", ground), ("apart", ground), ("empty", ()))
    b = drawn(("apart", (box(7, 0, 0, 56, 20), box(1, 0, 20, 56, 40))), ("same", ground), ("theirs", ()), ("empty", ()))
    result = agreement(a, b)
    assert (result.only_a, result.only_b) == (["mine"], ["theirs"])
    assert [picture.name for picture in result.pictures] == ["empty", "apart", "same"]
    apart = result.pictures[1]
    assert (apart.accuracy, apart.mean_iou, apart.compared) == (0.5, 0.25, 1.0)
    plain = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert plain["pictures"][0]["kappa"] is None
    assert plain["iou"]["bus"] is None
    assert plain["iou"]["road"] == pytest.approx(0.75)
    assert plain["pictures_compared"] == 3


def test_other_label_sets_are_matched_by_name():
    a = drawn(("a", (box(FMB.classes.index("car"), 0, 0, 9, 9),)))
    b = drawn(("a", (box(MFNET.classes.index("car"), 0, 0, 9, 9),)), label_set=MFNET)
    assert agreement(a, b).accuracy == 1


def test_nothing_in_common_and_other_sizes_are_refused():
    with pytest.raises(InputError, match="no picture in common: A has 1"):
        agreement(drawn(("a", ())), drawn(("b", ())))
    small = Annotations(label_set=FMB, documents=(Document(image="a.png", width=3, height=3),))
    with pytest.raises(InputError, match=r"A's a\.png"):
        agreement(drawn(("a", ())), small)
    empty = agreement(drawn(("a", ())), drawn(("a", ())))
    assert math.isnan(empty.accuracy)
    assert math.isnan(empty.kappa)
