"""`segmif evaluate` and `segmif benchmark`: how good is one method, and which method is best."""

from __future__ import annotations

from pathlib import Path

import typer

_OUT = typer.Option(None, "--out", "-o", help="Files OUT.json and OUT.csv [evaluation-TASK].")
_DATASET = typer.Option(None, "--dataset", "-d", help="A name of `segmif datasets`, as NAME or NAME:SPLIT.")
_ROOT = typer.Option(Path(), "--root", "-r", envvar="SEGMIF_DATA", help="The data set, or the folder that holds it.")
_WORKERS = typer.Option(0, "--workers", "-j", min=0, help="Processes; 0 means one per core.")
_METRICS = typer.Option("panel", "--metrics", "-m", help="panel (the usual ten), all, or names: EN,SD,VIF.")
_CONVENTION = typer.Option(None, help="Print what another tool prints: vifb, tang or cddfuse [textbook definitions].")
_PROTOCOL = typer.Option(None, "--protocol", "-p", help="How to count, e.g. fmb, fmb-14, mfnet, msrs, pst900.")
_CLASSES = typer.Option(None, "--classes", help="Average over these classes only: road,person,car.")
_LIMIT = typer.Option(None, "--limit", min=1, help="So many pairs at most, spread evenly.")
_DEVICE = typer.Option("auto", help="auto, cpu, cuda, cuda:1, mps ...")


def register(app: typer.Typer) -> None:
    """Add the group `evaluate` and the command `benchmark`."""
    group = typer.Typer(help="Score fused pictures, label maps, boxes or saliency maps.", no_args_is_help=True)
    for command in (fusion, segmentation, detection, saliency):
        group.command()(command)
    app.add_typer(group, name="evaluate")
    app.command()(benchmark)


def fusion(
    fused: Path = typer.Argument(..., metavar="FUSED", help="Folder of fused pictures, or one; named like their pair."),
    infrared: Path | None = typer.Argument(None, metavar="[INFRARED", help="Folder of infrared pictures, or one."),
    visible: Path | None = typer.Argument(None, metavar="VISIBLE]", help="Folder of visible pictures, or one."),
    dataset: str | None = _DATASET,
    root: Path = _ROOT,
    metrics: str = _METRICS,
    convention: str | None = _CONVENTION,
    limit: int | None = _LIMIT,
    workers: int = _WORKERS,
    out: Path | None = _OUT,
) -> int:
    """Fusion metrics of fused pictures, against their sources in two folders or in a data set."""
    from segmif.bench.sources import pairs_of_folders
    from segmif.checks import InputError
    from segmif.cli import evaluating

    if dataset is not None:
        pairs = evaluating.open_named(dataset, root, limit=limit, labels=False)
    elif infrared is not None and visible is not None:
        pairs = pairs_of_folders(infrared, visible, limit=limit)
    else:
        raise InputError("give FUSED INFRARED VISIBLE, or FUSED and --dataset NAME --root FOLDER")
    return evaluating.fusion(pairs, fused, metrics, convention, workers, out)


def segmentation(
    predicted: Path | None = typer.Argument(None, metavar="[PREDICTED", help="Folder of label maps (class ids)."),
    truth: Path | None = typer.Argument(None, metavar="TRUTH]", help="Folder of true label maps."),
    model: str | None = typer.Option(None, help="Run this model on the data set instead of reading PREDICTED."),
    dataset: str | None = _DATASET,
    root: Path = _ROOT,
    protocol: str | None = _PROTOCOL,
    classes: str | None = _CLASSES,
    boundary: float | None = typer.Option(None, help="Also boundary F at this tolerance (0.0075 is usual)."),
    against: Path | None = typer.Option(None, help="Label maps of another method, for a test of the difference."),
    limit: int | None = _LIMIT,
    device: str = _DEVICE,
    out: Path | None = _OUT,
) -> int:
    """IoU, mIoU, accuracy of label maps against the truth in a folder or a data set, or of a model on a data set."""
    from segmif.cli import evaluating

    return evaluating.segmentation(
        evaluating.LabelRequest(
            predicted=predicted, truth=truth, model=model, dataset=dataset, root=root, protocol=protocol,
            classes=evaluating.names(classes), boundary=boundary, against=against, limit=limit, device=device,
        ),
        out,
    )  # fmt: skip


