"""One worker of a pool: its thread's runner, and what waits for it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from framewire.scheduling.planner import BatchPlanner
from framewire.scheduling.runner import Runner
from framewire.scheduling.task import FrameTask, Lane, Outcome

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
    """

    def __init__(self, index: int, runner: Runner, planner: BatchPlanner[FrameTask], lock: threading.Lock) -> None:
        self.index = index
        self.runner = runner
        self.planner = planner
        self.states: dict[Lane, object] = {}
        self.wakeup = threading.Condition(lock)
        self.openings: deque[Opening] = deque()
        self.calls: deque[Call] = deque()
        self.batch: list[FrameTask] = []
        self.done: list[Outcome] = []
        self.done_s = 0.0
        self.opening: Opening | None = None
        self.busy_since: float | None = None
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
