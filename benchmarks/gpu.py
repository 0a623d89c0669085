"""Pairs per second on an accelerator, and how far from its limits: ``python benchmarks/gpu.py --json gpu.json``.

Every model runs at every batch size and precision in four ways, one after the other on the same pictures: `plain` (the
network as the papers draw it: eager, float32, contiguous), `eager`, `compile` and `cuda-graphs` (the back ends of
segmif). Times are from tensors on the device to the fused picture and the logits on the device, with a
synchronisation before and after each call. What cannot run is left out with its reason; the file is written after
every entry, so a run that is cut off keeps what it had.

The roofline: floating-point operations (two for a multiply and add) are counted on the network itself, and so is the
traffic if every operation reads its inputs from memory and writes its output (`traffic_gb`). `least_gb` is what no
program can avoid: weights and pictures in, pictures out. What the device can do is measured first: a large matrix
product in each precision, and a copy. `bound_ms` = max(operations / that rate, least traffic / that bandwidth);
`of_peak` is the achieved part of the measured rate.

Without a GPU it runs on the processor, for whatever that is worth: ``--device cpu --size 64x48 --models segmif-lite``.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from segmif.bench.machine import machine, versions
from segmif.bench.plain import PlainCascade
from segmif.bench.speed import open_network
from segmif.checks import InputError
from segmif.infer.backends import make_backend
from segmif.infer.engine import choose_device, choose_dtype
from segmif.io import write_json
from segmif.models import SegMiF, SegMiFConfig, weights

WAYS = ("plain", "eager", "compile", "cuda-graphs")
Run = Callable[..., tuple[Tensor, Tensor | None]]
WARM_UP = 3


class Traffic(TorchDispatchMode):
    """Bytes that go in and out of the operations run inside, views not counted."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        alias = [each.alias_info for each in func._schema.returns]
        if not any(info is not None and not info.is_write for info in alias):
            leaves = torch.utils._pytree.tree_leaves((args, kwargs, result))
            self.bytes += sum(each.numel() * each.element_size() for each in leaves if isinstance(each, Tensor))
        return result


