"""`segmif datasets` and `segmif data …`: what there is, is it sound, and what is made from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from segmif.data.catalog import Labels
    from segmif.data.check import CheckReport
    from segmif.data.info import DatasetInfo
    from segmif.data.reader import FileDataset

_ROOT = typer.Argument(..., metavar="ROOT", help="The unpacked data set, or the folder that holds it.")
_NAME = typer.Option("folder", "--dataset", "-d", help="A name of `segmif datasets`; `folder` is your own.")
_INFRARED = typer.Option("", "--infrared", help="With `folder`: pattern of infrared files, such as 'thermal/*_ir.png'.")
_VISIBLE = typer.Option("", "--visible", help="With `folder`: pattern of visible files, such as 'rgb/*.jpg'.")
_LABEL = typer.Option("", "--label", help="With `folder`: pattern of label files.")
_SPLIT = typer.Option("all", "--split", "-s", help="train, val, test … or all.")
_WORKERS = typer.Option(0, "--workers", "-j", min=0, help="Processes; 0 means one per core.")


def register(app: typer.Typer) -> None:
    """Add `datasets` and the group `data`."""
    app.command()(datasets)
    group = typer.Typer(help="Check, split, cache and prepare data sets.", no_args_is_help=True)
    for command in (check, targets, split, cache):
        group.command()(command)
    group.command("make-synthetic")(make_synthetic)
    app.add_typer(group, name="data")


def datasets(
    root: Path = typer.Option(Path(), "--root", "-r", envvar="SEGMIF_DATA", help="Where to look for data sets."),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Also the paper and what trips people."),
) -> None:
    """List the data sets segmif reads: size, classes, and whether they are found below ROOT."""
    from rich.table import Column, Table

    from segmif.data.catalog import CATALOG, find_locally

    table = Table(
        "name", "what", "pairs", "classes", "for", "licence", Column("found here, or where to get it", no_wrap=True)
    )
    for info in CATALOG.values():
        if info.name == "folder":
            continue
        found = find_locally(info, root)
        counts = " + ".join(f"{count} {split}" for split, count in info.sizes.items())
        classes = str(info.classes) if info.classes else "–"
        place = f"found: {found}" if found else info.home
        table.add_row(info.name, info.title, counts, classes, info.task, info.licence, place)
    _print(table)
    if not verbose:
        typer.echo("How to cite them, and their traps: segmif datasets --verbose")
        return
    for info in CATALOG.values():
        if info.home:
            typer.echo(f"\n{info.name}: {info.home}\n  {info.citation}")
            for note in info.notes:
                typer.echo(f"  - {note}")


def check(
    root: Path = _ROOT,
    dataset: str = _NAME,
    json_file: Path | None = typer.Option(None, "--json", help="Write everything as JSON."),
    html_file: Path | None = typer.Option(None, "--html", help="Write a page with tables and sample pictures."),
    workers: int = _WORKERS,
    infrared: str = _INFRARED,
    visible: str = _VISIBLE,
    label: str = _LABEL,
) -> int:
    """Is a data set whole and sound? Reads every file; exit code 0: sound, 1: errors were found."""
    from segmif.cli.progress import progress
    from segmif.data.catalog import scan_dataset
    from segmif.data.check import check_dataset, summary
    from segmif.data.report import write_report
    from segmif.io import write_json

    info = _info(dataset, infrared, visible, label)
    total = len(scan_dataset(info, root).records("all"))
    with progress("checking", total) as shown:
        report = check_dataset(info, root, workers=_processes(workers), on_progress=lambda *_: shown.advance())
    if json_file:
        write_json(json_file, summary(report))
    if html_file:
        write_report(report, html_file)
    _show_report(report)
    for path in (json_file, html_file):
        if path:
            typer.echo(f"wrote {path}")
    return 0 if report.sound else 1


def _show_report(report: CheckReport) -> None:
    from collections import Counter

    from rich.table import Table

    from segmif.data.check import summary

    facts = summary(report)
    table = Table("split", "pairs", "published", "unreadable", "day", "night", "labels", "boxes")
    for name, count in facts["splits"].items():
        seen = facts["samples"].get(name, {})
        time, labels = seen.get("time", {}), seen.get("labelled", {})
        table.add_row(
            name, str(count), str(facts["published"].get(name, "–")), str(seen.get("unreadable", 0)),
            str(time.get("day", 0)), str(time.get("night", 0)),
            ", ".join(f"{n} {kind}" for kind, n in labels.items()) or "–", str(seen.get("with_boxes", 0)),
        )  # fmt: skip
    _print(table)
    shown: Counter[tuple[str, str]] = Counter()
    totals = Counter((problem.severity, problem.kind) for problem in report.problems)
    for problem in sorted(report.problems, key=lambda problem: (problem.severity, problem.kind)):
        key = (problem.severity, problem.kind)
        shown[key] += 1
        if shown[key] <= _LINES:
            typer.echo(problem.line())
        elif shown[key] == _LINES + 1:
            typer.echo(f"{problem.severity}: … and {totals[key] - _LINES} more of kind {problem.kind} (--json has all)")
    verdict = "sound" if report.sound else "NOT sound"
    errors = sum(count for (severity, _), count in totals.items() if severity == "error")
    typer.echo(f"{report.info.name} is {verdict}: {errors} errors, {sum(totals.values()) - errors} warnings")


_LINES = 10
"""Problems of one kind that are printed."""


def targets(
    root: Path = _ROOT,
    dataset: str = _NAME,
    chosen_split: str = _SPLIT,
    out: Path | None = typer.Option(None, "--out", "-o", help="Folder for the targets [ROOT/.segmif/targets]."),
    workers: int = _WORKERS,
    infrared: str = _INFRARED,
    visible: str = _VISIBLE,
) -> int:
    """Compute the VSM-WLS fusion target of every pair; those there already are kept, so a stopped run goes on."""
    from segmif.cli.progress import progress
    from segmif.data.targets import FOLDER, TargetStore
    from segmif.train.targets import compute_targets

    samples = _open(root, dataset, chosen_split, infrared, visible, labels="none")
    store = TargetStore(folder=out or root / FOLDER)
    with progress("targets", len(samples)) as shown:
        report = compute_targets(samples, store, workers=_processes(workers), on_progress=lambda _: shown.advance())
    for line in report.failed:
        typer.echo(f"failed: {line}", err=True)
    typer.echo(f"{report.made} targets made, {report.kept} kept, {len(report.failed)} failed in {store.folder}")
    return 1 if report.failed else 0


def split(
    root: Path = _ROOT,
    dataset: str = _NAME,
    parts: str = typer.Option("train=0.8,val=0.2", "--parts", help="Fraction of each split."),
    by: str = typer.Option(
        "sequence", "--by", help="sequence: frames with near numbers stay together; hash: only look-alikes do."
    ),
    gap: int = typer.Option(10, "--gap", min=0, help="Largest step between frame numbers of one sequence."),
    chosen_split: str = typer.Option("all", "--split", "-s", help="Divide only this split."),
    time: str = typer.Option("", "--time", help="Only day or only night pairs."),
    seed: int = typer.Option(0, "--seed", help="Another number gives another division."),
    out: Path | None = typer.Option(None, "--out", "-o", help="Folder for the lists [ROOT]."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace lists that are there."),
    infrared: str = _INFRARED,
    visible: str = _VISIBLE,
) -> None:
    """Divide a data set into splits that do not leak: near-duplicates (and sequences) never stand in two of them."""
    from segmif.checks import unknown
    from segmif.cli.progress import progress
    from segmif.data.likeness import NEAR, groups_of, near_pairs, pair_hash, sequence_links
    from segmif.data.splits import make_splits, write_splits

    if by not in ("sequence", "hash"):
        raise unknown("way to group", by, ("sequence", "hash"))
    fractions = _fractions(parts)
    samples = _open(root, dataset, chosen_split, infrared, visible, labels="none")
    hashes: dict[str, int] = {}
    with progress("hashing", len(samples)) as shown:
        for sample in samples:
            if time in ("", sample.meta["time"]):
                hashes[sample.name] = pair_hash(sample.infrared, sample.visible)
            shown.advance()
    links = [(left, right) for left, right, _ in near_pairs(hashes, within=NEAR)]
    if by == "sequence":
        links += sequence_links(list(hashes), gap=gap)
    groups = groups_of(list(hashes), links)
    made = make_splits(groups, fractions, seed=seed)
    written = write_splits(out or root, made, overwrite=overwrite)
    for path, names in zip(written, made.values(), strict=True):
        typer.echo(f"{path}: {len(names)} of {len(hashes)} pairs")
    typer.echo(f"{len(groups)} independent groups, the largest of {max(map(len, groups))} pairs")


def cache(
    root: Path = _ROOT,
    out: Path = typer.Option(..., "--out", "-o", help="Folder for the cache or the shards."),
    dataset: str = _NAME,
    chosen_split: str = _SPLIT,
    form: str = typer.Option("memory", "--format", help="memory: decoded, memory-mapped; tar: WebDataset shards."),
    per_shard: int = typer.Option(500, "--per-shard", min=1, help="Samples in a tar shard."),
    infrared: str = _INFRARED,
    visible: str = _VISIBLE,
    label: str = _LABEL,
) -> None:
    """Store a data set ready to train on: decoded in one mapped file, or as tar shards for a cluster."""
    from segmif.checks import unknown
    from segmif.data.cache import write_cache
    from segmif.data.shards import write_shards

    samples = _open(root, dataset, chosen_split, infrared, visible, label)
    if form == "memory":
        write_cache(samples, out)
        typer.echo(f"{len(samples)} samples in {out}: open with segmif.data.cache.CachedDataset")
    elif form == "tar":
        shards = write_shards(samples, out, per_shard=per_shard)
        typer.echo(f"{len(samples)} samples in {len(shards)} shards in {out}")
    else:
        raise unknown("format", form, ("memory", "tar"))


def make_synthetic(
    out: Path = typer.Argument(..., metavar="OUT", help="Folder for the scenes, in the layout of FMB."),
    count: int = typer.Option(100, "-n", "--count", min=1, help="How many scenes."),
    seed: int = typer.Option(0, "--seed", help="Scene i has the seed SEED + i."),
    size: str = typer.Option("640x480", "--size", help="Width x height."),
    test_share: float = typer.Option(0.2, "--test-share", help="Part of the scenes that goes to test."),
    having: list[str] = typer.Option(
        [],
        "--having",
        metavar="CLASS:SHARE",
        help="Only scenes in which the class fills this share of the picture, e.g. truck:0.1; several: any of them.",
    ),
    workers: int = _WORKERS,
) -> None:
    """Write procedural road scenes: visible, infrared and labels, readable as `--dataset fmb`."""
    from segmif.checks import InputError
    from segmif.cli.progress import progress
    from segmif.cli.sizes import parse_size
    from segmif.data.synthetic import write_dataset

    height_width = parse_size(size)
    try:
        wanted = {name: float(share) for name, _, share in (one.rpartition(":") for one in having)}
    except ValueError:
        raise InputError(f"--having {' '.join(having)} is not CLASS:SHARE, such as truck:0.1") from None
    with progress("scenes", count) as shown:
        write_dataset(
            out, count, seed=seed, size=height_width, test_share=test_share, having=wanted,
            workers=min(_processes(workers), count), progress=lambda *_: shown.advance(),
        )  # fmt: skip
    typer.echo(f"{count} scenes in {out}: segmif data check {out} --dataset fmb")


def _info(dataset: str, infrared: str, visible: str, label: str) -> DatasetInfo:
    from segmif.checks import InputError
    from segmif.data.catalog import dataset_info, folder_info

    if not (infrared or visible or label):
        return dataset_info(dataset)
    if dataset != "folder" or not (infrared and visible):
        raise InputError("--infrared and --visible go together, and only with --dataset folder")
    return folder_info(infrared=infrared, visible=visible, label=label or None)


def _open(
    root: Path, dataset: str, split: str, infrared: str, visible: str, label: str = "", labels: Labels = "any"
) -> FileDataset:
    from segmif.data.catalog import open_scan, scan_dataset

    info = _info(dataset, infrared, visible, label)
    return open_scan(info, scan_dataset(info, root), split=split, labels=labels)


def _fractions(parts: str) -> dict[str, float]:
    from segmif.checks import InputError

    try:
        pairs = [part.split("=") for part in parts.split(",")]
        return {name.strip(): float(value) for name, value in pairs}
    except ValueError:
        raise InputError(f"parts {parts!r} must look like train=0.8,val=0.1,test=0.1") from None


def _processes(workers: int) -> int:
    import os

    return workers or os.cpu_count() or 1


def _print(table: object) -> None:
    import sys

    from rich.console import Console

    width = None if sys.stdout.isatty() else 200
    Console(width=width).print(table)
