"""Which worker a session belongs to, and where its frames wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol, TypeVar

from framewire.scheduling.executor import PoolOptions
from framewire.scheduling.planner import BatchPlanner
from framewire.scheduling.task import FrameTask, Lane


class _Place(Protocol):
    """What is looked at of a worker."""

    index: int
    is_idle: bool


_Worker = TypeVar("_Worker", bound=_Place)


class Placement:
    """Sessions and their workers, without a lock: the pool's guards it.

    Sessions of a processor that needs their order are bound to one worker each, and their frames wait in a planner of
    that worker. They share nothing: on one clock, a quick worker would put off the sessions of another. All others wait
    in one planner, from which every worker takes.

    Args:
        options: How many workers there are, and how they batch.
        needs_order: Whether the frames of a session must be processed one after the other.
    """

    def __init__(self, options: PoolOptions, *, needs_order: bool) -> None:
        self.is_bound = needs_order and options.workers > 1
        """Whether each session has a worker of its own."""
        self.planners: list[BatchPlanner[FrameTask]] = [
            BatchPlanner(options.batch_size, options.batch_wait_s)
            for _ in range(options.workers if self.is_bound else 1)
        ]
        """Where frames wait."""
        self._bound: dict[Lane, int] = {}
        self._turn = 0

    def planner_at(self, index: int) -> BatchPlanner[FrameTask]:
        """Where a worker takes its batches."""
        return self.planners[index if self.is_bound else 0]

    def planner_of(self, lane: Lane) -> BatchPlanner[FrameTask]:
        """Where a session's frames wait."""
        return self.planners[self._bound.get(lane, 0)]

    def worker_of(self, lane: Lane) -> int | None:
        """The worker that has a session; None when any may take its frames."""
        return self._bound.get(lane)

    def place(self, lane: Lane, living: Sequence[_Worker]) -> _Worker:
        """The worker that is to open a session, and has it from then on where sessions are bound.

        Args:
            lane: The session.
            living: Workers that can take it; at least one.
        """
        if self.is_bound:
            taken = Counter(self._bound.values())
            worker = min(living, key=lambda worker: taken[worker.index])
            self._bound[lane] = worker.index
            return worker
        # Preferably one that has nothing else to do.
        candidates = [worker for worker in living if worker.is_idle] or living
        self._turn += 1
        return candidates[self._turn % len(candidates)]

    def plan(self, lane: Lane) -> None:
        """Lets a session's frames come."""
        self.planner_of(lane).open(lane, weight=lane.terms.weight, max_age_s=lane.terms.max_age_s)

    def forget(self, lane: Lane) -> None:
        """Takes a session from its worker."""
        self._bound.pop(lane, None)