def pictures(batch: int, size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Infrared, visible and guide, the same at every call."""
    generator = torch.Generator().manual_seed(0)
    smooth = torch.rand(batch, 5, 12, 16, generator=generator)
    maps = nn.functional.interpolate(smooth, size=size, mode="bicubic").clamp(0, 1).to(device)
    return maps[:, :1].contiguous(), maps[:, 1:4].contiguous(), maps[:, 4:].contiguous()


def count(name: str, way: str, batch: int, size: tuple[int, int], dtype: torch.dtype) -> dict[str, float]:
    """Operations and traffic of one call; nothing is computed, so any size is counted in a second."""
    stored = "/" in name or name in weights.SHIPPED
    config = open_network(name).config if stored else SegMiFConfig.preset(name, num_classes=9)
    with torch.device("meta"):
        network = SegMiF(config).eval()
        run: Any = network if way != "plain" else PlainCascade(network)
    for part in (network, getattr(run, "fusion", network)):
        part.to(dtype)
    inputs = [torch.empty(batch, channels, *size, device="meta", dtype=dtype) for channels in (1, 3, 1)]
    traffic = Traffic()
    with torch.no_grad(), FlopCounterMode(display=False) as counter, traffic:
        run(*inputs)
    values = sum(p.numel() for p in network.parameters()) + sum(i.numel() for i in inputs) + 3 * inputs[0].numel()
    return {
        "tflop": counter.get_total_flops() / 1e12,
        "traffic_gb": traffic.bytes / 1e9,
        "least_gb": values * torch.empty((), dtype=dtype).element_size() / 1e9,
    }


def peaks(device: torch.device, dtypes: list[torch.dtype]) -> dict[str, float]:
    """TFLOP/s of a large matrix product in each precision, GB/s of a copy."""
    side, count = (8192, 2**28) if device.type == "cuda" else (512, 2**22)
    found = {}
    for dtype in dtypes:
        a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        seconds = min(timed(lambda a=a, b=b: a @ b, device, 10))
        found[_name(dtype)] = 2 * side**3 / seconds / 1e12
    source = torch.zeros(count, device=device)
    target = torch.empty_like(source)
    found["copy_gb_s"] = 8 * count / min(timed(lambda: target.copy_(source), device, 10)) / 1e9
    return found


def timed(call: Callable[[], Any], device: torch.device, runs: int) -> list[float]:
    """Seconds of each run, after some to warm up."""
    seconds = []
    for _ in range(WARM_UP + runs):
        _wait(device)
        begun = time.perf_counter()
        call()
        _wait(device)
        seconds.append(time.perf_counter() - begun)
    return seconds[WARM_UP:]


def build(name: str, way: str, device: torch.device, dtype: torch.dtype) -> Run:
    """The network of that name, run that way.

    Raises:
        InputError: it cannot be.
    """
    torch.manual_seed(0)
    network = open_network(name).to(device)
    if way == "plain":
        run = PlainCascade(network)
        run.fusion.to(device)
        return run
    return make_backend(way, network.to(memory_format=torch.channels_last), device=device, dtype=dtype)


def agreement(run: Run, name: str, inputs: tuple[Tensor, ...]) -> dict[str, float]:
    """How close it is to our network in float32 without shortcuts: PSNR in dB, part of equal labels."""
    with torch.inference_mode():
        fused, logits = (each.float().clone() if each is not None else None for each in run(*inputs))
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        exact, labels = build(name, "eager", inputs[0].device, torch.float32)(*inputs)
    finally:
        torch.backends.cudnn.allow_tf32 = allowed
    error = (fused.clamp(0, 1) - exact.clamp(0, 1)).square().mean().item()
    found = {"psnr_db": min(-10 * math.log10(max(error, 1e-20)), 200.0)}
    if logits is not None:
        found["equal_labels"] = (logits.argmax(1) == labels.argmax(1)).float().mean().item()
    return found


def measure(
    name: str, way: str, batch: int, size: tuple[int, int], dtype: torch.dtype, device: torch.device, runs: int
) -> dict[str, Any]:
    """One entry."""
    if way == "compile":
        torch.compiler.reset()  # another batch size shall not make the sizes of this one variable
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    run, inputs = build(name, way, device, dtype), pictures(batch, size, device)
    begun = time.perf_counter()
    with torch.inference_mode():
        run(*inputs)
        _wait(device)
        first = time.perf_counter() - begun
        seconds = sorted(timed(lambda: run(*inputs), device, runs))
    memory = torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else None
    median = statistics.median(seconds)
    return {
        "ms": 1e3 * median,
        "p95_ms": 1e3 * seconds[min(runs - 1, math.ceil(0.95 * runs) - 1)],
        "pairs_per_s": batch / median,
        "first_s": first,
        "peak_mib": memory,
        **agreement(run, name, inputs),
    }


def roofline(entry: dict[str, Any], counted: dict[str, float], limits: dict[str, float]) -> dict[str, float]:
    """The counts, what the device needs for them at least, and the part of its measured rates that is reached."""
    seconds = entry["ms"] / 1e3
    rate, bandwidth = 1e12 * limits[entry["dtype"]], 1e9 * limits["copy_gb_s"]
    return {
        **counted,
        "bound_ms": 1e3 * max(1e12 * counted["tflop"] / rate, 1e9 * counted["least_gb"] / bandwidth),
        "tflop_s": counted["tflop"] / seconds,
        "of_peak": 1e12 * counted["tflop"] / seconds / rate,
        "traffic_gb_s": counted["traffic_gb"] / seconds,
    }


def run_all(options: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """All entries; the file is written after each."""
    dtypes = [choose_dtype(each, device=device) for each in options.dtypes]
    report: dict[str, Any] = {
        "machine": machine(), "versions": versions(), "cuda": torch.version.cuda, "size": options.size,
        "tuned": options.tune, "tf32_convolutions": torch.backends.cudnn.allow_tf32,
        "peaks": peaks(device, list(dict.fromkeys([torch.float32, *dtypes]))), "entries": [], "left_out": [],
    }  # fmt: skip
    print("measured peaks:", ", ".join(f"{name} {value:.1f}" for name, value in report["peaks"].items()))
    print(f"{'model':12} {'batch':>5} {'dtype':9} {'way':12} {'ms':>9} {'pairs/s':>8} {'faster':>7} {'TFLOP/s':>8} "
          f"{'peak':>6} {'bound ms':>9} {'GB/s':>7} {'MiB':>7} {'PSNR':>6} {'labels':>7}")  # fmt: skip
    size = options.size[1], options.size[0]
    for name in options.models:
        for batch in options.batches:
            base = None
            for way in options.ways:
                for dtype in dtypes if way != "plain" else [torch.float32]:
                    entry: dict[str, Any] = {"model": name, "batch": batch, "dtype": _name(dtype), "way": way}
                    try:
                        entry |= measure(name, way, batch, size, dtype, device, options.runs)
                        entry |= roofline(entry, count(name, way, batch, size, dtype), report["peaks"])
                    except Exception as error:  # one way that fails must not end a run nobody watches
                        reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
                        report["left_out"].append({**entry, "reason": reason})
                        print(f"{name:12} {batch:5} {_name(dtype):9} {way:12} left out: {reason}", flush=True)
                    else:
                        base = entry["ms"] if way == "plain" else base
                        entry["faster"] = base / entry["ms"] if base else None
                        report["entries"].append(entry)
                        print(_line(entry), flush=True)
                    if options.json:
                        write_json(options.json, report)
    return report


def _line(e: dict[str, Any]) -> str:
    faster = f"{e['faster']:.1f}x" if e["faster"] else ""
    memory = f"{e['peak_mib']:.0f}" if e["peak_mib"] is not None else ""
    labels = f"{e['equal_labels']:.2%}" if "equal_labels" in e else ""
    return (
        f"{e['model']:12} {e['batch']:5} {e['dtype']:9} {e['way']:12} {e['ms']:9.2f} {e['pairs_per_s']:8.1f} "
        f"{faster:>7} {e['tflop_s']:8.2f} {e['of_peak']:6.1%} {e['bound_ms']:9.3f} {e['traffic_gb_s']:7.0f} "
        f"{memory:>7} {e['psnr_db']:6.1f} {labels:>7}"
    )


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 1 if something was left out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=_names, default=["mit_b3", "segmif-b0", "segmif-lite"])
    parser.add_argument("--size", type=lambda text: tuple(map(int, text.split("x"))), default=(640, 480))
    parser.add_argument("--batches", type=lambda text: [int(each) for each in _names(text)], default=[1, 8])
    parser.add_argument("--dtypes", type=_names, default=["float32", "bfloat16"])
    parser.add_argument("--ways", type=_names, default=list(WAYS))
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--no-tune", dest="tune", action="store_false", help="leave cudnn.benchmark off, for plain too")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    try:
        device = choose_device(options.device)
        torch.backends.cudnn.benchmark = options.tune
        report = run_all(options, device)
    except InputError as error:
        print(f"gpu.py: {error}", file=sys.stderr)
        return 2
    print(json.dumps({key: report[key] for key in ("machine", "versions", "peaks")}))
    return 1 if report["left_out"] else 0


if __name__ == "__main__":
    sys.exit(main())
