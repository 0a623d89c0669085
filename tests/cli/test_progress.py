import io as text_io
import sys

import pytest

from segmif.cli import progress as module
from segmif.cli.progress import PlainProgress, progress


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_plain_lines_come_every_ten_seconds_and_at_the_end(clock, capsys):
    with progress("fusing", 100) as bar:
        for _ in range(30):
            clock.now += 1
            bar.advance()
        assert isinstance(bar, PlainProgress)
        bar.say("a line")
    assert capsys.readouterr().err.splitlines() == [
        "fusing: 10/100, 1.00/s, 0:01:30 left",
        "fusing: 20/100, 1.00/s, 0:01:20 left",
        "fusing: 30/100, 1.00/s, 0:01:10 left",
        "a line",
        "fusing: 30/100, 1.00/s, 0:01:10 left",
    ]


def test_short_work_says_nothing(clock, capsys):
    with progress("fusing", 1) as bar:
        bar.advance()
    assert capsys.readouterr().err == ""


def test_work_of_unknown_length(clock):
    bar = PlainProgress("fusing", None)
    clock.now += 4
    bar.done = 2
    assert bar.line() == "fusing: 2 done, 0.50/s"
    assert PlainProgress("fusing", 5).line() == "fusing: 0/5, 0.00/s, 0:00:00 left"


class Terminal(text_io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_with_lines_above_it(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress("fusing", 3) as bar:
        bar.advance()
        bar.say("a [bold]line[/bold]")
        bar.advance()
        bar.advance()
    shown = terminal.getvalue()
    assert "a [bold]line[/bold]" in shown
    assert "fusing" in shown
    assert "3/3" in shown
