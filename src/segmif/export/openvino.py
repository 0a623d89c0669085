"""OpenVINO files (.xml and .bin), converted from the ONNX graph."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from segmif.checks import InputError, require_extra
from segmif.export.metadata import SECTION, read_description
from segmif.export.onnx import to_onnx
from segmif.io import atomic_path
from segmif.models import SegMiF


def to_openvino(
    network: SegMiF, path: str | os.PathLike[str], *, name: str = "segmif", guide: str | None = None
) -> tuple[str, ...]:
    """Write a network as an OpenVINO model; extras `openvino` and `onnx`. Arguments and errors as `to_onnx`.

    Args:
        network: trained or not.
        path: the .xml; the weights go beside it, with the suffix .bin.
        name: of the model.
        guide: see `to_onnx`.

    Returns:
        The names of the inputs.
    """
    require_extra("openvino", "openvino")
    check_suffix(path)
    with tempfile.TemporaryDirectory() as folder:
        onnx_file = Path(folder) / "model.onnx"
        inputs = to_onnx(network, onnx_file, name=name, guide=guide)
        convert(onnx_file, path)
    return inputs


def check_suffix(path: str | os.PathLike[str]) -> Path:
    """The path itself.

    Raises:
        InputError: an OpenVINO model cannot have that name.
    """
    path = Path(path)
    if path.suffix != ".xml":
        raise InputError(f"{path}: an OpenVINO model ends in .xml; name it {path.with_suffix('.xml').name}")
    return path


def convert(onnx_file: Path, path: str | os.PathLike[str]) -> None:
    """One of our ONNX files as an OpenVINO model with the same description; errors as `to_openvino`."""
    openvino = require_extra("openvino", "openvino")
    path = check_suffix(path)
    model = openvino.convert_model(onnx_file)
    for key, value in read_description(onnx_file).to_strings().items():
        model.set_rt_info(value, [SECTION, key])
    with atomic_path(path) as temporary, atomic_path(path.with_suffix(".bin")) as weights:
        beside = temporary.with_suffix(".bin")
        try:
            openvino.save_model(model, temporary, compress_to_fp16=False)
            beside.replace(weights)
        except RuntimeError as error:  # what OpenVINO makes of a disk that is full
            reason = str(error).strip().splitlines()[-1]
            raise InputError(f"{path}: cannot be written ({reason}); free space or choose another folder") from error
        finally:
            beside.unlink(missing_ok=True)
