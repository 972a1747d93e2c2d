"""Which frames make the next batch. Pure: it owns no clock, no lock and no thread."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Container, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_T = TypeVar("_T")


@dataclass(slots=True, eq=False)
class _Session(Generic[_T]):
    """The waiting frames of one session.

    Args:
        weight: Its share beside the others.
        max_age_s: How long its frames may wait.
        worker: The one worker that may take them; None for any.
        start: When its next frame is due on the planner's virtual clock, which counts frames of weight 1.
        is_queued: Whether it has an entry in its heap. It keeps it when its frames are taken out otherwise.
        frames: Arrival and item, oldest first.
    """

    weight: float
    max_age_s: float | None
    worker: int | None
    start: float = 0.0
    is_queued: bool = False
    frames: deque[tuple[float, _T]] = field(default_factory=deque)


_Entry = tuple[float, float, int, _Session[_T]]
"""Due on the virtual clock, weight (negative), number, session: the smallest is next."""


class BatchPlanner(Generic[_T]):
    """Waiting frames of all sessions, and the batches made of them.

    Sessions share the workers by their weights (start-time fair queueing, Goyal, Vin and Cheng 1996): while two
    sessions both have frames waiting, the frames taken of each, divided by its weight, differ by at most 1/weight of
    the one plus 1/weight of the other. With equal weights that is taking turns. The frames of one session stay in
    their order. A session that was silent is served at once and gets no credit for its silence.

    Args:
        batch_size: Most frames of a batch, 1 or more.
        max_wait_s: How long a frame may wait for a fuller batch while a worker is idle; 0 never waits.
    """

    def __init__(self, batch_size: int, max_wait_s: float = 0.0) -> None:
        self._batch_size = batch_size
        self._max_wait_s = max_wait_s
        self._sessions: dict[Hashable, _Session[_T]] = {}
        self._ageing: dict[Hashable, _Session[_T]] = {}
        # Those for any worker under None, and those that are bound to one under its number.
        self._queues: dict[int | None, list[_Entry[_T]]] = {None: []}
        self._waiting: dict[int | None, int] = {None: 0}
        self._clock = 0.0
        self._tickets = 0
        self._length = 0

    def __len__(self) -> int:
        """How many frames wait."""
        return self._length

    def open(
        self, session: Hashable, *, weight: float = 1.0, max_age_s: float | None = None, worker: int | None = None
    ) -> None:
        """A session begins.

        Args:
            session: What names it.
            weight: Its share beside the others.
            max_age_s: How long its frames may wait; None for as long as it takes.
            worker: The one worker that may take its frames; None for any.
        """
        entry = self._sessions[session] = _Session(weight, max_age_s, worker)
        if max_age_s is not None:
            self._ageing[session] = entry
        self._queues.setdefault(worker, [])
        self._waiting.setdefault(worker, 0)

    def close(self, session: Hashable) -> list[_T]:
        """A session ends: takes all its waiting frames out, in their order."""
        entry = self._sessions.pop(session, None)
        if entry is None:
            return []
        self._ageing.pop(session, None)
        items = [item for _, item in entry.frames]
        entry.frames.clear()
        self._count(entry, -len(items))
        if entry.is_queued:
            queue = self._queues[entry.worker]
            queue[:] = [one for one in queue if one[-1] is not entry]
            heapq.heapify(queue)
        return items

    def add(self, session: Hashable, item: _T, now: float) -> None:
        """A frame of `session` arrived at time `now` (seconds of any steady clock)."""
        entry = self._sessions[session]
        entry.frames.append((now, item))
        self._count(entry, 1)
        if not entry.is_queued:
            entry.start = max(entry.start, self._clock)
            self._enqueue(entry)

    def take(self, now: float, worker: int = 0) -> list[_T]:
        """The next batch for an idle worker: empty when nothing waits, or when it is worth waiting for more."""
        if not self._length or self.due_in(now, worker) > 0:
            return []
        batch: list[_T] = []
        while len(batch) < self._batch_size and (queue := self._next_queue(worker)) is not None:
            entry = heapq.heappop(queue)[-1]
            entry.is_queued = False
            batch.append(entry.frames.popleft()[1])
            self._count(entry, -1)
            self._clock = max(self._clock, entry.start)
            entry.start += 1 / entry.weight
            if entry.frames:
                self._enqueue(entry)
        return batch

    def due_in(self, now: float, worker: int = 0) -> float:
        """Seconds until :meth:`take` gives a batch, 0 for at once, infinite when nothing waits for this worker."""
        count = self._waiting[None] + self._waiting.get(worker, 0)
        if not count:
            return float("inf")
        if not self._max_wait_s or count >= self._batch_size:
            return 0.0
        oldest = min(
            entry.frames[0][0]
            for entry in self._sessions.values()
            if entry.frames and (entry.worker is None or entry.worker == worker)
        )
        return max(0.0, oldest + self._max_wait_s - now)

    def expire(self, now: float) -> list[_T]:
        """Takes out the frames that have waited longer than their session allows."""
        if not self._ageing:
            return []
        expired: list[_T] = []
        for entry in self._ageing.values():
            assert entry.max_age_s is not None
            while entry.frames and now - entry.frames[0][0] > entry.max_age_s:
                expired.append(entry.frames.popleft()[1])
                self._count(entry, -1)
        return expired

    def drop_oldest(self, session: Hashable) -> _T | None:
        """Takes out the frame of a session that has waited longest; None when none waits."""
        entry = self._sessions.get(session)
        if entry is None or not entry.frames:
            return None
        self._count(entry, -1)
        return entry.frames.popleft()[1]

    def withdraw(self, workers: Container[int | None]) -> list[_T]:
        """Takes out the waiting frames of all sessions that are bound to some workers; None: to no particular one."""
        withdrawn: list[_T] = []
        for entry in self._sessions.values():
            if entry.worker in workers:
                withdrawn += [item for _, item in entry.frames]
                self._count(entry, -len(entry.frames))
                entry.frames.clear()
        return withdrawn

    def _count(self, entry: _Session[_T], change: int) -> None:
        self._length += change
        self._waiting[entry.worker] += change

    def _enqueue(self, entry: _Session[_T]) -> None:
        # Among equals the first comer is first.
        self._tickets += 1
        entry.is_queued = True
        heapq.heappush(self._queues[entry.worker], (entry.start, -entry.weight, self._tickets, entry))

    def _next_queue(self, worker: int) -> list[_Entry[_T]] | None:
        """The heap whose first entry is next for a worker; None when nothing waits for it."""
        shared, own = self._first(None), self._first(worker)
        if shared is None or (own is not None and own[0] < shared[0]):
            return own
        return shared

    def _first(self, worker: int | None) -> list[_Entry[_T]] | None:
        queue = self._queues.get(worker)
        while queue:
            entry = queue[0][-1]
            if entry.frames:
                return queue
            heapq.heappop(queue)  # its frames were taken out meanwhile
            entry.is_queued = False
        return None
