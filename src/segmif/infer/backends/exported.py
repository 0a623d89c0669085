"""Back ends around a file that `segmif export` wrote."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from segmif.checks import InputError
from segmif.hashing import file_digest
from segmif.infer.backends.auto import Auto, Maker
from segmif.infer.backends.base import GRAPH_BACKENDS, Backend, check_backend, check_precision

SUFFIXES = {".onnx": ("onnxruntime", "openvino"), ".xml": ("openvino",)}
"""What runs files of a suffix, the usual one first."""


def make_file_backend(path: Path, name: str | None, *, dtype: torch.dtype) -> Backend:
    """The back end of that name around an exported file.

    Args:
        path: .onnx or .xml.
        name: None for the usual one of its kind; "auto" measures.
        dtype: as for `make_backend`.

    Raises:
        InputError: a damaged file or one of another program, or a back end that is not installed, not for such a file
            or not for this dtype.
    """
    possible = SUFFIXES[path.suffix.lower()]
    name = possible[0] if name is None else check_backend(name)
    if name == "auto":
        makers: dict[str, Maker] = {each: partial(_make, path, each, dtype=dtype) for each in possible}
        return Auto(makers, device=torch.device("cpu"), dtype=dtype, key=file_digest(path))
    if name not in possible:
        raise InputError(
            f"{path.name}: an exported file is not run by backend {name!r}: use {' or '.join((*possible, 'auto'))}"
        )
    check_precision(name, dtype)
    return _make(path, name, dtype=dtype)


def _make(path: Path, name: str, *, dtype: torch.dtype) -> Backend:
    assert name in GRAPH_BACKENDS
    make: Callable[..., Backend]
    if name == "onnxruntime":
        from segmif.infer.backends.onnx_runtime import OnnxRuntime as make

        dtype = torch.float32
    else:
        from segmif.infer.backends.open_vino import OpenVino as make
    return make(path, dtype=dtype, where=str(path))
