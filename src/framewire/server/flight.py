"""The frames of one session between receipt and outcome: what may be in flight, and what is dropped instead."""

from __future__ import annotations

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

    def admit(self, task: FrameTask) -> list[tuple[FrameTask, DropCause]]:
        """Submits a frame, or drops one, as the session's terms say.

        Returns:
            The frames that are dropped, which want their answer now; `task` itself may be one of them.
        """
        dropped: list[tuple[FrameTask, DropCause]] = []
        when_busy = self.lane.terms.when_busy
        if when_busy is WhenBusy.LATEST:
            while (old := self._take_back_oldest()) is not None:
                dropped.append((old, DropCause.NOT_LATEST))
        if when_busy is not WhenBusy.WAIT:
            while not self._has_room:
                old = self._take_back_oldest() if when_busy is WhenBusy.DROP_OLDEST else None
                if old is None:
                    # Nothing of this session waits: what a worker holds is never dropped, nor what others sent.
                    dropped.append((task, DropCause.NEWEST))
                    return dropped
                dropped.append((old, DropCause.OLDEST))
        self.frames += 1
        length_bytes = task.content.held_bytes
        self._budget.take(length_bytes)
        self._total.take(length_bytes)
        self._pool.submit(task)
        return dropped

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
