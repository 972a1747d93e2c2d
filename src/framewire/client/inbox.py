"""What a server has sent, in its order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from framewire.client.connection import Connection
from framewire.errors import PeerError, ProtocolError
from framewire.model.message import Message
from framewire.wire import decode


class Inbox:
    """The messages of a call, as they come.

    Who sends a frame knows its number before the frame's answer comes, also where the system tells late that the frame
    has left: until then its answer is held, and what comes behind it.

    Args:
        connection: Where they come from. It is not closed.
        target: The server's name in errors.
        most_message_bytes: How much a message may hold.
    """

    def __init__(self, connection: Connection, target: str, most_message_bytes: int) -> None:
        self._connection = connection
        self._target = target
        self._most_message_bytes = most_message_bytes
        self._next: Message | None = None
        self._leaving: int | None = None
        self._left = asyncio.Event()

    @property
    def is_over(self) -> bool:
        """Whether the call is over, and none of its messages is held."""
        return self._connection.ending is not None and self._next is None

    @contextlib.contextmanager
    def holding_answer_to(self, number: int) -> Iterator[None]:
        """Holds the answer to the frame with this number, as long as this lasts."""
        self._leaving = number
        self._left.clear()
        try:
            yield
        finally:
            self._leaving = None
            self._left.set()
            if self._next is not None:
                self._connection.remind()

    def take(self) -> Message | None:
        """The next message of those that have arrived; None when there is none, or it is held.

        Raises:
            PeerError: It is none of the contract's.
        """
        if self._next is None:
            data = self._connection.take()
            if data is None:
                return None
            self._next = self._decoded(data)
        if self._next.ack_sequence_number == self._leaving:
            return None
        message, self._next = self._next, None
        return message

    async def read(self) -> Message | None:
        """The next message; None when the call is over and all its messages were read.

        Raises:
            PeerError: It is none of the contract's.
        """
        while (message := self.take()) is None:
            if self._next is not None:
                await self._left.wait()
            elif (data := await self._connection.read()) is not None:
                self._next = self._decoded(data)
            else:
                return None
        return message

    def _decoded(self, data: bytes) -> Message:
        try:
            return decode(data, max_overhead_bytes=self._most_message_bytes)
        except ProtocolError as error:
            raise PeerError(
                f"{self._target} sent something else than the contract's messages: {error}", status="OK"
            ) from None
