"""Several workers: who takes what, whose state it is, and what becomes of those that do not return."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from toy_tasks import INFO, CountedContent, Named, kind_of, level_of, task

from framewire.errors import ProcessorError
from framewire.model.frame import Frame, SessionInfo
from framewire.model.inference import Inference
from framewire.model.terms import Terms
from framewire.processors.api import NoOptions, Processor
from framewire.scheduling import workers as workers_module
from framewire.scheduling.executor import HungError, PoolOptions, PoolStatistics
from framewire.scheduling.runner import ProcessorRunner, nothing
from framewire.scheduling.task import DropCause, FrameTask, Lane, Outcome
from framewire.scheduling.workers import WorkerPool

PATIENCE_S = 20.0


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Stage:
    """What processors of one test share: gates by level, and a diary."""

    def __init__(self) -> None:
        self.gates: dict[int, threading.Event] = {}
        self.begun: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.closed: queue.SimpleQueue[object] = queue.SimpleQueue()
        self.instances = 0

    def hold(self, *levels: int) -> None:
        for level in levels:
            self.gates[level] = threading.Event()

    def wait_for(self, *levels: int) -> None:
        assert {self.begun.get(timeout=PATIENCE_S) for _ in levels} == set(levels)


def gated_by(stage: Stage, *, needs_order: bool = False) -> type[Processor]:
    """Processors that wait at the gate of their frames' level, and answer with the instance and the state."""

    class Gated(Named):
        def open(self) -> None:
            self.number = stage.instances
            stage.instances += 1

        def open_session(self, session: SessionInfo) -> object:
            if session.configuration in stage_gates:
                stage.gates[int(session.configuration)].wait(PATIENCE_S)
            return f"{session.configuration}@{self.number}"

        def close_session(self, state: object) -> None:
            stage.closed.put(state)

        def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
            for frame in frames:
                level = level_of(frame)
                if level in stage.gates:
                    stage.begun.put(level)
                    assert stage.gates[level].wait(PATIENCE_S)
            return super().process(frames)

    stage_gates = {"7"}
    Gated.needs_order = needs_order
    return Gated


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    for gate in stage.gates.values():
        gate.set()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outcomes() -> queue.SimpleQueue[Outcome]:
    return queue.SimpleQueue()


MakePool = Callable[..., WorkerPool]


@pytest.fixture
def make_pool(outcomes: queue.SimpleQueue[Outcome], clock: Clock, stage: Stage) -> Iterator[MakePool]:
    pools: list[WorkerPool] = []

    def deliver(several: Sequence[Outcome]) -> None:
        for outcome in several:
            outcomes.put(outcome)

    def make(factory: type[Processor], workers: int, *, batch_size: int = 1) -> WorkerPool:
        pool = WorkerPool(
            "toy",
            lambda: ProcessorRunner(kind_of(factory), NoOptions()),
            PoolOptions(batch_size, workers=workers, frame_timeout_s=10.0),
            deliver,
            needs_order=factory.needs_order,
            clock=clock,
        )
        pool.start().result()
        pools.append(pool)
        return pool

    yield make
    for gate in stage.gates.values():
        gate.set()
    for pool in pools:
        assert pool.close(PATIENCE_S)


def lane_of(pool: WorkerPool, name: str = "", terms: Terms | None = None) -> Lane:
    info = SessionInfo(INFO.video_format, INFO.timescale, name, name)
    return pool.open_lane(info, terms or Terms()).result(PATIENCE_S)


def numbers(outcomes: queue.SimpleQueue[Outcome], count: int) -> list[int]:
    return [outcomes.get(timeout=PATIENCE_S).task.sequence_number for _ in range(count)]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        threading.Event().wait(0.001)


def test_a_free_worker_goes_on_while_another_is_busy(
    make_pool: MakePool, stage: Stage, outcomes: queue.SimpleQueue[Outcome]
) -> None:
    stage.hold(1)
    pool = make_pool(gated_by(stage), 2)
    lane = lane_of(pool)
    for level in (1, 2, 3, 4):
        pool.submit(task(level, lane=lane))
    stage.wait_for(1)
    assert numbers(outcomes, 3) == [2, 3, 4]
    stage.gates[1].set()
    assert numbers(outcomes, 1) == [1]


def test_all_workers_work_at_once(make_pool: MakePool, stage: Stage, outcomes: queue.SimpleQueue[Outcome]) -> None:
    stage.hold(1, 2, 3)
    pool = make_pool(gated_by(stage), 3)
    lane = lane_of(pool)
    for level in (1, 2, 3):
        pool.submit(task(level, lane=lane))
    stage.wait_for(1, 2, 3)
    for level in (3, 1, 2):
        stage.gates[level].set()
        assert numbers(outcomes, 1) == [level]


