"""Which frames make the next batch. Pure: it owns no clock, no lock and no thread."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class BatchPlanner(Generic[_T]):
    """Waiting frames of all sessions, and the batches made of them.

    Sessions take turns, one frame each, so that a fast camera does not starve a slow one; the frames of one session
    stay in their order.

    Args:
        batch_size: Most frames of a batch, 1 or more.
        max_wait_s: How long a frame may wait for a fuller batch while the processor is idle; 0 never waits.
    """

    def __init__(self, batch_size: int, max_wait_s: float = 0.0) -> None:
        self._batch_size = batch_size
        self._max_wait_s = max_wait_s
        self._sessions: OrderedDict[Hashable, deque[tuple[float, _T]]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        """How many frames wait."""
        return self._length

    def add(self, session: Hashable, item: _T, now: float) -> None:
        """A frame of `session` arrived at time `now` (seconds of any steady clock)."""
        queue = self._sessions.get(session)
        if queue is None:
            queue = self._sessions[session] = deque()
        queue.append((now, item))
        self._length += 1

    def take(self, now: float) -> list[_T]:
        """The next batch for an idle processor: empty when nothing waits, or when it is worth waiting for more."""
        if not self._length or self.due_in(now) > 0:
            return []
        batch: list[_T] = []
        while self._length and len(batch) < self._batch_size:
            session, queue = next(iter(self._sessions.items()))
            batch.append(queue.popleft()[1])
            self._length -= 1
            # Its turn is over: it goes behind all others, or away.
            if queue:
                self._sessions.move_to_end(session)
            else:
                del self._sessions[session]
        return batch

    def due_in(self, now: float) -> float:
        """Seconds until :meth:`take` gives a batch, 0 for at once; meaningless when nothing waits."""
        if not self._max_wait_s or self._length >= self._batch_size:
            return 0.0
        oldest = min(queue[0][0] for queue in self._sessions.values())
        return max(0.0, oldest + self._max_wait_s - now)

    def remove(self, session: Hashable) -> list[_T]:
        """Takes all waiting frames of a session out, in their order."""
        queue = self._sessions.pop(session, None)
        if queue is None:
            return []
        self._length -= len(queue)
        return [item for _, item in queue]
