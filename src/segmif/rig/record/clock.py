"""From a camera's own time stamps to the computer's clock, by the frames that came with the least delay.

A frame taken at device time x arrives at host time y = c + (1 + s) x + latency + jitter, with jitter ≥ 0. The smallest
y − x of each second lies on the line c' + s x but for little; c' (with the least latency in it) and the drift s are its
fit. What is left, the difference of the two cameras' least latencies, only motion tells (`segmif.rig.record.motion`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_WINDOW = 1.0
_WINDOWS = 600
_LEAST_WINDOWS = 4
_DRIFT_PRIOR = 200e-6
"""Crystals are off by less; holds the line down while there are few seconds of it."""
_LEAST_SPREAD = 50e-6
_JUMP = 0.25


class DeviceClock:
    """Maps stamps of one camera to host time and learns as frames come.

    Attributes:
        drift: seconds per second by which host time runs faster than the camera's stamps.
        drift_sd: its standard deviation; infinite before there is enough to tell.
        restarts: how often the camera's clock jumped, as after a reconnection.
    """

    def __init__(self) -> None:
        self.restarts = 0
        self._restart()

    def _restart(self) -> None:
        self.drift, self.drift_sd = 0.0, float("inf")
        self._points: list[tuple[float, float]] = []
        self._origin: float | None = None
        self._delay = 0.0
        self._window = 0
        self._last = -float("inf")

    def add(self, device: float, host: float) -> bool:
        """Learn from a frame; True if the camera's clock has jumped and everything before it is void."""
        jumped = self._origin is not None and (device <= self._last or host - device < self._delay_at(device) - _JUMP)
        if jumped:
            self._restart()
            self.restarts += 1
        if self._origin is None:
            self._origin, self._delay = device, host - device
        self._last = device
        window = int((device - self._origin) // _WINDOW)
        point = (device, host - device)
        if self._points and window == self._window:
            if point[1] < self._points[-1][1]:
                self._points[-1] = point
        else:
            self._window = window
            self._fit()
            self._points = [*self._points, point][-_WINDOWS:]
        if len(self._points) <= _LEAST_WINDOWS:
            self._delay = min(delay for _, delay in self._points)
        return jumped

    def _fit(self) -> None:
        """Least squares through the windows' least delays, with the prior that drift is small."""
        if len(self._points) < _LEAST_WINDOWS:
            return
        device, delay = np.array(self._points).T
        x, mean = device - device.mean(), delay.mean()
        slope = float(x @ (delay - mean) / (x @ x))
        spread = max(_LEAST_SPREAD, float(np.std(delay - mean - slope * x)))
        information = float(x @ x) / spread**2
        self.drift_sd = float((information + _DRIFT_PRIOR**-2) ** -0.5)
        self.drift = slope * information * self.drift_sd**2
        assert self._origin is not None
        self._delay = float(mean + self.drift * (self._origin - device.mean()))

    def _delay_at(self, device: float) -> float:
        assert self._origin is not None
        return self._delay + self.drift * (device - self._origin)

    def to_host(self, device: float) -> float:
        """Host time of a stamp, as if the frame had come with the least delay."""
        return device + self._delay_at(device)

    def many_to_host(self, devices: Floats) -> Floats:
        """Host times of many stamps (N,)."""
        assert self._origin is not None
        return np.asarray(devices + self._delay + self.drift * (devices - self._origin))
