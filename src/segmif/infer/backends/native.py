"""PyTorch's own ways to run a network.

B batch, K classes, H, W picture size, h, w map size.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from segmif.infer.backends.base import Outputs
from segmif.models import SegMiF


def precision(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[Any]:
    """The region in which a float32 network computes in `dtype`."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)


class Eager:
    """The network as it is, operation by operation."""

    name = "eager"

    def __init__(self, network: SegMiF, *, device: torch.device, dtype: torch.dtype) -> None:
        self.network, self.device, self.dtype = network, device, dtype

    def __call__(self, infrared: Tensor, visible: Tensor, guide: Tensor | None = None) -> Outputs:
        with torch.inference_mode(), precision(self.device, self.dtype):
            output = self.network(infrared, visible, guide)
        return output.fused_rgb, output.logits
