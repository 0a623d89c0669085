"""What a camera gives: frames with times, from a source that may end, stall or die."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from segmif.io import Array, Band

BANDS: tuple[Band, Band] = ("infrared", "visible")


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """One picture and when it was taken.

    Attributes:
        image: uint8 or uint16, grey (H, W) or RGB (H, W, 3), as the camera sent it.
        host: when this computer had it, in seconds of its monotonic clock; the own time of recorded material.
        utc: the same moment in seconds since 1970; None where recorded material does not tell.
        device: the camera's own time stamp in seconds of its own clock, whose zero and rate are unknown to us.
        number: the camera's frame counter, which shows losses.
        exposure_ms, gain, temperature_c: of the sensor, where the camera tells.
    """

    image: Array
    host: float
    utc: float | None
    device: float | None = None
    number: int | None = None
    exposure_ms: float | None = None
    gain: float | None = None
    temperature_c: float | None = None

    @property
    def stamp(self) -> float:
        """The best time there is in its own clock: the camera's where it has one."""
        return self.host if self.device is None else self.device


class SourceLost(Exception):
    """A camera has stopped sending; the message says what happened, without the camera's name."""


class Source(ABC):
    """Frames of one camera, in order.

    Attributes:
        live: frames come in real time and are lost if not taken; otherwise they wait.
        name: what messages call it.
    """

    live = True
    name: str

    @abstractmethod
    def read(self) -> Frame | None:
        """The next frame, waiting for it; None at the end of recorded material.

        Raises:
            SourceLost: the camera is gone, or sends nothing in time.
        """

    def close(self) -> None:  # noqa: B027 (nothing to give back is a valid answer)
        """Give the camera back; it is not read again."""


Opener = Callable[[], Source]
"""Opens a source, from its beginning or its present; raises `InputError` where that is not possible."""


class HostClock:
    """The computer's clocks; tests bring their own."""

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()

    def utc(self) -> float:
        """Seconds since 1970."""
        return time.time()
