"""`segmif rig register` as users call it."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest

from segmif import io
from segmif.cli import main, registering
from segmif.data.synthetic import synthetic_scene
from segmif.rig.homography import corner_error, similarity
from segmif.rig.register import warp_infrared

SIZE = (120, 160)
SHIFT = similarity(SIZE, shift=(6, -3))


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Pairs a (8 bits) and b (16 bits), both off by the same shift, and c, whose infrared shows nothing."""
    root = tmp_path_factory.mktemp("rig")
    for seed, name in ((0, "a"), (2, "b"), (3, "c")):
        scene = synthetic_scene(seed, size=SIZE, time="day")
        infrared = warp_infrared(scene.infrared, np.linalg.inv(SHIFT), SIZE)
        infrared = {"a": infrared, "b": infrared.astype(np.uint16) * 20 + 20000, "c": np.full_like(infrared, 40)}[name]
        io.write_image(root / "ir" / f"{name}.png", infrared)
        io.write_image(root / "vis" / f"{name}.png", scene.visible)
    return root / "ir", root / "vis"


@pytest.fixture
def register(capsys: pytest.CaptureFixture[str]):
    """Run the command; gives exit code, stdout and the lines of stderr."""

    def run(*arguments: object) -> tuple[int, str, list[str]]:
        code = main(["rig", "register", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err.splitlines()

    return run


def result(out: Path) -> dict:
    return json.loads((out / "registration.json").read_text())


def test_folders(register, folders, tmp_path):
    code, out, err = register(*folders, "-o", tmp_path)
    assert code == 1
    assert out.startswith("2 registered in ")
    assert ", 1 left out: " in out
    assert err == ["segmif: left out c: refused: too few edges in common (quality 0.00, needs 0.50)"]
    facts = result(tmp_path)
    assert [(p["name"], p["accepted"], p["file"]) for p in facts["pairs"]] == [
        ("a", True, "infrared/a.png"), ("b", True, "infrared/b.png"), ("c", False, None)
    ]  # fmt: skip
    assert (facts["accepted"], facts["refused"], facts["rig"]["pairs"]) == (2, 1, 2)
    assert corner_error(np.array(facts["rig"]["homography"]), SHIFT, SIZE) < 1.5
    assert sorted(p.name for p in (tmp_path / "infrared").iterdir()) == ["a.png", "b.png"]
    assert sorted(p.name for p in (tmp_path / "preview").iterdir()) == ["a.png", "b.png", "c.png"]
    assert io.read_image(tmp_path / "infrared" / "b.png").dtype == np.uint16
    assert io.read_image(tmp_path / "preview" / "a.png").shape == (120, 328, 3)


def test_a_pair_and_no_preview(register, folders, tmp_path):
    code, out, err = register(folders[0] / "a.png", folders[1] / "a.png", "-o", tmp_path, "--preview", "none")
    assert (code, err) == (0, [])
    assert out.startswith("1 registered in ")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["infrared", "registration.json"]


def test_float_infrared_stays_float(register, folders, tmp_path):
    from PIL import Image

    celsius = io.read_image(folders[0] / "a.png").astype(np.float32) / 4 - 3
    Image.fromarray(celsius).save(tmp_path / "a.tif")
    assert register(tmp_path / "a.tif", folders[1] / "a.png", "-o", tmp_path / "out")[0] == 0
    written = io.read_image(tmp_path / "out" / "infrared" / "a.tif")
    assert written.dtype == np.float32
    assert celsius.min() <= written.min() < written.max() <= celsius.max()


def test_a_fixed_homography_of_an_earlier_run(register, folders, tmp_path):
    register(*folders, "-o", tmp_path / "first", "--model", "translation")
    given = tmp_path / "first" / "registration.json"
    code, _, err = register(*folders, "-o", tmp_path / "second", "--homography", given, "--fixed")
    assert (code, err) == (0, [])
    facts = result(tmp_path / "second")
    common = result(tmp_path / "first")["rig"]["homography"]
    for pair in facts["pairs"]:
        assert pair["homography"] == common
        assert pair["reason"].startswith("the homography was given; quality ")
    assert [pair["quality"] > 0.5 for pair in facts["pairs"]] == [True, True, False]
    assert (tmp_path / "second" / "infrared" / "c.png").is_file()
    start = tmp_path / "start.json"
    io.write_json(start, {"homography": similarity(SIZE, shift=(5, -2)).tolist()})
    assert register(folders[0] / "a.png", folders[1] / "a.png", "-o", tmp_path / "third", "--homography", start)[0] == 0
    assert corner_error(np.array(result(tmp_path / "third")["pairs"][0]["homography"]), SHIFT, SIZE) < 1.5


def test_resume_skips_what_is_there(register, folders, tmp_path):
    register(*folders, "-o", tmp_path)
    first = result(tmp_path)
    (tmp_path / "infrared" / "b.png").unlink()
    kept = (tmp_path / "infrared" / "a.png").stat().st_mtime_ns
    code, out, _ = register(*folders, "-o", tmp_path, "--resume")
    assert code == 1
    assert out.startswith("1 registered in ")
    assert "1 finished before, 1 left out" in out
    assert (tmp_path / "infrared" / "a.png").stat().st_mtime_ns == kept
    assert [p["name"] for p in result(tmp_path)["pairs"]] == [p["name"] for p in first["pairs"]]
    again = register(folders[0] / "a.png", folders[1] / "a.png", "-o", tmp_path, "--resume")
    assert again[0] == 0
    io.write_json(tmp_path / "registration.json", {"version": 99, "pairs": []})
    assert "is of version 99" in register(*folders, "-o", tmp_path, "--resume")[2][0]
    io.write_json(tmp_path / "registration.json", [1])
    assert "leave out --resume" in register(*folders, "-o", tmp_path, "--resume")[2][0]


def test_ctrl_c_keeps_what_is_finished(register, folders, tmp_path, monkeypatch):
    monkeypatch.setattr(registering, "_SAVE_EVERY", 0.0)
    work = registering.register
    calls = []

    def interrupted(*pictures, **options):
        calls.append(1)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return work(*pictures, **options)

    monkeypatch.setattr(registering, "register", interrupted)
    code, _, err = register(*folders, "-o", tmp_path)
    assert code == 130
    assert "--resume" in err[-1]
    assert [pair["name"] for pair in result(tmp_path)["pairs"]] == ["a"]


def test_partners_and_damaged_files_are_named(register, folders, tmp_path):
    for folder in folders:
        for file in folder.iterdir():
            target = tmp_path / folder.name / file.name
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(file.read_bytes())
    (tmp_path / "ir" / "c.png").write_bytes(b"")
    (tmp_path / "vis" / "b.png").unlink()
    code, _, err = register(tmp_path / "ir", tmp_path / "vis", "-o", tmp_path / "out")
    assert code == 1
    assert "1 infrared without a partner (first: b.png)" in err[0]
    assert "left out c: " in err[1]
    assert "the file is empty" in err[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ir", "nowhere", "-o", "out"), "nowhere: no such file or folder"),
        (("ir", "vis/a.png", "-o", "out"), "is a folder, the other a file"),
        (("ir", "ir", "-o", "out"), "infrared and visible are the same"),
        (("infrared", "vis", "-o", "."), "would replace the infrared pictures"),
        (("ir/c.png", "vis/c.png", "-o", "out"), "none of the 1 pairs could be registered; the first is c: refused"),
        (("ir", "vis", "-o", "out", "--model", "affine"), "unknown model 'affine'"),
        (("ir", "vis", "-o", "out", "--preview", "checker"), "did you mean 'checkerboard'"),
        (("ir", "vis", "-o", "out", "--fixed"), "--fixed needs --homography"),
        (("ir", "vis", "-o", "out", "--homography", "ir/a.png"), "is not JSON"),
        (("ir", "vis", "-o", "out", "--homography", "none.json"), "none.json: holds no homography"),
        (("ir", "vis", "-o", "out", "--homography", "flat.json"), "flat.json: a homography must be"),
        (("ir", "vis", "-o", "out", "--homography", "missing.json"), "missing.json: no such file"),
        (("ir", "vis"), "Missing option '-o' / '--out'"),
    ],
)
def test_requests_that_cannot_be_met(register, folders, tmp_path, monkeypatch, arguments, message):
    for folder in folders:
        (tmp_path / folder.name).symlink_to(folder)
    (tmp_path / "infrared").mkdir()
    io.write_json(tmp_path / "none.json", {"pairs": []})
    io.write_json(tmp_path / "flat.json", {"homography": [[1, 2, 3]] * 3})
    monkeypatch.chdir(tmp_path)
    code, out, err = register(*arguments)
    assert (code, out) == (2, "")
    assert message in err[-1]
    assert len([line for line in err if not line.startswith("segmif: left out")]) == 1
