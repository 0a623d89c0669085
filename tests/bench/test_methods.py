from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from segmif.bench.gradient_transfer import transfer_gradients
from segmif.bench.methods import METHODS, ResultFolder, fuse_channels, fuse_luma, get_method
from segmif.checks import InputError, MissingExtraError
from segmif.color import luma
from segmif.guide import vsm_wls
from segmif.io import read_image, to_unit, write_image
from tests.oracle import vsm_wls as oracle

every_method = pytest.mark.parametrize("name", METHODS)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Noise over a ramp, in [0, 1]."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 0.5 + 0.3 * rng.random(), width)[None].repeat(height, 0)
    return (ramp + 0.2 * rng.random((height, width))).astype(np.float32)


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    return float(10 * np.log10(1 / np.mean(np.square(first - second, dtype=np.float64))))


def published(shared: Path, method: str, *, grey_infrared: bool = True):
    """Yield infrared (H, W), visible RGB and the published result RGB of VIFB's pairs, float in [0, 1].

    Without `grey_infrared` only the pairs whose infrared file has three (equal) channels.
    """
    root = shared / "golden" / "images" / "vifb"
    for path in sorted((root / method).glob("*.jpg")):
        infrared, visible, result = (
            to_unit(read_image(root / folder / path.name), "visible") for folder in ("infrared", "visible", method)
        )
        if grey_infrared or infrared.ndim == 3:
            yield luma(infrared), visible, result


def test_published_gff(shared):
    """The published colour pictures have one weight map for all channels, so their luma is that of grey fusion.

    Where the infrared file has one channel the published picture is not a fusion, but the visible one with its green
    replaced by the infrared: those two pairs say nothing about the method.
    """
    pairs = published(shared, "GFF", grey_infrared=False)
    values = [psnr(METHODS["gff"](a, luma(b)), luma(f)) for a, b, f in pairs]
    print([f"{value:.1f} dB" for value in values])
    assert len(values) == 4
    assert np.median(values) > 48
    assert min(values) > 45


def test_published_gtf(shared):
    """The published colour pictures couple the channels' gradients: λ = 4 there is 4 / √3 on the luma."""
    values = [
        psnr(np.clip(transfer_gradients(a, luma(b), weight=4 / np.sqrt(3)), 0, 1), luma(f))
        for a, b, f in published(shared, "GTF")
    ]
    print([f"{value:.1f} dB" for value in values])
    assert len(values) == 6
    assert np.median(values) > 42
    assert min(values) > 39


def test_published_vsm_wls(shared):
    """The published colour pictures are made channel by channel."""
    values = [psnr(luma(fuse_channels(vsm_wls, a, b)), luma(f)) for a, b, f in published(shared, "VSMWLS")]
    print([f"{value:.1f} dB" for value in values])
    assert len(values) == 6
    assert np.median(values) > 41.5
    assert min(values) > 38.5


@every_method
@settings(max_examples=12, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 99))
def test_properties(name, height, width, seed):
    method = get_method(name)
    infrared, visible = picture(height, width, seed), picture(height, width, seed + 1)
    kept = infrared.copy(), visible.copy()
    fused = method(infrared, visible)
    assert fused.dtype == np.float32
    assert fused.shape == (height, width)
    assert 0 <= fused.min() <= fused.max() <= 1
    np.testing.assert_array_equal(method(infrared, visible), fused)
    np.testing.assert_allclose(method(infrared, infrared), infrared, atol=1e-5)
    np.testing.assert_array_equal(infrared, kept[0])
    np.testing.assert_array_equal(visible, kept[1])


@every_method
@pytest.mark.parametrize(("first", "second"), [(0.0, 0.0), (0.2, 0.6), (1.0, 0.0)])
def test_constant_pictures_give_a_constant_between(name, first, second):
    fused = METHODS[name](np.full((24, 35), first), np.full((24, 35), second))
    assert np.ptp(fused) < 1e-5
    assert min(first, second) - 1e-5 <= fused.mean() <= max(first, second) + 1e-5


