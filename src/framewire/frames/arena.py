"""Memory of our own that another process can map: where embedded frames wait for a worker process."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os

import numpy as np
import numpy.typing as npt

from framewire.errors import BusyError
from framewire.model.message import SharedMemory

_MEBIBYTE = 1 << 20
_ALIGNMENT = 64
_PATIENCE = 1000
"""Batches in a row that need less than a quarter before the rest is given back."""


class Arena:
    """The frames of one batch, one after the other, in memory without a name.

    The memory is a file that lies in no folder: it goes with the last process that has it open, however that process
    ends. It never changes its size, so that no reader can meet its end: another size is another file.

    Not safe for several threads at once.
    """

    def __init__(self) -> None:
        self._descriptor = -1
        self._mapping: mmap.mmap | None = None
        self._bytes: npt.NDArray[np.uint8] = np.empty(0, np.uint8)
        self._small = 0
        self.generation = 0
        """Grows with each new file; whoever has passed the old one on passes this one on, too."""

    @property
    def descriptor(self) -> int:
        """The file, open for reading and writing; -1 before :meth:`reserve`."""
        return self._descriptor

    @property
    def announcement(self) -> SharedMemory:
        """The file as a session's shared memory would be announced; its name is none that can be opened."""
        return SharedMemory("framewire-arena", self._bytes.size)

    @staticmethod
    def room_for(length_bytes: int) -> int:
        """Bytes that a frame occupies, with its share of the alignment."""
        return -(-length_bytes // _ALIGNMENT) * _ALIGNMENT

    def reserve(self, length_bytes: int) -> None:
        """Makes room for a batch of so many bytes; what was in the arena is forgotten.

        Raises:
            BusyError: The machine has no memory for them.
        """
        if self._descriptor >= 0 and length_bytes <= self._bytes.size:
            self._small = self._small + 1 if length_bytes < self._bytes.size // 4 else 0
            if self._small < _PATIENCE or self._bytes.size <= _MEBIBYTE:
                return
        # A quarter more: encoded frames differ a little in length, and each growth is mapped anew on both sides.
        self._renew(-(-max(1, length_bytes * 5 // 4) // _MEBIBYTE) * _MEBIBYTE)

    def write(self, offset_bytes: int, data: memoryview) -> None:
        """Copies one frame to its place; other threads run meanwhile."""
        # numpy copies without the GIL, a mapping would not.
        self._bytes[offset_bytes : offset_bytes + data.nbytes] = np.frombuffer(data, np.uint8) if data.nbytes else ()

    def close(self) -> None:
        """Gives the memory back; a process that has mapped it keeps it until it lets go. Twice does no harm."""
        if self._descriptor < 0:
            return
        os.close(self._descriptor)
        self._descriptor = -1
        self._bytes = np.empty(0, np.uint8)
        self._small = 0
        if self._mapping is not None:
            with contextlib.suppress(BufferError):
                self._mapping.close()
            self._mapping = None

    def _renew(self, size: int) -> None:
        self.close()
        descriptor = -1
        try:
            descriptor = os.memfd_create("framewire-arena", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            # Reserves the pages now: without it a lack of memory is a SIGBUS at the first write.
            os.posix_fallocate(descriptor, 0, size)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
            self._mapping = mmap.mmap(descriptor, size)
        except OSError as error:
            if descriptor >= 0:
                os.close(descriptor)
            raise BusyError(
                f"there is no memory for a batch of {size} bytes of embedded frames ({error.strerror})",
                remedy="lower --batch-size or --max-message, or give the server more memory",
            ) from error
        self._descriptor = descriptor
        self._bytes = np.frombuffer(self._mapping, np.uint8)
        self.generation += 1
