"""Which frames an extension is sent. Pure: it owns no clock."""

from __future__ import annotations

TICKS_PER_S = 90_000
"""Of the timestamps (contract, section 7)."""

_EARLY = 0.1
_MOST_EARLY = 1350
"""By how much of a period a frame may come early, and at most so many ticks (15 ms): cameras do not keep time to the
millisecond, and 5 of 15 frames a second would otherwise become 3.75."""


class Sampler:
    """Picks frames so that no more than a rate are taken, evenly.

    Args:
        samples_per_s: Most frames in a second; None takes all.
    """

    def __init__(self, samples_per_s: float | None) -> None:
        self._period = None if samples_per_s is None else TICKS_PER_S / samples_per_s
        self._due: float | None = None
        self._last = 0

    def takes(self, timestamp: int) -> bool:
        """Whether the frame of this media time (ticks) is taken.

        Times that jump, back or far ahead, start the count anew.
        """
        if self._period is None:
            return True
        due, self._last, last = self._due, timestamp, self._last
        if due is None or timestamp < last or timestamp - due > self._period:
            self._due = timestamp + self._period
            return True
        if timestamp < due - min(_EARLY * self._period, _MOST_EARLY):
            return False
        # From when it was due and not from now on: being late once does not slow the rest.
        self._due = due + self._period
        return True
