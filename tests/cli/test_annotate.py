"""`segmif rig annotate` and `segmif rig annotations …` as users call them."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from segmif.cli import main
from segmif.data.synthetic import synthetic_scene
from segmif.io import read_labels, write_image
from segmif.labelsets import FMB
from segmif.rig.annotation.document import Annotations, Document, Shape
from segmif.rig.annotation.formats import write_annotations
from segmif.rig.annotation.raster import rasterise

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def segmif(folder: Path, *arguments: str) -> tuple[int, str, str]:
    result = subprocess.run(
        [sys.executable, "-m", "segmif", *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return result.returncode, result.stdout, result.stderr


def box(class_id: int, left: int, top: int, right: int, bottom: int, **more: object) -> Shape:
    return Shape(class_id=class_id, points=((left, top), (right, top), (right, bottom), (left, bottom)), **more)  # type: ignore[arg-type]


def drawn(car_until: int) -> Annotations:
    hole = ((2, 22), (5, 22), (5, 25), (2, 25))
    shapes = (box(1, 0, 20, 40, 30, holes=(hole,)), box(9, 4, 4, car_until, 14, instance=1, band=1))
    documents = tuple(Document(image=f"{name}.png", width=40, height=30, shapes=shapes) for name in ("a", "night/b"))
    return Annotations(label_set=FMB, documents=documents)


@pytest.fixture
def ada(tmp_path: Path) -> Path:
    write_annotations(tmp_path / "ada", drawn(14), "segmif")
    return tmp_path / "ada"


def contents(folder: Path) -> dict[str, object]:
    return {p.relative_to(folder).as_posix(): json.loads(p.read_text()) for p in sorted(folder.rglob("*.json"))}


def test_every_format_in_turn_and_back_to_the_first(
    ada: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ada.parent)
    steps = [
        ("segmif", "ada"),
        ("cvat", "1.zip"),
        ("labelme", "2"),
        ("labelstudio", "3.zip"),
        ("coco", "4.json"),
        ("segmif", "5"),
    ]
    for (have, source), (want, out) in itertools.pairwise(steps):
        arguments = ["rig", "annotations", "convert", source, out, "--from", have, "--to", want, "--holes", "bridge"]
        assert main(arguments) == 0
        assert "2 pictures, 4 polygons" in capsys.readouterr().out
    assert contents(Path("5")) == contents(ada)


def test_convert_in_a_process_of_its_own(ada: Path) -> None:
    code, out, err = segmif(ada.parent, "rig", "annotations", "convert", "ada", "Label", "--to", "labels")
    assert (code, err) == (0, "")
    assert out == "2 pictures, 4 polygons: Label (label maps; keeps every pixel, not the polygons)\n"
    for document in drawn(14).documents:
        np.testing.assert_array_equal(read_labels(ada.parent / "Label" / document.image), rasterise(document)[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere", "out", "--to", "cvat"), "nowhere: no such folder or file; check the path"),
        (("ada", "out", "--to", "cvats"), "unknown format 'cvats': did you mean 'cvat'?"),
        (("ada", "ada", "--to", "cvat"), "ada: is the input itself; choose another place"),
        (("ada", "out", "--to", "cvat"), "has a hole, which CVAT cannot hold; --holes bridge joins it"),
        (("ada", "out", "--to", "cvat", "--holes", "fill"), "unknown --holes 'fill'"),
        (("ada", "out", "--from", "coco", "--to", "cvat"), "ada: 2 .json files (a.json, night/b.json, …)"),
        (("ada", "out", "--to", "labels", "--labels", "saliency"), "a.png: unknown class 'road'"),
        (("ada", "out", "--to", "labels", "--labels", "fbm"), "did you mean 'fmb'?"),
    ],
)  # fmt: skip
def test_convert_refuses_in_one_line(
    ada: Path,
    arguments: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(ada.parent)
    assert main(["rig", "annotations", "convert", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not Path("out").exists()


def test_agreement_prints_and_keeps_the_numbers(ada: Path) -> None:
    write_annotations(ada.parent / "ben", drawn(19), "segmif")
    code, out, err = segmif(ada.parent, "rig", "annotations", "agreement", "ada", "ben", "--json", "agreement.json")
    assert (code, err) == (0, "")
    kept = json.loads((ada.parent / "agreement.json").read_text())
    assert kept["objects"]["car"] == {"both": 2, "only_a": 0, "only_b": 0, "mean_iou": pytest.approx(10 / 15)}
    assert kept["kappa"] == 1.0, "where both said something they said the same"
    assert kept["drawn"]["only_b"] > 0
    assert "2 pictures compared; only in A: 0, only in B: 0" in out
    assert "same class on 100.00% of what both drew; Cohen's kappa 1.000" in out
    assert re.search(r"car +\S* *1\.000 +\S* *2 .* 0\.667", out)
    assert "Confused" not in out


def test_agreement_names_confusions_and_the_worst_pictures(
    ada: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ada.parent)
    lorry = Annotations(label_set=FMB, documents=tuple(
        Document(image=d.image, width=40, height=30, shapes=(d.shapes[0], box(10, 4, 4, 14, 14, instance=1)))
        for d in drawn(14).documents[:1]
    ))  # fmt: skip
    write_annotations(Path("ben"), lorry, "segmif")
    assert main(["rig", "annotations", "agreement", "ada", "ben"]) == 0
    out = capsys.readouterr().out
    assert "1 pictures compared; only in A: 1, only in B: 0" in out
    assert "Confused" in out
    assert re.search(r"car\W+truck\W+100\W+100\.0%", out)
    assert "Worst pictures first" in out
    assert main(["rig", "annotations", "agreement", "ada", "ben", "--worst", "0"]) == 0
    assert "Worst" not in capsys.readouterr().out
    assert main(["rig", "annotations", "agreement", "ada", "nowhere"]) == 2
    assert capsys.readouterr().err == "segmif: nowhere: no such folder or file; check the path\n"


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    scene = synthetic_scene(1, size=(64, 64), time="day")
    write_image(tmp_path / "pairs" / "infrared" / "a.png", scene.infrared)
    write_image(tmp_path / "pairs" / "visible" / "a.png", scene.visible)
    return tmp_path / "pairs"


def test_annotate_serves_saves_and_ends_with_ctrl_c(pairs: Path) -> None:
    pytest.importorskip("fastapi", reason="needs the extra app")
    command = ["rig", "annotate", str(pairs), "--model", "none", "--port", "0", "--no-browser", "--author", "Ada"]
    server = subprocess.Popen(
        [sys.executable, "-m", "segmif", *command],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == f"1 pair; polygons in {pairs / 'annotations'}\n"
        found = re.fullmatch(r"draw at (http://127\.0\.0\.1:\d+) \(Ctrl-C stops it\)\n", server.stdout.readline())
        assert found is not None
        with urllib.request.urlopen(f"{found[1]}/api/documents/a", timeout=120) as answer:
            document = json.load(answer)
        document["shapes"] = [{"class": 9, "points": [[1, 1], [20, 1], [9, 30]]}]
        request = urllib.request.Request(
            f"{found[1]}/api/documents/a",
            json.dumps(document).encode(),
            {"content-type": "application/json"},
            method="PUT",
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            assert json.load(answer) == {"revision": 1}
        server.send_signal(signal.SIGINT)
        _, err = server.communicate(timeout=120)
    finally:
        server.kill()
    assert server.returncode == 130
    assert err == "segmif: stopped; everything that was drawn is saved\n"
    kept = json.loads((pairs / "annotations" / "a.json").read_text())
    assert (kept["author"], kept["shapes"]) == ("Ada", document["shapes"])


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ("", ("--labels", "fbm"), "did you mean 'fmb'?"),
        ("", ("--model", "nowhere/model"), "nowhere/model"),
        ("infrared", (), "needs two folders, infrared and visible (or ir and vis)"),
        ("", ("--annotations", "pairs/visible/a.png"), "a.png"),
    ],
)
def test_annotate_refuses_in_one_line(
    pairs: Path, change: str, arguments: tuple[str, ...], message: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    pytest.importorskip("fastapi", reason="needs the extra app")
    monkeypatch.chdir(pairs.parent)
    if change:
        (pairs / change).rename(pairs / "thermo")
    chosen = () if "--model" in arguments else ("--model", "none")
    assert main(["rig", "annotate", "pairs", "--port", "0", "--no-browser", *chosen, *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
