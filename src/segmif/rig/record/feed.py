"""Two sources as one stream of events: recorded ones in order of time, live ones as they come, by a thread each."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from segmif.checks import InputError
from segmif.io import Band
from segmif.rig.record.frames import BANDS, Frame, HostClock, Opener, Source, SourceLost

_QUEUE_BYTES, _QUEUE_LEAST, _QUEUE_MOST = 128_000_000, 4, 64
_IDLE_SECONDS = 0.5
_BACK_OFF = (1.0, 30.0)


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened: a frame, a loss, a return, or, with no band, that nothing did.

    Attributes:
        band: of the camera it is about.
        frame: what it sent.
        lost: why the camera is gone; it comes back only if the feed reconnects.
        back: it is there again.
        overflow: frames thrown away before this one because they were not taken in time.
    """

    band: Band | None = None
    frame: Frame | None = None
    lost: str | None = None
    back: bool = False
    overflow: int = 0


def recorded_events(sources: Mapping[Band, Source], when: Callable[[Band, Frame], float]) -> Generator[Event]:
    """Frames of two recorded sources in order of `when`, till one has ended and the other is a second past that."""
    ahead: dict[Band, Frame] = {}
    ended: float | None = None
    last = -float("inf")
    while True:
        for band in BANDS:
            if band in ahead or (ended is not None and len(ahead) == 1):
                continue
            try:
                frame = sources[band].read()
            except SourceLost as lost:
                yield Event(band=band, lost=str(lost))
                return
            if frame is not None:
                ahead[band] = frame
            elif ended is None:
                ended = last
        if not ahead:
            return
        band = min(ahead, key=lambda band: when(band, ahead[band]))
        last = when(band, ahead[band])
        if ended is not None and last > ended + 1.0:
            return
        yield Event(band=band, frame=ahead.pop(band))


class LiveFeed:
    """Frames of two cameras as they come; iterate over it in one thread, and close it.

    A camera that sends nothing for `stall` seconds counts as lost. Frames wait in a queue of bounded memory; the oldest
    are thrown away, and counted, when they are not taken in time.

    Args:
        openers: of both cameras; both are opened at once, so that what is wrong is known at the start.
        reconnect: open a lost camera again, after 1, 2, 4 … 30 seconds, without end.
        stall: seconds.

    Raises:
        InputError: a camera cannot be opened.
    """

    def __init__(
        self,
        openers: Mapping[Band, Opener],
        *,
        reconnect: bool = False,
        stall: float = 5.0,
        clock: HostClock | None = None,
    ) -> None:
        self._clock = clock or HostClock()
        self._reconnect, self._stall = reconnect, stall
        self._news = threading.Condition()
        self._readers: dict[Band, _Reader] = {}
        try:
            for band in BANDS:
                self._readers[band] = _Reader(openers[band], self._news, self._clock, reconnect=reconnect)
        except InputError:
            self.close()
            raise
        for reader in self._readers.values():
            reader.start()

    def __iter__(self) -> Iterator[Event]:
        while True:
            with self._news:
                event = self._next()
                if event is None:
                    self._news.wait(_IDLE_SECONDS)
                    event = self._next() or Event()
            yield event

    def _next(self) -> Event | None:
        """The oldest thing that happened."""
        now = self._clock.monotonic()
        for band, reader in self._readers.items():
            if not reader.waiting and not reader.gone and now - reader.heard > self._stall:
                self._readers[band] = reader.replace(f"has sent nothing for {self._stall:g} s; check cable and power")
        waiting = {band: reader for band, reader in self._readers.items() if reader.waiting}
        if not waiting:
            return None
        band = min(waiting, key=lambda band: waiting[band].waiting[0][0])
        return waiting[band].take(band)

    def close(self) -> None:
        """Give both cameras back."""
        for reader in self._readers.values():
            reader.stop()


class _Reader:
    """A thread that reads one camera into a queue of (host time, what), and opens it again when it is lost."""

    def __init__(
        self, opener: Opener, news: threading.Condition, clock: HostClock, *, reconnect: bool, lost: str | None = None
    ) -> None:
        self.waiting: deque[tuple[float, Frame | str | None]] = deque()
        self.heard = clock.monotonic()
        self.gone = lost is not None
        """The camera is lost and not back yet."""
        self._opener, self._news, self._clock, self._reconnect = opener, news, clock, reconnect
        self._overflow = 0
        self._stop = threading.Event()
        self._source = opener() if lost is None else None
        if lost is not None:
            self.waiting.append((self.heard, lost))
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def replace(self, lost: str) -> _Reader:
        """A reader in place of this one, which hangs in a read that may never end."""
        self._stop.set()
        reader = _Reader(self._opener, self._news, self._clock, reconnect=self._reconnect, lost=lost)
        if self._reconnect:
            reader.start()
        return reader

    def take(self, band: Band) -> Event:
        """The oldest entry of the queue as an event."""
        _, what = self.waiting.popleft()
        overflow, self._overflow = self._overflow, 0
        if what is None:
            return Event(band=band, back=True, overflow=overflow)
        if isinstance(what, str):
            return Event(band=band, lost=what, overflow=overflow)
        return Event(band=band, frame=what, overflow=overflow)

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._source is None and not self._open_again():
                break
            assert self._source is not None
            try:
                frame = self._source.read()
                what: Frame | str = "has ended" if frame is None else frame
            except SourceLost as lost:
                what = str(lost)
            if self._stop.is_set():
                break
            self._put(what)
            if isinstance(what, str):
                self._close_source()
                if not self._reconnect:
                    break
        self._close_source()

    def _open_again(self) -> bool:
        """Try with growing pauses till the camera is back; False if we are to stop."""
        pause, longest = _BACK_OFF
        while not self._wait(pause):
            try:
                self._source = self._opener()
            except InputError:
                pause = min(2 * pause, longest)
                continue
            self._put(None)
            return True
        return False

    def _wait(self, seconds: float) -> bool:
        """Wait by the injected clock; True if we are to stop."""
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0:
            if self._stop.wait(min(left, 0.05)):
                return True
        return self._stop.is_set()

    def _put(self, what: Frame | str | None) -> None:
        with self._news:
            self.heard = self._clock.monotonic()
            self.gone = isinstance(what, str)
            if isinstance(what, Frame):
                depth = min(_QUEUE_MOST, max(_QUEUE_LEAST, _QUEUE_BYTES // max(1, what.image.nbytes)))
                while len(self.waiting) >= depth and isinstance(self.waiting[0][1], Frame):
                    self.waiting.popleft()
                    self._overflow += 1
            self.waiting.append((self.heard, what))
            self._news.notify()

    def _close_source(self) -> None:
        if self._source is not None:
            with suppress(Exception):  # a camera that is gone may fail to close in any way
                self._source.close()
            self._source = None

    def stop(self) -> None:
        """End the thread; one that hangs in a read is left to die with the program."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)
        else:
            self._close_source()
