"""What every network must pass; a test class inherits it and says how to build the network and its inputs."""

import copy
from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.tolerances import ABSOLUTE

SIZES = [(32, 32), (33, 47), (64, 36)]


class NetworkTester:
    """Shapes on odd sizes, gradients, saving, batch invariance, dtypes."""

    bfloat16_close = True
    """Whether bfloat16 stays near float64: not so where a softmax decides between large numbers."""

    def build(self) -> nn.Module:
        raise NotImplementedError

    def inputs(self, batch: int, size: tuple[int, int]) -> tuple[Tensor, ...]:
        """Reproducible float32 inputs."""
        raise NotImplementedError

    def shapes(self, batch: int, size: tuple[int, int]) -> list[tuple[int, ...]]:
        """The expected shapes of all outputs."""
        raise NotImplementedError

    def outputs(self, network: nn.Module, *inputs: Tensor) -> list[Tensor]:
        result: Any = network(*inputs)
        return [result] if isinstance(result, Tensor) else list(result)

    def seeded(self, seed: int = 0) -> nn.Module:
        torch.manual_seed(seed)
        return self.build()

    @pytest.mark.parametrize("size", SIZES)
    def test_shapes(self, size: tuple[int, int]) -> None:
        results = self.outputs(self.seeded().eval(), *self.inputs(2, size))
        assert [tuple(r.shape) for r in results] == self.shapes(2, size)
        assert all(r.isfinite().all() for r in results)

    def test_every_parameter_gets_a_gradient(self) -> None:
        network = self.seeded().train()
        weighted = [r * torch.randn_like(r) for r in self.outputs(network, *self.inputs(2, (64, 64)))]
        torch.stack([w.sum() for w in weighted]).sum().backward()
        without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
        assert without == []

    def test_state_dict_is_all_there_is(self) -> None:
        first, second = self.seeded(1).eval(), self.seeded(2).eval()
        inputs = self.inputs(1, (32, 40))
        assert not same(self.outputs(first, *inputs), self.outputs(second, *inputs), 1e-6)
        second.load_state_dict(copy.deepcopy(first.state_dict()))
        assert same(self.outputs(first, *inputs), self.outputs(second, *inputs), 0)

    def test_an_image_does_not_see_its_batch(self) -> None:
        network = self.seeded().eval()
        inputs = self.inputs(3, (33, 48))
        with torch.no_grad():
            together = [r[1:2] for r in self.outputs(network, *inputs)]
            alone = self.outputs(network, *(i[1:2] for i in inputs))
        assert same(together, alone, ABSOLUTE[torch.float32])

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
    def test_dtypes_agree_with_float64(self, dtype: torch.dtype) -> None:
        network = self.seeded().eval()
        inputs = self.inputs(1, (32, 48))
        with torch.no_grad():
            exact = self.outputs(copy.deepcopy(network).double(), *(i.double() for i in inputs))
            results = self.outputs(network.to(dtype), *(i.to(dtype) for i in inputs))
        assert all(r.dtype == dtype and e.dtype == torch.float64 for r, e in zip(results, exact, strict=True))
        assert all(r.isfinite().all() for r in results)
        if dtype == torch.float32 or self.bfloat16_close:
            assert same([r.double() for r in results], exact, ABSOLUTE[dtype], relative=ABSOLUTE[dtype])

    def test_autocast_trains(self) -> None:
        network = self.seeded().train()
        with torch.autocast("cpu", torch.bfloat16):
            results = self.outputs(network, *self.inputs(2, (64, 64)))
        torch.stack([r.float().square().mean() for r in results]).sum().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def same(first: Iterable[Tensor], second: Iterable[Tensor], absolute: float, relative: float = 0) -> bool:
    """Whether all tensors are equal up to a tolerance."""
    return all(torch.allclose(a, b, rtol=relative, atol=absolute) for a, b in zip(first, second, strict=True))


def random(seed: int, *shape: int) -> Tensor:
    """Uniform in [0, 1], the same on every call."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))