def test_where_order_matters_a_session_stays_with_one_worker(
    make_pool: MakePool, stage: Stage, outcomes: queue.SimpleQueue[Outcome]
) -> None:
    stage.hold(1)
    pool = make_pool(gated_by(stage, needs_order=True), 2)
    left, right = lane_of(pool, "left"), lane_of(pool, "right")
    for level in (1, 2, 3):
        pool.submit(task(level, lane=left))
    stage.wait_for(1)
    for level in (4, 5):
        pool.submit(task(level, lane=right))
    assert numbers(outcomes, 2) == [4, 5]
    assert pool.statistics().waiting == 2  # a worker is free and leaves them to the one that has their session
    stage.gates[1].set()
    assert numbers(outcomes, 3) == [1, 2, 3]


def test_each_worker_has_a_state_of_its_own_for_a_session_and_gives_it_back(
    make_pool: MakePool, stage: Stage, outcomes: queue.SimpleQueue[Outcome]
) -> None:
    stage.hold(1, 2)
    pool = make_pool(gated_by(stage), 2)
    lane = lane_of(pool, "yard")
    frames = [task(level, lane=lane) for level in (1, 2)]
    for frame in frames:
        pool.submit(frame)
    stage.wait_for(1, 2)
    assert {frame.state for frame in frames} == {"yard@0", "yard@1"}
    for level in (1, 2):
        stage.gates[level].set()
    numbers(outcomes, 2)
    pool.close_lane(lane)
    assert {stage.closed.get(timeout=PATIENCE_S) for _ in range(2)} == {"yard@0", "yard@1"}


def test_a_frame_that_waits_too_long_is_given_up_by_a_tick_or_by_the_worker(
    make_pool: MakePool, stage: Stage, clock: Clock, outcomes: queue.SimpleQueue[Outcome]
) -> None:
    stage.hold(1)
    pool = make_pool(gated_by(stage), 1)
    lane = lane_of(pool, terms=Terms(max_age_s=2.0))
    for level in (1, 2, 3):
        frame = task(level, lane=lane)
        frame.received_s = clock.now + level - 1
        pool.submit(frame)
    stage.wait_for(1)
    clock.now += 3.5  # frame 2 is 2.5 s old now, frame 3 1.5 s
    pool.tick()
    first = outcomes.get(timeout=PATIENCE_S)
    assert (first.task.sequence_number, first.dropped, first.error) == (2, DropCause.TOO_OLD, None)
    clock.now += 1.0
    stage.gates[1].set()
    rest = {
        outcome.task.sequence_number: outcome.dropped for outcome in (outcomes.get(timeout=PATIENCE_S) for _ in "13")
    }
    assert rest == {1: None, 3: DropCause.TOO_OLD}


def test_a_worker_that_does_not_return_is_replaced_and_its_frames_fail(
    make_pool: MakePool, stage: Stage, clock: Clock, outcomes: queue.SimpleQueue[Outcome]
) -> None:
    stage.hold(1)
    pool = make_pool(gated_by(stage), 1)
    lane = lane_of(pool, "yard")
    held = task(1, content := CountedContent(1), lane)
    pool.submit(held)
    pool.submit(task(2, lane=lane))
    stage.wait_for(1)
    clock.now += 10.0
    pool.tick()
    assert outcomes.empty()
    clock.now += 0.1
    pool.tick()
    failed = outcomes.get(timeout=PATIENCE_S)
    assert failed.task is held
    assert isinstance(failed.error, HungError)
    assert str(failed.error) == "processor toy did not return within 10 s"
    after = outcomes.get(timeout=PATIENCE_S)
    assert (after.task.sequence_number, after.error, after.task.state) == (2, None, "yard@1")
    assert content.released == 0  # it may still be read
    assert pool.statistics().replaced == 1
    assert pool.is_healthy
    stage.gates[1].set()
    assert stage.closed.get(timeout=PATIENCE_S) == "yard@0"
    assert content.released == 1
    assert outcomes.empty()  # what it says now is of no interest