def detection(
    found: Path = typer.Argument(..., metavar="FOUND", help="Boxes (COCO results, JSON), or a folder of pictures."),
    truth: Path | None = typer.Argument(None, metavar="[TRUTH]", help="COCO .json file or folder of VOC .xml files."),
    detector: str | None = typer.Option(None, help="Detector of transformers (folder or Hub id) to run on FOUND."),
    dataset: str | None = _DATASET,
    root: Path = _ROOT,
    protocol: str = typer.Option("person-car", "--protocol", "-p", help="How to count: llvip, m3fd, person-car."),
    device: str = _DEVICE,
    out: Path | None = _OUT,
) -> int:
    """mAP50 and mAP50:95 of boxes, given in a file or found by a detector in fused pictures."""
    from segmif.cli import evaluating

    return evaluating.detection(found, truth, detector, dataset, root, protocol, device, out)


def saliency(
    maps: Path = typer.Argument(..., metavar="MAPS", help="Folder of saliency maps (grey, 8 bits)."),
    truth: Path | None = typer.Argument(None, metavar="[TRUTH]", help="Folder of true masks."),
    dataset: str | None = _DATASET,
    root: Path = _ROOT,
    stretch: bool = typer.Option(True, help="Stretch every map to 0..1 first, as the field does."),
    out: Path | None = _OUT,
) -> int:
    """S, E, F, weighted F and MAE of saliency maps against masks in a folder or a data set (vt821, vt1000, vt5000)."""
    from segmif.cli import evaluating

    return evaluating.saliency(maps, truth, dataset, root, stretch, out)


def benchmark(
    datasets: list[str] = typer.Option(
        ..., "--datasets", "-d", help="NAME, NAME:SPLIT or NAME=FOLDER; several with commas or spaces."
    ),
    methods: list[str] = typer.Option(
        ...,
        "--methods",
        help="Names of classic methods (`classic`: all), models (`models`: all), NAME=FOLDER; METHOD@DATASET.",
    ),
    more: list[str] = typer.Argument(None, hidden=True),
    out: Path = typer.Option(..., "-o", "--out", metavar="REPORT", help="A folder, or the name of the .html page."),
    root: Path = _ROOT,
    metrics: str = _METRICS,
    convention: str | None = _CONVENTION,
    classes: str | None = _CLASSES,
    limit: int | None = _LIMIT,
    pictures: int = typer.Option(6, min=0, help="Pairs of each data set shown in the page."),
    published: bool = typer.Option(True, help="Put numbers from papers beside the measured ones, marked."),
    workers: int = _WORKERS,
    device: str = _DEVICE,
    dtype: str = typer.Option("auto", help="auto, float32, bfloat16 or float16."),
) -> int:
    """Compare fusion methods on data sets: one HTML page with tables, plots and pictures; JSON, CSV, Markdown, LaTeX.

    What was computed before is kept beside the report: a stopped run goes on, a second one computes what changed.
    """
    from segmif.bench.measure import default_workers
    from segmif.bench.run import Settings
    from segmif.cli import evaluating

    chosen_sets, chosen_methods = evaluating.sort_out(datasets, methods, more or [])
    settings = Settings(
        datasets=chosen_sets, methods=chosen_methods, root=root,
        metrics=evaluating.metric_names(metrics, convention), convention=convention, classes=evaluating.names(classes),
        limit=limit, pictures=pictures, published=published, workers=workers or default_workers(), device=device,
        dtype=dtype,
    )  # fmt: skip
    return evaluating.benchmark(settings, out)
