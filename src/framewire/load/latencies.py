"""The latencies of a load: as a histogram that takes very many evenly spaced values at once."""

from __future__ import annotations

import math

from framewire.model.histogram import Histogram

_STEPS_OF_OCTAVE = 128


class Latencies(Histogram):
    """Latencies in seconds. Not for several threads."""

    __slots__ = ()

    def add_spread(self, longest_s: float, step_s: float, count: int) -> None:
        """Counts `count` values: the longest, and each of the others a step shorter than the one before.

        It takes as long for thousands of millions as for one of each class: some 128 for every halving.

        Args:
            longest_s: The first value, above 0.
            step_s: Above 0; the last value must not fall below 0.
            count: How many, 0 or more.
        """
        at = 0
        while at < count:
            value_s = longest_s - at * step_s
            # The first of a class is counted as any value, the rest of its class by how many lie above its lower edge.
            super().add(value_s)
            more = 0
            if value_s > 0:
                mantissa, exponent = math.frexp(value_s)
                step = int((mantissa - 0.5) * (2 * _STEPS_OF_OCTAVE))
                edge_s = math.ldexp(0.5 + step / (2 * _STEPS_OF_OCTAVE), exponent)
                more = min(int((value_s - edge_s) / step_s), count - at - 1)
                self._classes[exponent * _STEPS_OF_OCTAVE + step] += more
                self.count += more
                self.total += more * value_s - step_s * more * (more + 1) / 2
                self.minimum = min(self.minimum, value_s - more * step_s)
            at += 1 + more
