"""One function over every sample of a data set, in this process or several, results in order."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.context import BaseContext
from typing import Any, TypeVar

import cv2

from segmif.data.base import PairDataset

Result = TypeVar("Result")

_AT_ONCE, _AHEAD = 4, 3
"""Samples a process is handed at a time, and such portions per process under way before results are taken."""


def map_samples(
    function: Callable[[PairDataset, int], Result], dataset: PairDataset, *, workers: int = 1
) -> Iterator[Result]:
    """Yield ``function(dataset, index)`` for each index, in order.

    With `workers` > 1, function, data set and results must be picklable. Only a few samples are worked on ahead, so
    the data set may be endless and the consumer slow; when it stops early or Ctrl-C comes, what has not begun is
    dropped.
    """
    if workers <= 1:
        yield from (function(dataset, index) for index in range(len(dataset)))
        return
    pool = ProcessPoolExecutor(workers, mp_context=clean_processes(), initializer=_share, initargs=(function, dataset))
    under_way: deque[Future[list[Result]]] = deque()
    try:
        for start in range(0, len(dataset), _AT_ONCE):
            under_way.append(pool.submit(_call, range(start, min(start + _AT_ONCE, len(dataset)))))
            if len(under_way) >= workers * _AHEAD:
                yield from under_way.popleft().result()
        while under_way:
            yield from under_way.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def clean_processes() -> BaseContext:
    """Processes that start from a small server (or from nothing), not as a copy of this process.

    OpenCV's threads, once used, do not survive a fork: a forked worker that calls OpenCV may hang for ever.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["segmif.data.transforms"])
    return context


_shared: tuple[Callable[[PairDataset, int], Any], PairDataset] | None = None


def _share(function: Callable[[PairDataset, int], Any], dataset: PairDataset) -> None:
    global _shared
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    cv2.setNumThreads(1)
    _shared = (function, dataset)


def _end_with_parent() -> None:
    """Without its parent, which may be killed at any time, a worker would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _call(indices: Sequence[int]) -> list[Any]:
    assert _shared is not None
    function, dataset = _shared
    return [function(dataset, index) for index in indices]