@every_method
def test_bad_pictures(name):
    with pytest.raises(InputError, match="same width x height"):
        METHODS[name](np.zeros((8, 8)), np.zeros((8, 9)))
    with pytest.raises(InputError, match="expected a grey"):
        METHODS[name](np.zeros((8, 8)), np.zeros((8, 8, 3)))


def test_unknown_method():
    with pytest.raises(InputError, match="did you mean 'laplacian'"):
        get_method("laplace")


@pytest.mark.parametrize("name", ["laplacian", "wavelet", "tif", "gff"])
def test_detail_comes_from_the_sharper_picture(name):
    rng = np.random.default_rng(0)
    sharp = (0.4 + 0.2 * rng.random((64, 64))).astype(np.float32)
    flat = np.full_like(sharp, 0.5)
    for fused in (METHODS[name](sharp, flat), METHODS[name](flat, sharp)):
        kept = np.std(fused - ndimage.gaussian_filter(fused, 2)) / np.std(sharp - ndimage.gaussian_filter(sharp, 2))
        assert kept > 0.9


def test_average_maximum():
    infrared, visible = picture(5, 7), picture(5, 7, 1)
    np.testing.assert_allclose(METHODS["average"](infrared, visible), (infrared + visible) / 2, atol=1e-7)
    np.testing.assert_array_equal(METHODS["maximum"](infrared, visible), np.maximum(infrared, visible))


def test_two_scale_agrees_with_the_definition_written_out():
    infrared, visible = picture(40, 51).astype(float), picture(40, 51, 1).astype(float)
    bases = [ndimage.uniform_filter(image, 35, mode="reflect") for image in (infrared, visible)]
    medians = [ndimage.median_filter(image, 3, mode="nearest") for image in (infrared, visible)]
    saliencies = [(base - median) ** 2 for base, median in zip(bases, medians, strict=True)]
    detail = saliencies[0] * (infrared - bases[0]) + saliencies[1] * (visible - bases[1])
    expected = (bases[0] + bases[1]) / 2 + detail / (saliencies[0] + saliencies[1])
    np.testing.assert_allclose(METHODS["tif"](infrared, visible), np.clip(expected, 0, 1), atol=1e-5)


def test_gff_agrees_with_the_definition_written_out():
    infrared, visible = picture(19, 24).astype(float), picture(19, 24, 1).astype(float)
    saliencies = []
    y, x = np.mgrid[-5:6, -5:6]
    window = np.exp(-(x**2 + y**2) / 50)
    for image in (infrared, visible):
        edges = np.abs(ndimage.laplace(image, mode="nearest"))
        saliencies.append(ndimage.correlate(edges, window / window.sum(), mode="nearest"))
    mask = (saliencies[0] > saliencies[1]).astype(float)
    means = [ndimage.uniform_filter(image, 31, mode="nearest") for image in (infrared, visible)]
    expected = 0
    layers = [(means, 45, 0.3), ((infrared - means[0], visible - means[1]), 7, 1e-6)]
    for (first, second), radius, eps in layers:
        weight_1 = np.clip(oracle.guided_filter(infrared, mask, radius, eps), 0, 1)
        weight_2 = np.clip(oracle.guided_filter(visible, 1 - mask, radius, eps), 0, 1)
        expected = expected + (weight_1 * first + weight_2 * second) / (weight_1 + weight_2)
    np.testing.assert_allclose(METHODS["gff"](infrared, visible), np.clip(expected, 0, 1), atol=1e-5)


@pytest.mark.parametrize(("weight", "share"), [(0.5, 0.9), (2.0, 0.3), (4.0, 0.15)])
def test_gradient_transfer_lowers_its_objective(weight, share):
    infrared, visible = picture(30, 41).astype(float), picture(30, 41, 1).astype(float)

    def objective(fused: np.ndarray) -> float:
        slopes = np.diff(fused - visible, axis=0)[:, :-1] ** 2 + np.diff(fused - visible, axis=1)[:-1] ** 2
        return float(np.abs(fused - infrared).sum() + weight * np.sqrt(slopes).sum())

    fused = transfer_gradients(infrared, visible, weight=weight)
    assert objective(fused) < share * objective(infrared)  # where it starts


