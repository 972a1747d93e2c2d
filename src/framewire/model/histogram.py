"""How long things took, and how many of each: in classes of nearly equal ratio, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterator

_PER_OCTAVE = 128
"""Classes between one power of two and the next, equally wide."""

_NONE = -1 << 20
"""The class of what is not above 0."""


class Histogram:
    """Counts positive numbers; what is not above 0 counts as 0. Not for several threads.

    A percentile is off by at most 0.4 per cent; count, mean, minimum and maximum are exact.
    """

    __slots__ = ("_classes", "count", "maximum", "minimum", "total")

    def __init__(self) -> None:
        self._classes: dict[int, int] = {}
        self.count = 0
        """How many values there are."""
        self.total = 0.0
        """Their sum."""
        self.minimum = math.inf
        """The smallest of them; infinite without any."""
        self.maximum = 0.0
        """The largest of them; 0 without any."""

    def add(self, value: float) -> None:
        """Counts a value."""
        if value > 0:
            mantissa, exponent = math.frexp(value)  # 0.5 <= mantissa < 1
            key = exponent * _PER_OCTAVE + int((mantissa - 0.5) * (2 * _PER_OCTAVE))
        else:
            value, key = 0.0, _NONE
        classes = self._classes
        classes[key] = classes.get(key, 0) + 1
        self.count += 1
        self.total += value
        # Comparisons and not max and min, which cost a call for each frame.
        if value > self.maximum:  # noqa: PLR1730 # see above
            self.maximum = value
        if value < self.minimum:  # noqa: PLR1730 # see above
            self.minimum = value

    @property
    def mean(self) -> float | None:
        """The mean; None without any value."""
        return self.total / self.count if self.count else None

    def percentile(self, percent: float) -> float | None:
        """The value that so many per cent of all do not exceed; None without any value.

        Args:
            percent: Above 0, up to 100.
        """
        if not self.count:
            return None
        # The smallest value with at least so many at or below it; rounded as 99.9 % of 1000 is 999 and no more.
        rank = max(1, math.ceil(round(self.count * percent / 100, 6)))
        if rank >= self.count:
            return self.maximum
        seen = 0
        for key in sorted(self._classes):
            seen += self._classes[key]
            if seen >= rank:
                return min(max(_edge(key, 0.5), self.minimum), self.maximum)
        raise AssertionError("the classes hold fewer values than were counted")

    def bins(self) -> Iterator[tuple[float, int]]:
        """The classes that hold something, from the smallest: upper edge, and how many values are in it."""
        for key in sorted(self._classes):
            yield _edge(key, 1.0), self._classes[key]


def _edge(key: int, part: float) -> float:
    """How far a class reaches after a part of its width."""
    if key == _NONE:
        return 0.0
    exponent, step = divmod(key, _PER_OCTAVE)
    return math.ldexp(0.5 + (step + part) / (2 * _PER_OCTAVE), exponent)
