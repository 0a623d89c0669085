"""Does memory stay flat over a long video? ``python benchmarks/soak.py [--model segmif-lite] [--size 320x240]``.

Two videos are decoded, fused, labelled, stabilised and encoded again (two outputs) by the classes that `segmif fuse`
uses; without --model by a narrow untrained network. Resident memory is read a hundred times, together with the number
of threads and open files. With --live the frames come from pretended cameras that are faster than the network, so that
most are dropped; --frames counts those that are fused.

Printed: every tenth reading (with --live also how many frames were sent by then), then the growth from a tenth of the
frames (all is warm by then) to the last, in MiB and in bytes a frame.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from segmif.infer import Model, load
from segmif.infer.recording import Recorder
from segmif.models import SegMiF, SegMiFConfig
from segmif.streams import PairStream, StreamPair, open_pairs
from segmif.video import VideoFile, VideoWriter

READINGS = 100
RATE = Fraction(25)


class PretendedCameras(PairStream):
    """The frames of a stream as if cameras sent them, endlessly, every two milliseconds."""

    live = True

    def __init__(self, pairs: PairStream) -> None:
        super().__init__(name=pairs.name, rate=pairs.rate, length=None)
        self.pairs, self.sent = pairs, 0

    def __iter__(self) -> Iterator[StreamPair]:
        start = time.monotonic()
        while True:
            for pair in self.pairs:
                time.sleep(0.002)
                now = time.monotonic()
                self.sent += 1
                yield replace(pair, captured=now, seconds=now - start)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=10_000, help="at least a hundred")
    parser.add_argument("--size", default="96x64", help="WIDTHxHEIGHT of the videos")
    parser.add_argument("--model", help="as for segmif fuse; default: a narrow untrained network in float32")
    parser.add_argument("--live", action="store_true", help="pretend that the frames come from cameras")
    parser.add_argument("--json", type=Path, help="write the readings")
    parser.add_argument("--plot", type=Path, help="draw memory over frames (needs matplotlib)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    width, height = map(int, options.size.split("x"))
    model = (
        load(options.model, device="cpu") if options.model else Model(_small_network(), device="cpu", dtype="float32")
    )
    with tempfile.TemporaryDirectory() as folder:
        readings = soak(model, Path(folder), options.frames, (height, width), live=options.live)
    for reading in readings[9::10]:
        print("  ".join(f"{name} {value}" for name, value in reading.items()))
    print(f"{model}, {options.size}; {_growth(readings)}")
    if options.json:
        options.json.write_text(json.dumps(readings, indent=2) + "\n")
    if options.plot:
        _plot(readings, options.plot, f"{model.name}, {options.size}, {options.frames} frames")


def soak(
    model: Model, folder: Path, frames: int, size: tuple[int, int], *, live: bool = False
) -> list[dict[str, float]]:
    """Fuse so many frames of (height, width) `size`; `READINGS` readings."""
    for band in ("infrared", "visible"):
        _write_video(folder / f"{band}.mp4", min(frames, 1000) if live else frames, size, seed=len(band))
    pairs = open_pairs(folder / "infrared.mp4", folder / "visible.mp4")
    stream = PretendedCameras(pairs) if live else pairs
    readings, start = [], time.monotonic()
    outputs = {"fused": folder / "fused.mp4", "labels": folder / "labels.mp4"}
    with closing(model.stream(stream, stabilise=True)) as results, Recorder(outputs, RATE) as recorder:
        for done, result in enumerate(results, 1):
            recorder.write(result)
            if done % (frames // READINGS) == 0:
                sent = {"sent": stream.sent} if isinstance(stream, PretendedCameras) else {}
                readings.append(_reading(done, time.monotonic() - start) | sent)
            if done == frames:
                break
    written = sum(1 for _ in VideoFile(outputs["fused"]))
    assert written == frames, f"{written} of {frames} frames are in the video"
    return readings


def _growth(readings: list[dict[str, float]]) -> str:
    first, last = readings[READINGS // 10 - 1], readings[-1]
    grown = last["rss_mib"] - first["rss_mib"]
    per_frame = grown * 2**20 / (last["frames"] - first["frames"])
    return f"growth from {first['frames']} to {last['frames']} frames: {grown:+.1f} MiB, {per_frame:+.0f} bytes a frame"


def _plot(readings: list[dict[str, float]], path: Path, title: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot([r["frames"] for r in readings], [r["rss_mib"] for r in readings], color="#2a6fbb", linewidth=2)
    top = 1.2 * max(r["rss_mib"] for r in readings)
    axes.set(xlabel="frames", ylabel="resident memory, MiB", title=title, ylim=(0, top))
    axes.set_xlim(0, readings[-1]["frames"])
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)


def _write_video(path: Path, frames: int, size: tuple[int, int], *, seed: int) -> None:
    """Noise before a bar that moves, so that no two frames are alike."""
    rng = np.random.default_rng(seed)
    with VideoWriter(path, RATE) as writer:
        for i in range(frames):
            picture = rng.integers(90, 130, (*size, 1), dtype=np.uint8).repeat(3, axis=2)
            picture[:, (2 * i) % size[1] :][:, :12] = 220
            writer.write(picture)


def _small_network() -> SegMiF:
    torch.manual_seed(0)
    narrow = {"fusion_channels": 8, "growth": 4, "attention_heads": 2, "head_channels": 16}
    return SegMiF(SegMiFConfig.preset("mit_b0", label_set="fmb", **narrow))


def _reading(frames: int, seconds: float) -> dict[str, float]:
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    return {
        "frames": frames,
        "rss_mib": round(resident / 2**20, 1),
        "threads": threading.active_count(),
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "frames_per_s": round(frames / seconds, 1),
    }


if __name__ == "__main__":
    main()
