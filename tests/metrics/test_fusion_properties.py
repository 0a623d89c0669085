"""Properties the fusion metrics have for any pictures, and the table that describes them."""

import inspect
import math

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmif.metrics import fusion_metrics
from segmif.metrics.fusion import CONVENTIONS, METRICS, MetricInfo
from tests.metrics.test_fusion_oracle import triple

ASKED = (
    *("EN", "SD", "SF", "AG", "EI", "MSE", "RMSE", "PSNR", "CC", "SCD", "MI", "NMI", "Qncie", "CE", "SSIM", "MS_SSIM"),
    *("MS_SSIM_MEF", "VIF", "VIFF", "Qabf", "Nabf", "Labf", "Qabf_petrovic", "FMI_none", "FMI_gradient", "FMI_dct"),
    *("FMI_wavelet", "Qg", "Qm", "Qp", "Qs", "Qw", "Qe", "Qy", "Qc", "Qcb", "Qcv", "Qsf"),
)
FAST = [name for name in METRICS if not name.startswith("FMI") and name != "Qp"]
LOWER = {"MSE", "RMSE", "CE", "Nabf", "Labf", "Qcv"}

side = st.integers(17, 36)


@st.composite
def pictures(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three pictures of one size: noise, few levels, or a block on a plain ground."""
    shape = (draw(side), draw(side))

    def picture() -> np.ndarray:
        kind = draw(st.sampled_from(["noise", "few", "block"]))
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        if kind == "noise":
            return rng.integers(0, 256, shape, np.uint8)
        if kind == "few":
            return rng.choice(np.array(draw(arrays.arrays(np.uint8, 3)), np.uint8), shape) | np.uint8(2)
        image = np.full(shape, draw(st.integers(2, 255)), np.uint8)
        image[: shape[0] // 2, : shape[1] // 3] = draw(st.integers(2, 255))
        return image

    return picture(), picture(), picture()


@settings(max_examples=40, deadline=None)
@given(pictures())
def test_values_lie_in_the_range_the_table_gives(triple: tuple[np.ndarray, ...]) -> None:
    for convention, names in ((None, FAST), ("vifb", None), ("tang", None), ("cddfuse", None)):
        table = METRICS if convention is None else CONVENTIONS[convention]
        for name, value in fusion_metrics(*triple, names, convention).items():
            low, high = table[name].range
            assert low - 1e-9 <= value <= high + 1e-9, (convention, name, value)


@settings(max_examples=25, deadline=None)
@given(pictures())
def test_the_sources_are_interchangeable(triple: tuple[np.ndarray, ...]) -> None:
    fused, infrared, visible = triple
    one, other = fusion_metrics(fused, infrared, visible, FAST), fusion_metrics(fused, visible, infrared, FAST)
    # Qc gives 0 where infrared's weight is negative, 1 where visible's is; VIFF takes visible where gains tie.
    for name in set(FAST) - {"Qc", "VIFF"}:
        # Qg replaces zero strengths for one source before the other, as its program does.
        tolerance = 1e-4 if name == "Qg" else 1e-9
        assert one[name] == pytest.approx(other[name], rel=tolerance, abs=1e-9), name


@settings(max_examples=25, deadline=None)
@given(pictures())
def test_mirroring_all_three_changes_nothing_symmetric(triple: tuple[np.ndarray, ...]) -> None:
    names = ["EN", "SD", "SF", "AG", "EI", "MI", "NMI", "Qncie", "CC", "SCD", "SSIM", "Qs", "Qw", "Qsf", "MSE", "CE"]
    mirrored = [picture[:, ::-1] for picture in triple]
    assert fusion_metrics(*triple, names) == pytest.approx(fusion_metrics(*mirrored, names), rel=1e-9, abs=1e-9)


def test_a_perfect_copy_scores_best() -> None:
    _, picture, _ = triple(64, 70)
    found = fusion_metrics(picture, picture, picture)
    ones = ["CC", "SSIM", "MS_SSIM", "MS_SSIM_MEF", "Qs", "Qw", "Qe", "Qy", "Qc", "Qcb", "VIFF", "Qp"]
    ones += ["FMI_none", "FMI_gradient", "FMI_dct", "FMI_wavelet"]
    assert {name: found[name] for name in ones} == pytest.approx(dict.fromkeys(ones, 1.0), abs=2e-3)
    for name in ("SSIM", "CC", "Qs", "Qw", "FMI_dct", "Qcb"):
        assert found[name] == pytest.approx(1, abs=1e-9)
    assert found["VIF"] == pytest.approx(2, rel=1e-6)
    assert found["MI"] == pytest.approx(2 * found["EN"], rel=1e-12)
    assert found["NMI"] == pytest.approx(2, rel=1e-12)
    assert found["Qm"] == pytest.approx(3, rel=1e-12)
    assert found["PSNR"] == 100
    zeros = ["MSE", "RMSE", "CE", "Nabf", "Qcv", "Qsf"]
    assert {name: found[name] for name in zeros} == pytest.approx(dict.fromkeys(zeros, 0.0), abs=1e-9)
    assert found["Qabf"] > 0.97


def test_noise_makes_everything_worse() -> None:
    fused, infrared, visible = triple(80, 90)
    noise = np.random.default_rng(0).normal(0, 40, fused.shape)
    noisy = np.clip(fused + noise, 0, 255).astype(np.uint8)
    good, bad = fusion_metrics(fused, infrared, visible), fusion_metrics(noisy, infrared, visible)
    fidelity = ["MSE", "RMSE", "PSNR", "CC", "SCD", "SSIM", "MS_SSIM", "MS_SSIM_MEF", "VIF", "VIFF", "Qabf", "Nabf"]
    fidelity += [
        "Qabf_petrovic",
        "FMI_none",
        "FMI_gradient",
        "Qg",
        "Qm",
        "Qp",
        "Qs",
        "Qw",
        "Qe",
        "Qy",
        "Qc",
        "Qcb",
        "Qcv",
    ]
    for name in fidelity:
        better = good[name] > bad[name] if METRICS[name].higher_is_better else good[name] < bad[name]
        assert better, (name, good[name], bad[name])


def test_petrovic_shares_add_to_one() -> None:
    found = fusion_metrics(*triple(50, 60), ["Qabf_petrovic", "Labf", "Nabf"])
    assert sum(found.values()) == pytest.approx(1, abs=1e-12)


def test_the_table_is_complete() -> None:
    assert set(METRICS) == set(ASKED)
    assert {name for name, info in METRICS.items() if not info.higher_is_better} == LOWER
    for table in (METRICS, *CONVENTIONS.values()):
        for name, info in table.items():
            assert isinstance(info, MetricInfo)
            assert info.name == name
            assert len(info.equation) > 3
            assert info.source
            assert info.range[0] < info.range[1]
            assert info.needs in (("fused",), ("fused", "infrared", "visible"))
            assert [*inspect.signature(info.compute).parameters] == ["fused", "infrared", "visible"]


def test_conventions_offer_what_the_tools_print() -> None:
    vifb = {"EN", "CE", "MI", "RMSE", "PSNR", "AG", "EI", "SF", "SD", "SSIM", "Qabf", "Qcb", "Qcv"}
    assert set(CONVENTIONS["vifb"]) == vifb
    assert {"EN", "SD", "MI", "PSNR", "MSE", "SF", "AG", "CC", "SCD", "VIF", "Qabf"} <= set(CONVENTIONS["tang"])
    assert {"EN", "SD", "SF", "MI", "SCD", "VIF", "Qabf", "SSIM"} <= set(CONVENTIONS["cddfuse"])
    found = fusion_metrics(*triple(48, 48), convention="tang")
    assert found["SD"] <= math.sqrt(255)
