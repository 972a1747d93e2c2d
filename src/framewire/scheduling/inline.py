"""An executor that runs batches on the event loop's own thread."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import Future

from framewire.errors import ClosedError, ProcessorError
from framewire.model.frame import SessionInfo
from framewire.model.terms import Terms
from framewire.scheduling.executor import Clock, Deliver, PoolOptions, PoolStatistics
from framewire.scheduling.planner import BatchPlanner
from framewire.scheduling.runner import Runner
from framewire.scheduling.task import DropCause, FrameTask, Lane, Outcome

_log = logging.getLogger(__name__)

_TURN_S = 0.002
"""How long batches are run before the loop has its turn, in which it receives and sends."""


class InlinePool:
    """Runs batches between two turns of the event loop: no frame is handed to another thread and back.

    For processors that take microseconds: while one works, nothing is received and nothing is sent. A processor that
    does not return stops the server.

    Args:
        name: The processor's name.
        runner: Runs the batches.
        options: How it works; one worker, and no time limit.
        deliver: Takes the outcomes.
        loop: The event loop that makes all calls.
        clock: Seconds of a steady clock.
    """

    def __init__(
        self,
        name: str,
        runner: Runner,
        options: PoolOptions,
        deliver: Deliver,
        *,
        loop: asyncio.AbstractEventLoop,
        clock: Clock = time.monotonic,
    ) -> None:
        self._name = name
        self._runner = runner
        self._deliver = deliver
        self._loop = loop
        self._clock = clock
        self._planner: BatchPlanner[FrameTask] = BatchPlanner(options.batch_size, options.batch_wait_s)
        self._states: dict[Lane, object] = {}
        self._turn: asyncio.Handle | None = None
        self._is_waiting = False
        self._is_open = False
        self._is_closing = False
        self._batches = 0
        self._frames = 0

    def start(self) -> Future[None]:
        opened: Future[None] = Future()
        try:
            self._runner.open()
        except ProcessorError as error:
            opened.set_exception(error)
        else:
            self._is_open = True
            opened.set_result(None)
        return opened

    def open_lane(self, info: SessionInfo, terms: Terms = Terms()) -> Future[Lane]:  # noqa: B008 # it is immutable
        if self._is_closing:
            raise ClosedError(f"processor {self._name} is closing")
        lane = Lane(info, terms)
        opened: Future[Lane] = Future()
        try:
            self._states[lane] = self._runner.open_session(info)
        except ProcessorError as error:
            opened.set_exception(error)
        else:
            self._planner.open(lane, weight=terms.weight, max_age_s=terms.max_age_s)
            opened.set_result(lane)
        return opened

    def submit(self, task: FrameTask, *, is_urgent: bool = False) -> None:
        if self._is_closing:
            raise ClosedError(f"processor {self._name} is closing")
        task.state = self._states[task.lane]
        self._planner.add(task.lane, task, task.received_s, is_urgent=is_urgent)
        if self._is_waiting:
            # It may be due before those that wait already.
            self._arrange(self._planner.due_in(self._clock()))
        elif self._turn is None:
            # Not at once: what other streams have received in this turn of the loop comes into the same batch.
            self._arrange(0.0)

    def take_back_oldest(self, lane: Lane) -> FrameTask | None:
        return self._planner.drop_oldest(lane)

    def close_lane(self, lane: Lane) -> list[FrameTask]:
        withdrawn = self._planner.close(lane)
        if lane in self._states:
            self._runner.close_session(self._states.pop(lane))
        return withdrawn

    def tick(self) -> None:
        expired = self._planner.expire(self._clock())
        if expired:
            self._deliver([Outcome(task, dropped=DropCause.TOO_OLD) for task in expired])

    def drain(self) -> None:
        self._planner.stop_waiting()
        if self._is_waiting:
            self._arrange(0.0)

    @property
    def is_healthy(self) -> bool:
        """Always: there is no worker to lose."""
        return True

    @property
    def has_hung_threads(self) -> bool:
        """Never: there is no thread."""
        return False

    def statistics(self) -> PoolStatistics:
        queue = self._planner.statistics()
        return PoolStatistics(queue.waiting, queue.most_waiting, self._batches, self._frames)

    def close(self, timeout_s: float | None = None) -> bool:
        self._is_closing = True
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
            self._is_waiting = False
        if self._is_open:
            self._is_open = False
            self._runner.close()
        return True

    def _run(self) -> None:
        self._turn = None
        self._is_waiting = False
        begun_s = finished_s = self._clock()
        # Several batches a turn: going round the loop costs as much as a cheap frame.
        while finished_s - begun_s < _TURN_S:
            self.tick()
            started_s = self._clock()
            batch = self._planner.take(started_s)
            if not batch:
                break
            self._batches += 1
            self._frames += len(batch)
            outcomes = self._outcomes(batch)
            finished_s = self._clock()
            for outcome in outcomes:
                outcome.started_s, outcome.finished_s, outcome.batch_size = started_s, finished_s, len(batch)
            self._deliver(outcomes)
        # What was delivered may have closed the pool, or asked for a turn already.
        if not len(self._planner) or self._turn is not None or self._is_closing:
            return
        self._arrange(self._planner.due_in(self._clock()))

    def _arrange(self, due_s: float) -> None:
        if self._turn is not None:
            self._turn.cancel()
        self._is_waiting = due_s > 0
        self._turn = self._loop.call_later(due_s, self._run) if due_s else self._loop.call_soon(self._run)

    def _outcomes(self, batch: list[FrameTask]) -> list[Outcome]:
        try:
            return self._runner.run(batch)
        except Exception:
            # The runner judges whatever a processor does, so this is ours; the frames are answered all the same.
            _log.exception("a batch broke outside processor %s; this is a fault of framewire", self._name)
            return [Outcome(task, error=ProcessorError("the worker failed; its log says why")) for task in batch]
