"""How much may be in flight: beyond it a stream is not read, and its sender feels that."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BudgetStatistics:
    """How much of a budget is used.

    Args:
        frames: Frames in flight now.
        most_frames: Most that were in flight at once.
        bytes: Bytes in flight now.
        most_bytes: Most that were in flight at once.
        waiting: Sessions that are not read now because there is no room.
    """

    frames: int
    most_frames: int
    bytes: int
    most_bytes: int
    waiting: int


class Budget:
    """Counts frames and bytes in flight, for one session or for all of them.

    A frame's size is known only once it is received, so :meth:`take` never waits; whoever wants to read the next one
    waits in :meth:`room` first. What is taken can thus exceed the limit by one message per waiting session.

    Args:
        max_frames: Frames in flight at which reading stops.
        max_bytes: Bytes in flight at which reading stops.
    """

    def __init__(self, max_frames: int, max_bytes: int) -> None:
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self.frames = 0
        self.bytes = 0
        self._most_frames = 0
        self._most_bytes = 0
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def has_room(self) -> bool:
        """Whether another frame may be read."""
        return self.frames < self._max_frames and self.bytes < self._max_bytes

    def take(self, length_bytes: int) -> None:
        """A frame of ours is in flight."""
        self.frames += 1
        self.bytes += length_bytes
        self._most_frames = max(self._most_frames, self.frames)
        self._most_bytes = max(self._most_bytes, self.bytes)

    def give(self, length_bytes: int) -> None:
        """A frame is no longer in flight."""
        self.frames -= 1
        self.bytes -= length_bytes
        if not self._waiting or not self.has_room:
            return
        # All wake, and not only as many as there is room for: one that wakes may have nothing to read.
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def room(self) -> None:
        """Waits until another frame may be read."""
        while not self.has_room:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            try:
                await waiter
            finally:
                self._waiting.discard(waiter)

    def statistics(self) -> BudgetStatistics:
        """What is in flight now, and how much it was at most."""
        return BudgetStatistics(self.frames, self._most_frames, self.bytes, self._most_bytes, len(self._waiting))
