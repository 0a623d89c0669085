"""How well the recorder works, on the simulated rig: offset and drift errors, pairs per second, kill -9.

python benchmarks/recording.py clocks --seconds 60 --seeds 8
python benchmarks/recording.py speed --size 480x640
python benchmarks/recording.py kills --kills 50
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from segmif.rig.record.clock import DeviceClock
from segmif.rig.record.manifest import MANIFEST, read_manifest, verify
from segmif.rig.record.motion import ClockOffset, Energy, MotionTrace, estimate_offset
from segmif.rig.record.recorder import Recorder
from segmif.rig.record.settings import RecordConfig
from segmif.rig.record.simulate import SimulatedRig
from segmif.rig.record.writer import Budget, Formats, PairWriter


def watched(rig: SimulatedRig, band: str) -> tuple[DeviceClock, Energy]:
    """The clock of a simulated camera and its motion energy on the computer's clock."""
    source, clock, trace = rig.open(band), DeviceClock(), MotionTrace()
    while (frame := source.read()) is not None:
        clock.add(frame.device, frame.host)
        trace.add(frame.device, frame.image)
    start, end, value = trace.series()
    return clock, Energy(start=clock.many_to_host(start), end=clock.many_to_host(end), value=value)


def clocks(seconds: float, seeds: int) -> None:
    """Errors of offset and drift; and how often two different scenes are taken for one."""
    rigs = [SimulatedRig(seed=seed, seconds=seconds, size=(96, 128)) for seed in range(seeds)]
    infrared = [watched(rig, "infrared") for rig in rigs]
    visible = [watched(rig, "visible") for rig in rigs]
    errors, scaled, drifts, stamps = [], [], [], []
    for rig, (ir_clock, ir), (vis_clock, vis) in zip(rigs, infrared, visible, strict=True):
        stamps += [-ir_clock.drift - rig.infrared.clock_drift, -vis_clock.drift - rig.visible.clock_drift]
        found = estimate_offset(ir, vis, max_offset=5.0)
        if isinstance(found, ClockOffset):
            errors.append(found.offset - rig.offset())
            scaled.append(errors[-1] / found.offset_sd)
            drifts.append(found.drift)
            print(f"seed {rig.seed}: {found}, error {1000 * errors[-1]:+.2f} ms")
        else:
            print(f"seed {rig.seed}: {found}")
    strangers = [(i, k) for i in range(seeds) for k in range(seeds) if i != k]
    wrong = sum(
        isinstance(estimate_offset(infrared[i][1], visible[k][1], max_offset=5.0), ClockOffset) for i, k in strangers
    )
    rms = [float(np.sqrt(np.mean(np.square(x)))) for x in (errors, scaled, drifts, stamps)]
    print(f"{len(errors)} of {seeds} found; offset error {1000 * rms[0]:.2f} ms rms, {rms[1]:.2f} of what is stated")
    print(f"drift error by motion {1e6 * rms[2]:.0f} ppm rms, by stamps {1e6 * rms[3]:.1f} ppm rms")
    print(f"different scenes accepted: {wrong} of {len(strangers)}")


def speed(size: tuple[int, int], pairs: int = 60) -> None:
    """Pairs encoded, synced and written per second, on one thread; pictures are rendered beforehand."""
    cv2.setNumThreads(1)
    rig = SimulatedRig(size=size)
    pictures = [(rig.view("infrared", t), rig.view("visible", t)) for t in (0.0, 1.0, 2.0)]
    for suffix in (".png", ".jpg"):
        with tempfile.TemporaryDirectory() as folder:
            formats = Formats(visible=suffix)
            writer = PairWriter(Path(folder), formats=formats, budget=Budget(keep_free=0), resume=False)
            wall, cpu = time.perf_counter(), time.process_time()
            for number in range(pairs):
                writer.write(*pictures[number % 3], {})
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            writer.close()
        print(
            f"{size[1]}x{size[0]}, visible {suffix}: {pairs / wall:.1f} pairs/s, {1000 * cpu / pairs:.0f} ms processor "
            f"and {writer.used / pairs / 1e6:.2f} MB per pair"
        )


def kills(count: int) -> None:
    """Kill a recorder at random moments again and again; every time all pairs of the manifest must be whole."""
    rig = SimulatedRig(size=(96, 128), seconds=3600)
    config = RecordConfig(sync=0.0, clock="stamps", tolerance=0.04, resume=True)
    rig.view("infrared", 0.0)  # rendered once, before the forks
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in range(count):
            child = os.fork()
            if not child:
                Recorder(lambda: rig.open("infrared"), lambda: rig.open("visible"), folder, config).run()
                os._exit(0)
            time.sleep(random.uniform(0.02, 0.6))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            if (folder / MANIFEST).exists() and read_manifest(folder / MANIFEST)[0]:
                wrong += len(verify(folder))
        pairs = len(read_manifest(folder / MANIFEST)[0])
    print(f"{count} kills, {pairs} pairs, {wrong} damaged files")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("clocks", "speed", "kills"))
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--size", default="480x640", help="height x width")
    parser.add_argument("--kills", type=int, default=50)
    options = parser.parse_args()
    if options.what == "clocks":
        clocks(options.seconds, options.seeds)
    elif options.what == "speed":
        height, width = map(int, options.size.split("x"))
        speed((height, width))
    else:
        kills(options.kills)


if __name__ == "__main__":
    main()
