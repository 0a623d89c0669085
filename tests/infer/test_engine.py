import numpy as np
import pytest
import torch
from torch.nn import functional as F

from segmif.checks import InputError
from segmif.infer import Limits, Model, choose_device, choose_dtype
from segmif.infer.engine import classify
from tests.infer.conftest import scene
from tests.tolerances import ABSOLUTE

CPU = torch.device("cpu")


def test_devices():
    assert choose_device("cpu") == CPU
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    assert choose_device(CPU) is CPU or choose_device(CPU) == CPU


@pytest.mark.parametrize("name", ["cuda:99", "toaster", "mps:7"])
def test_a_device_that_is_not_here_is_one_clear_error(name):
    with pytest.raises(InputError, match=f"device '{name}' cannot be used here") as caught:
        choose_device(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"amx_bf16": True, "avx512_bf16": False}, torch.bfloat16),
        ({"amx_bf16": False, "avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": False, "avx512_bf16": False}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_auto_takes_bfloat16_only_where_the_cpu_computes_in_it(monkeypatch, capabilities, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert choose_dtype("auto", device=CPU) == expected


def test_auto_on_an_older_torch_is_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert choose_dtype("auto", device=CPU) == torch.float32


@pytest.mark.parametrize(("major", "expected"), [(7, torch.float32), (8, torch.bfloat16), (9, torch.bfloat16)])
def test_auto_on_gpus(monkeypatch, major, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (major, 0))
    assert choose_dtype("auto", device=torch.device("cuda")) == expected
    assert choose_dtype("auto", device=torch.device("mps")) == torch.float32


@pytest.mark.parametrize(("name", "expected"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_names_of_dtypes(name, expected):
    assert choose_dtype(name, device=CPU) == choose_dtype(expected, device=CPU) == expected


@pytest.mark.parametrize("wrong", ["int8", "bf61", torch.int32])
def test_unknown_dtypes(wrong):
    with pytest.raises(InputError, match="unknown dtype"):
        choose_dtype(wrong, device=CPU)


def test_half_precision_is_for_gpus():
    with pytest.raises(InputError, match="float16 is slow and inexact on a CPU"):
        choose_dtype("float16", device=CPU)
    assert choose_dtype("float16", device=torch.device("cuda")) == torch.float16


def test_labels_are_the_softmax_of_the_upsampled_logits():
    logits = torch.randn(7, 70, 20, generator=torch.Generator().manual_seed(0)) * 3
    size = (277, 81)  # more rows than a strip
    expected = F.interpolate(logits[None], size, mode="bilinear", align_corners=False)[0].softmax(dim=0)
    labels, confidence = classify(logits, size)
    assert (labels == expected.argmax(dim=0).numpy()).mean() > 0.9999
    np.testing.assert_allclose(confidence, expected.amax(dim=0).numpy(), atol=ABSOLUTE[torch.float32])


def test_bfloat16_looks_the_same_and_keeps_every_grey_level(network):
    """In bfloat16 a picture would have 256 values between 0.5 and 1 at most; the last steps run in float32."""
    infrared, visible = scene(96, 128)
    exact = Model(network, device="cpu", dtype="float32").predict(infrared, visible)
    fast = Model(network, device="cpu", dtype="bfloat16").predict(infrared, visible)
    difference = np.abs(exact.fused.astype(int) - fast.fused)
    assert difference.mean() < 1.0
    assert difference.max() <= 8
    assert len(np.unique(fast.fused)) > 0.9 * len(np.unique(exact.fused))
    assert (exact.labels == fast.labels).mean() > 0.9


def test_a_full_device_is_one_clear_error(model, monkeypatch):
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(model.network, "forward", full)
    with pytest.raises(InputError, match="too little memory for 80x64 pixels"):
        model.predict(*scene())


def test_limits_decide_what_the_network_sees_at_once(model):
    assert model.engine.view_size((768, 1024)) == (768, 1024)
    assert model.engine.view_size((3000, 4000)) == (495, 660)
    model.limits = Limits(whole=100, view=64 * 64)
    assert model.engine.view_size((128, 128)) == (64, 64)
