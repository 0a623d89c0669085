"""`segmif speed`: how fast the models are on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer


def register(app: typer.Typer) -> None:
    """Add the command `speed`."""
    app.command()(speed)


def speed(
    size: str = typer.Option("640x480", help="WIDTHxHEIGHT of the pictures."),
    threads: str = typer.Option(
        "2", help="Processor threads; several, e.g. 1,2,4, show at --size how speed grows with them."
    ),
    models: str = typer.Option(
        "", help="Shipped models, folders, exported files, or presets such as mit_b3: A,B [all shipped]."
    ),
    backends: str = typer.Option(
        "plain,eager",
        help="plain (the papers' network, float32, nothing clever), eager, compile, onnxruntime, openvino, auto.",
    ),
    dtypes: str = typer.Option("float32,bfloat16", help="Precisions; plain and onnxruntime are always float32."),
    sizes: str = typer.Option("", help="More sizes to measure, e.g. 320x320,1280x960: how time grows."),
    runs: int = typer.Option(10, min=1, help="Timed runs of each entry, after one to warm up."),
    quick: bool = typer.Option(False, "--quick", help="Two runs of each entry."),
    json_file: Path | None = typer.Option(None, "--json", help="Write all numbers to FILE."),
    plot: Path | None = typer.Option(
        None, "--plot", help="Draw time against pixels, and speed against threads, to FILE: .png, .svg (extra bench)."
    ),
    clock: str = typer.Option(
        "wall", help="What `faster` and the plot go by; cpu: processor seconds, for a machine that does other work too."
    ),
) -> int:
    """Latency, throughput, memory and stages of every model x back end x dtype on this machine.

    Each runs in a process of its own, one pair at a time, all included: from 8-bit pictures to fused picture and
    labels. `cpu ms` counts all threads; `faster` compares with the plain network of the same model, size and threads,
    measured in the same call. Plain networks of large pictures take many gigabytes.

    Example: `segmif speed --models segmif-lite --backends eager,onnxruntime,openvino --json speed.json`

    Example: `segmif speed --backends eager --sizes 320x320,1280x960 --threads 1,2 --plot speed.svg`
    """
    from segmif.bench.speed import measure_apart
    from segmif.bench.speed_plot import CLOCKS, draw_speed
    from segmif.checks import InputError, unknown
    from segmif.cli.progress import progress

    if clock not in CLOCKS:
        raise unknown("clock", clock, list(CLOCKS))
    counts = [_count(each) for each in _names(threads)] or [2]
    settings = [(each, counts[0]) for each in dict.fromkeys([size, *_names(sizes)])]
    settings += [(size, count) for count in dict.fromkeys(counts[1:]) if count != counts[0]]
    jobs = _jobs(models, backends, dtypes, settings, 2 if quick else runs)
    entries, failed = [], 0

    with progress("measuring", len(jobs)) as bar:
        for job in jobs:
            try:
                entries.append(measure_apart(job))
            except InputError as error:
                failed += 1
                bar.say(f"segmif: left out {job.model}, {job.backend}, {job.dtype}: {error}")
            bar.advance()
    if not entries:
        raise InputError("nothing could be measured; the lines above say why")
    _table(entries, CLOCKS[clock][0])
    if json_file is not None:
        from segmif import io
        from segmif.bench.machine import machine, versions

        io.write_json(json_file, {"machine": machine(), "versions": versions(), "entries": entries})
    if plot is not None:
        draw_speed(entries, plot, clock)
    return 1 if failed else 0


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _count(text: str) -> int:
    from segmif.checks import InputError

    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"threads {text!r}: write whole numbers from 1 on, e.g. 2 or 1,2,4")
    return int(text)


def _jobs(models: str, backends: str, dtypes: str, settings: list[tuple[str, int]], runs: int) -> list[Any]:
    """The jobs of every (size, threads)."""
    jobs = []
    for size, threads in settings:
        width, height = _size(size)
        jobs += possible_jobs(models, backends, dtypes, width=width, height=height, threads=threads, runs=runs)
    return jobs


def possible_jobs(models: str, backends: str, dtypes: str, **common: int) -> list[Any]:
    """A `segmif.bench.speed.Job` for each model, back end and precision, as far as they go together.

    Args:
        models: names with commas between them; none: all shipped ones.
        backends: likewise.
        dtypes: likewise.
        common: further fields of every job.

    Raises:
        InputError: an unknown name.
    """
    from segmif.bench.speed import PLAIN, Job, open_network
    from segmif.export import read_description
    from segmif.infer.backends import check_backend
    from segmif.infer.backends.exported import SUFFIXES
    from segmif.models import weights

    jobs: list[Job] = []
    for name in _names(models) or list(weights.SHIPPED):
        suffix = Path(name).suffix.lower()
        (read_description if suffix in SUFFIXES else open_network)(name)
        for backend in _names(backends):
            if backend != PLAIN:
                check_backend(backend)
            if backend in (*SUFFIXES.get(suffix, (backend,)), "auto"):
                jobs += [
                    Job(model=name, backend=backend, dtype=dtype, **common)
                    for dtype in _possible(backend, _names(dtypes))
                ]
    return jobs


def _possible(backend: str, dtypes: list[str]) -> list[str]:
    """Those of the precisions that a back end has, float32 where it has none of them."""
    import torch

    from segmif.bench.speed import PLAIN
    from segmif.infer.backends import precisions
    from segmif.infer.engine import choose_dtype

    wanted = {dtype: choose_dtype(dtype, device=torch.device("cpu"), backend=backend) for dtype in dtypes}
    possible = (torch.float32,) if backend == PLAIN else precisions(backend)
    return [dtype for dtype, computed in wanted.items() if computed in possible] or ["float32"]


def _size(text: str) -> tuple[int, int]:
    from segmif.cli.sizes import parse_size

    height, width = parse_size(text)
    return width, height


def _table(entries: list[dict[str, Any]], clock: str) -> None:
    from segmif.cli.showing import print_table

    same = ("model", "width", "height", "threads")
    plain = {tuple(e[key] for key in same): e[clock] for e in entries if e["backend"] == "plain"}
    rows = []
    for e in entries:
        base = plain.get(tuple(e[key] for key in same))
        stages = ", ".join(f"{name} {seconds * 1e3:.0f}" for name, seconds in e["stages"].items())
        rows.append(
            (
                e["model"], e["backend"], e["dtype"], f"{e['width']}x{e['height']}", str(e["threads"]),
                f"{e['median'] * 1e3:.0f}", f"{e['p95'] * 1e3:.0f}", f"{e['cpu'] * 1e3:.0f}", f"{e['fps']:.2f}",
                f"{e['peak_mib']:.0f}", f"{base / e[clock]:.1f}x" if base else "", stages,
            )
        )  # fmt: skip
    header = (
        "model", "back end", "dtype", "size", "threads", "ms", "p95 ms", "cpu ms", "pairs/s", "peak MiB", "faster",
        "stages in ms",
    )  # fmt: skip
    print_table(header, rows, title="One pair at a time")
