"""What every back end is: a callable from a batch of pairs to fused pictures and logits.

B batch, K classes, H, W picture size, h, w map size.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from segmif.checks import InputError, check_batch, check_same_size, unknown
from segmif.models import SegMiF

Outputs = tuple[Tensor, Tensor | None]
"""Fused RGB (B, 3, H, W) and logits (B, K, h, w), None for a fusion-only model."""


class Backend(Protocol):
    """Runs a network on batches.

    Attributes:
        name: one of `BACKENDS`; for "auto" the measuring one, whose `chosen` says what it found.
        device: where the inputs must be, and the outputs are.
        dtype: what most of the work is computed in.
    """

    name: str
    device: torch.device
    dtype: torch.dtype

    def __call__(self, infrared: Tensor, visible: Tensor, guide: Tensor | None = None) -> Outputs:
        """Fuse and segment.

        Args:
            infrared: (B, 1, H, W) float32 in [0, 1], H, W >= 32.
            visible: (B, 3, H, W) likewise, RGB.
            guide: (B, 1, H, W) likewise; None where the network needs none or makes its own.

        Returns:
            Tensors that are valid until the next call.
        """
        ...


BACKENDS = ("eager", "compile", "onnxruntime", "openvino", "cuda-graphs", "auto")
"""eager: PyTorch, operation by operation. compile: torch.compile. onnxruntime, openvino: those run-times, on the CPU
(extras of the same names). cuda-graphs: the whole network as one launch on an NVIDIA GPU. auto: measures those that
can run here once, and remembers."""
GRAPH_BACKENDS = ("onnxruntime", "openvino")
"""Those that run the exported graph, on the CPU, and therefore exported files too."""


def check_backend(name: str) -> str:
    """The name itself.

    Raises:
        InputError: no such back end.
    """
    if name not in BACKENDS:
        raise unknown("backend", name, BACKENDS)
    return name


def precisions(name: str) -> tuple[torch.dtype, ...]:
    """What a back end can compute in, where the hardware can.

    >>> precisions("onnxruntime")
    (torch.float32,)
    """
    if name == "onnxruntime":
        return (torch.float32,)
    if name == "openvino":
        return torch.float32, torch.bfloat16
    return torch.float32, torch.bfloat16, torch.float16


def check_precision(name: str, dtype: torch.dtype) -> None:
    """Raise `InputError` unless the back end `name` computes in `dtype`."""
    possible = [str(each).removeprefix("torch.") for each in precisions(name)]
    wanted = str(dtype).removeprefix("torch.")
    if wanted not in possible:
        raise InputError(f"backend {name!r} does not compute in {wanted}: use dtype {' or '.join(possible)}, or auto")


def check_device(name: str, device: torch.device) -> None:
    """Raise `InputError` unless the back end `name` runs on `device`."""
    if name in GRAPH_BACKENDS and device.type != "cpu":
        raise InputError(f"backend {name!r} runs on the processor: use device cpu with it, or another backend")
    if name == "cuda-graphs" and device.type != "cuda":
        raise InputError(
            f"backend 'cuda-graphs' needs an NVIDIA GPU, and the device is {device}: use device cuda or another backend"
        )


def check_pair(infrared: Tensor, visible: Tensor, guide: Tensor | None) -> None:
    """Raise `InputError` unless these are a batch of pairs that a network takes, see `Backend.__call__`."""
    size = (infrared.shape[-2], infrared.shape[-1]) if infrared.ndim >= 2 else (0, 0)
    for name, batch, channels in (("infrared", infrared, 1), ("visible", visible, 3), ("guide", guide, 1)):
        if batch is None:
            continue
        check_batch(name, batch, channels)
        check_same_size(name, (batch.shape[2], batch.shape[3]), "infrared", size)
        if len(batch) != len(infrared):
            raise InputError(f"{name} has a batch of {len(batch)} but infrared of {len(infrared)}: give one per pair")


def make_backend(name: str, network: SegMiF, *, device: torch.device, dtype: torch.dtype) -> Backend:
    """The back end of that name around a network.

    Args:
        name: one of `BACKENDS`.
        network: in eval mode, on `device`.
        device: of the network. ONNX Runtime and OpenVINO run on the CPU.
        dtype: float32, bfloat16 or float16, what the work is computed in; for "auto", the least exact it may be.

    Raises:
        InputError: no such back end, not installed (the message names the extra), or not for this device or dtype.
    """
    check_device(check_backend(name), device)
    check_precision(name, dtype)
    if name in GRAPH_BACKENDS:
        return _around_graph(name, network, dtype=dtype)
    if name == "auto":
        from segmif.infer.backends.auto import auto_of_network

        return auto_of_network(network, device=device, dtype=dtype)
    from segmif.infer.backends import native

    kinds = {"eager": native.Eager, "compile": native.Compiled, "cuda-graphs": native.CudaGraphs}
    return kinds[name](network, device=device, dtype=dtype)


def _around_graph(name: str, network: SegMiF, *, dtype: torch.dtype) -> Backend:
    from segmif.checks import require_extra

    # What is missing shall be said before the graph is made, which takes long.
    require_extra(name, "onnx" if name == "onnxruntime" else name)
    from segmif.export import cached_onnx

    graph = cached_onnx(network)
    if name == "onnxruntime":
        from segmif.infer.backends.onnx_runtime import OnnxRuntime

        return OnnxRuntime(graph, dtype=dtype)
    from segmif.infer.backends.open_vino import OpenVino

    return OpenVino(graph, dtype=dtype)
