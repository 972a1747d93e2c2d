"""An executor of worker threads, each with a runner of its own."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from framewire.errors import ClosedError, ProcessorError
from framewire.model.frame import SessionInfo
from framewire.model.terms import Terms
from framewire.scheduling.executor import (
    TICK_S,
    Clock,
    Deliver,
    HungError,
    PoolOptions,
    PoolStatistics,
    reopen_limit_s,
)
from framewire.scheduling.placement import Placement
from framewire.scheduling.runner import Runner, nothing
from framewire.scheduling.task import DropCause, FrameTask, Lane, Outcome
from framewire.scheduling.worker import Call, Worker

_log = logging.getLogger(__name__)

_GATHER_S = 0.0005
"""How long the outcomes of cheap batches gather while more frames wait: to wake the event loop costs as much as a cheap
frame. Those of dearer batches leave as soon as the next one is under way: an event loop that is woken before competes
with the start of the batch for Python's lock."""

_SWEEP_S = 0.002
"""How often it is looked whether outcomes of cheap batches lie behind a dear one, which nobody knows beforehand."""

_TEND_S = 1.0
"""How often a worker that has nothing to do sees after what it runs on."""

_OPENING_S = 0.02
"""How often a worker looks whether what it runs on is open again."""

MAX_REPLACED = 3
"""Workers that are given up and replaced; each leaves a thread behind that never ends."""


