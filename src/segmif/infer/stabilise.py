"""Steadier labels of a video: class probabilities smoothed over time wherever the input stands still.

K classes, h, w size of the network's map of classes (a quarter of the picture's).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from segmif.color import luma
from segmif.infer.inputs import PreparedPair, resample

_USUAL_PERIOD = 1 / 25
_LONGEST_GAP = 1.0
"""Seconds after which nothing is remembered."""
_EXPOSURE = 0.05
"""The largest change of the whole picture's brightness that is taken for the camera's exposure."""
_LEAST = 1e-12


class Stabiliser:
    """Smooths the class probabilities p of the frames of one video, in their order; a new one for each video.

    Let x be the infrared picture and the visible one's luma, each averaged over the cells of the map of classes. The
    probabilities s in use and the pictures m they belong to are remembered with the same weights:

        d_t = greatest of |x_t − m_{t−1} − e_t| over both pictures and the 3 × 3 neighbourhood
        k_t = exp(−Δt / time_constant) · clip((moving − d_t) / (moving − still), 0, 1)
        s_t = k_t s_{t−1} + (1 − k_t) p_t,    m_t = k_t m_{t−1} + (1 − k_t) x_t

    e_t, the median of x_t − m_{t−1} over the picture, at most 0.05, is what the cameras' exposure has changed. Where
    the input differs by `moving` from what is remembered, k = 0 and the labels are those of the frame alone: objects
    that move draw no tail. Where the camera itself moves that is nearly everywhere, and nothing is smoothed.

    Args:
        time_constant: of the memory, in seconds.
        still: differences in 0..1 up to this one are noise.
        moving: differences from this one on are a change of the scene.
    """

    def __init__(self, *, time_constant: float = 0.3, still: float = 0.015, moving: float = 0.04) -> None:
        assert time_constant > 0
        assert 0 <= still < moving
        self.time_constant, self.still, self.moving = time_constant, still, moving
        self._chances: Tensor | None = None
        self._inputs: Tensor | None = None
        self._seconds = 0.0

    def __call__(self, pair: PreparedPair, logits: Tensor) -> Tensor:
        """Logits (K, h, w) of the next frame to logarithms of the smoothed probabilities (K, h, w)."""
        chances = logits.float().softmax(dim=0)
        size = (logits.shape[1], logits.shape[2])
        pictures = np.stack([resample(pair.infrared, size), luma(resample(pair.visible, size))])
        inputs = torch.from_numpy(pictures).to(logits.device)
        elapsed = self._elapsed(pair.seconds)
        if (
            self._chances is not None
            and self._inputs is not None
            and self._chances.shape == chances.shape
            and 0 <= elapsed <= _LONGEST_GAP
        ):
            keep = self._keep(inputs - self._inputs, elapsed)
            chances = torch.lerp(chances, self._chances, keep)
            inputs = torch.lerp(inputs, self._inputs, keep)
        self._chances, self._inputs = chances, inputs
        return chances.clamp_min(_LEAST).log()

    def _elapsed(self, seconds: float | None) -> float:
        if seconds is None:
            return _USUAL_PERIOD
        elapsed, self._seconds = seconds - self._seconds, seconds
        return elapsed

    def _keep(self, difference: Tensor, elapsed: float) -> Tensor:
        """(1, h, w): how much of the memory stays, from the (2, h, w) difference of the input to what it belongs to."""
        exposure = difference.flatten(1).median(dim=1).values.clamp(-_EXPOSURE, _EXPOSURE)
        change = (difference - exposure[:, None, None]).abs().amax(dim=0, keepdim=True)
        change = F.max_pool2d(change[None], 3, stride=1, padding=1)[0]
        stillness = ((self.moving - change) / (self.moving - self.still)).clamp(0, 1)
        return math.exp(-elapsed / self.time_constant) * stillness
