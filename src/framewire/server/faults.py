"""What went wrong with single frames: counted always, logged now and then."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

from framewire.errors import FramewireError, ProcessorError

_LOG_EVERY_S = 10.0


class FrameFaults:
    """The faults of one session's frames.

    Args:
        log: Where they are told.
        most_in_a_row: How many in a row end the session; 0 never does.
        clock: Seconds of a steady clock.
    """

    def __init__(
        self, log: logging.LoggerAdapter[logging.Logger], most_in_a_row: int, clock: Callable[[], float]
    ) -> None:
        self._log = log
        self._most_in_a_row = most_in_a_row
        self._clock = clock
        self._told_at: dict[str, float] = {}
        self._untold: Counter[str] = Counter()
        self.in_a_row = 0
        self.total = 0

    @property
    def is_too_many(self) -> bool:
        """Whether the session should end."""
        return 0 < self._most_in_a_row <= self.in_a_row

    def good(self) -> None:
        """A frame went well: the row is over."""
        self.in_a_row = 0

    def bad(self, sequence_number: int, error: FramewireError) -> None:
        """A frame failed. The first of its kind is logged at once, then one every ten seconds."""
        self.in_a_row += 1
        self.total += 1
        self.note("processing failed" if isinstance(error, ProcessorError) else "bad frame", sequence_number, error)

    def note(self, kind: str, sequence_number: int, what: object) -> None:
        """Logs something odd about a frame, as often as a bad one; it does not count as one."""
        now = self._clock()
        if kind in self._told_at and now - self._told_at[kind] < _LOG_EVERY_S:
            self._untold[kind] += 1
            return
        more = f" (and {self._untold[kind]} more since the last such line)" if self._untold[kind] else ""
        self._told_at[kind] = now
        self._untold[kind] = 0
        self._log.warning("%s: sample %d: %s%s", kind, sequence_number, what, more)

    def tell_rest(self) -> None:
        """Logs what was counted and not told yet."""
        for kind, count in self._untold.items():
            if count:
                self._log.warning("%s: %d more", kind, count)
        self._untold.clear()
