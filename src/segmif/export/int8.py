"""Eight-bit files: the convolutions of an ONNX graph in int8, scaled by what real pairs put through them."""

from __future__ import annotations

import itertools
import logging
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segmif.checks import InputError, require_extra
from segmif.export.onnx import build
from segmif.export.openvino import convert
from segmif.io import atomic_path
from segmif.models import SegMiF

Feeds = Mapping[str, npt.NDArray[np.float32]]
"""The inputs of a graph by name, see `segmif.export.to_onnx`."""

EXACT = ("fusion.output.weight", "head.classify.weight")
"""Convolutions that stay in float32: what they give is seen, coefficients of the picture and scores of classes."""
_FEWEST_INPUTS = 8
"""Convolutions that add up fewer channels stay in float32 too, depth-wise ones and those on pictures: they cost little,
and with them in int8 segmif-lite loses 6 points of mIoU, without them less than 1."""


def to_int8(
    network: SegMiF,
    path: str | os.PathLike[str],
    pairs: Iterable[Feeds],
    *,
    name: str = "segmif",
    guide: str | None = None,
) -> tuple[str, ...]:
    """Write a network as a file whose convolutions compute in int8; extra `onnx`.

    Weights have a scale per output channel, activations one each, from the least and greatest value that the pairs
    give (static quantisation, written as QuantizeLinear and DequantizeLinear, which ONNX Runtime and OpenVINO both
    turn into integer arithmetic). Everything else stays float32: attention, normalisations, the blend, the logits,
    and convolutions that gain little (`EXACT`, depth-wise ones, those on pictures).

    Args:
        network: trained; it is not changed.
        path: where to: .onnx, or .xml for OpenVINO (extra `openvino`).
        pairs: some dozens of real pairs such as the network will see, from training data; any sizes.
        name: as for `to_onnx`.
        guide: likewise.

    Returns:
        The names of the inputs.

    Raises:
        InputError: no pairs, the extra is not installed, or the file cannot be written.
    """
    onnx = require_extra("onnx", "onnx")
    quantization = require_extra("onnxruntime.quantization", "onnx")
    model, inputs = build(network, name=name, guide=guide)
    onnx.helper.set_model_props(model, {**{p.key: p.value for p in model.metadata_props}, "precision": "int8"})
    with tempfile.TemporaryDirectory() as folder, _quiet():
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        quantization.quantize_static(
            source,
            target,
            _reader(quantization.CalibrationDataReader, pairs),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=_exact(model),
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        done = onnx.load(target)
        onnx.helper.set_model_props(done, {p.key: p.value for p in model.metadata_props})
        if Path(path).suffix == ".xml":
            onnx.save(done, target)
            convert(target, path)
        else:
            with atomic_path(path) as temporary:
                onnx.save(done, os.fspath(temporary))
    return inputs


def _exact(model: Any) -> list[str]:
    """Names of the convolutions that stay in float32."""
    inputs = {value.name: value.dims[1] for value in model.graph.initializer if len(value.dims) == 4}
    return [
        node.name
        for node in model.graph.node
        if node.op_type == "Conv"
        and (node.input[1].endswith(EXACT) or inputs.get(node.input[1], _FEWEST_INPUTS) < _FEWEST_INPUTS)
    ]


def _reader(base: type[Any], pairs: Iterable[Feeds]) -> Any:
    """Gives the pairs one by one, as ONNX Runtime asks for them."""
    feeds = iter(pairs)
    first = next(feeds, None)
    if first is None:
        raise InputError("int8 needs pairs to calibrate with, and there are none; give a folder of training pairs")

    every = map(dict, itertools.chain((first,), feeds))

    class Reader(base):  # type: ignore[misc]
        def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
            return next(every, None)

    return Reader()


@contextmanager
def _quiet() -> Iterator[None]:
    """The quantiser logs its advice."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
