"""Messages that wait for the broker: on a disk, and in memory where there is none or it takes no more."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path

from framewire.hub.segment import HEADER_BYTES
from framewire.hub.segments import Record, SegmentLog, WriteError
from framewire.hub.statistics import DropCause

_STAND_IN_BYTES = 4 << 20
"""Most memory that stands in for a disk that takes no more."""


class Outbox:
    """Records in the order in which they came, within a bound; the oldest make room. For one thread.

    Where the disk fails, memory stands in, so that a broker that is there still gets everything; each further append
    tries the disk again, with what the memory holds, so that the order stays.

    Args:
        folder: Where records are kept; None keeps them in memory alone.
        bound_bytes: Most bytes of them.
        note: Takes a line for the operator, when the disk fails first and when it works again.

    Raises:
        ConfigurationError: The folder cannot be used, or another process uses it.
    """

    def __init__(self, folder: Path | None, bound_bytes: int, note: Callable[[str], None]) -> None:
        self._disk = None if folder is None else SegmentLog(folder, bound_bytes)
        self._bound_bytes = bound_bytes
        self._memory_bound_bytes = bound_bytes if folder is None else min(bound_bytes, _STAND_IN_BYTES)
        self._folder = folder
        self._note = note
        self._memory: deque[Record] = deque()
        self._memory_bytes = 0
        self._memory_dropped: Counter[DropCause] = Counter()
        self._is_disk_failing = False
        self._last = 0 if self._disk is None else self._disk.last
        self._acked = 0 if self._disk is None else self._disk.acked
        self.resumed = 0 if self._disk is None else self._disk.waiting
        """How many an earlier run has left."""

    @property
    def acked(self) -> int:
        """Number of the last record that is no longer needed; 0 for none."""
        return self._acked

    @property
    def waiting(self) -> int:
        """How many records are needed still."""
        return len(self._memory) + (0 if self._disk is None else self._disk.waiting)

    @property
    def waiting_bytes(self) -> int:
        """Bytes that they take, on the disk and in memory."""
        return self._memory_bytes + (0 if self._disk is None else self._disk.size_bytes)

    @property
    def is_lasting(self) -> bool:
        """Whether everything that waits is on a disk."""
        return self._disk is not None and not self._memory

    @property
    def dropped(self) -> Counter[DropCause]:
        """Records that were given up, by cause."""
        counts = Counter(self._memory_dropped)
        if self._disk is not None:
            counts[DropCause.FULL] += self._disk.dropped
            counts[DropCause.UNREADABLE] += self._disk.unreadable
        return counts

    def append(self, contents: Sequence[bytes]) -> None:
        """Takes records."""
        for content in contents:
            self._last += 1
            if HEADER_BYTES + len(content) > self._bound_bytes:
                self._memory_dropped[DropCause.TOO_LARGE] += 1
                continue
            self._memory.append((self._last, content))
            self._memory_bytes += HEADER_BYTES + len(content)
        if self._disk is not None:
            self._store(self._disk)
        # What is on the disk is older still, but cannot make room here.
        cause = DropCause.FULL if self._disk is None else DropCause.DISK
        while self._memory_bytes > self._memory_bound_bytes:
            self._forget_first()
            self._memory_dropped[cause] += 1

    def read(self, after: int, most: int, most_bytes: int) -> list[Record]:
        """The next records with a number above `after`, `most` at most; it ends with the one that reaches `most_bytes`.

        Raises:
            OSError: The disk cannot be read just now.
        """
        found = [] if self._disk is None else self._disk.read(max(after, self._acked), most, most_bytes)
        size_bytes = sum(len(content) for _, content in found)
        for number, content in self._memory:
            if len(found) >= most or size_bytes >= most_bytes:
                break
            if number > after:
                found.append((number, content))
                size_bytes += len(content)
        return found

    def ack(self, number: int) -> int:
        """Forgets all records up to a number; how many of them had not been given up meanwhile."""
        self._acked = max(self._acked, number)
        gone = 0 if self._disk is None else self._disk.ack(number)
        while self._memory and self._memory[0][0] <= number:
            self._forget_first()
            gone += 1
        return gone

    def close(self) -> int:
        """Closes the files; how many records were in memory alone, and are lost."""
        if self._disk is not None:
            if self._memory:
                self._store(self._disk)
            self._disk.close()
        lost = len(self._memory)
        self._memory.clear()
        self._memory_bytes = 0
        return lost

    def _store(self, disk: SegmentLog) -> None:
        records = list(self._memory)
        try:
            disk.append(records)
            written = len(records)
        except WriteError as error:
            written = error.written
            if not self._is_disk_failing:
                self._is_disk_failing = True
                self._note(
                    f"the outbox {self._folder} takes no more ({error.reason}); "
                    f"up to {self._memory_bound_bytes / (1 << 20):g} MiB are kept in memory until it does"
                )
        else:
            if self._is_disk_failing:
                self._is_disk_failing = False
                self._note(f"the outbox {self._folder} takes messages again")
        for _ in range(written):
            self._forget_first()

    def _forget_first(self) -> None:
        _, content = self._memory.popleft()
        self._memory_bytes -= HEADER_BYTES + len(content)
