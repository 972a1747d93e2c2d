"""The sockets that FFmpeg opened, found from outside, so that a read that hangs on one can be ended.

FFmpeg gives no handle to its sockets, and its only interruption takes the interpreter's lock at every poll. But a
socket of this process that leads to the camera and that was not there before the session was opened is the one. Where
another session to the same camera was opened at the same time that is in doubt, and nothing is touched: then the read
ends with FFmpeg's own timeout, or stays behind.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

_DESCRIPTORS = Path("/proc/self/fd")

DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
"""FFmpeg's."""


class Connections:
    """The TCP connections of one session.

    Args:
        url: Where it leads. What has no host has no connections.
    """

    _lock = threading.Lock()
    _all_opening: set[Connections] = set()  # noqa: RUF012 - it is meant to be shared

    def __init__(self, url: str) -> None:
        self._host, self._port = "", 0
        with contextlib.suppress(ValueError):  # FFmpeg says what is wrong with it
            parts = urlsplit(url)
            self._host, self._port = parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
        self._is_doubtful = False
        self._found: frozenset[int] = frozenset()

    @contextlib.contextmanager
    def opening(self) -> Iterator[None]:
        """Around the opening of the session: what connects to its place meanwhile is taken as its own."""
        if not self._host:
            yield
            return
        with self._lock:
            for other in self._all_opening:
                if (other._host, other._port) == (self._host, self._port):
                    self._is_doubtful = other._is_doubtful = True
            self._all_opening.add(self)
        before = {inode for _, inode in _sockets()}
        try:
            yield
            peers = self._peers()
            new = frozenset(inode for number, inode in _sockets() if inode not in before and _leads_to(number, peers))
        finally:
            with self._lock:
                self._all_opening.discard(self)
        if not self._is_doubtful:
            self._found = new

    def sever(self) -> None:
        """Has every read and write on them end at once. From any thread, and more than once."""
        for number, inode in _sockets():
            if inode in self._found:
                with contextlib.suppress(OSError), _borrowed(number) as connection:
                    # The number may have gone to another socket since.
                    if os.fstat(connection.fileno()).st_ino == inode:
                        connection.shutdown(socket.SHUT_RDWR)

    def _peers(self) -> set[tuple[str, int]]:
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError:
            return set()
        return {(str(address[0]), int(address[1])) for *_, address in found}


def _sockets() -> Iterator[tuple[int, int]]:
    """Descriptors and inodes of this process's sockets; none where there is no /proc."""
    try:
        names = os.listdir(_DESCRIPTORS)  # noqa: PTH208 - hundreds of paths would be made for nothing
    except OSError:
        return
    for name in names:
        with contextlib.suppress(OSError):  # closed since
            status = os.fstat(int(name))
            if stat.S_ISSOCK(status.st_mode):
                yield int(name), status.st_ino


@contextlib.contextmanager
def _borrowed(number: int) -> Iterator[socket.socket]:
    """A socket object for a descriptor that belongs to somebody else."""
    with socket.socket(fileno=os.dup(number)) as connection:
        yield connection


def _leads_to(number: int, peers: set[tuple[str, int]]) -> bool:
    with contextlib.suppress(OSError), _borrowed(number) as connection:
        if connection.type == socket.SOCK_STREAM and connection.family in (socket.AF_INET, socket.AF_INET6):
            return connection.getpeername()[:2] in peers
    return False
