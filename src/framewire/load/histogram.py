"""Latencies in bins that grow by one per cent: the memory stays the same however long a run takes."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from itertools import accumulate

_GROWTH = math.log(1.01)
_SHORTEST_S = 1e-6
_BINS = 2100
"""From a microsecond to twenty minutes; what is shorter or longer goes to the first or the last one."""


class LatencyHistogram:
    """Counts latencies; what it tells of them is off by at most 0.5 %, and extremes and mean are exact.

    Attributes:
        count: How many have been added.
        longest_s: The longest; 0 before there is one.
    """

    def __init__(self) -> None:
        self._bins = array("Q", bytes(8 * _BINS))
        self._sum_s = 0.0
        self._shortest_s = math.inf
        self.count = 0
        self.longest_s = 0.0

    def add(self, latency_s: float) -> None:
        """Counts one latency in seconds."""
        position = int(math.log(latency_s / _SHORTEST_S) / _GROWTH) if latency_s > _SHORTEST_S else 0
        self._bins[min(position, _BINS - 1)] += 1
        self.count += 1
        self._sum_s += latency_s
        self.longest_s = max(self.longest_s, latency_s)
        self._shortest_s = min(self._shortest_s, latency_s)

    @property
    def mean_s(self) -> float | None:
        """The mean in seconds; None before there is a latency."""
        return self._sum_s / self.count if self.count else None

    def percentile_s(self, percent: float) -> float | None:
        """The latency in seconds that `percent` of all do not exceed; None before there is a latency."""
        if not self.count:
            return None
        # The smallest latency with at least so many at or below it; rounded as 99.9 % of 1000 is 999 and no more.
        rank = max(1, math.ceil(round(self.count * percent / 100, 6)))
        if rank >= self.count:
            return self.longest_s
        position = next(index for index, below in enumerate(accumulate(self._bins)) if below >= rank)
        return min(max(_middle_s(position), self._shortest_s), self.longest_s)

    def bins(self) -> Iterator[tuple[float, int]]:
        """The bins that hold something: upper edge in seconds, and how many latencies are in it."""
        for position, count in enumerate(self._bins):
            if count:
                yield _SHORTEST_S * math.exp((position + 1) * _GROWTH), count


def _middle_s(position: int) -> float:
    return _SHORTEST_S * math.exp((position + 0.5) * _GROWTH)
