"""Records on a disk, in order, within a bound, in files that are only ever appended to or removed.

Why not SQLite: a full disk is one of the cases that this is for. Removing a file works there and gives room back; a
database has to write its log before it can delete a row, and its file does not become shorter by that. Beside that, an
append is one system call, the bound is what the files have, and reading in order is reading a file.

Written is not synced: the end of the process, `kill -9` included, loses nothing; a power cut may lose what the system
has not written yet, some 30 seconds by default. To sync each message would wear out the cards that small machines
boot from.

What goes first when the bound is reached is the oldest: whoever comes back after a day wants to know what is going on
now, and what was is worth less with each hour.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

from framewire.errors import ConfigurationError
from framewire.hub.segment import HEADER_BYTES, DamagedError, Segment

Record = tuple[int, bytes]
"""A number, which grows from record to record, and the content."""

_CURSOR = struct.Struct(">QI")

_PARTS = 16
"""A file has this part of the bound: so much goes at once when the bound is reached."""

_LEAST_FILE_BYTES, _MOST_FILE_BYTES = 4 << 10, 4 << 20

_MOST_GROUP_BYTES = 64 << 10
"""So much is written at once. Nearly full disks take the first of many, and trying is cheap on full ones."""

_KEPT_FILE_BYTES = 64 << 10
"""Below this size, a file in use is kept when all in it is delivered: making one for each message costs more."""


class WriteError(Exception):
    """The disk took only some of the records.

    Args:
        cause: What the system said.
        written: How many records it took, from the first on.
    """

    def __init__(self, cause: OSError, written: int) -> None:
        super().__init__(cause.strerror)
        self.reason = cause.strerror or "unknown error"
        self.written = written


class SegmentLog:
    """Records in a folder of their own. For one thread.

    Args:
        folder: Where the files are; it is made when it is missing. One process at a time uses it.
        bound_bytes: Most bytes of all files together.

    Raises:
        ConfigurationError: The folder cannot be used, or another process uses it.
    """

    def __init__(self, folder: Path, bound_bytes: int) -> None:
        self._folder = folder
        self._bound_bytes = bound_bytes
        self._file_bytes = min(max(bound_bytes // _PARTS, _LEAST_FILE_BYTES), _MOST_FILE_BYTES)
        self.dropped = 0
        """Records that had to go as the bound was reached."""
        self.unreadable = 0
        """Records that were lost as they are damaged or their file is."""
        with contextlib.ExitStack() as opened:
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                opened.callback(os.close, self._lock)
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._cursor = os.open(folder / "delivered", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                opened.callback(os.close, self._cursor)
                self.acked = _read_cursor(self._cursor)
                """Number of the last record that is no longer needed; 0 for none."""
                self._segments = Segment.found_in(folder)
            except BlockingIOError:
                raise ConfigurationError(
                    f"another process uses the outbox {folder}", remedy="end it, or choose another folder"
                ) from None
            except OSError as error:
                raise ConfigurationError(
                    f"the outbox {folder} cannot be used ({error.strerror})",
                    remedy="make it a folder that this user may write to, or choose another",
                ) from None
            self._closing = opened.pop_all()
        self.last = max([self.acked, *(segment.last for segment in self._segments)])
        """Number of the last record that ever was here; 0 for none."""
        self.waiting = sum(max(0, segment.last - max(self.acked, segment.first - 1)) for segment in self._segments)
        """How many records are needed still."""
        self._forget()

    @property
    def size_bytes(self) -> int:
        """Size of all files together."""
        return sum(segment.size_bytes for segment in self._segments)

    def append(self, records: Sequence[Record]) -> None:
        """Writes records, the oldest making room when the bound is reached.

        Args:
            records: Their numbers are above those that are here. None is larger than the bound, its header included.

        Raises:
            WriteError: The disk did not take them all. What it took stays.
        """
        written = 0
        while written < len(records):
            group = self._next_group(records[written:])
            size_bytes = sum(HEADER_BYTES + len(content) for _, content in group)
            while self._segments and self.size_bytes + size_bytes > self._bound_bytes:
                self._drop_oldest()
            try:
                self._writable(group[0][0]).append([content for _, content in group])
            except OSError as error:
                raise WriteError(error, written) from None
            written += len(group)
            self.waiting += len(group)
            self.last = group[-1][0]

    def read(self, after: int, most: int, most_bytes: int) -> list[Record]:
        """The next records with a number above `after`; damaged ones are left out and counted.

        Args:
            after: At least what was acknowledged.
            most: Not more than so many.
            most_bytes: It ends with the one with which they reach this size.

        Raises:
            OSError: A file cannot be read just now.
        """
        found: list[Record] = []
        size_bytes = 0
        for segment in list(self._segments):
            number = max(after + 1, segment.first)
            while number <= segment.last and len(found) < most and size_bytes < most_bytes:
                try:
                    contents = segment.read(number, most - len(found), most_bytes - size_bytes)
                except DamagedError:
                    # Where a record ends is not known any more, so those after it are lost, too.
                    lost = segment.cut(number)
                    self.unreadable += lost
                    self.waiting -= lost
                    break
                found += enumerate(contents, number)
                size_bytes += sum(map(len, contents))
                number += len(contents)
        return found

    def ack(self, number: int) -> int:
        """Forgets all records up to a number; how many of them were still here."""
        gone = sum(max(0, min(number, segment.last) - max(self.acked, segment.first - 1)) for segment in self._segments)
        if number > self.acked:
            self.acked = number
            # What is not written down is delivered once more by the next run, which is allowed.
            with contextlib.suppress(OSError):
                content = number.to_bytes(8, "big")
                os.pwrite(self._cursor, _CURSOR.pack(number, zlib.crc32(content)), 0)
        self.waiting -= gone
        self._forget()
        return gone

    def close(self) -> None:
        """Closes the files; what is needed still stays for the next one."""
        for segment in self._segments:
            segment.finish()
        self._forget()
        self._closing.close()

    def _next_group(self, records: Sequence[Record]) -> Sequence[Record]:
        """Those that are written at once: their numbers have no gap, and they go into the same file."""
        size_bytes = 0
        end = 0
        for end, (number, content) in enumerate(records):
            size_bytes += HEADER_BYTES + len(content)
            if end and (size_bytes > _MOST_GROUP_BYTES or number != records[0][0] + end):
                return records[:end]
        return records[: end + 1]

    def _writable(self, number: int) -> Segment:
        """The file in which the record of a number goes."""
        if self._segments:
            current = self._segments[-1]
            if current.is_writable and current.last + 1 == number and current.size_bytes < self._file_bytes:
                return current
            current.finish()
            if not current.count:
                self._segments.pop().remove()
        segment = Segment(self._folder, number)
        segment.create()
        self._segments.append(segment)
        return segment

    def _drop_oldest(self) -> None:
        segment = self._segments.pop(0)
        segment.remove()
        lost = max(0, segment.last - max(self.acked, segment.first - 1))
        self.dropped += lost
        self.waiting -= lost

    def _forget(self) -> None:
        """Removes the files that hold nothing that is needed."""
        while self._segments and self._segments[0].last <= self.acked:
            first = self._segments[0]
            if first.is_writable and first.size_bytes < min(_KEPT_FILE_BYTES, self._file_bytes):
                break
            self._segments.pop(0).remove()


def _read_cursor(file: int) -> int:
    content = os.pread(file, _CURSOR.size, 0)
    if len(content) < _CURSOR.size:
        return 0
    number, checksum = _CURSOR.unpack(content)
    return number if checksum == zlib.crc32(content[:8]) else 0
