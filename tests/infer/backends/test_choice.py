"""Which back ends there are, which can run where, and what a wrong wish is told."""

import sys

import pytest
import torch

import segmif
from segmif.checks import InputError, MissingExtraError
from segmif.infer import Model
from segmif.infer.backends import check_backend, make_backend, precisions
from segmif.infer.backends.base import check_pair
from segmif.infer.backends.native import Compiled
from tests.infer.backends.conftest import pair

CPU = torch.device("cpu")


def one_line(caught) -> str:
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_unknown():
    with pytest.raises(InputError, match="unknown backend 'openvin': did you mean 'openvino'") as caught:
        check_backend("openvin")
    one_line(caught)
    with pytest.raises(InputError, match="unknown backend"):
        segmif.load("segmif-lite", device="cpu", backend="tensorrt")


def test_cuda_graphs_need_a_gpu(mini):
    with pytest.raises(InputError, match="'cuda-graphs' needs an NVIDIA GPU, and the device is cpu") as caught:
        make_backend("cuda-graphs", mini, device=CPU, dtype=torch.float32)
    one_line(caught)


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_run_times_are_for_the_processor(name, mini):
    with pytest.raises(InputError, match=f"'{name}' runs on the processor"):
        make_backend(name, mini, device=torch.device("cuda"), dtype=torch.float32)


@pytest.mark.parametrize(("name", "extra"), [("onnxruntime", "onnx"), ("openvino", "openvino")])
def test_what_is_not_installed_names_its_extra(name, extra, mini, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'segmif\[{extra}\]'") as caught:
        Model(mini, device="cpu", dtype="float32", backend=name)
    one_line(caught)


def test_precisions(mini):
    assert precisions("openvino") == (torch.float32, torch.bfloat16)
    with pytest.raises(InputError, match="'onnxruntime' does not compute in bfloat16: use dtype float32, or auto"):
        Model(mini, device="cpu", dtype="bfloat16", backend="onnxruntime")
    with pytest.raises(InputError, match="unknown dtype 'int7'"):
        Model(mini, device="cpu", dtype="int7", backend="openvino")
    with pytest.raises(InputError, match="'openvino' does not compute in float16"):
        make_backend("openvino", mini, device=CPU, dtype=torch.float16)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda i, v, g: (i[..., :31, :], v, g), "at least 32"), (lambda i, v, g: (i, v[..., :40], g), "same"),
        (lambda i, v, g: (i, v, g[:1]), "guide has a batch of 1 but infrared of 2"),
        (lambda i, v, g: ((i * 255).byte(), v, g), "must be float"), (lambda i, v, g: (i[0], v, g), "shape"),
        (lambda i, v, g: (v, i, g), "infrared must have shape"),
    ],
)  # fmt: skip
def test_pairs_that_are_none(change, says):
    with pytest.raises(InputError, match=says) as caught:
        check_pair(*change(*pair(2, 40, 48)))
    one_line(caught)


def test_a_compiler_that_fails_is_one_clear_error(mini):
    def broken(*_: object) -> None:
        raise RuntimeError("no compiler here\nmany more lines")

    torch._dynamo.reset()
    backend = Compiled(mini, device=CPU, dtype=torch.float32, compiler=broken)
    with pytest.raises(InputError, match=r"backend 'compile' failed \(.*\); it needs a C\+\+ compiler") as caught:
        backend(*pair(1, 32, 32))
    one_line(caught)
    torch._dynamo.reset()
