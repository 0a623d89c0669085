"""Shifts put into pairs are found; pairs with nothing in common are not believed."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from segmif.data import open_dataset
from segmif.data.alignment import Shift, estimate_shift
from segmif.data.geometry import shifted


def scene(seed: int = 0) -> np.ndarray:
    """Rectangles on a ground: edges that both bands share."""
    random = np.random.default_rng(seed)
    image = np.full((160, 220), 90, np.uint8)
    for _ in range(25):
        x, y = int(random.integers(0, 200)), int(random.integers(0, 140))
        cv2.rectangle(
            image,
            (x, y),
            (x + int(random.integers(8, 40)), y + int(random.integers(8, 40))),
            int(random.integers(256)),
            -1,
        )
    return image


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (7, -4), (-11, 3)])
def test_known_shift_across_inverted_bands(dx: int, dy: int) -> None:
    visible = np.repeat(scene()[..., None], 3, axis=2)
    infrared = shifted(255 - scene(), dx=dx, dy=dy, degrees=0, zoom=1)
    found = estimate_shift(infrared, visible)
    assert found.sure
    assert abs(found.dx - dx) <= 1
    assert abs(found.dy - dy) <= 1


def test_large_pictures_are_measured_in_their_own_pixels() -> None:
    visible = cv2.resize(scene(), (1320, 960), interpolation=cv2.INTER_NEAREST)
    found = estimate_shift(shifted(visible, dx=12, dy=0, degrees=0, zoom=1), visible)
    assert found.dx == pytest.approx(12, abs=2.1)
    assert found.pixels == pytest.approx(12, abs=2.1)


def test_pictures_of_different_things_are_not_believed() -> None:
    random = np.random.default_rng(0)
    scores = [estimate_shift(*(random.integers(0, 256, (2, 120, 160)).astype(np.uint8))).score for _ in range(5)]
    assert max(scores) < 10
    assert not estimate_shift(np.zeros((64, 64), np.uint8), scene()[:64, :64]).sure
    assert Shift(dx=3, dy=4, score=0).pixels == 5


def test_real_pairs_shifted_by_known_amounts(shared: Path) -> None:
    dataset = open_dataset("roadscene", shared / "data/roadscene")
    misses = []
    for index in range(0, len(dataset), 20):
        sample = dataset[index]
        before = estimate_shift(sample.infrared, sample.visible)
        moved = estimate_shift(shifted(sample.infrared, dx=6, dy=-5, degrees=0, zoom=1), sample.visible)
        if before.sure and moved.sure:
            misses.append(max(abs(moved.dx - before.dx - 6), abs(moved.dy - before.dy + 5)))
    assert len(misses) >= 8
    assert np.median(misses) <= 1


def test_msrs_is_as_misaligned_as_its_notes_say(shared: Path) -> None:
    dataset = open_dataset("msrs", shared / "data/msrs", split="val")
    shifts = [estimate_shift(s.infrared, s.visible) for s in dataset]
    assert 2 <= np.median([shift.dy for shift in shifts if shift.sure]) <= 6  # infrared lower by about 4 to 6 pixels
