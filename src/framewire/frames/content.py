"""Where one frame's bytes are, until its lease ends."""

from __future__ import annotations

from typing import Protocol

from framewire.frames.shared_memory import SharedMemoryReader
from framewire.model.message import ContentReference


class FrameContent(Protocol):
    """The bytes of one frame. :meth:`open` and :meth:`release` are called once each, by the worker."""

    @property
    def held_bytes(self) -> int:
        """Bytes of our own memory that the frame occupies while it waits."""

    def open(self) -> memoryview:
        """Takes the lease: a read-only view, valid until :meth:`release`."""

    def release(self) -> bool:
        """Ends the lease; False when something still refers to the memory. Without a lease it does nothing."""


class EmbeddedContent:
    """A frame that came inside its message; it owns its bytes."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = data

    @property
    def held_bytes(self) -> int:
        """Bytes of our own memory that the frame occupies while it waits."""
        return len(self._data)

    def open(self) -> memoryview:
        """A read-only view of the bytes."""
        return memoryview(self._data).toreadonly()

    def release(self) -> bool:
        """Nothing to give back: the bytes go with their last reference."""
        return True


class ReferencedContent:
    """A frame in a client's shared memory."""

    __slots__ = ("_is_lent", "_memory", "_reference", "_view")

    def __init__(self, memory: SharedMemoryReader, reference: ContentReference) -> None:
        self._memory = memory
        self._reference = reference
        self._view: memoryview | None = None
        self._is_lent = False

    @property
    def held_bytes(self) -> int:
        """None of ours: the frame waits in the client's memory."""
        return 0

    def open(self) -> memoryview:
        """A read-only view into the shared memory.

        Raises:
            SharedMemoryError: The file has become too short, or its session is gone.
        """
        self._view = self._memory.view(self._reference)
        return self._view

    def lend(self) -> tuple[SharedMemoryReader, ContentReference]:
        """Takes the lease for another process, instead of :meth:`open`.

        Returns:
            The memory, whose file that process reads by itself, and the frame's place in it.

        Raises:
            FrameError: The frame is longer than any of its stream.
            SharedMemoryError: The session is gone.
        """
        self._memory.lend(self._reference)
        self._is_lent = True
        return self._memory, self._reference

    def release(self) -> bool:
        """Ends the lease."""
        if self._is_lent:
            self._is_lent = False
            self._memory.take_back()
        if self._view is None:
            return True
        view, self._view = self._view, None
        return self._memory.release(view)
