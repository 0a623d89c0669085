"""How to record, how it goes, how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from segmif.checks import InputError
from segmif.io import Array
from segmif.rig.record.motion import ClockOffset
from segmif.rig.record.schedule import Schedule
from segmif.rig.record.track import Track
from segmif.rig.record.writer import Budget, Formats, megabytes

ClockChoice = Literal["auto", "stamps", "motion"]


@dataclass(frozen=True, kw_only=True)
class RecordConfig:
    """How to record; times in seconds.

    Attributes:
        tolerance: largest distance in time of the two frames of a pair.
        rate: pairs per second, None for every pair; a window's own interval comes first.
        duration: ends the recording after so long; `pairs` after so many, earlier runs included.
        schedule: when to record; None for always.
        clock: ``auto`` corrects the time stamps by motion where motion tells the offset; ``stamps`` believes them;
            ``motion`` refuses to record without.
        sync: how long motion is watched before the first pair.
        max_offset: largest clock offset looked for.
        offset: by how much the infrared clock is known to be ahead; None if it is not known.
        reconnect: open a lost camera again rather than end.
        stall: a camera that sends nothing for so long is lost.
    """

    tolerance: float = 0.020
    rate: float | None = None
    duration: float | None = None
    pairs: int | None = None
    schedule: Schedule | None = None
    formats: Formats = field(default_factory=Formats)
    budget: Budget = field(default_factory=Budget)
    clock: ClockChoice = "auto"
    sync: float = 10.0
    max_offset: float = 5.0
    offset: float | None = None
    resume: bool = False
    reconnect: bool = False
    stall: float = 5.0

    def __post_init__(self) -> None:
        for name, unit in (("tolerance", 1000), ("rate", 1), ("duration", 1), ("stall", 1), ("max_offset", 1)):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{name.replace('_', ' ')} is {value * unit:g}: must be above 0")


@dataclass(frozen=True, kw_only=True)
class Status:
    """How the recording goes, twice a second.

    Attributes:
        pairs: written, by earlier runs too; `seconds`: since the first frame; `rate`: pairs per second of this run.
        infrared, visible: accounts of the cameras.
        offset: of the clocks, as it is applied.
        left: bytes that may still be written.
        window: in which we are; None outside all, or without schedule.
        waiting: what we wait for, in words; None while recording.
    """

    pairs: int
    seconds: float
    rate: float
    infrared: Track
    visible: Track
    offset: ClockOffset
    left: int
    window: str | None
    waiting: str | None

    def line(self) -> str:
        """One line for people."""
        lost = [t.drops.missing + t.overflow for t in (self.infrared, self.visible)]
        rates = [f"{t.drops.rate:.1f}" if t.drops.rate else "?" for t in (self.infrared, self.visible)]
        parts = [
            f"{self.pairs} pairs",
            f"{self.rate:.1f}/s",
            f"fps {rates[0]} + {rates[1]}",
            f"drops {lost[0]} + {lost[1]}",
            f"offset {self.offset}",
            f"{megabytes(self.left)} left",
        ]
        if self.window:
            parts.append(self.window)
        if self.waiting:
            parts.append(self.waiting)
        return " | ".join(parts)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """How the recording ended: why, in one line; the exit code; pairs written by this run and in all."""

    reason: str
    code: int
    written: int
    pairs: int
    offset: ClockOffset
    infrared: Track
    visible: Track


class Viewer(Protocol):
    """Something that shows pairs as they are written."""

    def show(self, infrared: Array, visible: Array) -> None:
        """The newest pair."""
        ...

    def tell(self, line: str) -> None:
        """The newest progress line."""
        ...
