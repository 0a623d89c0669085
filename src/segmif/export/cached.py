"""The ONNX graph of a loaded network, made when first wanted and kept in the user's cache folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from segmif.export.graph import GUIDE_INPUT
from segmif.export.onnx import OPSET, build, choose_guide
from segmif.hashing import code_version, digest
from segmif.models import SegMiF
from segmif.usercache import cache_folder, keep

_KEPT = 16
"""Graphs; the oldest go first."""


def network_digest(network: SegMiF) -> str:
    """The key of a network: its configuration, its weights, and the code that makes graphs of it."""
    parts: list[str | bytes] = [code_version("segmif.models", "segmif.export", "segmif.color"), repr(network.config)]
    for name, tensor in network.state_dict().items():
        parts += [name, _bytes(tensor)]
    return digest(*parts)


def _bytes(tensor: torch.Tensor) -> bytes:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    data: Any = flat.view(torch.uint8).numpy()
    return bytes(data.tobytes())


def cached_onnx(network: SegMiF, *, key: str | None = None) -> Path | bytes:
    """An ONNX graph with outputs `fused_rgb` and `logits` that takes the guide, if it needs one, as an input.

    Args:
        network: trained or not.
        key: its `network_digest`, where that is known.

    Returns:
        A file in the user's cache folder, or where that cannot be written the bytes.

    Raises:
        InputError: the extra `onnx` is not installed.
    """
    name = f"graphs/{key or network_digest(network)}-{OPSET}-torch{torch.__version__}.onnx"
    path = cache_folder() / name
    if path.is_file():
        return path
    guide = choose_guide(network, None) and GUIDE_INPUT
    model, _ = build(network, name="segmif", guide=guide, labels=False)
    data: bytes = model.SerializeToString()
    return keep(name, data, at_most=_KEPT) or data
