"""Which frames make the next batch. Pure: it owns no clock, no lock and no thread."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_T = TypeVar("_T")

_NEVER = float("inf")


@dataclass(slots=True, eq=False)
class _Session(Generic[_T]):
    """The waiting frames of one session.

    Args:
        weight: Its share beside the others.
        max_age_s: How long its frames may wait.
        max_wait_s: How long they may wait for a fuller batch.
        start: When its next frame is due on the planner's virtual clock, which counts frames of weight 1.
        since: When the oldest frame arrived that was taken back since a batch had one; infinite for none. What replaced
            it does not wait anew.
        is_urgent: Whether nothing more comes of it before a batch has one of its frames.
        is_queued: Whether it has an entry in the heap. It keeps it when its frames are taken out otherwise.
        frames: Arrival and item, oldest first.
    """

    weight: float
    max_age_s: float | None
    max_wait_s: float
    start: float = 0.0
    since: float = _NEVER
    is_urgent: bool = False
    is_queued: bool = False
    frames: deque[tuple[float, _T]] = field(default_factory=deque)

    def due(self) -> float:
        """When a batch must begin for it, though it is not full."""
        if not self.frames:
            return _NEVER
        return -_NEVER if self.is_urgent else min(self.since, self.frames[0][0]) + self.max_wait_s


@dataclass(frozen=True, slots=True)
class PlannerStatistics:
    """What waits at a planner.

    Args:
        waiting: Frames that wait now.
        most_waiting: Most that waited at once.
        sessions: Sessions that are open there.
    """

    waiting: int
    most_waiting: int
    sessions: int


class BatchPlanner(Generic[_T]):
    """Waiting frames of several sessions, and the batches made of them.

    Sessions share by their weights (start-time fair queueing, Goyal, Vin and Cheng 1996): while two sessions both have
    frames waiting, the frames taken of each, divided by its weight, differ by at most 1/weight of the one plus 1/weight
    of the other. With equal weights that is taking turns. The frames of one session stay in their order. A session that
    was silent is served at once and gets no credit for its silence.

    That holds for those who take from the same planner. Sessions whose frames are taken by different workers want a
    planner for each worker: on one virtual clock, the quicker worker would put off the sessions of the slower.

    Args:
        batch_size: Most frames of a batch, 1 or more.
        max_wait_s: How long a frame may wait for a fuller batch while a worker is idle; 0 never waits.
    """

    def __init__(self, batch_size: int, max_wait_s: float = 0.0) -> None:
        self._batch_size = batch_size
        self._max_wait_s = max_wait_s
        self._sessions: dict[Hashable, _Session[_T]] = {}
        self._ageing: dict[Hashable, _Session[_T]] = {}
        # Due on the virtual clock, weight (negative), number, session: the smallest is next.
        self._queue: list[tuple[float, float, int, _Session[_T]]] = []
        self._clock = 0.0
        self._tickets = 0
        self._length = 0
        self._most = 0

    def __len__(self) -> int:
        """How many frames wait."""
        return self._length

    def open(self, session: Hashable, *, weight: float = 1.0, max_age_s: float | None = None) -> None:
        """A session begins.

        Args:
            session: What names it.
            weight: Its share beside the others.
            max_age_s: How long its frames may wait; None for as long as it takes. For a fuller batch they wait half of
                that at most: the other half is for whoever begins it a little late.
        """
        max_wait_s = self._max_wait_s if max_age_s is None else min(self._max_wait_s, max_age_s / 2)
        entry = self._sessions[session] = _Session(weight, max_age_s, max_wait_s)
        if max_age_s is not None:
            self._ageing[session] = entry

    def close(self, session: Hashable) -> list[_T]:
        """A session ends: takes all its waiting frames out, in their order."""
        entry = self._sessions.pop(session, None)
        if entry is None:
            return []
        self._ageing.pop(session, None)
        items = self._emptied(entry)
        if entry.is_queued:
            self._queue = [one for one in self._queue if one[-1] is not entry]
            heapq.heapify(self._queue)
        return items

    def add(self, session: Hashable, item: _T, now: float, *, is_urgent: bool = False) -> None:
        """A frame of `session` arrived.

        Args:
            session: What names its session.
            item: The frame.
            now: When, in seconds of any steady clock.
            is_urgent: Whether nothing more of its session will come while it waits: it waits for no fuller batch.
        """
        entry = self._sessions[session]
        entry.frames.append((now, item))
        entry.is_urgent |= is_urgent
        self._length += 1
        self._most = max(self._most, self._length)
        if not entry.is_queued:
            entry.start = max(entry.start, self._clock)
            self._enqueue(entry)

    def take(self, now: float) -> list[_T]:
        """The next batch for an idle worker: empty when nothing waits, or when it is worth waiting for more."""
        if not self._length or self.due_in(now) > 0:
            return []
        batch: list[_T] = []
        while self._length and len(batch) < self._batch_size:
            entry = heapq.heappop(self._queue)[-1]
            entry.is_queued = False
            if not entry.frames:
                continue  # they were taken out meanwhile
            batch.append(entry.frames.popleft()[1])
            entry.since, entry.is_urgent = _NEVER, False
            self._length -= 1
            self._clock = max(self._clock, entry.start)
            entry.start += 1 / entry.weight
            if entry.frames:
                self._enqueue(entry)
        return batch

    def due_in(self, now: float) -> float:
        """Seconds until :meth:`take` gives a batch, 0 for at once, infinite when nothing waits."""
        if not self._length:
            return _NEVER
        if not self._max_wait_s or self._length >= self._batch_size:
            return 0.0
        return max(0.0, min(entry.due() for entry in self._sessions.values()) - now)

    def stop_waiting(self) -> None:
        """From now on, no frame waits for a fuller batch."""
        self._max_wait_s = 0.0

    def expire(self, now: float) -> list[_T]:
        """Takes out the frames that have waited longer than their session allows."""
        if not self._ageing:
            return []
        expired: list[_T] = []
        for entry in self._ageing.values():
            assert entry.max_age_s is not None
            while entry.frames and now - entry.frames[0][0] > entry.max_age_s:
                expired.append(entry.frames.popleft()[1])
                self._length -= 1
        return expired

    def drop_oldest(self, session: Hashable) -> _T | None:
        """Takes out the frame of a session that has waited longest; None when none waits.

        The time that it has waited for a fuller batch counts for the frames that stay, and for the next to come.
        """
        entry = self._sessions.get(session)
        if entry is None or not entry.frames:
            return None
        self._length -= 1
        arrived, item = entry.frames.popleft()
        entry.since = min(entry.since, arrived)
        return item

    def withdraw(self) -> list[_T]:
        """Takes out all waiting frames; their sessions stay."""
        return [item for entry in self._sessions.values() for item in self._emptied(entry)]

    def statistics(self) -> PlannerStatistics:
        """What waits now, and how much it was at most."""
        return PlannerStatistics(self._length, self._most, len(self._sessions))

    def _emptied(self, entry: _Session[_T]) -> list[_T]:
        items = [item for _, item in entry.frames]
        entry.frames.clear()
        self._length -= len(items)
        return items

    def _enqueue(self, entry: _Session[_T]) -> None:
        # Among equals the first comer is first.
        self._tickets += 1
        entry.is_queued = True
        heapq.heappush(self._queue, (entry.start, -entry.weight, self._tickets, entry))
