"""One function over every sample of a data set, in this process or several, results in order."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import BaseContext
from typing import Any, TypeVar

import cv2

from segmif.data.base import PairDataset

Result = TypeVar("Result")


def map_samples(
    function: Callable[[PairDataset, int], Result], dataset: PairDataset, *, workers: int = 1
) -> Iterator[Result]:
    """Yield ``function(dataset, index)`` for each index, in order.

    With `workers` > 1, function, data set and results must be picklable. When the consumer stops early or Ctrl-C
    comes, what has not begun is dropped.
    """
    if workers <= 1:
        yield from (function(dataset, index) for index in range(len(dataset)))
        return
    pool = ProcessPoolExecutor(workers, mp_context=clean_processes(), initializer=_share, initargs=(function, dataset))
    try:
        yield from pool.map(_call, range(len(dataset)), chunksize=4)
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


def _call(index: int) -> Any:
    assert _shared is not None
    function, dataset = _shared
    return function(dataset, index)
