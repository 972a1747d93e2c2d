"""Places in the shared memory of a session: taken for a frame, freed by its acknowledgement."""

from __future__ import annotations

import bisect

from framewire.errors import ClosedError


class SlotAllocator:
    """First fit over one stretch of memory. Pure: it hands out offsets and owns no memory.

    Args:
        length_bytes: Length of the memory.
    """

    def __init__(self, length_bytes: int) -> None:
        self._length = length_bytes
        self._taken: list[tuple[int, int]] = []

    def take(self, length_bytes: int) -> int | None:
        """Offset of a free place, or None when there is none now."""
        # A place of no bytes would share its offset with the next one.
        length_bytes = max(1, length_bytes)
        start = 0
        for offset, length in self._taken:
            if offset - start >= length_bytes:
                break
            start = offset + length
        if start + length_bytes > self._length:
            return None
        bisect.insort(self._taken, (start, length_bytes))
        return start

    def free(self, offset: int) -> None:
        """Gives a place back.

        Raises:
            ClosedError: Nothing is taken at this offset.
        """
        index = bisect.bisect_left(self._taken, (offset, 0))
        if index == len(self._taken) or self._taken[index][0] != offset:
            raise ClosedError(f"no slot is taken at offset {offset}")
        del self._taken[index]
