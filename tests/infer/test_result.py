import numpy as np
import pytest
from PIL import Image

from segmif import io
from segmif.checks import InputError
from segmif.infer import Result
from segmif.labelsets import FMB
from segmif.viz import blend_labels, colour_labels
from tests.infer.conftest import scene


def result(*, labelled: bool = True) -> Result:
    infrared, visible = scene()
    labels = np.full((64, 80), 1, np.uint8)
    labels[20:40, 20:40] = 8
    return Result(
        name="day/s1",
        fused=visible,
        labels=labels if labelled else None,
        confidence=np.full((64, 80), 0.5, np.float32) if labelled else None,
        label_set=FMB if labelled else None,
        infrared=infrared,
        visible=visible,
    )


def test_save_writes_what_the_api_promises(tmp_path):
    made = result()
    paths = made.save(tmp_path, stem="scene-7")
    assert {p.name for p in tmp_path.iterdir()} == {f"scene-7_{o}.png" for o in ("fused", "labels", "overlay")}
    np.testing.assert_array_equal(io.read_image(paths["fused"]), made.fused)
    np.testing.assert_array_equal(io.read_labels(paths["labels"]), made.labels)
    np.testing.assert_array_equal(io.read_image(paths["overlay"]), np.asarray(made.overlay()))
    with Image.open(paths["labels"]) as image:
        assert image.mode == "P"


def test_names_with_folders_and_chosen_outputs(tmp_path):
    paths = result().save(tmp_path, outputs=("panel",))
    assert paths == {"panel": tmp_path / "day" / "s1_panel.png"}
    assert io.read_image(paths["panel"]).shape[1] > 4 * 80


def test_a_fusion_only_result_has_no_labels_to_save_or_show(tmp_path):
    made = result(labelled=False)
    assert list(made.save(tmp_path)) == ["fused"]
    assert made.panel().width < 4 * 80
    for show in (made.overlay, made.colour_labels):
        with pytest.raises(InputError, match="fusion only"):
            show()


def test_pictures_of_every_output():
    made = result()
    assert made.picture("fused") is made.fused
    np.testing.assert_array_equal(made.picture("labels"), colour_labels(made.labels, FMB))
    plain = made.picture("overlay", legend="none")
    np.testing.assert_array_equal(plain, blend_labels(made.fused, made.labels, FMB))
    with pytest.raises(InputError, match="unknown output 'depth'"):
        made.picture("depth")
    with pytest.raises(InputError, match="unknown output 'depth'"):
        made.write("depth", "x.png")
