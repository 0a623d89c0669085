"""`segmif rig build` and `segmif rig check`: from annotated pairs to a benchmark, and what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segmif.rig.building.inspect import Inspection

_LINES = 10
"""Problems that are printed; the card has more, card.json all."""


def build(
    source: Path = typer.Argument(
        ..., metavar="IN", help="Recorded and annotated folder: infrared, visible, annotations (or label)."
    ),
    out: Path = typer.Option(..., "-o", "--out", help="Folder for the data set, in the layout of FMB."),
    infrared: Path | None = typer.Option(None, help="Infrared pictures [registered/infrared, else infrared of IN]."),
    visible: Path | None = typer.Option(None, help="Visible pictures [visible of IN]."),
    labels: Path | None = typer.Option(
        None, help="Polygons (our JSON) or label pictures [annotations or label of IN]."
    ),
    parts: str = typer.Option("train=0.8,test=0.2", "--parts", help="Fraction of each split."),
    by: str = typer.Option(
        "drive", "--by", help="What stays together: drive (close in time), sequence (near numbers), hash (look-alikes)."
    ),
    gap: float = typer.Option(60.0, "--gap", min=0, help="Seconds (drive) or numbers (sequence) that begin a new one."),
    register: bool = typer.Option(False, "--register", help="Lay infrared on visible first; leave out what refuses."),
    eight_bits: bool = typer.Option(False, "--8bit", help="Store infrared stretched to 8 bits, not as it came."),
    night_sky: float | None = typer.Option(
        None, "--night-sky", min=0, max=1, help="Brightness below which it is night, see segmif rig check [0.115]."
    ),
    seed: int = typer.Option(0, "--seed", help="Another number gives another division."),
    resume: bool = typer.Option(False, "--resume", help="Go on with a build that was stopped."),
) -> int:
    """Build a benchmark: train and test, each with Infrared, Visible, Label and color, no drive in two splits.

    Pairs that will not do (damaged, unlabelled, other sizes) are left out and listed; exit code 1 says there were some.
    Day and night are divided each for themselves where there are drives enough of both. Also written: pairs.jsonl
    (split, drive, origin of each pair) and build.json (how it was built).

    Example: segmif rig build drive/ -o city/ --parts train=0.8,test=0.2, then segmif rig check city/
    """
    from segmif.cli.data import _fractions
    from segmif.cli.progress import progress
    from segmif.data.reader import NIGHT_SKY
    from segmif.rig.building.build import BuildConfig
    from segmif.rig.building.build import build as run
    from segmif.rig.building.sources import find_sources

    config = BuildConfig(
        parts=_fractions(parts), by=by, gap=gap, seed=seed, register=register, eight_bits=eight_bits,
        night_sky=NIGHT_SKY if night_sky is None else night_sky,
    )  # fmt: skip
    sources = find_sources(source, infrared=infrared, visible=visible, labels=labels)
    with progress("building", len(sources.pairs)) as bar:
        built = run(sources, out, config, resume=resume, on_progress=lambda *_: bar.advance())
    for problem in built.problems:
        typer.echo(f"segmif: left out {problem.where}: {problem.message}", err=True)
    splits = ", ".join(f"{split} {len(names)}" for split, names in built.splits.items())
    typer.echo(f"{built.count} of {len(sources.pairs)} pairs, {len(set(built.drives.values()))} drives: {splits}")
    typer.echo(f"wrote {out}: segmif rig check {out}")
    return 1 if built.problems else 0


def check(
    root: Path = typer.Argument(..., metavar="ROOT", help="A built data set, or any that --dataset names."),
    dataset: str = typer.Option("", "--dataset", "-d", help="A name of `segmif datasets` [your own, FMB layout]."),
    out: Path | None = typer.Option(None, "-o", "--out", help="Folder for the data card [ROOT/card]."),
    pairs: int = typer.Option(100, "--pairs", min=0, help="Register so many pairs to tell their alignment."),
    place: str = typer.Option("", "--place", help="LATITUDE,LONGITUDE of the rig, where pairs have a time only."),
    night_sky: float | None = typer.Option(
        None,
        "--night-sky",
        min=0,
        max=1,
        help="Brightness (median of the visible picture's upper third) below which it is night, where nothing else "
        "tells; cameras that expose long need more, RoadScene's 0.57 [as built, else 0.115].",
    ),
    title: str = typer.Option("", "--title", help="Title of the card [the folder's name]."),
    licence: str = typer.Option("", "--licence", help="Licence of the data, for the card."),
    text: str = typer.Option("", "--text", help="A paragraph for the card: who, where, why."),
    workers: int = typer.Option(0, "--workers", "-j", min=0, help="Processes; 0 means one per core."),
) -> int:
    """Is a benchmark sound, and what is in it? Writes a data card: Markdown, a web page, JSON and figures.

    Classes and which of them occur together (chord diagram), day and night by brightness and by the sun,
    near-duplicates and drives in two splits, alignment of the pairs, damaged files. Exit code 1: errors were found.

    Example: segmif rig check city/ --title "City at night" --licence "CC BY 4.0"
    """
    from dataclasses import replace

    from segmif.cli.data import _processes
    from segmif.cli.progress import progress
    from segmif.data.catalog import dataset_info, scan_dataset
    from segmif.data.report import write_report
    from segmif.rig.building.card import About, write_card
    from segmif.rig.building.inspect import inspect, own_info

    info = dataset_info(dataset) if dataset else own_info(root, night_sky=night_sky)
    if dataset and night_sky is not None:
        info = replace(info, night_sky=night_sky)
    total = len(scan_dataset(info, root).records("all"))
    with progress("checking", total + min(pairs, total)) as bar:
        inspection = inspect(
            info, root, pairs=pairs, place=_place(place), workers=_processes(workers), on_progress=bar.advance
        )
    folder = out or root / "card"
    written = write_card(inspection, folder, About(title=title, licence=licence, text=text))
    write_report(inspection.report, folder / "samples.html")
    _show(inspection)
    typer.echo(f"wrote {', '.join(path.name for path in written)}, samples.html in {folder}")
    return 0 if inspection.sound else 1


def _place(text: str) -> tuple[float, float] | None:
    from segmif.checks import InputError

    if not text:
        return None
    try:
        latitude, longitude = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"place {text!r} is not LATITUDE,LONGITUDE in degrees, such as 52.5,13.4") from None
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise InputError(f"place {text!r} is not on Earth: latitude is -90..90, longitude -180..180")
    return latitude, longitude


def _show(inspection: Inspection) -> None:
    from segmif.cli.showing import print_table

    rows = []
    for split, names in inspection.report.splits.items():
        tally: Mapping[str, int] = inspection.brightness.get(split, {})
        drives = {inspection.drives[name] for name in names if name in inspection.drives}
        counts = (len(names), tally.get("day", 0), tally.get("night", 0), len(drives) or "–")
        rows.append((split, *(str(count) for count in counts)))
    print_table(("split", "pairs", "day", "night", "drives"), rows)
    for problem in sorted(inspection.problems, key=lambda problem: problem.severity)[:_LINES]:
        typer.echo(problem.line())
    if len(inspection.problems) > _LINES:
        typer.echo(f"... and {len(inspection.problems) - _LINES} more, all in card.json")
    verdict = "sound" if inspection.sound else "NOT sound"
    typer.echo(f"{inspection.report.info.name} is {verdict}")
