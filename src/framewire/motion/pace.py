"""How much time lies between frames, whatever their clock says."""

from __future__ import annotations

import math

_USUAL_PERIOD_S = 1 / 15
_LONGEST_STEP_S = 1.0


class Pace:
    """Turns the times of frames into steps that can be relied on.

    Attributes:
        period_s: The usual time from frame to frame, in seconds.
    """

    def __init__(self) -> None:
        self.period_s = _USUAL_PERIOD_S
        self._last_s = math.nan
        self._seen = 0

    def step(self, time_s: float) -> float:
        """Takes the time of the next frame.

        Args:
            time_s: In seconds, from any beginning.

        Returns:
            Seconds since the frame before, more than 0 and at most 1: the usual period when the clock stands, jumps
            back or is no number. A gap counts as a second: nothing has been learned in it.
        """
        passed_s = time_s - self._last_s
        self._last_s = time_s
        if not passed_s > 0:
            return self.period_s
        step_s = min(passed_s, _LONGEST_STEP_S)
        # Quick at first: the rate is not known. Slow then: a hiccup of the network is not another rate.
        self._seen = min(self._seen + 1, 20)
        self.period_s += (step_s - self.period_s) / self._seen
        return step_s
