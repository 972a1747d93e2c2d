"""Changes of the whole picture: its light, its exposure, its camera. None of them is motion."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from framewire.motion.grid import Cells

_TILES = 4
_TILES_AT_ONCE = 9
"""Things do not appear in 9 of the 16 parts of a picture at once; a knocked camera changes edges everywhere."""

_TILE_CHANGED = 0.03
_SOME_SHARE = 0.015
_MOST_GAIN = 4.0
_TIMES_CALM = 3.0
"""Where much moves all the time, a little more is nothing new."""

_SUDDEN_S = 0.3
_SUDDEN_SHARE = 0.25
_MOST_SHARE = 0.5
_LONGEST_MEMORY = 64


@dataclass(frozen=True, slots=True)
class Tone:
    """How the light has changed: a level of the background looks like `gain` times itself plus `offset` now."""

    gain: float
    offset: float

    def table(self) -> npt.NDArray[np.uint8]:
        """What each of the 256 levels looks like now."""
        levels = np.rint(np.arange(256) * self.gain + self.offset)
        return np.asarray(np.clip(levels, 0, 255), np.uint8)


def fit_tone(background: npt.NDArray[np.uint8], picture: npt.NDArray[np.uint8]) -> Tone:
    """Finds the change of light between two samples of the same cells.

    A line is fitted, then fitted again to what lies near it: cells on which something moves drop out, as long as they
    are the fewer. When there is no such line, as after the infrared filter has swung away, nothing is changed.

    Args:
        background: (n,) uint8, the levels as they were.
        picture: (n,) uint8, the levels as they are.
    """
    # Clipped levels do not follow the line.
    usable = (picture > 2) & (picture < 253)
    x, y = background[usable].astype(np.float32), picture[usable].astype(np.float32)
    if x.size < 16:
        return Tone(1.0, 0.0)
    gain, offset = 1.0, float(np.median(y - x))
    for _ in range(4):
        error = np.abs(y - gain * x - offset)
        near = error <= 2.5 * float(np.median(error)) + 1.0
        some_x, some_y = x[near], y[near]
        mean_x, mean_y = float(some_x.mean()), float(some_y.mean())
        spread = float(((some_x - mean_x) ** 2).mean())
        # A picture of one level tells nothing of the gain.
        if spread > 16.0:
            gain = float(((some_x - mean_x) * (some_y - mean_y)).mean()) / spread
            if not 1 / _MOST_GAIN <= gain <= _MOST_GAIN:
                return Tone(1.0, 0.0)
        offset = mean_y - gain * mean_x
    return Tone(gain, offset)


class Upheavals:
    """Tells when so much changes so fast that it is the light or the camera, and not a thing.

    Attributes:
        calm_share: The least share of the picture that was changed in the last moments.
    """

    def __init__(self) -> None:
        self.calm_share = 0.0
        self._time_s = 0.0
        self._recent: deque[tuple[float, float]] = deque(maxlen=_LONGEST_MEMORY)

    def happens(self, changed: Cells, share: float, step_s: float) -> bool:
        """Takes one frame.

        Args:
            changed: 255 where the picture differs from the background.
            share: The part of the picture that does.
            step_s: Seconds since the frame before.
        """
        self._time_s += step_s
        while len(self._recent) > 1 and self._recent[1][0] <= self._time_s - _SUDDEN_S:
            self._recent.popleft()
        self.calm_share = min((before for _, before in self._recent), default=0.0)
        self._recent.append((self._time_s, share))
        if share > _MOST_SHARE or share - self.calm_share > _SUDDEN_SHARE:
            return True
        is_sudden = share > _SOME_SHARE + _TIMES_CALM * self.calm_share
        return is_sudden and changed_tiles(changed) >= _TILES_AT_ONCE


def changed_tiles(changed: Cells) -> int:
    """In how many of the 16 parts of the picture at least 3 per cent of the cells changed (255 in `changed`)."""
    rows, columns = changed.shape
    number = 0
    for row in range(_TILES):
        for column in range(_TILES):
            tile = changed[
                row * rows // _TILES : (row + 1) * rows // _TILES,
                column * columns // _TILES : (column + 1) * columns // _TILES,
            ]
            number += bool(tile.size) and cv2.countNonZero(tile) >= _TILE_CHANGED * tile.size
    return number
