"""How long to wait before the next try. Pure but for the dice."""

from __future__ import annotations

import random


class Backoff:
    """Pauses that double, with jitter, so that many do not come back at once.

    Args:
        least_s: The first pause.
        most_s: The longest.
    """

    def __init__(self, least_s: float = 0.5, most_s: float = 10.0) -> None:
        self._least_s = least_s
        self._most_s = most_s
        self._next_s = least_s

    def reset(self) -> None:
        """It went well."""
        self._next_s = self._least_s

    def pause_s(self) -> float:
        """The next pause, between half of it and all of it."""
        pause_s, self._next_s = self._next_s, min(self._next_s * 2, self._most_s)
        return pause_s * random.uniform(0.5, 1.0)
