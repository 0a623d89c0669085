"""The tables of tools/ablation_table.py: what their recipes change, and how rows are compared."""

import runpy
from dataclasses import replace

from segmif.train.config import plan
from segmif.train.recipes import CAMERAS, recipe
from tests.docs.pages import ROOT

TOOL = runpy.run_path(str(ROOT / "tools" / "ablation_table.py"))


def test_cameras_differ_in_what_the_network_sees_alone() -> None:
    first, *others = (recipe(name) for name in CAMERAS)
    assert first.segment_input == "fused"
    assert {other.segment_input for other in others} == {"infrared", "visible", "maximum"}
    for other in others:
        assert replace(other, name=first.name, segment_input="fused") == first
    (phase,) = plan(first)
    assert phase.stage.augment.drop == 0, "a network with one camera would lose its only one"


def test_rows_are_compared_seed_by_seed() -> None:
    study = TOOL["STUDIES"]["cameras"]
    scores = {name: {key: [] for key in study.columns} for name in ("camera-both", "camera-visible")}
    scores["camera-both"]["miou"] = [0.5, 0.7]
    scores["camera-visible"]["miou"] = [0.4, 0.65]
    page = TOOL["_page"](scores, study)
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    assert rows[0][:3] == ["recipe", "seeds", "mIoU"]
    assert rows[1][:3] == ["both", "2", "0.600 ± 0.141"]
    assert rows[1][-1] == "–"
    assert rows[2][0] == "visible"
    assert rows[2][-1] == "-0.075 ± 0.035"
    assert CAMERAS["camera-visible"][0] in page


def test_every_recipe_of_a_study_exists() -> None:
    for study in TOOL["STUDIES"].values():
        for name in study.recipes:
            assert name.startswith(study.prefix)
            assert recipe(name).name == name
