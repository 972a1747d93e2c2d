"""The pauses between tries."""

from __future__ import annotations

from framewire.scheduling.process_backoff import Backoff


def test_pauses_double_up_to_half_a_minute() -> None:
    backoff, pauses, now = Backoff(), [], 100.0
    for _ in range(9):
        backoff.fail(now)
        pauses.append(backoff.wait_s(now))
        now += 1000.0
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_the_wait_passes_with_time() -> None:
    backoff = Backoff()
    assert backoff.wait_s(0.0) == 0.0
    backoff.fail(10.0)
    assert [backoff.wait_s(now) for now in (10.0, 10.25, 10.5, 11.0)] == [0.5, 0.25, 0.0, 0.0]


def test_a_success_begins_anew() -> None:
    backoff = Backoff()
    backoff.fail(0.0)
    backoff.fail(1.0)
    backoff.reset()
    assert backoff.wait_s(1.0) == 0.0
    backoff.fail(5.0)
    assert backoff.wait_s(5.0) == 0.5
