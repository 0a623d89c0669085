"""Back ends and exported files from the command line and behind `segmif serve`."""

from pathlib import Path

import numpy as np
import pytest

from segmif import io
from segmif.cli import main
from segmif.export import to_onnx
from segmif.infer import Model
from segmif.models import SegMiF
from tests.infer.conftest import scene
from tests.mini import mini_network, quick_exports

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def mini() -> SegMiF:
    return mini_network()


@pytest.fixture(scope="module")
def onnx_file(mini: SegMiF, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "mini.onnx"
    with pytest.MonkeyPatch.context() as patch:
        quick_exports(patch)
        to_onnx(mini, path, name="mini")
    return path


@pytest.fixture
def pair(tmp_path: Path) -> list[str]:
    infrared, visible = scene(65, 83)
    io.write_image(tmp_path / "ir.png", infrared)
    io.write_image(tmp_path / "vis.png", visible)
    return [str(tmp_path / "ir.png"), str(tmp_path / "vis.png")]


@pytest.mark.parametrize("options", [[], ["--backend", "onnxruntime"]])
def test_fuse_with_an_exported_file(options, onnx_file, pair, mini, tmp_path):
    out = tmp_path / "out"
    assert main(["fuse", *pair, "-o", str(out), "--model", str(onnx_file), "--dtype", "float32", *options]) == 0
    expected = Model(mini, device="cpu", dtype="float32").predict(*scene(65, 83))
    (fused,) = out.glob("*_fused.png")
    (labels,) = out.glob("*_labels.png")
    assert np.abs(io.read_image(fused).astype(int) - expected.fused).max() <= 1
    assert (io.read_labels(labels) == expected.labels).mean() > 0.999


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--backend", "openvin"], "did you mean 'openvino'"), (["--backend", "cuda-graphs"], "needs an NVIDIA GPU"),
        (["--backend", "onnxruntime", "--dtype", "bfloat16"], "does not compute in bfloat16"),
        (["--model", "gone.onnx"], "gone.onnx: no such file"),
    ],
)  # fmt: skip
def test_bad_input(options, says, pair, tmp_path, capsys):
    assert main(["fuse", *pair, "-o", str(tmp_path / "out"), "--device", "cpu", *options]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_serve_takes_an_exported_file(onnx_file):
    pytest.importorskip("fastapi")
    from segmif.app.models import Models

    models = Models([str(onnx_file)], dtype="float32", backend="onnxruntime")
    (about,) = models.describe()
    assert (about["guide"], len(about["classes"])) == ("maximum", 5)
    assert models.get(None).backend.name == "onnxruntime"
