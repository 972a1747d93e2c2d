"""What a session drops for a new frame, when its own limit or the limit of all is reached."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "scheduling"))

from toy_tasks import INFO, CountedContent, Named, kind_of, task

from framewire.model.terms import Terms, WhenBusy
from framewire.processors.api import NoOptions
from framewire.scheduling.executor import PoolOptions
from framewire.scheduling.runner import ProcessorRunner
from framewire.scheduling.task import DropCause
from framewire.scheduling.workers import WorkerPool
from framewire.server.budget import Budget
from framewire.server.flight import Flight

MUCH = 1 << 30


def flight(when_busy: WhenBusy, own: Budget, total: Budget) -> Flight:
    """A session before workers that never begin: what is submitted waits."""
    pool = WorkerPool(
        "toy", lambda: ProcessorRunner(kind_of(Named), NoOptions()), PoolOptions(), lambda _: None, has_states=False
    )
    return Flight(pool, pool.open_lane(INFO, Terms(when_busy=when_busy)).result(), own, total)


def admitted(one: Flight, level: int, length: int = 6) -> list[tuple[int, DropCause]]:
    """Sends a frame; the numbers of those that are dropped for it, and why."""
    dropped = one.admit([task(level, CountedContent(level, length), one.lane)])
    return [(old.sequence_number, cause) for old, cause in dropped]


@pytest.mark.parametrize("above", [0, 1, 12])
def test_a_limit_of_all_that_others_exceed_costs_a_session_one_frame_for_each_that_comes(above: int) -> None:
    total = Budget(8, MUCH)
    oldest = flight(WhenBusy.DROP_OLDEST, Budget(32, MUCH), total)
    latest = flight(WhenBusy.LATEST, Budget(32, MUCH), total)
    newest = flight(WhenBusy.DROP_NEWEST, Budget(32, MUCH), total)
    for number in (1, 2, 3):
        assert admitted(oldest, number) == []
    assert admitted(latest, 1) == []
    for _ in range(4 + above):
        total.take(6)  # frames of sessions that wait: each of them may read one when there is room
    assert admitted(oldest, 4) == [(1, DropCause.OLDEST)]
    assert admitted(oldest, 5) == [(2, DropCause.OLDEST)]
    assert admitted(latest, 2) == [(1, DropCause.NOT_LATEST)]
    assert admitted(newest, 1) == [(1, DropCause.NEWEST)]
    assert (oldest.frames, latest.frames, newest.frames, total.frames) == (3, 1, 0, 8 + above)


def test_a_session_without_waiting_frames_gets_none_in_while_others_exceed_the_limit() -> None:
    total = Budget(8, MUCH)
    for _ in range(9):
        total.take(6)
    for when_busy in (WhenBusy.DROP_OLDEST, WhenBusy.LATEST):
        assert admitted(flight(when_busy, Budget(32, MUCH), total), 1) == [(1, DropCause.NEWEST)]


def test_its_own_limit_of_bytes_a_session_keeps_by_itself() -> None:
    one = flight(WhenBusy.DROP_OLDEST, Budget(100, 60), Budget(1000, MUCH))
    for number in range(1, 7):
        assert admitted(one, number, 10) == []
    # Beyond the limit by one frame at most, as every session may be.
    assert admitted(one, 7, 50) == [(1, DropCause.OLDEST)]
    assert admitted(one, 8, 50) == [(number, DropCause.OLDEST) for number in range(2, 7)]
    assert one.frames == 2


def test_a_larger_frame_takes_the_place_of_as_many_bytes_under_the_limit_of_all() -> None:
    total = Budget(1000, 100)
    one = flight(WhenBusy.DROP_OLDEST, Budget(100, MUCH), total)
    for number in (1, 2, 3):
        assert admitted(one, number, 10) == []
    total.take(200)
    assert admitted(one, 4, 20) == [(1, DropCause.OLDEST), (2, DropCause.OLDEST)]
    # No more are its own: what is larger than all of them comes in for them.
    assert admitted(one, 5, 90) == [(3, DropCause.OLDEST), (4, DropCause.OLDEST)]
    assert (one.frames, total.bytes) == (1, 290)
