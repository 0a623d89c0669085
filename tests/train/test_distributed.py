"""The arithmetic between processes, with a process group of one that stands in for two."""

from collections.abc import Iterator

import pytest
import torch
import torch.distributed as dist
from torch import nn

from segmif.checks import InputError
from segmif.train.distributed import (
    Workers,
    average_gradients,
    join_workers,
    leave_workers,
    mean_over_workers,
    share_weights,
    wait_for_all,
)


@pytest.fixture
def half() -> Iterator[Workers]:
    """The first of two processes, of which the other contributes nothing."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    workers = Workers(count=2)
    yield workers
    leave_workers(workers)
    assert not dist.is_initialized()


def test_gradients_are_averaged_where_there_are_any(half: Workers) -> None:
    layer = nn.Linear(2, 1)
    layer.weight.grad = torch.tensor([[2.0, 4.0]])
    average_gradients(layer.parameters(), half)
    assert layer.weight.grad.tolist() == [[1.0, 2.0]]
    assert layer.bias.grad is not None
    assert layer.bias.grad.tolist() == [0.0]


def test_losses_are_averaged(half: Workers) -> None:
    values = {"loss": torch.tensor(4.0, requires_grad=True), "fusion": torch.tensor(1.0, dtype=torch.bfloat16)}
    assert mean_over_workers(values, half) == {"loss": 2.0, "fusion": 0.5}


def test_weights_and_buffers_are_shared(half: Workers) -> None:
    layer = nn.BatchNorm1d(2)
    share_weights(layer, half)
    wait_for_all(half)
    assert layer.running_var.tolist() == [1.0, 1.0]


def test_alone_nothing_happens() -> None:
    layer, alone = nn.Linear(2, 1), Workers()
    average_gradients(layer.parameters(), alone)
    share_weights(layer, alone)
    wait_for_all(alone)
    leave_workers(alone)
    assert layer.weight.grad is None
    assert mean_over_workers({"loss": torch.tensor(3.0)}, alone) == {"loss": 3.0}


def test_place_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    asked: list[str] = []
    monkeypatch.setattr(dist, "init_process_group", lambda backend, **_: asked.append(backend))
    workers = join_workers("cpu")
    assert (workers.rank, workers.count, workers.is_main, asked) == (1, 2, False, ["gloo"])


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert join_workers("auto").device == torch.device("cpu")
    with pytest.raises(InputError, match="unknown device 'gpu'"):
        join_workers("gpu")
    with pytest.raises(InputError, match="no CUDA device is available"):
        join_workers("cuda")
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert join_workers("cuda:1").device == torch.device("cuda:1")
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setattr(dist, "init_process_group", lambda *_, **__: None)
    assert join_workers("auto").device == torch.device("cuda:3")
    assert chosen == [torch.device("cuda:1"), torch.device("cuda:3")]
