"""The connection beneath one session: sockets, TLS, and who waits for what."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from typing import Self, cast

from framewire.client.dial import dial
from framewire.client.http2 import Ending, Http2Call

_BUFFER_BYTES = 1 << 16

_CLOSE_S = 1.0
"""How long the event loop may take to let go of a connection."""


class Connection(asyncio.BufferedProtocol):
    """One gRPC call over a connection of its own. Made by :meth:`open`, and to be closed.

    One task writes and one reads, or is told with :meth:`listen`. :meth:`write_at_once` is for any thread.
    """

    def __init__(self, call: Http2Call) -> None:
        self._call = call
        # Of the call's state and of what is to be written. A transport calls back while it is written to.
        self._lock = threading.RLock()
        self._unwritten: list[bytes | memoryview] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._socket: socket.socket | None = None  # for other threads, where they may write by themselves
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
        call = Http2Call(
            "localhost" if target.startswith("unix:") else target,
            path,
            metadata,
            is_encrypted=tls is not None,
            most_message_bytes=most_message_bytes,
        )
        if tls is not None:
            tls.set_alpn_protocols(["h2"])
        return await dial(lambda: cls(call), target, tls)

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
        return await self.until_writable()

    async def until_writable(self) -> bool:
        """Waits until the server and the system have taken what was sent, or have room for it.

        Returns:
            False when the call is over.
        """
        while True:
            # With the lock: what another thread is about to write would seem to be left over, and nobody would say that
            # it was not.
            with self._lock:
                if self._call.ending is not None or self.is_writable:
                    return self._call.ending is None
                writer = asyncio.get_running_loop().create_future()
                self._writers.append(writer)
            await writer

    @property
    def is_writable(self) -> bool:
        """Whether a message can leave now, as far as is known."""
        with self._lock:
            is_clear = not self._is_paused and not self._unwritten
            return self._call.ending is None and is_clear and self._call.is_writable

    def write_at_once(self, message: bytes) -> None:
        """Sends a message without waiting for anything. From any thread, and in the order of the calls."""
        with self._lock:
            self._call.send(message)
            self._flush()

    def finish(self) -> None:
        """Says that no more messages come."""
        with self._lock:
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
        with self._lock:
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

    def remind(self) -> None:
        """Has who listens called once more, in the next turn of the loop, whether anything has arrived or not."""
        if self._arrived is not None:
            asyncio.get_running_loop().call_soon(self._arrived)

    async def close(self) -> None:
        """Breaks the call off if it is not over, and closes the connection. Who waits is told that it is over."""
        transport = self._transport
        with self._lock:
            self._call.cancel()
            self._flush()
            self._let_go_of_socket()
        self._wake()
        if transport is None:
            return
        # What was said is with the system, or nobody reads it. TLS would wait for an answer that gRPC's servers do not
        # give. A transport that has told of its end is none any more.
        if not self._is_lost.is_set():
            transport.abort()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._is_lost.wait()

    def _flush(self) -> None:
        """With the lock held: writes what is to be sent."""
        self._unwritten += self._call.take()
        if not self._unwritten or self._transport is None:
            return
        if threading.get_ident() == self._loop_thread:
            pieces, self._unwritten = self._unwritten, []
            if not self._transport.is_closing():
                # Joined: `writelines` of Python 3.12 heeds no mark of its own, and spins on an empty piece.
                self._transport.write(b"".join(pieces))
        elif not self._has_written_here():
            assert self._loop is not None
            self._loop.call_soon_threadsafe(self._catch_up)

    def _has_written_here(self) -> bool:
        """Writes from another thread than the loop's, which need not be woken for it; False when something is left."""
        if self._socket is None or self._is_paused:
            return False
        data = b"".join(self._unwritten)
        try:
            written = self._socket.send(data)
        except OSError:  # the loop meets it, too
            written = 0
        self._unwritten = [memoryview(data)[written:]] if written < len(data) else []
        return not self._unwritten

    def _catch_up(self) -> None:
        with self._lock:
            self._flush()
        self._wake()

    def _let_go_of_socket(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _wake(self) -> None:
        call = self._call
        is_over = call.ending is not None
        if self._arrived is not None and (call.messages or is_over):
            self._arrived()
        if self._reader is not None and (call.messages or is_over):
            if not self._reader.done():
                self._reader.set_result(None)
            self._reader = None
        if self._writers and (is_over or self.is_writable):
            for writer in self._writers:
                if not writer.done():
                    writer.set_result(None)
            self._writers.clear()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        # Not asserted: uvloop's transports have all that is asked of one, and are none.
        self._transport = cast("asyncio.Transport", transport)
        self._loop, self._loop_thread = asyncio.get_running_loop(), threading.get_ident()
        if isinstance(transport, asyncio.Transport) and transport.get_extra_info("ssl_object") is None:
            # Told of every byte that it holds back, we know when others may write past it.
            transport.set_write_buffer_limits(high=0)
            with contextlib.suppress(OSError):  # no descriptor is left: the loop writes all
                self._socket = transport.get_extra_info("socket").dup()
        # At once: the server's first words may be here already, and ours come before the answer to them.
        with self._lock:
            self._call.start()
            self._flush()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the loop is to put what arrives."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Something has arrived."""
        transport, call = self._transport, self._call
        assert transport is not None
        is_heard = transport.get_write_buffer_size() <= _BUFFER_BYTES
        with self._lock:
            if is_heard:
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
        with self._lock:
            self._call.is_heard()
        self._wake()

    def eof_received(self) -> None:
        """The server says no more; whether it still listens does not matter, as it can answer nothing."""
        self._lost("it closed the connection")
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._lost("it closed the connection" if exc is None else _words(exc))
        self._is_lost.set()
        self._wake()

    def _lost(self, words: str) -> None:
        with self._lock:
            self._call.connection_lost(words)
            self._let_go_of_socket()


def reason_of_failure(error: OSError) -> str:
    """Why there is no connection, in the words of who found out."""
    # asyncio puts words of its own in place of the system's.
    known = error.errno is not None and error.errno > 0 and not isinstance(error, ssl.SSLError)
    return os.strerror(error.errno) if known and error.errno is not None else str(error)


def _words(error: Exception) -> str:
    return reason_of_failure(error) if isinstance(error, OSError) else str(error) or type(error).__name__
