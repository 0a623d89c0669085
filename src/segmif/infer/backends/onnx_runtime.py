"""ONNX Runtime on the CPU; extra `onnx`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segmif.checks import InputError, require_extra
from segmif.infer.backends.base import Outputs, check_pair, check_precision

WANTED = ("fused_rgb", "logits")
"""What we ask a graph for; labels are made faster outside of it."""


class OnnxRuntime:
    """Runs a graph of `segmif.export`, with as many threads as PyTorch has now.

    Args:
        graph: a file or its bytes.
        dtype: float32.
        where: what to call it in errors.

    Raises:
        InputError: the extra is not installed, the graph is damaged or not one of ours, or another dtype.
    """

    name = "onnxruntime"
    device = torch.device("cpu")

    def __init__(self, graph: Path | bytes, *, dtype: torch.dtype = torch.float32, where: str = "graph") -> None:
        check_precision(self.name, dtype)
        self.dtype = dtype
        runtime = require_extra("onnxruntime", "onnx")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        # Threads that wait for work by turning in circles take it from those that read and write pictures.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = runtime.InferenceSession(
                pruned(graph, where=where), sess_options=options, providers=["CPUExecutionProvider"]
            )
        except InputError:
            raise
        except Exception as error:  # the run-time's own classes, which derive from nothing narrower
            raise InputError(f"{where}: is not a graph ONNX Runtime can run; export the model again") from error
        self._inputs = [value.name for value in self._session.get_inputs()]
        self._outputs = [value.name for value in self._session.get_outputs()]

    def __call__(self, infrared: Tensor, visible: Tensor, guide: Tensor | None = None) -> Outputs:
        found = self._session.run(self._outputs, feeds(self._inputs, infrared, visible, guide))
        results = dict(zip(self._outputs, map(torch.from_numpy, found), strict=True))
        return results["fused_rgb"], results.get("logits")


def feeds(
    names: list[str], infrared: Tensor, visible: Tensor, guide: Tensor | None
) -> dict[str, npt.NDArray[np.float32]]:
    """The inputs of a graph by name, as contiguous float32 arrays.

    Raises:
        InputError: shapes or sizes that do not fit, or a guide is missing.
    """
    check_pair(infrared, visible, guide)
    given = {"infrared": infrared, "visible": visible, "guide": guide}
    if "guide" in names and guide is None:
        raise InputError("this graph takes the guide as a third input: give one, see segmif.guide")
    return {name: np.ascontiguousarray(given[name].float().numpy()) for name in names}  # type: ignore[union-attr]


def check_names(inputs: list[str], outputs: list[str], *, where: str) -> None:
    """Raise `InputError` unless inputs and outputs are those of our graphs."""
    if set(inputs) - {"guide"} != {"infrared", "visible"} or "fused_rgb" not in outputs:
        raise InputError(
            f"{where}: takes {', '.join(inputs) or 'nothing'} and gives {', '.join(outputs) or 'nothing'}, so it is "
            "not a graph of segmif; make one by 'segmif export'"
        )


def pruned(graph: Path | bytes, *, where: str) -> bytes | str:
    """A graph without the outputs we do not ask for, and without what only they need.

    ONNX Runtime computes every output of a graph, asked for or not, and labels cost as much as the network.

    Raises:
        InputError: not one of our graphs.
    """
    onnx = require_extra("onnx", "onnx")
    model = onnx.load_from_string(graph) if isinstance(graph, bytes) else onnx.load(str(graph))
    check_names([v.name for v in model.graph.input], [v.name for v in model.graph.output], where=where)
    kept = [value for value in model.graph.output if value.name in WANTED]
    if len(kept) == len(model.graph.output):
        return graph if isinstance(graph, bytes) else str(graph)
    del model.graph.output[:]
    model.graph.output.extend(kept)
    needed = {value.name for value in kept}
    nodes: list[Any] = []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))
    data: bytes = model.SerializeToString()
    return data
