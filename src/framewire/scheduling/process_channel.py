"""Whole messages, and open files, over a pair of connected sockets."""

from __future__ import annotations

import array
import errno
import os
import pickle
import select
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence

_HEADER = struct.Struct("=QQ")
"""Length and number of a message."""

_BUFFER_BYTES = 1 << 16
_MOST_DESCRIPTORS = 64
"""Most open files of one message; the kernel takes 253."""

_TIMEVAL = struct.Struct("@ll")


class Channel:
    """One end of the connection between a server and its worker process. Both trust each other.

    Args:
        end: A connected stream socket; the channel owns it from now on.
        takes_descriptors: Whether open files may come in.
    """

    def __init__(self, end: socket.socket, *, takes_descriptors: bool = False) -> None:
        self._socket = end
        self._ancillary_bytes = socket.CMSG_SPACE(_MOST_DESCRIPTORS * 4) if takes_descriptors else 0
        self._buffer = bytearray(_BUFFER_BYTES)
        self._start = 0
        self._end = 0
        self._descriptors: deque[int] = deque()
        self.number = 0
        """The number of the message that was received last."""
        self._on_tick: Callable[[], None] | None = None

    def set_tick(self, tick_s: float, on_tick: Callable[[], None]) -> None:
        """Has `on_tick` called whenever the other end has been waited for that long; what it raises ends the wait."""
        value = _TIMEVAL.pack(int(tick_s), int(tick_s % 1 * 1e6))
        # By the kernel: a timeout of Python's own would cost a poll before each call.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)
        self._on_tick = on_tick

    def send(self, packed: bytes, descriptors: Sequence[int] = (), number: int = 0) -> None:
        """Sends one message, and open files with it, of which the other end gets duplicates.

        Args:
            packed: The message.
            descriptors: The open files.
            number: What tells the answer to it from all others; 0 when it has none.

        Raises:
            OSError: The other end has gone.
        """
        parts: list[bytes | memoryview] = [_HEADER.pack(len(packed), number), packed]
        ancillary = (
            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors[:_MOST_DESCRIPTORS]))]
            if descriptors
            else []
        )
        left = _HEADER.size + len(packed)
        while True:
            try:
                sent = self._socket.sendmsg(parts, ancillary, socket.MSG_NOSIGNAL)
            except BlockingIOError:
                self._tick()
                continue
            left -= sent
            if not left:
                return
            parts, ancillary = [memoryview(packed)[len(packed) - left :]], []

    def try_send(self, packed: bytes) -> bool:
        """Sends one short message if that needs no wait; answers whether it did.

        Raises:
            OSError: The other end has gone.
        """
        try:
            # A message as short as this goes as a whole or not at all.
            self._socket.sendmsg([_HEADER.pack(len(packed), 0), packed], (), socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        return True

    def receive(self) -> object:
        """Waits for the next message; its number is in :attr:`number` then, also when it cannot be read.

        Raises:
            EOFError: The other end has closed the connection.
            OSError: The connection broke.
            Exception: What the parts of the message raise when they cannot be unpickled; the next message is whole.
        """
        self._fill(_HEADER.size)
        length, self.number = _HEADER.unpack_from(self._buffer, self._start)
        end = _HEADER.size + length
        self._fill(end)
        start, self._start = self._start, self._start + end
        try:
            with memoryview(self._buffer) as whole, whole[start + _HEADER.size : start + end] as message:
                return pickle.loads(message)
        finally:
            if self._start == self._end:
                self._start = self._end = 0
                if len(self._buffer) > _BUFFER_BYTES:
                    self._buffer = bytearray(_BUFFER_BYTES)

    def has_come(self) -> bool:
        """Whether there is something to receive, or an end of the connection to be told of."""
        if self._start != self._end:
            return True
        poll = select.poll()  # not select.select: the socket's number may be high
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def take_descriptor(self) -> int:
        """The open file that came with the last message; the caller owns it.

        Raises:
            OSError: None came: this process may have no more open files.
        """
        if not self._descriptors:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return self._descriptors.popleft()

    def close(self) -> None:
        """Closes this end."""
        self._socket.close()
        while self._descriptors:
            os.close(self._descriptors.popleft())

    def _fill(self, length: int) -> None:
        """Receives until so many bytes are there from the start of the message."""
        if self._start + length > len(self._buffer):
            rest = self._buffer[self._start : self._end]
            self._buffer = bytearray(max(length, _BUFFER_BYTES))
            self._buffer[: len(rest)] = rest
            self._start, self._end = 0, len(rest)
        while self._end - self._start < length:
            with memoryview(self._buffer) as whole, whole[self._end :] as room:
                received = self._receive_into(room)
            if received is None:
                self._tick()
            elif not received:
                raise EOFError("the other end has closed the connection")
            else:
                self._end += received

    def _receive_into(self, room: memoryview) -> int | None:
        try:
            if not self._ancillary_bytes:
                return self._socket.recv_into(room)
            received, ancillary, _, _ = self._socket.recvmsg_into(
                [room], self._ancillary_bytes, socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return None
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                self._descriptors.extend(array.array("i", data[: len(data) // 4 * 4]))
        return received

    def _tick(self) -> None:
        if self._on_tick is not None:
            self._on_tick()
