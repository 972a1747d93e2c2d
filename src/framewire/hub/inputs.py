"""Messages that come from a broker."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from framewire.hub.address import BrokerAddress, level_name
from framewire.hub.backoff import BackoffOptions
from framewire.hub.broker import Connection, tls_context
from framewire.hub.input import InputError, InputMessage, read_input
from framewire.hub.link import BrokerLink

_MOST_WAITING = 256
"""Triggers that nobody has taken: newer ones make older ones pointless."""


@dataclass(slots=True)
class InputStatistics:
    """Counts since the inputs were opened.

    Attributes:
        received: Messages that came.
        unreadable: Those of them that are no legal message.
        dropped: Those of them that had to make room for newer ones.
        last_error: What was wrong with the last unreadable one.
    """

    received: int = 0
    unreadable: int = 0
    dropped: int = 0
    last_error: str = ""


class MqttInputs:
    """The inputs of a broker, `<prefix>/inputs/<hubInputName>`, as an asynchronous context manager and iterator.

    What is sent while the connection is broken, is not received: a trigger that comes late opens the wrong gate.

    Args:
        address: Where the broker is.
        note: Takes a line for the operator, on the loop.
        trusted_certificates: PEM file of authorities; None for the system's.
        backoff: Pauses between two tries to connect.
        clock: Seconds of a steady clock.
        dice: Numbers from 0 to 1, for the pauses.

    Raises:
        ConfigurationError: The certificates cannot be read.
    """

    def __init__(
        self,
        address: BrokerAddress,
        *,
        note: Callable[[str], None],
        trusted_certificates: Path | None = None,
        backoff: BackoffOptions | None = None,
        clock: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._prefix = f"{address.prefix}/inputs/"
        self._link = BrokerLink(
            address,
            tls_context(address, trusted_certificates),
            backoff or BackoffOptions(),
            note,
            incoming=self._take,
            clock=clock,
            dice=dice,
        )
        self._messages: deque[InputMessage] = deque()
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.listening = asyncio.Event()
        """Set while the broker has agreed to send."""
        self.statistics = InputStatistics()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._link.run(self._listen))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def __aiter__(self) -> AsyncIterator[InputMessage]:
        return self

    async def __anext__(self) -> InputMessage:
        while not self._messages:
            self._arrived.clear()
            await self._arrived.wait()
        return self._messages.popleft()

    async def _listen(self, connection: Connection) -> None:
        await connection.subscribe(f"{self._prefix}+")
        self.listening.set()
        try:
            await connection.wait_end()
        finally:
            self.listening.clear()
        raise connection.ended()

    def _take(self, topic: str, payload: bytes, properties: Mapping[str, str]) -> None:
        self.statistics.received += 1
        try:
            message = read_input(level_name(topic.removeprefix(self._prefix)), payload, properties)
        except InputError as error:
            self.statistics.unreadable += 1
            self.statistics.last_error = str(error)
            return
        self._messages.append(message)
        if len(self._messages) > _MOST_WAITING:
            self._messages.popleft()
            self.statistics.dropped += 1
        self._arrived.set()
