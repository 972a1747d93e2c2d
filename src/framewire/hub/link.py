"""Keeps a connection to a broker: again and again, with pauses that grow."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Awaitable, Callable
from enum import Enum

from framewire.hub.address import BrokerAddress
from framewire.hub.backoff import Backoff, BackoffOptions
from framewire.hub.broker import BrokerError, Connection, Incoming


class LinkState(Enum):
    """Where a link is."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    WAITING = "waiting"
    """Until the next try."""


class BrokerLink:
    """Connects to a broker, lets somebody use the connection, and starts over when it has ended.

    Args:
        address: Where the broker is.
        tls: How to check it; None without encryption.
        backoff: Pauses between two tries.
        note: Takes a line for the operator: the first of failures that are the same, and that they are over.
        incoming: Takes messages of topics that the user of the connection subscribes to.
        changed: Called whenever the state has changed.
        clock: Seconds of a steady clock.
        dice: Numbers from 0 to 1, evenly spread.
    """

    def __init__(
        self,
        address: BrokerAddress,
        tls: ssl.SSLContext | None,
        backoff: BackoffOptions,
        note: Callable[[str], None],
        *,
        incoming: Incoming | None = None,
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._address = address
        self._tls = tls
        self._backoff = Backoff(backoff, dice)
        self._note = note
        self._incoming = incoming
        self._changed = changed
        self._clock = clock
        self._told = ""
        self._is_useful = False
        self.state = LinkState.CONNECTING
        self.connections = 0
        """How often the broker was reached."""
        self.last_error = ""
        """What went wrong last; empty when nothing did."""

    async def run(self, use: Callable[[Connection], Awaitable[None]]) -> None:
        """Connects for ever; ends when `use` returns.

        Args:
            use: Works with a connection; raises `BrokerError` when it is lost.
        """
        while True:
            self._become(LinkState.CONNECTING)
            connection = Connection(self._address, self._tls, self._incoming)
            try:
                await connection.open()
                self.connections += 1
                self._backoff.connected(self._clock())
                if self._told:
                    self._note(f"{self._address} is there again")
                    self._told = ""
                self._become(LinkState.CONNECTED)
                await use(connection)
                return
            except BrokerError as error:
                is_passing, self._is_useful = self._is_useful, False
                pause_s = self._backoff.pause_s(self._clock(), is_refusal=error.is_refusal)
                self.last_error = str(error)
                # A connection that did its work and ended is worth a word only if there is no next one.
                if self.last_error != self._told and not is_passing:
                    self._told = self.last_error
                    self._note(f"{error}; next try in {pause_s:.1f} s")
            finally:
                await connection.close()
            self._become(LinkState.WAITING)
            await asyncio.sleep(pause_s)

    def useful(self) -> None:
        """The connection got something done."""
        self._is_useful = True
        self._backoff.useful()

    def _become(self, state: LinkState) -> None:
        self.state = state
        self._changed()
