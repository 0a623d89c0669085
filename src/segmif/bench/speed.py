"""How fast the networks are on this machine: latency, throughput, memory and where the time goes.

Every entry runs in a process of its own, so that peak memory is its own and the plain baseline has the allocator a
user of PyTorch has. Random pictures and, for a preset without weights, random weights: speed does not depend on them.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch

from segmif.checks import InputError

PLAIN = "plain"
"""The back end that is none: the network written out as in the papers, eager, float32, contiguous NCHW."""

_STAGES = {"encoder": "encoders", "fusion": "fusion", "head": "segmentation head"}


@dataclass(frozen=True, kw_only=True)
class Job:
    """One entry to measure.

    Raises:
        InputError: a side below 32 pixels, or counts below 1.
    """

    model: str
    """A shipped model, a folder, or a preset such as mit_b3 (9 classes, random weights)."""
    backend: str = "eager"
    dtype: str = "float32"
    width: int = 640
    height: int = 480
    threads: int = 2
    runs: int = 10

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 32:
            raise InputError(f"size {self.width}x{self.height}: both sides must be at least 32 pixels")
        if min(self.threads, self.runs) < 1:
            raise InputError("threads and runs must be at least 1")


def measure_apart(job: Job) -> dict[str, Any]:
    """`measure` in a process of its own.

    Raises:
        InputError: the model, back end or dtype cannot be had here.
    """
    command = [sys.executable, "-m", "segmif.bench.speed", json.dumps(asdict(job))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise InputError(f"{job.model} with {job.backend} in {job.dtype} could not be measured: {last}") from None
    if "error" in result:
        raise InputError(result["error"])
    return result


def measure(job: Job) -> dict[str, Any]:
    """Latency of one pair at a time, from float tensors to labels; seconds and MiB.

    Returns:
        The job's fields and `median`, `p95`, `fastest` (s per pair), `fps` (1 / median), `peak_mib` (most memory the
        process held, all included) and `stages` (s per pair in every part; empty for plain).
    """
    torch.set_num_threads(job.threads)
    torch.manual_seed(0)
    size = job.height, job.width
    pair = torch.rand(1, 1, *size), torch.rand(1, 3, *size), torch.rand(1, 1, *size)
    run, network = _prepare(job)
    seconds: list[float] = []
    with torch.inference_mode():
        _labels(run(*pair), size)
        for _ in range(job.runs):
            begun = time.perf_counter()
            _labels(run(*pair), size)
            seconds.append(time.perf_counter() - begun)
        stages: dict[str, float] = {}
        if network is not None:
            with _stage_clocks(network, stages):
                begun = time.perf_counter()
                output = run(*pair)
                inner = time.perf_counter()
                _labels(output, size)
                stages["labels"] = time.perf_counter() - inner
            stages["rest"] = inner - begun - sum(v for k, v in stages.items() if k != "labels")
    ordered = sorted(seconds)
    median = statistics.median(ordered)
    return {
        **asdict(job),
        "median": median,
        "p95": ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))],
        "fastest": ordered[0],
        "fps": 1 / median,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10),
        "stages": stages,
    }


def _prepare(job: Job) -> tuple[Callable[..., tuple[torch.Tensor, torch.Tensor | None]], torch.nn.Module | None]:
    network = open_network(job.model)
    if job.backend == PLAIN:
        from segmif.bench.plain import PlainCascade

        return PlainCascade(network), None
    from segmif.infer.engine import Engine, choose_dtype

    device = torch.device("cpu")
    dtype = choose_dtype(job.dtype, device=device)
    engine = Engine(network, device=device, dtype=dtype, backend=job.backend)
    return engine.backend, engine.network if job.backend == "eager" else None


def open_network(name: str) -> Any:
    """A shipped model, a folder's, or a preset of 9 classes with random weights; in eval mode.

    Raises:
        InputError: nothing of that name.
    """
    from segmif.models import SegMiF, SegMiFConfig, weights

    if name in weights.SHIPPED:
        return weights.load_shipped(name).eval()
    if "/" in name:
        return SegMiF.from_pretrained(name).eval()
    return SegMiF(SegMiFConfig.preset(name, num_classes=9)).eval()


def _labels(output: tuple[torch.Tensor, torch.Tensor | None], size: tuple[int, int]) -> None:
    if output[1] is not None:
        from segmif.infer.engine import classify

        classify(output[1][0].float(), size)


@contextmanager
def _stage_clocks(network: torch.nn.Module, stages: dict[str, float]) -> Iterator[None]:
    """Adds the seconds of the encoder, the fusion network and the head to `stages`."""
    begun: dict[str, float] = {}
    handles = []
    for name, label in _STAGES.items():
        module = getattr(network, name, None)
        if module is None:
            continue

        def start(*_: Any, label: str = label) -> None:
            begun[label] = time.perf_counter()

        def stop(*_: Any, label: str = label) -> None:
            stages[label] = stages.get(label, 0.0) + time.perf_counter() - begun[label]

        handles += [module.register_forward_pre_hook(start), module.register_forward_hook(stop)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


if __name__ == "__main__":
    try:
        print(json.dumps(measure(Job(**json.loads(sys.argv[1])))))
    except InputError as error:
        print(json.dumps({"error": str(error)}))
