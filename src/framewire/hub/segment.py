"""One file of records that is only ever appended to.

A record is a header of 8 bytes, big-endian (length of the content, CRC-32 of its number and the content), and the
content. Numbers grow by one from record to record; the first one is the file's name. What was torn by the end of the
process or of the power is found by its checksum.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from io import BufferedReader
from pathlib import Path

HEADER_BYTES = 8

_HEADER = struct.Struct(">II")
_SUFFIX = ".segment"
_DIGITS = 20


class DamagedError(Exception):
    """What was written is not what is there."""


class Segment:
    """Records with numbers from `first` on. For one thread.

    Args:
        folder: Where its file is.
        first: Number of its first record.
    """

    def __init__(self, folder: Path, first: int) -> None:
        self.path = folder / f"{first:0{_DIGITS}}{_SUFFIX}"
        self.first = first
        self.count = 0
        """Records that are whole."""
        self.size_bytes = 0
        """Their size, headers included."""
        self._file: int | None = None
        self._position = (first, 0)
        """A number and where in the file its record begins."""

    @classmethod
    def found_in(cls, folder: Path) -> list[Segment]:
        """The files that an earlier run has left, in order; whole records are counted, the rest is cut off.

        Raises:
            OSError: The folder or a file cannot be read.
        """
        segments = []
        for path in sorted(folder.iterdir()):
            digits = path.name.removesuffix(_SUFFIX)
            if path.name.endswith(_SUFFIX) and len(digits) == _DIGITS and digits.isascii() and digits.isdecimal():
                segment = cls(folder, int(digits))
                segment._scan()
                if segment.count:
                    segments.append(segment)
                else:
                    # Its name is the next one that is needed.
                    path.unlink()
        return segments

    @property
    def last(self) -> int:
        """Number of the last record; one less than the first when there is none."""
        return self.first + self.count - 1

    @property
    def is_writable(self) -> bool:
        """Whether records can be appended."""
        return self._file is not None

    def create(self) -> None:
        """Makes the file.

        Raises:
            OSError: It cannot be made.
        """
        # What has this name already holds no whole record, or the numbers would go on after it.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(self.path, flags, 0o600)

    def append(self, contents: Sequence[bytes]) -> None:
        """Writes records, all of them or none.

        Raises:
            OSError: The disk does not take them.
        """
        assert self._file is not None
        chunks: list[bytes] = []
        for number, content in enumerate(contents, self.first + self.count):
            chunks += (_HEADER.pack(len(content), _checksum(number, content)), content)
        waiting = memoryview(b"".join(chunks))
        size_bytes = len(waiting)
        try:
            while waiting:
                written = os.write(self._file, waiting)
                if not written:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                waiting = waiting[written:]
        except OSError:
            try:
                os.ftruncate(self._file, self.size_bytes)
            except OSError:
                # Whatever follows half a record could not be found again.
                self.finish()
            raise
        self.count += len(contents)
        self.size_bytes += size_bytes

    def read(self, number: int, most: int, most_bytes: int) -> list[bytes]:
        """The contents of records.

        Args:
            number: Of the first one; it is here.
            most: Not more than so many.
            most_bytes: It ends with the one with which they reach this size.

        Returns:
            One at least; fewer than there are when the next one is damaged.

        Raises:
            DamagedError: The very first one is damaged, or the file is.
            OSError: The file cannot be read just now.
        """
        found: list[bytes] = []
        size_bytes = 0
        with self._opened() as file:
            at, offset = self._position if self._position[0] <= number else (self.first, 0)
            file.seek(offset)
            while at <= self.last and len(found) < most and size_bytes < most_bytes:
                content = _next_record(file, at)
                if content is None:
                    if not found:
                        raise DamagedError(self.path.name)
                    break
                if at >= number:
                    found.append(content)
                    size_bytes += len(content)
                at += 1
                offset += HEADER_BYTES + len(content)
            self._position = (at, offset)
        return found

    def finish(self) -> None:
        """No more records come."""
        if self._file is not None:
            file, self._file = self._file, None
            # What a disk says only now, the checksums would say, too.
            with contextlib.suppress(OSError):
                os.close(file)

    def remove(self) -> None:
        """Deletes the file; one that cannot be deleted is found again by the next run."""
        self.finish()
        with contextlib.suppress(OSError):
            self.path.unlink()

    def cut(self, number: int) -> int:
        """Gives up the records from a number on; how many."""
        lost = self.first + self.count - number
        self.count -= lost
        self.finish()
        return lost

    @contextlib.contextmanager
    def _opened(self) -> Iterator[BufferedReader]:
        try:
            with self.path.open("rb") as file:
                yield file
        except OSError as error:
            if error.errno in (errno.EIO, errno.ENOENT):
                raise DamagedError(self.path.name) from None
            raise

    def _scan(self) -> None:
        with self.path.open("rb") as file:
            while (content := _next_record(file, self.first + self.count)) is not None:
                self.count += 1
                self.size_bytes += HEADER_BYTES + len(content)
            # As far as the bound is concerned, a torn end counts.
            self.size_bytes = max(self.size_bytes, os.fstat(file.fileno()).st_size)


def _next_record(file: BufferedReader, number: int) -> bytes | None:
    """The content of the record at the file's position; None at the end, and where it is damaged."""
    header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        return None
    length_bytes, checksum = _HEADER.unpack(header)
    # A damaged length could ask for gigabytes: never more than the file has.
    if length_bytes > os.fstat(file.fileno()).st_size - file.tell():
        return None
    content = file.read(length_bytes)
    return content if len(content) == length_bytes and _checksum(number, content) == checksum else None


def _checksum(number: int, content: bytes) -> int:
    return zlib.crc32(content, zlib.crc32(number.to_bytes(8, "big")))
