"""`segmif rig annotate` and `segmif rig annotations …`: draw labels on pairs, convert them, compare annotators."""

from __future__ import annotations

from pathlib import Path

import typer

_FORMATS = "segmif, cvat, labelme, labelstudio, coco, panoptic, voc, labels or handdrawn"


def add_to(group: typer.Typer) -> None:
    """Add the commands to the group `rig`."""
    group.command("annotate")(_annotate)
    annotations = typer.Typer(help="Convert annotations between formats, compare annotators.", no_args_is_help=True)
    annotations.command("convert")(_convert)
    annotations.command("agreement")(_agreement)
    group.add_typer(annotations, name="annotations")


def _annotate(
    root: Path = typer.Argument(metavar="ROOT", help="Folder that holds the folders infrared and visible."),
    annotations: Path | None = typer.Option(
        None, help="Folder of the polygons, NAME.json each. Default: ROOT/annotations."
    ),
    labels: str = typer.Option("fmb", help="Label set: fmb, mfnet, pst900, cwfid or saliency."),
    model: str | None = typer.Option(
        None, help="Model for fused pictures and pre-labels; none does without. Default: the default model."
    ),
    confidence: float = typer.Option(0.5, min=0, max=1, help="Pre-labels leave out pixels the model is less sure of."),
    iou_loss: float = typer.Option(
        0.05, min=0, max=0.5, help="What a pre-label polygon may lose to have fewer points, as 1 - IoU."
    ),
    author: str = typer.Option("", help="Your name, kept in what you save."),
    port: int = typer.Option(7861, min=0, max=65535, help="Port; 0 takes a free one."),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:1, mps ..."),
    no_browser: bool = typer.Option(False, "--no-browser", help="Only print the address."),
) -> int:
    """Open a page to draw and correct polygons on visible, infrared and fused pictures.

    Listens on this machine only. Every change is saved within a second; Ctrl-C stops the server. The polygons become
    label maps with `segmif rig annotations convert ROOT/annotations Label --to labels`.

    Example: segmif rig annotate recordings/2026-05-03 --author Ada
    """
    from segmif.checks import require_extra

    for module in ("fastapi", "uvicorn"):
        require_extra(module, "app")
    from segmif.cli.annotating import AnnotateRequest, annotate

    return annotate(
        AnnotateRequest(
            root=root, annotations=annotations, labels=labels, model=model, confidence=confidence, iou_loss=iou_loss,
            author=author, port=port, device=device, browser=not no_browser,
        )
    )  # fmt: skip


def _convert(
    source: Path = typer.Argument(metavar="IN", help="Folder, .zip, or file of annotations."),
    out: Path = typer.Argument(metavar="OUT", help="Folder, .zip, or, for formats of one file, that file."),
    to: str = typer.Option(..., "--to", help=f"What to write: {_FORMATS}."),
    from_: str = typer.Option("segmif", "--from", help="What IN is: the same names."),
    labels: str | None = typer.Option(
        None, help="Map the classes by name onto this label set, such as fmb. Default: the classes of the file."
    ),
    holes: str = typer.Option(
        "refuse", help="Formats without holes: refuse, or bridge (the hole joined to its outline, the same pixels)."
    ),
) -> int:
    """Convert annotations between CVAT, labelme, Label Studio, COCO, VOC, label maps and ours.

    segmif, cvat, labelme, labelstudio, coco and handdrawn keep every polygon; panoptic, voc and labels every pixel.

    Example: segmif rig annotations convert job_12.zip ours/ --from cvat --to segmif --labels fmb
    """
    from segmif.cli.annotating import convert

    return convert(source, out, source_format=from_, target_format=to, labels=labels, holes=holes)


def _agreement(
    a: Path = typer.Argument(metavar="A", help="Annotations of one annotator: folder, .zip or file."),
    b: Path = typer.Argument(metavar="B", help="Annotations of the other."),
    from_: str = typer.Option("segmif", "--from", help=f"What both are: {_FORMATS}."),
    worst: int = typer.Option(10, min=0, help="How many of the worst pictures to list."),
    json_: Path | None = typer.Option(None, "--json", help="Write everything, the confusion matrix too, to this file."),
) -> int:
    """Tell how far two annotators agree: IoU per class, Cohen's kappa, objects, confusions, the worst pictures.

    Pixels that either left out (255) are not compared; how many there are is told.

    Example: segmif rig annotations agreement ada/ ben/ --json agreement.json
    """
    from segmif.cli.annotating import compare

    return compare(a, b, source_format=from_, worst=worst, json_path=json_)
