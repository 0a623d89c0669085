"""The one thread that computes, and how requests wait for it.

A network uses every core by itself, so pairs are fused one after another; everything else stays in the event loop.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from starlette.requests import Request

from segmif.app.security import Refusal

T = TypeVar("T")

_GUESS = 2.0
"""Seconds a piece of work takes before anything was measured."""
_MEMORY = 0.8
"""Weight of the past in the mean duration."""
_LONGEST_ADVICE = 600


class ClientGoneError(Exception):
    """The client closed the connection: nobody waits for the answer."""


class Worker:
    """Runs work in the order it comes, in one thread."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="segmif-infer")
        self._lock = threading.Lock()
        self.waiting = 0
        """Pieces of work submitted and not finished."""
        self.seconds = _GUESS
        """Mean duration of the last pieces of work."""

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Queue a piece of work; a future that is cancelled before its turn is never run."""
        with self._lock:
            self.waiting += 1
        future = self._pool.submit(self._measured, work)
        future.add_done_callback(self._leave)
        return future

    def _measured(self, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        result = work()
        self.seconds = _MEMORY * self.seconds + (1 - _MEMORY) * (time.perf_counter() - start)
        return result

    def _leave(self, _: Future[T]) -> None:
        with self._lock:
            self.waiting -= 1

    def retry_after(self) -> int:
        """Whole seconds after which the queue should be shorter."""
        return min(_LONGEST_ADVICE, max(1, math.ceil(self.waiting * self.seconds / 2)))

    async def run(self, request: Request, work: Callable[[], T], *, timeout: float) -> T:
        """Queue work for a request and wait for it, as long as the client does and no longer than `timeout` seconds.

        Raises:
            Refusal: 503, the time is over. What is running goes on to its end, what waits is dropped.
            ClientGoneError: nobody is waiting any more; likewise.
        """
        future = self.submit(work)
        answer: asyncio.Future[T] = asyncio.wrap_future(future)
        gone: asyncio.Future[None] = asyncio.ensure_future(_disconnected(request))
        either: set[asyncio.Future[Any]] = {answer, gone}
        try:
            await asyncio.wait(either, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            if gone.done():
                raise ClientGoneError
            raise Refusal(
                503,
                f"this took longer than the limit of {timeout:g} s: try again later or send smaller pictures",
                retry_after=self.retry_after(),
            )
        finally:
            gone.cancel()
            answer.cancel()

    def close(self) -> None:
        """Drop what waits and end the thread after what runs."""
        self._pool.shutdown(wait=True, cancel_futures=True)


async def _disconnected(request: Request) -> None:
    """Return when the client has closed the connection; the body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
