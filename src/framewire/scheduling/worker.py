"""One worker of a pool: its thread's runner, and what waits for it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from framewire.errors import ProcessorError
from framewire.scheduling.planner import BatchPlanner
from framewire.scheduling.runner import Runner
from framewire.scheduling.task import FrameTask, Lane, Outcome

_log = logging.getLogger(__name__)

Call = Callable[["Worker"], None]
"""Something that a worker does between batches, on its own thread."""

Opening = tuple[Lane, Future[Lane]]
"""A session that wants its state, and who is told that it has it."""


class Worker:
    """One thread and its runner.

    Guarded by the pool's lock: everything but `runner` and `states`, which are the thread's own.

    Args:
        index: Its place in the pool.
        runner: Runs its batches.
        planner: Where it takes them: of its own when sessions are bound to workers, else that of all.
        lock: The pool's.
        name: The processor's name.
        has_states: Whether the processor makes a state for each session.
    """

    def __init__(
        self,
        index: int,
        runner: Runner,
        planner: BatchPlanner[FrameTask],
        lock: threading.Lock,
        name: str,
        *,
        has_states: bool,
    ) -> None:
        self.index = index
        self.runner = runner
        self.planner = planner
        self._name = name
        self._has_states = has_states
        self.states: dict[Lane, object] = {}
        self.wakeup = threading.Condition(lock)
        self.openings: deque[Opening] = deque()
        self.calls: deque[Call] = deque()
        self.batch: list[FrameTask] = []
        self.done: list[Outcome] = []
        self.done_s = 0.0
        self.opening: Opening | None = None
        self.busy_since: float | None = None
        self.opening_since: float | None = None
        self.is_idle = False
        self.is_given_up = False
        self.is_lost = False
        self.thread: threading.Thread | None = None

    def state(self, lane: Lane) -> object:
        """What this worker's processor made for a session; made now when there is none yet."""
        if lane not in self.states:
            self.states[lane] = self.runner.open_session(lane.info)
        return self.states[lane]

    def wake(self) -> None:
        """Has it look for work, now or as soon as it is free. The lock is held."""
        self.is_idle = False
        self.wakeup.notify()

    def close_lane(self, lane: Lane) -> None:
        """Gives a session's state back."""
        if lane in self.states:
            self.runner.close_session(self.states.pop(lane))

    def outcomes(self, batch: list[FrameTask], begun: Callable[[], None]) -> list[Outcome]:
        """Runs a batch: one outcome for each frame, whatever happens.

        Args:
            batch: The frames.
            begun: Called before whatever may take long.
        """
        failed: list[Outcome] = []
        for task in batch if self._has_states else ():
            try:
                if task.lane not in self.states:
                    begun()  # what the processor does for a new session may take long
                task.state = self.state(task.lane)
            except ProcessorError as error:
                failed.append(Outcome(task, error=error))
        if failed:
            without_state = {id(outcome.task) for outcome in failed}
            batch = [task for task in batch if id(task) not in without_state]
        try:
            return failed + self.runner.run(batch, begun) if batch else failed
        except Exception:
            # The runner judges whatever a processor does, so this is ours; the frames are answered all the same.
            _log.exception("a batch broke outside processor %s; this is a fault of framewire", self._name)
            fault = ProcessorError("the worker failed; its log says why")
            return failed + [Outcome(task, error=fault) for task in batch]
