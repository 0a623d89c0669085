import numpy as np
import pytest
import torch
from PIL import Image

from segmif import io
from segmif.checks import InputError
from segmif.guide import vsm_wls
from segmif.infer.inputs import as_array, guide_maker, prepare, resample
from tests.infer.conftest import scene

INFRARED, VISIBLE = scene()


def test_every_kind_of_input_gives_the_same_pair(tmp_path):
    io.write_image(tmp_path / "i.png", INFRARED)
    io.write_image(tmp_path / "v.png", VISIBLE)
    channels_first = torch.from_numpy(VISIBLE).permute(2, 0, 1)
    kinds = {
        "arrays": (INFRARED, VISIBLE),
        "paths": (tmp_path / "i.png", str(tmp_path / "v.png")),
        "pillow": (Image.fromarray(INFRARED), Image.fromarray(VISIBLE)),
        "tensors": (torch.from_numpy(INFRARED), channels_first),
        "batches of one": (torch.from_numpy(INFRARED)[None, None], channels_first[None] / 255),
        "floats": (INFRARED / 255, VISIBLE / 255),
        "a channel and alpha": (INFRARED[..., None], np.dstack([VISIBLE, INFRARED])),
        "infrared as grey rgb": (np.repeat(INFRARED[..., None], 3, axis=2), VISIBLE),
    }
    for name, (infrared, visible) in kinds.items():
        pair = prepare(infrared, visible)
        assert pair.notes == (), name
        assert pair.size == (64, 80)
        np.testing.assert_allclose(pair.infrared, INFRARED / 255, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(pair.visible, VISIBLE / 255, atol=1e-6, err_msg=name)
        assert pair.infrared.dtype == pair.visible.dtype == np.float32


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((40, 40, 2), np.uint8), r"the infrared picture has shape \(40, 40, 2\)"),
        (np.zeros(40, np.uint8), r"has shape \(40,\)"),
        (torch.zeros(2, 1, 40, 40), "has shape"),
        ([[1, 2]], "is a list: give a path"),
    ],
)
def test_what_is_no_picture(picture, message):
    with pytest.raises(InputError, match=message):
        as_array(picture, "the infrared picture")


def test_half_precision_tensors_are_read():
    half = torch.full((40, 40), 0.5, dtype=torch.bfloat16)
    assert prepare(half, VISIBLE[:40, :40]).infrared.dtype == np.float32


@pytest.mark.parametrize("small", [(1, 1), (31, 80), (64, 20)])
def test_pictures_too_small_name_themselves(small):
    with pytest.raises(
        InputError, match=f"the visible picture is {small[1]}x{small[0]}: both sides must be at least 32"
    ):
        prepare(INFRARED, VISIBLE[: small[0], : small[1]])


def test_black_and_constant_pictures_are_noted():
    assert prepare(INFRARED * 0, VISIBLE).notes == (
        "the infrared picture is all black: the result can only show the other one",
    )
    assert "visible picture is of one value everywhere" in prepare(INFRARED, np.full_like(VISIBLE, 9)).notes[0]


def test_raw_counts_without_contrast_are_noted():
    assert len(prepare(np.full((40, 40), 7000, np.uint16), VISIBLE[:40, :40]).notes) == 1


def test_false_colour_infrared_is_noted():
    pair = prepare(VISIBLE, VISIBLE)
    assert "false colours" in pair.notes[0]
    assert pair.infrared.ndim == 2


def test_grey_visible_becomes_three_channels():
    assert prepare(INFRARED, INFRARED).visible.shape == (64, 80, 3)


@pytest.mark.parametrize(("height", "width"), [(32, 40), (128, 160), (35, 42)])
def test_another_resolution_is_brought_to_the_visible_grid_with_a_note(height, width):
    pair = prepare(scene(height, width)[0], VISIBLE)
    assert pair.size == (64, 80)
    assert f"infrared resampled from {width}x{height} to the visible picture's 80x64" in pair.notes[0]
    assert ("stretched by 4.2%" in pair.notes[0]) == (height == 35)
    expected = np.median(pair.infrared[28:36, 22:30])
    assert expected == pytest.approx(180 / 255, abs=0.05), "the warm disc stays where it was"


def test_another_field_of_view_is_refused():
    with pytest.raises(InputError, match="infrared is 64x64 but visible is 80x64: their shapes differ by 25%"):
        prepare(INFRARED[:, :64], VISIBLE)


def test_errors_of_values_name_the_file(tmp_path):
    Image.fromarray(np.full((40, 40), 300, np.float32)).save(tmp_path / "v.tif")
    with pytest.raises(InputError, match=r"v\.tif: the visible image is float with values 300\.\.300"):
        prepare(INFRARED[:40, :40], tmp_path / "v.tif")


def test_resampling_keeps_the_mean_and_the_range():
    picture = VISIBLE / np.float32(255)
    for size in ((16, 20), (200, 250)):
        small = resample(picture, size)
        assert small.shape == (*size, 3)
        assert small.mean() == pytest.approx(picture.mean(), abs=5e-3)
        assert small.min() >= picture.min()
        assert small.max() <= picture.max()


def test_guides_by_kind():
    pair = prepare(INFRARED, VISIBLE)
    default = guide_maker(None, "vsm_wls", "x")(pair.infrared, pair.visible)
    luma = pair.visible @ np.float32([0.299, 0.587, 0.114])
    np.testing.assert_allclose(default, vsm_wls(pair.infrared, luma), atol=1e-5)
    np.testing.assert_allclose(guide_maker("visible", "vsm_wls", "x")(pair.infrared, pair.visible), luma, atol=1e-6)


def test_guides_from_files_folders_and_arrays(tmp_path):
    io.write_image(tmp_path / "day" / "s.1.png", INFRARED)
    unit, pair = INFRARED / np.float32(255), prepare(INFRARED, VISIBLE)
    sources = (tmp_path / "day" / "s.1.png", str(tmp_path), INFRARED, np.repeat(INFRARED[..., None], 3, 2))
    for source in sources:
        guide = guide_maker(source, "vsm_wls", "day/s.1")(pair.infrared, pair.visible)
        np.testing.assert_allclose(guide, unit, atol=1e-5)
    reduced = guide_maker(INFRARED, "visible", "x")(resample(pair.infrared, (32, 40)), resample(pair.visible, (32, 40)))
    assert reduced.shape == (32, 40)


@pytest.mark.parametrize(
    ("guide", "message"),
    [("vsm", "guide vsm: neither a file nor one of vsm_wls"), (INFRARED[:, :50], "the guide is 50x64 but visible is")],
)
def test_guides_that_do_not_fit(guide, message):
    pair = prepare(INFRARED, VISIBLE)
    with pytest.raises(InputError, match=message):
        guide_maker(guide, "vsm_wls", "x")(pair.infrared, pair.visible)


def test_a_folder_without_the_pairs_guide(tmp_path):
    with pytest.raises(InputError, match=r"holds no guide named like the pair 'x'; add x\.png"):
        guide_maker(tmp_path, "vsm_wls", "x")
