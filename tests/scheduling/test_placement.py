"""Which worker a session gets."""

from __future__ import annotations

from dataclasses import dataclass

from toy_tasks import INFO

from framewire.scheduling.executor import PoolOptions
from framewire.scheduling.placement import Placement
from framewire.scheduling.task import Lane


@dataclass
class Seat:
    index: int
    is_idle: bool = True


SEATS = [Seat(0), Seat(1), Seat(2)]


def placement(*, needs_order: bool, workers: int = 3) -> Placement:
    return Placement(PoolOptions(workers=workers), needs_order=needs_order)


def lanes(count: int) -> list[Lane]:
    return [Lane(INFO) for _ in range(count)]


def test_sessions_that_need_their_order_are_spread_evenly_and_stay() -> None:
    one = placement(needs_order=True)
    sessions = lanes(7)
    assert [one.place(lane, SEATS).index for lane in sessions] == [0, 1, 2, 0, 1, 2, 0]
    assert [one.worker_of(lane) for lane in sessions] == [0, 1, 2, 0, 1, 2, 0]
    assert one.planner_of(sessions[4]) is one.planner_at(1)
    assert one.planner_at(0) is not one.planner_at(1)


def test_the_next_session_gets_the_place_of_one_that_ended() -> None:
    one = placement(needs_order=True)
    sessions = lanes(6)
    for lane in sessions:
        one.place(lane, SEATS)
    one.forget(sessions[1])
    one.forget(sessions[4])
    assert [one.place(lane, SEATS).index for lane in lanes(3)] == [1, 1, 0]


def test_a_worker_that_is_lost_gets_none() -> None:
    one = placement(needs_order=True)
    assert {one.place(lane, SEATS[1:]).index for lane in lanes(4)} == {1, 2}


def test_other_sessions_belong_to_nobody_and_wait_in_one_place() -> None:
    one = placement(needs_order=False)
    sessions = lanes(4)
    opened_by = [one.place(lane, SEATS).index for lane in sessions]
    assert sorted(opened_by[:3]) == [0, 1, 2]
    assert [one.worker_of(lane) for lane in sessions] == [None] * 4
    assert {id(one.planner_of(lane)) for lane in sessions} == {id(one.planner_at(index)) for index in range(3)}


def test_they_are_opened_by_whoever_is_idle() -> None:
    one = placement(needs_order=False)
    seats = [Seat(0, is_idle=False), Seat(1), Seat(2, is_idle=False)]
    assert [one.place(lane, seats).index for lane in lanes(3)] == [1, 1, 1]
    busy = [Seat(0, is_idle=False), Seat(1, is_idle=False)]
    assert {one.place(lane, busy).index for lane in lanes(4)} == {0, 1}


def test_one_worker_needs_no_bounds() -> None:
    one = placement(needs_order=True, workers=1)
    (lane,) = lanes(1)
    assert one.place(lane, SEATS[:1]).index == 0
    assert (one.is_bound, one.worker_of(lane)) == (False, None)
