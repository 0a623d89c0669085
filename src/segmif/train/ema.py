"""The exponential moving average of the weights, which validates and is shipped instead of the raw weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class MovingAverage:
    """shadow ← d · shadow + (1 − d) · weight, d = min(decay, (1 + n) / (10 + n)) after n updates.

    The growing d lets the average forget the random start quickly. Buffers that are not floating (counters) are
    copied. `decay` 0 makes the average the weights themselves.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.shadow = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take one step towards the network's weights."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                self.shadow[name].lerp_(tensor.detach(), 1 - decay)
            else:
                self.shadow[name].copy_(tensor)

    @contextmanager
    def applied_to(self, network: nn.Module) -> Iterator[None]:
        """Inside the block the network has the averaged weights; afterwards its own again."""
        own = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
        network.load_state_dict(self.shadow)
        try:
            yield
        finally:
            network.load_state_dict(own)

    def state_dict(self) -> dict[str, Tensor | int | dict[str, Tensor]]:
        """For a checkpoint."""
        return {"updates": self.updates, "shadow": self.shadow}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Go on from a checkpoint."""
        updates, shadow = state["updates"], state["shadow"]
        assert isinstance(updates, int)
        assert isinstance(shadow, dict)
        self.updates = updates
        for name, tensor in shadow.items():
            self.shadow[name].copy_(tensor)
