"""`segmif rig register --calibration` on a simulated rig before a street."""

import json
from pathlib import Path

import numpy as np
import pytest

from segmif import io
from segmif.cli import main
from segmif.rig.moving import MovingStreet
from segmif.rig.simulate import RIGS

RIG = RIGS["handheld"]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pairs of a street 25 m away, and calibrations of this and of another rig."""
    root = tmp_path_factory.mktemp("street")
    street = MovingStreet(RIG, seed=1, walkers=0)
    for k in range(2):
        infrared, visible = street.pair(0.6 * k)
        io.write_image(root / "ir" / f"{k}.png", infrared)
        io.write_image(root / "vis" / f"{k}.png", visible)
    for name in ("handheld", "vehicle"):
        RIGS[name].truth.save(root / f"{name}.json")
    return root


@pytest.fixture
def register(capsys: pytest.CaptureFixture[str], rig: Path, tmp_path: Path):
    """Run the command; gives exit code, stdout, stderr and the folder of results."""

    def run(*arguments: object) -> tuple[int, str, str, Path]:
        folders = [str(rig / "ir"), str(rig / "vis"), "-o", str(tmp_path), "--preview", "none"]
        code = main(["rig", "register", *folders, *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err, tmp_path

    return run


def test_lays_infrared_on_and_tells_the_parallax(register, rig):
    code, out, err, folder = register("--calibration", rig / "handheld.json", "--distance", 25, "--fixed")
    assert (code, err) == (0, "")
    assert "parallax of things at other distances than 25 m: 2 m 12." in out
    written = io.read_image(folder / "infrared" / "0.png")
    assert (written.dtype, written.shape) == (np.uint16, RIG.truth.visible.size)
    facts = json.loads((folder / "registration.json").read_text())
    assert facts["calibration"]["distance_m"] == "25"
    assert [pair["homography"] for pair in facts["pairs"]] == [np.eye(3).tolist()] * 2
    assert all(pair["quality"] > 0.5 for pair in facts["pairs"])


def test_refinement_stays_near_the_truth(register, rig):
    code, _, err, folder = register("--calibration", rig / "handheld.json", "--distance", 25, "--rig", "handheld")
    assert (code, err) == (0, "")
    for pair in json.loads((folder / "registration.json").read_text())["pairs"]:
        assert np.abs(np.array(pair["homography"])[:2, 2]).max() < 3


def test_a_calibration_that_does_not_fit(register, rig, tmp_path):
    bent = json.loads((rig / "handheld.json").read_text())
    bent["visible"]["cx"] += 9
    (tmp_path / "bent.json").write_text(json.dumps(bent))
    code, _, err, _ = register("--calibration", tmp_path / "bent.json", "--distance", 25)
    assert code == 0
    assert "warning: the calibration of rig 'handheld' does not fit, the pictures lie " in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--calibration", "vehicle.json", "--distance", 25),
            "was calibrated at 640x512; use the calibration of this rig",
        ),
        (("--calibration", "handheld.json", "--distance", 25, "--rig", "x"), "is of rig 'handheld', not of 'x'"),
        (("--calibration", "handheld.json"), "go together"),
        (("--distance", 3), "go together"),
        (("--calibration", "handheld.json", "--distance", 0), "give metres above 0"),
        (("--calibration", "handheld.json", "--homography", "handheld.json"), "exclude one another"),
        (("--calibration", "none.json", "--distance", 25), "no such file"),
        (("--rig", "x"), "give both"),
    ],
)
def test_bad_input_is_one_line(register, rig, monkeypatch, arguments, message):
    monkeypatch.chdir(rig)
    code, _, err, _ = register(*arguments)
    assert code == 2
    assert message in err.splitlines()[-1]
