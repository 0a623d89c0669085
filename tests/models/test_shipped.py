"""The weights in the package: whole, documented, and good for what they are for."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

import segmif
from segmif.data import open_dataset
from segmif.data.synthetic import synthetic_scene
from segmif.io import read_image
from segmif.labelsets import FMB
from segmif.models import weights

MOST_BYTES = 40_000_000


def test_the_default_comes_first() -> None:
    assert next(iter(weights.SHIPPED)) == "segmif-lite"


def test_all_together_are_small() -> None:
    sizes = [(weights.SHIPPED_FOLDER / record.file).stat().st_size for record in weights.SHIPPED.values()]
    assert 0 < sum(sizes) <= MOST_BYTES


@pytest.mark.parametrize("name", list(weights.SHIPPED))
def test_record_and_card_belong_to_the_file(name: str) -> None:
    record = weights.SHIPPED[name]
    path = weights.SHIPPED_FOLDER / record.file
    assert hashlib.sha256(path.read_bytes()).hexdigest() == record.sha256
    card = path.with_name("README.md").read_text("utf-8")
    assert record.data in card
    assert record.licence in card
    assert "Limits" in card
    for value in record.scores.values():
        assert f"{value:g}" in card
    pictures = re.findall(r"!\[.+\]\((.+)\)", card)
    assert len(pictures) >= 1
    assert all(read_image(path.with_name(picture)).shape[2] == 3 for picture in pictures)


@pytest.mark.parametrize("name", [name for name in weights.SHIPPED if name != "segmif-cwfid"])
def test_people_at_night_come_into_the_fused_picture(name: str) -> None:
    scene = synthetic_scene(7, size=(192, 256), time="night")
    assert scene.labels is not None
    people = scene.labels == FMB.classes.index("person")
    result = segmif.load(name, device="cpu").predict(scene.infrared, scene.visible)
    road = scene.labels == FMB.classes.index("road")
    grey = result.fused.mean(axis=2)
    seen = scene.visible.mean(axis=2)
    assert grey[people].mean() - grey[road].mean() > seen[people].mean() - seen[road].mean() + 20
    assert result.labels is not None
    assert np.mean(result.labels[road] == FMB.classes.index("road")) > 0.5


def test_a_real_night_pair_keeps_people_and_lamps(shared: Path) -> None:
    folder = shared / "data" / "msrs"
    result = segmif.load(device="cpu").predict(folder / "infrared/00754N.webp", folder / "visible/00754N.webp")
    brighter = np.maximum(result.infrared, result.visible.mean(axis=2))
    assert np.abs(result.fused.mean(axis=2) - brighter).mean() < 12


def test_the_model_of_fields_knows_crop_from_soil(shared: Path) -> None:
    pair = open_dataset("cwfid", shared / "data" / "cwfid", split="test")[0]
    assert pair.labels is not None
    found = segmif.load("segmif-cwfid", device="cpu").predict(pair.infrared, pair.visible).labels
    assert found is not None
    plants = pair.labels > 0
    assert ((found > 0) == plants).mean() > 0.95
