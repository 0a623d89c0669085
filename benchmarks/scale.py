"""What a billion pairs cost: ``python benchmarks/scale.py [INFRARED VISIBLE] [--model segmif-lite] [--pairs 1e9]``.

Processor seconds of one core (all threads counted, so other work on the machine hardly matters) and bytes per pair, for
every step of `segmif fuse` from files to files, and for a whole tar shard. From these: core-hours, storage, network and
money for so many pairs. The default pictures are synthetic, 640 × 480; give two folders to measure on your own.

Prices are assumptions, given as options: look up yours.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import torch

import segmif
from segmif.bench.machine import machine
from segmif.checks import InputWarning
from segmif.data.shards import ShardWriter
from segmif.data.synthetic import synthetic_scene
from segmif.infer import Model
from segmif.infer.inputs import PreparedPair, prepare
from segmif.infer.jobs import Options, ShardJob
from segmif.io import Array, decode_image, encode_image, read_image
from segmif.streams import open_pairs

OUTPUTS = ("fused", "labels")


@dataclass(frozen=True)
class Pair:
    """A pair as arrays; encoded in every format it is measured in."""

    infrared: Array
    visible: Array

    def encoded(self, suffix: str) -> tuple[bytes, bytes]:
        """Both pictures as files."""
        return encode_image(self.infrared, suffix), encode_image(self.visible, suffix)


def main() -> None:
    """Measure and print."""
    options = _options()
    warnings.simplefilter("ignore", InputWarning)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    pairs = _pairs(options)
    height, width = pairs[0].visible.shape[:2]
    report: dict[str, Any] = {"machine": machine(), "model": options.model, "size": f"{width}x{height}", "steps": {}}
    print(f"{options.model}, {width}x{height}, median of {len(pairs)} pairs, one thread; {report['machine']}\n")
    for suffix in (".jpg", ".png"):
        files = [pair.encoded(suffix) for pair in pairs]
        seconds = _median([_seconds(lambda f=f: [decode_image(each) for each in f]) for f in files])  # type: ignore[misc]
        size = statistics.mean(len(a) + len(b) for a, b in files)
        report["steps"][f"decode both, {suffix[1:].upper()}"] = (seconds, size)
    for dtype in options.dtypes.split(","):
        model = segmif.load(options.model, device="cpu", dtype=dtype)
        report["steps"].update(_network_steps(model, dtype, pairs))
    for suffix in (".jpg", ".png"):
        report["steps"][f"whole shard, {suffix[1:].upper()} in, {dtype}"] = _whole_shard(model, pairs, suffix)
    _print_steps(report["steps"])
    report["plan"] = _plan(report["steps"], dtype, options)
    for line, value in report["plan"].items():
        print(f"{line:58} {value}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", help="folders of infrared and visible pictures; default: synthetic ones")
    parser.add_argument("--model", default="segmif-lite")
    parser.add_argument("--dtypes", default="float32,bfloat16", help="the last one is planned with")
    parser.add_argument("--count", type=int, default=12, help="pairs to measure on")
    parser.add_argument("--pairs", type=float, default=1e9, help="pairs to plan for")
    parser.add_argument("--cores", type=int, default=10_000, help="cores at work at once")
    parser.add_argument("--core-price", type=float, default=0.04, help="per core and hour")
    parser.add_argument("--spot-price", type=float, default=0.015, help="per core and hour that may be taken away")
    parser.add_argument("--storage-price", type=float, default=20.0, help="per terabyte and month")
    parser.add_argument("--shard-minutes", type=float, default=5.0, help="work in one shard")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _pairs(options: argparse.Namespace) -> list[Pair]:
    if not options.folders:
        scenes = (synthetic_scene(480, 640, seed=seed) for seed in range(options.count))
        return [Pair(scene.infrared, scene.visible) for scene in scenes]
    infrared, visible = options.folders
    listed = list(open_pairs(infrared, visible))
    chosen = listed[:: max(1, len(listed) // options.count)][: options.count]
    return [Pair(*(read_image(file) for file in pair.files)) for pair in chosen]


def _seconds(step: Callable[[], object], repeats: int = 3) -> float:
    """Processor seconds of the fastest run: a loaded machine makes caches cold, never hot."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        step()
        best = min(best, time.process_time() - start)
    return best


