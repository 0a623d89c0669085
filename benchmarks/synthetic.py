"""Seconds per synthetic scene on this machine: ``python benchmarks/synthetic.py [COUNT] [WIDTHxHEIGHT]``.

Prints the mean, median and worst wall-clock time on one thread, and the processor time, over COUNT seeds.
"""

import statistics
import sys
import time

import cv2

from segmif.data.synthetic import synthetic_scene


def main(count: int = 40, size: str = "640x480") -> None:
    """Time `count` scenes of a size."""
    width, height = (int(side) for side in size.split("x"))
    cv2.setNumThreads(1)
    synthetic_scene(0, size=(height, width))  # the first call fills the cache of noise tiles
    seconds, busy = [], time.process_time()
    for seed in range(count):
        start = time.perf_counter()
        synthetic_scene(seed, size=(height, width))
        seconds.append(time.perf_counter() - start)
    busy = (time.process_time() - busy) / count
    print(
        f"{size}, {count} scenes, 1 thread: mean {statistics.mean(seconds):.3f} s, "
        f"median {statistics.median(seconds):.3f} s, worst {max(seconds):.3f} s, processor {busy:.3f} s per scene"
    )


if __name__ == "__main__":
    main(*(int(argument) if argument.isdigit() else argument for argument in sys.argv[1:]))  # type: ignore[arg-type]
