"""Fusion metrics against independent implementations: scikit-image, sewar, PyWavelets and literal loops."""

import numpy as np
import pytest
import sewar
from scipy.fft import dctn
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from segmif.metrics import fusion_metrics
from segmif.metrics.fusion.wavelets import haar, meyer, meyer_low_pass
from segmif.metrics.fusion.windows import gaussian, same, strips, valid
from tests.oracle import fusion as oracle

Triple = tuple[np.ndarray, np.ndarray, np.ndarray]


def triple(height: int, width: int, seed: int = 0) -> Triple:
    """Smooth pictures with noise: infrared and visible share little, fused has of both."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    infrared = 120 + 90 * np.sin(x / 7 + seed) * np.cos(y / 5) + rng.normal(0, 4, (height, width))
    visible = 110 + 70 * np.cos((x + y) / 4) + rng.normal(0, 12, (height, width))
    fused = 0.55 * infrared + 0.45 * visible + rng.normal(0, 2, (height, width))
    return tuple(np.clip(np.rint(p), 0, 255).astype(np.uint8) for p in (fused, infrared, visible))


SIZES = ((48, 64), (61, 47))


@pytest.mark.parametrize("size", SIZES)
def test_ssim_is_that_of_scikit_image(size: tuple[int, int]) -> None:
    fused, *sources = triple(*size)
    options = {"data_range": 255, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = np.mean([structural_similarity(fused, source, **options) for source in sources])
    assert fusion_metrics(fused, *sources, ["SSIM"])["SSIM"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_cddfuse_ssim_is_that_of_scikit_image_on_floats_taken_for_minus_one_to_one(size: tuple[int, int]) -> None:
    fused, *sources = triple(*size)
    expected = sum(structural_similarity(fused * 1.0, source * 1.0, data_range=2) for source in sources)
    assert fusion_metrics(fused, *sources, ["SSIM"], "cddfuse")["SSIM"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("size", SIZES)
def test_vif_is_that_of_sewar(size: tuple[int, int]) -> None:
    fused, *sources = triple(*size)
    expected = sum(sewar.vifp(source, fused) for source in sources)
    assert fusion_metrics(fused, *sources, ["VIF"])["VIF"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("size", SIZES)
def test_vif_in_two_dimensions(size: tuple[int, int]) -> None:
    fused, *sources = triple(*size, seed=3)
    expected = sum(oracle.vif(fused, source) for source in sources)
    assert fusion_metrics(fused, *sources, ["VIF"])["VIF"] == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("size", [(192, 176), (171, 203)])
def test_ms_ssim_in_two_dimensions(size: tuple[int, int]) -> None:
    fused, *sources = triple(*size)  # sewar averages the 2 × 2 blocks one pixel earlier: not the original phase
    expected = np.mean([oracle.ms_ssim(source, fused) for source in sources])
    assert fusion_metrics(fused, *sources, ["MS_SSIM"])["MS_SSIM"] == pytest.approx(expected, rel=1e-10)


def test_ms_ssim_of_small_pictures_has_fewer_scales() -> None:
    fused, *sources = triple(20, 30)
    options = {"data_range": 255, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    one_scale = np.mean([structural_similarity(fused, source, **options) ** 1.0001 for source in sources])
    assert fusion_metrics(fused, *sources, ["MS_SSIM"])["MS_SSIM"] == pytest.approx(one_scale, rel=1e-9)


@pytest.mark.parametrize("size", SIZES)
def test_psnr_mse_rmse(size: tuple[int, int]) -> None:
    fused, infrared, visible = triple(*size)
    found = fusion_metrics(fused, infrared, visible, ["MSE", "RMSE", "PSNR"])
    errors = [((fused / 255 - source / 255) ** 2).mean() for source in (infrared, visible)]
    assert found["MSE"] == pytest.approx(np.mean(errors), rel=1e-12)
    assert found["RMSE"] == pytest.approx(np.mean(np.sqrt(errors)), rel=1e-12)
    assert found["PSNR"] == pytest.approx(-10 * np.log10(np.mean(errors)), rel=1e-12)
    same_sources = fusion_metrics(fused, infrared, infrared, ["PSNR"])["PSNR"]
    assert same_sources == pytest.approx(peak_signal_noise_ratio(infrared, fused, data_range=255), rel=1e-12)


@pytest.mark.parametrize("size", [(24, 31), (17, 18)])
def test_against_loops(size: tuple[int, int]) -> None:
    fused, infrared, visible = triple(*size, seed=5)
    found = fusion_metrics(fused, infrared, visible, ["EN", "MI", "AG", "Qabf", "SF", "CC", "SCD", "SD", "FMI_none"])
    f, a, b = (p.astype(float) for p in (fused, infrared, visible))
    r = lambda x, y: np.corrcoef(x.ravel(), y.ravel())[0, 1]  # noqa: E731
    expected = {
        "EN": oracle.entropy(fused),
        "MI": oracle.mutual_information(fused, infrared) + oracle.mutual_information(fused, visible),
        "AG": oracle.average_gradient(fused),
        "Qabf": oracle.qabf(fused, infrared, visible),
        "SF": np.sqrt((np.diff(f, axis=0) ** 2).mean() + (np.diff(f, axis=1) ** 2).mean()),
        "CC": (r(f, a) + r(f, b)) / 2,
        "SCD": r(f - b, a) + r(f - a, b),
        "SD": f.std(),
        "FMI_none": oracle.fmi_raw(fused, infrared, visible),
    }
    assert found == pytest.approx(expected, rel=1e-10)


def test_mef_ssim_forms_no_patch_but_agrees_with_those_who_do() -> None:
    fused, infrared, visible = triple(20, 23, seed=2)  # below 21 pixels a side: one scale
    expected = oracle.mef_ssim_one_scale(fused, infrared, visible)
    assert fusion_metrics(fused, infrared, visible, ["MS_SSIM_MEF"])["MS_SSIM_MEF"] == pytest.approx(
        expected, rel=1e-10
    )


def test_cddfuse_prints_nats_and_levels() -> None:
    fused, infrared, visible = triple(40, 52)
    found = fusion_metrics(fused, infrared, visible, convention="cddfuse")
    plain = fusion_metrics(fused, infrared, visible, [*found])
    f, a, b = (p.astype(float) for p in (fused, infrared, visible))
    error = (((a - f) ** 2).mean() + ((b - f) ** 2).mean()) / 2
    gy, gx = np.gradient(f)
    assert found["MI"] == pytest.approx(plain["MI"] * np.log(2), rel=1e-12)
    assert found["MSE"] == pytest.approx(error, rel=1e-12)
    assert found["PSNR"] == pytest.approx(10 * np.log10(f.max() ** 2 / error), rel=1e-12)
    assert found["AG"] == pytest.approx(np.sqrt((gx**2 + gy**2) / 2).mean(), rel=1e-12)
    for name in ("EN", "SD", "SF", "CC", "SCD", "VIF", "Qabf"):
        assert found[name] == plain[name]


def test_haar_is_that_of_pywavelets() -> None:
    pywt = pytest.importorskip("pywt")
    image = triple(30, 44)[0].astype(float)
    approximation, details = pywt.dwt2(image, "haar")
    ours = haar(image)
    np.testing.assert_allclose(ours.approximation, approximation, atol=1e-9)
    for mine, theirs in zip(ours[1:], details, strict=True):
        np.testing.assert_allclose(np.abs(mine), np.abs(theirs), atol=1e-9)


def test_meyer_is_that_of_pywavelets_for_these_taps() -> None:
    pywt = pytest.importorskip("pywt")
    low = meyer_low_pass()
    high = low[::-1] * (-1.0) ** np.arange(1, 103)
    wavelet = pywt.Wavelet("ours", filter_bank=(low, high, low[::-1], high[::-1]))
    image = triple(70, 57)[0].astype(float)
    approximation, (h, v, d) = pywt.dwt2(image, wavelet, mode="symmetric")
    ours = meyer(image)
    np.testing.assert_allclose(ours.approximation, approximation, atol=1e-9)
    for mine, theirs in zip(ours[1:], (h, v, d), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-9)


def test_meyer_filter_is_orthonormal_to_its_truncation() -> None:
    low = meyer_low_pass()
    assert len(low) == 102
    assert low.sum() == pytest.approx(np.sqrt(2), abs=2e-6)
    for shift in range(0, 50, 2):
        product = low[shift:] @ low[: len(low) - shift]
        assert product == pytest.approx(1.0 if shift == 0 else 0.0, abs=2e-6)


def test_filters_are_plain_correlations() -> None:
    image = triple(40, 33)[1].astype(float)
    kernel = np.outer(gaussian(7, 1.5), gaussian(7, 1.5))
    np.testing.assert_allclose(valid(image, gaussian(7, 1.5)), oracle.correlate2d(image, kernel, "valid"), rtol=1e-12)
    np.testing.assert_allclose(same(image, gaussian(7, 1.5)), oracle.correlate2d(image, kernel, "same"), rtol=1e-12)


def test_strips_cover_every_row_once() -> None:
    for height, width in ((1, 1), (7, 100_000), (1000, 640), (5, 3)):
        assert np.concatenate([np.arange(height)[rows] for rows in strips(height, width)]).tolist() == [*range(height)]


def test_strips_do_not_change_values() -> None:
    fused, *sources = triple(700, 300)
    options = {"data_range": 255, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    found = fusion_metrics(fused, *sources, ["VIF", "SSIM", "Qabf"])
    assert found["SSIM"] == pytest.approx(np.mean([structural_similarity(fused, s, **options) for s in sources]))
    assert found["VIF"] == pytest.approx(sum(sewar.vifp(source, fused) for source in sources), rel=1e-9)
    assert found["Qabf"] == pytest.approx(oracle.qabf(fused, *sources), rel=1e-9)


def test_dct_feature_is_the_orthonormal_transform() -> None:
    image = triple(16, 12)[0].astype(float)
    assert np.square(dctn(image, norm="ortho")).sum() == pytest.approx(np.square(image).sum(), rel=1e-12)
