import threading
import time
from collections.abc import Iterator

import pytest

from segmif.checks import InputError
from segmif.infer.threaded import ReadAhead, WriteBehind, map_ahead


def settled(condition, seconds: float = 5.0) -> bool:
    """Whether the condition comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


def threads(prefix: str) -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith(prefix)]


def test_reading_ahead_keeps_order_and_never_asks_for_more_than_there_is_room():
    asked = []

    def source() -> Iterator[int]:
        for i in range(1000):
            asked.append(i)
            yield i

    with ReadAhead(source(), size=3) as ahead:
        assert settled(lambda: len(asked) == 3)
        time.sleep(0.05)
        assert len(asked) == 3
        assert [next(ahead) for _ in range(10)] == list(range(10))
        assert settled(lambda: len(asked) == 13)
    assert not threads("segmif-read-ahead")


def test_the_oldest_is_dropped_where_the_source_does_not_wait():
    with ReadAhead(range(100), size=2, drop_oldest=True) as ahead:
        assert settled(lambda: not threads("segmif-read-ahead"))
        assert list(ahead) == [98, 99]
        assert (ahead.taken, ahead.dropped) == (100, 98)


def test_an_error_of_the_source_comes_once_after_the_items_before_it():
    def source() -> Iterator[int]:
        yield 1
        raise InputError("damaged")

    with ReadAhead(source(), size=5) as ahead:
        assert next(ahead) == 1
        with pytest.raises(InputError, match="damaged"):
            next(ahead)
        assert list(ahead) == []


def test_closing_ends_the_source_in_its_own_thread():
    ended = []

    def source() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            ended.append(threading.current_thread().name)

    with ReadAhead(source(), size=1) as ahead:
        next(ahead)
    assert ended == ["segmif-read-ahead"]
    assert list(ahead) == []


def test_a_source_that_hangs_does_not_hang_its_consumer(monkeypatch):
    monkeypatch.setattr("segmif.infer.threaded._PATIENCE", 0.05)
    go = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        go.wait(10)

    with ReadAhead(source(), size=2) as ahead:
        next(ahead)
        start = time.monotonic()
    assert time.monotonic() - start < 2
    go.set()
    assert settled(lambda: not threads("segmif-read-ahead"))


def test_something_that_cannot_be_iterated_is_told_to_the_consumer():
    with ReadAhead(5, size=1) as ahead, pytest.raises(TypeError):  # type: ignore[arg-type]
        next(ahead)


def test_stages_overlap():
    """Reading, working and writing of 0.02 s each take hardly longer together than the slowest alone."""

    def slow(item: int) -> int:
        time.sleep(0.02)
        return item

    written: list[int] = []
    start = time.monotonic()
    with ReadAhead(map(slow, range(20)), size=2) as ahead, WriteBehind(lambda i: written.append(slow(i))) as sink:
        for item in ahead:
            sink.submit(slow(item))
    assert written == list(range(20))
    assert time.monotonic() - start < 0.8 * 3 * 20 * 0.02


def test_writing_blocks_when_too_many_wait():
    go, written = threading.Event(), []

    def write(item: int) -> None:
        go.wait(10)
        written.append(item)

    with WriteBehind(write, waiting=2) as sink:
        sink.submit(0)
        sink.submit(1)
        third = threading.Thread(target=sink.submit, args=(2,))
        third.start()
        third.join(0.05)
        assert third.is_alive()
        go.set()
        third.join(5)
    assert written == [0, 1, 2]


@pytest.mark.parametrize("last", [0, 9])
def test_an_error_of_writing_comes_once_and_ends_it(last):
    written = []

    def write(item: int) -> None:
        if item == last:
            raise InputError("disk full")
        written.append(item)

    def submit_all() -> None:
        with WriteBehind(write, waiting=2) as sink:
            for i in range(10):
                sink.submit(i)

    with pytest.raises(InputError, match="disk full"):
        submit_all()
    assert written == list(range(last))


def test_what_was_submitted_before_ctrl_c_is_written():
    written = []

    def write(item: int) -> None:
        time.sleep(0.01)
        written.append(item)

    def submit_all() -> None:
        with WriteBehind(write, threads=2) as sink:
            for i in range(6):
                sink.submit(i)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        submit_all()
    assert sorted(written) == list(range(6))


def test_mapping_ahead_is_bounded_and_in_order():
    done = []
    results = map_ahead(lambda i: done.append(i) or i * i, range(100), threads=2, ahead=4)
    assert [next(results) for _ in range(3)] == [0, 1, 4]
    assert settled(lambda: len(done) >= 6)
    assert len(done) <= 7
    results.close()
    assert not threads("segmif-read")


def test_mapping_ahead_gives_what_came_before_an_error_of_the_source():
    def source() -> Iterator[int]:
        yield from range(3)
        raise InputError("damaged")

    results = map_ahead(lambda i: i, source(), threads=2, ahead=8)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(InputError, match="damaged"):
        next(results)
