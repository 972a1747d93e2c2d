"""Batches on the event loop itself: what one turn has brought makes a batch, and nothing is left behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest
from toy_tasks import INFO, CountedContent, Named, kind_of, task

from framewire.errors import ClosedError, ProcessorError
from framewire.model.frame import Frame, SessionInfo
from framewire.model.inference import Inference
from framewire.model.terms import Terms
from framewire.processors.api import NoOptions, Processor
from framewire.scheduling.executor import PoolOptions, PoolStatistics
from framewire.scheduling.inline import InlinePool
from framewire.scheduling.runner import ProcessorRunner
from framewire.scheduling.task import DropCause, Lane, Outcome


class Bench:
    """An inline pool and what it delivered."""

    def __init__(self, factory: type[Processor] = Named, **options: float) -> None:
        self.outcomes: list[Outcome] = []
        self.runner = ProcessorRunner(kind_of(factory), NoOptions())
        self.now = 0.0
        self.pool = InlinePool(
            "toy",
            self.runner,
            PoolOptions(**options),  # type: ignore[arg-type] # the tests give what it takes
            self.outcomes.extend,
            loop=asyncio.get_running_loop(),
            clock=lambda: self.now,
        )
        self.pool.start().result()

    def lane(self, name: str = "", terms: Terms | None = None) -> Lane:
        info = SessionInfo(INFO.video_format, INFO.timescale, name, name)
        return self.pool.open_lane(info, terms or Terms()).result()

    @property
    def numbers(self) -> list[int]:
        return [outcome.task.sequence_number for outcome in self.outcomes]


async def turn() -> None:
    """Lets the event loop go round once."""
    await asyncio.sleep(0)


async def test_what_one_turn_of_the_loop_brings_makes_a_batch() -> None:
    bench = Bench(batch_size=2)
    left, right = bench.lane("left"), bench.lane("right")
    for level, lane in ((1, left), (2, left), (3, right)):
        bench.pool.submit(task(level, lane=lane))
    assert bench.outcomes == []
    await turn()
    # Its batches were quick, so the loop was not gone round for the second one.
    assert bench.numbers == [1, 3, 2]
    assert [outcome.batch_size for outcome in bench.outcomes] == [2, 2, 1]
    assert bench.pool.statistics() == PoolStatistics(waiting=0, most_waiting=3, batches=2, frames=3)
    assert bench.pool.close()


async def test_after_slow_batches_the_loop_has_its_turn() -> None:
    class Slow(Named):
        def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
            bench.now += 0.0015
            return super().process(frames)

    bench = Bench(Slow)
    lane = bench.lane()
    for level in (1, 2, 3):
        bench.pool.submit(task(level, lane=lane))
    await turn()
    assert bench.numbers == [1, 2]
    await turn()
    assert bench.numbers == [1, 2, 3]
    assert bench.pool.close()


async def test_everything_happens_on_the_loops_thread() -> None:
    threads: set[int] = set()

    class Noting(Named):
        def open(self) -> None:
            threads.add(threading.get_ident())

        def open_session(self, session: SessionInfo) -> object:
            threads.add(threading.get_ident())
            return f"state of {session.configuration}"

        def close_session(self, state: object) -> None:
            threads.add(threading.get_ident())
            states.append(state)

        def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
            threads.add(threading.get_ident())
            states.extend(frame.state for frame in frames)
            return super().process(frames)

        def close(self) -> None:
            threads.add(threading.get_ident())
            states.append("closed")

    states: list[object] = []
    bench = Bench(Noting)
    lane = bench.lane("yard")
    bench.pool.submit(task(1, lane=lane))
    await turn()
    assert bench.pool.close_lane(lane) == []
    assert bench.pool.close()
    assert bench.pool.close()
    assert states == ["state of yard", "state of yard", "closed"]
    assert threads == {threading.get_ident()}


async def test_a_batch_waits_for_more_and_goes_at_once_when_it_is_full() -> None:
    bench = Bench(batch_size=2, batch_wait_s=3600.0)
    lane = bench.lane()
    bench.pool.submit(task(1, lane=lane))
    await turn()
    await turn()
    assert bench.outcomes == []
    bench.pool.submit(task(2, lane=lane))
    await turn()
    assert bench.numbers == [1, 2]
    assert bench.pool.close()


async def test_a_batch_that_stays_short_goes_when_its_wait_is_over() -> None:
    bench = Bench(batch_size=2, batch_wait_s=0.01)
    bench.pool.submit(task(1, lane=bench.lane()))
    await turn()
    bench.now = 0.01
    async with asyncio.timeout(10):
        while not bench.outcomes:
            await turn()
    assert bench.numbers == [1]
    assert bench.pool.close()


async def test_frames_that_are_too_old_are_given_up_before_the_batch_is_made() -> None:
    bench = Bench()
    lane = bench.lane(terms=Terms(max_age_s=1.0))
    for level, received_s in ((1, 0.0), (2, 1.0)):
        bench.pool.submit(task(level, lane=lane, received_s=received_s))
    bench.now = 1.5
    await turn()
    assert [(outcome.task.sequence_number, outcome.dropped) for outcome in bench.outcomes] == [
        (1, DropCause.TOO_OLD),
        (2, None),
    ]
    assert bench.pool.close()


async def test_a_lane_that_is_closed_takes_its_waiting_frames_with_it() -> None:
    bench = Bench()
    going, staying = bench.lane("going"), bench.lane("staying")
    waiting = [task(1, lane=going), task(2, lane=going)]
    for one in waiting:
        bench.pool.submit(one)
    bench.pool.submit(task(3, lane=staying))
    assert bench.pool.take_back_oldest(going) is waiting[0]
    assert bench.pool.close_lane(going) == [waiting[1]]
    await turn()
    assert bench.numbers == [3]
    assert bench.pool.close()


async def test_a_processor_that_cannot_be_opened_is_an_error_of_start() -> None:
    class Broken(Named):
        def open(self) -> None:
            raise RuntimeError("no model")

    with pytest.raises(ProcessorError, match="processor toy cannot be opened: RuntimeError: no model"):
        Bench(Broken)


async def test_a_session_that_cannot_be_opened_is_an_error_and_the_others_go_on() -> None:
    class Choosy(Named):
        def open_session(self, session: SessionInfo) -> object:
            if session.configuration == "broken":
                raise RuntimeError("no such session")
            return None

    bench = Bench(Choosy)
    with pytest.raises(ProcessorError, match="cannot open a session: RuntimeError: no such session"):
        bench.lane("broken")
    bench.pool.submit(task(1, lane=bench.lane("fine")))
    await turn()
    assert bench.numbers == [1]
    assert bench.pool.close()


async def test_a_closed_pool_takes_nothing_and_runs_nothing() -> None:
    bench = Bench()
    lane = bench.lane()
    bench.pool.submit(task(1, lane=lane))
    assert bench.pool.close()
    await turn()
    assert bench.outcomes == []
    with pytest.raises(ClosedError, match="processor toy is closing"):
        bench.pool.submit(task(2, lane=lane))
    with pytest.raises(ClosedError, match="processor toy is closing"):
        bench.lane()


async def test_a_fault_of_ours_is_answered_too(caplog: pytest.LogCaptureFixture) -> None:
    class Torn(CountedContent):
        def open(self) -> memoryview:
            raise RuntimeError("torn")

    bench = Bench()
    lane = bench.lane()
    bench.pool.submit(task(1, Torn(1), lane))
    bench.pool.submit(task(2, lane=lane))
    await turn()
    await turn()
    assert [str(outcome.error) for outcome in bench.outcomes] == ["the worker failed; its log says why", "None"]
    assert "a batch broke outside processor toy" in caplog.text
    assert bench.pool.close()


@pytest.mark.parametrize("is_drained", [False, True])
async def test_a_batch_waits_no_longer_when_it_drains_or_its_session_sends_no_more(*, is_drained: bool) -> None:
    bench = Bench(batch_size=8, batch_wait_s=3600.0)
    lane = bench.lane()
    bench.pool.submit(task(1, lane=lane))
    await turn()
    await turn()
    assert bench.outcomes == []
    if is_drained:
        bench.pool.drain()
    else:
        bench.pool.submit(task(2, lane=lane), is_urgent=True)
    await turn()
    assert bench.numbers == ([1] if is_drained else [1, 2])
    assert bench.pool.close()


async def test_a_batch_goes_before_its_wait_is_over_when_a_frame_comes_that_may_not_wait_so_long() -> None:
    bench = Bench(batch_size=8, batch_wait_s=3600.0)
    bench.pool.submit(task(1, lane=bench.lane("patient")))
    await turn()
    bench.pool.submit(task(2, lane=bench.lane("live", Terms(max_age_s=0.02))))
    bench.now = 0.01
    async with asyncio.timeout(10):
        while not bench.outcomes:
            await turn()
    assert bench.numbers == [1, 2]
    assert bench.pool.close()
