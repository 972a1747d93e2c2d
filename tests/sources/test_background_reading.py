"""The relay and the guard: what lets a source be closed while it is read."""

import threading
from collections.abc import Iterator

import pytest

from framewire.sources.guard import CloseGuard
from framewire.sources.relay import Relay

PATIENCE_S = 10


def test_a_relay_hands_on_everything_in_its_order_and_then_ends() -> None:
    relay = Relay(iter(range(100)), name="test")
    assert list(relay) == list(range(100))
    assert list(relay) == []


def test_a_relay_reads_one_item_ahead_and_no_more() -> None:
    made: list[int] = []
    third = threading.Event()

    def items() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            if number == 2:
                third.set()
            yield number

    relay = Relay(items(), name="test")
    assert next(relay) == 0
    assert third.wait(PATIENCE_S)
    # 1 waits to be taken and 2 is in the hand of the reader, which now stands still.
    assert made == [0, 1, 2]
    assert list(relay) == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_a_relay_hands_on_an_error_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    relay = Relay(items(), name="test")
    assert next(relay) == 1
    with pytest.raises(OSError, match="gone"):
        next(relay)
    assert list(relay) == []


def test_closing_a_relay_frees_a_consumer_whose_source_is_silent() -> None:
    silent, answered = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        yield 1
        silent.set()
        answered.wait(PATIENCE_S)

    relay = Relay(items(), name="test")
    got: list[int] = []
    consumer = threading.Thread(target=lambda: got.extend(relay))
    consumer.start()
    assert silent.wait(PATIENCE_S)
    relay.close()
    consumer.join(PATIENCE_S)
    assert not consumer.is_alive()
    assert not answered.is_set()
    answered.set()


def test_closing_a_relay_that_was_never_read_starts_nothing() -> None:
    relay = Relay(iter([1]), name="test")
    relay.close()
    assert list(relay) == []
    # Not by counting threads: one of another test may be about to end.
    assert relay._thread.ident is None


def test_a_guard_closes_at_once_when_nobody_reads_and_only_once() -> None:
    closed: list[str] = []
    guard = CloseGuard(lambda: closed.append("closed"))
    with guard.reading() as may_read:
        assert may_read
    guard.close()
    guard.close()
    assert closed == ["closed"]
    with guard.reading() as may_read:
        assert not may_read
    assert closed == ["closed"]


def test_a_guard_lets_the_read_in_progress_end_before_it_closes() -> None:
    closed: list[str] = []
    guard = CloseGuard(lambda: closed.append("closed"))
    with guard.reading():
        closer = threading.Thread(target=guard.close)
        closer.start()
        closer.join(PATIENCE_S)
        assert not closer.is_alive(), "the one who closes does not wait for the reader"
        assert closed == []
    assert closed == ["closed"]


def test_a_guard_closes_after_a_read_that_failed() -> None:
    closed: list[str] = []
    guard = CloseGuard(lambda: closed.append("closed"))

    def read() -> None:
        with guard.reading():
            guard.close()
            raise OSError("torn")

    with pytest.raises(OSError, match="torn"):
        read()
    assert closed == ["closed"]
