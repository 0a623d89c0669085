"""Where the rig was: NMEA 0183 sentences or gpsd's JSON, from a file, a serial line or a gpsd server."""

from __future__ import annotations

import bisect
import json
import os
import socket
import stat
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from segmif.checks import InputError

_STALE_SECONDS = 5.0
_KNOT = 1852 / 3600
_BAUDS = (4800, 9600, 19200, 38400, 57600, 115200)


@dataclass(frozen=True, kw_only=True)
class Fix:
    """A position: degrees, north and east positive; metres above sea level; metres per second; seconds since 1970."""

    latitude: float
    longitude: float
    altitude: float | None = None
    speed: float | None = None
    utc: float | None = None


class GpsParser:
    """Fixes from lines of NMEA 0183 (GGA, RMC) or gpsd JSON (TPV); other lines and damaged ones are passed over.

    RMC brings date and speed, GGA the altitude; a fix of either carries what the other told less than two seconds ago.
    """

    def __init__(self) -> None:
        self._date: datetime | None = None
        self._altitude: tuple[float, float | None] | None = None
        self.damaged = 0

    def parse(self, line: str) -> Fix | None:
        """The fix a line brings."""
        line = line.strip()
        try:
            if line.startswith("{"):
                return self._tpv(json.loads(line))
            if line.startswith("$"):
                return self._nmea(line)
        except (ValueError, IndexError, KeyError, TypeError):
            self.damaged += 1
        return None

    def _tpv(self, report: dict[str, Any]) -> Fix | None:
        if report.get("class") != "TPV" or report.get("mode", 0) < 2:
            return None
        when = report.get("time")
        altitude = report.get("altMSL", report.get("alt"))
        return _checked(
            Fix(
                latitude=float(report["lat"]),
                longitude=float(report["lon"]),
                altitude=None if altitude is None else float(altitude),
                speed=None if report.get("speed") is None else float(report["speed"]),
                utc=None if when is None else datetime.fromisoformat(when).timestamp(),
            )
        )

    def _nmea(self, line: str) -> Fix | None:
        body, _, check = line[1:].partition("*")
        if check and nmea_checksum(body) != int(check[:2], 16):
            raise ValueError("checksum")
        fields = body.split(",")
        if fields[0][2:] == "RMC":
            return self._rmc(fields)
        if fields[0][2:] == "GGA":
            return self._gga(fields)
        return None

    def _rmc(self, fields: list[str]) -> Fix | None:
        if fields[2] != "A":
            return None
        day, month, year = int(fields[9][:2]), int(fields[9][2:4]), 2000 + int(fields[9][4:6])
        self._date = datetime(year, month, day, tzinfo=UTC)
        utc = self._time(fields[1])
        speed = float(fields[7]) * _KNOT if fields[7] else None
        altitude = None
        if self._altitude is not None and utc is not None and abs(utc - (self._altitude[1] or utc)) < 2:
            altitude = self._altitude[0]
        place = _degrees(fields[3], fields[4]), _degrees(fields[5], fields[6])
        return _checked(Fix(latitude=place[0], longitude=place[1], altitude=altitude, speed=speed, utc=utc))

    def _gga(self, fields: list[str]) -> Fix | None:
        if int(fields[6] or 0) == 0:
            return None
        altitude = float(fields[9]) if fields[9] else None
        utc = self._time(fields[1])
        if altitude is not None:
            self._altitude = altitude, utc
        place = _degrees(fields[2], fields[3]), _degrees(fields[4], fields[5])
        return _checked(Fix(latitude=place[0], longitude=place[1], altitude=altitude, utc=utc))

    def _time(self, text: str) -> float | None:
        """Time of day with the date of the last RMC; None before there is one."""
        if self._date is None or not text:
            return None
        day = timedelta(hours=int(text[:2]), minutes=int(text[2:4]), seconds=float(text[4:]))
        return (self._date + day).timestamp()


def _degrees(text: str, side: str) -> float:
    """
    >>> round(_degrees("4807.038", "N"), 5), round(_degrees("01131.000", "W"), 5)
    (48.1173, -11.51667)
    """
    whole = text.index(".") - 2 if "." in text else len(text) - 2
    value = int(text[:whole]) + float(text[whole:]) / 60
    return -value if side in "SW" else value


def _checked(fix: Fix) -> Fix:
    if not (abs(fix.latitude) <= 90 and abs(fix.longitude) <= 180):
        raise ValueError("out of range")
    return fix


def nmea_checksum(body: str) -> int:
    """Exclusive or of all characters between ``$`` and ``*``.

    >>> hex(nmea_checksum("GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,"))
    '0x47'
    """
    value = 0
    for character in body:
        value ^= ord(character)
    return value


