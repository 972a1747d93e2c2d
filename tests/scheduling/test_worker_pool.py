"""The worker thread: opening, lanes, batches of what waits, closing while busy."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from toy_tasks import INFO, CountedContent, Named, kind_of, level_of, task

from framewire.errors import ClosedError, ProcessorError
from framewire.model.frame import Frame, SessionInfo
from framewire.model.inference import Inference
from framewire.processors.api import NoOptions, Processor
from framewire.scheduling.executor import HungError, PoolOptions, PoolStatistics
from framewire.scheduling.runner import ProcessorRunner
from framewire.scheduling.task import Lane, Outcome
from framewire.scheduling.workers import WorkerPool

PATIENCE_S = 20.0
"""How long a test waits for what must happen; it never waits for what must not."""

MakePool = Callable[..., WorkerPool]


class Gated(Named):
    """Holds every frame of level 0 until its gate opens, and writes down what happens."""

    started = threading.Event()
    gate = threading.Event()
    told: queue.SimpleQueue[str]

    def open_session(self, session: SessionInfo) -> object:
        if session.configuration == "broken":
            raise RuntimeError("no such session")
        self.told.put(f"open {session.configuration}")
        return session.configuration

    def close_session(self, state: object) -> None:
        self.told.put(f"close {state}")

    def close(self) -> None:
        self.told.put("closed")

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        self.told.put(f"process {' '.join(str(level_of(frame)) for frame in frames)}")
        if any(level_of(frame) == 0 for frame in frames):
            self.started.set()
            assert self.gate.wait(PATIENCE_S)
        return super().process(frames)


@pytest.fixture
def gated() -> type[Gated]:
    """A class of its own for each test, with its own gate."""

    class Own(Gated):
        started = threading.Event()
        gate = threading.Event()
        told: queue.SimpleQueue[str] = queue.SimpleQueue()

    return Own


@pytest.fixture
def delivered() -> queue.SimpleQueue[list[int]]:
    """Numbers of the frames of each delivery."""
    return queue.SimpleQueue()


@pytest.fixture
def make_pool(delivered: queue.SimpleQueue[list[int]]) -> Iterator[MakePool]:
    pools: list[WorkerPool] = []

    def deliver(outcomes: Sequence[Outcome]) -> None:
        delivered.put([outcome.task.sequence_number for outcome in outcomes])

    def make(factory: type[Processor], batch_size: int = 1, batch_wait_s: float = 0.0) -> WorkerPool:
        pool = WorkerPool(
            "toy",
            lambda: ProcessorRunner(kind_of(factory), NoOptions()),
            PoolOptions(batch_size, batch_wait_s),
            deliver,
        )
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        assert pool.close(PATIENCE_S)


def lane_of(pool: WorkerPool, name: str = "") -> Lane:
    info = SessionInfo(INFO.video_format, INFO.timescale, name, name)
    return pool.open_lane(info).result(PATIENCE_S)


def numbers(delivered: queue.SimpleQueue[list[int]], count: int) -> list[int]:
    """The first frames delivered; outcomes of cheap frames may gather, so in one delivery or in several."""
    found: list[int] = []
    while len(found) < count:
        found += delivered.get(timeout=PATIENCE_S)
    return found


def story(told: queue.SimpleQueue[str]) -> list[str]:
    lines = []
    while not told.empty():
        lines.append(told.get())
    return lines


def test_frames_are_run_one_by_one_and_delivered_in_order(
    make_pool: MakePool, delivered: queue.SimpleQueue[list[int]]
) -> None:
    pool = make_pool(Named)
    pool.start().result()
    lane = lane_of(pool)
    for level in range(5):
        pool.submit(task(level, lane=lane))
    assert numbers(delivered, 5) == [0, 1, 2, 3, 4]
    statistics = pool.statistics()
    assert (statistics.waiting, statistics.batches, statistics.frames, statistics.replaced) == (0, 5, 5, 0)


def test_what_waits_while_the_worker_is_busy_makes_the_next_batches(
    gated: type[Gated], make_pool: MakePool, delivered: queue.SimpleQueue[list[int]]
) -> None:
    pool = make_pool(gated, batch_size=3)
    pool.start().result()
    left, right = lane_of(pool), lane_of(pool)
    pool.submit(task(0, lane=left))
    assert gated.started.wait(PATIENCE_S)
    for level in (1, 2, 3):
        pool.submit(task(level, lane=left))
    pool.submit(task(9, lane=right))
    assert pool.statistics() == PoolStatistics(waiting=4, most_waiting=4, batches=1, frames=1)
    gated.gate.set()
    # The session that has been served already stands behind the one that comes now.
    assert numbers(delivered, 5) == [0, 9, 1, 2, 3]
    assert pool.statistics() == PoolStatistics(waiting=0, most_waiting=4, batches=3, frames=5)


def test_a_batch_may_wait_for_more_and_goes_when_it_is_full(
    make_pool: MakePool, delivered: queue.SimpleQueue[list[int]]
) -> None:
    pool = make_pool(Named, batch_size=2, batch_wait_s=3600.0)
    pool.start().result()
    lane = lane_of(pool)
    pool.submit(task(1, lane=lane, received_s=time.monotonic()))
    lane_of(pool)  # the worker has been round once more and still waits
    assert pool.statistics() == PoolStatistics(waiting=1, most_waiting=1, batches=0, frames=0)
    pool.submit(task(2, lane=lane))
    assert delivered.get(timeout=PATIENCE_S) == [1, 2]


def test_a_batch_that_stays_short_goes_when_its_wait_is_over(
    make_pool: MakePool, delivered: queue.SimpleQueue[list[int]]
) -> None:
    pool = make_pool(Named, batch_size=2, batch_wait_s=0.01)
    pool.start().result()
    pool.submit(task(1, lane=lane_of(pool)))
    assert delivered.get(timeout=PATIENCE_S) == [1]


@pytest.mark.parametrize("where", ["__init__", "open"])
def test_a_processor_that_cannot_be_opened_is_an_error_of_open(where: str, make_pool: MakePool) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no model")

    pool = make_pool(type("Broken", (Named,), {where: broken}))
    with pytest.raises(ProcessorError, match="processor toy cannot be opened: RuntimeError: no model"):
        pool.start().result()
    assert pool.close(PATIENCE_S)


def test_a_frame_comes_with_the_state_that_the_processor_made(
    gated: type[Gated], make_pool: MakePool, delivered: queue.SimpleQueue[list[int]]
) -> None:
    pool = make_pool(gated)
    pool.start().result()
    lane = lane_of(pool, "street")
    assert lane.info.configuration == "street"
    frame = task(1, lane=lane)
    pool.submit(frame)
    assert numbers(delivered, 1) == [1]
    assert frame.state == "street"


def test_a_lane_that_cannot_be_opened_is_an_error_and_the_worker_goes_on(
    gated: type[Gated], make_pool: MakePool
) -> None:
    pool = make_pool(gated)
    pool.start().result()
    with pytest.raises(ProcessorError, match="processor toy cannot open a session: RuntimeError: no such session"):
        lane_of(pool, "broken")
    assert lane_of(pool, "street").info.configuration == "street"


def test_a_lane_whose_session_has_gone_before_its_turn_is_never_opened(gated: type[Gated], make_pool: MakePool) -> None:
    pool = make_pool(gated)
    pool.start().result()
    pool.submit(task(0, lane=lane_of(pool, "first")))
    assert gated.started.wait(PATIENCE_S)
    gone = pool.open_lane(SessionInfo(INFO.video_format, 1, "gone", "gone"))
    assert gone.cancel()
    gated.gate.set()
    lane_of(pool, "last")
    assert story(gated.told) == ["open first", "process 0", "open last"]


def test_lanes_are_opened_before_frames_that_wait(gated: type[Gated], make_pool: MakePool) -> None:
    pool = make_pool(gated)
    pool.start().result()
    lane = lane_of(pool, "first")
    pool.submit(task(0, lane=lane))
    assert gated.started.wait(PATIENCE_S)
    pool.submit(task(1, lane=lane))
    second = pool.open_lane(SessionInfo(INFO.video_format, 1, "second", "second"))
    gated.gate.set()
    second.result(PATIENCE_S)
    lane_of(pool, "third")
    assert story(gated.told)[:3] == ["open first", "process 0", "open second"]


def test_a_lane_that_is_closed_takes_its_waiting_frames_with_it(
    gated: type[Gated], make_pool: MakePool, delivered: queue.SimpleQueue[list[int]]
) -> None:
    pool = make_pool(gated)
    pool.start().result()
    going, staying = lane_of(pool, "going"), lane_of(pool, "staying")
    pool.submit(task(0, lane=going))
    assert gated.started.wait(PATIENCE_S)
    waiting = [task(1, lane=going), task(2, lane=going)]
    for one in waiting:
        pool.submit(one)
    pool.submit(task(3, lane=staying))
    assert pool.close_lane(going) == waiting
    assert [(one.content.opened, one.content.released) for one in waiting] == [(0, 0), (0, 0)]  # type: ignore[attr-defined]
    gated.gate.set()
    # The frame in hand is still delivered, and the state is closed after it.
    assert numbers(delivered, 2) == [0, 3]
    assert story(gated.told) == ["open going", "open staying", "process 0", "close going", "process 3"]


def test_closing_while_busy_waits_for_the_batch_in_hand_alone(
    gated: type[Gated], make_pool: MakePool, delivered: queue.SimpleQueue[list[int]]
) -> None:
    pool = make_pool(gated)
    pool.start().result()
    lane = lane_of(pool, "street")
    pool.submit(task(0, lane=lane))
    assert gated.started.wait(PATIENCE_S)
    pool.submit(task(1, lane=lane))
    assert not pool.close(timeout_s=0)
    with pytest.raises(ClosedError, match="processor toy is closing"):
        pool.submit(task(2, lane=lane))
    assert [one.sequence_number for one in pool.close_lane(lane)] == [1]
    gated.gate.set()
    assert pool.close(PATIENCE_S)
    assert delivered.get(timeout=PATIENCE_S) == [0]
    assert delivered.empty()
    assert story(gated.told) == ["open street", "process 0", "close street", "closed"]


def test_a_pool_closes_its_processor_once_and_closing_again_does_no_harm(
    gated: type[Gated], make_pool: MakePool
) -> None:
    pool = make_pool(gated)
    pool.start().result()
    assert pool.close(PATIENCE_S)
    assert pool.close(PATIENCE_S)
    assert story(gated.told) == ["closed"]


def test_a_pool_that_was_never_opened_can_be_closed(make_pool: MakePool) -> None:
    assert make_pool(Named).close(PATIENCE_S)


def test_all_calls_of_a_processor_come_on_one_thread(make_pool: MakePool) -> None:
    threads: set[int] = set()

    class Noting(Named):
        def __init__(self, options: object = None) -> None:
            super().__init__(options)
            threads.add(threading.get_ident())

        def open(self) -> None:
            threads.add(threading.get_ident())

        def open_session(self, session: SessionInfo) -> object:
            threads.add(threading.get_ident())
            return None

        def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
            threads.add(threading.get_ident())
            return super().process(frames)

        def close(self) -> None:
            threads.add(threading.get_ident())

    pool = make_pool(Noting)
    pool.start().result()
    lane = lane_of(pool)
    pool.submit(task(1, lane=lane))
    pool.close_lane(lane)
    assert pool.close(PATIENCE_S)
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_a_fault_of_ours_is_answered_too_and_the_worker_goes_on(
    make_pool: MakePool, delivered: queue.SimpleQueue[list[int]], caplog: pytest.LogCaptureFixture
) -> None:
    class Torn(CountedContent):
        def open(self) -> memoryview:
            raise RuntimeError("torn")

    pool = make_pool(Named)
    pool.start().result()
    lane = lane_of(pool)
    pool.submit(task(1, Torn(1), lane))
    pool.submit(task(2, lane=lane))
    assert numbers(delivered, 2) == [1, 2]
    assert [record.getMessage() for record in caplog.records] == [
        "a batch broke outside processor toy; this is a fault of framewire"
    ]


def test_a_worker_that_hangs_where_no_thread_is_left_is_lost_and_its_frames_are_answered(
    gated: type[Gated], delivered: queue.SimpleQueue[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes: list[Outcome] = []
    options = PoolOptions(frame_timeout_s=0.01)
    pool = WorkerPool("toy", lambda: ProcessorRunner(kind_of(gated), NoOptions()), options, outcomes.extend)
    pool.start().result()
    lane = lane_of(pool)
    pool.submit(task(0, lane=lane))
    assert gated.started.wait(PATIENCE_S)
    pool.submit(task(1, lane=lane))

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    deadline = time.monotonic() + PATIENCE_S
    while len(outcomes) < 2 and time.monotonic() < deadline:
        pool.tick()
    monkeypatch.undo()
    assert [outcome.task.sequence_number for outcome in outcomes] == [0, 1]
    assert [type(outcome.error) for outcome in outcomes] == [HungError, ProcessorError]
    assert not pool.is_healthy
    gated.gate.set()
    assert pool.close(PATIENCE_S)


def test_a_pool_that_gets_no_thread_says_so_and_leaves_none(
    gated: type[Gated], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, begun = threading.Thread.start, []

    def refuse_the_second(thread: threading.Thread) -> None:
        if begun:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_the_second)
    options = PoolOptions(workers=3)
    pool = WorkerPool("toy", lambda: ProcessorRunner(kind_of(gated), NoOptions()), options, lambda _: None)
    with pytest.raises(ProcessorError, match="processor toy gets no thread"):
        pool.start().result(PATIENCE_S)
    assert pool.close(PATIENCE_S)
    assert not begun[0].is_alive()


def test_what_is_done_does_not_wait_for_a_frame_that_hangs(
    make_pool: MakePool, gated: type[Gated], delivered: queue.SimpleQueue[list[int]]
) -> None:
    hangs, end = threading.Event(), threading.Event()

    class Hanging(gated):  # type: ignore[valid-type, misc] # a class that a fixture makes
        def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
            if level_of(frames[0]) == 2:
                hangs.set()
                assert end.wait(PATIENCE_S)
            return list(super().process(frames))

    pool = make_pool(Hanging)
    pool.start().result()
    lane = lane_of(pool)
    pool.submit(task(0, lane=lane))
    assert gated.started.wait(PATIENCE_S)
    pool.submit(task(1, lane=lane))
    pool.submit(task(2, lane=lane))
    gated.gate.set()
    assert hangs.wait(PATIENCE_S)
    deadline = time.monotonic() + PATIENCE_S
    found: list[int] = []
    while found != [0, 1] and time.monotonic() < deadline:
        pool.tick()
        while not delivered.empty():
            found += delivered.get()
    end.set()
    assert found == [0, 1]
    assert numbers(delivered, 1) == [2]


async def test_what_is_done_does_not_lie_behind_a_batch_that_takes_longer_than_those_before(
    gated: type[Gated],
) -> None:
    delivered: queue.SimpleQueue[list[int]] = queue.SimpleQueue()

    def deliver(outcomes: Sequence[Outcome]) -> None:
        delivered.put([outcome.task.sequence_number for outcome in outcomes])

    loop = asyncio.get_running_loop()
    pool = WorkerPool("toy", lambda: ProcessorRunner(kind_of(gated), NoOptions()), PoolOptions(), deliver, loop=loop)
    pool.start().result()
    cheap, dear = lane_of(pool), lane_of(pool)
    for _ in range(5):
        gated.started.clear()
        gated.gate.clear()
        pool.submit(task(1, lane=cheap))
        pool.submit(task(0, lane=dear))
        found: list[int] = []
        async with asyncio.timeout(PATIENCE_S):
            while not found:  # nobody ticks, and the dear one is held
                await asyncio.sleep(0)
                found += [] if delivered.empty() else delivered.get()
        gated.gate.set()
        assert found + numbers(delivered, 1) == [1, 0]
    assert pool.close(PATIENCE_S)


def test_when_it_drains_a_batch_does_not_wait_for_more(
    make_pool: MakePool, delivered: queue.SimpleQueue[list[int]]
) -> None:
    pool = make_pool(Named, batch_size=8, batch_wait_s=3600.0)
    pool.start().result()
    lane = lane_of(pool)
    pool.submit(task(1, lane=lane, received_s=time.monotonic()))
    lane_of(pool)  # the worker has been round once more and still waits
    assert pool.statistics().waiting == 1
    pool.drain()
    assert numbers(delivered, 1) == [1]
    pool.submit(task(2, lane=lane, received_s=time.monotonic()))
    assert numbers(delivered, 1) == [2]


def test_a_batch_with_a_frame_that_is_the_last_for_now_does_not_wait_for_more(
    make_pool: MakePool, delivered: queue.SimpleQueue[list[int]]
) -> None:
    pool = make_pool(Named, batch_size=8, batch_wait_s=3600.0)
    pool.start().result()
    lane = lane_of(pool)
    pool.submit(task(1, lane=lane, received_s=time.monotonic()))
    pool.submit(task(2, lane=lane, received_s=time.monotonic()), is_urgent=True)
    assert numbers(delivered, 2) == [1, 2]
