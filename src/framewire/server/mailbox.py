"""Outcomes from the workers' threads to the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from framewire.scheduling.task import Outcome


@dataclass(frozen=True, slots=True)
class MailboxStatistics:
    """What lies in a mailbox.

    Args:
        waiting: Outcomes that the event loop has not seen yet.
        deliveries: How often the loop was woken for some.
    """

    waiting: int
    deliveries: int


class Mailbox:
    """Hands outcomes to the event loop, waking it once for all that have gathered.

    It holds no more than the frames in flight, which the budgets bound.

    Args:
        loop: The event loop.
        handle: Takes one outcome, on the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, handle: Callable[[Outcome], None]) -> None:
        self._loop = loop
        self._handle = handle
        self._items: deque[Outcome] = deque()
        self._is_woken = False
        self._deliveries = 0

    def post(self, outcomes: Sequence[Outcome]) -> None:
        """Takes the outcomes of a batch; called on any thread."""
        self._items.extend(outcomes)
        # Reading the flag after the items are in: when it is set, the drain that it stands for has not begun yet.
        if not self._is_woken:
            self._is_woken = True
            try:
                self._loop.call_soon_threadsafe(self._drain)
            except RuntimeError:
                # The loop is closed: the server has stopped and nobody waits for these frames.
                self._items.clear()

    def statistics(self) -> MailboxStatistics:
        """What lies here, and how often it was emptied."""
        return MailboxStatistics(len(self._items), self._deliveries)

    def _drain(self) -> None:
        self._is_woken = False
        self._deliveries += 1
        while self._items:
            self._handle(self._items.popleft())
