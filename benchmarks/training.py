"""Steps per second of the fusion round: ``python benchmarks/training.py [--crop 320] [--batch 2] [--threads 2]``.

Compares, in one run and on the same data: the network written out plainly (eager, float32, contiguous NCHW; the
transcription the tests use as an oracle), and ours in float32 and bfloat16. A step is what the training loop does in
round 1: guide features without gradient, fusion, loss against the target, backward, AdamW. The three take turns, and
the fastest step of each counts; where other work runs on the machine, compare the processor seconds (of all threads).
``--profile`` adds where our bfloat16 step spends its time.
"""

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from segmif.bench.plain import transcribe
from segmif.color import rgb_to_ycrcb
from segmif.losses import fusion_loss_round1
from segmif.models import SegMiF, SegMiFConfig

Step = Callable[[], float]


def plain_step(network: SegMiF, infrared: Tensor, visible: Tensor, target: Tensor) -> Step:
    """One optimiser step of the transcription."""
    plain = transcribe(network)
    optimizer = torch.optim.AdamW(plain.parameters(), 1e-4)
    luma = rgb_to_ycrcb(visible)[:, :1]

    def step() -> float:
        with torch.no_grad():
            semantic = network.encode_guide(target)
        loss = fusion_loss_round1(plain(infrared, luma, semantic), target)
        return _learn(loss, optimizer)

    return step


def our_step(network: SegMiF, infrared: Tensor, visible: Tensor, target: Tensor, dtype: torch.dtype) -> Step:
    """One optimiser step as the training loop does it."""
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    infrared, visible = (image.to(memory_format=torch.channels_last) for image in (infrared, visible))
    optimizer = torch.optim.AdamW(network.fusion.parameters(), 1e-4)

    def step() -> float:
        with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
            loss = fusion_loss_round1(network.fuse(infrared, visible, target).fused_luma, target)
        return _learn(loss, optimizer)

    return step


def _learn(loss: Tensor, optimizer: torch.optim.Optimizer) -> float:
    loss.backward()
    nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.item()


def fastest(steps: dict[str, Step], rounds: int) -> dict[str, tuple[float, float]]:
    """Wall-clock and processor seconds of the fastest step of each, after one to warm up; they take turns."""
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for turn in range(rounds + 1):
        for name, step in steps.items():
            begun = time.perf_counter(), time.process_time()
            step()
            if turn:
                measured[name].append((time.perf_counter() - begun[0], time.process_time() - begun[1]))
    return {name: (min(wall for wall, _ in rows), min(busy for _, busy in rows)) for name, rows in measured.items()}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crop", type=int, default=320)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--encoder", default="mit_b0")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    shape = options.batch, 1, options.crop, options.crop
    infrared, target, visible = torch.rand(shape), torch.rand(shape), torch.rand(shape[0], 3, *shape[2:])
    networks = [SegMiF(SegMiFConfig.preset(options.encoder, num_classes=15)).eval() for _ in range(3)]
    for network in networks[1:]:
        network.load_state_dict(networks[0].state_dict())
    steps = {
        "plain float32 NCHW": plain_step(networks[0], infrared, visible, target),
        "ours float32": our_step(networks[1], infrared, visible, target, torch.float32),
        "ours bfloat16": our_step(networks[2], infrared, visible, target, torch.bfloat16),
    }
    seconds = fastest(steps, options.rounds)
    print(f"fusion round, crop {options.crop}, batch {options.batch}, {options.threads} threads, {options.encoder}")
    print("                       s/step  steps/s  faster  processor s  faster")
    wall_plain, busy_plain = seconds["plain float32 NCHW"]
    for name, (wall, busy) in seconds.items():
        print(f"{name:20} {wall:8.2f} {1 / wall:8.3f} {wall_plain / wall:6.2f}x {busy:12.2f} {busy_plain / busy:6.2f}x")
    if options.profile:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            steps["ours bfloat16"]()
        print(profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=15, max_name_column_width=40))


if __name__ == "__main__":
    main()
