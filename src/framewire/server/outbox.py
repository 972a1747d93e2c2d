"""Answers on their way to the client: one writer, a bound, and how long it took."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from framewire.model.histogram import Histogram
from framewire.scheduling.executor import Clock

_MAX_UNSENT = 2048
"""Answers that a client has not taken yet; beyond it the client is not read, so that they do not pile up here."""

_MAX_UNSENT_BYTES = 1 << 20
"""The same in bytes."""


@dataclass(frozen=True, slots=True)
class OutboxStatistics:
    """Answers on their way to one client.

    Args:
        waiting: Answers that its transport has not taken yet.
        waiting_bytes: Their length.
        sent: Those that it has taken.
    """

    waiting: int
    waiting_bytes: int
    sent: int


class Outbox:
    """Messages that wait to be written, in order.

    Args:
        write: Sends one message; only :meth:`run` calls it.
        clock: Seconds of a steady clock.
        times: Takes how long each message was here.
    """

    def __init__(self, write: Callable[[bytes], Awaitable[None]], clock: Clock, times: Histogram) -> None:
        self._write = write
        self._clock = clock
        self._times = times
        self._messages: deque[tuple[float, bytes]] = deque()
        self._wakeup: asyncio.Future[None] | None = None
        self._emptied = asyncio.Event()
        self._is_awaited = False
        self._unsent_bytes = 0
        self._is_closed = False
        self.sent = 0
        """How many messages the client's transport has taken."""

    @property
    def has_room(self) -> bool:
        """Whether the client takes its answers."""
        return len(self._messages) < _MAX_UNSENT and self._unsent_bytes < _MAX_UNSENT_BYTES

    async def room(self) -> None:
        """Waits until there is room."""
        while not self.has_room:
            self._is_awaited = True
            self._emptied.clear()
            await self._emptied.wait()
        self._is_awaited = False

    def put(self, message: bytes) -> None:
        """Queues a message."""
        self._messages.append((self._clock(), message))
        self._unsent_bytes += len(message)
        self._wake()

    def close(self) -> None:
        """No more messages come: :meth:`run` returns after those that are there."""
        self._is_closed = True
        self._wake()

    def clear(self) -> None:
        """Forgets what is not written."""
        self._messages.clear()

    def statistics(self) -> OutboxStatistics:
        """What waits to be written, and what was."""
        return OutboxStatistics(len(self._messages), self._unsent_bytes, self.sent)

    async def run(self) -> None:
        """Writes messages until the outbox is closed and empty. Whatever `write` raises ends it."""
        while True:
            while self._messages:
                since, message = self._messages[0]
                await self._write(message)
                self._messages.popleft()  # not before: until then it is here
                self.sent += 1
                self._times.add(self._clock() - since)
                self._unsent_bytes -= len(message)
                if self._is_awaited and self.has_room:
                    self._emptied.set()
            if self._is_closed:
                return
            # A future and not an event: it is made and woken for nearly every frame.
            self._wakeup = asyncio.get_running_loop().create_future()
            await self._wakeup

    def _wake(self) -> None:
        if self._wakeup is not None and not self._wakeup.done():
            self._wakeup.set_result(None)
