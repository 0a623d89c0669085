import numpy as np
import pytest
from PIL import Image

from segmif import viz
from segmif.checks import InputError
from segmif.labelsets import FMB, IGNORE


@pytest.fixture
def scene() -> tuple[np.ndarray, np.ndarray]:
    """A grey picture whose left half is road, right half person, one column ignored and one unlabelled row."""
    picture = np.full((60, 200, 3), 100, np.uint8)
    labels = np.full((60, 200), 1, np.uint8)
    labels[:, 100:] = 8
    labels[:, 0] = IGNORE
    labels[0] = 0
    return picture, labels


def test_colours_are_the_palette(scene):
    coloured = viz.colour_labels(scene[1], FMB)
    assert tuple(coloured[5, 5]) == FMB.palette[1]
    assert tuple(coloured[5, 150]) == FMB.palette[8]
    assert tuple(coloured[5, 0]) == (255, 255, 255)


def test_shares_leave_out_ignored_pixels(scene):
    shares = dict(viz.class_shares(scene[1], FMB))
    assert set(shares) == {0, 1, 8}
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares[8] == pytest.approx(59 * 100 / (60 * 200 - 59))
    assert [i for i, _ in viz.class_shares(scene[1], FMB)] == [8, 1, 0]


def test_shares_of_an_unlabelled_map_are_empty():
    assert viz.class_shares(np.full((4, 4), IGNORE, np.uint8), FMB) == []


def test_blend_tints_classes_and_leaves_ignored_and_black_ones(scene):
    picture, labels = scene
    blended = viz.blend_labels(picture, labels, FMB, opacity=0.5)
    expected = np.rint(0.5 * 100 + 0.5 * np.array(FMB.palette[1]))
    np.testing.assert_allclose(blended[30, 50], expected, atol=1)
    assert tuple(blended[30, 0]) == (100, 100, 100)
    assert tuple(blended[0, 50]) == (100, 100, 100)
    assert tuple(blended[30, 99]) == FMB.palette[1], "the border between two classes is drawn at full strength"


@pytest.mark.parametrize("opacity", [-0.1, 1.1, float("nan")])
def test_blend_refuses_impossible_opacity(scene, opacity):
    with pytest.raises(InputError, match="opacity"):
        viz.blend_labels(*scene, FMB, opacity=opacity)


def test_blend_refuses_another_size(scene):
    with pytest.raises(InputError, match="same width x height"):
        viz.blend_labels(scene[0][:30], scene[1], FMB)


def test_overlay_adds_a_legend_below(scene):
    image = viz.overlay(*scene, FMB)
    assert image.mode == "RGB"
    assert image.width == 200
    assert image.height > 60
    legend = np.asarray(image)[60:].reshape(-1, 3)
    for present in (1, 8):
        assert (legend == FMB.palette[present]).all(axis=1).any()
    assert not (legend == FMB.palette[9]).all(axis=1).any(), "cars are not in the picture, so not in the legend"


def test_overlay_without_legend_is_the_blend(scene):
    image = viz.overlay(*scene, FMB, legend="none")
    np.testing.assert_array_equal(np.asarray(image), viz.blend_labels(*scene, FMB))


def test_overlay_of_a_video_keeps_one_size_whatever_is_seen(scene):
    picture, labels = scene
    sizes = {
        viz.overlay(picture, seen, FMB, legend="all").size
        for seen in (labels, np.full_like(labels, IGNORE), np.full_like(labels, 3))
    }
    assert len(sizes) == 1


def test_overlay_of_nothing_labelled_and_of_a_tiny_grey_picture():
    image = viz.overlay(np.zeros((8, 8), np.uint8), np.full((8, 8), IGNORE, np.uint8), FMB)
    assert image.width == 160


def test_panel_shows_every_picture_at_full_size(scene):
    picture = scene[0]
    image = np.asarray(
        viz.panel([("infrared", np.full((60, 200), 7, np.uint8)), ("overlay", Image.fromarray(picture))])
    )
    assert image.shape[1] > 400
    assert ((image == 7).all(axis=2)).sum() == 60 * 200
    assert ((image == 100).all(axis=2)).sum() == 60 * 200


def test_contact_sheet_scales_into_cells_and_cuts_long_titles(scene):
    pictures = [("a title far too long for so small a cell " * 3, scene[0]), *[(str(i), scene[0]) for i in range(4)]]
    sheet = viz.contact_sheet(pictures, columns=2, cell=(100, 50))
    assert 200 < sheet.width < 240
    assert 150 < sheet.height < 300


@pytest.mark.parametrize(("pictures", "columns"), [([], 4), ([("a", np.zeros((4, 4), np.uint8))], 0)])
def test_contact_sheet_needs_pictures_and_columns(pictures, columns):
    with pytest.raises(InputError, match="at least one"):
        viz.contact_sheet(pictures, columns=columns)
