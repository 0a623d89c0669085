"""How fast training samples come: decoding, views and effects, workers, caches, and whether they keep a trainer fed.

    python benchmarks/data_loading.py [--root DIR --dataset NAME] [--step-seconds 0.5] [--json FILE]

Without --root it writes synthetic scenes to a temporary folder. One thread per process. Milliseconds are CPU time,
which other work on the machine does not change, the median of several rounds; what is compared is measured in the same
run. Loader rates are wall time: measure them on an idle machine.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from segmif.data import PairDataset, PairSample, open_dataset
from segmif.data.cache import CachedDataset, write_cache
from segmif.data.shards import ShardDataset, write_shards
from segmif.data.synthetic import write_dataset
from segmif.data.transforms import PRESETS, TransformConfig, TransformedDataset, make_loader, transform

CROPS = (320, 480)
ROUNDS = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="a data set to read; default: synthetic scenes")
    parser.add_argument("--dataset", default="folder")
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--step-seconds", type=float, default=0.5, help="length of a training step, for the feed ratio")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if options.root is None:
            write_dataset(Path(folder) / "scenes", options.samples, test_share=0)
            dataset: PairDataset = open_dataset("fmb", Path(folder) / "scenes")
        else:
            dataset = open_dataset(options.dataset, options.root, strict=False)
        results = measure(dataset, Path(folder), options)
    print(json.dumps(results, indent=2))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


def measure(dataset: PairDataset, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """All figures, in milliseconds per sample or samples per second."""
    count = min(len(dataset), options.samples)
    samples = [dataset[i] for i in range(count)]
    part = _First(dataset, count)
    write_cache(part, folder / "cache")
    sources: dict[str, PairDataset] = {
        "files": part,
        "tar shards": ShardDataset(write_shards(part, folder / "tar")),
        "memory map": CachedDataset(folder / "cache"),
    }
    read = {name: _per_sample(functools.partial(_read_all, source), count) for name, source in sources.items()}
    results: dict[str, Any] = {
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "samples": count,
        "size": "x".join(map(str, samples[0].size[::-1])),
        "read_ms": read,
        "transform_ms": {},
        "kornia_geometry_ms": {},
        "samples_per_s_per_core": {},
        "loader_samples_per_s": {},
    }
    for crop in CROPS:
        if crop > 2 * min(min(sample.size) for sample in samples):
            continue
        for name, preset in PRESETS.items():
            work = functools.partial(_transform_all, samples, replace(preset, crop=crop))
            spent = _per_sample(work, count)
            results["transform_ms"][f"{name} {crop}"] = spent
            for source, reading in read.items():
                results["samples_per_s_per_core"][f"{source}, {name} {crop}"] = round(1000 / (reading + spent), 1)
        results["kornia_geometry_ms"][f"{crop}"] = _kornia(samples[0], crop)
        for name in ("files", "memory map"):
            for workers in (0, 2):
                rate = _loader_rate(sources[name], replace(PRESETS["segmentation"], crop=crop), workers, options.batch)
                results["loader_samples_per_s"][f"{name} {crop}, {workers} workers"] = rate
    needed = options.batch / options.step_seconds
    results["feed"] = {
        "samples_per_s_a_trainer_takes": needed,
        "supply_of_one_core_to_demand": {
            name: round(rate / needed, 1) for name, rate in results["samples_per_s_per_core"].items()
        },
    }
    return results


class _First:
    """The first samples of a data set."""

    def __init__(self, dataset: PairDataset, count: int) -> None:
        self.dataset, self.count = dataset, count
        self.label_set, self.names = dataset.label_set, dataset.names[:count]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> PairSample:
        return self.dataset[index]

    def __iter__(self) -> Any:
        return (self[i] for i in range(self.count))


def _per_sample(work: Callable[[], object], count: int) -> float:
    """CPU milliseconds per sample, median of the rounds after one to warm up."""
    work()
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return round(1000 * statistics.median(times) / count, 3)


def _read_all(dataset: PairDataset) -> None:
    for sample in dataset:
        sample.visible.sum(), sample.infrared.sum()  # a mapped picture is only read when it is looked at


def _transform_all(samples: list[PairSample], config: TransformConfig) -> None:
    for number, sample in enumerate(samples):
        transform(sample, config, np.random.default_rng(number))


def _kornia(sample: PairSample, crop: int) -> float | None:
    """The same geometry (random window, resize, flip of infrared, visible and labels) by kornia, for comparison."""
    try:
        import kornia.augmentation as augmentation
    except ImportError:
        return None
    pipeline = augmentation.AugmentationSequential(
        augmentation.RandomResizedCrop((crop, crop), scale=(0.25, 1.0), ratio=(1.0, 1.0)),
        augmentation.RandomHorizontalFlip(),
        data_keys=["input", "input", "mask"],
    )
    visible = torch.from_numpy(sample.visible.astype(np.float32).transpose(2, 0, 1) / 255)[None]
    infrared = torch.from_numpy(sample.infrared.astype(np.float32) / 255)[None, None]
    labels = sample.labels if sample.labels is not None else np.zeros(sample.size, np.uint8)
    mask = torch.from_numpy(labels.astype(np.float32))[None, None]
    return _per_sample(lambda: [pipeline(visible, infrared, mask) for _ in range(10)], 10)


def _loader_rate(dataset: PairDataset, config: TransformConfig, workers: int, batch: int) -> float:
    """Samples per second once the workers run: the first batches are not counted."""
    stream = TransformedDataset(dataset, config)
    steps, skipped = 20, 5
    start = time.perf_counter()
    for number, _ in enumerate(make_loader(stream, batch=batch, steps=steps, workers=workers)):
        if number == skipped - 1:
            start = time.perf_counter()
    return round((steps - skipped) * batch / (time.perf_counter() - start), 1)


if __name__ == "__main__":
    main()
