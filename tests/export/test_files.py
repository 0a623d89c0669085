"""Exported files through `segmif export`, in float32 and int8, and the graphs kept for back ends."""

from pathlib import Path

import numpy as np
import pytest

import segmif.export.onnx
import segmif.infer
from segmif import io
from segmif.checks import InputError
from segmif.cli import main
from segmif.export import cached_onnx, network_digest, read_description, to_int8, to_openvino
from segmif.infer import Model, load
from segmif.models import SegMiF
from tests.infer.conftest import scene
from tests.mini import mini_network

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def mini() -> SegMiF:
    return mini_network()


@pytest.fixture
def command(mini, monkeypatch) -> Model:
    """`segmif export anything` exports the mini network."""
    model = Model(mini, name="mini", device="cpu", dtype="float32")
    monkeypatch.setattr(segmif.infer, "load", lambda *_, **__: model)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pairs, four of them for training."""
    root = tmp_path_factory.mktemp("pairs")
    for number in range(6):
        infrared, visible = scene(48 + number, 64, seed=number)
        io.write_image(root / "infrared" / f"{number}.png", infrared)
        io.write_image(root / "visible" / f"{number}.png", visible)
    (root / "train.txt").write_text("0\n1\n2\n3\n")
    (root / "test.txt").write_text("4\n5\n")
    return root


@pytest.mark.parametrize(("format", "suffix"), [("onnx", ".onnx"), ("openvino", ".xml")])
def test_int8_by_the_command_line(format, suffix, command, folder, tmp_path, capsys):
    pytest.importorskip("onnxruntime" if format == "onnx" else "openvino")
    out = tmp_path / f"mini{suffix}"
    options = ["--format", format, "--int8", "--calibrate", str(folder), "--pairs", "3"]
    assert main(["export", "mini", "-o", str(out), *options]) == 0
    assert f"{out}: " in capsys.readouterr().out
    description = read_description(out)
    assert (description.precision, description.model, description.guide_source) == ("int8", "mini", "inside")
    infrared, visible = scene(65, 83, seed=9)
    small = load(out, dtype="float32").predict(infrared, visible)
    exact = command.predict(infrared, visible)
    error = np.square(small.fused.astype(float) - exact.fused).mean()
    assert 0 < error < 255**2 / 10**3, "above 30 dB, and not the same"
    assert (small.labels == exact.labels).mean() > 0.8
    if format == "onnx":
        nodes = {node.op_type for node in onnx.load(out).graph.node}
        assert {"QuantizeLinear", "DequantizeLinear", "Conv"} <= nodes


def test_int8_sees_training_pairs_only(command, folder, tmp_path, monkeypatch, capsys):
    seen = []

    def count(_network, path, pairs, **_):
        seen.extend(pair["infrared"].shape[2] for pair in pairs)
        Path(path).write_bytes(b"")
        return ("infrared", "visible")

    monkeypatch.setattr("segmif.export.to_int8", count)
    out = ["export", "mini", "-o", str(tmp_path / "m.onnx"), "--int8", "--calibrate", str(folder)]
    assert main(out) == 0
    assert seen == [48, 49, 50, 51]
    seen.clear()
    assert main([*out, "--split", "all", "--pairs", "2", "--guide", "input"]) == 0
    assert len(seen) == 2
    assert main([*out, "--split", "val"]) == 2
    assert "no split 'val' here" in capsys.readouterr().err


def test_int8_without_pairs(mini, tmp_path):
    with pytest.raises(InputError, match="needs pairs to calibrate with, and there are none"):
        to_int8(mini, tmp_path / "m.onnx", [])
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["-o", "m.onnx", "--int8"], "--int8 and --calibrate FOLDER go together"),
        (["-o", "m.onnx", "--calibrate", "x"], "--int8 and --calibrate FOLDER go together"),
        (["-o", "m.xml"], "a file of format onnx ends in .onnx; name it m.onnx"),
        (["-o", "m.onnx", "--format", "openvino"], "name it m.xml"),
        (["-o", "m.onnx", "--format", "tensorrt"], "unknown format"),
        (["-o", "m.onnx", "--guide", "vsm_wls"], "cannot be made inside the file"),
    ],
)
def test_bad_input(options, says, command, capsys):
    assert main(["export", "mini", *options]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_names_of_openvino_files(mini, tmp_path):
    pytest.importorskip("openvino")
    with pytest.raises(InputError, match=r"ends in \.xml; name it model\.xml"):
        to_openvino(mini, tmp_path / "model.bin")


def test_openvino_says_what_onnx_says(mini, tmp_path):
    pytest.importorskip("openvino")
    assert to_openvino(mini, tmp_path / "mini.xml", name="mini") == ("infrared", "visible")
    onnx.save(segmif.export.onnx.build(mini, name="mini")[0], tmp_path / "mini.onnx")
    assert read_description(tmp_path / "mini.xml") == read_description(tmp_path / "mini.onnx")


def test_keys_of_networks(mini):
    assert network_digest(mini) == network_digest(mini_network())
    assert network_digest(mini) != network_digest(mini_network(seed=1))


def test_graphs_are_kept(mini, cache, monkeypatch):
    made = []

    def build(*_, **options):
        made.append(options)
        return onnx.helper.make_model(onnx.helper.make_graph([], "empty", [], [])), ()

    monkeypatch.setattr("segmif.export.cached.build", build)
    path = cached_onnx(mini)
    assert path.parent == cache / "graphs"
    assert cached_onnx(mini) == path
    assert [options["guide"] for options in made] == ["input"]
    monkeypatch.setenv("SEGMIF_CACHE", str(path))  # a file, where no folder can be made
    assert isinstance(cached_onnx(mini), bytes)


@pytest.mark.slow
def test_a_fusion_only_graph():
    """No labels, and no output for them."""
    network = mini_network(num_classes=None)
    model = Model(network, device="cpu", dtype="float32", backend="onnxruntime")
    result = model.predict(*scene(40, 48))
    expected = Model(network, device="cpu", dtype="float32").predict(*scene(40, 48))
    assert result.labels is None
    assert np.abs(result.fused.astype(int) - expected.fused).max() <= 1
