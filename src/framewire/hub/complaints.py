"""Lines about what others send: no more of them than somebody can read."""

from __future__ import annotations

import time
from collections.abc import Callable

_PAUSE_S = 10.0


class Complaints:
    """Passes on one line in a while, and with the next one how many were left out.

    Whoever may send to us could fill a disk with our log otherwise.

    Args:
        note: Takes a line for the operator.
        clock: Seconds of a steady clock.
        pause_s: Between two lines.
    """

    def __init__(
        self, note: Callable[[str], None], clock: Callable[[], float] = time.monotonic, pause_s: float = _PAUSE_S
    ) -> None:
        self._note = note
        self._clock = clock
        self._pause_s = pause_s
        self._told_s: float | None = None
        self._untold = 0

    def tell(self, line: str) -> None:
        """Says a line, or counts it."""
        now_s = self._clock()
        if self._told_s is not None and now_s - self._told_s < self._pause_s:
            self._untold += 1
            return
        more = f" ({self._untold} more were not shown)" if self._untold else ""
        self._told_s, self._untold = now_s, 0
        self._note(line + more)
