"""OpenVINO on the CPU; extra `openvino`."""

from __future__ import annotations

from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from segmif.checks import InputError, require_extra
from segmif.infer.backends.base import Outputs, check_precision
from segmif.infer.backends.onnx_runtime import WANTED, check_names, feeds

_HINTS = {torch.float32: "f32", torch.bfloat16: "bf16"}
_KEPT = 4
"""Shapes compiled at once."""
_FREQUENT = 3
"""Times a shape must come, after the first one, to be compiled for itself."""

Shape = tuple[int, ...]


class OpenVino:
    """Runs a graph of `segmif.export`, with as many threads as PyTorch has now.

    A graph compiled for one shape is up to twice as fast as one for all, but compiling takes a second. So the first
    shape that comes is compiled, and others once they have come a few times; until then they run in the graph for all.

    Args:
        graph: an ONNX file, its bytes, or an .xml file.
        dtype: float32, or bfloat16 where the processor computes in it.
        where: what to call it in errors.

    Raises:
        InputError: the extra is not installed, the graph is damaged or not one of ours, or another dtype.
    """

    name = "openvino"
    device = torch.device("cpu")

    def __init__(self, graph: Path | bytes, *, dtype: torch.dtype = torch.float32, where: str = "graph") -> None:
        check_precision(self.name, dtype)
        self.dtype = dtype
        openvino = require_extra("openvino", "openvino")
        self._core = openvino.Core()
        if dtype == torch.bfloat16 and "BF16" not in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise InputError("OpenVINO does not compute in bfloat16 on this processor: use dtype float32")
        try:
            model = self._core.read_model(graph)
        except Exception as error:  # RuntimeError and others, by version
            raise InputError(f"{where}: is not a graph OpenVINO can read; export the model again") from error
        self._inputs = [value.get_any_name() for value in model.inputs]
        outputs = {value.get_any_name(): value for value in model.outputs}
        check_names(self._inputs, list(outputs), where=where)
        self._outputs = [name for name in WANTED if name in outputs]
        self._model = openvino.Model(
            [outputs[name].get_node() for name in self._outputs], model.get_parameters(), "segmif"
        )
        self._seen: Counter[Shape] = Counter()
        self._compiled: OrderedDict[Shape, Any] = OrderedDict()

    def __call__(self, infrared: Tensor, visible: Tensor, guide: Tensor | None = None) -> Outputs:
        values = feeds(self._inputs, infrared, visible, guide)
        request = self._request((len(infrared), *infrared.shape[2:]))
        request.infer(values, share_inputs=True)
        found = [torch.from_numpy(request.get_output_tensor(i).data) for i in range(len(self._outputs))]
        return found[0], found[1] if len(found) > 1 else None

    def _request(self, shape: Shape) -> Any:
        """What runs pairs of this (B, H, W)."""
        self._seen[shape] += 1
        fixed = shape in self._compiled or len(self._seen) == 1 or self._seen[shape] > _FREQUENT
        key = shape if fixed else ()
        if key not in self._compiled:
            self._compiled[key] = self._compile(key)
            while len(self._compiled) > _KEPT:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(key)
        return self._compiled[key]

    def _compile(self, shape: Shape) -> Any:
        model = self._model
        if shape:
            batch, height, width = shape
            model = model.clone()
            model.reshape({name: [batch, 3 if name == "visible" else 1, height, width] for name in self._inputs})
        options = {
            "INFERENCE_PRECISION_HINT": _HINTS[self.dtype],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,  # the cores are shared with other programs
        }
        return self._core.compile_model(model, "CPU", options).create_infer_request()
