"""`segmif export`: a model as one file for a robot, a car or a phone, without PyTorch."""

from __future__ import annotations

from pathlib import Path

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
) -> int:
    """Write a model as ONNX or OpenVINO, for any batch and picture size, with a description of itself inside.

    Inputs: infrared (B,1,H,W) and visible RGB (B,3,H,W), float32 in [0,1]. Outputs: fused_rgb in [0,1], labels (uint8),
    confidence, logits. Example: segmif export segmif-lite -o segmif-lite.onnx
    """
    from segmif.checks import unknown
    from segmif.export import to_onnx, to_openvino
    from segmif.infer import load

    if format not in ("onnx", "openvino"):
        raise unknown("format", format, ("onnx", "openvino"))
    loaded = load(model, device="cpu", dtype="float32")
    write = to_onnx if format == "onnx" else to_openvino
    inputs = write(loaded.network, out, name=loaded.name, guide=guide)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, inputs {', '.join(inputs)}")
    return 0
