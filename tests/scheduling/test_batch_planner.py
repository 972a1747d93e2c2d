"""The planner: nothing lost, nothing doubled, nobody overtaken, nobody starved, nobody kept waiting too long."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from framewire.scheduling.planner import BatchPlanner


def planned(batch_size: int, frames: str, max_wait_s: float = 0.0) -> BatchPlanner[str]:
    """A planner with frames such as ``a1 b1 a2``, whose letter is their session, one second after the other."""
    planner: BatchPlanner[str] = BatchPlanner(batch_size, max_wait_s)
    for session in sorted({frame[0] for frame in frames.split()}):
        planner.open(session)
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
    planner.open("a")
    planner.open("b")
    planner.add("a", "a1", 10.0)
    planner.add("b", "b1", 10.25)
    assert planner.due_in(10.25) == 0.25
    assert planner.take(10.25) == []
    assert planner.due_in(10.5) == 0.0
    assert planner.take(10.5) == ["a1", "b1"]


def test_a_full_batch_does_not_wait() -> None:
    planner: BatchPlanner[str] = BatchPlanner(2, 60.0)
    planner.open("a")
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


def test_a_session_that_ends_takes_its_frames_along() -> None:
    planner = planned(2, "a1 b1 a2 b2")
    assert planner.close("a") == ["a1", "a2"]
    assert planner.close("a") == []
    assert len(planner) == 2
    assert batches(planner) == ["b1 b2"]


def test_a_session_of_a_higher_priority_has_its_share_and_starves_nobody() -> None:
    planner: BatchPlanner[str] = BatchPlanner(1)
    planner.open("a", weight=4.0)
    planner.open("b")
    for number in range(20):
        planner.add("a", f"a{number}", 0.0)
        planner.add("b", f"b{number}", 0.0)
    taken = "".join(batch[0] for batch in batches(planner))
    assert taken == "abaaaabaaaabaaaabaaaabaaabbbbbbbbbbbbbbb"


def test_of_those_whose_turn_it_is_the_higher_priority_is_first() -> None:
    planner: BatchPlanner[str] = BatchPlanner(1)
    planner.open("a")
    planner.open("b", weight=2.0)
    planner.add("a", "a1", 0.0)
    planner.add("b", "b1", 0.0)
    assert batches(planner) == ["b1", "a1"]


def test_a_session_gets_no_credit_for_its_silence() -> None:
    planner = planned(1, "a1 a2 a3 a4 a5 a6 b1")
    assert planner.take(0) + planner.take(0) + planner.take(0) == ["a1", "b1", "a2"]
    for number in (2, 3, 4):
        planner.add("b", f"b{number}", 9.0)
    assert batches(planner) == ["b2", "a3", "b3", "a4", "b4", "a5", "a6"]


def test_frames_that_are_too_old_are_given_up_and_no_others() -> None:
    planner: BatchPlanner[str] = BatchPlanner(8)
    planner.open("a", max_age_s=1.0)
    planner.open("b")
    for second, frame in ((0.0, "a1"), (0.5, "b1"), (1.0, "a2")):
        planner.add(frame[0], frame, second)
    assert planner.expire(1.0) == []
    assert planner.expire(1.25) == ["a1"]
    assert planner.expire(1.25) == []
    assert len(planner) == 2
    assert planner.take(1.25) == ["a2", "b1"]


def test_the_oldest_frame_of_a_session_can_be_taken_back_and_its_turn_stays() -> None:
    planner = planned(1, "a1 b1")
    assert planner.drop_oldest("a") == "a1"
    assert planner.drop_oldest("a") is None
    assert planner.drop_oldest("nobody") is None
    planner.add("a", "a2", 9.0)
    assert batches(planner) == ["a2", "b1"]


def test_the_time_that_a_replaced_frame_has_waited_counts_for_its_batch() -> None:
    planner: BatchPlanner[str] = BatchPlanner(3, 1.0)
    planner.open("a")
    planner.add("a", "a1", 10.0)
    for tenth in range(1, 10):
        planner.drop_oldest("a")
        planner.add("a", f"a{1 + tenth}", 10.0 + tenth / 10)
    assert planner.due_in(10.75) == 0.25
    assert planner.take(10.75) == []
    assert planner.take(11.0) == ["a10"]
    planner.add("a", "a11", 11.5)
    assert planner.due_in(11.5) == 1.0


def test_a_batch_is_due_when_half_of_the_age_is_over_that_its_oldest_frame_may_have() -> None:
    planner: BatchPlanner[str] = BatchPlanner(3, 5.0)
    planner.open("a", max_age_s=1.0)
    planner.open("b", max_age_s=60.0)
    planner.add("b", "b1", 10.0)
    assert planner.due_in(10.0) == 5.0
    planner.add("a", "a1", 10.0)
    assert planner.due_in(10.0) == 0.5
    assert planner.take(10.5) == ["b1", "a1"]


def test_a_session_that_sends_no_more_waits_for_nobody() -> None:
    planner: BatchPlanner[str] = BatchPlanner(3, 60.0)
    planner.open("a")
    planner.open("b")
    planner.add("b", "b1", 10.0)
    assert planner.due_in(10.0) == 60.0
    planner.add("a", "a1", 10.0, is_urgent=True)
    assert planner.due_in(10.0) == 0.0
    assert planner.take(10.0) == ["b1", "a1"]
    planner.add("a", "a2", 11.0)
    assert planner.due_in(11.0) == 60.0


def test_when_it_is_told_so_no_frame_waits_for_a_fuller_batch() -> None:
    planner: BatchPlanner[str] = BatchPlanner(3, 60.0)
    planner.open("a")
    planner.add("a", "a1", 10.0)
    planner.stop_waiting()
    assert planner.take(10.0) == ["a1"]
    planner.add("a", "a2", 11.0)
    assert planner.take(11.0) == ["a2"]


def test_frames_that_nobody_takes_any_more_can_be_withdrawn_and_their_sessions_stay() -> None:
    planner = planned(8, "a1 b1 a2")
    assert planner.withdraw() == ["a1", "a2", "b1"]
    assert len(planner) == 0
    assert batches(planner) == []
    planner.add("b", "b2", 9.0)
    assert batches(planner) == ["b2"]


@given(
    weights=st.lists(st.sampled_from([0.25, 0.5, 1.0, 2.0, 16.0]), min_size=2, max_size=5),
    batch_size=st.integers(1, 4),
    takes=st.integers(1, 60),
)
def test_shares_of_busy_sessions_follow_their_weights(weights: list[float], batch_size: int, takes: int) -> None:
    planner: BatchPlanner[int] = BatchPlanner(batch_size)
    for session, weight in enumerate(weights):
        planner.open(session, weight=weight)
        for _ in range(takes * batch_size):
            planner.add(session, session, 0.0)
    counts = [0] * len(weights)
    for _ in range(takes):
        for session in planner.take(0.0):
            counts[session] += 1
        for one, other in itertools.combinations(range(len(weights)), 2):
            apart = abs(counts[one] / weights[one] - counts[other] / weights[other])
            assert apart <= 1 / weights[one] + 1 / weights[other]


AGEING = 4
"""The session of the state machine whose frames may become too old."""


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
        self.since: dict[int, float] = {}  # session -> arrival of the first frame that was taken back
        self.urgent: set[int] = set()
        self.takes_left: dict[int, int] = {}  # session -> takes in which its next frame must come
        # Of each of the four others at most two frames go before a session's next one.
        self.most_takes = math.ceil((2 * 4 + 1) / batch_size)
        self.max_age_s = 2.0
        for session in range(5):
            self.open(session)

    def open(self, session: int) -> None:
        self.planner.open(session, max_age_s=self.max_age_s if session == AGEING else None)

    @rule(session=st.integers(0, 4), count=st.integers(1, 4), is_urgent=st.booleans())
    def add(self, session: int, count: int, *, is_urgent: bool) -> None:
        if is_urgent:
            self.urgent.add(session)
        for _ in range(count):
            frame = (session, self.added)
            self.planner.add(session, frame, self.now, is_urgent=is_urgent)
            self.added += 1
            self.waiting.append(frame)
            self.arrived[frame] = self.now
            self.takes_left.setdefault(session, self.most_takes)

    @rule(seconds=st.sampled_from([0.25, 1.0, 4.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(session=st.integers(0, 4))
    def close(self, session: int) -> None:
        expected = [frame for frame in self.waiting if frame[0] == session]
        assert self.planner.close(session) == expected
        self.waiting = [frame for frame in self.waiting if frame[0] != session]
        self.takes_left.pop(session, None)
        self.since.pop(session, None)
        self.urgent.discard(session)
        self.open(session)
        for other in self.takes_left:
            self.takes_left[other] += 2  # a session that begins anew begins with the present turn

    @rule(session=st.integers(0, 4))
    def drop_oldest(self, session: int) -> None:
        expected = next((frame for frame in self.waiting if frame[0] == session), None)
        assert self.planner.drop_oldest(session) == expected
        if expected is not None:
            self.since[session] = min(self.since.get(session, self.now), self.arrived[expected])
            self.forget(expected)

    @rule()
    def expire(self) -> None:
        expected = [
            frame for frame in self.waiting if frame[0] == AGEING and self.now - self.arrived[frame] > self.max_age_s
        ]
        assert self.planner.expire(self.now) == expected
        for frame in expected:
            self.forget(frame)

    def forget(self, frame: tuple[int, int]) -> None:
        self.waiting.remove(frame)
        if not any(session == frame[0] for session, _ in self.waiting):
            self.takes_left.pop(frame[0], None)

    @rule()
    def take(self) -> None:
        batch = self.planner.take(self.now)
        assert len(batch) <= self.batch_size
        is_due = len(self.waiting) >= self.batch_size or any(self.is_due(frame) for frame in self.waiting)
        assert bool(batch) == (bool(self.waiting) and is_due)
        if not batch:
            return
        # Nothing that could have come along is left behind.
        assert len(batch) == min(self.batch_size, len(self.waiting))
        before = {session for session, _ in self.waiting}
        for frame in batch:
            # Of its session no earlier frame waits; that it waits at all shows that none comes twice.
            assert frame == next(waiting for waiting in self.waiting if waiting[0] == frame[0])
            self.waiting.remove(frame)
            self.since.pop(frame[0], None)
            self.urgent.discard(frame[0])
        for session in before:
            self.takes_left[session] -= 1
            if session in dict(batch):
                del self.takes_left[session]
                if any(waiting == session for waiting, _ in self.waiting):
                    self.takes_left[session] = self.most_takes
            else:
                assert self.takes_left[session] > 0, "a session has been passed over for too long"

    def is_due(self, frame: tuple[int, int]) -> bool:
        session = frame[0]
        waited = self.now - min(self.arrived[frame], self.since.get(session, self.now))
        most = min(self.max_wait_s, self.max_age_s / 2) if session == AGEING else self.max_wait_s
        return session in self.urgent or waited >= most

    @invariant()
    def everything_is_counted(self) -> None:
        assert len(self.planner) == len(self.waiting)


AnyTraffic.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyTraffic = AnyTraffic.TestCase