class GpsLog:
    """Positions of a file that was written before: the one nearest in time."""

    def __init__(self, fixes: Iterable[Fix]) -> None:
        dated = sorted((fix.utc, fix) for fix in fixes if fix.utc is not None) if fixes else []
        self._times = [utc for utc, _ in dated]
        self._fixes = [fix for _, fix in dated]

    def at(self, utc: float | None) -> Fix | None:
        """The fix nearest to a moment, if one lies within five seconds."""
        if utc is None or not self._times:
            return None
        right = bisect.bisect(self._times, utc)
        near = min(range(max(0, right - 1), min(len(self._times), right + 1)), key=lambda i: abs(self._times[i] - utc))
        return self._fixes[near] if abs(self._times[near] - utc) <= _STALE_SECONDS else None

    def close(self) -> None:
        """Nothing to give back."""


class GpsReceiver:
    """The newest position of a running receiver, read by a thread; None when it is older than five seconds.

    Args:
        lines: what the receiver sends, endless.
        now: seconds since 1970; for tests.
    """

    def __init__(self, lines: Iterator[str], now: Any) -> None:
        self._lines, self._now = lines, now
        self._latest: tuple[float, Fix] | None = None
        self._thread = threading.Thread(target=self._run, name="gps", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        parser = GpsParser()
        with suppress(OSError, ValueError):  # unplugged or closed: positions become stale and are left out
            for line in self._lines:
                fix = parser.parse(line)
                if fix is not None:
                    self._latest = self._now(), fix

    def at(self, utc: float | None) -> Fix | None:
        """The newest fix, if it is fresh at a moment."""
        if self._latest is None or utc is None or abs(utc - self._latest[0]) > _STALE_SECONDS:
            return None
        received, fix = self._latest
        return fix if fix.utc is not None else replace(fix, utc=received)

    def close(self) -> None:
        """Stop listening."""
        close = getattr(self._lines, "close", None)
        if close is not None and not self._thread.is_alive():
            close()


Gps = GpsLog | GpsReceiver


def open_gps(address: str, now: Any) -> Gps:
    """Positions from a file (NMEA or gpsd JSON), a serial line (``/dev/ttyUSB0@9600``) or ``gpsd://host:2947``.

    Raises:
        InputError: it cannot be opened, or a file holds no position with time.
    """
    if address.startswith("gpsd:"):
        return GpsReceiver(_gpsd_lines(address), now)
    name, _, baud = address.partition("@")
    path = Path(name)
    try:
        if stat.S_ISREG(path.stat().st_mode):
            parser = GpsParser()
            fixes = [parser.parse(line) for line in path.read_text(errors="replace").splitlines()]
            log = GpsLog([fix for fix in fixes if fix is not None])
            if log.at(log._times[0] if log._times else None) is None:
                raise InputError(
                    f"{path}: holds no position with date and time; give a log with RMC sentences or gpsd's JSON"
                )
            return log
        return GpsReceiver(_serial_lines(path, baud), now)
    except OSError as error:
        raise InputError(f"GPS {address}: cannot be opened ({error.strerror}); check the path") from error


def _serial_lines(path: Path, baud: str) -> Iterator[str]:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOCTTY", 0))
    if os.isatty(descriptor):
        _set_baud(descriptor, baud or "9600")

    def lines() -> Iterator[str]:
        with os.fdopen(descriptor, "r", errors="replace") as file:
            yield from file

    return lines()


def _set_baud(descriptor: int, baud: str) -> None:
    import termios

    if not baud.isdecimal() or int(baud) not in _BAUDS:
        raise InputError(f"GPS: {baud!r} is no usual rate; give one of {', '.join(map(str, _BAUDS))}")
    settings = termios.tcgetattr(descriptor)
    speed = getattr(termios, f"B{baud}")
    settings[4] = settings[5] = speed
    termios.tcsetattr(descriptor, termios.TCSANOW, settings)


def _gpsd_lines(address: str) -> Iterator[str]:
    host, _, port = address.removeprefix("gpsd:").removeprefix("//").partition(":")
    try:
        connection = socket.create_connection((host or "127.0.0.1", int(port or 2947)), timeout=5)
    except (OSError, ValueError) as error:
        raise InputError(f"GPS {address}: no gpsd there ({error}); start gpsd or check the address") from error
    connection.settimeout(None)
    connection.sendall(b'?WATCH={"enable":true,"json":true}\n')

    def lines() -> Iterator[str]:
        with connection, connection.makefile("r", encoding="utf-8", errors="replace") as file:
            yield from file

    return lines()
