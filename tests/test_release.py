"""What people install: the wheel holds everything that runs, nothing that does not belong, and stays small."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from segmif import __version__
from tests.jobs import PROGRESS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "segmif"
LIMIT = 60_000_000
"""Bytes; the promise of the release."""

pytestmark = pytest.mark.slow


def _built(kind: str, out: Path) -> Path:
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    command = [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _built("wheel", tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        return set(archive.namelist())


def test_is_small_and_for_every_system(wheel):
    assert wheel.name == f"segmif-{__version__}-py3-none-any.whl"
    assert wheel.stat().st_size < LIMIT


def test_holds_all_code_and_type_information(names):
    code = {f"segmif/{path.relative_to(PACKAGE).as_posix()}" for path in PACKAGE.rglob("*.py")}
    assert code <= names
    assert "segmif/py.typed" in names


def test_holds_weights_with_their_cards(names):
    models = sorted(path.parent.name for path in PACKAGE.glob("weights/*/config.json"))
    assert models, "no model is shipped"
    for model in models:
        wanted = {f"segmif/weights/{model}/{file}" for file in ("model.safetensors", "config.json", "README.md")}
        assert wanted <= names


def test_holds_the_web_pages(names):
    pages = {f"segmif/{p.relative_to(PACKAGE).as_posix()}" for p in PACKAGE.glob("app/static/**/*") if p.is_file()}
    assert {"segmif/app/static/serve/index.html", "segmif/app/static/annotate/index.html"} <= pages <= names
    assert "segmif/bench/report.html" in names


def test_holds_our_labels_with_their_licence(names):
    for place in ("roadscene", "msrs"):
        labels = [n for n in names if n.startswith(f"segmif/data/roadscene15/{place}/label/")]
        assert len(labels) == len(list((PACKAGE / "data/roadscene15" / place / "label").iterdir())) > 0
        assert f"segmif/data/roadscene15/{place}/pairs.csv" in names
    assert "segmif/data/roadscene15/LICENSE" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_holds_no_photographs_tests_or_leftovers(names):
    """The only pictures are label maps, and those of the model cards, which show synthetic scenes and a plot; an icon
    drawn by hand is no photograph."""
    pictures = {n for n in names if re.search(r"\.(png|jpe?g|tiff?|webp|bmp|gif|npy|mp4)$", n, re.IGNORECASE)}
    drawn = re.compile(
        r"segmif/data/roadscene15/\w+/label/\w+\.png|segmif/weights/[\w-]+/(example\.jpg|confusion\.png)"
    )
    assert {n for n in pictures if not drawn.fullmatch(n)} == set()
    strange = re.compile(
        r"__pycache__|\.pyc$|(^|/)\.|(^|/)(tests?|benchmarks|docs)/|(^|/)test_\w+\.py$|\.(pt|pth|pkl|tmp)$"
    )
    assert {n for n in names if strange.search(n)} == set()
    assert {n.split("/")[0] for n in names} == {"segmif", f"segmif-{__version__}.dist-info"}


def test_label_pictures_are_maps_of_class_ids(wheel, names):
    from io import BytesIO

    from PIL import Image

    labels = sorted(n for n in names if "/roadscene15/" in n and n.endswith(".png"))[::25]
    assert labels
    with zipfile.ZipFile(wheel) as archive:
        for name in labels:
            with Image.open(BytesIO(archive.read(name))) as picture:
                assert picture.mode in ("P", "L"), name
                assert {v for _, v in picture.getcolors()} <= {*range(15), 255}, name


def test_states_python_versions_command_and_version(wheel, names):
    with zipfile.ZipFile(wheel) as archive:
        folder = f"segmif-{__version__}.dist-info"
        metadata = archive.read(f"{folder}/METADATA").decode()
        assert "segmif = segmif.cli:main" in archive.read(f"{folder}/entry_points.txt").decode()
    assert "Requires-Python: >=3.11" in metadata
    for version in ("3.11", "3.12", "3.13"):
        assert f"Classifier: Programming Language :: Python :: {version}\n" in metadata


def test_licences_of_all_parts_are_named(wheel):
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"segmif-{__version__}.dist-info/METADATA").decode()
    assert "License-Expression: Apache-2.0\n" in metadata
    assert "License-File: LICENSE\n" in metadata


def test_runs_from_the_wheel_alone_without_a_word_on_stderr(wheel, tmp_path):
    """Unpacked where pip would put it; its dependencies are those of this environment, its home is empty."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    script = "import segmif, segmif.cli as c; print(segmif.__file__); raise SystemExit(c.main(['demo', '-o', 'out']))"
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HF_", "SEGMIF"))}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**keep, "PYTHONPATH": str(tmp_path / "site"), "HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.splitlines()[0]).is_relative_to(tmp_path / "site")
    assert [line for line in done.stderr.splitlines() if not PROGRESS.fullmatch(line)] == []
    assert len(list((tmp_path / "out").glob("*_fused.png"))) == 3
    assert not (tmp_path / "home").exists()


def test_the_source_holds_what_its_tests_need_and_no_bulk(tmp_path):
    sdist = _built("sdist", tmp_path)
    assert sdist.stat().st_size < LIMIT
    top = f"segmif-{__version__}/"
    with tarfile.open(sdist) as archive:
        sizes = {member.name.removeprefix(top): member.size for member in archive.getmembers()}
    needed = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "Makefile", "mkdocs.yml"}
    needed |= {"tests/conftest.py", "tools/fuzz.py", "requirements/ci.txt", "docs/index.md", "src/segmif/py.typed"}
    assert needed <= sizes.keys()
    assert {n for n, size in sizes.items() if size > 2_000_000 and not n.endswith("/model.safetensors")} == set()
    assert {n for n in sizes if re.search(r"__pycache__|\.pyc$|^(out|site|dist|\.venv|shared)/", n)} == set()


def test_the_citation_is_of_this_version():
    text = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {__version__}\n" in text
    assert "arXiv:2308.02097" in text
