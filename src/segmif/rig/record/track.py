"""What the recorder knows of one camera: its clock, its motion, its losses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from segmif.io import Array
from segmif.rig.record.clock import DeviceClock
from segmif.rig.record.frames import Frame
from segmif.rig.record.match import DropCounter
from segmif.rig.record.motion import Energy, MotionTrace


@dataclass
class Track:
    """One camera over the recording.

    Attributes:
        name: of the camera.
        drops: frames received and missing, and the rate.
        overflow: frames thrown away because they were not taken in time.
        unmatched: frames without a partner near enough in time.
        lost: how often the camera was lost.
    """

    name: str
    drops: DropCounter = field(default_factory=DropCounter)
    overflow: int = 0
    unmatched: int = 0
    lost: int = 0
    clock: DeviceClock = field(default_factory=DeviceClock)
    motion: MotionTrace = field(default_factory=MotionTrace)
    first: float | None = None
    last: float | None = None
    has_clock: bool = False
    _learnt: float = -np.inf
    """Stamps up to this one have been learnt from before."""
    _stamp: float = -np.inf

    def take(self, frame: Frame, overflow: int = 0) -> float:
        """Learn from a frame; its time on this computer's clock, in seconds."""
        self.overflow += overflow
        time, new = frame.host, frame.stamp > self._learnt
        if frame.device is not None:
            if new and self.clock.add(frame.device, frame.host):
                self.forget()
            time = self.clock.to_host(frame.device)
            self.has_clock = True
        missing = self.drops.add(time, frame.number)
        self.drops.missing -= min(overflow, missing)  # they were lost here, not by the camera
        if new:
            self.motion.add(frame.stamp, frame.image)
        self.first = time if self.first is None else self.first
        self.last, self._stamp = time, frame.stamp
        return time

    def forget(self) -> None:
        """The camera's clock starts anew: motion and rhythm from before are void."""
        self.motion.clear()
        self.drops.reset()

    def rewind(self) -> None:
        """The same frames come again: clock and motion are known up to here, accounts start anew."""
        self._learnt = self._stamp
        self.drops, self.overflow, self.first, self.last = DropCounter(), 0, None, None

    def energy(self) -> Energy:
        """The motion energy on this computer's clock."""
        start, end, value = self.motion.series()
        if self.has_clock and len(start):
            start, end = self.clock.many_to_host(start), self.clock.many_to_host(end)
        return Energy(start=start, end=end, value=value)

    def facts(self) -> dict[str, Any]:
        """The account of this camera, for the recording's description."""
        rate = self.drops.rate
        known = self.has_clock and np.isfinite(self.clock.drift_sd)
        return {
            "name": self.name,
            "received": self.drops.received,
            "missing": self.drops.missing,
            "overflow": self.overflow,
            "unmatched": self.unmatched,
            "rate": None if rate is None else round(rate, 3),
            "times_lost": self.lost,
            "own_clock": self.has_clock,
            "clock_drift_ppm": round(-1e6 * self.clock.drift, 2) if known else None,
            "clock_drift_sd_ppm": round(1e6 * self.clock.drift_sd, 2) if known else None,
        }


def grey_if_grey(image: Array) -> Array:
    """Thermal cameras on USB often send grey as colour; three equal channels become one."""
    if (
        image.ndim == 3
        and np.array_equal(image[..., 0], image[..., 1])
        and np.array_equal(image[..., 1], image[..., 2])
    ):
        return np.ascontiguousarray(image[..., 0])
    return image