def test_after_three_the_fourth_is_not_replaced_and_frames_fail_at_once(
    make_pool: MakePool, stage: Stage, clock: Clock, outcomes: queue.SimpleQueue[Outcome]
) -> None:
    stage.hold(1, 2, 3, 4)
    pool = make_pool(gated_by(stage), 1)
    lane = lane_of(pool)
    for level in (1, 2, 3, 4):
        pool.submit(task(level, lane=lane))
        stage.wait_for(level)
        assert pool.is_healthy
        clock.now += 11.0
        pool.tick()
        assert numbers(outcomes, 1) == [level]
    assert not pool.is_healthy
    assert pool.statistics().replaced == 3
    pool.submit(task(5, lane=lane))
    pool.tick()
    failed = outcomes.get(timeout=PATIENCE_S)
    assert failed.task.sequence_number == 5
    assert str(failed.error) == "processor toy has no worker left; restart the server"
    with pytest.raises(ProcessorError, match="has no worker left"):
        pool.open_lane(INFO, Terms())


def test_a_replacement_that_does_not_open_is_given_up_too(
    make_pool: MakePool,
    stage: Stage,
    clock: Clock,
    outcomes: queue.SimpleQueue[Outcome],
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage.hold(1, 100)
    opening = gated_by(stage)

    class HangsOnReopening(opening):  # type: ignore[valid-type,misc] # a class made at run time
        def open(self) -> None:
            super().open()
            if self.number == 1:
                stage.begun.put(100)
                assert stage.gates[100].wait(PATIENCE_S)

    pool = make_pool(HangsOnReopening, 1)
    lane = lane_of(pool, "yard")
    pool.submit(task(1, lane=lane))
    stage.wait_for(1)
    clock.now += 10.1
    pool.tick()
    assert numbers(outcomes, 1) == [1]
    stage.wait_for(100)
    pool.submit(task(2, lane=lane))
    clock.now += 60.0  # a minute, for a processor that opened at once at first
    pool.tick()
    assert outcomes.empty()
    assert pool.statistics().replaced == 1
    clock.now += 0.1
    pool.tick()
    after = outcomes.get(timeout=PATIENCE_S)
    assert (after.task.sequence_number, after.error, after.task.state) == (2, None, "yard@2")
    assert pool.statistics().replaced == 2
    assert pool.is_healthy
    assert "processor toy did not open again within 60 s; its worker is replaced (2 of at most 3 times)" in caplog.text
    stage.gates[100].set()
    pool.submit(task(3, lane=lane))
    assert numbers(outcomes, 1) == [3]


def test_sessions_of_a_lost_worker_fail_and_the_others_go_on(
    make_pool: MakePool, stage: Stage, clock: Clock, outcomes: queue.SimpleQueue[Outcome]
) -> None:
    stage.hold(1, 2, 3, 4)
    pool = make_pool(gated_by(stage, needs_order=True), 2)
    bad, good = lane_of(pool, "bad"), lane_of(pool, "good")
    for level in (1, 2, 3, 4):
        pool.submit(task(level, lane=bad))
        stage.wait_for(level)
        clock.now += 11.0
        pool.tick()
        numbers(outcomes, 1)
    pool.submit(task(5, lane=bad))
    pool.submit(task(6, lane=good))
    assert numbers(outcomes, 1) == [6]
    pool.tick()
    failed = outcomes.get(timeout=PATIENCE_S)
    assert (failed.task.sequence_number, type(failed.error)) == (5, ProcessorError)
    pool.submit(task(8, lane=lane_of(pool, "new")))
    assert numbers(outcomes, 1) == [8]


def test_a_session_whose_opening_does_not_return_is_refused(
    make_pool: MakePool, stage: Stage, clock: Clock, outcomes: queue.SimpleQueue[Outcome]
) -> None:
    stage.hold(7)
    pool = make_pool(gated_by(stage), 1)
    going = lane_of(pool, "fine")
    stuck = pool.open_lane(SessionInfo(INFO.video_format, 1, "", "7"), Terms())
    behind = pool.open_lane(SessionInfo(INFO.video_format, 1, "", "behind"), Terms())
    # It has begun when the frame of another session still waits.
    pool.submit(task(1, lane=going))
    while not stuck.running():
        threading.Event().wait(0.001)
    clock.now += 11.0
    pool.tick()
    with pytest.raises(HungError, match="did not return within 10 s"):
        stuck.result(PATIENCE_S)
    assert behind.result(PATIENCE_S).info.configuration == "behind"
    assert numbers(outcomes, 1) == [1]
    stage.gates[7].set()


def test_a_replacement_that_cannot_be_opened_leaves_nobody_waiting(
    make_pool: MakePool, stage: Stage, clock: Clock, outcomes: queue.SimpleQueue[Outcome]
) -> None:
    stage.hold(1)
    gated = gated_by(stage)

    class OpensOnce(gated):  # type: ignore[valid-type,misc] # it is a class
        def open(self) -> None:
            super().open()
            if self.number:
                raise RuntimeError("no model")

    pool = make_pool(OpensOnce, 1)
    lane = lane_of(pool)
    for level in (1, 2):
        pool.submit(task(level, lane=lane))
    stage.wait_for(1)
    clock.now += 11.0
    pool.tick()
    assert numbers(outcomes, 1) == [1]
    while pool.is_healthy:
        threading.Event().wait(0.001)
    pool.tick()
    assert numbers(outcomes, 1) == [2]


def test_a_worker_whose_runner_rests_leaves_the_frames_to_the_others(
    outcomes: queue.SimpleQueue[Outcome],
) -> None:
    class Resting(ProcessorRunner):
        rests = 0.0

        def rest_s(self) -> float:
            return self.rests

        def run(self, tasks: Sequence[FrameTask], begun: Callable[[], None] = nothing) -> list[Outcome]:
            if self.rests:
                return [Outcome(one, error=ProcessorError("resting")) for one in tasks]
            return super().run(tasks, begun)

    runners = [Resting(kind_of(Named), NoOptions()) for _ in range(2)]
    made = iter(runners)

    def deliver(several: Sequence[Outcome]) -> None:
        for outcome in several:
            outcomes.put(outcome)

    pool = WorkerPool("toy", lambda: next(made), PoolOptions(workers=2), deliver)
    pool.start().result()
    lane = lane_of(pool)
    runners[0].rests = 3600.0
    for level in range(1, 101):
        pool.submit(task(level, lane=lane))
    assert [outcomes.get(timeout=PATIENCE_S).error for _ in range(100)] == [None] * 100
    # When nobody is well the frames fail, and do not wait.
    runners[1].rests = 3600.0
    pool.submit(task(101, lane=lane))
    assert str(outcomes.get(timeout=PATIENCE_S).error) == "resting"
    assert pool.close(PATIENCE_S)


def test_a_quick_worker_does_not_put_off_the_sessions_of_a_slow_one(
    make_pool: MakePool, stage: Stage, outcomes: queue.SimpleQueue[Outcome]
) -> None:
    stage.hold(1)
    pool = make_pool(gated_by(stage, needs_order=True), 2)
    # Each goes to the worker that has the fewest: the first and the third to one, the others to the other.
    quick, slow, _, late = (lane_of(pool, name) for name in ("quick", "slow", "idle", "late"))
    pool.submit(task(1, lane=slow))
    stage.wait_for(1)
    for level in range(2, 12):
        pool.submit(task(level, lane=slow))
    for level in range(50, 100):
        pool.submit(task(level, lane=quick))
    assert numbers(outcomes, 50) == list(range(50, 100))
    pool.submit(task(20, lane=late))
    stage.gates[1].set()
    assert numbers(outcomes, 12) == [1, 20, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]


def test_a_frame_does_not_wait_for_a_worker_that_opens_a_session_while_another_is_idle(
    make_pool: MakePool, stage: Stage, outcomes: queue.SimpleQueue[Outcome]
) -> None:
    pool = make_pool(gated_by(stage), 2)
    lane = lane_of(pool, "fine")
    for level in range(10, 20):
        stage.hold(7)
        slow = pool.open_lane(SessionInfo(INFO.video_format, 1, "", "7"), Terms())
        pool.submit(task(level, lane=lane))
        assert numbers(outcomes, 1) == [level]
        assert not slow.done()
        stage.gates[7].set()
        pool.close_lane(slow.result(PATIENCE_S))
        wait_until(lambda: all(worker.is_idle for worker in pool._workers))


def test_when_a_worker_that_waits_for_a_fuller_batch_is_called_away_another_waits_in_its_place(
    stage: Stage, outcomes: queue.SimpleQueue[Outcome]
) -> None:
    stage.hold(7)
    factory = gated_by(stage)

    def deliver(several: Sequence[Outcome]) -> None:
        for outcome in several:
            outcomes.put(outcome)

    pool = WorkerPool("toy", lambda: ProcessorRunner(kind_of(factory), NoOptions()), PoolOptions(8, 0.3, 2), deliver)
    pool.start().result()
    lane = lane_of(pool, "fine")
    wait_until(lambda: all(worker.is_idle for worker in pool._workers))
    pool.submit(task(1, lane=lane, received_s=time.monotonic()))
    wait_until(lambda: pool._workers[0].is_idle)  # it has looked at the frame, and knows when it is due
    slow = pool.open_lane(SessionInfo(INFO.video_format, 1, "", "7"), Terms())
    assert numbers(outcomes, 1) == [1]
    assert not slow.done()
    stage.gates[7].set()
    assert pool.close(PATIENCE_S)


def test_sessions_that_wait_to_be_opened_are_refused_when_the_last_worker_is_lost(
    make_pool: MakePool, stage: Stage, clock: Clock
) -> None:
    stage.hold(7)
    pool = make_pool(gated_by(stage), 1)
    waiting = [pool.open_lane(SessionInfo(INFO.video_format, 1, "", "7"), Terms()) for _ in range(6)]
    for stuck in waiting[:4]:
        wait_until(stuck.running)
        clock.now += 11.0
        pool.tick()
        with pytest.raises(HungError, match="did not return within 10 s"):
            stuck.result(PATIENCE_S)
    for refused in waiting[4:]:
        with pytest.raises(ProcessorError, match="processor toy has no worker left; restart the server"):
            refused.result(PATIENCE_S)


def test_sessions_that_a_lost_worker_was_to_open_are_opened_by_the_others(
    make_pool: MakePool, stage: Stage, clock: Clock, outcomes: queue.SimpleQueue[Outcome]
) -> None:
    stage.hold(1)
    gated = gated_by(stage, needs_order=True)

    class OpensTwice(gated):  # type: ignore[valid-type,misc] # it is a class
        def open(self) -> None:
            super().open()
            if self.number > 1:
                raise RuntimeError("no model")

    pool = make_pool(OpensTwice, 2)
    bad, good = lane_of(pool, "bad"), lane_of(pool, "good")
    pool.submit(task(1, lane=bad))
    stage.wait_for(1)
    moved = pool.open_lane(SessionInfo(INFO.video_format, 1, "", "moved"), Terms())
    clock.now += 11.0
    pool.tick()
    assert numbers(outcomes, 1) == [1]
    pool.submit(task(2, lane=moved.result(PATIENCE_S)))
    pool.submit(task(3, lane=good))
    assert sorted(numbers(outcomes, 2)) == [2, 3]


class Reopening(ProcessorRunner):
    """Is opening when it is told so, and until it is told otherwise."""

    tends = True

    def __init__(self) -> None:
        super().__init__(kind_of(Named), NoOptions())
        self.tended: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.is_opening = False

    def tend(self) -> None:
        self.tended.put(None)


@pytest.mark.parametrize("needs_order", [False, True])
@pytest.mark.parametrize("workers", [1, 2])
def test_frames_wait_for_a_worker_that_opens_again_and_their_age_counts(
    outcomes: queue.SimpleQueue[Outcome], clock: Clock, workers: int, *, needs_order: bool
) -> None:
    runners = [Reopening() for _ in range(workers)]
    made = iter(runners)

    def deliver(several: Sequence[Outcome]) -> None:
        for outcome in several:
            outcomes.put(outcome)

    pool = WorkerPool(
        "toy", lambda: next(made), PoolOptions(workers=workers), deliver, needs_order=needs_order, clock=clock
    )
    pool.start().result()
    lane = lane_of(pool, terms=Terms(max_age_s=2.0))
    for runner in runners:
        runner.is_opening = True
    pool.submit(task(1, lane=lane, received_s=clock.now))
    clock.now += 1.5
    pool.submit(task(2, lane=lane, received_s=clock.now))
    for runner in runners:
        runner.tended.get(timeout=PATIENCE_S)  # it has been round with a frame there
    assert pool.statistics() == PoolStatistics(waiting=2, most_waiting=2, batches=0, frames=0)
    clock.now += 1.0
    pool.tick()
    old = outcomes.get(timeout=PATIENCE_S)
    assert (old.task.sequence_number, old.dropped) == (1, DropCause.TOO_OLD)
    for runner in runners:
        runner.is_opening = False
    ran = outcomes.get(timeout=PATIENCE_S)
    assert (ran.task.sequence_number, ran.dropped, ran.error) == (2, None, None)
    assert pool.close(PATIENCE_S)


def test_a_worker_with_nothing_to_do_sees_after_what_it_runs_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_module, "_TEND_S", 0.001)
    runner = Reopening()
    pool = WorkerPool("toy", lambda: runner, PoolOptions(), lambda _: None)
    pool.start().result()
    for _ in range(3):
        runner.tended.get(timeout=PATIENCE_S)
    assert pool.close(PATIENCE_S)
