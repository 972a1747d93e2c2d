"""Messages as lines of JSON, on standard output or in a file."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import select
import sys
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TextIO

from framewire.errors import ConfigurationError
from framewire.hub.message import HubMessage, encoded
from framewire.hub.statistics import DropCause, PublisherStatistics
from framewire.hub.thread import SideThread

_MOST_WAITING_BYTES = 8 << 20
_MOST_WAITING = 65_536
_BATCH_BYTES = 64 << 10
_RETRY_S = 1.0
"""How long a disk that is full is left alone."""


class LinePublisher:
    """Writes each message at once, from a thread: a pipe that nobody reads stops nothing but itself.

    What cannot be written waits in memory, 8 MiB of it at most, and the oldest line makes room. So a full disk loses
    nothing when it has room again soon enough.

    Args:
        path: The file to append to; None for standard output.
        is_body_only: Lines are the bodies of inference events alone, and other messages are left out.
        note: Takes a line for the operator.
        retry_s: How long to wait after a write that failed.
        around_write: Entered for each write, on the thread that writes.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        is_body_only: bool,
        note: Callable[[str], None],
        retry_s: float = _RETRY_S,
        around_write: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._path = path
        self._is_body_only = is_body_only
        self._note = note
        self._retry_s = retry_s
        self._around_write = around_write
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self._rest_lines = 0
        self._statistics = PublisherStatistics()
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._file: int | TextIO = -1
        self._thread: SideThread | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False
        self._is_broken = False
        self._is_failing = False

    @property
    def _name(self) -> str:
        return "stdout" if self._path is None else str(self._path)

    async def open(self) -> None:
        """Opens the file.

        Raises:
            ConfigurationError: It cannot be opened.
        """
        self._file = _standard_output() if self._path is None else _opened(self._path)
        self._thread = SideThread(f"lines to {self._name}")
        self._task = asyncio.create_task(self._run(self._thread))
        self._statistics.is_connected = True
        self._statistics.connections = 1

    def publish(self, message: HubMessage) -> None:
        """Takes a message; see :class:`framewire.hub.Publisher`."""
        if self._is_broken:
            raise BrokenPipeError(errno.EPIPE, "nobody reads the output any more")
        if self._is_body_only and not message.is_inference:
            return
        statistics = self._statistics
        statistics.published += 1
        if self._is_closed:
            statistics.dropped[DropCause.CLOSED] += 1
            return
        line = encoded((message.body_json() if self._is_body_only else message.to_json()) + "\n")
        self._lines.append(line)
        statistics.waiting += 1
        statistics.waiting_bytes += len(line)
        while statistics.waiting_bytes > _MOST_WAITING_BYTES or len(self._lines) > _MOST_WAITING:
            if not self._lines:
                break
            self._drop(self._lines.popleft())
        self._idle.clear()
        self._changed.set()

    async def room(self) -> None:
        """Waits until less than half of what may wait does."""
        while (
            self._statistics.waiting_bytes > _MOST_WAITING_BYTES // 2 or len(self._lines) > _MOST_WAITING // 2
        ) and not self._is_broken:
            self._idle.clear()
            await self._idle.wait()

    async def close(self, timeout_s: float) -> None:
        """Writes what waits, and closes the file."""
        if self._is_closed or self._thread is None or self._task is None:
            self._is_closed = True
            return
        self._is_closed = True
        self._changed.set()
        await asyncio.wait([self._task], timeout=timeout_s)
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        while self._lines:
            self._drop(self._lines.popleft(), DropCause.CLOSED)
        self._drop_rest(DropCause.CLOSED)
        self._statistics.is_connected = False
        thread, self._thread = self._thread, None
        if isinstance(self._file, int) and self._path is not None:
            # On the thread, behind a write that may still be stuck there.
            closing = asyncio.ensure_future(thread.call(os.close, self._file))
            await asyncio.wait([closing], timeout=max(timeout_s, 0.1))
            closing.cancel()
        thread.close()

    def statistics(self) -> PublisherStatistics:
        """What became of the messages so far."""
        return self._statistics

    async def _run(self, thread: SideThread) -> None:
        while not self._is_broken:
            if not self._rest:
                self._take()
            if not self._rest:
                self._idle.set()
                if self._is_closed:
                    return
                self._changed.clear()
                await self._changed.wait()
                continue
            written, error = await thread.call(self._write_in_turn, self._rest)
            self._account(written)
            # Whoever reads a named pipe may come back.
            if error is not None and error.errno == errno.EPIPE and self._path is None:
                self._break()
            elif error is not None:
                self._fail(error)
                await asyncio.sleep(self._retry_s)
            elif self._is_failing:
                self._is_failing = False
                self._note(f"{self._name} can be written again")

    def _write_in_turn(self, content: bytes) -> tuple[int, OSError | None]:
        with self._around_write():
            return _write(self._file, content)

    def _take(self) -> None:
        lines: list[bytes] = []
        size_bytes = 0
        while self._lines and size_bytes < _BATCH_BYTES:
            line = self._lines.popleft()
            size_bytes += len(line)
            lines.append(line)
        self._rest, self._rest_lines = b"".join(lines), len(lines)

    def _account(self, written: int) -> None:
        done, self._rest = self._rest[:written], self._rest[written:]
        lines = done.count(b"\n")
        self._rest_lines -= lines
        statistics = self._statistics
        statistics.delivered += lines
        statistics.waiting -= lines
        statistics.waiting_bytes -= written
        if statistics.waiting_bytes <= _MOST_WAITING_BYTES // 2:
            self._idle.set()

    def _fail(self, error: OSError) -> None:
        self._statistics.last_error = f"{self._name} cannot be written: {error.strerror}"
        if not self._is_failing:
            self._is_failing = True
            self._note(f"{self._statistics.last_error}; {_MOST_WAITING_BYTES >> 20} MiB are kept until it can")

    def _break(self) -> None:
        self._is_broken = True
        self._statistics.is_connected = False
        self._statistics.last_error = f"nobody reads {self._name} any more"
        while self._lines:
            self._drop(self._lines.popleft(), DropCause.CLOSED)
        self._drop_rest(DropCause.CLOSED)
        self._idle.set()

    def _drop(self, line: bytes, cause: DropCause = DropCause.FULL) -> None:
        statistics = self._statistics
        statistics.dropped[cause] += 1
        statistics.waiting -= 1
        statistics.waiting_bytes -= len(line)

    def _drop_rest(self, cause: DropCause) -> None:
        statistics = self._statistics
        statistics.dropped[cause] += self._rest_lines
        statistics.waiting -= self._rest_lines
        statistics.waiting_bytes -= len(self._rest)
        self._rest, self._rest_lines = b"", 0


def _standard_output() -> int | TextIO:
    """Its file number; what stands in for it inside one process may have none."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    try:
        return sys.stdout.fileno()
    except OSError:
        return sys.stdout


def _opened(path: Path) -> int:
    try:
        # Not waiting for somebody to read it, if it is a named pipe.
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
    except OSError as error:
        reason = "nobody reads this pipe" if error.errno == errno.ENXIO else error.strerror
        raise ConfigurationError(
            f"{path} cannot be opened for messages ({reason})", remedy="choose a file in a folder that exists"
        ) from None


def _write(file: int | TextIO, content: bytes) -> tuple[int, OSError | None]:
    """Writes as much as goes; how many bytes that was, and what stopped it."""
    if not isinstance(file, int):
        file.write(content.decode())
        file.flush()
        return len(content), None
    written = 0
    while written < len(content):
        try:
            written += os.write(file, memoryview(content)[written:])
        except BlockingIOError:
            # A named pipe, or a terminal that another program has set so; it is shared with all who have it open.
            waiting = select.poll()
            waiting.register(file, select.POLLOUT)
            waiting.poll(1000)
        except OSError as error:
            return written, error
    return written, None
