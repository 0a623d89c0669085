"""From a stream of pairs to prepared ones, made in threads ahead of the network; live frames that grow old are lost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Self

from segmif.checks import InputError
from segmif.infer.inputs import PreparedPair
from segmif.infer.threaded import ReadAhead, map_ahead
from segmif.streams import PairStream, StreamPair

Outcome = PreparedPair | tuple[str, InputError]
"""A prepared pair; or the name of one that cannot be had, and why."""
_SILENCE = 30.0
"""Seconds after which a camera that sends nothing is taken for lost; drivers mostly find out sooner."""
_LATE_FRAMES = 50
"""So many late frames, and not one in time, are not chance."""


class PreparedAhead:
    """The pairs of a stream, prepared in threads a few ahead of the consumer; use it as a context manager.

    - Pictures: `workers` threads read and prepare them.
    - Videos: one thread decodes, `workers` threads prepare.
    - Cameras: one thread grabs the newest frame and never waits, so the older one it replaces is lost; another prepares
      one frame while the network runs. How many frames were lost, and why, is put into the stream's notes at the end.
      A camera that hangs ends the stream, whose `lost` then says so.

    Args:
        pairs: a `PairStream`, or any iterable of `StreamPair`, which the consumer's thread iterates.
        prepare: makes the outcome of a pair.
        workers: threads that prepare.
        ahead: how many prepared pairs may wait.
        max_latency: seconds; frames of cameras older than that when their turn comes are lost too.

    Raises:
        InputError: no frame is ever prepared within `max_latency`.
    """

    def __init__(
        self,
        pairs: Iterable[StreamPair],
        prepare: Callable[[StreamPair], Outcome],
        *,
        workers: int,
        ahead: int,
        max_latency: float | None = None,
    ) -> None:
        self._pairs, self._prepare = pairs, prepare
        self._workers, self._ahead = workers, ahead
        self._max_latency = max_latency
        self._late = 0
        self._any_in_time = False
        self._stack = ExitStack()
        self._frames: ReadAhead[StreamPair] | None = None

    def __enter__(self) -> Self:
        if isinstance(self._pairs, PairStream) and self._pairs.rate is not None:
            live = self._pairs.live
            frames = ReadAhead(
                self._pairs,
                size=1 if live else self._workers,
                drop_oldest=live,
                silence=_SILENCE if live else math.inf,
            )
            self._frames = self._stack.enter_context(frames)
        return self

    def __iter__(self) -> Iterator[Outcome]:
        if self._frames is None:
            yield from map_ahead(self._prepare, self._pairs, threads=self._workers, ahead=self._ahead)
        elif is_live(self._pairs):
            prepared = ReadAhead(map(self._prepare, self._frames), size=1)
            try:
                yield from filter(self._in_time, self._stack.enter_context(prepared))
            except TimeoutError:
                assert isinstance(self._pairs, PairStream)
                self._pairs.lost = f"the cameras have sent nothing for {_SILENCE:g} s; check cables and power"
        else:
            yield from map_ahead(self._prepare, self._frames, threads=self._workers, ahead=self._ahead)

    def _in_time(self, outcome: Outcome) -> bool:
        if self._max_latency is None or isinstance(outcome, tuple) or outcome.captured is None:
            return True
        age = time.monotonic() - outcome.captured
        if age <= self._max_latency:
            self._any_in_time = True
            return True
        self._late += 1
        if self._late >= _LATE_FRAMES and not self._any_in_time:
            raise InputError(
                f"of {self._late} frames none was ready within {1000 * self._max_latency:g} ms, the last one after "
                f"{1000 * age:.0f} ms: allow a higher latency"
            )
        return False

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        if self._frames is None or not isinstance(self._pairs, PairStream):
            return
        reasons = []
        if self._frames.dropped:
            reasons.append(f"{self._frames.dropped} because fusing is slower than the cameras")
        if self._late:
            reasons.append(f"{self._late} older than {1000 * (self._max_latency or 0):g} ms")
        if reasons:
            dropped = self._frames.dropped + self._late
            self._pairs.notes.append(f"{dropped} of {self._frames.taken} frames dropped: {', '.join(reasons)}")


def is_live(pairs: Iterable[StreamPair]) -> bool:
    """Whether the pairs come from cameras."""
    return isinstance(pairs, PairStream) and pairs.live
