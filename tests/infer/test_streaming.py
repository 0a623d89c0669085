import statistics
import threading
import time
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from segmif.checks import InputError
from segmif.infer import Model
from segmif.streams import PairStream, RunningLimits, StreamPair
from tests.infer.conftest import scene


class Film(PairStream):
    """`count` frames, `pace` seconds apart, from a camera if `live`."""

    def __init__(self, count: int, *, live: bool = False, pace: float = 0.0, breaks: bool = False) -> None:
        super().__init__(name="film", rate=Fraction(25), length=None)
        self.count, self.live, self.pace, self.breaks = count, live, pace, breaks

    def __iter__(self) -> Iterator[StreamPair]:
        for i in range(self.count):
            time.sleep(self.pace)
            captured = time.monotonic() if self.live else None
            yield StreamPair(name=str(i), read=lambda i=i: scene(32, 40, i), seconds=i / 25, captured=captured)
        if self.breaks:
            raise InputError("film: is damaged")


def slow_down(monkeypatch: pytest.MonkeyPatch, seconds: float) -> list[float]:
    """Make the network slower; how long its runs take, on a busy machine longer than that."""
    run, took = Model._run, []

    def slow(*arguments):
        start = time.monotonic()
        time.sleep(seconds)
        results = run(*arguments)
        took.append(time.monotonic() - start)
        return results

    monkeypatch.setattr(Model, "_run", slow)
    return took


def test_no_frame_of_a_file_is_lost_however_slow_the_network_is(model, monkeypatch):
    slow_down(monkeypatch, 0.02)
    film = Film(12)
    results = list(model.stream(film, max_latency=0.001))
    assert [r.name for r in results] == [str(i) for i in range(12)]
    assert {r.latency for r in results} == {None}
    assert film.notes == []


def test_a_camera_faster_than_the_network_loses_its_oldest_frames(model, monkeypatch):
    took = slow_down(monkeypatch, 0.1)
    film = Film(80, live=True, pace=0.01)
    results = list(model.stream(film))
    assert 4 <= len(results) <= 40
    times = [r.seconds for r in results]
    assert times == sorted(times)
    lost = 80 - len(results)
    assert film.notes == [f"{lost} of 80 frames dropped: {lost} because fusing is slower than the cameras"]
    # One frame is prepared while another is in the network: two runs of it and little more.
    assert statistics.median(r.latency for r in results) < 3 * statistics.median(took)


def test_frames_that_are_too_old_are_dropped_and_the_rest_is_fresh(model, monkeypatch):
    took = slow_down(monkeypatch, 0.1)
    film = Film(80, live=True, pace=0.01)
    results = list(model.stream(film, max_latency=0.06))
    assert results
    assert statistics.median(r.latency for r in results) < 0.06 + 2 * statistics.median(took)
    assert "older than 60 ms" in film.notes[0]


def test_a_latency_that_no_frame_can_meet_is_told_instead_of_dropping_for_ever(model):
    film = Film(500, live=True, pace=0.002)
    with pytest.raises(
        InputError, match=r"of 50 frames none was ready within 0.001 ms, the last one after .* ms: allow"
    ):
        list(model.stream(film, max_latency=1e-6))


def test_a_camera_that_hangs_ends_the_stream(model, monkeypatch):
    monkeypatch.setattr("segmif.infer.streaming._SILENCE", 0.3)
    monkeypatch.setattr("segmif.infer.threaded._PATIENCE", 0.05)
    go = threading.Event()

    class Hangs(Film):
        def __iter__(self) -> Iterator[StreamPair]:
            yield from super().__iter__()
            go.wait(20)

    film = Hangs(3, live=True, pace=0.05)
    assert [r.name for r in model.stream(film)] == list("012")
    assert film.lost == "the cameras have sent nothing for 0.3 s; check cables and power"
    go.set()


def test_a_slow_camera_loses_nothing(model):
    film = Film(5, live=True, pace=0.1)
    assert [r.name for r in model.stream(film)] == list("01234")
    assert film.notes == []


@pytest.mark.parametrize("live", [False, True])
def test_an_error_of_the_source_comes_once_after_the_frames_before_it(model, live):
    results = model.stream(Film(3, live=live, pace=0.1, breaks=True))
    assert [next(results).name for _ in range(3)] == list("012")
    with pytest.raises(InputError, match="film: is damaged"):
        next(results)
    assert list(results) == []


def test_limits_of_the_stream_are_what_the_network_sees(model):
    infrared, visible = scene(32, 40)
    deep = infrared.astype(np.uint16) * 10 + 7000
    limits = RunningLimits()(deep, 0.0)
    pair = StreamPair(name="p", read=lambda: (deep, visible), limits=(limits[0] - 1000, limits[1]))
    (shifted,) = model.stream([pair])
    plain = model.predict(deep, visible)
    assert shifted.infrared.min() > 60
    assert plain.infrared.min() == 0
