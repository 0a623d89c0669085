"""The work behind `segmif fuse`: from a request to files."""

from __future__ import annotations

import importlib
import itertools
import math
import statistics
import sys
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from segmif import io
from segmif.checks import InputError, InputWarning
from segmif.claims import claim
from segmif.cli.progress import Progress, progress
from segmif.infer import Model, Result, load
from segmif.infer.recording import Recorder
from segmif.infer.result import is_finished, output_path
from segmif.infer.threaded import WriteBehind
from segmif.metrics.temporal import TemporalResult, TemporalScore
from segmif.streams import PairStream, PicturePairs, StreamPair, open_pairs
from segmif.video import WRITABLE_SUFFIXES, is_playable


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asked for; `outputs` are names of `segmif.infer.result.OUTPUTS`; no `visible` for tar shards."""

    infrared: str
    visible: str | None
    out: Path
    model: str | None
    guide: str | None
    device: str
    dtype: str
    outputs: tuple[str, ...]
    align: bool
    recursive: bool
    resume: bool
    limit: int | None
    batch_size: int | None
    max_latency: float | None = None
    stabilise: bool = False
    flicker: bool = False
    backend: str | None = None


@dataclass
class Account:
    """What happened to the pairs, and what the user was told."""

    done: int = 0
    skipped: int = 0
    failed: list[tuple[str, InputError]] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    flicker: TemporalScore | None = None
    latencies: deque[float] = field(default_factory=partial(deque, maxlen=10_000))

    def note(self, name: str, note: str, bar: Progress, *, count: int = 1) -> None:
        """Say a note the first time it comes; count it afterwards."""
        self.notes[note] += count
        if self.notes[note] == count:
            bar.say(f"segmif: warning: {name}: {note}")

    def fail(self, name: str, error: InputError, bar: Progress) -> None:
        """Say that a pair is left out."""
        self.failed.append((name, error))
        bar.say(f"segmif: left out {name}: {error}")


def run(request: Request) -> int:
    """Fuse what was asked for; the exit code."""
    pairs = _source(request)
    places = Places(request, pairs)
    with warnings.catch_warnings(), claim(places.folder, shared=True, below=request.recursive):
        warnings.simplefilter("ignore", InputWarning)  # said once each by `Account.note`
        warnings.filterwarnings("ignore", module="PIL")  # what matters about a file is in our own one line
        model = load(request.model, device=request.device, dtype=request.dtype, backend=request.backend)
        outputs = tuple(o for o in request.outputs if model.classes or o not in ("labels", "overlay"))
        work = _run_pictures if pairs.rate is None else _run_video
        code = work(request, pairs, model, places, outputs)
    if chosen := getattr(model.backend, "chosen", None):
        print(f"--backend auto chose {chosen}")
    return code


def _source(request: Request) -> PairStream:
    assert request.visible is not None
    pairs = open_pairs(request.infrared, request.visible, recursive=request.recursive)
    if request.max_latency is not None and not pairs.live:
        raise InputError("--max-latency is for cameras: files do not grow old; leave it out")
    if pairs.rate is None and (request.stabilise or request.flicker):
        raise InputError("--stabilise and --flicker are for videos and cameras: pictures have no order; leave them out")
    return Aligned(pairs) if request.align else pairs


class Aligned(PairStream):
    """A stream whose infrared pictures are registered to the visible ones as they are read."""

    def __init__(self, pairs: PairStream) -> None:
        super().__init__(name=pairs.name, rate=pairs.rate, length=pairs.length)
        self.pairs, self.notes = pairs, pairs.notes
        self.live, self.files = pairs.live, pairs.files
        self.refused: dict[str, str] = {}
        """Why a pair was left as it was, by its name; filled by the threads that read."""
        self._align = find_align()

    def __iter__(self) -> Iterator[StreamPair]:
        for pair in self.pairs:
            yield replace(pair, read=partial(self._read, pair))
        self.lost = self.pairs.lost

    def _read(self, pair: StreamPair) -> tuple[io.Array, io.Array]:
        return self._align(*pair.read(), on_refusal=partial(self.refused.__setitem__, pair.name))


def _notes(result: Result, pairs: PairStream) -> tuple[str, ...]:
    """What the user should know about a result."""
    refused = pairs.refused.pop(result.name, None) if isinstance(pairs, Aligned) else None
    return (*result.notes, refused) if refused else result.notes


def find_align() -> Callable[..., tuple[io.Array, io.Array]]:
    """What registers an infrared picture to its visible one."""
    try:
        return importlib.import_module("segmif.rig.register").align_pair  # type: ignore[no-any-return]
    except (ModuleNotFoundError, AttributeError) as error:
        raise InputError(
            "--align is not available in this version; register the pictures first and leave it out"
        ) from error


def _refuse_alike(pairs: PairStream, folder: Path) -> None:
    """Refuse pairs whose results would overwrite one another on a disk that does not tell a from A."""
    inner = pairs.pairs if isinstance(pairs, Aligned) else pairs
    seen: dict[str, str] = {}
    for pair in inner.pairing.pairs if isinstance(inner, PicturePairs) else ():
        other = seen.setdefault(pair.name.casefold(), pair.name)
        if other != pair.name and not io.tells_case_apart(folder):
            raise InputError(
                f"{folder}: cannot hold the results of both {other} and {pair.name}, which it takes for one name; "
                "rename one, or choose a folder on another disk"
            )


class Places:
    """Where results go: into a folder, or the fused one to the very file the user named and the rest beside it."""

    def __init__(self, request: Request, pairs: PairStream) -> None:
        suffix = request.out.suffix.lower()
        named = WRITABLE_SUFFIXES if pairs.rate is not None else io.IMAGE_SUFFIXES
        self.file = request.out if suffix in named and not request.out.is_dir() else None
        if self.file and pairs.rate is None and pairs.length != 1:
            raise InputError(f"{request.out}: is a file name, but there are {pairs.length} pairs; give a folder")
        inputs = {Path(each).resolve() for each in (request.infrared, request.visible) if each}
        if self.file and self.file.resolve() in inputs:
            raise InputError(f"{request.out}: is one of the inputs, which would be lost; choose another name")
        self.folder = io.make_output_folder(request.out.parent if self.file else request.out)
        _refuse_alike(pairs, self.folder)
        self.suffix = ".mp4" if pairs.rate is not None else ".png"

    def path(self, name: str, output: str) -> Path:
        """The file for one output of a pair or video."""
        if self.file and output == "fused":
            return self.file
        stem = self.file.stem if self.file else name
        suffix = self.file.suffix if self.file and self.suffix == ".mp4" else self.suffix
        return output_path(self.folder, stem, output).with_suffix(suffix)

    def finished(self, name: str, outputs: tuple[str, ...], inputs: tuple[Path, ...]) -> bool:
        """Whether all outputs are there, whole, and not older than the inputs."""
        paths = [self.path(name, output) for output in outputs]
        return is_finished(paths, inputs, whole=is_playable if self.suffix == ".mp4" else io.is_whole_image)


def _run_pictures(request: Request, pairs: PairStream, model: Model, places: Places, outputs: tuple[str, ...]) -> int:
    account = Account()

    def unfinished() -> Iterator[StreamPair]:
        for pair in pairs:
            if request.resume and places.finished(pair.name, outputs, pair.files):
                account.skipped += 1
            else:
                yield pair

    def write(result: Result) -> None:
        for output in outputs:
            result.write(output, places.path(result.name, output))

    def fail(name: str, error: InputError) -> None:
        account.fail(name, error, bar)

    total = min(pairs.length or 0, request.limit or sys.maxsize)
    start = time.monotonic()
    with progress("fusing", total) as bar, WriteBehind(write, threads=2) as writers:
        _say_notes(pairs, bar)
        todo = itertools.islice(unfinished(), request.limit)
        results = model.stream(
            todo,
            guide=request.guide,
            batch_size=request.batch_size,
            on_error=None if pairs.length == 1 else fail,
        )
        for result in results:
            for note in _notes(result, pairs):
                account.note(result.name, note, bar)
            writers.submit(result)
            account.done += 1
            bar.advance()
    return close(account, places.file or places.folder, time.monotonic() - start)


def close(account: Account, place: Path, seconds: float) -> int:
    """Say what happened; the exit code.

    Raises:
        InputError: nothing could be fused.
    """
    for note, count in account.notes.items():
        if count > 1:
            print(f"segmif: warning: and {count - 1} more: {note}", file=sys.stderr)
    if account.failed and not account.done and not account.skipped:
        name, error = account.failed[0]
        raise InputError(f"none of the {len(account.failed)} pairs could be fused; the first is {name}: {error}")
    skipped = f", {account.skipped} finished before" if account.skipped else ""
    failed = f", {len(account.failed)} failed" if account.failed else ""
    print(f"{_count(account.done, 'pair')} fused in {seconds:.1f} s{skipped}{failed}: {place}")
    return 1 if account.failed else 0


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _say_notes(pairs: PairStream, bar: Progress, *, already: int = 0) -> None:
    for note in pairs.notes[already:]:
        bar.say(f"segmif: warning: {note}")


def _run_video(request: Request, pairs: PairStream, model: Model, places: Places, outputs: tuple[str, ...]) -> int:
    paths = {output: places.path(pairs.name, output) for output in outputs}
    if request.resume and places.finished(pairs.name, outputs, pairs.files):
        print(f"finished before: {paths['fused']}")
        return 0
    assert pairs.rate is not None
    account, start, code = Account(), time.monotonic(), 0
    account.flicker = TemporalScore() if request.flicker else None
    total = min(pairs.length, request.limit or pairs.length) if pairs.length else request.limit
    with progress("fusing", total) as bar:
        _say_notes(pairs, bar)
        known = len(pairs.notes)
        with Recorder(paths, pairs.rate) as recorder:
            try:
                _record(request, pairs, model, recorder, account, bar)
            except KeyboardInterrupt:
                if not pairs.live or not account.done:
                    raise
                code = 130  # the only way to end a recording: what was recorded is whole
            if pairs.lost and not account.done:
                raise InputError(pairs.lost)
        _say_notes(pairs, bar, already=known)
        if pairs.lost and code == 0 and account.done != request.limit:
            bar.say(f"segmif: {pairs.lost}. What was recorded until then is whole")
            code = 1
    seconds = time.monotonic() - start
    latency = f", {1000 * statistics.median(account.latencies):.0f} ms after capture" if account.latencies else ""
    print(f"{_count(account.done, 'frame')} fused in {seconds:.1f} s{latency}: {paths['fused']}")
    if account.flicker is not None and account.done > 1:
        print(_flicker_line(account.flicker.compute()))
    return code


def _flicker_line(result: TemporalResult) -> str:
    labels = (
        "" if math.isnan(result.label_flicker) else f"labels change at {result.label_flicker:.2%} of still pixels; "
    )
    return (
        f"flicker: {labels}brightness changes by {result.fused_flicker:.2f} grey levels "
        f"(infrared {result.infrared_flicker:.2f}, visible {result.visible_flicker:.2f})"
    )


def _record(
    request: Request, pairs: PairStream, model: Model, recorder: Recorder, account: Account, bar: Progress
) -> None:
    results = model.stream(
        pairs,
        guide=request.guide,
        batch_size=request.batch_size,
        max_latency=request.max_latency,
        stabilise=request.stabilise,
    )
    with closing(results):
        for result in itertools.islice(results, request.limit):
            for note in _notes(result, pairs):
                account.note(result.name, note, bar)
            recorder.write(result)
            if account.flicker is not None:
                account.flicker.update(result.fused, result.infrared, result.visible, result.labels)
            account.done += 1
            bar.advance()
            if result.latency is not None:
                account.latencies.append(result.latency)
