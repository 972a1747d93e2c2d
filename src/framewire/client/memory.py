"""The shared memory of a session, as who sends the frames sees it."""

from __future__ import annotations

import functools

from framewire.client.slots import SlotAllocator
from framewire.errors import SharedMemoryError
from framewire.frames.shared_memory import SHARED_MEMORY_FOLDER, SharedMemoryFile, remove_abandoned
from framewire.model.message import ContentReference, SharedMemory


class FrameMemory:
    """A file in shared memory, and a place in it for each frame that is under way. For one thread at a time.

    Args:
        length_bytes: Its length.
        mode: Who may open it, as of `chmod`.

    Raises:
        SharedMemoryError: It cannot be made.
    """

    def __init__(self, length_bytes: int, mode: int) -> None:
        _remove_abandoned_once()
        try:
            self._file = SharedMemoryFile(length_bytes, mode=mode)
        except OSError as error:
            raise SharedMemoryError(
                f"no shared memory can be made in {SHARED_MEMORY_FOLDER} ({error.strerror})",
                remedy="see whether it is there and writable, or embed the frames",
            ) from None
        self._slots = SlotAllocator(length_bytes)

    @property
    def announcement(self) -> SharedMemory:
        """What a descriptor says of it."""
        return self._file.announcement

    def put(self, data: memoryview) -> ContentReference | None:
        """Copies a frame to a free place; None when there is none now."""
        offset = self._slots.take(data.nbytes)
        if offset is None:
            return None
        self._file.buffer[offset : offset + data.nbytes] = data
        return ContentReference(offset, data.nbytes)

    def free(self, place: ContentReference) -> None:
        """Gives the place of a frame back, which is acknowledged."""
        self._slots.free(place.offset_bytes)

    def close(self) -> None:
        """Removes the file. Closing twice is fine."""
        self._file.close()


@functools.cache
def _remove_abandoned_once() -> None:
    """Once in a process is enough: who was killed is followed by another process, if by anything."""
    remove_abandoned()
