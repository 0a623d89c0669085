"""How much the fusion and the segmentation loss count in the joint training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from segmif.checks import InputError

SEGMENTATION_FACTOR = 0.8
"""Factor of the segmentation loss in the joint rounds (SegMiF, ICCV 2023)."""


def fusion_factor(round_index: int) -> float:
    """0.4 / k: the factor of `fusion_loss` in round k = 2, 3, ...; fusion counts less from round to round.

    >>> fusion_factor(2)
    0.2
    """
    if round_index < 1:
        raise InputError(f"round_index is {round_index}: rounds are counted from 1")
    return 0.4 / round_index


class DynamicTaskWeights:
    """Weights that favour the task whose loss falls more slowly (dynamic weight average, Liu et al., CVPR 2019).

    (w_f, w_s) = 2 · softmax(r / T), r_i = L_i(t−1) / L_i(t−2). They add to 2 and are (1, 1) until two steps are known.
    With the temperature T = 1000 of SegMiF both stay near 1; T = 2 is the value of Liu et al.

    Call `update` with the unweighted losses of each step; what it returns (and `weights` holds) is for the next one.
    A step with a NaN or infinite loss is left out; a ratio over a loss of zero counts as 1, "no change".

    >>> weigh = DynamicTaskWeights(temperature=2)
    >>> weigh.update(fusion=1.0, segmentation=1.0)
    (1.0, 1.0)
    >>> fusion, segmentation = weigh.update(fusion=1.0, segmentation=0.5)
    >>> round(fusion, 3), round(segmentation, 3)
    (1.124, 0.876)
    """

    def __init__(self, temperature: float = 1000.0) -> None:
        if not (temperature > 0 and math.isfinite(temperature)):
            raise InputError(f"temperature is {temperature}: it must be a positive number, such as 1000")
        self.temperature = float(temperature)
        self._history: list[tuple[float, float]] = []

    @property
    def weights(self) -> tuple[float, float]:
        """(w_f, w_s) for the coming step."""
        if len(self._history) < 2:
            return 1.0, 1.0
        before, last = self._history
        difference = (_ratio(last[1], before[1]) - _ratio(last[0], before[0])) / self.temperature
        # softmax of two numbers is a logistic function of their difference; tanh form: cannot overflow
        tilt = math.tanh(difference / 2)
        return 1.0 - tilt, 1.0 + tilt

    def update(self, *, fusion: float | Tensor, segmentation: float | Tensor) -> tuple[float, float]:
        """Record the losses of one step (numbers or scalar tensors) and return the weights for the next."""
        losses = (float(fusion), float(segmentation))
        if all(map(math.isfinite, losses)):
            self._history = [*self._history[-1:], losses]
        return self.weights

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers from which `load_state_dict` goes on exactly."""
        return {"temperature": self.temperature, "history": [list(losses) for losses in self._history]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`, its temperature included."""
        self.temperature = float(state["temperature"])
        self._history = [(float(fusion), float(segmentation)) for fusion, segmentation in state["history"]]


def _ratio(last: float, before: float) -> float:
    if before <= 0:
        return 1.0
    ratio = last / before
    return ratio if math.isfinite(ratio) else 1.0
