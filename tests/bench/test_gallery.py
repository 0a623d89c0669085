"""`segmif gallery`: every picture is there, shows something, is the same again; real pairs stay out of git."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segmif
from segmif import cli
from segmif.bench.gallery import Settings, count_pictures, draw_gallery
from segmif.data.synthetic import example_scene, write_dataset
from segmif.infer import Model
from segmif.io import write_image
from tests.tiny import tiny_network

DRAWN = [
    "demo.jpg", "gallery/day.jpg", "gallery/night.jpg", "gallery/fog.jpg", "gallery/scenes.jpg", "gallery/methods.jpg",
    "gallery/closer.jpg",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny"
    tiny_network(guide="average").save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return segmif.load(str(folder), device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with FMB (test split) and CWFID, whose infrared is near infrared, in the simple layout."""
    root = tmp_path_factory.mktemp("data")
    write_dataset(root / "FMB", 2, size=(64, 96), test_share=0.5)
    scene = example_scene("day", size=(64, 96))
    write_image(root / "cwfid" / "infrared" / "1.png", scene.infrared)
    write_image(root / "cwfid" / "visible" / "1.png", scene.visible)
    return root


@pytest.fixture(scope="module")
def drawn(model: Model, data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    out = tmp_path_factory.mktemp("gallery")
    return out, draw_gallery(model, Settings(out=out, size=(96, 128), data=data, pairs=2))


def test_every_picture_is_drawn_and_shows_something(drawn: tuple[Path, list[Path]], data: Path) -> None:
    out, written = drawn
    assert [path.relative_to(out).as_posix() for path in written] == [*DRAWN, "real/cwfid.jpg", "real/fmb.jpg"]
    assert count_pictures(Settings(out=out, data=data)) == len(written)
    for path in written:
        picture = np.asarray(Image.open(path))
        assert picture.std() > 15
        assert picture.shape[1] <= 2000


def test_real_pairs_stay_out_of_a_repository(drawn: tuple[Path, list[Path]]) -> None:
    out, _ = drawn
    assert (out / "real" / ".gitignore").read_text() == "*\n"
    assert not (out / "gallery" / ".gitignore").exists()


def test_near_infrared_gets_no_labels_of_streets(drawn: tuple[Path, list[Path]]) -> None:
    out, _ = drawn
    near, street = (Image.open(out / "real" / f"{name}.jpg").width for name in ("cwfid", "fmb"))
    assert near * 4 == pytest.approx(street * 3, rel=0.05)  # three columns, four columns


def test_the_command_says_what_it_wrote_and_writes_the_same(
    folder: Path, drawn: tuple[Path, list[Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "again"
    arguments = ["gallery", "-o", str(out), "--model", str(folder), "--size", "128x96", "--device", "cpu"]
    assert cli.main([*arguments, "--dtype", "float32"]) == 0
    assert capsys.readouterr().out.splitlines() == [str(out / name) for name in DRAWN]
    for name in ("demo.jpg", "gallery/scenes.jpg", "gallery/closer.jpg"):
        assert (out / name).read_bytes() == (drawn[0] / name).read_bytes()


@pytest.mark.parametrize(
    ("more", "message"), [(["--data", "nowhere"], "no such folder"), (["--size", "big"], "is not WIDTHxHEIGHT")]
)
def test_mistakes_are_one_line(
    more: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["gallery", "-o", str(tmp_path), *more]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
