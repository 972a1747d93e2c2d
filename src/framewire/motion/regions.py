"""From cells that move to boxes."""

from __future__ import annotations

import math
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from framewire.model.geometry import Rectangle
from framewire.motion.detection import Detection
from framewire.motion.grid import Cells, Grid

_CONFIRM_S = 0.12
"""What was seen for a shorter time is a flicker."""

_MOST_CONFIRMATIONS = 10
_SPEED = 20
"""So many cells a second the edge of a region may be ahead of where it was; the rest of it overlaps itself."""

_FAST = 120
_LARGE = 0.008
"""What covers so much of the frame may move that fast, and overlap itself no more. Less is rain or an insect."""

_MOST_DELAY_S = 0.4
_RESTLESS = 0.0015
_RESTLESS_S = 4.0
"""For each 0.15 per cent of the frame that came and went unconfirmed in the last seconds, a frame more must confirm."""

_CONFIRMED = 0.4
"""The part of a region that was there before. Drops of rain that fall near each other reach a few per cent."""

_LONGEST_REACH = 24
_STANDING = 0.8
"""What was put down, or was taken away, stands still as a whole; of what moves, the even parts do."""

_MOST_BOXES = 64
_JOIN = np.ones((5, 5), np.uint8)
_NEAR = np.ones((5, 5), np.uint8)

_Box = tuple[int, int, int, int]
"""Left, top, right and bottom in cells; right and bottom are the first cells outside."""


class Regions:
    """Joins cells to regions and keeps those that last.

    Args:
        grid: Of the frames.
        smallest: Smallest moving area, as a part of the frame.
    """

    def __init__(self, grid: Grid, smallest: float) -> None:
        self._grid = grid
        self._fewest_cells = max(4, round(smallest * grid.cells))
        self._seen = np.zeros((grid.rows, grid.columns), np.uint8)
        self._seen_around = np.zeros_like(self._seen)
        self._restless = 0.0
        self._joined = np.empty_like(self._seen)
        self._one = np.ones_like(self._seen)

    def forget(self) -> None:
        """Forgets what was seen in earlier frames."""
        self._seen[:] = 0
        self._seen_around[:] = 0

    def join(self, strong: Cells, weak: Cells) -> Cells:
        """Which cells move: those that surely do, and those near them that may."""
        cv2.dilate(strong, _NEAR, dst=self._joined)
        cv2.bitwise_and(self._joined, weak, dst=self._joined)
        cv2.morphologyEx(self._joined, cv2.MORPH_CLOSE, _JOIN, dst=self._joined)
        return self._joined

    def confirm(self, moving: Cells, stands: Cells, period_s: float) -> Detection | None:
        """Finds the regions that are large enough, were there before and do not stand still.

        Args:
            moving: 255 where something differs from the background.
            stands: 255 where it has not changed for a while.
            period_s: Usual time from frame to frame, in seconds.
        """
        _count_frames(self._seen, moving, _SPEED * period_s, self._one)
        _count_frames(self._seen_around, moving, _FAST * period_s, self._one)
        more = min(self._restless / _RESTLESS, _MOST_DELAY_S / period_s)
        needed = min(math.ceil(_CONFIRM_S / period_s) + 1 + int(more), _MOST_CONFIRMATIONS)
        large = self._large(moving)
        # Each cell is looked at once: regions may be many, and their boxes overlap.
        lasts, lasts_around = (_as_mask(counts >= needed) for counts in (self._seen, self._seen_around))
        standing = cv2.bitwise_and(stands, moving)
        lasting: list[tuple[_Box, int]] = []
        confirmed = 0
        for left, top, width, height, cells in large[:_MOST_BOXES]:
            inside = slice(top, top + height), slice(left, left + width)
            seen = lasts if cells < _LARGE * self._grid.cells else lasts_around
            if cv2.countNonZero(seen[inside]) < _CONFIRMED * cells:
                continue
            confirmed += cells
            if cv2.countNonZero(standing[inside]) <= _STANDING * cells:
                lasting.append(((left, top, left + width, top + height), cells))
        unconfirmed = cv2.countNonZero(moving) - confirmed
        self._restless += (unconfirmed / self._grid.cells - self._restless) * min(1.0, period_s / _RESTLESS_S)
        if not lasting:
            return None
        of = (self._grid.columns, self._grid.rows)
        return Detection(
            boxes=tuple(
                Rectangle.from_pixels(left, top, right - left, bottom - top, of=of)
                for left, top, right, bottom in _merged(lasting)
            ),
            area=sum(cells for _, cells in lasting) / self._grid.cells,
        )

    def _large(self, moving: Cells) -> list[list[int]]:
        """Left, top, width, height and number of cells of regions that are large enough, the largest first."""
        left, top, width, height = cv2.boundingRect(moving)
        if not width:
            return []
        part = moving[top : top + height, left : left + width]
        # Numbers of 16 bits take half the time, and a region has its neighbours at a distance: no grid of this size
        # has more than a quarter of its cells as regions. Pictures one pixel high have larger grids.
        kind = cv2.CV_16U if part.size <= 1 << 16 else cv2.CV_32S
        _, _, regions, _ = cv2.connectedComponentsWithStats(part, connectivity=8, ltype=kind)
        large = [
            [left + x, top + y, w, h, cells]
            for x, y, w, h, cells in regions[1:].tolist()
            if cells >= self._fewest_cells
        ]
        large.sort(key=lambda region: -region[4])
        return large


def _count_frames(seen: Cells, moving: Cells, reach: float, one: Cells) -> None:
    """Counts for each cell in how many frames in a row something has moved there or come from near by."""
    side = 2 * min(max(1, round(reach)), _LONGEST_REACH) + 1
    cv2.dilate(seen, _square(side), dst=seen)
    cv2.add(seen, one, dst=seen)
    cv2.bitwise_and(seen, moving, dst=seen)


@cache
def _square(side: int) -> Cells:
    return np.ones((side, side), np.uint8)


def _as_mask(condition: npt.NDArray[np.bool_]) -> Cells:
    """The same bytes, 0 and 1."""
    return condition.view(np.uint8)


def _merged(regions: list[tuple[_Box, int]]) -> list[_Box]:
    """Joins boxes that overlap until none do, and puts those with the most moving cells first."""
    merged: list[tuple[_Box, int]] = []
    for box, cells in regions:
        joined, total = box, cells
        # A box that has grown may reach others, so all are looked at again.
        while touching := next((other for other in merged if _overlap(joined, other[0])), None):
            merged.remove(touching)
            joined, total = _union(joined, touching[0]), total + touching[1]
        merged.append((joined, total))
    merged.sort(key=lambda region: -region[1])
    return [box for box, _ in merged]


def _union(one: _Box, other: _Box) -> _Box:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def _overlap(one: _Box, other: _Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
