"""Counts of values in classes of equal ratio: how long things took, and how many of each."""

from __future__ import annotations

import math
from collections.abc import Sequence

_CLASSES_PER_OCTAVE = 32
"""Classes are 1/32 of a power of two wide, so that a percentile is at most 3.2 per cent too high."""


class Histogram:
    """Positive numbers of any size, in constant memory. Not for several threads.

    A percentile is the upper edge of the class that it falls into, and never above the largest value.
    """

    __slots__ = ("_counts", "count", "maximum", "total")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.count = 0
        """How many values there are."""
        self.total = 0.0
        """Their sum."""
        self.maximum = 0.0
        """The largest of them; 0 without any."""

    def add(self, value: float, times: int = 1) -> None:
        """Counts a value; what is not above 0 counts as 0."""
        mantissa, exponent = math.frexp(value)  # 0.5 <= mantissa < 1
        key = exponent * _CLASSES_PER_OCTAVE + int((mantissa - 0.5) * (2 * _CLASSES_PER_OCTAVE)) if value > 0 else _ZERO
        counts = self._counts
        counts[key] = counts.get(key, 0) + times
        self.count += times
        if value > 0:
            self.total += value * times
            if value > self.maximum:
                self.maximum = value

    @property
    def mean(self) -> float:
        """The mean; 0 without any value."""
        return self.total / self.count if self.count else 0.0

    def percentiles(self, shares: Sequence[float]) -> list[float]:
        """Values that so many per cent of all do not exceed; 0 without any value.

        Args:
            shares: Per cent, rising, above 0 and up to 100.
        """
        found: list[float] = []
        seen = 0
        classes = iter(sorted(self._counts.items()))
        key = _ZERO
        for share in shares:
            wanted = math.ceil(self.count * share / 100)
            while seen < wanted:
                key, count = next(classes)
                seen += count
            found.append(min(_upper_edge(key), self.maximum))
        return found


_ZERO = -1 << 20


def _upper_edge(key: int) -> float:
    if key == _ZERO:
        return 0.0
    exponent, step = divmod(key, _CLASSES_PER_OCTAVE)
    return math.ldexp(0.5 + (step + 1) / (2 * _CLASSES_PER_OCTAVE), exponent)