_median = statistics.median


def _network_steps(model: Model, dtype: str, pairs: list[Pair]) -> dict[str, tuple[float, float]]:
    """Prepare, network with labels, and encoding; (seconds, bytes written) each."""
    prepared: list[PreparedPair] = [prepare(pair.infrared, pair.visible) for pair in pairs]
    ready = [model._with_guide(pair, None) for pair in prepared]
    model.engine.run([ready[0]])
    results = [model.predict(pair.infrared, pair.visible) for pair in pairs]
    steps = {
        "prepare": (_median([_seconds(lambda p=p: prepare(p.infrared, p.visible)) for p in pairs]), 0.0),  # type: ignore[misc]
        f"network and labels, {dtype}": (_median([_seconds(lambda p=p: model.engine.run([p])) for p in ready]), 0.0),  # type: ignore[misc]
    }
    if model.engine.needs_guide:
        seconds = _median([_seconds(lambda p=p: model._with_guide(p, None)) for p in prepared])  # type: ignore[misc]
        steps["guide"] = (seconds, 0.0)
    for output in OUTPUTS:
        size = statistics.mean(len(result.encode(output)) for result in results)
        seconds = _median([_seconds(lambda r=r, o=output: r.encode(o)) for r in results])  # type: ignore[misc]
        steps[f"encode {output}, PNG"] = (seconds, size)
    return steps


def _whole_shard(model: Model, pairs: list[Pair], suffix: str) -> tuple[float, float]:
    """Processor seconds and bytes written per pair of a shard, as a worker of a cluster does it."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.tar", Path(folder) / "out.tar"
        with ShardWriter(source) as shard:
            for number, pair in enumerate(pairs):
                infrared, visible = pair.encoded(suffix)
                shard.add(f"{number:08d}", {f"infrared{suffix}": infrared, f"visible{suffix}": visible})
        job = ShardJob(shard=source, target=target)
        seconds = _seconds(lambda: job.run(model, Options(outputs=OUTPUTS, readers=1)))
        return seconds / len(pairs), target.stat().st_size / len(pairs)


def _print_steps(steps: dict[str, tuple[float, float]]) -> None:
    print(f"{'step':40} {'ms of a core':>14} {'kB per pair':>14}")
    for name, (seconds, size) in steps.items():
        print(f"{name:40} {1000 * seconds:14.1f} {size / 1000:14.1f}")
    print()


def _plan(steps: dict[str, tuple[float, float]], dtype: str, options: argparse.Namespace) -> dict[str, str]:
    seconds, written = steps[f"whole shard, JPG in, {dtype}"]
    read = steps["decode both, JPG"][1]
    hours = options.pairs * seconds / 3600
    per_shard = round(60 * options.shard_minutes / seconds, -2)
    shards = options.pairs / per_shard
    days = hours / options.cores / 24
    gigabit = 8e-9 * options.cores / seconds
    stored = options.pairs * (read + written) / 1e12
    return {
        f"plan for {options.pairs:,.0f} pairs": "",
        "core-hours": f"{hours:,.0f}",
        f"days on {options.cores:,} cores": f"{days:.1f}",
        f"cores at {options.core_price} / {options.spot_price} an hour": (
            f"{hours * options.core_price:,.0f} / {hours * options.spot_price:,.0f}"
        ),
        "read, TB": f"{options.pairs * read / 1e12:,.0f}",
        "written, TB": f"{options.pairs * written / 1e12:,.0f}",
        f"stored for a month at {options.storage_price} a TB": f"{stored * options.storage_price:,.0f}",
        f"network of {options.cores:,} cores, Gbit/s in / out": f"{gigabit * read:,.0f} / {gigabit * written:,.0f}",
        "network of one core, Mbit/s in / out": f"{8e-6 * read / seconds:.1f} / {8e-6 * written / seconds:.1f}",
        f"pairs in a shard of {options.shard_minutes:g} minutes": f"{per_shard:,.0f}",
        "such a shard, MB in / out": f"{per_shard * read / 1e6:,.0f} / {per_shard * written / 1e6:,.0f}",
        "shards": f"{shards:,.0f}",
    }


if __name__ == "__main__":
    main()
