"""Several processes (GPUs, nodes) that train one network; alone, everything here does nothing.

Start them with ``torchrun --nproc-per-node 2 -m segmif train ...`` or ``accelerate launch``: both set the environment
variables read here. Gradients are averaged once per optimiser step, so gradient accumulation costs no extra traffic
and stages that train only a part of the network need no special case.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from segmif.checks import InputError

PATIENCE = timedelta(hours=2)
"""How long processes wait for the first one, which alone prepares targets and validates."""


@dataclass(frozen=True, kw_only=True)
class Workers:
    """This process among its peers: 0-based `rank` of `count`, and its device."""

    rank: int = 0
    count: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and lines."""
        return self.rank == 0


def join_workers(device: str) -> Workers:
    """Meet the other processes, if the environment says that there are any.

    Args:
        device: ``"auto"`` (CUDA, else MPS, else CPU), or a torch device such as ``"cuda:1"``.

    Raises:
        InputError: there is no such device.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    chosen = _choose_device(device, local_rank if count > 1 else None)
    if count > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=PATIENCE)
    return Workers(rank=rank, count=count, device=chosen)


def leave_workers(workers: Workers) -> None:
    """Part from the other processes."""
    if workers.count > 1 and dist.is_initialized():
        dist.destroy_process_group()


def _choose_device(name: str, local_rank: int | None) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"unknown device {name!r}; use auto, cpu, cuda, cuda:1 or mps") from error
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise InputError("no CUDA device is available; use --device auto or --device cpu")
        if local_rank is not None:
            device = torch.device("cuda", local_rank)
        torch.cuda.set_device(device)
    return device


def share_weights(network: nn.Module, workers: Workers) -> None:
    """Give every process the weights and buffers of the first."""
    if workers.count > 1:
        for tensor in (*network.parameters(), *network.buffers()):
            dist.broadcast(tensor.data, src=0)


def average_gradients(parameters: Iterable[nn.Parameter], workers: Workers) -> None:
    """Replace every gradient by its mean over the processes, in one message."""
    if workers.count == 1:
        return
    owners = list(parameters)
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in owners]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(flat)
    flat /= workers.count
    offset = 0
    for parameter, gradient in zip(owners, gradients, strict=True):
        parameter.grad = flat[offset : offset + gradient.numel()].view_as(gradient).clone()
        offset += gradient.numel()


def mean_over_workers(values: dict[str, Tensor], workers: Workers) -> dict[str, float]:
    """Scalar tensors as numbers, averaged over the processes."""
    stacked = torch.stack([value.detach().float() for value in values.values()])
    if workers.count > 1:
        dist.all_reduce(stacked)
        stacked /= workers.count
    return dict(zip(values, stacked.tolist(), strict=True))


def wait_for_all(workers: Workers) -> None:
    """Return when every process has come here."""
    if workers.count > 1:
        dist.barrier()
