"""ONNX files: the whole cascade, batch and size left open, with a description of itself.

B batch, K classes, H, W picture size, h, w map size.
"""

from __future__ import annotations

import contextlib
import io as text
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from segmif.checks import InputError, require_extra, unknown
from segmif.export.graph import GUIDE_INPUT, GUIDES_INSIDE, Graph
from segmif.export.metadata import describe
from segmif.io import atomic_path
from segmif.models import SegMiF

OPSET = 20
"""Of ONNX 1.15 (October 2023), the first with all our operators; ONNX Runtime has it since 1.17."""

_EXAMPLE = (2, 96, 128)
"""Batch, height, width the graph is traced at; it holds for any."""


def to_onnx(
    network: SegMiF, path: str | os.PathLike[str], *, name: str = "segmif", guide: str | None = None
) -> tuple[str, ...]:
    """Write a network as an ONNX file; extra `onnx`.

    Inputs: `infrared` (B, 1, H, W) and `visible` (B, 3, H, W), float32 in [0, 1], any batch, sides from 32 pixels;
    with guide="input" also `guide` (B, 1, H, W). Outputs: `fused_rgb` (B, 3, H, W) in [0, 1] and, of a model with
    classes, `labels` (B, H, W) uint8, `confidence` (B, H, W) in [0, 1], `logits` (B, K, h, w) at a quarter of the size.

    Args:
        network: trained or not; it is not changed.
        path: where to.
        name: of the model, for the description.
        guide: "visible", "average", "maximum": made inside the graph; "input": taken as a third input. None: inside
            where the graph can make the kind the weights were trained with, else an input (vsm_wls).

    Returns:
        The names of the inputs.

    Raises:
        InputError: no such guide, the extra is not installed, or the file cannot be written.
    """
    onnx = require_extra("onnx", "onnx")
    model, inputs = build(network, name=name, guide=guide)
    onnx.checker.check_model(model)
    with atomic_path(path) as temporary:
        onnx.save(model, os.fspath(temporary))
    return inputs


def build(network: SegMiF, *, name: str, guide: str | None = None, labels: bool = True) -> tuple[Any, tuple[str, ...]]:
    """The ONNX model in memory and the names of its inputs; arguments and errors as `to_onnx`.

    Args:
        labels: off, `labels` and `confidence` are left out; making them costs as much as the network itself.
    """
    onnx = require_extra("onnx", "onnx")
    require_extra("onnxscript", "onnx")
    chosen = choose_guide(network, guide)
    graph = Graph(network, guide=chosen, labels=labels).eval()
    with _quiet():
        model = _trace(graph)
    strings = describe(network, name=name, guide=chosen).to_strings()
    onnx.helper.set_model_props(model, strings)
    model.producer_name, model.producer_version = "segmif", strings["segmif_version"]
    return model, graph.input_names


def choose_guide(network: SegMiF, guide: str | None) -> str | None:
    """How the graph gets its guide; None where the network looks at none.

    Raises:
        InputError: no such kind, or one that only our Python can make.
    """
    if network.config.attention == "none" and network.config.layout != "shared":
        return None
    if guide is None:
        return network.config.guide if network.config.guide in GUIDES_INSIDE else GUIDE_INPUT
    if guide == "vsm_wls":
        raise InputError("guide 'vsm_wls' cannot be made inside the file: use --guide input and make it beforehand")
    if guide not in (*GUIDES_INSIDE, GUIDE_INPUT):
        raise unknown("guide", guide, (*GUIDES_INSIDE, GUIDE_INPUT))
    return guide


def _trace(graph: Graph) -> Any:
    batch, height, width = _EXAMPLE
    channels = {"infrared": 1, "visible": 3, "guide": 1}
    dim = torch.export.Dim
    sizes = {0: dim("batch", min=1), 2: dim("height", min=64), 3: dim("width", min=64)}
    program = torch.onnx.export(
        graph,
        tuple(torch.rand(batch, channels[name], height, width) for name in graph.input_names),
        dynamo=True,
        dynamic_shapes=dict.fromkeys(graph.input_names, sizes),
        input_names=list(graph.input_names),
        output_names=list(graph.output_names),
        opset_version=OPSET,
        verbose=False,
    )
    assert program is not None
    return program.model_proto


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter writes about its own affairs to stdout, stderr, the log and as warnings."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(text.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
