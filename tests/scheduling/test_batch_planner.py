"""The planner: nothing lost, nothing doubled, nobody overtaken, nobody starved, nobody kept waiting too long."""

from __future__ import annotations

import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from framewire.scheduling.planner import BatchPlanner


def planned(batch_size: int, frames: str, max_wait_s: float = 0.0) -> BatchPlanner[str]:
    """A planner with frames such as ``a1 b1 a2``, whose letter is their session, one second after the other."""
    planner: BatchPlanner[str] = BatchPlanner(batch_size, max_wait_s)
    for second, frame in enumerate(frames.split()):
        planner.add(frame[0], frame, second)
    return planner


def batches(planner: BatchPlanner[str], now: float = 0.0) -> list[str]:
    taken = []
    while batch := planner.take(now):
        taken.append(" ".join(batch))
    return taken


@pytest.mark.parametrize(
    ("batch_size", "frames", "taken"),
    [
        (1, "", []),
        (1, "a1 a2 a3", ["a1", "a2", "a3"]),
        (2, "a1 a2 a3", ["a1 a2", "a3"]),
        (8, "a1 b1 a2", ["a1 b1 a2"]),
        (1, "a1 a2 a3 b1", ["a1", "b1", "a2", "a3"]),
        (2, "a1 a2 a3 a4 b1 c1", ["a1 b1", "c1 a2", "a3 a4"]),
        (3, "a1 a2 a3 a4 b1 b2", ["a1 b1 a2", "b2 a3 a4"]),
        (2, "b1 a1 a2 b2", ["b1 a1", "b2 a2"]),
    ],
)
def test_sessions_take_turns_and_keep_their_order(batch_size: int, frames: str, taken: list[str]) -> None:
    planner = planned(batch_size, frames)
    assert len(planner) == len(frames.split())
    assert batches(planner) == taken
    assert len(planner) == 0


def test_a_session_that_comes_back_stands_behind_those_that_wait() -> None:
    planner = planned(1, "a1 b1 c1")
    assert planner.take(0) == ["a1"]
    planner.add("a", "a2", 5)
    assert batches(planner) == ["b1", "c1", "a2"]


def test_a_batch_that_is_not_full_waits_until_its_oldest_frame_has_waited_long_enough() -> None:
    planner: BatchPlanner[str] = BatchPlanner(3, 0.5)
    planner.add("a", "a1", 10.0)
    planner.add("b", "b1", 10.25)
    assert planner.due_in(10.25) == 0.25
    assert planner.take(10.25) == []
    assert planner.due_in(10.5) == 0.0
    assert planner.take(10.5) == ["a1", "b1"]


def test_a_full_batch_does_not_wait() -> None:
    planner: BatchPlanner[str] = BatchPlanner(2, 60.0)
    planner.add("a", "a1", 10.0)
    planner.add("a", "a2", 10.0)
    assert planner.due_in(10.0) == 0.0
    assert planner.take(10.0) == ["a1", "a2"]


def test_what_is_left_of_a_full_batch_waits_by_its_own_time() -> None:
    planner = planned(2, "a1 a2 a3", max_wait_s=5.0)  # arrived at 0, 1 and 2
    assert planner.take(2) == ["a1", "a2"]
    assert planner.due_in(3) == 4.0
    assert planner.take(6.9) == []
    assert planner.take(7) == ["a3"]


def test_without_a_wait_whatever_is_there_goes_at_once() -> None:
    planner = planned(8, "a1")
    assert planner.due_in(0) == 0.0
    assert planner.take(0) == ["a1"]


def test_the_frames_of_a_session_can_be_taken_out() -> None:
    planner = planned(2, "a1 b1 a2 b2")
    assert planner.remove("a") == ["a1", "a2"]
    assert planner.remove("a") == []
    assert len(planner) == 2
    assert batches(planner) == ["b1 b2"]


class AnyTraffic(RuleBasedStateMachine):
    """Frames (session, number) come and go in any order, beside a slow model that is a plain list."""

    @initialize(batch_size=st.integers(1, 5), max_wait_s=st.sampled_from([0.0, 0.5, 3.0]))
    def make(self, batch_size: int, max_wait_s: float) -> None:
        self.batch_size, self.max_wait_s = batch_size, max_wait_s
        self.planner: BatchPlanner[tuple[int, int]] = BatchPlanner(batch_size, max_wait_s)
        self.now = 0.0
        self.added = 0
        self.waiting: list[tuple[int, int]] = []  # in the order of their arrival
        self.arrived: dict[tuple[int, int], float] = {}
        self.takes_left: dict[int, int] = {}  # session -> takes in which its next frame must come

    @rule(session=st.integers(0, 4), count=st.integers(1, 4))
    def add(self, session: int, count: int) -> None:
        for _ in range(count):
            frame = (session, self.added)
            self.planner.add(session, frame, self.now)
            self.added += 1
            self.waiting.append(frame)
            self.arrived[frame] = self.now
            sessions = len({waiting for waiting, _ in self.waiting})
            self.takes_left.setdefault(session, math.ceil(sessions / self.batch_size))

    @rule(seconds=st.sampled_from([0.25, 1.0, 4.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(session=st.integers(0, 4))
    def remove(self, session: int) -> None:
        expected = [frame for frame in self.waiting if frame[0] == session]
        assert self.planner.remove(session) == expected
        self.waiting = [frame for frame in self.waiting if frame[0] != session]
        self.takes_left.pop(session, None)

    @rule()
    def take(self) -> None:
        batch = self.planner.take(self.now)
        assert len(batch) <= self.batch_size
        waited = max((self.now - self.arrived[frame] for frame in self.waiting), default=0.0)
        is_due = bool(self.waiting) and (len(self.waiting) >= self.batch_size or waited >= self.max_wait_s)
        assert bool(batch) == is_due
        if not batch:
            return
        # Nothing that could have come along is left behind.
        assert len(batch) == min(self.batch_size, len(self.waiting))
        before = {session for session, _ in self.waiting}
        for frame in batch:
            # Of its session no earlier frame waits; that it waits at all shows that none comes twice.
            assert frame == next(waiting for waiting in self.waiting if waiting[0] == frame[0])
            self.waiting.remove(frame)
        sessions = len({session for session, _ in self.waiting})
        for session in before:
            self.takes_left[session] -= 1
            if session in dict(batch):
                del self.takes_left[session]
                if any(waiting == session for waiting, _ in self.waiting):
                    self.takes_left[session] = math.ceil(sessions / self.batch_size)
            else:
                assert self.takes_left[session] > 0, "a session has been passed over for too long"

    @invariant()
    def everything_is_counted(self) -> None:
        assert len(self.planner) == len(self.waiting)


AnyTraffic.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyTraffic = AnyTraffic.TestCase
