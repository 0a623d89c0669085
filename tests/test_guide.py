import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmif.checks import InputError
from segmif.color import luma
from segmif.guide import GUIDE_KINDS, guided_filter, make_guide, rolling_guidance, visual_saliency, vsm_wls
from segmif.io import read_image, to_unit
from tests.oracle import vsm_wls as oracle

sides = st.integers(1, 40)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth ramp with a bright box and noise, so that every layer holds something; 8-bit levels."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    image = 0.2 + 0.3 * (x * rng.random() + y * rng.random()) / max(height, width) + 0.05 * rng.random((height, width))
    image[height // 3 : height // 2 + 1, width // 4 : width // 2 + 1] += 0.3
    return (np.rint(255 * image) / 255).astype(np.float32)


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    return float(10 * np.log10(1 / np.mean(np.square(first - second, dtype=np.float64))))


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (17, 23), (33, 20)])
def test_agrees_with_the_definition_written_out(size):
    infrared, visible = picture(*size), picture(*size, seed=1)
    expected = oracle.vsm_wls(infrared.astype(float), visible.astype(float))
    np.testing.assert_allclose(vsm_wls(infrared, visible), expected, atol=1e-4)
    expected = oracle.vsm_wls(visible.astype(float), infrared.astype(float))
    np.testing.assert_allclose(vsm_wls(infrared, visible, anchor="visible"), expected, atol=1e-4)


@pytest.mark.parametrize(("radius", "eps"), [(1, 0.01), (4, 1e-6), (30, 0.3)])
def test_guided_filter_agrees_with_its_windows(radius, eps):
    guide, image = picture(13, 18).astype(float), picture(13, 18, seed=1).astype(float)
    expected = oracle.guided_filter(guide, image, radius, eps)
    np.testing.assert_allclose(guided_filter(guide, image, radius, eps), expected, atol=1e-9)


def test_published_pictures(shared: Path):
    """Result pictures of the method in VIFB: JPEG files, made from each colour channel by itself."""
    root = shared / "golden" / "images" / "vifb"
    values = []
    for path in sorted((root / "VSMWLS").glob("*.jpg")):
        infrared, visible, expected = (
            to_unit(read_image(root / folder / path.name), "visible") for folder in ("infrared", "visible", "VSMWLS")
        )
        values.append(psnr(vsm_wls(luma(infrared), luma(visible)), luma(expected)))
    print([f"{value:.1f} dB" for value in values])
    assert len(values) == 6
    assert np.median(values) > 41
    assert min(values) > 35.5


@settings(max_examples=20, deadline=None)
@given(height=sides, width=sides, seed=st.integers(0, 99))
def test_properties(height, width, seed):
    infrared, visible = picture(height, width, seed), picture(height, width, seed + 1)
    fused = vsm_wls(infrared, visible)
    assert fused.dtype == np.float32
    assert fused.shape == (height, width)
    assert fused.min() >= 0
    assert fused.max() <= 1
    np.testing.assert_allclose(vsm_wls(infrared, infrared), infrared, atol=1e-5)
    mirrored = vsm_wls(infrared[:, ::-1], visible[:, ::-1])[:, ::-1]
    np.testing.assert_allclose(mirrored, fused, atol=1e-4)
    turned = vsm_wls(infrared.T, visible.T).T
    np.testing.assert_allclose(turned, fused, atol=1e-4)


@pytest.mark.parametrize(("first", "second"), [(0.0, 0.0), (1.0, 1.0), (0.25, 0.75)])
def test_constant_pictures_average(first, second):
    fused = vsm_wls(np.full((21, 34), first, np.float32), np.full((21, 34), second, np.float32))
    np.testing.assert_allclose(fused, (first + second) / 2, atol=1e-6)


@pytest.mark.parametrize("anchor", ["infrared", "visible"])
def test_takes_the_hot_target_and_the_texture(anchor):
    rng = np.random.default_rng(0)
    visible = (0.4 + 0.2 * rng.random((64, 64))).astype(np.float32)
    infrared = np.full((64, 64), 0.1, np.float32)
    infrared[24:40, 24:40] = 0.95
    fused = vsm_wls(infrared, visible, anchor=anchor)
    assert fused[26:38, 26:38].mean() - fused[:12].mean() > 0.4
    assert np.corrcoef(fused[:12].ravel(), visible[:12].ravel())[0, 1] > 0.65


def test_rolling_guidance_drops_noise_and_keeps_edges():
    rng = np.random.default_rng(0)
    step = np.repeat([0.2, 0.8], 32)[None].repeat(48, 0)
    smooth = rolling_guidance(step + 0.02 * rng.standard_normal(step.shape), 4, 0.05)
    assert np.std(smooth[:, :20]) < 0.004
    assert (smooth[:, 33] - smooth[:, 30]).mean() > 0.5


def test_saliency_is_the_distance_to_all_levels():
    image = np.array([[0, 0, 0, 1.0]])
    np.testing.assert_array_equal(visual_saliency(image), [[0, 0, 0, 1]])
    image = picture(9, 11)
    np.testing.assert_allclose(visual_saliency(image), oracle.saliency(image.astype(float)), atol=1e-6)


def test_kinds_of_guide():
    infrared, visible = picture(20, 30), picture(20, 30, seed=1)
    assert set(GUIDE_KINDS) == {"vsm_wls", "visible", "average", "maximum"}
    np.testing.assert_array_equal(make_guide("vsm_wls", infrared, visible), vsm_wls(infrared, visible))
    np.testing.assert_array_equal(make_guide("visible", infrared, visible), visible)
    np.testing.assert_allclose(make_guide("average", infrared, visible), (infrared + visible) / 2)
    np.testing.assert_array_equal(make_guide("maximum", infrared, visible), np.maximum(infrared, visible))
    for kind in GUIDE_KINDS:
        guide = make_guide(kind, infrared.astype(np.float64), visible)
        assert guide.dtype == np.float32
        guide += 1  # a guide is a new array: the pair must not change with it
    np.testing.assert_array_equal(visible, picture(20, 30, seed=1))
    with pytest.raises(InputError, match="did you mean 'visible'"):
        make_guide("visibel", infrared, visible)


@pytest.mark.parametrize(
    ("infrared", "visible", "message"),
    [
        (np.zeros((8, 8), np.float32), np.zeros((8, 9), np.float32), "infrared is 8x8 but luma is 9x8"),
        (np.zeros((8, 8, 3), np.float32), np.zeros((8, 8), np.float32), r"infrared has shape \(8, 8, 3\)"),
        (np.zeros((0, 8), np.float32), np.zeros((0, 8), np.float32), "infrared has shape"),
        (np.zeros((8, 8), np.float32), np.zeros((8, 8), np.uint8), "luma has dtype uint8"),
        (np.zeros((8, 8), np.float32), np.full((8, 8), 255.0), "luma has values 255..255"),
        (np.full((8, 8), np.nan), np.zeros((8, 8)), "infrared has values nan..nan"),
    ],
)
def test_bad_pictures(infrared, visible, message):
    with pytest.raises(InputError, match=message):
        vsm_wls(infrared, visible)


def test_unknown_anchor():
    with pytest.raises(InputError, match="unknown anchor"):
        vsm_wls(np.zeros((8, 8)), np.zeros((8, 8)), anchor="ir")  # type: ignore[arg-type]


def test_is_fast_enough_to_make_targets_while_training():
    infrared, visible = picture(480, 640), picture(480, 640, seed=1)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        vsm_wls(infrared, visible)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.3
