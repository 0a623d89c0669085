"""The back end that measures those that can run here, once, and remembers which was fastest.

B batch, H, W picture size.
"""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib import metadata

import torch
from torch import Tensor

from segmif.checks import InputError
from segmif.hashing import digest
from segmif.infer.backends.base import GRAPH_BACKENDS, Backend, Outputs, check_pair, make_backend, precisions
from segmif.models import SegMiF
from segmif.usercache import keep, read_kept

RECORD = "backends.json"
"""In the user's cache folder: what was measured, by a key of model, precision, size class, threads and machine."""

_RUNS = 3
_PATIENCE = 3.0
"""Seconds after which a back end is not run again."""
_PACKAGES = ("torch", "onnxruntime", "openvino")

Maker = Callable[[], Backend]


class Auto:
    """Runs every batch in the back end that was fastest for its size class on this machine.

    The first batch of a size class (pictures of about as many pixels, to the nearest power of two) is run in every
    back end; what cannot run here is left out. The choice is kept in the user's cache folder for the next time; where
    that cannot be written, it holds for this process.

    Args:
        makers: by name, what makes each back end.
        device: where the inputs are.
        dtype: the least exact the work may be computed in.
        key: of the model.

    Attributes:
        chosen: name of the back end that ran the last batch; None before the first.
        milliseconds: per batch, by name, as measured for the size class of the last batch.
        left_out: why back ends could not run, by name; filled when measuring.
    """

    name = "auto"

    def __init__(self, makers: Mapping[str, Maker], *, device: torch.device, dtype: torch.dtype, key: str) -> None:
        self.device, self.dtype = device, dtype
        self.chosen: str | None = None
        self.milliseconds: dict[str, float] = {}
        self.left_out: dict[str, str] = {}
        self._makers, self._key = dict(makers), key
        self._made: dict[str, Backend] = {}
        self._measured: dict[int, dict[str, float]] = {}

    def __call__(self, infrared: Tensor, visible: Tensor, guide: Tensor | None = None) -> Outputs:
        check_pair(infrared, visible, guide)
        size_class = round(math.log2(len(infrared) * infrared.shape[2] * infrared.shape[3]))
        if size_class not in self._measured:
            self._measured[size_class] = self._remembered(size_class) or self._measure(
                size_class, infrared, visible, guide
            )
        self.milliseconds = self._measured[size_class]
        self.chosen = min(self.milliseconds, key=self.milliseconds.__getitem__)
        return self._backend(self.chosen)(infrared, visible, guide)

    def _backend(self, name: str) -> Backend:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def _measure(self, size_class: int, infrared: Tensor, visible: Tensor, guide: Tensor | None) -> dict[str, float]:
        found: dict[str, float] = {}
        for name in self._makers:
            try:
                found[name] = 1e3 * _seconds(self._backend(name), infrared, visible, guide)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # one back end that cannot is no reason to fail while another can
                self.left_out[name] = str(error).partition("\n")[0]
        if not found:
            raise InputError(f"no back end can run here: {'; '.join(f'{k}: {v}' for k, v in self.left_out.items())}")
        needed = {min(times, key=times.__getitem__) for times in (*self._measured.values(), found)}
        self._made = {name: backend for name, backend in self._made.items() if name in needed}
        self._remember(size_class, found)
        return found

    def _record_key(self, size_class: int) -> str:
        names = ",".join(self._makers)
        facts = [self._key, names, str(self.device), str(self.dtype), str(size_class), str(torch.get_num_threads())]
        return digest(*facts, *_machine(self.device))

    def _remembered(self, size_class: int) -> dict[str, float] | None:
        entry = _read_records().get(self._record_key(size_class))
        try:
            stored: dict[str, float] = dict(entry["milliseconds"])  # type: ignore[index]
            times = {name: float(value) for name, value in stored.items()}
        except (TypeError, KeyError, ValueError):
            return None
        times = {name: value for name, value in times.items() if name in self._makers and value > 0}
        if not times:
            return None
        try:
            self._backend(min(times, key=times.__getitem__))
        except InputError:  # it was removed in the meantime
            return None
        return times

    def _remember(self, size_class: int, found: dict[str, float]) -> None:
        entry = {
            "milliseconds": {name: round(value, 3) for name, value in found.items()},
            "dtype": str(self.dtype).removeprefix("torch."),
            "pixels": 2**size_class,
            "threads": torch.get_num_threads(),
        }
        records = {**_read_records(), self._record_key(size_class): entry}
        keep(RECORD, (json.dumps(records, indent=1) + "\n").encode())


def _seconds(backend: Backend, infrared: Tensor, visible: Tensor, guide: Tensor | None) -> float:
    """The fastest of a few runs, after one to warm up."""
    best, begun = math.inf, time.perf_counter()
    for run in range(_RUNS + 1):
        start = time.perf_counter()
        backend(infrared, visible, guide)
        if backend.device.type == "cuda":
            torch.cuda.synchronize(backend.device)
        end = time.perf_counter()
        if run:
            best = min(best, end - start)
            if end - begun > _PATIENCE:
                break
    return best


def _read_records() -> dict[str, object]:
    try:
        records = json.loads(read_kept(RECORD) or b"{}")
    except ValueError:
        return {}
    return records if isinstance(records, dict) else {}


def _machine(device: torch.device) -> list[str]:
    """What the speed of a back end depends on besides the model."""
    found = []
    for package in _PACKAGES:
        try:
            found.append(metadata.version(package))
        except metadata.PackageNotFoundError:
            found.append("")
    accelerator = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    return [*found, platform.node(), platform.machine(), str(os.cpu_count()), accelerator]


def auto_of_network(network: SegMiF, *, device: torch.device, dtype: torch.dtype) -> Auto:
    """Measures what can run a network on its device.

    `compile` is tried on GPUs only: on a processor it takes minutes to compile.
    """
    from segmif.export import network_digest

    names = {"cpu": ("eager", *GRAPH_BACKENDS), "cuda": ("eager", "compile", "cuda-graphs")}.get(
        device.type, ("eager",)
    )
    makers: dict[str, Maker] = {}
    for name in names:
        # A back end that only computes more exactly may be the fastest all the same.
        computed = dtype if dtype in precisions(name) else torch.float32
        makers[name] = partial(make_backend, name, network, device=device, dtype=computed)
    return Auto(makers, device=device, dtype=dtype, key=network_digest(network))
