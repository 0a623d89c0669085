"""What the fusion metrics accept, refuse, and define for degenerate pictures."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from segmif.checks import InputError
from segmif.metrics import SourcePair, fusion_metrics
from segmif.metrics.fusion import CONVENTIONS, METRICS
from segmif.metrics.fusion.inputs import luma_levels, opencv_luma_levels
from tests.metrics.test_fusion_oracle import triple

PANEL = ["EN", "SD", "SF", "AG", "MI", "SCD", "VIF", "Qabf", "SSIM", "CC"]
FUSED, INFRARED, VISIBLE = triple(48, 52)
TABLES = [None, *CONVENTIONS]


def test_float_uint8_tensor_and_pillow_give_the_same() -> None:
    expected = fusion_metrics(FUSED, INFRARED, VISIBLE, PANEL)
    unit = (FUSED / 255).astype(np.float32)
    for fused in (
        unit,
        unit.astype(np.float64),
        torch.from_numpy(unit),
        torch.from_numpy(unit)[None],
        torch.from_numpy(FUSED),
        Image.fromarray(FUSED),
        FUSED[..., None],
        FUSED[:, ::-1][:, ::-1],
        np.repeat(FUSED[..., None], 3, axis=2),
        torch.from_numpy(np.repeat(FUSED[None], 3, axis=0)),
    ):
        assert fusion_metrics(fused, INFRARED, VISIBLE, PANEL) == expected


def test_colour_becomes_luma_rounded_half_up() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    exact = rgb @ np.array([0.298936, 0.587043, 0.114021])
    assert (luma_levels(rgb) == np.floor(exact + 0.5 + 1e-9)).all()
    assert np.abs(opencv_luma_levels(rgb).astype(int) - luma_levels(rgb)).max() <= 1
    assert (opencv_luma_levels(FUSED) == FUSED).all()
    names = ["EN", "VIF"]
    assert fusion_metrics(FUSED[:30, :40], rgb, VISIBLE[:30, :40], names) == fusion_metrics(
        FUSED[:30, :40], luma_levels(rgb), VISIBLE[:30, :40], names
    )


def test_vifb_takes_the_mean_over_channels_and_grey_stands_for_each() -> None:
    colour = np.stack([FUSED, np.roll(FUSED, 3, 0), 255 - FUSED], axis=2)
    names = ["EN", "MI", "Qabf", "SSIM", "CE"]
    found = fusion_metrics(colour, INFRARED, VISIBLE, names, "vifb")
    parts = [fusion_metrics(colour[..., k], INFRARED, VISIBLE, names, "vifb") for k in range(3)]
    assert found == pytest.approx({name: np.mean([part[name] for part in parts]) for name in names}, rel=1e-12)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (None, "missing"),
        (FUSED[:-1], "same width x height"),
        (FUSED.astype(np.float32), "np.rint"),
        (FUSED / 255 - 0.5, "clip"),
        (FUSED / 255 / 255, "twice"),
        ((FUSED > 100).astype(np.uint8), "only 0 and 1"),
        (FUSED > 100, "dtype bool"),
        (FUSED.astype(np.uint16) * 257, "uint16"),
        (FUSED.astype(np.int64), "int64"),
        (np.where(FUSED > 100, np.nan, 0.5), "NaN"),
        (np.where(FUSED > 100, np.inf, 0.5), "infinite"),
        (np.stack([FUSED] * 4, 2), "alpha"),
        (np.stack([FUSED] * 3), "shape"),
        (FUSED[None, None], "shape"),
        (FUSED[0], "shape"),
        (FUSED[:0], "empty"),
    ],
)
def test_bad_pictures_are_refused_with_the_remedy(bad: object, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        fusion_metrics(bad, INFRARED, VISIBLE, PANEL)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=words):
        fusion_metrics(INFRARED, bad, VISIBLE, PANEL)


def test_a_missing_source_is_fine_where_none_is_needed() -> None:
    alone = [name for name, info in METRICS.items() if info.needs == ("fused",)]
    assert set(alone) == {"EN", "SD", "SF", "AG", "EI"}
    assert fusion_metrics(FUSED, None, None, alone) == fusion_metrics(FUSED, INFRARED, VISIBLE, alone)
    with pytest.raises(InputError, match="the visible image is missing: MI"):
        fusion_metrics(FUSED, INFRARED, None, ["EN", "MI"])


def test_unknown_names() -> None:
    with pytest.raises(InputError, match="did you mean 'Qabf'"):
        fusion_metrics(FUSED, INFRARED, VISIBLE, ["Qab"])
    with pytest.raises(InputError, match="unknown convention 'vfib'"):
        fusion_metrics(FUSED, INFRARED, VISIBLE, convention="vfib")
    with pytest.raises(InputError, match="unknown tang metric 'FMI_dct'"):
        fusion_metrics(FUSED, INFRARED, VISIBLE, ["FMI_dct"], "tang")


def test_one_name_as_a_string_and_repeated_names() -> None:
    assert [*fusion_metrics(FUSED, None, None, "EN")] == ["EN"]
    assert [*fusion_metrics(FUSED, None, None, ["SD", "EN", "SD"])] == ["SD", "EN"]


def test_small_pictures_name_the_metrics_that_need_more() -> None:
    small = (FUSED[:16, :20], INFRARED[:16, :20], VISIBLE[:16, :20])
    with pytest.raises(InputError, match="20x16: VIF, VIFF need sides of at least 17"):
        fusion_metrics(*small)
    rest = [name for name, info in METRICS.items() if info.min_side <= 16]
    assert all(math.isfinite(value) for value in fusion_metrics(*small, rest).values())


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_works_at_its_smallest_side(name: str) -> None:
    side = METRICS[name].min_side
    for height, width in ((side, side), (side, 40), (40, side)):
        pictures = (p[:height, :width] for p in (FUSED, INFRARED, VISIBLE))
        assert math.isfinite(fusion_metrics(*pictures, [name])[name])


CONSTANT = {
    (0, 0, 0): {"Qabf": 0.0, "VIF": 2.0, "SSIM": 1.0, "PSNR": 100.0, "EN": 0.0, "CC": 0.0, "SCD": 0.0, "Qm": 3.0},
    (128, 128, 128): {"VIF": 2.0, "VIFF": 1.0, "SSIM": 1.0, "PSNR": 100.0, "SD": 0.0, "MI": 0.0, "NMI": 0.0},
    (255, 0, 128): {"VIF": 2.0, "CC": 0.0, "CE": 0.0, "Qsf": 0.0, "Qp": 1.0, "FMI_none": 1.0, "Qcb": 1.0},
    (1, 1, 0): {"EN": 0.0, "AG": 0.0, "EI": 0.0, "SF": 0.0},
}


@pytest.mark.parametrize("convention", TABLES)
@pytest.mark.parametrize("levels", CONSTANT)
def test_constant_pictures_have_defined_values(levels: tuple[int, int, int], convention: str | None) -> None:
    found = fusion_metrics(*(np.full((44, 47), level, np.uint8) for level in levels), convention=convention)
    assert all(math.isfinite(value) for value in found.values())
    json.dumps(found, allow_nan=False)
    if convention is None:
        for name, value in CONSTANT[levels].items():
            assert found[name] == pytest.approx(value, abs=1e-12), name


@pytest.mark.parametrize("convention", TABLES)
@pytest.mark.parametrize("constant", range(3))
def test_one_constant_picture_among_three(constant: int, convention: str | None) -> None:
    pictures = [FUSED, INFRARED, VISIBLE]
    pictures[constant] = np.full_like(FUSED, 90)
    found = fusion_metrics(*pictures, convention=convention)
    assert all(math.isfinite(value) for value in found.values())


def test_sources_that_are_flat_in_parts() -> None:
    infrared, visible = INFRARED.copy(), VISIBLE.copy()
    infrared[10:40, 10:40] = 200
    visible[10:40, 10:40] = 31
    found = fusion_metrics(FUSED, infrared, visible)
    for name, value in found.items():
        low, high = METRICS[name].range
        assert low - 1e-9 <= value <= high + 1e-9, name


def test_a_source_pair_gives_the_same_and_keeps_its_work() -> None:
    pair = SourcePair(INFRARED, VISIBLE)
    first = pair.metrics(FUSED)
    kept = {id(plane): len(plane.memory) for planes in pair._planes.values() for plane in planes}
    again, other = pair.metrics(FUSED), pair.metrics(255 - FUSED)
    assert first == again == fusion_metrics(FUSED, INFRARED, VISIBLE)
    assert other != first
    assert other == fusion_metrics(255 - FUSED, INFRARED, VISIBLE)
    assert kept == {id(plane): len(plane.memory) for planes in pair._planes.values() for plane in planes}
