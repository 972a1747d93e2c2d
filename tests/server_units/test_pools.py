"""Pools that sessions come to and leave: what opens is not opened twice, what hangs is not replaced by another."""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "scheduling"))

from toy_tasks import INFO, Named, kind_of, level_of, task

from framewire.errors import BusyError, ProcessorError
from framewire.model.frame import Frame
from framewire.model.inference import Inference
from framewire.processors.api import NoOptions
from framewire.processors.configuration import Selection
from framewire.scheduling.executor import Executor, PoolOptions
from framewire.scheduling.runner import ProcessorRunner
from framewire.scheduling.task import Outcome
from framewire.scheduling.workers import WorkerPool
from framewire.server.pools import Pools

PATIENCE_S = 20.0


class Slow(Named):
    """Opens when it may, and holds frames of level 0 until it is over."""

    may_open: threading.Event
    over: threading.Event
    opened: queue.SimpleQueue[int]
    is_broken = False

    def open(self) -> None:
        self.opened.put(1)
        assert self.may_open.wait(PATIENCE_S)
        if self.is_broken:
            raise ValueError("no model")

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        if any(level_of(frame) == 0 for frame in frames):
            assert self.over.wait(PATIENCE_S)
        return super().process(frames)


@pytest.fixture
def slow() -> Iterator[type[Slow]]:
    class Own(Slow):
        may_open = threading.Event()
        over = threading.Event()
        opened: queue.SimpleQueue[int] = queue.SimpleQueue()

    yield Own
    Own.may_open.set()
    Own.over.set()


class Shelf(Pools):
    """Pools of threads, whose outcomes are kept."""

    def __init__(self, most: int = 4) -> None:
        super().__init__(self._pool, most)
        self.outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()

    def _pool(self, selection: Selection) -> Executor:
        options = PoolOptions(frame_timeout_s=0.5)

        def deliver(outcomes: Sequence[Outcome]) -> None:
            for outcome in outcomes:
                self.outcomes.put(outcome)

        return WorkerPool("slow", lambda: ProcessorRunner(selection.kind, selection.options), options, deliver)


async def until(pools: Shelf, executor: Executor) -> Outcome:
    async with asyncio.timeout(PATIENCE_S):
        while pools.outcomes.empty():  # a thread fills it
            executor.tick()
            await asyncio.sleep(0.01)
    return pools.outcomes.get()


async def until_empty(pools: Shelf) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while list(pools):  # noqa: ASYNC110 # a thread makes it so
            await asyncio.sleep(0.01)


async def given_up(asking: asyncio.Task[Executor]) -> None:
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def begun(pools: Shelf, wanted: Selection, slow: type[Slow]) -> asyncio.Task[Executor]:
    """Somebody who asks for a pool, once its processor is being opened."""
    asking = asyncio.create_task(pools.acquire(wanted))
    await asyncio.to_thread(slow.opened.get, True, PATIENCE_S)
    return asking


async def test_what_opens_when_its_session_leaves_is_there_for_the_next_one(slow: type[Slow]) -> None:
    pools, wanted = Shelf(), Selection(kind_of(slow), NoOptions())
    await given_up(await begun(pools, wanted, slow))
    second = asyncio.create_task(pools.acquire(wanted))
    await asyncio.sleep(0)
    await given_up(second)
    slow.may_open.set()
    await pools.acquire(wanted)
    assert slow.opened.empty()
    assert len(list(pools)) == 1
    pools.release(wanted)
    assert list(pools) == []
    assert await pools.close(PATIENCE_S)


async def test_what_has_opened_for_nobody_is_closed(slow: type[Slow]) -> None:
    pools, wanted = Shelf(), Selection(kind_of(slow), NoOptions())
    await given_up(await begun(pools, wanted, slow))
    slow.may_open.set()
    await until_empty(pools)
    assert await pools.close(PATIENCE_S)


async def test_what_fails_to_open_for_nobody_is_told_in_one_line(
    slow: type[Slow], caplog: pytest.LogCaptureFixture
) -> None:
    slow.is_broken = True
    pools, wanted = Shelf(), Selection(kind_of(slow), NoOptions())
    await given_up(await begun(pools, wanted, slow))
    slow.may_open.set()
    await until_empty(pools)
    (record,) = caplog.records
    assert "no model" in record.getMessage()
    assert record.getMessage().endswith("(nobody waited for it any more)")
    assert record.exc_info is None


async def test_a_pool_that_cannot_be_opened_is_no_sign_of_ill_health(slow: type[Slow]) -> None:
    slow.is_broken = True
    pools, wanted = Shelf(), Selection(kind_of(slow), NoOptions())
    asking = await begun(pools, wanted, slow)
    (pool,) = pools
    slow.may_open.set()
    with pytest.raises(ProcessorError):
        await asking
    assert pool.is_healthy


async def test_where_there_is_room_for_one_pool_another_may_follow_at_once(slow: type[Slow]) -> None:
    slow.may_open.set()
    pools = Shelf(most=1)
    kinds = [Selection(kind_of(type(name, (slow,), {})), NoOptions()) for name in ("One", "Two")]
    for number in range(20):
        await pools.acquire(kinds[number % 2])
        pools.release(kinds[number % 2])
    assert await pools.close(PATIENCE_S)


async def test_threads_that_hang_are_counted_over_all_sessions_with_these_options(slow: type[Slow]) -> None:
    slow.may_open.set()
    pools, wanted = Shelf(most=2), Selection(kind_of(slow), NoOptions())
    for number in range(1, 4):
        pool = await pools.acquire(wanted)
        lane = await asyncio.wrap_future(pool.open_lane(INFO))
        pool.submit(task(0, lane=lane))
        assert "did not return" in str((await until(pools, pool)).error)
        pool.close_lane(lane)
        pools.release(wanted)
        assert pool.statistics().replaced == number
    # The next one would have no worker left; and it is still one pool.
    assert list(pools) == [pool]
    other = Selection(kind_of(type("Other", (slow,), {})), NoOptions())
    await pools.acquire(other)
    with pytest.raises(BusyError):
        await pools.acquire(Selection(kind_of(type("Third", (slow,), {})), NoOptions()))
    pools.release(other)
    slow.over.set()
    async with asyncio.timeout(PATIENCE_S):
        while pool.has_hung_threads:  # noqa: ASYNC110 # threads make it so
            await asyncio.sleep(0.01)
    # Once they have come back, it can be closed as any other.
    assert await pools.acquire(other)
    assert list(pools) != [pool]
    assert len(list(pools)) == 1
    assert await pools.close(PATIENCE_S)
