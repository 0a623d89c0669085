"""`segmif gallery`: pictures that show what a model does."""

from __future__ import annotations

from pathlib import Path

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(gallery)


def gallery(
    out: Path = typer.Option(Path("segmif-gallery"), "-o", "--out", help="Folder for the pictures."),
    data: Path | None = typer.Option(
        None, "--data", help="Also show pairs of the data sets found below this folder, in OUT/real (kept out of git)."
    ),
    pairs: int = typer.Option(3, min=1, help="Pairs of each data set."),
    model: str | None = typer.Option(None, help="Shipped name, folder or Hub id; default: the best one shipped."),
    size: str = typer.Option("640x480", help="Width x height of the rendered scenes."),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:1, mps ..."),
    dtype: str = typer.Option("auto", help="auto, float32, bfloat16 or float16."),
) -> int:
    """Draw a gallery: rendered scenes by day, night, dusk, rain and fog, classic methods beside the model, real pairs.

    Writes OUT/demo.jpg and OUT/gallery/*.jpg; the same every time. Example: segmif gallery --data ~/data -o gallery
    """
    from segmif.bench.gallery import Settings, count_pictures, draw_gallery
    from segmif.checks import InputError
    from segmif.cli.progress import progress
    from segmif.cli.sizes import parse_size
    from segmif.infer import load
    from segmif.io import make_output_folder

    if data is not None and not data.is_dir():
        raise InputError(f"{data}: no such folder; --data is the folder that holds data sets")
    settings = Settings(out=make_output_folder(out), size=parse_size(size), data=data, pairs=pairs)
    network = load(model, device=device, dtype=dtype)
    with progress("drawing", count_pictures(settings)) as bar:
        written = draw_gallery(network, settings, advance=bar.advance)
    for path in written:
        print(path)
    return 0
