"""How fast counts grow."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

_WINDOW_S = 10.0


class RateMeter:
    """Rates over the last ten seconds. All times are seconds of one steady clock."""

    def __init__(self) -> None:
        self._readings: deque[tuple[float, Mapping[str, int]]] = deque(maxlen=64)

    def note(self, now_s: float, counts: Mapping[str, int]) -> dict[str, float]:
        """Takes the counts as they are now.

        Returns:
            For each of them, how much it grows in a second; 0 at the first reading.
        """
        self._readings.append((now_s, counts))
        while len(self._readings) > 2 and now_s - self._readings[1][0] >= _WINDOW_S:
            self._readings.popleft()
        since_s, before = self._readings[0]
        passed_s = now_s - since_s
        return {
            name: round((count - before.get(name, 0)) / passed_s, 2) if passed_s > 0 else 0.0
            for name, count in counts.items()
        }
