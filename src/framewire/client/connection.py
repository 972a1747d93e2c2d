"""The connection beneath one session: sockets, TLS, and who waits for what."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeVar, cast

from framewire.client.http2 import Ending, Http2Call
from framewire.errors import ConfigurationError

_BUFFER_BYTES = 1 << 16

_CLOSE_S = 1.0
"""How long the event loop may take to let go of a connection."""

_PATIENCE_S = 3.0
"""How long one address of a host is tried before the next."""

_ConnectionType = TypeVar("_ConnectionType", bound="Connection")


class Connection(asyncio.BufferedProtocol):
    """One gRPC call over a connection of its own. Made by :meth:`open`, and to be closed.

    One task writes and one reads, or is told with :meth:`listen`.
    """

    def __init__(self, call: Http2Call) -> None:
        self._call = call
        # A view: asyncio's TLS takes slices of it, and those of an array would be copies.
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._transport: asyncio.Transport | None = None
        self._is_paused = False
        self._is_lost = asyncio.Event()
        self._reader: asyncio.Future[None] | None = None
        self._arrived: Callable[[], None] | None = None
        self._writers: list[asyncio.Future[None]] = []

    @classmethod
    async def open(
        cls,
        target: str,
        path: str,
        metadata: Sequence[tuple[str, str]] = (),
        *,
        tls: ssl.SSLContext | None = None,
        most_message_bytes: int = 4 << 20,
    ) -> Self:
        """Connects and opens the call.

        Args:
            target: ``HOST:PORT``, ``[IPV6]:PORT`` or ``unix:/path``, as `parse_address` gives it.
            path: ``/package.Service/Method``.
            metadata: Further headers.
            tls: How the server is checked; None for a connection without TLS.
            most_message_bytes: Largest message that is received.

        Raises:
            ConfigurationError: The host's name or the path is none.
            OSError: There is no connection; of TLS, ssl.SSLError.
        """
        loop = asyncio.get_running_loop()
        call = Http2Call(
            "localhost" if target.startswith("unix:") else target,
            path,
            metadata,
            is_encrypted=tls is not None,
            most_message_bytes=most_message_bytes,
        )
        if tls is not None:
            tls.set_alpn_protocols(["h2"])
        try:
            if target.startswith("unix:"):
                place = target.removeprefix("unix:")
                path_given = "/" + place.lstrip("/") if place.startswith("//") else place
                name = None if tls is None else "localhost"
                _, connection = await loop.create_unix_connection(
                    lambda: cls(call), path_given, ssl=tls, server_hostname=name
                )
            else:
                connection = await _connect(lambda: cls(call), target, tls)
        except OSError:
            raise  # a wrong certificate is a ValueError as well
        except ValueError:  # of names that are too long or empty in part, zeros, and what is no text
            raise ConfigurationError(
                f"address {target!r} is none", allowed="a host that can have a name, or a path"
            ) from None
        return connection

    @property
    def ending(self) -> Ending | None:
        """How the call ended; None while it lasts."""
        return self._call.ending

    async def write(self, message: bytes) -> bool:
        """Sends a message; returns once the server and the system have taken it, or have room for it.

        One that is cancelled meanwhile is sent all the same: who cancels bounds how many there are.

        Returns:
            False when the call is over.
        """
        self.write_at_once(message)
        await self._until_writable()
        return self._call.ending is None

    @property
    def is_writable(self) -> bool:
        """Whether a message can leave now, as far as is known."""
        return self._call.ending is None and not self._is_paused and self._call.is_writable

    def write_at_once(self, message: bytes) -> None:
        """Sends a message without waiting for anything."""
        self._call.send(message)
        self._flush()

    def finish(self) -> None:
        """Says that no more messages come."""
        self._call.finish()
        self._flush()

    async def read(self) -> bytes | None:
        """The next message; None when the call is over and all its messages were read."""
        while True:
            message = self.take()
            if message is not None or self._call.ending is not None:
                return message
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader

    def take(self) -> bytes | None:
        """The next message of those that have arrived; None when there is none."""
        message = None
        while message is None and self._call.messages:
            message = self._call.take_message()
        self._flush()
        return message

    def listen(self, arrived: Callable[[], None]) -> None:
        """Has `arrived` called when there is something to :meth:`take`, and when the call ends. It raises nothing."""
        self._arrived = arrived

    def listen_no_more(self, arrived: Callable[[], None]) -> None:
        """Ends that, if nobody else listens meanwhile."""
        if self._arrived is arrived:
            self._arrived = None

    async def close(self) -> None:
        """Breaks the call off if it is not over, and closes the connection. Who waits is told that it is over."""
        transport = self._transport
        self._call.cancel()
        self._flush()
        self._wake()
        if transport is None:
            return
        # What was said is with the system, or nobody reads it. TLS would wait for an answer that gRPC's servers do not
        # give.
        transport.abort()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._is_lost.wait()

    async def _until_writable(self) -> None:
        while self._call.ending is None and not self.is_writable:
            writer = asyncio.get_running_loop().create_future()
            self._writers.append(writer)
            await writer

    def _flush(self) -> None:
        pieces = self._call.take()
        if pieces and self._transport is not None and not self._transport.is_closing():
            # Joined: `writelines` of Python 3.12 heeds no mark of its own, and spins on an empty piece.
            self._transport.write(b"".join(pieces))

    def _wake(self) -> None:
        call = self._call
        is_over = call.ending is not None
        if self._arrived is not None and (call.messages or is_over):
            self._arrived()
        if self._reader is not None and (call.messages or is_over):
            if not self._reader.done():
                self._reader.set_result(None)
            self._reader = None
        if self._writers and (is_over or (call.is_writable and not self._is_paused)):
            for writer in self._writers:
                if not writer.done():
                    writer.set_result(None)
            self._writers.clear()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        # Not asserted: uvloop's transports have all that is asked of one, and are none.
        self._transport = cast("asyncio.Transport", transport)
        # At once: the server's first words may be here already, and ours come before the answer to them.
        self._call.start()
        self._flush()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the loop is to put what arrives."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Something has arrived."""
        transport, call = self._transport, self._call
        assert transport is not None
        if transport.get_write_buffer_size() <= _BUFFER_BYTES:
            call.is_heard()
        call.receive(bytes(self._buffer[:nbytes]))
        self._flush()
        self._wake()
        if call.ending is not None and not transport.is_closing():
            transport.close()

    def pause_writing(self) -> None:
        """The system takes no more for now."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """It does again."""
        self._is_paused = False
        self._call.is_heard()
        self._wake()

    def eof_received(self) -> None:
        """The server says no more; whether it still listens does not matter, as it can answer nothing."""
        self._call.connection_lost("it closed the connection")
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._call.connection_lost("it closed the connection" if exc is None else _words(exc))
        self._is_lost.set()
        self._wake()


async def _connect(make: Callable[[], _ConnectionType], target: str, tls: ssl.SSLContext | None) -> _ConnectionType:
    """Connects to the first address of a host that answers."""
    host, _, port = target.rpartition(":")
    host = host.strip("[]")
    loop = asyncio.get_running_loop()
    addresses = await _addresses_of(host, int(port))
    for index, address in enumerate(addresses):
        is_last = index == len(addresses) - 1
        try:
            async with asyncio.timeout(None if is_last else _PATIENCE_S):
                _, connection = await loop.create_connection(
                    make, address, int(port), ssl=tls, server_hostname=None if tls is None else host
                )
            return connection
        except OSError as error:  # a timeout is one
            if is_last or isinstance(error, ssl.SSLError):
                raise
    raise OSError("it has no address")


async def _addresses_of(host: str, port: int) -> list[str]:
    """The addresses of a host, without those that are there twice.

    In a thread of its own: a resolver that hangs would take those of the loop, and hold up the end of the process.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def tell(addresses: list[str], error: Exception | None) -> None:
        if found.done():
            return
        if error is not None:
            found.set_exception(error)
        else:
            found.set_result(addresses)

    def ask() -> None:
        addresses: list[str] = []
        error: Exception | None = None
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(_with_zone(answer[4]) for answer in answers))
        except (OSError, ValueError) as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has gone meanwhile
            loop.call_soon_threadsafe(tell, addresses, error)

    try:
        ipaddress.ip_address(host)
        return [host]
    except ValueError:
        threading.Thread(target=ask, name="framewire resolver", daemon=True).start()
        return await found


def _with_zone(address: tuple[Any, ...]) -> str:
    """An address as text, with the interface that an IPv6 address may belong to."""
    host, zone = str(address[0]), address[3] if len(address) > 3 else 0
    return f"{host}%{zone}" if zone and "%" not in host else host


def reason_of_failure(error: OSError) -> str:
    """Why there is no connection, in the words of who found out."""
    # asyncio puts words of its own in place of the system's.
    known = error.errno is not None and error.errno > 0 and not isinstance(error, ssl.SSLError)
    return os.strerror(error.errno) if known and error.errno is not None else str(error)


def _words(error: Exception) -> str:
    return reason_of_failure(error) if isinstance(error, OSError) else str(error) or type(error).__name__
