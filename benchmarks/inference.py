"""Frames per second of every model, back end and precision on this machine, side by side.

Each entry lives in a process of its own; they take turns frame by frame, so that whatever else the machine does slows
all of them alike. A frame is everything but decoding: from 8-bit pictures through preparing, guide and network to the
8-bit fused picture, labels and confidence. The ratio is the median over rounds of the baseline's time by the entry's
in the same round; the baseline is the first `plain` entry, the network as the papers draw it in eager PyTorch.

    python benchmarks/inference.py --json inference.json
    python benchmarks/inference.py --models segmif-lite,lite-int8.xml --baseline segmif-b0 --threads 2 --rounds 50

Processor seconds count all threads of the process. On a machine that does other work they say more than the clock:
seconds of processor divided by the cores is what the clock would show at best on a machine at rest.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from segmif import io
from segmif.bench.machine import machine, versions
from segmif.bench.speed import PLAIN, Job, Worker
from segmif.checks import InputError
from segmif.cli.showing import print_table
from segmif.cli.sizes import parse_size
from segmif.cli.speeding import possible_jobs


def main(argv: list[str] | None = None) -> int:
    options = _options(argv)
    height, width = parse_size(options.size)
    common: dict[str, Any] = {"width": width, "height": height, "threads": options.threads}
    jobs = possible_jobs(options.models, options.backends, options.dtypes, **common)
    if options.baseline:
        jobs.insert(0, Job(model=options.baseline, backend=PLAIN, **common))
    with ExitStack() as stack:
        workers = []
        for job in jobs:
            try:
                workers.append(Worker(job))
                stack.callback(workers[-1].close)
            except InputError as error:
                print(f"left out {job.model}, {job.backend}, {job.dtype}: {error}", file=sys.stderr)
        rounds = [[worker.once() for worker in workers] for _ in range(options.rounds)]
    entries = [
        _entry(worker.job, [each[i] for each in rounds], [each[0] for each in rounds])
        for i, worker in enumerate(workers)
    ]
    _print(entries, workers[0].job if workers else None)
    if options.json:
        io.write_json(options.json, {"machine": machine(), "versions": versions(), "entries": entries})
    return 0


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="segmif-lite", help="as for segmif speed")
    parser.add_argument("--backends", default="eager,onnxruntime,openvino")
    parser.add_argument("--dtypes", default="float32,bfloat16")
    parser.add_argument("--baseline", default="segmif-b0", help="cascade that runs plainly; '' for none")
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=Path)
    return parser.parse_args(argv)


def _entry(job: Job, own: list[dict[str, float]], baseline: list[dict[str, float]]) -> dict[str, Any]:
    """The numbers of one entry from its rounds and the baseline's."""
    seconds, processor = ([turn[key] for turn in own] for key in ("seconds", "cpu"))
    ordered = sorted(seconds)
    return {
        "model": job.model, "backend": job.backend, "dtype": job.dtype,
        "size": f"{job.width}x{job.height}", "threads": job.threads, "rounds": len(own),
        "median": statistics.median(ordered), "fastest": ordered[0],
        "p95": ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))],
        "cpu": statistics.median(processor), "cpu_least": min(processor),
        "ratio": statistics.median(b["seconds"] / o["seconds"] for b, o in zip(baseline, own, strict=True)),
        "cpu_ratio": statistics.median(b["cpu"] / o["cpu"] for b, o in zip(baseline, own, strict=True)),
        "peak_mib": own[-1]["peak_mib"],
    }  # fmt: skip


def _print(entries: list[dict[str, Any]], first: Job | None) -> None:
    rows = [
        (
            e["model"], e["backend"], e["dtype"], f"{e['median'] * 1e3:.0f}", f"{e['p95'] * 1e3:.0f}",
            f"{1 / e['median']:.1f}", f"{e['cpu'] * 1e3:.0f}", f"{e['ratio']:.1f}x", f"{e['cpu_ratio']:.1f}x",
            f"{e['peak_mib']:.0f}",
        )
        for e in entries
    ]  # fmt: skip
    header = ("model", "back end", "dtype", "ms", "p95", "frames/s", "cpu ms", "faster", "less cpu", "peak MiB")
    if first is not None:
        print_table(
            header, rows, title=f"Whole frames, {first.width}x{first.height}, {first.threads} threads, by turns"
        )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        sys.exit(f"segmif: {error}")
