"""The recorder: frames in, pairs out, until it is told to stop, time, quota or disk is used up, or a camera dies."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from segmif.checks import InputError
from segmif.io import Band
from segmif.rig.record.choose import Chooser
from segmif.rig.record.describe import Description, pair_facts
from segmif.rig.record.feed import Event, LiveFeed, recorded_events
from segmif.rig.record.frames import BANDS, Frame, HostClock, Opener, Source
from segmif.rig.record.gps import Gps
from segmif.rig.record.match import Match, Matcher
from segmif.rig.record.settings import RecordConfig, Status, Summary, Viewer
from segmif.rig.record.sync import ClocksApart, OffsetKeeper
from segmif.rig.record.track import Track, grey_if_grey
from segmif.rig.record.writer import DiskFull, PairWriter

_DESCRIBE_EVERY = 30.0
_STATUS_EVERY = 0.5
_PATIENCE, _PATIENCE_FRAMES = 10.0, 50
"""Seconds, and frames of each camera, in which at least one pair must be found."""


class _End(Exception):
    """The recording is over."""

    def __init__(self, reason: str, code: int = 0) -> None:
        super().__init__(reason)
        self.code = code


def _silent(_: object) -> None:
    """Say nothing."""


class Recorder:
    """Records pairs of two cameras into a folder.

    Args:
        infrared, visible: open the sources.
        out: the folder: ``Infrared/``, ``Visible/``, ``Display/``, ``manifest.jsonl``, ``recording.json``.
        say: takes lines for the user; `watch` takes a `Status` twice a second.
        viewer: shows pairs; `gps` tells positions.
        settings: what the user asked for, for the description.
        writer: for tests.

    Raises:
        InputError: the folder, a source or the clocks will not do; from `run`, no pair has been written then.
    """

    def __init__(
        self,
        infrared: Opener,
        visible: Opener,
        out: Path,
        config: RecordConfig,
        *,
        clock: HostClock | None = None,
        say: Callable[[str], None] = _silent,
        watch: Callable[[Status], None] = _silent,
        viewer: Viewer | None = None,
        gps: Gps | None = None,
        settings: dict[str, Any] | None = None,
        writer: PairWriter | None = None,
    ) -> None:
        self._openers: dict[Band, Opener] = {"infrared": infrared, "visible": visible}
        self._config, self._clock = config, clock or HostClock()
        self._say, self._watch, self._viewer, self._gps = say, watch, viewer, gps
        self._writer = writer or PairWriter(out, formats=config.formats, budget=config.budget, resume=config.resume)
        self._tracks = {band: Track(band) for band in BANDS}
        self._description = Description(out, settings or {}, clock=self._clock, resume=config.resume, say=say)
        self._keeper = OffsetKeeper(config, self._tracks, self._description.note)
        self._matcher = Matcher(config.tolerance)
        self._chooser = Chooser(config, self._writer.earlier)
        self._stop: str | None = None
        self._described = self._shown = self._clock.monotonic()
        self._first_time: float | None = None
        self._now = 0.0
        self._utc: float | None = None
        self._matched = self._written = self._known = 0
        self._lost: set[Band] = set()
        self._bands_checked = False

    def stop(self, reason: str) -> None:
        """End after the pair in hand; safe to call from a signal handler."""
        self._stop = reason

    def run(self) -> Summary:
        """Record; returns when it is over, with everything closed and described."""
        reason, code = "failed", 1
        try:
            self._tell_what_was_found()
            with closing(self._feed()) as events:
                reason, code = self._loop(events)
        finally:
            for band in BANDS:
                self._tracks[band].unmatched = self._matcher.unmatched[band]
            try:
                if self._written or self._known:
                    self._describe(reason)
            except InputError as error:  # a full disk; the manifest tells all that matters
                if code == 0:  # else the end is being told
                    self._say(f"warning: {error}")
            finally:
                self._writer.close()
        return Summary(
            reason=reason, code=code, written=self._written, pairs=self._writer.count, offset=self._keeper.offset,
            infrared=self._tracks["infrared"], visible=self._tracks["visible"],
        )  # fmt: skip

    def _tell_what_was_found(self) -> None:
        if self._writer.removed:
            self._say(f"removed {self._writer.removed} unfinished files of an interrupted recording")
        missing = self._writer.missing()
        if missing:
            self._say(f"warning: {len(missing)} files of earlier pairs are missing or changed (first: {missing[0]})")

    # ------------------------------------------------------------------ where frames come from

    def _feed(self) -> Generator[Event]:
        sources = self._open()
        if sources["infrared"].live:
            yield from self._live(sources)
            return
        if not self._keeper.ready:
            self._watch_first(sources)
            sources = self._open()
        try:
            yield from recorded_events(sources, self._common_time)
        finally:
            _close(sources)

    def _open(self) -> dict[Band, Source]:
        sources: dict[Band, Source] = {}
        try:
            for band in BANDS:
                sources[band] = self._openers[band]()
                self._tracks[band].name = sources[band].name
            if sources["infrared"].live != sources["visible"].live:
                raise InputError("one source is a camera, the other is recorded: give two alike")
        except InputError:
            _close(sources)
            raise
        return sources

    def _live(self, sources: dict[Band, Source]) -> Generator[Event]:
        first = dict(sources)
        openers: dict[Band, Opener] = {
            band: lambda band=band: first.pop(band, None) or self._openers[band]()  # type: ignore[misc]
            for band in BANDS
        }
        config = self._config
        feed = LiveFeed(openers, reconnect=config.reconnect, stall=config.stall, clock=self._clock)
        try:
            yield from feed
        finally:
            feed.close()

    def _watch_first(self, sources: dict[Band, Source]) -> None:
        """Recorded material waits: its beginning is read for the clocks, and then again for pairs."""
        first: float | None = None
        with closing(recorded_events(sources, lambda _, frame: frame.host)) as events:
            for event in events:
                if self._stop is not None or event.band is None or event.frame is None:
                    break  # what is wrong will be told when it is read for pairs
                self._check_bands(event.band, event.frame)
                time = self._tracks[event.band].take(event.frame)
                first = time if first is None else first
                self._keeper.tick(time - first)
                self._housekeeping()
                if self._keeper.ready:
                    break
        _close(sources)
        self._keeper.conclude()
        for track in self._tracks.values():
            track.rewind()

    def _common_time(self, band: Band, frame: Frame) -> float:
        return frame.host - (self._keeper.offset.ahead(frame.host) if band == "infrared" else 0.0)

    # ------------------------------------------------------------------ the loop

    def _loop(self, events: Iterator[Event]) -> tuple[str, int]:
        try:
            for event in events:
                if self._stop is not None:
                    raise _End(self._stop)
                self._handle(event)
                self._housekeeping()
            self._keep(self._matcher.flush())
            self._check_pairing(final=True)
            return "the recorded material has ended", 0
        except _End as end:
            return str(end), end.code
        except DiskFull as full:
            return str(full), 0 if full.planned else 1
        except ClocksApart as apart:
            if not self._written:
                raise InputError(str(apart)) from apart
            return str(apart), 1

    def _handle(self, event: Event) -> None:
        if event.band is None:
            return
        track = self._tracks[event.band]
        if event.lost is not None:
            self._camera_lost(event.band, event.lost)
        elif event.back:
            self._lost.discard(event.band)
            track.forget()
            self._description.note(f"{event.band} {track.name} is back")
        elif event.frame is not None:
            self._frame(event.band, event.frame, event.overflow)

    def _camera_lost(self, band: Band, why: str) -> None:
        track = self._tracks[band]
        track.lost += 1
        self._lost.add(band)
        if not self._config.reconnect:
            self._keep(self._matcher.flush())
            raise _End(f"the {band} {track.name} {why}", 1)
        self._description.note(f"the {band} {track.name} {why}; trying again")

    def _frame(self, band: Band, frame: Frame, overflow: int) -> None:
        self._check_bands(band, frame)
        time = self._tracks[band].take(frame, overflow)
        if band == "infrared":
            time -= self._keeper.offset.ahead(time)
        self._now = max(self._now, time)
        self._first_time = time if self._first_time is None else self._first_time
        if frame.utc is not None:
            self._utc = frame.utc
        self._keeper.tick(self._now - self._first_time)
        if self._keeper.ready:
            self._keep(self._matcher.push(band, time, frame))
            self._check_end()

    def _check_bands(self, band: Band, frame: Frame) -> None:
        """Swapped cameras show in the first frames: thermal is grey, and no visible camera sends 16-bit grey."""
        if self._bands_checked:
            return
        if band == "visible":
            self._bands_checked = True
            if frame.image.ndim == 2 and frame.image.dtype.itemsize == 2:
                raise InputError("the visible source sends 16-bit grey, as thermal cameras do: swap the two sources")

    def _keep(self, matches: list[Match]) -> None:
        for match in matches:
            self._matched += 1
            self._check_complete()
            if self._chooser.wants(match, self._tracks["visible"].drops.period or 0.0):
                self._write(match)

    def _write(self, match: Match) -> None:
        infrared, config, window = grey_if_grey(match.infrared.image), self._config, self._chooser.window
        facts = pair_facts(
            match, offset=self._keeper.offset, window=window.name if window else None, schedule=config.schedule,
            gps=self._gps,
        )  # fmt: skip
        if not self._writer.write(infrared, match.visible.image, facts):
            self._known += 1
            return
        self._written += 1
        self._chooser.written()
        if self._viewer is not None:
            self._viewer.show(infrared, match.visible.image)
        self._check_complete()

    def _check_complete(self) -> None:
        """End when all that was asked for is there, be it from earlier runs."""
        wanted = self._config.pairs
        if wanted is not None and self._writer.count >= wanted:
            raise _End(f"all {wanted} pairs are there")
        if self._chooser.finished:
            raise _End("every window of the schedule has its pairs")

    # ------------------------------------------------------------------ ends and reports

    def _check_end(self) -> None:
        duration = self._config.duration
        began = self._keeper.ready_at
        elapsed = self._now - (self._first_time or 0.0) - began
        if duration is not None and elapsed >= duration:
            self._keep(self._matcher.flush())
            raise _End(f"{duration:g} s are over")
        if not self._matched and elapsed > _PATIENCE:
            self._check_pairing(final=False)

    def _check_pairing(self, *, final: bool) -> None:
        """Refuse clocks so far apart that nothing pairs."""
        if self._matched or self._writer.earlier or self._lost:
            return
        tracks = list(self._tracks.values())
        received = [track.drops.received for track in tracks]
        if (final and any(received)) or min(received) >= _PATIENCE_FRAMES:
            ranges = ["none" if t.first is None else f"from {t.first:.2f} to {t.last:.2f} s" for t in tracks]
            raise InputError(
                f"the clocks are not synchronised: of {received[0]} infrared frames ({ranges[0]}) and {received[1]} "
                f"visible ones ({ranges[1]}) no two lie within {1000 * self._config.tolerance:g} ms; give --offset "
                "SECONDS, more --tolerance-ms, or move before both cameras and raise --max-offset"
            )

    def _housekeeping(self) -> None:
        now = self._clock.monotonic()
        if now - self._shown >= _STATUS_EVERY:
            self._shown = now
            status = self._status()
            self._watch(status)
            if self._viewer is not None:
                self._viewer.tell(status.line())
        if now - self._described >= _DESCRIBE_EVERY and self._written:
            self._described = now
            self._describe("still recording")

    def _status(self) -> Status:
        seconds = self._now - (self._first_time or self._now)
        return Status(
            pairs=self._writer.count,
            seconds=seconds,
            rate=self._written / seconds if seconds > 0 else 0.0,
            infrared=self._tracks["infrared"],
            visible=self._tracks["visible"],
            offset=self._keeper.offset,
            left=self._writer.left(),
            window=self._chooser.window.name if self._chooser.window else None,
            waiting=self._waiting(),
        )

    def _waiting(self) -> str | None:
        if self._lost:
            return f"waiting for {' and '.join(sorted(self._lost))}"
        if not self._keeper.ready:
            return "measuring the clocks: move something before both cameras"
        return self._chooser.waits_for(self._utc)

    def _describe(self, ended: str) -> None:
        self._description.write(
            ended, run_pairs=self._written, pairs=self._writer.count, used=self._writer.used,
            windows=self._chooser.counts, offset=self._keeper.offset, tracks=self._tracks,
        )  # fmt: skip


def _close(sources: dict[Band, Source]) -> None:
    for source in sources.values():
        source.close()
