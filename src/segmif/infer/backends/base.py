"""What every back end is: a callable from a batch of pairs to fused pictures and logits.

B batch, K classes, H, W picture size, h, w map size.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from segmif.checks import unknown
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


BACKENDS = ("eager",)


def check_backend(name: str) -> str:
    """The name itself.

    Raises:
        InputError: no such back end.
    """
    if name not in BACKENDS:
        raise unknown("backend", name, BACKENDS)
    return name


def make_backend(name: str, network: SegMiF, *, device: torch.device, dtype: torch.dtype) -> Backend:
    """The back end of that name around a network.

    Args:
        name: one of `BACKENDS`.
        network: in eval mode, on `device`.
        device: of the network. ONNX Runtime and OpenVINO run on the CPU.
        dtype: float32, bfloat16 or float16, what the work is computed in.

    Raises:
        InputError: no such back end, not installed (the message names the extra), or not for this device or dtype.
    """
    check_backend(name)
    from segmif.infer.backends.native import Eager

    return Eager(network, device=device, dtype=dtype)
