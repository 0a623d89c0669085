"""The offset between two cameras' clocks, from what moves: both bands see the same motion at the same moment.

Each band's motion energy is the mean absolute difference of successive frames per second, at the middle between them.
The two energies rise and fall together whatever the bands show, so their cross-correlation peaks at the offset of the
clocks; a Newton step on it gives offset and drift to a fraction of a frame, with their uncertainty.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from segmif.io import Array

Floats = npt.NDArray[np.float64]

_LONG_SIDE = 80
_LEAST_SECONDS = 4.0
_LEAST_FRAMES = 24
_TREND_SECONDS = 2.0
_LEAST_SIGNIFICANCE = 6.0
_RIVAL = 0.75
_DRIFT_PRIOR = 100e-6
_BLOCK_SECONDS = 1.0
_NEWTON_STEPS = 8
_GRID_PER_FRAME = 3


@dataclass(frozen=True, kw_only=True)
class ClockOffset:
    """How much the infrared clock is ahead: offset + drift · (t − at), in seconds; t is infrared time.

    Attributes:
        offset, offset_sd: seconds at time `at`, and their standard deviation.
        drift, drift_sd: seconds per second.
        correlation: of the two motion energies at the offset, −1..1; 0 where motion was not used.
        significance: the correlation in units of what chance would give (Fisher's z).
        seconds: how long both cameras were watched.
        origin: ``"motion"``, ``"stamps"`` (the time stamps are believed) or ``"given"``.
    """

    offset: float = 0.0
    drift: float = 0.0
    at: float = 0.0
    offset_sd: float = float("inf")
    drift_sd: float = float("inf")
    correlation: float = 0.0
    significance: float = 0.0
    seconds: float = 0.0
    origin: str = "stamps"

    def ahead(self, time: float) -> float:
        """Seconds to subtract from the infrared time `time`."""
        return self.offset + self.drift * (time - self.at)

    def sd(self, time: float) -> float:
        """Standard deviation of `ahead(time)`."""
        drift = 0.0 if time == self.at else self.drift_sd * (time - self.at)
        return float(np.hypot(self.offset_sd, drift))

    def __str__(self) -> str:
        if self.origin != "motion":
            return f"{1000 * self.offset:+.1f} ms ({self.origin})"
        return (
            f"{1000 * self.offset:+.1f} ± {1000 * self.offset_sd:.1f} ms, "
            f"drift {1e6 * self.drift:+.0f} ± {1e6 * self.drift_sd:.0f} ppm"
        )


class MotionTrace:
    """Motion energy of one camera, frame by frame.

    The energy of a frame is the mean of |D − median D| with D the difference to the frame before, over the spread of
    the picture: steps of gain and the flicker of lamps move all pixels alike and leave it.

    Args:
        seconds: how long is remembered.
    """

    def __init__(self, seconds: float = 300.0) -> None:
        self.seconds = seconds
        self._before: Floats | None = None
        self._stamp = 0.0
        self._entries: deque[tuple[float, float, float]] = deque()

    def add(self, stamp: float, image: Array) -> None:
        """Take a frame with its time in seconds of any clock; frames go in by order of time."""
        small = _small(image)
        before, self._before = self._before, small
        earlier, self._stamp = self._stamp, stamp
        if before is None or before.shape != small.shape or stamp <= earlier:
            return
        change = small - before
        spread = float(small.std()) + 1e-3 * float(np.abs(small).mean()) + 1e-9
        energy = float(np.abs(change - np.median(change)).mean()) / spread
        self._entries.append((earlier, stamp, energy))
        while self._entries and self._entries[0][0] < stamp - self.seconds:
            self._entries.popleft()

    def clear(self) -> None:
        """Forget everything: the clock of the stamps has jumped."""
        self._before = None
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def series(self) -> tuple[Floats, Floats, Floats]:
        """Stamps before, stamps after, energies: (N,) each."""
        table = np.array(self._entries, dtype=np.float64).reshape(-1, 3)
        return table[:, 0], table[:, 1], table[:, 2]


def _small(image: Array) -> Floats:
    grey = image if image.ndim == 2 else image[..., 1]
    scale = _LONG_SIDE / max(grey.shape)
    size = max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale))
    resized = cv2.resize(grey, size, interpolation=cv2.INTER_AREA) if scale < 1 else grey
    return np.asarray(resized, np.float64)


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Motion energy over time: `start` and `end` of the intervals between frames in seconds, `value` (N,) each."""

    start: Floats
    end: Floats
    value: Floats

    @property
    def middle(self) -> Floats:
        """Times the energies stand for."""
        return (self.start + self.end) / 2

    @property
    def period(self) -> float:
        """Median time between frames."""
        return float(np.median(self.end - self.start))


def estimate_offset(infrared: Energy, visible: Energy, *, max_offset: float, about: float = 0.0) -> ClockOffset | str:
    """Offset and drift of the infrared clock against the visible one.

    Args:
        infrared, visible: motion energies, each on its own clock.
        max_offset: largest offset looked for, in seconds, to both sides of `about`.
        about: what the offset is thought to be.

    Returns:
        The estimate, or one line that says why motion does not tell it.
    """
    if min(len(infrared.value), len(visible.value)) < _LEAST_FRAMES:
        return "too few frames"
    signals = _common_grid(infrared, visible, about)
    if signals is None:
        return "the two times hardly overlap"
    step, first, ir, vis = signals
    lags = min(round(max_offset / step), len(vis) // 2)
    correlation = _correlate(ir, vis, lags)
    best = int(np.argmax(correlation))
    significance = _significance(float(correlation[best]), ir, vis, lags)
    if significance < _LEAST_SIGNIFICANCE:
        return f"too little motion in common (significance {significance:.1f}, needs {_LEAST_SIGNIFICANCE:g})"
    if best in (0, len(correlation) - 1):
        return f"the offset seems to be above {max_offset:g} s"
    if _rival(correlation, best) > _RIVAL * correlation[best]:
        return "the motion repeats itself, so that several offsets fit alike"
    refined = _refine(step, ir, vis, (best - lags) * step)
    if refined is None:
        return "the motion is too slow to tell the offset"
    offset, drift, offset_sd, drift_sd = refined
    middle = first + step * (len(vis) - 1) / 2
    ahead = float(about + offset)
    return ClockOffset(
        offset=ahead, drift=drift, at=float(middle) + ahead, offset_sd=offset_sd, drift_sd=drift_sd,
        correlation=float(correlation[best]), significance=significance, seconds=step * len(vis), origin="motion",
    )  # fmt: skip


def _common_grid(infrared: Energy, visible: Energy, about: float) -> tuple[float, float, Floats, Floats] | None:
    """Step, first time, and both energies even in time: compressed, without trend, of mean 0 and variance 1."""
    moved = infrared.middle - about
    first, last = max(moved[0], visible.middle[0]), min(moved[-1], visible.middle[-1])
    if last - first < _LEAST_SECONDS:
        return None
    slow = max(infrared.period, visible.period)
    step = min(infrared.period, visible.period) / _GRID_PER_FRAME
    grid = np.arange(first, last, step)
    both = []
    for energy, times in ((infrared, moved), (visible, visible.middle)):
        rate = energy.value / np.maximum(energy.end - energy.start, 1e-6)
        level = np.log(rate + 0.3 * np.median(rate) + 1e-12)
        even = gaussian_filter1d(np.interp(grid, times, level), 0.6 * slow / step)
        even -= gaussian_filter1d(even, _TREND_SECONDS / step)
        both.append((even - even.mean()) / (even.std() + 1e-12))
    return step, first, both[0], both[1]


def _correlate(ir: Floats, vis: Floats, lags: int) -> Floats:
    """Correlation of vis(t) with ir(t + lag), lag = −lags..lags grid steps (2 · lags + 1,)."""
    length = 1 << (len(ir) + lags).bit_length()
    product = np.fft.irfft(np.fft.rfft(ir, length) * np.conj(np.fft.rfft(vis, length)), length)
    overlap = len(ir) - np.abs(np.arange(-lags, lags + 1))
    return np.asarray(np.concatenate([product[-lags:], product[: lags + 1]]) / overlap)


def _significance(correlation: float, ir: Floats, vis: Floats, lags: int) -> float:
    """Fisher's z, atanh(ρ) √(n − 3), with Bartlett's effective number of samples n = N / Σ ρ_ir ρ_vis."""
    both = _correlate(ir, ir, lags) * _correlate(vis, vis, lags)
    effective = len(vis) / max(1.0, float(both.sum()))
    return float(np.arctanh(np.clip(correlation, -0.999, 0.999)) * np.sqrt(max(0.0, effective - 3)))


def _rival(correlation: Floats, best: int) -> float:
    """The highest correlation outside the main peak, whose feet are the zeros or lowest points beside it."""
    left, right = best, best
    while left > 0 and correlation[left] > 0:
        left -= 1
    while right < len(correlation) - 1 and correlation[right] > 0:
        right += 1
    outside = np.concatenate([correlation[:left], correlation[right + 1 :]])
    return float(outside.max(initial=0.0))


def _refine(step: float, ir: Floats, vis: Floats, offset: float) -> tuple[float, float, float, float] | None:
    """Newton's steps on Σ vis(t) · ir(t + offset + drift · t), t from the middle; (offset, drift, their deviations).

    The score is g = Σ r ir′ z with r = vis − α ir and z = (1, t), the curvature A = Σ vis′ ir′ z zᵀ, to which noise
    in the energies adds nothing; the covariance is the sandwich A⁻¹ B A⁻¹, B from the scores of blocks of a second,
    since neighbouring errors go together. Drift has the prior 0 ± 100 ppm.
    """
    time = step * (np.arange(len(vis)) - (len(vis) - 1) / 2)
    z = np.stack([np.ones_like(time), time])
    slope_ir, slope_vis = np.gradient(ir, step), np.gradient(vis, step)
    theta = np.array([offset, 0.0])
    prior = np.diag([0.0, _DRIFT_PRIOR**-2])
    for _ in range(_NEWTON_STEPS):
        when = time + z.T @ theta
        inside = (when >= time[0]) & (when <= time[-1])
        if inside.sum() * step < _LEAST_SECONDS:
            return None
        moved, slope = np.interp(when, time, ir), np.interp(when, time, slope_ir) * inside
        gain = float((vis * moved * inside).sum() / (moved**2 * inside).sum())
        scores = (vis - gain * moved) * slope * z
        curvature = (slope_vis * slope * z) @ z.T
        if np.linalg.eigvalsh(curvature)[0] <= 0:
            return None
        inverse = np.linalg.inv(curvature)
        covariance = inverse @ _block_sums(scores, step) @ inverse.T
        information = np.linalg.inv(covariance)
        measured = theta + inverse @ scores.sum(axis=1)
        posterior = np.linalg.inv(information + prior)
        moved_to = posterior @ information @ measured
        done = bool(abs(moved_to - theta)[0] < 1e-6)
        theta = moved_to
        if done:
            break
    return float(theta[0]), float(theta[1]), float(np.sqrt(posterior[0, 0])), float(np.sqrt(posterior[1, 1]))


def _block_sums(scores: Floats, step: float) -> Floats:
    """Covariance (2, 2) of the sum of scores (2, N), from sums over blocks that hardly depend on one another."""
    length = max(1, round(_BLOCK_SECONDS / step))
    count = scores.shape[1] // length
    blocks = scores[:, : count * length].reshape(2, count, length).sum(axis=2)
    return np.asarray(blocks @ blocks.T * (scores.shape[1] / (count * length)))
