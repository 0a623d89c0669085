"""When to record: windows by the clock or by the sun, each with its interval and quota."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, tzinfo

from segmif.checks import InputError
from segmif.rig.record.sun import solar_elevation

Place = tuple[float, float]
"""Latitude and longitude in degrees, north and east positive."""

SUN_WINDOWS = {"day": (6.0, 90.0), "dusk": (-6.0, 6.0), "night": (-90.0, -6.0)}
"""Elevation of the sun in degrees: from and below. Dusk is dawn too; −6° is the end of civil twilight."""

_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_WINDOW = re.compile(
    r"(?P<name>[A-Za-z][\w-]*)(?:\s+(?P<start>\d{1,2}:\d{2})-(?P<end>\d{1,2}:\d{2}))?"
    r"(?:\s+every\s+(?P<every>[\d.]+\s*\w+))?(?:\s+max\s+(?P<quota>\d+))?"
)
_GRAMMAR = "write NAME [HH:MM-HH:MM] [every 10s] [max 500], windows separated by commas"


@dataclass(frozen=True, kw_only=True)
class Window:
    """One kind of time.

    Attributes:
        name: ``day``, ``dusk``, ``night``, or any name where clock times are given.
        start, end: local times; None where the sun decides. A window may pass midnight.
        every: seconds between pairs; None takes every pair.
        quota: pairs in all; None for no limit.
    """

    name: str
    start: time | None = None
    end: time | None = None
    every: float | None = None
    quota: int | None = None

    def holds(self, utc: float, place: Place | None, zone: tzinfo | None) -> bool:
        """Whether a moment, in seconds since 1970, lies in it."""
        if self.start is not None and self.end is not None:
            now = datetime.fromtimestamp(utc, UTC).astimezone(zone).time()
            if self.start <= self.end:
                return self.start <= now < self.end
            return now >= self.start or now < self.end
        assert place is not None
        low, high = SUN_WINDOWS[self.name]
        return low <= solar_elevation(utc, *place) < high


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Windows in order of preference.

    Attributes:
        windows: at least one.
        place: of the rig; needed where the sun decides.
        zone: of the clock times; None for this computer's.
    """

    windows: tuple[Window, ...]
    place: Place | None = None
    zone: tzinfo | None = None

    def __post_init__(self) -> None:
        for window in self.windows:
            if window.start is None and window.name not in SUN_WINDOWS:
                raise InputError(
                    f"window {window.name!r} has no times: give them as in '{window.name} 07:00-09:00', or call it "
                    f"{', '.join(SUN_WINDOWS)} to let the sun decide"
                )
            if window.start is None and self.place is None:
                raise InputError(
                    f"window {window.name!r} needs to know where the sun stands: give --place LATITUDE,LONGITUDE, "
                    f"or times as in '{window.name} 07:00-09:00'"
                )
        names = [window.name for window in self.windows]
        if len(set(names)) < len(names):
            raise InputError(f"the schedule names a window twice ({', '.join(names)}); give each a name of its own")

    def window(self, utc: float) -> Window | None:
        """The first window that holds a moment (seconds since 1970)."""
        return next((w for w in self.windows if w.holds(utc, self.place, self.zone)), None)

    def next_window(self, utc: float) -> tuple[float, Window] | None:
        """The next moment, to the minute and within two days, that lies in a window; and the window."""
        for minute in range(2 * 24 * 60):
            moment = utc + 60 * minute
            window = self.window(moment)
            if window is not None:
                return moment, window
        return None

    def finished(self, counts: dict[str, int]) -> bool:
        """Whether every window has its quota, given how many pairs each has."""
        return all(w.quota is not None and counts.get(w.name, 0) >= w.quota for w in self.windows)

    def local(self, utc: float) -> str:
        """A moment as local date and time to the minute."""
        return datetime.fromtimestamp(utc, UTC).astimezone(self.zone).strftime("%Y-%m-%d %H:%M")


def parse_schedule(text: str, *, place: Place | None = None, zone: tzinfo | None = None) -> Schedule:
    """A schedule from words.

    Raises:
        InputError: it does not follow the grammar.

    >>> parse_schedule("rush 07:00-09:00 every 10s max 500").windows[0].every
    10.0
    """
    windows = []
    for part in text.split(","):
        match = _WINDOW.fullmatch(part.strip())
        if match is None:
            raise InputError(f"schedule: cannot read {part.strip()!r}; {_GRAMMAR}")
        every, quota = match["every"], match["quota"]
        windows.append(
            Window(
                name=match["name"],
                start=_clock(match["start"]) if match["start"] else None,
                end=_clock(match["end"]) if match["end"] else None,
                every=parse_seconds(every) if every else None,
                quota=int(quota) if quota else None,
            )
        )
    return Schedule(windows=tuple(windows), place=place, zone=zone)


def _clock(text: str) -> time:
    hours, minutes = map(int, text.split(":"))
    if (hours, minutes) == (24, 0):
        return time(0, 0)
    if hours > 23 or minutes > 59:
        raise InputError(f"schedule: {text} is no time of day; write 07:30 or 19:00")
    return time(hours, minutes)


def parse_seconds(text: str) -> float:
    """Seconds from ``"90"``, ``"500ms"``, ``"10 s"``, ``"1.5min"`` or ``"2h"``.

    Raises:
        InputError: it is no length of time above 0.

    >>> parse_seconds("1.5min")
    90.0
    """
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*([a-z]*)", text.strip())
    unit = match[2] or "s" if match else ""
    if match is None or unit not in _UNITS or float(match[1]) <= 0:
        raise InputError(f"{text!r} is no length of time; write 500ms, 10s, 2min or 8h")
    return float(match[1]) * _UNITS[unit]


_BYTES = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def parse_bytes(text: str) -> int:
    """Bytes from ``"20GB"``, ``"500 MB"``, ``"1.5TiB"`` or a plain number.

    Raises:
        InputError: it is no amount.

    >>> parse_bytes("1.5GB")
    1500000000
    """
    match = re.fullmatch(r"(\d+\.?\d*)\s*([kmgt]?i?)b?", text.strip().lower())
    if match is None or match[2] not in _BYTES:
        raise InputError(f"{text!r} is no amount of disk; write 500MB, 20GB or 1TB")
    return int(float(match[1]) * _BYTES[match[2]])


def parse_place(text: str) -> Place:
    """Latitude and longitude from ``"52.52,13.40"``.

    Raises:
        InputError: they are no two degrees.
    """
    try:
        latitude, longitude = (float(part) for part in text.split(","))
    except ValueError:
        latitude, longitude = float("nan"), 0.0
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise InputError(f"{text!r} is no place; write latitude,longitude in degrees, as in 52.52,13.40")
    return latitude, longitude
