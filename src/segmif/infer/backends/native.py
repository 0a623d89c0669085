"""PyTorch's own ways to run a network.

B batch, K classes, H, W picture size, h, w map size.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from segmif.checks import InputError
from segmif.infer.backends.base import Outputs, check_pair
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


class Compiled(Eager):
    """`torch.compile`: operations fused into kernels of their own, made when a size first comes, which takes minutes.

    Args:
        compiler: a back end of `torch.compile`.
    """

    name = "compile"

    def __init__(
        self, network: SegMiF, *, device: torch.device, dtype: torch.dtype, compiler: str = "inductor"
    ) -> None:
        super().__init__(network, device=device, dtype=dtype)
        self._compiled: Any = torch.compile(network, backend=compiler)

    def __call__(self, infrared: Tensor, visible: Tensor, guide: Tensor | None = None) -> Outputs:
        check_pair(infrared, visible, guide)
        import torch._dynamo.exc as dynamo

        try:
            with torch.inference_mode(), precision(self.device, self.dtype):
                output = self._compiled(infrared, visible, guide)
        except dynamo.TorchDynamoException as error:
            reason = str(error).strip().partition("\n")[0]
            raise InputError(
                f"backend 'compile' failed ({reason}); it needs a C++ compiler on a CPU: use backend eager or auto"
            ) from error
        return output.fused_rgb, output.logits


@dataclass(frozen=True)
class _Recorded:
    """A CUDA graph with the memory it reads and writes."""

    graph: Any
    inputs: tuple[Tensor, ...]
    outputs: Outputs


class CudaGraphs(Eager):
    """All kernels of a pass recorded once per shape, and launched as one: nothing waits for Python.

    Each shape holds the memory of a whole pass; the last few shapes are kept.
    """

    name = "cuda-graphs"
    shapes = 4

    def __init__(self, network: SegMiF, *, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__(network, device=device, dtype=dtype)
        self._recorded: OrderedDict[tuple[int, ...], _Recorded] = OrderedDict()

    def __call__(self, infrared: Tensor, visible: Tensor, guide: Tensor | None = None) -> Outputs:
        check_pair(infrared, visible, guide)
        inputs = (infrared, visible, *(() if guide is None else (guide,)))
        key = (len(inputs), *infrared.shape)
        if key not in self._recorded:
            self._recorded[key] = self._record(inputs)
            while len(self._recorded) > self.shapes:
                self._recorded.popitem(last=False)
        self._recorded.move_to_end(key)
        recorded = self._recorded[key]
        with torch.inference_mode():
            for place, value in zip(recorded.inputs, inputs, strict=True):
                place.copy_(value)
            recorded.graph.replay()
        return recorded.outputs

    def _record(self, inputs: tuple[Tensor, ...]) -> _Recorded:
        with torch.inference_mode(), torch.cuda.device(self.device):
            places = tuple(value.clone(memory_format=torch.contiguous_format) for value in inputs)
            stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):  # libraries choose their kernels before the recording, not in it
                for _ in range(3):
                    super().__call__(*places)
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                outputs = super().__call__(*places)
        return _Recorded(graph, places, outputs)
