"""Shared memory as a client of the contract makes it (contract, section 4), and names that are traps."""

from __future__ import annotations

import mmap
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from framewire.model.message import ContentReference, SharedMemory

_DIRECTORY = Path("/dev/shm")


def random_name() -> str:
    """A name below /dev/shm that nobody has, and that says whose it is."""
    return f"framewire-check-{os.getpid()}-{secrets.token_hex(8)}"


class MemoryFile:
    """A mapped file in /dev/shm."""

    def __init__(self, name: str, mapping: mmap.mmap) -> None:
        self.announcement = SharedMemory(name, len(mapping))
        self._mapping = mapping

    def surround(self, offset_bytes: int, length_bytes: int, byte: int) -> None:
        """Fills the two pages before and after a place with one byte, as far as the file goes."""
        start = max(0, offset_bytes - 2 * mmap.PAGESIZE)
        end = min(len(self._mapping), offset_bytes + length_bytes + 2 * mmap.PAGESIZE)
        self._mapping[start:end] = bytes([byte]) * (end - start)

    def write(self, offset_bytes: int, data: bytes) -> ContentReference:
        """Writes a frame and returns the reference to it."""
        self._mapping[offset_bytes : offset_bytes + len(data)] = data
        return ContentReference(offset_bytes, len(data))


@contextmanager
def memory_file(length_bytes: int, mode: int) -> Iterator[MemoryFile]:
    """Makes a file of zeros in /dev/shm and removes it at the end.

    Args:
        length_bytes: Its length.
        mode: Its permissions, whatever the umask says.
    """
    name = random_name()
    path = _DIRECTORY / name
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, mode)
        os.ftruncate(descriptor, length_bytes)
        with mmap.mmap(descriptor, length_bytes) as mapping:
            yield MemoryFile(name, mapping)
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


@contextmanager
def fifo(mode: int) -> Iterator[str]:
    """Makes a named pipe in /dev/shm, yields its name and removes it at the end."""
    name = random_name()
    path = _DIRECTORY / name
    os.mkfifo(path, 0o600)
    try:
        path.chmod(mode)
        yield name
    finally:
        # A server that waits for somebody to open the other end would wait for ever: let it go.
        with suppress(OSError):
            os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
        path.unlink(missing_ok=True)
