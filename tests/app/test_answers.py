"""What an answer holds for a model of the shared layout, the kind that is served by default."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from segmif.models import SegMiF, SegMiFConfig
from tests.app.conftest import Files

answers = pytest.importorskip("segmif.app.answers", reason="needs the extra app: pip install 'segmif[app]'")


@pytest.fixture(scope="module")
def bundle(pair: Files) -> zipfile.ZipFile:
    from segmif.infer import Model

    torch.manual_seed(0)
    model = Model(SegMiF(SegMiFConfig.preset("segmif-lite")).eval(), device="cpu", dtype="float32", name="shared")
    uploads = [answers.Upload(data=getattr(pair, band), name=f"{band}.png") for band in ("infrared", "visible")]
    wish = answers.Wish()
    return zipfile.ZipFile(io.BytesIO(answers.bundle(answers.fuse(model, *uploads, wish), wish)))


def test_the_share_of_the_picture_comes_first(bundle: zipfile.ZipFile) -> None:
    entries = json.loads(bundle.read("report.json"))["attention"]
    assert [entry["source"] for entry in entries[:2]] == ["picture", "merge"]
    assert len(entries) == 2 + 2 * 2 * 3
    for entry in entries:
        assert 0 <= entry["low"] <= entry["mean"] <= entry["high"] <= 1


def test_it_is_as_large_as_the_picture_and_the_rest_a_quarter(bundle: zipfile.ZipFile) -> None:
    sizes = {name: Image.open(io.BytesIO(bundle.read(name))).size for name in bundle.namelist() if "json" not in name}
    assert sizes["attention/picture_infrared.jpg"] == sizes["fused.png"]
    quarter = tuple(-(-side // 4) for side in sizes["fused.png"])
    assert sizes["attention/merge_infrared.jpg"] == sizes["attention/level2_visible_moam.jpg"] == quarter


def test_maps_show_something(bundle: zipfile.ZipFile) -> None:
    for name in bundle.namelist():
        if name.startswith("attention/"):
            assert np.asarray(Image.open(io.BytesIO(bundle.read(name)))).std() > 5, name
