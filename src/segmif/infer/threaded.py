"""Threads between the stages of a stream: one reads ahead, others write behind, and nothing waits without bound."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_PATIENCE = 2.0
"""Seconds to wait for a thread that may hang in a driver, such as a camera that has gone."""


class ReadAhead(Generic[T]):
    """Iterates `source` in a thread of its own, at most `size` items ahead; use it as a context manager.

    An error of the source reaches the consumer once, after the items before it. A generator is closed in the thread
    it ran in.

    Args:
        source: any iterable; nobody else may iterate it meanwhile.
        size: how many items may wait.
        drop_oldest: when that many wait, the oldest is lost, so that the source never waits: for cameras.
        silence: seconds without an item after which the consumer gets a `TimeoutError`, for a source that may hang.

    Attributes:
        taken: number of items the source gave.
        dropped: how many of them were lost.

    >>> with ReadAhead(range(5), size=2) as numbers:
    ...     list(numbers)
    [0, 1, 2, 3, 4]
    """

    def __init__(self, source: Iterable[T], *, size: int, drop_oldest: bool = False, silence: float = math.inf) -> None:
        assert size >= 1
        self._silence = silence
        self.taken = self.dropped = 0
        self._size, self._drop_oldest = size, drop_oldest
        self._waiting: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = self._over = False
        self._error: BaseException | None = None
        # A daemon, because a driver that never returns must not keep the program from ending.
        self._thread = threading.Thread(target=self._run, args=(source,), name="segmif-read-ahead", daemon=True)
        self._thread.start()

    def _run(self, source: Iterable[T]) -> None:
        error: BaseException | None = None
        try:
            items = iter(source)
            try:
                while self._has_room():
                    self._put(next(items))
            finally:
                getattr(items, "close", lambda: None)()
        except StopIteration:
            pass
        except BaseException as raised:
            error = raised
        with self._changed:
            self._error, self._over = error, True
            self._changed.notify_all()

    def _has_room(self) -> bool:
        """Waits for room before the source is asked, so that no item grows old outside the queue; False: no more."""
        with self._changed:
            while len(self._waiting) >= self._size and not self._drop_oldest and not self._closed:
                self._changed.wait()
            return not self._closed

    def _put(self, item: T) -> None:
        with self._changed:
            self.taken += 1
            if len(self._waiting) >= self._size:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(item)
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with self._changed:
            deadline = time.monotonic() + self._silence
            while not (self._waiting or self._over or self._closed):
                if time.monotonic() > deadline:
                    raise TimeoutError
                self._changed.wait(min(0.5, self._silence))  # some systems do not interrupt an endless wait by Ctrl-C
            if self._waiting and not self._closed:
                item = self._waiting.popleft()
                self._changed.notify_all()
                return item
            error, self._error = self._error, None
            if error is not None and not self._closed:
                raise error
            raise StopIteration

    def close(self) -> None:
        """End the thread as soon as the source lets it; what waits is lost."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        self._thread.join(_PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class WriteBehind(Generic[T]):
    """Calls `write` with items in threads while the caller makes the next ones; use it as a context manager.

    The first error of `write` reaches the caller once, from `submit` or at the end; nothing more is written after it.
    After an exception in the block, Ctrl-C included, what was submitted is still written.

    Args:
        write: what to do with an item.
        threads: with one, items are written in order.
        waiting: how many items may wait; `submit` blocks at more.
    """

    def __init__(self, write: Callable[[T], None], *, threads: int = 1, waiting: int = 8) -> None:
        self._write = write
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="segmif-write")
        self._limit = waiting
        self._futures: deque[Future[None]] = deque()
        self._failed = False

    def submit(self, item: T) -> None:
        """Hand over an item; raises what an earlier one failed with."""
        while len(self._futures) >= self._limit or (self._futures and self._futures[0].done()):
            self._futures.popleft().result()
        self._futures.append(self._pool.submit(self._call, item))

    def _call(self, item: T) -> None:
        if self._failed:
            return
        try:
            self._write(item)
        except BaseException:
            self._failed = True
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown(wait=True)
        if kind is None:
            for future in self._futures:
                future.result()


def map_ahead(function: Callable[[T], R], items: Iterable[T], *, threads: int, ahead: int) -> Iterator[R]:
    """`map` with threads, in order, with at most `ahead` results waiting; errors come in their place."""
    source = iter(items)
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="segmif-read") as pool:
        error: Exception | None = None
        try:
            while True:
                try:
                    missing = 0 if error else ahead - len(waiting)
                    waiting.extend(pool.submit(function, item) for item in itertools.islice(source, missing))
                except Exception as raised:
                    error = raised
                if not waiting:
                    break
                yield waiting.popleft().result()
            if error:
                raise error
        finally:
            for future in waiting:
                future.cancel()
