"""Fusion metrics of every pair and entry, in processes; whatever goes wrong with one picture stays with it."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch

from segmif.bench.cache import ScoreStore, code_version, digest
from segmif.bench.entries import Array, Entry
from segmif.bench.sources import Pairs, subset
from segmif.checks import InputError
from segmif.data.base import PairDataset, PairSample
from segmif.data.parallel import map_samples
from segmif.data.problems import errors
from segmif.data.reader import FileDataset
from segmif.io import Band, to_unit, write_image
from segmif.metrics.fusion import SourcePair
from segmif.metrics.fusion.pair import select

Scores = dict[str, float]

_PAIRS_PER_PROCESS = 8
"""Fewer pairs than this are measured sooner than another process has started."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One picture that could not be measured."""

    dataset: str
    method: str
    image: str
    error: str


@dataclass(kw_only=True)
class Measured:
    """The scores of one data set: method → image → metric → value, and what is missing."""

    scores: dict[str, dict[str, Scores]]
    failures: list[Failure] = field(default_factory=list)
    computed: int = 0
    """How many pictures were measured now, the rest being known from before."""

    def column(self, method: str, metric: str, images: Sequence[str]) -> list[float | None]:
        """A metric over images, None where it could not be measured."""
        return [self.scores[method].get(image, {}).get(metric) for image in images]


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What is to be done for one entry on one pair."""

    entry: int
    metrics: tuple[str, ...]
    picture: Path | None
    """Where the fused picture is to be kept; None for nowhere."""


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    entry: int
    scores: Scores | None
    error: str | None


def measure_pairs(
    pairs: Pairs,
    entries: Sequence[Entry],
    metrics: Sequence[str],
    *,
    convention: str | None = None,
    store: ScoreStore | None = None,
    pictures: Mapping[tuple[str, str], Path] | None = None,
    workers: int = 1,
    advance: Callable[[], None] = lambda: None,
) -> Measured:
    """Measure every entry on every pair.

    Args:
        pairs: the pairs.
        entries: what made the fused pictures.
        metrics: names.
        convention: see `fusion_metrics`.
        store: known scores are taken from there, and new ones put in as they come.
        pictures: (entry, pair) → file that shall hold the fused picture, for those that are wanted.
        workers: processes; 1 is this one.
        advance: called once per pair.

    Raises:
        InputError: an unknown metric or convention, a process that died, or a full disk; never for one picture.
    """
    select(metrics, convention)
    store = ScoreStore() if store is None else store
    result = Measured(scores={entry.name: {} for entry in entries})
    tasks, keys = _plan(pairs, entries, tuple(metrics), convention, store, pictures or {}, result)
    busy = [i for i, name in enumerate(pairs.samples.names) if name in tasks]
    for _ in range(len(pairs.samples) - len(busy)):
        advance()
    work = partial(_measure, entries=tuple(entries), convention=convention, tasks=tasks)
    outcomes = map_samples(work, subset(pairs.samples, busy), workers=min(workers, len(busy) // _PAIRS_PER_PROCESS))
    try:
        for index, found in zip(busy, outcomes, strict=True):
            name = pairs.samples.names[index]
            for outcome in found:
                entry = entries[outcome.entry].name
                if outcome.error is not None:
                    result.failures.append(Failure(dataset=pairs.key, method=entry, image=name, error=outcome.error))
                elif outcome.scores is not None:
                    known = store.get(keys[entry, name]) or {}
                    store.put(keys[entry, name], {**known, **outcome.scores})
                    result.computed += 1
            advance()
    except BrokenProcessPool as error:
        raise InputError(
            "a worker process died, most often for want of memory; use fewer --workers (what was measured is kept)"
        ) from error
    for (entry, name), key in keys.items():
        known = store.get(key) or {}
        if all(metric in known for metric in metrics):
            result.scores[entry][name] = {metric: known[metric] for metric in metrics}
    return result


def _plan(
    pairs: Pairs,
    entries: Sequence[Entry],
    metrics: tuple[str, ...],
    convention: str | None,
    store: ScoreStore,
    pictures: Mapping[tuple[str, str], Path],
    result: Measured,
) -> tuple[dict[str, list[_Task]], dict[tuple[str, str], str]]:
    """What is left to do by pair, and the key of every (entry, pair)."""
    code = code_version("segmif.metrics.fusion")
    tasks: dict[str, list[_Task]] = {}
    keys: dict[tuple[str, str], str] = {}
    for index, name in enumerate(pairs.samples.names):
        for number, entry in enumerate(entries):
            try:
                made = entry.key(name, pairs.sources(index))
            except InputError as error:
                failure = Failure(dataset=pairs.key, method=entry.name, image=name, error=str(error))
                result.failures.append(failure)
                continue
            keys[entry.name, name] = key = digest(made, convention or "", code)
            missing = tuple(m for m in metrics if m not in (store.get(key) or {}))
            picture = pictures.get((entry.name, name))
            picture = None if picture is None or picture.exists() else picture
            if missing or picture is not None:
                tasks.setdefault(name, []).append(_Task(entry=number, metrics=missing, picture=picture))
    return tasks, keys


def _measure(
    dataset: PairDataset,
    index: int,
    *,
    entries: tuple[Entry, ...],
    convention: str | None,
    tasks: Mapping[str, list[_Task]],
) -> list[_Outcome]:
    """All tasks of one pair; runs in a process of its own."""
    if multiprocessing.parent_process() is not None:
        torch.set_num_threads(1)
    assert isinstance(dataset, FileDataset)
    todo = tasks[dataset.names[index]]
    try:
        sample, problems = dataset.load(index)
        if sample is None:
            raise InputError(errors(problems)[0].message)
        sources = SourcePair(_measurable(sample.infrared, "infrared"), _measurable(sample.visible, "visible"))
    except Exception as error:
        return [_Outcome(entry=task.entry, scores=None, error=_reason(error)) for task in todo]
    return [_one(task, entries[task.entry], sample, sources, convention) for task in todo]


def _one(task: _Task, entry: Entry, sample: PairSample, sources: SourcePair, convention: str | None) -> _Outcome:
    try:
        fused = entry.picture(sample)
        scores = sources.metrics(fused, task.metrics, convention) if task.metrics else None
    except Exception as error:
        return _Outcome(entry=task.entry, scores=None, error=_reason(error))
    if task.picture is not None:
        write_image(task.picture, fused)  # a full disk is no fault of this picture: it ends the work
    return _Outcome(entry=task.entry, scores=scores, error=None)


def _measurable(image: Array, band: Band) -> Array:
    """Sources of more than 8 bits by the rule the methods see them with."""
    return image if image.dtype == np.uint8 else to_unit(image, band)


def _reason(error: Exception) -> str:
    """One line: the message of a user's mistake; for anything else also its kind, since it is a fault of ours."""
    text = " ".join(str(error).split())
    return text if isinstance(error, InputError) else f"unexpected {type(error).__name__}: {text}; please report it"


def default_workers() -> int:
    """One process per core this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
