"""The motion detector: luma planes go in, boxes of what moves come out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from framewire.errors import FrameError
from framewire.motion.background import Background
from framewire.motion.detection import Detection, Sensitivity, profile_of
from framewire.motion.grid import Cells, Grid
from framewire.motion.light import Upheavals, fit_tone
from framewire.motion.mask import checked_mask
from framewire.motion.pace import Pace
from framewire.motion.regions import Regions
from framewire.motion.warm_up import WarmUp

_SHIFTED = 2
"""When the middle cell is so many levels brighter or darker, the light has changed."""

_LARGE_SHARE = 0.1
_BETTER = 0.7
_BACK_AGAIN = 0.02


class MotionDetector:
    """Finds what moves in the pictures of one camera, against a background that it learns.

    It holds about 40 bytes for each cell of a grid of 14,000 to 58,000 cells, whatever the size of the pictures, and no
    picture of the caller. It has no clock and no thread, and is used by one thread at a time.

    Args:
        sensitivity: How small and how faint a thing may be: `low`, `medium` or `high` (`PROFILES`).
        mask: Polygons in which nothing counts; corners (x, y) in fractions of the picture. A cell that a polygon
            touches does not count.

    Attributes:
        relearned: How often it started over, because the light or the camera changed.

    Raises:
        ConfigurationError: The sensitivity is unknown, or a polygon cannot be.
    """

    def __init__(self, sensitivity: Sensitivity = "medium", mask: Sequence[Sequence[tuple[float, float]]] = ()) -> None:
        self.relearned = 0
        self._profile = profile_of(sensitivity)
        self._mask = checked_mask(mask)
        self._pace = Pace()
        self._size = (0, 0)
        self._grid = Grid(1, 1)
        self._warm_up: WarmUp | None = None
        self._background: Background | None = None
        self._upheavals = Upheavals()
        self._regions = Regions(self._grid, self._profile.smallest)

    def update(self, luma: npt.NDArray[np.uint8], time_s: float) -> Detection | None:
        """Takes the next frame.

        Args:
            luma: (height, width) uint8, brightness; rows may be strided. It is read only during the call. Another size
                than before starts over.
            time_s: When it was taken, in seconds from any beginning. It should grow; when it stands or jumps, frames
                count as evenly spaced there.

        Returns:
            What moves; None when nothing does, and while the background is being learned: for a second at the start,
            and after the light or the camera changed.

        Raises:
            FrameError: `luma` is no picture of grey levels.
        """
        if luma.ndim != 2 or luma.dtype != np.uint8 or not luma.size:
            raise FrameError(
                f"motion cannot be found in an array of {luma.dtype} with shape {luma.shape}",
                allowed="uint8 with shape (height, width), at least 1 x 1",
            )
        step_s = self._pace.step(time_s)
        height, width = luma.shape
        if (width, height) != self._size:
            self._start_over(width, height)
        if not self._grid.counted_cells:
            return None
        cells = self._grid.shrink(luma)
        if self._warm_up is None and self._background is not None:
            return self._look(self._background, cells, step_s)
        self._begin(cells, step_s)
        return None

    def _start_over(self, width: int, height: int) -> None:
        self._size = (width, height)
        self._grid = Grid(width, height, self._mask)
        self._background = None
        self._warm_up = None
        self._upheavals = Upheavals()
        self._regions = Regions(self._grid, self._profile.smallest)

    def _begin(self, cells: Cells, step_s: float) -> None:
        """Learns what the picture looks like, at the start or after it has changed as a whole."""
        known = self._background
        if known is not None and known.compare(cells) <= self._upheavals.calm_share + _BACK_AGAIN:
            # A flash is over: everything is as it was.
            self._warm_up = None
            return
        if self._warm_up is None:
            self._warm_up = WarmUp(self._grid, self._profile.contrast)
        if self._warm_up.add(cells, step_s):
            self._background = Background(self._warm_up.frames, self._grid, self._profile.contrast)
            if known is not None:
                self._background.keep_wavering(known)
            self._warm_up = None
            self._upheavals = Upheavals()

    def _look(self, background: Background, cells: Cells, step_s: float) -> Detection | None:
        share = self._compare(background, cells)
        if self._upheavals.happens(background.strong, share, step_s):
            self.relearned += 1
            self._regions.forget()
            self._warm_up = WarmUp(self._grid, self._profile.contrast)
            self._warm_up.add(cells, step_s)
            return None
        moving = self._regions.join(background.strong, background.find_weak()) if share else None
        found = None
        if moving is None:
            self._regions.forget()
        else:
            found = self._regions.confirm(moving, background.stands, self._pace.period_s)
        background.learn(cells, moving, step_s)
        return found

    def _compare(self, background: Background, cells: Cells) -> float:
        """Which share of the cells differs from the background, after what the light has done to all of them."""
        share = background.compare(cells)
        is_shifted = abs(background.shift(cells)) >= _SHIFTED
        if not is_shifted and share < _LARGE_SHARE:
            return share
        tone = fit_tone(background.levels, cells.reshape(-1).take(background.sample))
        left = background.share_after(tone, cells)
        is_drift = is_shifted and share < _LARGE_SHARE
        if left > (share if is_drift else _BETTER * share):
            return share
        background.take_tone(tone)
        return background.compare(cells)
