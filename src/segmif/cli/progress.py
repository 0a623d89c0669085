"""What long work says: a bar with rate and remaining time on a terminal, plain lines elsewhere; all on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

_SECONDS_BETWEEN_LINES = 10.0


class Progress(Protocol):
    """What the work calls."""

    def advance(self) -> None:
        """One more is done."""
        ...

    def say(self, line: str) -> None:
        """Print a line without disturbing the bar."""
        ...


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Progress]:
    """A progress display for `total` pieces of work, None where their number is not known."""
    if sys.stderr.isatty():
        with _bar(what, total) as bar:
            yield bar
    else:
        lines = PlainProgress(what, total)
        yield lines
        lines.finish()


class PlainProgress:
    """A line every ten seconds, and one at the end if there was any before."""

    def __init__(self, what: str, total: int | None) -> None:
        self.what, self.total, self.done = what, total, 0
        self.start = self.last = time.monotonic()
        self.spoke = False

    def advance(self) -> None:
        """One more is done."""
        self.done += 1
        if time.monotonic() - self.last >= _SECONDS_BETWEEN_LINES:
            self.last = time.monotonic()
            self.spoke = True
            self.say(self.line())

    def line(self) -> str:
        """The state in words."""
        rate = self.done / max(1e-9, time.monotonic() - self.start)
        if self.total is None:
            return f"{self.what}: {self.done} done, {rate:.2f}/s"
        left = (self.total - self.done) / rate if rate else 0.0
        return f"{self.what}: {self.done}/{self.total}, {rate:.2f}/s, {_clock(left)} left"

    def say(self, line: str) -> None:
        """Print a line."""
        print(line, file=sys.stderr, flush=True)

    def finish(self) -> None:
        """Close the account."""
        if self.spoke:
            self.say(self.line())


def _clock(seconds: float) -> str:
    """
    >>> _clock(3725)
    '1:02:05'
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


@contextmanager
def _bar(what: str, total: int | None) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: object) -> Text:
            speed = getattr(task, "speed", None)
            return Text(f"{speed:.2f}/s" if speed else "")

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task(what, total=total)

        class Bar:
            def advance(self) -> None:
                display.advance(task)

            def say(self, line: str) -> None:
                display.console.print(line, markup=False, highlight=False, soft_wrap=True)

        yield Bar()
