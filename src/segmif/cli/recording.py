"""The work behind `segmif rig record`: from a request to a recording."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import cast

from segmif.checks import InputError, check_file_name, unknown
from segmif.rig.record.addresses import find_source
from segmif.rig.record.cameras import without_password
from segmif.rig.record.display import STRETCHES
from segmif.rig.record.frames import BANDS, HostClock, Opener
from segmif.rig.record.gps import open_gps
from segmif.rig.record.manifest import MANIFEST, export_parquet, read_manifest
from segmif.rig.record.preview import Preview
from segmif.rig.record.recorder import Recorder
from segmif.rig.record.schedule import parse_bytes, parse_place, parse_schedule, parse_seconds
from segmif.rig.record.settings import ClockChoice, RecordConfig, Status, Summary
from segmif.rig.record.writer import Budget, Formats

_CTRL_C = 130
_SECONDS_BETWEEN_LINES = 10.0
_CLOCKS = ("auto", "stamps", "motion")
_BY_CTRL_C = "stopped by Ctrl-C; go on with --resume"
PARQUET = "manifest.parquet"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asked for, in the user's words."""

    infrared: str | None
    visible: str | None
    out: Path
    simulate: bool
    rate: float | None
    tolerance_ms: float
    duration: str | None
    pairs: int | None
    schedule: str | None
    place: str | None
    max_disk: str | None
    keep_free: str
    clock: str
    sync: str
    offset: float | None
    max_offset: float
    visible_format: str
    infrared_format: str
    stretch: str
    prefix: str
    gps: str | None
    resume: bool
    reconnect: bool
    preview: int | None
    parquet: bool


def run(request: Request) -> int:
    """Record what was asked for; the exit code."""
    config = configure(request)
    infrared, visible = _openers(request)
    if request.parquet:
        from segmif.checks import require_extra

        require_extra("pyarrow.parquet", "ray")  # better now than after eight hours
    line = StatusLine()
    with ExitStack() as stack:
        gps = open_gps(request.gps, HostClock().utc) if request.gps else None
        viewer = None
        if gps is not None:
            stack.callback(gps.close)
        if request.preview is not None:
            viewer = Preview(request.preview)
            stack.callback(viewer.close)
            line.say(f"preview: {viewer.address}")
        recorder = Recorder(
            infrared, visible, request.out, config, say=line.say, watch=line.watch, viewer=viewer, gps=gps,
            settings=_settings(request),
        )  # fmt: skip
        stack.enter_context(_stops_cleanly(recorder))
        summary = recorder.run()
    line.clear()
    if request.parquet and summary.pairs:
        export_parquet(read_manifest(request.out / MANIFEST)[0], request.out / PARQUET)
    return _close(request, summary)


def configure(request: Request) -> RecordConfig:
    """The recorder's settings.

    Raises:
        InputError: something cannot be read or is out of range.
    """
    if request.clock not in _CLOCKS:
        raise unknown("clock", request.clock, _CLOCKS)
    if request.stretch not in STRETCHES:
        raise unknown("stretch", request.stretch, STRETCHES)
    for name, options in (("visible_format", ("png", "jpg")), ("infrared_format", ("png", "tif"))):
        if getattr(request, name) not in options:
            raise unknown(name.replace("_", " "), getattr(request, name), options)
    check_file_name("prefix", request.prefix)
    place = parse_place(request.place) if request.place else None
    return RecordConfig(
        tolerance=request.tolerance_ms / 1000,
        rate=request.rate,
        duration=parse_seconds(request.duration) if request.duration else None,
        pairs=request.pairs,
        schedule=parse_schedule(request.schedule, place=place) if request.schedule else None,
        formats=Formats(
            infrared=f".{request.infrared_format}",
            visible=f".{request.visible_format}",
            stretch=request.stretch,
            prefix=request.prefix,
        ),
        budget=Budget(
            most=parse_bytes(request.max_disk) if request.max_disk else None, keep_free=parse_bytes(request.keep_free)
        ),
        clock=cast("ClockChoice", request.clock),
        sync=0.0 if request.sync in ("0", "0s") else parse_seconds(request.sync),
        max_offset=request.max_offset,
        offset=request.offset,
        resume=request.resume,
        reconnect=request.reconnect,
    )


def _openers(request: Request) -> tuple[Opener, Opener]:
    if request.simulate:
        if request.infrared or request.visible:
            raise InputError("--simulate takes no sources: leave out --infrared and --visible")
        from segmif.rig.record.simulate import SimulatedRig

        rig = SimulatedRig(seconds=24 * 3600.0)
        return partial(rig.open, "infrared"), partial(rig.open, "visible")
    if not request.infrared or not request.visible:
        raise InputError("give both cameras, as in --visible 0 --infrared 1; or try it without any by --simulate")
    if request.infrared == request.visible:
        raise InputError(f"infrared and visible are the same source ({request.infrared}): give one of each band")
    return find_source(request.infrared).open, find_source(request.visible).open


def _settings(request: Request) -> dict[str, object]:
    """The request without passwords."""
    words = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(request).items()}
    return {**words, **{band: without_password(words[band]) for band in BANDS if words[band]}}


@contextmanager
def _stops_cleanly(recorder: Recorder) -> Iterator[None]:
    """Ctrl-C and a polite kill end after the pair in hand; a second Ctrl-C ends at once."""

    def stop(number: int, frame: object) -> None:
        recorder.stop(_BY_CTRL_C if number == signal.SIGINT else "stopped by the system; go on with --resume")
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class StatusLine:
    """The progress line on stderr: rewritten in place on a terminal, every ten seconds elsewhere."""

    def __init__(self) -> None:
        self.terminal = sys.stderr.isatty()
        self._last = time.monotonic()

    def watch(self, status: Status) -> None:
        """How it goes."""
        if self.terminal:
            print(f"\r\x1b[K{status.line()}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            self.say(status.line())

    def say(self, line: str) -> None:
        """A line that stays."""
        self.clear()
        print(f"segmif: {line}", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Take the rewritten line away."""
        if self.terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _close(request: Request, summary: Summary) -> int:
    offset = f", infrared ahead by {summary.offset}" if summary.written else ""
    drops = ", ".join(
        f"{band} {track.drops.received} frames, {track.drops.missing + track.overflow} lost, {track.unmatched} unpaired"
        for band, track in (("infrared", summary.infrared), ("visible", summary.visible))
    )
    if summary.code:
        print(f"segmif: stopped: {summary.reason}; {summary.pairs} pairs are complete", file=sys.stderr)
    before = summary.pairs - summary.written
    earlier = f" ({before} from before)" if before else ""
    print(f"{summary.pairs} pairs{earlier}{offset}; {drops}; {summary.reason}: {request.out}")
    return _CTRL_C if summary.reason == _BY_CTRL_C else summary.code
