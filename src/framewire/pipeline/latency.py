"""How old frames are when they leave a node."""

from __future__ import annotations

WINDOW_S = 60

_Second = tuple[int, int, float, float]
"""Which second, how many, their sum, the largest."""


class LatencyWindow:
    """The latencies of the last minute, in whole seconds of one steady clock. Constant in size.

    One thread adds; others may read meanwhile.
    """

    def __init__(self) -> None:
        self._ring: list[_Second] = [(-1, 0, 0.0, 0.0)] * WINDOW_S

    def add(self, now_s: float, latency_s: float) -> None:
        """One frame has left the node."""
        second = int(now_s)
        place = second % WINDOW_S
        before, count, total_s, most_s = self._ring[place]
        if before != second:
            count, total_s, most_s = 0, 0.0, 0.0
        self._ring[place] = (second, count + 1, total_s + latency_s, max(most_s, latency_s))

    def read(self, now_s: float) -> tuple[float, float] | None:
        """Average and maximum of the last minute in seconds; None when no frame has left."""
        oldest = int(now_s) - WINDOW_S
        recent = [one for one in self._ring if one[0] > oldest and one[1]]
        if not recent:
            return None
        return sum(one[2] for one in recent) / sum(one[1] for one in recent), max(one[3] for one in recent)
