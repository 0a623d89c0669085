"""Many pairs as pieces of work that any process can do, again if need be: equal inputs give equal files.

A job writes whole files or none, so one that died half-way is simply done again.
"""

from __future__ import annotations

import glob
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from segmif.checks import InputError
from segmif.data.serial import pictures_from_parts
from segmif.data.shards import ShardWriter, shard_stem, stream_parts
from segmif.infer.pipeline import Model
from segmif.infer.result import Result, is_finished
from segmif.io import Array, read_image
from segmif.streams import StreamPair

Align = Callable[..., tuple[Array, Array]]
Deaths = Callable[[str], int]
"""Notes down, where it outlives this process, that work at the pair of that name begins; how often that was fatal."""
DIED = "the process that works on it dies each time; perhaps there is too little memory: use fewer workers"
"""Why a pair is left out at which a process was killed."""
ERROR_PART = "error.txt"
"""What stands in a shard of results in place of the outputs of a pair that could not be fused: why."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to do a job.

    Attributes:
        outputs: which of `segmif.infer.result.OUTPUTS` are written.
        guide: as for `Model.stream`.
        align: called with (infrared, visible) and `on_refusal` before fusing.
        resume: leave out what is finished.
        batch_size: as for `Model.stream`.
        readers: threads that read ahead.
    """

    outputs: tuple[str, ...]
    guide: str | None = None
    align: Align | None = None
    resume: bool = False
    batch_size: int | None = None
    readers: int = 2


@dataclass(kw_only=True)
class Report:
    """What became of the pairs of a job.

    Attributes:
        done: pairs fused now.
        skipped: pairs that were finished before.
        failed: name of each pair that is left out, and why.
        notes: what the user should know, with the first pair it holds for and the number of pairs.
    """

    done: int = 0
    skipped: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    notes: dict[str, tuple[str, int]] = field(default_factory=dict)

    def count(self) -> int:
        """Number of pairs it is about."""
        return self.done + self.skipped + len(self.failed)

    def note(self, name: str, note: str) -> None:
        """Count a note."""
        first, count = self.notes.get(note, (name, 0))
        self.notes[note] = first, count + 1

    def fail(self, name: str, error: InputError | str) -> None:
        """Remember a pair that is left out."""
        self.failed.append((name, str(error)))


class Job(Protocol):
    """A piece of work; `name` is for messages."""

    @property
    def name(self) -> str: ...

    def run(self, model: Model, options: Options, deaths: Deaths | None = None) -> Report:
        """Do it.

        Args:
            model: what fuses.
            options: how.
            deaths: given where a process has died at this job: the pairs are taken one by one, so that it is known
                which one it was, and one at which a process died twice is left out.

        Raises:
            InputError: nothing like it can be done here: the output cannot be written, the memory is too small.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class PairTask:
    """One pair: its name, the infrared and visible file, and the file for each output."""

    name: str
    files: tuple[Path, Path]
    outputs: dict[str, Path]


@dataclass(frozen=True)
class PairsJob:
    """Pairs of picture files, results in files beside one another."""

    tasks: tuple[PairTask, ...]

    @property
    def name(self) -> str:
        """The first pair's."""
        return self.tasks[0].name

    def run(self, model: Model, options: Options, deaths: Deaths | None = None) -> Report:
        """See `Job.run`."""
        report = Report()
        todo: dict[str, PairTask] = {}
        for task in self.tasks:
            if options.resume and is_finished(tuple(task.outputs.values()), task.files):
                report.skipped += 1
            else:
                todo[task.name] = task
        pairs = (StreamPair(name=task.name, read=partial(_read_files, task)) for task in todo.values())
        for result in _results(pairs, model, options, deaths, report, report.fail):
            for output, path in todo[result.name].outputs.items():
                result.write(output, path)
        return report


def _read_files(task: PairTask) -> tuple[Array, Array]:
    return read_image(task.files[0]), read_image(task.files[1])


Fail = Callable[[str, InputError], None]


def _results(
    pairs: Iterator[StreamPair], model: Model, options: Options, deaths: Deaths | None, report: Report, fail: Fail
) -> Iterator[Result]:
    """Results one by one, each counted once the caller has dealt with it."""
    refused: dict[str, str] = {}
    aligned = pairs if options.align is None else (_aligned(pair, options.align, refused) for pair in pairs)
    fuse = partial(model.stream, guide=options.guide, batch_size=options.batch_size, on_error=fail)
    batches = [aligned] if deaths is None else ([pair] for pair in _harmless(aligned, deaths, fail))
    for result in itertools.chain.from_iterable(fuse(batch, workers=options.readers) for batch in batches):
        yield result
        refusal = refused.pop(result.name, None)
        for note in result.notes if refusal is None else (*result.notes, refusal):
            report.note(result.name, note)
        report.done += 1


