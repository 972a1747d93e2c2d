"""Timestamps that only grow, whatever the medium says."""

from __future__ import annotations

from framewire.capture.clock import TICKS_PER_S

JUMP_TICKS = 10 * TICKS_PER_S
"""A step ahead by more than this, beyond the time that has really passed, is a jump and not a pause."""

STUMBLE_TICKS = TICKS_PER_S // 2
"""A step back by less than this is a picture out of order, not a clock that was set."""


class MediaTime:
    """Places the pictures of one capture in time: wall clock at the session's start + presentation time.

    Media are not to be trusted here: cameras restart their count, set their clocks, lose them; recordings loop. What
    does not fit is taken as the start of a new count, at the place where the picture is due. When the wall clock is set
    back, the next sessions follow on the last timestamp, until the clock has caught up.

    Args:
        is_live: Whether pictures come at their own pace, so that arrival says how much time has passed.

    Attributes:
        jumps: How often the medium's time made no sense.
    """

    def __init__(self, *, is_live: bool) -> None:
        self.is_live = is_live
        self.jumps = 0
        self._last: int | None = None
        self._base = 0
        self._offset: int | None = None
        self._is_fresh = True
        self._arrived_s = 0.0

    def begin(self, wall: int, arrived_s: float) -> None:
        """A session starts.

        Args:
            wall: The wall clock in ticks. Only the first counts for a recording: a loop follows on.
            arrived_s: The steady clock.
        """
        if self._last is None or self.is_live:
            self._base = wall
        self._offset = None
        self._is_fresh = True
        self._arrived_s = arrived_s

    def place(self, media: int | None, *, arrived_s: float, period: int) -> int:
        """Returns the timestamp of the next picture; it is more than the last.

        Args:
            media: The medium's own time in ticks; None where it has none.
            arrived_s: When the picture came, by the steady clock.
            period: Ticks from picture to picture where nothing else says how many.
        """
        passed = max(1, round((arrived_s - self._arrived_s) * TICKS_PER_S))
        self._arrived_s = arrived_s
        placed = self._place(media, passed=passed, period=max(1, period))
        self._last = placed
        return placed

    def _place(self, media: int | None, *, passed: int, period: int) -> int:
        last = self._last
        step = passed if self.is_live else period
        if self._is_fresh:
            self._is_fresh = False
            due = self._base if last is None else max(self._base if self.is_live else 0, last + period)
            self._offset = None if media is None else due - media
            return due
        assert last is not None
        if media is None:
            # One of many without a time has its place between the others, however late it came.
            return last + (step if self._offset is None else period)
        if self._offset is None:
            # As with the first picture of an RTSP session, which FFmpeg gives no time.
            self._offset = last + period - media
        placed = media + self._offset
        if last - STUMBLE_TICKS < placed <= last:
            return last + 1
        if placed <= last or placed - last > JUMP_TICKS + (passed if self.is_live else 0):
            self.jumps += 1
            placed = last + step
            self._offset = placed - media
        return placed
