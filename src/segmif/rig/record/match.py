"""Which frames belong together, and where frames were lost on the way."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from segmif.io import Band
from segmif.rig.record.frames import BANDS, Frame

_MOST_WAITING = 64
_LEARNING = 9


@dataclass(frozen=True, kw_only=True, eq=False)
class Match:
    """Two frames and their times on the common clock, in seconds."""

    infrared: Frame
    visible: Frame
    infrared_time: float
    visible_time: float

    @property
    def difference(self) -> float:
        """Infrared minus visible time."""
        return self.infrared_time - self.visible_time

    @property
    def utc(self) -> float | None:
        """When the visible frame was taken, in seconds since 1970."""
        frame = self.visible
        return None if frame.utc is None else frame.utc + (self.visible_time - frame.host)


class Matcher:
    """Pairs frames that are each other's nearest in time and not farther apart than `tolerance` seconds.

    Frames go in by `push`, of each band in order of time, and are used at most once. A pair comes out as soon as no
    later frame could fit better, that is after one more frame of the earlier camera.
    """

    def __init__(self, tolerance: float) -> None:
        self.tolerance = tolerance
        self.unmatched: dict[Band, int] = dict.fromkeys(BANDS, 0)
        self.nearest_miss = float("inf")
        """Smallest distance in time, in seconds, of two frames that were not paired because of it."""
        self._waiting: dict[Band, deque[tuple[float, Frame]]] = {band: deque() for band in BANDS}

    def push(self, band: Band, time: float, frame: Frame) -> list[Match]:
        """Take a frame; the pairs that are now certain."""
        waiting = self._waiting[band]
        if waiting and time <= waiting[-1][0]:  # a correction of the clock may fold time by less than a frame
            self.unmatched[band] += 1
            return []
        waiting.append((time, frame))
        if len(waiting) > _MOST_WAITING:
            self._leave(band)
        return self._drain(final=False)

    def flush(self) -> list[Match]:
        """The last pairs, when nothing more will come; what is left over is unmatched."""
        found = self._drain(final=True)
        for band in BANDS:
            while self._waiting[band]:
                self._leave(band)
        return found

    def _leave(self, band: Band) -> None:
        self._waiting[band].popleft()
        self.unmatched[band] += 1

    def _drain(self, *, final: bool) -> list[Match]:
        found = []
        infrared, visible = self._waiting["infrared"], self._waiting["visible"]
        while infrared and visible:
            early: Band = "infrared" if infrared[0][0] <= visible[0][0] else "visible"
            first, other = (infrared, visible) if early == "infrared" else (visible, infrared)
            gap = other[0][0] - first[0][0]
            if len(first) > 1 and abs(other[0][0] - first[1][0]) < gap:
                self._leave(early)
            elif gap > self.tolerance:
                self.nearest_miss = min(self.nearest_miss, gap)
                self._leave(early)
            elif len(first) > 1 or final:
                times = infrared[0][0], visible[0][0]
                pair = infrared.popleft()[1], visible.popleft()[1]
                found.append(Match(infrared=pair[0], visible=pair[1], infrared_time=times[0], visible_time=times[1]))
            else:
                break
        return found


@dataclass
class DropCounter:
    """Counts frames a camera has lost: by its frame counter, or else by gaps in its rhythm.

    The rhythm is followed by a phase-locked loop, so that jitter below half a period is not taken for a loss.

    Attributes:
        received: frames that came.
        missing: frames that did not.
        period: seconds between frames; None before it is known.
    """

    received: int = 0
    missing: int = 0
    period: float | None = None
    _number: int | None = None
    _expected: float = 0.0
    _first: list[float] = field(default_factory=list)

    def add(self, time: float, number: int | None) -> int:
        """Take a frame's time in seconds and counter; how many are missing before it, as far as known now."""
        self.received += 1
        before = self.missing
        self._follow(time, count=number is None)
        if number is not None:
            if self._number is not None and 1 < number - self._number < 100_000:
                self.missing += number - self._number - 1
            self._number = number
        return self.missing - before

    def reset(self) -> None:
        """The rhythm starts anew, as after a reconnection; the counts stay."""
        self.period, self._number = None, None
        self._first = []

    def _follow(self, time: float, *, count: bool) -> None:
        if self.period is not None:
            self._step(time, count=count)
            return
        self._first.append(time)
        if len(self._first) < _LEARNING:
            return
        self.period = max(1e-6, float(np.median(np.diff(self._first))))
        self._expected = self._first[0]
        for early in self._first[1:]:
            self._step(early, count=count)

    def _step(self, time: float, *, count: bool) -> None:
        assert self.period is not None
        steps = max(1, round((time - self._expected) / self.period))
        error = time - self._expected - steps * self.period
        self._expected += steps * self.period + 0.15 * error
        self.period = max(1e-6, self.period + 0.01 * error / steps)
        self.missing += (steps - 1) * count

    @property
    def rate(self) -> float | None:
        """Frames per second, lost ones included."""
        return None if self.period is None else 1 / self.period
