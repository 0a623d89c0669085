"""`segmif export`: a model as one file for a robot, a car or a phone, without PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)


def export(
    model: str = typer.Argument(metavar="MODEL", help="Shipped name, folder or Hub id."),
    out: Path = typer.Option(..., "-o", "--out", help="The file: NAME.onnx, or NAME.xml for OpenVINO."),
    format: str = typer.Option("onnx", "--format", help="onnx or openvino."),
    guide: str | None = typer.Option(
        None,
        help="visible, average or maximum: made inside the file; input: a third input of the file. Default: what the "
        "model was trained with, inside if the file can make it (vsm_wls cannot, and becomes an input).",
    ),
    int8: bool = typer.Option(False, "--int8", help="Convolutions in 8-bit integers; needs --calibrate."),
    calibrate: Path | None = typer.Option(
        None, help="Folder with pairs to calibrate int8 with (infrared/, visible/); never those you test on."
    ),
    split: str = typer.Option("train", help="Split of that folder, if it has lists such as train.txt; or all."),
    pairs: int = typer.Option(32, min=1, help="How many of them, evenly spread."),
) -> int:
    """Write a model as ONNX or OpenVINO, for any batch and picture size, with a description of itself inside.

    Inputs: infrared (B,1,H,W) and visible RGB (B,3,H,W), float32 in [0,1]. Outputs: fused_rgb in [0,1], labels (uint8),
    confidence, logits. Example: segmif export segmif-lite -o segmif-lite.onnx
    """
    from segmif.checks import InputError, unknown
    from segmif.export import to_int8, to_onnx, to_openvino
    from segmif.infer import load

    if format not in ("onnx", "openvino"):
        raise unknown("format", format, ("onnx", "openvino"))
    if (suffix := {"onnx": ".onnx", "openvino": ".xml"}[format]) != out.suffix:
        raise InputError(f"{out}: a file of format {format} ends in {suffix}; name it {out.with_suffix(suffix).name}")
    if int8 != (calibrate is not None):
        raise InputError("--int8 and --calibrate FOLDER go together: int8 is scaled by real pairs; give both or none")
    loaded = load(model, device="cpu", dtype="float32")
    if calibrate is not None:
        feeds = _feeds(loaded, calibrate, split, pairs, guide)
        inputs = to_int8(loaded.network, out, feeds, name=loaded.name, guide=guide)
    else:
        write = to_onnx if format == "onnx" else to_openvino
        inputs = write(loaded.network, out, name=loaded.name, guide=guide)
    size = sum(path.stat().st_size for path in (out, out.with_suffix(".bin")) if path.is_file())
    print(f"{out}: {size / 1e6:.1f} MB, inputs {', '.join(inputs)}")
    return 0


def _feeds(model: Any, folder: Path, split: str, count: int, guide: str | None) -> Iterator[dict[str, Any]]:
    """Pairs of a folder as the inputs of the graph; the folder is looked at before any is asked for."""
    from segmif.data.catalog import open_dataset

    samples = open_dataset("folder", folder, split=split, labels="none")
    step = max(1, len(samples) // count)
    return _prepared(model, samples, range(0, len(samples), step)[:count], guide)


def _prepared(model: Any, samples: Any, chosen: range, guide: str | None) -> Iterator[dict[str, Any]]:
    import numpy as np

    from segmif.cli.progress import progress
    from segmif.color import luma
    from segmif.export.graph import GUIDE_INPUT
    from segmif.export.onnx import choose_guide
    from segmif.guide import make_guide
    from segmif.infer.inputs import prepare

    wants_guide = choose_guide(model.network, guide) == GUIDE_INPUT
    with progress("calibrating", len(chosen)) as bar:
        for index in chosen:
            sample = samples[index]
            pair = prepare(sample.infrared, sample.visible, name=sample.name)
            feeds = {"infrared": pair.infrared[None, None], "visible": pair.visible.transpose(2, 0, 1)[None]}
            if wants_guide:
                made = make_guide(model.guide_kind, pair.infrared, luma(pair.visible))
                feeds["guide"] = made[None, None]
            yield {key: np.ascontiguousarray(value) for key, value in feeds.items()}
            bar.advance()