def test_gradient_transfer_solves_each_step_like_a_direct_solver(monkeypatch):
    """With the residual driven to nothing, one step is the exact minimum of the quadratic."""
    monkeypatch.setattr("segmif.bench.gradient_transfer._STEPS", 1)
    monkeypatch.setattr("segmif.bench.gradient_transfer._RESIDUAL_FALL", 1e12)
    infrared, visible = picture(6, 7).astype(float), picture(6, 7, 1).astype(float)
    target = (infrared - visible).ravel()
    rows, columns = (np.eye(side, k=1) - np.eye(side) for side in (6, 7))
    rows[-1], columns[-1] = 0, 0
    down, right = np.kron(rows, np.eye(7)), np.kron(np.eye(6), columns)
    squared = (down @ target) ** 2 + (right @ target) ** 2
    slope = np.sqrt(np.maximum(squared, max(np.quantile(squared, 0.01), squared.max() / 1000)))
    smoothing = sum(step.T @ np.diag(1 / slope) @ step for step in (down, right))
    change = np.linalg.solve(np.eye(42) / 0.8 + 4 * smoothing, target / 0.8)
    np.testing.assert_allclose(transfer_gradients(infrared, visible), visible + change.reshape(6, 7), atol=1e-6)


def test_wavelets_need_the_bench_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pywt", None)
    with pytest.raises(MissingExtraError, match=r"segmif\[bench\]"):
        METHODS["wavelet"](np.zeros((8, 8)), np.zeros((8, 8)))


def test_colour_by_luma_keeps_the_chroma():
    infrared = picture(12, 15)
    visible = 0.3 + 0.4 * np.random.default_rng(0).random((12, 15, 3))
    fused = fuse_luma(METHODS["average"], infrared, visible)
    assert fused.dtype == np.float32
    grey = luma(visible)
    np.testing.assert_allclose(luma(fused), (infrared + grey) / 2, atol=2e-3)
    np.testing.assert_allclose(fused - luma(fused)[..., None], visible - grey[..., None], atol=2e-3)


def test_colour_by_channels():
    infrared, visible = picture(12, 15), np.random.default_rng(0).random((12, 15, 3))
    fused = fuse_channels(METHODS["average"], infrared, visible)
    np.testing.assert_allclose(fused, (infrared[..., None] + visible) / 2, atol=1e-6)


@pytest.mark.parametrize("fuse", [fuse_luma, fuse_channels])
def test_colour_wants_rgb(fuse):
    with pytest.raises(InputError, match="expected RGB"):
        fuse(METHODS["average"], np.zeros((8, 8)), np.zeros((8, 8)))


def test_folder_of_results(tmp_path):
    write_image(tmp_path / "0001.png", np.full((4, 6, 3), 7, np.uint8))
    write_image(tmp_path / "0002.png", np.full((4, 6), 9, np.uint8))
    results = ResultFolder(tmp_path)
    np.testing.assert_array_equal(results("0001"), np.full((4, 6, 3), 7))
    np.testing.assert_array_equal(results("0002", size=(4, 6)), np.full((4, 6), 9))
    assert results.missing(["0003", "0001", "0000"]) == ["0003", "0000"]
    with pytest.raises(InputError, match="no picture named '0003' among its 2"):
        results("0003")
    with pytest.raises(InputError, match=r"0001\.png is 6x4 but its pair is 4x6"):
        results("0001", size=(6, 4))


def test_folder_without_results(tmp_path):
    with pytest.raises(InputError, match="holds no picture"):
        ResultFolder(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        ResultFolder(tmp_path / "absent")
