"""The frames of one session between receipt and outcome: what may be in flight, and what is dropped instead."""

from __future__ import annotations

from collections.abc import Sequence

from framewire.model.terms import WhenBusy
from framewire.scheduling.executor import Executor
from framewire.scheduling.task import DropCause, FrameTask, Lane
from framewire.server.budget import Budget


class Flight:
    """Hands frames to a processor within the limits of the session and of the server.

    Args:
        pool: Where the frames are processed.
        lane: The session's place there.
        budget: The session's limit.
        total: The limit of all sessions.
    """

    def __init__(self, pool: Executor, lane: Lane, budget: Budget, total: Budget) -> None:
        self._pool = pool
        self._budget = budget
        self._total = total
        self.lane = lane
        self.frames = 0
        """How many frames have been submitted and not come back."""

    async def room(self) -> None:
        """Waits until the next frame may be read; at once when a frame that is too many is dropped anyway."""
        if self.lane.terms.when_busy is not WhenBusy.WAIT:
            return
        while not self._has_room:
            await self._budget.room()
            await self._total.room()

    def admit(self, tasks: Sequence[FrameTask]) -> list[tuple[FrameTask, DropCause]]:
        """Submits frames that belong together, all or none, or drops some, as the session's terms say.

        Args:
            tasks: Frames of the session, as a rule one. Several that are let in exceed a limit by as many.

        Returns:
            The frames that are dropped, which want their answer now; all of `tasks` may be among them.
        """
        dropped: list[tuple[FrameTask, DropCause]] = []
        when_busy = self.lane.terms.when_busy
        if when_busy is WhenBusy.LATEST:
            while (old := self._take_back_oldest()) is not None:
                dropped.append((old, DropCause.NOT_LATEST))
        if when_busy is not WhenBusy.WAIT:
            while not self._has_room:
                if when_busy is WhenBusy.LATEST and self.frames <= len(tasks) and self._total.has_room:
                    break  # the newest waits beside what a worker has begun: it is what the worker wants next
                if self._budget.has_room and self._makes_up_for(tasks, dropped):
                    break  # others are above the limit of all: that is not for this session to make good
                old = self._take_back_oldest() if when_busy is WhenBusy.DROP_OLDEST else None
                if old is None:
                    if self._budget.has_room and len(dropped) >= len(tasks):
                        break  # as many frames as before, though larger ones: beyond the limit by one message at most
                    # Nothing of this session waits: what a worker holds is never dropped, nor what others sent.
                    return dropped + [(task, DropCause.NEWEST) for task in tasks]
                dropped.append((old, DropCause.OLDEST))
        for task in tasks:
            self.frames += 1
            length_bytes = task.content.held_bytes
            self._budget.take(length_bytes)
            self._total.take(length_bytes)
            self._pool.submit(task, is_urgent=self._is_urgent(when_busy))
        return dropped

    def _is_urgent(self, when_busy: WhenBusy) -> bool:
        """Whether to wait for a fuller batch now would be to drop what could fill it, or to wait for nobody."""
        if not self._total.has_room:
            return True
        return when_busy in (WhenBusy.DROP_OLDEST, WhenBusy.DROP_NEWEST) and not self._budget.has_room

    def _makes_up_for(self, tasks: Sequence[FrameTask], dropped: Sequence[tuple[FrameTask, DropCause]]) -> bool:
        """Whether frames that are dropped make room for these, in number and in bytes."""
        freed_bytes = sum(task.content.held_bytes for task, _ in dropped)
        needed_bytes = sum(task.content.held_bytes for task in tasks)
        return len(dropped) >= len(tasks) and freed_bytes >= needed_bytes

    def land(self, task: FrameTask) -> None:
        """A frame has come back."""
        self.frames -= 1
        length_bytes = task.content.held_bytes
        self._budget.give(length_bytes)
        self._total.give(length_bytes)

    def close(self) -> None:
        """The session has ended: its waiting frames are forgotten; those in a worker land when it returns them."""
        for task in self._pool.close_lane(self.lane):
            self.land(task)

    @property
    def _has_room(self) -> bool:
        return self._budget.has_room and self._total.has_room

    def _take_back_oldest(self) -> FrameTask | None:
        task = self._pool.take_back_oldest(self.lane)
        if task is not None:
            self.land(task)
        return task
