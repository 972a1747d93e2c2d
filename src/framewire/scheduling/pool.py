"""A processor with its waiting frames and its worker."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from framewire.errors import ClosedError, ProcessorError
from framewire.model.frame import SessionInfo
from framewire.processors.catalogue import ProcessorKind
from framewire.scheduling.planner import BatchPlanner
from framewire.scheduling.runner import ProcessorRunner
from framewire.scheduling.task import FrameTask, Lane, Outcome

_log = logging.getLogger(__name__)

Deliver = Callable[[Sequence[Outcome]], None]
"""Takes the outcomes of a batch; called on the worker's thread, so it must hand over and return."""


_GATHER_S = 0.0005
"""How long the outcomes of cheap frames gather while more frames wait; those of dearer ones leave at once."""


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """What a pool has done since it was opened.

    Args:
        waiting: Frames that wait now.
        batches: Batches run.
        frames: Frames run.
    """

    waiting: int
    batches: int
    frames: int


class Executor(Protocol):
    """Where batches run. A thread here; processes and other machines join behind the same four calls."""

    def open(self) -> None:
        """Makes the processor ready; blocks until it is, and raises ProcessorError when it cannot be."""

    def open_lane(self, info: SessionInfo) -> Future[Lane]:
        """A place for a session, with the state that the processor makes for it."""

    def submit(self, task: FrameTask) -> None:
        """Queues one frame; its outcome is delivered exactly once, unless it is withdrawn."""

    def close_lane(self, lane: Lane) -> list[FrameTask]:
        """Ends a session's place: withdraws its waiting frames and answers with them, their leases not taken."""

    def close(self) -> None:
        """Finishes the batch in hand and closes the processor; blocks until that is done."""


class ThreadPool:
    """One worker thread with one processor instance, which takes batches from all sessions.

    Args:
        kind: The processor.
        options: Its options.
        batch_size: Most frames of a batch.
        batch_wait_s: How long a frame may wait for a fuller batch while the worker is idle.
        deliver: Takes the outcomes.
    """

    def __init__(
        self, kind: ProcessorKind, options: Any, *, batch_size: int, batch_wait_s: float, deliver: Deliver
    ) -> None:
        self._name = kind.name
        self._runner = ProcessorRunner(kind, options)
        self._deliver = deliver
        self._planner: BatchPlanner[FrameTask] = BatchPlanner(batch_size, batch_wait_s)
        self._wakeup = threading.Condition()
        self._calls: deque[Callable[[], None]] = deque()
        self._is_closing = False
        self._is_idle = False
        self._batches = 0
        self._frames = 0
        self._opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._work, name=f"framewire-{kind.name}", daemon=True)

    def start(self) -> Future[None]:
        """Starts the worker.

        Returns:
            A future that is done when the processor is open, or has the ProcessorError that it ended with.
        """
        self._opened.set_running_or_notify_cancel()  # from now on nobody can cancel it
        self._thread.start()
        return self._opened

    def open(self) -> None:
        """Starts the worker and waits until its processor is open.

        Raises:
            ProcessorError: The processor cannot be opened.
        """
        self.start().result()

    def open_lane(self, info: SessionInfo) -> Future[Lane]:
        """A place for a session; the processor makes its state on the worker, before other work.

        Returns:
            A future with the lane, or with the ProcessorError that the processor ended with.

        Raises:
            ClosedError: The pool is closing.
        """
        if self._is_closing or not self._thread.is_alive():
            raise ClosedError(f"processor {self._name} is closing")
        opened: Future[Lane] = Future()

        def call() -> None:
            if not opened.set_running_or_notify_cancel():
                return
            try:
                lane = Lane(info, self._runner.open_session(info))
            except Exception as error:
                opened.set_exception(error)
            else:
                opened.set_result(lane)

        self._call(call)
        return opened

    def submit(self, task: FrameTask) -> None:
        """Queues one frame.

        Raises:
            ClosedError: The pool is closing.
        """
        with self._wakeup:
            if self._is_closing:
                raise ClosedError(f"processor {self._name} is closing")
            self._planner.add(task.lane, task, time.monotonic())
            if self._is_idle:
                self._wakeup.notify()

    def close_lane(self, lane: Lane) -> list[FrameTask]:
        """Withdraws a session's waiting frames; its state is closed after the frame that the worker holds."""
        with self._wakeup:
            withdrawn = self._planner.remove(lane)
        # Also when the pool is closing: its worker still does all calls before it closes the processor.
        self._call(lambda: self._runner.close_session(lane.state))
        return withdrawn

    def close(self, timeout_s: float | None = None) -> bool:
        """Lets the worker finish its batch and close the processor.

        Returns:
            False when the worker is still busy after `timeout_s`; it is left alone then and ends with the process.
        """
        with self._wakeup:
            self._is_closing = True
            self._wakeup.notify()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def statistics(self) -> PoolStatistics:
        """What the pool has done and what waits."""
        with self._wakeup:
            return PoolStatistics(len(self._planner), self._batches, self._frames)

    def _call(self, call: Callable[[], None]) -> None:
        with self._wakeup:
            self._calls.append(call)
            self._wakeup.notify()

    def _work(self) -> None:
        try:
            self._runner.open()
        except BaseException as error:
            self._opened.set_exception(error)
            return
        self._opened.set_result(None)
        done: list[Outcome] = []
        since = 0.0
        while (work := self._next(is_waiting=not done)) is not None:
            if work and not callable(work):
                if not done:
                    since = time.monotonic()
                done += self._run(work)
                if time.monotonic() - since < _GATHER_S:
                    # Waking the event loop costs as much as a cheap frame: it is woken once for several.
                    continue
            if done:
                self._deliver(done)
                done = []
            if callable(work):
                work()
        if done:
            self._deliver(done)
        self._runner.close()

    def _run(self, batch: list[FrameTask]) -> list[Outcome]:
        try:
            return self._runner.run(batch)
        except Exception:
            # The runner judges whatever a processor does, so this is ours; the frames are answered all the same.
            _log.exception("a batch broke outside processor %s; this is a fault of framewire", self._name)
            return [Outcome(task, error=ProcessorError("the worker failed; its log says why")) for task in batch]

    def _next(self, *, is_waiting: bool) -> Callable[[], None] | list[FrameTask] | None:
        """The next thing to do: calls first, then batches; None when the pool closes.

        Args:
            is_waiting: Whether to wait for it; without, there may be nothing to do: an empty batch.
        """
        with self._wakeup:
            while True:
                if self._calls:
                    return self._calls.popleft()
                if self._is_closing:
                    return None
                timeout_s = None
                if len(self._planner):
                    now = time.monotonic()
                    batch = self._planner.take(now)
                    if batch:
                        self._batches += 1
                        self._frames += len(batch)
                        return batch
                    timeout_s = self._planner.due_in(now)
                if not is_waiting:
                    return []
                self._is_idle = True
                self._wakeup.wait(timeout_s)
                self._is_idle = False
