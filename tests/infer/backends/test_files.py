"""Exported files as models, and every file that is not one."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import segmif
from segmif.checks import InputError, InputWarning
from segmif.infer import Limits, Model
from segmif.infer.backends.onnx_runtime import OnnxRuntime
from segmif.infer.backends.open_vino import OpenVino
from tests.infer.backends.conftest import pair
from tests.infer.conftest import scene
from tests.mini import CLASSES
from tests.tolerances import ABSOLUTE


@pytest.fixture
def expected(mini) -> segmif.Result:
    return Model(mini, device="cpu", dtype="float32").predict(*scene(65, 83))


@pytest.mark.parametrize("backend", [None, "onnxruntime", "openvino", "auto"])
def test_an_onnx_file_is_a_model(backend, onnx_file, expected):
    pytest.importorskip("openvino")
    model = segmif.load(onnx_file, backend=backend, dtype="float32")
    result = model.predict(*scene(65, 83))
    assert np.abs(result.fused.astype(int) - expected.fused).max() <= 1
    assert (result.labels == expected.labels).mean() > 0.999
    np.testing.assert_allclose(result.confidence, expected.confidence, atol=10 * ABSOLUTE[torch.float32])
    assert model.name == "mini"
    assert len(model.classes) == CLASSES
    assert model.guide_kind == "maximum"
    assert model.backend.name == (backend or "onnxruntime")


def test_an_openvino_file_is_a_model(xml_file, expected):
    """This one takes its guide as an input, which the model makes."""
    model = segmif.load(xml_file, dtype="float32")
    result = model.predict(*scene(65, 83))
    assert np.abs(result.fused.astype(int) - expected.fused).max() <= 1
    assert (result.labels == expected.labels).mean() > 0.999
    other = model.predict(*scene(65, 83), guide="average")
    assert (other.labels != result.labels).any()
    assert model.backend.name == "openvino"
    assert segmif.load(xml_file, dtype="float32", backend="auto").predict(*scene(65, 83)).fused.shape == (65, 83, 3)


def test_batches(onnx_file):
    pairs = [segmif.streams.StreamPair(name=str(i), read=lambda i=i: scene(40, 48, seed=i)) for i in range(3)]
    model = segmif.load(onnx_file, dtype="float32")
    one, three = (list(model.stream(pairs, batch_size=size)) for size in (1, 3))
    for a, b in zip(one, three, strict=True):
        assert np.abs(a.fused.astype(int) - b.fused).max() <= 1


def test_what_a_file_cannot(onnx_file, xml_file):
    model = segmif.load(onnx_file, dtype="float32")
    with pytest.raises(InputError, match="is an exported file, without the network"):
        _ = model.network
    with pytest.raises(InputError, match="made inside the file: leave it out"):
        model.predict(*scene(), guide="average")
    with pytest.raises(InputError, match="at least 32 pixels"):
        model.predict(*scene(31, 48))
    model.limits = Limits(segment=64 * 64)
    with pytest.raises(InputError, match="is 80x65, and an exported file is run on whole pictures"):
        model.predict(*scene(65, 80))
    for backend in ("eager", "compile", "cuda-graphs"):
        with pytest.raises(InputError, match=f"not run by backend '{backend}'|needs an NVIDIA GPU"):
            segmif.load(onnx_file, backend=backend)
    with pytest.raises(InputError, match=r"not run by backend 'onnxruntime': use openvino or auto"):
        segmif.load(xml_file, backend="onnxruntime", dtype="float32")
    with pytest.raises(InputError, match="does not compute in bfloat16"):
        segmif.load(onnx_file, dtype="bfloat16")
    with pytest.raises(InputError, match="unknown backend 'tensorrt'"):
        segmif.load(onnx_file, backend="tensorrt")


def test_a_missing_file(tmp_path):
    for name in ("gone.onnx", "gone.xml"):
        with pytest.raises(InputError, match=rf"{name}: no such file"):
            segmif.load(tmp_path / name)


def other_model(path: Path, **properties: str) -> Path:
    """An ONNX file that adds one."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    value = helper.make_tensor_value_info("x", kind, [1])
    result = helper.make_tensor_value_info("y", kind, [1])
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "other", [value], [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    helper.set_model_props(model, properties)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "auto"])
def test_a_file_of_another_model(backend, tmp_path):
    path = other_model(tmp_path / "other.onnx", classes="[]")
    with pytest.raises(InputError, match=r"other\.onnx: was not written by 'segmif export'") as caught:
        segmif.load(path, backend=backend)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("runtime", [OnnxRuntime, OpenVino])
def test_a_graph_that_only_claims_to_be_ours(runtime, tmp_path):
    pytest.importorskip("openvino")
    with pytest.raises(InputError, match="takes x and gives y, so it is not a graph of segmif"):
        runtime(other_model(tmp_path / "other.onnx"), where="other.onnx")


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("left", [0, 100, 0.5, 0.99])
def test_a_damaged_onnx_file(left, backend, onnx_file, tmp_path):
    data = onnx_file.read_bytes()
    path = tmp_path / "damaged.onnx"
    path.write_bytes(data[: int(left if left > 1 else left * len(data))])
    with pytest.raises(InputError, match=r"damaged\.onnx: ") as caught:
        segmif.load(path, backend=backend).predict(*scene())
    assert "\n" not in str(caught.value)


def test_a_damaged_openvino_file(xml_file, tmp_path):
    path = tmp_path / "copy.xml"
    shutil.copy(xml_file, path)
    with pytest.raises(InputError, match=r"its weights copy\.bin are not beside it; copy both files"):
        segmif.load(path)
    weights = xml_file.with_suffix(".bin").read_bytes()
    path.with_suffix(".bin").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(InputError, match=r"copy\.xml: is not a readable OpenVINO model"):
        segmif.load(path)
    path.with_suffix(".bin").write_bytes(weights)
    path.write_text(xml_file.read_text()[:2000])
    with pytest.raises(InputError, match=r"copy\.xml: is not a readable OpenVINO model"):
        segmif.load(path)


def test_an_openvino_file_of_another_model(tmp_path):
    openvino = pytest.importorskip("openvino")
    model = openvino.convert_model(str(other_model(tmp_path / "other.onnx")))
    openvino.save_model(model, tmp_path / "other.xml")
    with pytest.raises(InputError, match=r"other\.xml: was not written by 'segmif export'"):
        segmif.load(tmp_path / "other.xml")


def test_shapes_are_compiled_for_themselves_once_they_are_frequent(xml_file):
    backend = OpenVino(xml_file)
    first, second = pair(1, 40, 48), pair(2, 33, 35)
    backend(*first)
    assert set(backend._compiled) == {(1, 40, 48)}
    for _ in range(3):
        backend(*second)
    assert set(backend._compiled) == {(1, 40, 48), ()}, "a few times in the graph for all shapes"
    backend(*second)
    assert (2, 33, 35) in backend._compiled
    for side in range(50, 60):
        for _ in range(4):
            backend(*pair(1, side, side))
    assert len(backend._compiled) <= 4


def test_a_guide_that_is_missing(xml_file):
    infrared, visible, _ = pair(1, 40, 48)
    with pytest.raises(InputError, match="takes the guide as a third input"):
        OpenVino(xml_file)(infrared, visible)


@pytest.mark.filterwarnings("error")
def test_a_black_picture_is_a_note_as_ever(onnx_file):
    infrared, visible = scene()
    with pytest.warns(InputWarning, match="all black"):
        segmif.load(onnx_file, dtype="float32").predict(infrared * 0, visible)
