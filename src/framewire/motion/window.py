"""The window in which motion is published once (topologies, section 2, eventAggregationWindow)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from framewire.errors import ConfigurationError
from framewire.motion.detection import Detection


@dataclass(frozen=True, slots=True)
class WindowedMotion:
    """What is published of one window.

    Attributes:
        timestamp: Of the first moving frame, in the ticks that it came with.
        detection: Of the frame with the largest moving area; of several, the first.
    """

    timestamp: int
    detection: Detection


class MotionWindow:
    """Thins what moves to one message for each window.

    The first moving frame opens a window. It lasts `window_s` and ends with the first frame after it, moving or not;
    a frame exactly at its end belongs to the next. A clock that jumps back ends it too.

    Args:
        window_s: How long a window lasts, in seconds; 0 publishes every moving frame by itself, at once.

    Raises:
        ConfigurationError: The window is negative or no number.
    """

    def __init__(self, window_s: float) -> None:
        if not (math.isfinite(window_s) and window_s >= 0):
            raise ConfigurationError(f"an event aggregation window of {window_s} s cannot be", allowed="0 s or longer")
        self._window_s = window_s
        self._open: WindowedMotion | None = None
        self._opened_s = 0.0

    def add(self, timestamp: int, time_s: float, detection: Detection | None) -> list[WindowedMotion]:
        """Takes one frame.

        Args:
            timestamp: Of the frame, in any ticks; it comes back with the message.
            time_s: The same moment in seconds.
            detection: What moves in it; None when nothing does.

        Returns:
            What is to be published now, the oldest first.
        """
        due: list[WindowedMotion] = []
        # Written so that a time that is no number ends the window, too: what is open never stays open.
        if self._open is not None and not 0 <= time_s - self._opened_s < self._window_s:
            due += self.finish()
        if detection is None:
            return due
        if self._window_s == 0:
            return [*due, WindowedMotion(timestamp, detection)]
        if self._open is None:
            self._open = WindowedMotion(timestamp, detection)
            self._opened_s = time_s
        elif detection.area > self._open.detection.area:
            self._open = WindowedMotion(self._open.timestamp, detection)
        return due

    def finish(self) -> list[WindowedMotion]:
        """Ends the window that is open: what is still to be published, at most one."""
        due = [] if self._open is None else [self._open]
        self._open = None
        return due
