"""Presentation times that only grow."""

from __future__ import annotations


class Timeline:
    """Turns the times that a medium carries into seconds since the first frame.

    Media are not to be trusted here: a clip starts at any time, a loop starts over, a camera that restarts jumps back,
    some frames carry no time. Each time that would not grow is taken as the start of a new count, one frame later.

    Args:
        period_s: Seconds from frame to frame where the medium does not say.
    """

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._offset_s: float | None = None
        self._last_s: float | None = None

    def place(self, time_s: float | None) -> float:
        """Returns the time of the next frame, 0 for the first and more for each that follows.

        Args:
            time_s: The medium's own time; None where it has none.
        """
        due_s = 0.0 if self._last_s is None else self._last_s + self._period_s
        if time_s is None:
            placed_s = due_s
        else:
            if self._offset_s is None:
                self._offset_s = due_s - time_s
            placed_s = time_s + self._offset_s
            if self._last_s is not None and placed_s <= self._last_s:
                self._offset_s = due_s - time_s
                placed_s = due_s
        self._last_s = placed_s
        return placed_s