class WorkerPool:
    """Worker threads that take batches from all sessions.

    The sessions of a processor that needs their order are bound to one worker each, which also keeps their state in
    one place; all others are served by whichever worker is free, each with a state of its own for them
    (:class:`~framewire.scheduling.placement.Placement`).

    Args:
        name: The processor's name.
        make_runner: Makes the runner of a worker.
        options: How it works.
        deliver: Takes the outcomes.
        needs_order: Whether the frames of a session must be processed one after the other.
        has_states: Whether the processor makes a state for each session; without, none is asked for, and a session
            is taken on while all workers are busy.
        gives_up: Whether the pool itself gives up workers that do not return in time; runners of processes do so.
        clock: Seconds of a steady clock.
        loop: The event loop that makes all calls. With it, finished frames wait for milliseconds at most behind an
            expensive batch; without, for the next tick.
    """

    def __init__(
        self,
        name: str,
        make_runner: Callable[[], Runner],
        options: PoolOptions,
        deliver: Deliver,
        *,
        needs_order: bool = False,
        has_states: bool = True,
        gives_up: bool = True,
        clock: Clock = time.monotonic,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._name = name
        self._make_runner = make_runner
        self._deliver = deliver
        self._has_states = has_states
        self._frame_timeout_s = options.frame_timeout_s if gives_up else None
        self._clock = clock
        self._loop = loop
        self._sweeping: asyncio.TimerHandle | None = None
        self._placement = Placement(options, needs_order=needs_order)
        self._lock = threading.Lock()
        self._workers = [self._made_worker(index) for index in range(options.workers)]
        self._given_up: list[Worker] = []
        self._is_closing = False
        self._batches = 0
        self._frames = 0
        self._replaced = 0
        self._reopen_s = reopen_limit_s(0.0)
        self._unopened = options.workers
        self._opened: Future[None] = Future()
        self._is_told = False

    def start(self) -> Future[None]:
        self._opened.set_running_or_notify_cancel()  # from now on nobody can cancel it
        for worker in self._workers:
            try:
                self._launch(worker, self._tell_opened)
            except RuntimeError as error:
                problem = f"processor {self._name} gets no thread ({error})"
                self._tell_opened(worker, ProcessorError(problem, remedy="see the limits of processes and memory"))
                break
        return self._opened

    def open_lane(self, info: SessionInfo, terms: Terms = Terms()) -> Future[Lane]:  # noqa: B008 # it is immutable
        with self._lock:
            if self._is_closing:
                raise ClosedError(f"processor {self._name} is closing")
            living = self._living()
            if not living:
                raise self._dead()
            lane, opened = Lane(info, terms), Future[Lane]()
            worker = self._placement.place(lane, living)
            if self._has_states:
                worker.openings.append((lane, opened))
                worker.wake()
            else:
                self._placement.plan(lane)
                opened.set_result(lane)
        return opened

    def submit(self, task: FrameTask, *, is_urgent: bool = False) -> None:
        with self._lock:
            if self._is_closing:
                raise ClosedError(f"processor {self._name} is closing")
            self._placement.planner_of(task.lane).add(task.lane, task, task.received_s, is_urgent=is_urgent)
            index = self._placement.worker_of(task.lane)
            if index is None:
                self._wake_one()  # and the next frame another
            else:
                self._workers[index].wake()
        if self._loop is not None and self._sweeping is None:
            self._sweeping = self._loop.call_later(_SWEEP_S, self._sweep)

    def take_back_oldest(self, lane: Lane) -> FrameTask | None:
        with self._lock:
            return self._placement.planner_of(lane).drop_oldest(lane)

    def close_lane(self, lane: Lane) -> list[FrameTask]:
        with self._lock:
            withdrawn = self._placement.planner_of(lane).close(lane)
            self._placement.forget(lane)
            # Also when the pool is closing: its workers still do all calls before they close the processor.
            for worker in self._workers:
                if self._has_states and not worker.is_lost:
                    worker.calls.append(lambda worker: worker.close_lane(lane))
                    worker.wake()
        return withdrawn

    def tick(self) -> None:
        with self._lock:
            now = self._clock()
            expired = [task for planner in self._placement.planners for task in planner.expire(now)]
            outcomes = [Outcome(task, dropped=DropCause.TOO_OLD) for task in expired]
            for worker in self._workers:
                if worker.busy_since is not None and now - worker.busy_since > TICK_S:
                    # What gathers, gathers for longer than it should: the next batch is a dear one, or hangs.
                    outcomes += worker.done
                    worker.done = []
                if self._is_overdue(worker, now):
                    outcomes += self._give_up(worker)
            living = {id(worker.planner) for worker in self._living()}
            for planner in self._placement.planners:
                if len(planner) and id(planner) not in living:
                    outcomes += [Outcome(task, error=self._dead()) for task in planner.withdraw()]
        if outcomes:
            self._deliver(outcomes)

    def drain(self) -> None:
        with self._lock:
            for planner in self._placement.planners:
                planner.stop_waiting()
            for worker in self._workers:
                worker.wake()

    @property
    def is_healthy(self) -> bool:
        """Whether no worker is lost; one that never opened is none, as whoever asked for it was told."""
        with self._lock:
            return self._is_closing or not any(worker.is_lost for worker in self._workers)

    @property
    def has_hung_threads(self) -> bool:
        """Whether a worker that was given up has not come back."""
        with self._lock:
            return any(worker.thread is not None and worker.thread.is_alive() for worker in self._given_up)

    def statistics(self) -> PoolStatistics:
        with self._lock:
            replaced = self._replaced + sum(worker.runner.replaced for worker in self._workers)
            queues = [planner.statistics() for planner in self._placement.planners]
            return PoolStatistics(
                sum(queue.waiting for queue in queues),
                max(queue.most_waiting for queue in queues),
                self._batches,
                self._frames,
                replaced,
            )

    def close(self, timeout_s: float | None = None) -> bool:
        with self._lock:
            self._is_closing = True
            workers = [*self._workers, *self._given_up]
            for worker in workers:
                worker.wakeup.notify()
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        threads = [worker.thread for worker in workers if worker.thread is not None and worker.thread.is_alive()]
        for thread in threads:
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def _made_worker(self, index: int) -> Worker:
        planner = self._placement.planner_at(index)
        return Worker(index, self._make_runner(), planner, self._lock, self._name, has_states=self._has_states)

    def _living(self) -> list[Worker]:
        """Workers that are there, or will be. The lock is held."""
        return [worker for worker in self._workers if not worker.is_lost]

    def _launch(self, worker: Worker, tell: Callable[[Worker, BaseException | None], None]) -> None:
        worker.opening_since = self._clock()
        worker.thread = threading.Thread(
            target=self._work, args=(worker, tell), name=f"framewire-{self._name}-{worker.index}", daemon=True
        )
        worker.thread.start()

    def _tell_opened(self, worker: Worker, error: BaseException | None) -> None:
        with self._lock:
            self._reopen_s = max(self._reopen_s, reopen_limit_s(self._opening_took_s(worker)))
            self._unopened -= 1
            # Whoever comes first tells; two workers may come at once.
            is_telling = not self._is_told and (error is not None or self._unopened == 0)
            self._is_told = self._is_told or is_telling
            if error is not None:
                worker.is_lost = True
                self._is_closing = True
                for other in self._workers:
                    other.wakeup.notify()
        if not is_telling:
            return
        if error is not None:
            self._opened.set_exception(error)
        else:
            self._opened.set_result(None)

    def _tell_replaced(self, worker: Worker, error: BaseException | None) -> None:
        with self._lock:
            self._opening_took_s(worker)
            if worker.is_given_up:
                return  # it took too long
            if error is not None:
                worker.is_lost = True
                self._place_again(worker)
        if error is None:
            _log.warning("processor %s: worker %d is replaced and ready", self._name, worker.index)
        else:
            _log.error("%s", error)

    def _opening_took_s(self, worker: Worker) -> float:
        """A worker is open, or never will be. The lock is held."""
        since, worker.opening_since = worker.opening_since, None
        return 0.0 if since is None else self._clock() - since

    def _is_overdue(self, worker: Worker, now: float) -> bool:
        """Whether a worker does not return, or one that takes another's place does not open. The lock is held."""
        if self._frame_timeout_s is None or worker.is_lost:
            return False
        if worker.opening_since is not None:
            # At first the operator waits, and sees that nothing opens; later the frames do, and nobody sees it.
            return not self._unopened and now - worker.opening_since > self._reopen_s
        return worker.busy_since is not None and now - worker.busy_since > self._frame_timeout_s

    def _place_again(self, lost: Worker) -> None:
        """Gives the sessions that a lost worker was to open to the others. The lock is held."""
        lost.calls.clear()
        while lost.openings:
            lane, opened = lost.openings.popleft()
            self._placement.forget(lane)
            if living := self._living():
                worker = self._placement.place(lane, living)
                worker.openings.append((lane, opened))
                worker.wake()
            elif opened.set_running_or_notify_cancel():
                opened.set_exception(self._dead())

    def _wake_one(self) -> None:
        """Has an idle worker look at the frames that any may take. The lock is held."""
        for worker in self._workers:
            if worker.is_idle:
                worker.wake()
                return

    def _sweep(self) -> None:
        """Hands over what is done and lies behind a batch that takes longer than those before; on the event loop."""
        outcomes: list[Outcome] = []
        with self._lock:
            late_s = self._clock() - _SWEEP_S / 2
            for worker in self._workers:
                if worker.done and worker.done_s < late_s:
                    outcomes += worker.done
                    worker.done = []
            is_needed = any(map(len, self._placement.planners)) or any(worker.done for worker in self._workers)
            self._sweeping = None
            if is_needed and self._loop is not None and not self._is_closing:
                self._sweeping = self._loop.call_later(_SWEEP_S, self._sweep)
        if outcomes:
            self._deliver(outcomes)

    def _open_lane(self, lane: Lane, opened: Future[Lane], worker: Worker) -> None:
        with self._lock:
            if not opened.set_running_or_notify_cancel():
                self._placement.forget(lane)
                return
            worker.opening = lane, opened
        error: Exception | None = None
        try:
            worker.state(lane)
        except Exception as raised:
            error = raised
        with self._lock:
            worker.opening = worker.busy_since = None  # it is back, whenever this thread goes on
            if worker.is_given_up:
                return  # whoever asked has been told
            if error is None:
                self._placement.plan(lane)
            else:
                self._placement.forget(lane)
        if error is None:
            opened.set_result(lane)
        else:
            opened.set_exception(error)

    def _work(self, worker: Worker, tell: Callable[[Worker, BaseException | None], None]) -> None:
        try:
            worker.runner.open()
        except Exception as error:
            tell(worker, error)
            return
        tell(worker, None)
        since = 0.0
        is_dear = False
        hand_over = partial(self._hand_over, worker)
        while (work := self._next(worker, is_waiting=not worker.done)) is not None:
            if not work:
                hand_over()
            elif callable(work):
                hand_over()
                work(worker)
            else:
                begun_s = self._clock()
                if not worker.done:
                    since = begun_s
                self._run(worker, work, hand_over if is_dear else nothing)
                finished_s = self._clock()
                is_dear = finished_s - begun_s >= _GATHER_S
                if not is_dear and finished_s - since >= _GATHER_S:
                    hand_over()
        hand_over()
        if worker.is_given_up:
            for state in worker.states.values():
                worker.runner.close_session(state)
        worker.runner.close()

    def _next(self, worker: Worker, *, is_waiting: bool) -> Call | list[FrameTask] | None:
        """The next thing to do: calls first, then batches; None when there is nothing left to do ever.

        Args:
            worker: Who asks.
            is_waiting: Whether to wait for it; without, there may be nothing to do: an empty batch.
        """
        with self._lock:
            worker.busy_since = None
            while True:
                if worker.is_given_up:
                    return None
                now = self._clock()
                if worker.openings or worker.calls:
                    worker.busy_since = now
                    if len(worker.planner) and not self._placement.is_bound:
                        # It may have been woken for a frame, or be the one that knows when a batch is due.
                        self._wake_one()
                    if worker.openings:
                        return partial(self._open_lane, *worker.openings.popleft())
                    return worker.calls.popleft()
                if self._is_closing:
                    return None
                timeout_s = None
                rest_s = self._rest_s(worker)
                if rest_s:
                    timeout_s = rest_s
                elif len(worker.planner):
                    if expired := worker.planner.expire(now):
                        outcomes = [Outcome(task, dropped=DropCause.TOO_OLD) for task in expired]
                        return lambda _: self._deliver(outcomes)
                    batch = worker.planner.take(now)
                    if batch:
                        self._batches += 1
                        self._frames += len(batch)
                        worker.batch = batch
                        worker.busy_since = now
                        return batch
                    due_s = worker.planner.due_in(now)
                    timeout_s = due_s if due_s < threading.TIMEOUT_MAX else None
                if not is_waiting:
                    return []
                if worker.runner.tends:
                    timeout_s = _TEND_S if timeout_s is None else min(timeout_s, _TEND_S)
                worker.is_idle = not rest_s  # who rests is not woken in place of one that is well
                is_woken = worker.wakeup.wait(timeout_s)
                worker.is_idle = False
                if worker.runner.tends and (rest_s or not is_woken):
                    return lambda worker: worker.runner.tend()

    def _rest_s(self, worker: Worker) -> float:
        """How long a worker leaves the frames alone, because it cannot run them."""
        if worker.runner.is_opening:
            return _OPENING_S
        rest_s = worker.runner.rest_s()
        if not rest_s or self._placement.is_bound:
            return 0.0
        # All that it took would fail: better others have the frames, and when there are none, better now than later.
        is_other_well = any(
            other is not worker and not other.is_lost and (other.runner.is_opening or not other.runner.rest_s())
            for other in self._workers
        )
        return rest_s if is_other_well else 0.0

    def _run(self, worker: Worker, batch: list[FrameTask], begun: Callable[[], None]) -> None:
        started_s = self._clock()
        outcomes = worker.outcomes(batch, begun)
        finished_s = self._clock()
        for outcome in outcomes:
            outcome.started_s, outcome.finished_s, outcome.batch_size = started_s, finished_s, len(batch)
        with self._lock:
            worker.batch = []
            if not worker.is_given_up:  # they have been answered
                if not worker.done:
                    worker.done_s = finished_s
                worker.done += outcomes

    def _hand_over(self, worker: Worker) -> None:
        with self._lock:
            outcomes, worker.done = worker.done, []
        if outcomes:
            self._deliver(outcomes)

    def _give_up(self, worker: Worker) -> list[Outcome]:
        """Answers for a worker that does not return, and puts another one in its place. The lock is held."""
        if worker.opening_since is None:
            error = HungError(f"processor {self._name} did not return within {self._frame_timeout_s:g} s")
        else:
            error = HungError(f"processor {self._name} did not open again within {self._reopen_s:g} s")
        worker.is_given_up = True
        if worker.opening is not None:
            lane, opened = worker.opening
            self._placement.forget(lane)
            opened.set_exception(error)
        outcomes = worker.done + [Outcome(task, error=error) for task in worker.batch]
        worker.done = []
        self._given_up.append(worker)
        fresh = self._made_worker(worker.index)
        self._workers[worker.index] = fresh
        fresh.openings, worker.openings = worker.openings, deque()
        fresh.calls, worker.calls = worker.calls, deque()
        if self._replaced >= MAX_REPLACED or self._is_closing:
            fresh.is_lost = True
            _log.error(
                "%s; %d workers were replaced before, this one is not: restart the server", error, self._replaced
            )
            self._place_again(fresh)
            return outcomes
        self._replaced += 1
        _log.error("%s; its worker is replaced (%d of at most %d times)", error, self._replaced, MAX_REPLACED)
        try:
            self._launch(fresh, self._tell_replaced)
        except RuntimeError as refusal:
            fresh.is_lost, fresh.opening_since = True, None
            _log.error("processor %s gets no thread for another worker (%s): restart the server", self._name, refusal)
            self._place_again(fresh)
        return outcomes

    def _dead(self) -> ProcessorError:
        return ProcessorError(f"processor {self._name} has no worker left", remedy="restart the server")
