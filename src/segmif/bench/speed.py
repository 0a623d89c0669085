"""How fast the networks are on this machine: latency, throughput, memory and where the time goes.

Every entry runs in a process of its own, so that peak memory is its own and the plain baseline has the allocator a
user of PyTorch has. Random pictures and, for a preset without weights, random weights: speed does not depend on them.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segmif import waiting
from segmif.bench.plain import PlainCascade
from segmif.checks import InputError
from segmif.color import luma
from segmif.guide import make_guide
from segmif.infer import Model
from segmif.infer.backends.exported import SUFFIXES
from segmif.infer.engine import WholePictures, classify
from segmif.io import to_unit
from segmif.models import SegMiF, SegMiFConfig, weights

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
    """A shipped model, a folder, an exported file, or a preset such as mit_b3 (9 classes, random weights)."""
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
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment(job))
    try:
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise InputError(f"{job.model} with {job.backend} in {job.dtype} could not be measured: {last}") from None
    if "error" in result:
        raise InputError(result["error"])
    return result


def _environment(job: Job) -> dict[str, str]:
    """Of the process that measures: plain has OpenMP as PyTorch's users have it, see `segmif.waiting`."""
    if job.backend != PLAIN:
        return dict(os.environ)
    ours = os.environ.get(waiting.VARIABLE) == waiting.TURNS
    kept = {key: value for key, value in os.environ.items() if not (ours and key == waiting.VARIABLE)}
    return kept | {waiting.SWITCH: "default"}


def measure(job: Job) -> dict[str, Any]:
    """Latency of one pair at a time, all included: from 8-bit pictures to the fused picture, labels and confidence.

    Returns:
        The job's fields and `median`, `p95`, `fastest` (s per pair), `fps` (1 / median), `cpu` (median of the
        processor seconds per pair, all threads together: where other programs run too, it says more than `median`),
        `peak_mib` (most memory the process held, all included) and `stages` (s per pair in every part; of the eager
        back end only).
    """
    station = Station(job)
    station.once()
    seconds, processor = zip(*(station.once() for _ in range(job.runs)), strict=True)
    ordered = sorted(seconds)
    median = statistics.median(ordered)
    return {
        **asdict(job),
        "median": median,
        "p95": ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))],
        "fastest": ordered[0],
        "fps": 1 / median,
        "cpu": statistics.median(processor),
        "peak_mib": peak_mib(),
        "stages": station.stages(),
    }


def peak_mib() -> float:
    """The most memory this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


class Station:
    """A model and a pair, ready to be timed in this process.

    Raises:
        InputError: the model, back end or dtype cannot be had here.
    """

    def __init__(self, job: Job) -> None:
        torch.set_num_threads(job.threads)
        torch.manual_seed(0)
        rng = np.random.default_rng(0)
        self.job = job
        self.pair = tuple(rng.integers(0, 256, (job.height, job.width, *c), dtype=np.uint8) for c in ((), (3,)))
        self.model = _model(job)

    def once(self) -> tuple[float, float]:
        """Seconds and processor seconds of one pair."""
        begun, worked = time.perf_counter(), time.process_time()
        self.model.predict(*self.pair)
        return time.perf_counter() - begun, time.process_time() - worked

    def stages(self) -> dict[str, float]:
        """Seconds in the parts of the network; empty where its parts cannot be told apart."""
        if self.job.backend != "eager":
            return {}
        size, found = (self.job.height, self.job.width), dict[str, float]()
        guide = self._guide_seconds()
        tensors = torch.rand(1, 1, *size), torch.rand(1, 3, *size), torch.rand(1, 1, *size)
        with torch.inference_mode(), _stage_clocks(self.model.network, found):
            begun = time.perf_counter()
            output = self.model.backend(*tensors)
            inner = time.perf_counter()
            if output[1] is not None:
                classify(output[1][0], size)
            found["labels"] = time.perf_counter() - inner
        found["rest"] = inner - begun - sum(v for k, v in found.items() if k != "labels")
        return {**({"guide": guide} if guide else {}), **found}

    def _guide_seconds(self) -> float:
        if not self.model.engine.needs_guide:
            return 0.0
        infrared, visible = (to_unit(picture, "visible") for picture in self.pair)
        begun = time.perf_counter()
        make_guide(self.model.guide_kind or "average", infrared, luma(visible))
        return time.perf_counter() - begun


def _model(job: Job) -> Model:
    if Path(job.model).suffix.lower() in SUFFIXES:
        return Model.from_file(job.model, device="cpu", dtype=job.dtype, backend=job.backend)
    network = open_network(job.model)
    if job.backend == PLAIN:
        engine = WholePictures(PlainCascade(network), needs_guide=True)
        labels = network.config.label_set if network.head is not None else None
        return Model.around(engine, name=job.model, label_set=labels, guide_kind=network.config.guide)
    return Model(network, name=job.model, device="cpu", dtype=job.dtype, backend=job.backend)


class Worker:
    """A station in a process of its own, asked for one pair at a time, so that several can take turns.

    Raises:
        InputError: the model, back end or dtype cannot be had here.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        command = [sys.executable, "-m", "segmif.bench.speed", json.dumps(asdict(job)), "turns"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=_environment(job)
        )
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    def once(self) -> dict[str, float]:
        """`seconds` and `cpu` of one pair, `peak_mib` so far."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                if "error" in answer:
                    raise InputError(answer["error"])
                return answer
        raise InputError(
            f"{self.job.model} with {self.job.backend} in {self.job.dtype} ended with exit code {self._process.wait()}"
        )

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def _take_turns(job: Job) -> None:
    station = Station(job)
    station.once()
    print("{}", flush=True)
    for _ in sys.stdin:
        seconds, processor = station.once()
        print(json.dumps({"seconds": seconds, "cpu": processor, "peak_mib": peak_mib()}), flush=True)


def open_network(name: str) -> Any:
    """A shipped model, a folder's, or a preset of 9 classes with random weights; in eval mode.

    Raises:
        InputError: nothing of that name.
    """
    if name in weights.SHIPPED:
        return weights.load_shipped(name).eval()
    if "/" in name:
        return SegMiF.from_pretrained(name).eval()
    return SegMiF(SegMiFConfig.preset(name, num_classes=9)).eval()


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
        wanted = Job(**json.loads(sys.argv[1]))
        if sys.argv[2:] == ["turns"]:
            _take_turns(wanted)
        else:
            print(json.dumps(measure(wanted)))
    except InputError as error:
        print(json.dumps({"error": str(error)}))