def _harmless(pairs: Iterator[StreamPair], deaths: Deaths, fail: Fail) -> Iterator[StreamPair]:
    """Without those at which a process died twice."""
    for pair in pairs:
        if deaths(pair.name) > 1:
            fail(pair.name, InputError(DIED))
        else:
            yield pair


def _aligned(pair: StreamPair, align: Align, refused: dict[str, str]) -> StreamPair:
    return replace(pair, read=lambda: align(*pair.read(), on_refusal=partial(refused.__setitem__, pair.name)))


class _UnreadableShardError(InputError):
    """A shard cannot be read to its end; others may be whole."""


@dataclass(frozen=True, kw_only=True)
class ShardJob:
    """One tar shard of pairs, results in another: ``KEY.fused.png``, ``KEY.labels.png``, … in the order of the pairs.

    Where a pair cannot be fused, ``KEY.error.txt`` says why. A shard that cannot be read to its end gives none.

    Attributes:
        shard: to read.
        target: to write.
    """

    shard: Path
    target: Path

    @property
    def name(self) -> str:
        """The shard's."""
        return self.shard.name

    def run(self, model: Model, options: Options, deaths: Deaths | None = None) -> Report:
        """See `Job.run`."""
        if options.resume and (finished := self._finished(options)):
            return finished
        self._clean()
        report = Report()
        try:
            with ShardWriter(self.target) as shard:

                def fail(key: str, error: InputError) -> None:
                    shard.add(key, {ERROR_PART: f"{error}\n".encode()})
                    report.fail(f"{self.name}:{key}", error)

                for result in _results(self._pairs(), model, options, deaths, report, fail):
                    shard.add(result.name, {f"{output}.png": result.encode(output) for output in options.outputs})
        except _UnreadableShardError as error:
            return Report(failed=[(self.name, str(error))])
        return report

    def _pairs(self) -> Iterator[StreamPair]:
        empty = True
        try:
            for key, parts in stream_parts(self.shard):
                empty = False
                read = partial(pictures_from_parts, parts, where=f"{self.shard}:{key}")
                yield StreamPair(name=key, read=read)
        except InputError as error:
            raise _UnreadableShardError(str(error)) from error
        if empty:
            raise _UnreadableShardError(f"{self.shard}: holds no pairs; write it again")

    def _finished(self, options: Options) -> Report | None:
        """What a finished target holds; None where it is missing, old, damaged or lacks an output."""
        report, wanted = Report(), {f"{output}.png" for output in options.outputs}
        if not is_finished((self.target,), (self.shard,), whole=lambda _: True):
            return None
        with suppress(InputError):
            for key, parts in stream_parts(self.target):
                if ERROR_PART in parts:
                    report.fail(f"{self.name}:{key}", parts[ERROR_PART].decode().strip())
                elif wanted <= set(parts):
                    report.skipped += 1
                else:
                    return None
            return report
        return None

    def _clean(self) -> None:
        """Remove what a process that was killed left of the target."""
        for path in self.target.parent.glob(f".{glob.escape(self.target.stem)}.*.tmp{self.target.suffix}"):
            path.unlink(missing_ok=True)


def absolute(path: Path) -> Path:
    """The path that means the same file in a process with another working folder; links stay links."""
    return Path.cwd() / path


def shard_jobs(shards: Sequence[Path], folder: Path) -> list[ShardJob]:
    """A job for each shard; results in shards of the same name.

    Raises:
        InputError: the results would overwrite the shards or each other.
    """
    jobs = [ShardJob(shard=absolute(s), target=absolute(folder) / f"{shard_stem(s)}.tar") for s in shards]
    seen: set[Path] = set()
    for job in jobs:
        if job.target.resolve() == job.shard.resolve():
            raise InputError(f"{folder}: holds the shards themselves, which would be lost; choose another folder")
        if job.target in seen:
            raise InputError(f"{job.shard}: another shard differs from it in the suffix only; rename one")
        seen.add(job.target)
    return jobs


def pair_jobs(tasks: Sequence[PairTask], *, size: int) -> list[PairsJob]:
    """Jobs of `size` pairs."""
    return [PairsJob(tuple(tasks[i : i + size])) for i in range(0, len(tasks), size)]
