"""`segmif fuse`, `segmif demo`, `segmif models`: the main job, on your pictures and on ours."""

from __future__ import annotations

import os
from pathlib import Path

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(fuse)
    app.command()(demo)
    app.command()(models)


def fuse(
    infrared: str = typer.Argument(
        metavar="INFRARED", help="Infrared picture, folder, video or camera (index or address); or tar shards of pairs."
    ),
    visible: str | None = typer.Argument(
        None, metavar="VISIBLE", help="Visible one of the same kind; its size and colours are the result's."
    ),
    out: Path = typer.Option(
        ..., "-o", "--out", help="Folder for the results; for a single pair or video also a file."
    ),
    model: str | None = typer.Option(
        None, help="Shipped name, folder, Hub id or exported file; default: the best one shipped."
    ),
    guide: str | None = typer.Option(
        None,
        help="vsm_wls, visible, average, maximum, a picture or a folder of them; default: the model's own.",
    ),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:1, mps ..."),
    dtype: str = typer.Option("auto", help="auto, float32, bfloat16 or float16."),
    backend: str | None = typer.Option(
        None, help="eager, compile, onnxruntime, openvino, cuda-graphs, or auto: measures them once; default: eager."
    ),
    overlay: bool = typer.Option(False, "--overlay", help="Also write the fused picture with coloured labels."),
    panel: bool = typer.Option(False, "--panel", help="Also write infrared, visible, fused and labels side by side."),
    align: bool = typer.Option(False, "--align", help="First register each infrared picture to its visible one."),
    recursive: bool = typer.Option(False, "--recursive", help="Look into sub-folders too."),
    resume: bool = typer.Option(
        False,
        "--resume",
        help="Skip what is finished; outputs that are missing, damaged or older than their inputs are made anew.",
    ),
    limit: int | None = typer.Option(None, min=1, help="Stop after so many pairs or frames."),
    batch_size: int | None = typer.Option(None, min=1, help="Pairs fused at once; default 1 on a CPU, 4 on a GPU."),
    max_latency: float | None = typer.Option(
        None, min=1, metavar="MS", help="Cameras: drop frames older than so many milliseconds when their turn comes."
    ),
    stabilise: bool = typer.Option(
        False, "--stabilise", help="Videos: smooth the labels over time wherever the picture stands still."
    ),
    flicker: bool = typer.Option(
        False, "--flicker", help="Videos: measure how much labels and brightness flicker where nothing moves."
    ),
    engine: str = typer.Option("local", help="local, or ray: many processes or machines (pip install 'segmif[ray]')."),
    workers: int | None = typer.Option(
        None, min=1, help="Ray: processes; default: one per GPU, or as many as the cores allow."
    ),
    threads: int | None = typer.Option(None, min=1, help="Ray: cores of each process; default 1."),
    address: str | None = typer.Option(
        None,
        metavar="HOST:PORT",
        help="Ray: the cluster, or auto for one running here; default: RAY_ADDRESS, else this machine's cores.",
    ),
) -> int:
    """Fuse and label an infrared-visible pair, two folders, two videos or two cameras; or tar shards of pairs.

    Writes NAME_fused.png and NAME_labels.png (a palette picture of class ids), and more on request. Folders are
    paired by file name. Where sizes differ, infrared is resampled to the visible picture.

    Tar shards (of 'segmif data cache --format tar') hold both bands and are given alone; results are shards too.

    Examples:

        segmif fuse infrared/ visible/ -o out/ --resume

        segmif fuse infrared.mp4 visible.mp4 -o fused.mp4 --stabilise

        segmif fuse shards/ -o out/ --engine ray --workers 8
    """
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what matters about a file is in our own one line
    from segmif.cli import clustering, fusing

    wanted = ["fused", "labels", *["overlay"] * overlay, *["panel"] * panel]
    request = fusing.Request(
        infrared=infrared, visible=visible, out=out, model=model, guide=guide, device=device, dtype=dtype,
        backend=backend, outputs=tuple(wanted), align=align, recursive=recursive, resume=resume, limit=limit,
        batch_size=batch_size, stabilise=stabilise, flicker=flicker,
        max_latency=None if max_latency is None else max_latency / 1000,
    )  # fmt: skip
    where = clustering.Engine(name=engine, address=address, workers=workers, threads=threads)
    return clustering.run(request, where) if clustering.in_jobs(request, where) else fusing.run(request)


def demo(
    out: Path = typer.Option(Path("segmif-demo"), "-o", "--out", help="Folder for the pictures."),
    model: str | None = typer.Option(
        None, help="Shipped name, folder, Hub id or exported file; default: the best one shipped."
    ),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:1, mps ..."),
    dtype: str = typer.Option("auto", help="auto, float32, bfloat16 or float16."),
    backend: str | None = typer.Option(
        None, help="eager, compile, onnxruntime, openvino, cuda-graphs, or auto: measures them once; default: eager."
    ),
) -> int:
    """Fuse and label three embedded scenes (day, night, fog), offline; says where the pictures are."""
    from segmif.cli.showing import run_demo

    return run_demo(out, model=model, device=device, dtype=dtype, backend=backend)


def models() -> int:
    """List the models this version ships: size, classes, scores, training data, licence."""
    from segmif.cli.showing import list_models

    return list_models()
