"""A recording played as if it were a camera."""

from __future__ import annotations

from framewire.capture.clock import TICKS_PER_S

_LATE_S = 5.0
"""Who is so late does not catch up by rushing: it goes on from where it is."""


class Pace:
    """When each picture of a recording is due. Pure: all times are given."""

    def __init__(self) -> None:
        self._start_s: float | None = None
        self._first = 0

    def wait_s(self, timestamp: int, now: float) -> float:
        """How many seconds to wait before the picture with this timestamp is handed on; 0 when it is due.

        Args:
            timestamp: In ticks; it grows from call to call.
            now: The steady clock.
        """
        if self._start_s is None:
            self._start_s, self._first = now, timestamp
        due = self._start_s + (timestamp - self._first) / TICKS_PER_S
        if now - due > _LATE_S:
            self._start_s, self._first = now, timestamp
            return 0.0
        return max(0.0, due - now)
