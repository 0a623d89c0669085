"""Every back end gives what PyTorch gives, on odd sizes and batches of one to three."""

import pytest
import torch

from segmif.infer import Model
from segmif.infer.backends import make_backend
from segmif.infer.backends.native import Compiled
from segmif.models import SegMiF
from tests.infer.backends.conftest import pair
from tests.tolerances import ABSOLUTE

CPU = torch.device("cpu")
SIZES = [(1, 32, 32), (2, 33, 47), (3, 64, 50), (1, 33, 47), (1, 95, 61)]
LABELS_LIMIT = {torch.float32: 0.999, torch.bfloat16: 0.98}


def _agree(backend, network: SegMiF, dtype: torch.dtype, sizes=SIZES) -> None:
    for size in sizes:
        inputs = pair(*size)
        with torch.inference_mode():
            expected = network(*inputs)
        fused, logits = backend(*inputs)
        torch.testing.assert_close(fused.float().clamp(0, 1), expected.fused_rgb, atol=ABSOLUTE[dtype], rtol=0)
        scale = float(expected.logits.abs().max())
        torch.testing.assert_close(logits.float() / scale, expected.logits / scale, atol=ABSOLUTE[dtype], rtol=0)
        labels = logits.argmax(dim=1) == expected.logits.argmax(dim=1)
        assert labels.float().mean() >= LABELS_LIMIT[dtype]


@pytest.mark.parametrize("name", ["eager", "onnxruntime", "openvino"])
def test_float32(name, mini):
    if name != "eager":
        pytest.importorskip("onnxscript")
        pytest.importorskip(name)
    _agree(make_backend(name, mini, device=CPU, dtype=torch.float32), mini, torch.float32)


def test_bfloat16_of_openvino(mini):
    openvino = pytest.importorskip("openvino")
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor does not compute in bfloat16")
    _agree(make_backend("openvino", mini, device=CPU, dtype=torch.bfloat16), mini, torch.bfloat16)


def test_what_torch_compile_is_given(mini):
    """The compiler that only records operations takes the path of the real one; that one takes a minute."""
    torch._dynamo.reset()
    backend = Compiled(mini, device=CPU, dtype=torch.float32, compiler="eager")
    assert backend.name == "compile"
    _agree(backend, mini, torch.float32, SIZES[:2])
    torch._dynamo.reset()


@pytest.mark.slow
def test_torch_compile(mini):
    torch._dynamo.reset()
    # one size: every further one is compiled anew, for a minute; the sizes are tried above without the compiler
    _agree(make_backend("compile", mini, device=CPU, dtype=torch.float32), mini, torch.float32, SIZES[1:2])
    torch._dynamo.reset()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_the_shipped_default(name):
    from segmif.models import weights

    pytest.importorskip("onnxscript")
    pytest.importorskip(name)
    network = weights.load_shipped(next(iter(weights.SHIPPED)))
    _agree(make_backend(name, network, device=CPU, dtype=torch.float32), network, torch.float32)


def test_auto(mini):
    pytest.importorskip("onnxscript")
    model = Model(mini, device="cpu", dtype="float32", backend="auto")
    _agree(model.backend, mini, torch.float32, SIZES[1:2])
    assert model.backend.chosen in model.backend.milliseconds
    assert "eager" in model.backend.milliseconds
    assert {"onnxruntime", "openvino"} <= {*model.backend.milliseconds, *model.backend.left_out}
    assert "by auto" in repr(model)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_cuda_graphs(mini):
    device = torch.device("cuda")
    network = mini.to(device)
    try:
        backend = make_backend("cuda-graphs", network, device=device, dtype=torch.float32)
        for size in SIZES:
            inputs = [each.to(device) for each in pair(*size)]
            with torch.inference_mode():
                expected = network(*inputs)
            fused, logits = backend(*inputs)
            torch.testing.assert_close(fused, expected.fused_rgb, atol=ABSOLUTE[torch.float32], rtol=0)
            torch.testing.assert_close(logits, expected.logits, atol=1e-3, rtol=1e-3)
    finally:
        mini.to("cpu")
