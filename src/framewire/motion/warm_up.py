"""The first moments, in which nothing is known yet."""

from __future__ import annotations

import cv2

from framewire.motion.grid import Cells, Grid

_DURATION_S = 1.0
_MOST_FRAMES = 7
_FEWEST_FRAMES = 3
_UNSETTLED = 0.25
"""When so much of the picture still changes, it is too early to learn from it."""


class WarmUp:
    """Keeps a few frames over about a second; their middle levels leave out what passes by.

    Args:
        grid: Of the frames.
        contrast: Smallest difference that counts, in grey levels.

    Attributes:
        frames: What was kept, the oldest first.
    """

    def __init__(self, grid: Grid, contrast: int) -> None:
        self.frames: list[Cells] = []
        self._grid = grid
        self._contrast = contrast
        self._passed_s = 0.0
        self._since_kept_s = 0.0

    def add(self, cells: Cells, step_s: float) -> bool:
        """Takes one frame, which nobody changes any more.

        Args:
            cells: The frame.
            step_s: Seconds since the frame before.

        Returns:
            Whether there is enough to begin.
        """
        if self.frames and not self._is_settled(cells):
            self.frames.clear()
        if not self.frames:
            self.frames.append(cells)
            self._passed_s = self._since_kept_s = 0.0
            return False
        self._passed_s += step_s
        self._since_kept_s += step_s
        # The last place is for the frame that ends it.
        if self._passed_s >= _DURATION_S and len(self.frames) >= _FEWEST_FRAMES - 1:
            self.frames.append(cells)
            return True
        if self._since_kept_s >= _DURATION_S / (_MOST_FRAMES - 1):
            self._since_kept_s = 0.0
            self.frames.append(cells)
        return False

    def _is_settled(self, cells: Cells) -> bool:
        _, changed = cv2.threshold(cv2.absdiff(cells, self.frames[-1]), 2 * self._contrast, 255, cv2.THRESH_BINARY)
        return cv2.countNonZero(changed) <= _UNSETTLED * max(1, self._grid.counted_cells)
