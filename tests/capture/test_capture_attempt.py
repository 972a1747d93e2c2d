"""The thread that reads a connection, and what is known of it from outside."""

import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from framewire.capture.attempt import Arrival, Attempt, Established, Over
from framewire.capture.pictures import RgbPicture
from framewire.capture.reader import Session, Shot
from framewire.capture.statistics import Counters

SHOT = Shot(RgbPicture(np.zeros((2, 2, 3), np.uint8)), None)


class SetClock:
    """A clock that stands until it is set."""

    now_s = 0.0

    def steady_s(self) -> float:
        return self.now_s

    def wall_ticks(self) -> int:
        return 0

    def thread_cpu_s(self) -> float:
        return 0.0


class ToyReader:
    """Gives so many pictures; each read waits for leave when there is one to wait for."""

    session = Session(sdp="", is_live=True, frames_per_second=None)

    def __init__(self, pictures: int, *, leave: threading.Semaphore | None = None) -> None:
        self.left = pictures
        self.leave = leave
        self.begun = threading.Semaphore(0)
        self.reads = 0
        self.is_closed = threading.Event()
        self.is_interrupted = threading.Event()

    def read(self) -> Sequence[Shot] | None:
        self.begun.release()
        if self.leave is not None:
            self.leave.acquire()
        if self.left == 0:
            return None
        self.left -= 1
        self.reads += 1
        return (SHOT,)

    def interrupt(self) -> None:
        self.is_interrupted.set()
        if self.leave is not None:
            self.leave.release()

    def close(self) -> None:
        self.is_closed.set()


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def attempts() -> Iterator[list[Attempt]]:
    made: list[Attempt] = []
    yield made
    for attempt in made:
        attempt.abandon()
        if attempt._reader is not None:
            attempt._reader.interrupt()
        attempt._thread.join(5)
        assert not attempt.is_running


def begin(reader: ToyReader, clock: SetClock, attempts: list[Attempt]) -> Attempt:
    attempt = Attempt(lambda: reader, clock, Counters(), name="framewire capture toy")
    attempts.append(attempt)
    return attempt


def test_everything_comes_in_order_and_then_the_end(clock: SetClock, attempts: list[Attempt]) -> None:
    reader = ToyReader(3)
    attempt = begin(reader, clock, attempts)
    items = [attempt.take(5) for _ in range(5)]
    assert items == [Established(reader.session), *[Arrival(SHOT, 0.0)] * 3, Over(None)]
    assert reader.is_closed.wait(5)


def test_what_fails_is_handed_on(clock: SetClock) -> None:
    error = ValueError()

    def fail() -> ToyReader:
        raise error

    attempt = Attempt(fail, clock, Counters(), name="framewire capture toy")
    assert attempt.take(5) == Over(error)


def test_no_more_than_a_few_pictures_are_read_ahead(clock: SetClock, attempts: list[Attempt]) -> None:
    reader = ToyReader(3000)
    attempt = begin(reader, clock, attempts)
    attempt.take(5)
    for taken in range(3000):
        # Two wait, and one more is in the reader's hand.
        assert reader.reads - taken <= 3
        assert isinstance(attempt.take(5), Arrival)


def test_silence_counts_while_a_read_waits_and_not_while_the_consumer_is_slow(
    clock: SetClock, attempts: list[Attempt]
) -> None:
    leave = threading.Semaphore(0)
    reader = ToyReader(10, leave=leave)
    attempt = begin(reader, clock, attempts)
    attempt.take(5)
    assert reader.begun.acquire(timeout=5)
    clock.now_s = 7.0
    assert attempt.silent_s(7.0) == 7.0
    # Two are taken in, and the third finds no room.
    for _ in range(2):
        leave.release()
        assert reader.begun.acquire(timeout=5)
    leave.release()
    clock.now_s = 99.0
    pause = threading.Event()
    assert any(attempt.silent_s(99.0) == 0.0 or pause.wait(0.001) for _ in range(5000))
    assert attempt.blind_s(99.0) == 92.0
    assert attempt.take(5) == Arrival(SHOT, 7.0)
    assert reader.begun.acquire(timeout=5)
    assert attempt.silent_s(104.0) == 5.0
    assert attempt.blind_s(104.0) == 5.0


def test_who_is_left_while_it_waits_is_interrupted_and_closes(clock: SetClock, attempts: list[Attempt]) -> None:
    reader = ToyReader(10, leave=threading.Semaphore(0))
    attempt = begin(reader, clock, attempts)
    attempt.take(5)
    assert reader.begun.acquire(timeout=5)
    clock.now_s = 1.0
    attempt.abandon()
    assert reader.is_interrupted.is_set()
    assert reader.is_closed.wait(5)
    assert attempt.take(5) is None


def test_who_is_left_while_it_is_busy_may_finish(clock: SetClock, attempts: list[Attempt]) -> None:
    leave = threading.Semaphore(0)
    reader = ToyReader(10, leave=leave)
    attempt = begin(reader, clock, attempts)
    attempt.take(5)
    assert reader.begun.acquire(timeout=5)
    attempt.abandon()
    assert not reader.is_interrupted.is_set()
    leave.release()
    assert reader.is_closed.wait(5)


def test_who_waits_for_a_picture_is_woken_when_it_is_left(clock: SetClock, attempts: list[Attempt]) -> None:
    reader = ToyReader(10, leave=threading.Semaphore(0))
    attempt = begin(reader, clock, attempts)
    attempt.take(5)
    seen: list[object] = []
    waiting = threading.Thread(target=lambda: seen.append(attempt.take(60)))
    waiting.start()
    attempt.abandon()
    waiting.join(5)
    assert seen == [None]
