"""Messages that come from a broker, on topics of ours, and the answers to them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from framewire.hub.address import BrokerAddress, level_name
from framewire.hub.backoff import BackoffOptions
from framewire.hub.broker import BrokerError, Connection, Received, tls_context
from framewire.hub.link import BrokerLink

Route = Callable[[str, Received], None]
"""Takes a message on the loop, never waits: the last level of its topic as a name, and the message."""


class MqttListener:
    """Listens to `<prefix>/<route>/+` for each route, as an asynchronous context manager.

    What is sent while the connection is broken is not received, nor is what the broker keeps: what comes late may not
    be wanted any more.

    Args:
        address: Where the broker is.
        routes: What takes the messages of each.
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
        routes: Mapping[str, Route],
        *,
        note: Callable[[str], None],
        trusted_certificates: Path | None = None,
        backoff: BackoffOptions | None = None,
        clock: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._address = address
        self._routes = routes
        self._link = BrokerLink(
            address,
            tls_context(address, trusted_certificates),
            backoff or BackoffOptions(),
            note,
            incoming=self._take,
            clock=clock,
            dice=dice,
        )
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self.listening = asyncio.Event()
        """Set while the broker has agreed to send."""

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._link.run(self._listen))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    @property
    def maximum_packet_bytes(self) -> int | None:
        """Largest answer that the broker takes, headers included; None when it did not say."""
        return None if self._connection is None else self._connection.maximum_packet_bytes

    def answer(self, request: Received, payload: bytes, properties: Mapping[str, str]) -> asyncio.Future[int]:
        """Sends the answer to a message that came; never waits.

        Returns:
            Gives the reason code of the acknowledgement; it is cancelled when the connection ends before.

        Raises:
            BrokerError: There is no connection just now.
            ValueError: MQTT cannot carry it, for example as the response topic is none.
        """
        if self._connection is None:
            raise BrokerError(f"{self._address} is not connected")
        return self._connection.publish(request.response_topic, payload, properties, request.correlation)

    async def _listen(self, connection: Connection) -> None:
        self._connection = connection
        try:
            for route in self._routes:
                await connection.subscribe(f"{self._address.prefix}/{route}/+")
            self.listening.set()
            await connection.wait_end()
        finally:
            self.listening.clear()
            self._connection = None
        raise connection.ended()

    def _take(self, received: Received) -> None:
        route, _, level = received.topic.removeprefix(f"{self._address.prefix}/").partition("/")
        take = self._routes.get(route)
        # Brokers that are too old to know better send what they keep all the same.
        if take is not None and not received.is_retained:
            self._link.useful()
            take(level_name(level), received)
