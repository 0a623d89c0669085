"""A short version of benchmarks/soak.py: memory, threads and open files do not grow with the length of a video."""

import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from segmif.infer import Model
from segmif.infer.recording import Recorder
from segmif.streams import open_pairs
from segmif.video import VideoFile, VideoWriter
from tests.tiny import tiny_network

FRAMES = 300


def resident() -> float:
    """MiB of memory this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory from Linux' /proc")
def test_a_long_video_takes_no_more_memory_than_a_short_one(tmp_path):
    ramp = np.arange(48, dtype=np.uint8)[None, :, None].repeat(32, axis=0).repeat(3, axis=2)
    for band in ("i", "v"):
        with VideoWriter(tmp_path / f"{band}.mp4", Fraction(25)) as writer:
            for i in range(FRAMES):
                writer.write(ramp + np.uint8(i % 100))
    model = Model(tiny_network(attention="none"), device="cpu", dtype="float32")
    pairs = open_pairs(tmp_path / "i.mp4", tmp_path / "v.mp4")
    readings, threads = [], set()
    with Recorder({"fused": tmp_path / "out.mp4"}, pairs.rate) as recorder:
        for done, result in enumerate(model.stream(pairs, stabilise=True), 1):
            recorder.write(result)
            if done % 50 == 0:
                readings.append(resident())
                threads.add(threading.active_count())
    assert len(list(VideoFile(tmp_path / "out.mp4"))) == FRAMES
    # 200 frames kept as they are in the network's types would be 200 · 32 · 48 · 4 channels · 4 bytes = 5 MiB and more.
    assert readings[-1] - readings[1] < 4, readings
    assert max(threads) - min(threads) <= 1
