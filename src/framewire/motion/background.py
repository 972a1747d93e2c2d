"""The picture when nothing moves, and how much each part of it wavers by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from framewire.motion.grid import Cells, Grid
from framewire.motion.light import Tone

_TICK_S = 0.2
"""Nothing is learned more often: what changes slowly need not be looked at with every frame."""

_FOLLOW_S = 6.0
"""In this time the background takes on two thirds of a change that is too faint to be motion."""

_WAVER_S = 8.0
_WAVER_LONG_S = 60.0
"""Gusts come and go; what wavered a moment ago will do so again."""

_STANDS_S = 1.0
"""What has not changed for so long, and nothing near it, does not move any more."""

_STAY_S = 2.0
"""And after so long it is background."""

_NEAR = np.ones((9, 9), np.uint8)
"""The even side of a lorry stands still for a camera while it passes; its edges do not."""

_BESIDE = np.ones((3, 3), np.uint8)

_WEAK = 0.6
"""A cell beside one that surely moves needs this part of the difference only: things have faint edges."""

_TIMES_WAVERING = 4.5
_TIMES_LONG = 6.0
_TIMES_MIDDLE = 7.0
"""More than that of the middle cell's difference is motion: noise that is new is not known to each cell yet."""

_MOST_TIMES_CONTRAST = 4
"""A picture that differs by more is no noisy one, but another."""

_SAMPLE = 1_000


class Background:
    """Two layers of levels, a measure of noise, and thresholds, for each cell.

    The second layer is what a cell looked like before something came to stay: when a parked car leaves, the street
    under it is known.

    Args:
        frames: What the cells looked like while nothing was known, a few frames apart; one or more.
        grid: Of these frames.
        contrast: Smallest difference that counts, in grey levels.

    Attributes:
        difference: (rows, columns) uint8, to the nearer layer, of the frame last compared.
        strong: 255 where the difference is motion by itself, else 0.
        weak: 255 where it is motion beside other motion, else 0.
        stands: 255 where something differs from the background and nothing has changed for a second, else 0.
        sample: Indices of about 1,000 cells that count, evenly spread, into the flattened picture.
        levels: (n,) uint8, the first layer at the sample.
    """

    def __init__(self, frames: Sequence[Cells], grid: Grid, contrast: int) -> None:
        stack = np.stack(frames)
        self._first: npt.NDArray[np.float32] = np.median(stack, axis=0).astype(np.float32)
        self._second = self._first.copy()
        self._wavering: npt.NDArray[np.float32] = np.abs(stack - self._first).mean(axis=0, dtype=np.float32)
        self._wavering_long = self._wavering.copy()
        self._learned_s = 0.0
        self._grid = grid
        self._contrast = contrast
        self._since_tick_s = 0.0
        self._least = 0.0
        self._may_be_shifted = False
        shape = (grid.rows, grid.columns)
        self._first_picture = np.empty(shape, np.uint8)
        self._second_picture = np.empty(shape, np.uint8)
        self._to_second = np.empty(shape, np.uint8)
        self._upper = np.empty(shape, np.uint8)
        self._lower = np.empty(shape, np.uint8)
        self._anchor: Cells = stack[-1].copy()
        self._still_s = np.zeros(shape, np.float32)
        self._never_s = np.zeros(shape, np.float32)
        self.stands = np.zeros(shape, np.uint8)
        self.difference = np.empty(shape, np.uint8)
        self.strong = np.empty(shape, np.uint8)
        self.weak = np.empty(shape, np.uint8)
        places = np.arange(grid.cells) if grid.counted is None else np.flatnonzero(grid.counted)
        step = max(1, places.size // _SAMPLE)
        # With a common factor, the sample would lie in a few columns.
        while math.gcd(step, grid.columns) > 1:
            step += 1
        self.sample = places[::step]
        self._draw()
        self._set_thresholds()

    def keep_wavering(self, other: Background) -> None:
        """Takes over what another background of the same grid knows of wavering: the light changed, not the trees."""
        np.maximum(self._wavering, other._wavering, out=self._wavering)
        np.maximum(self._wavering_long, other._wavering_long, out=self._wavering_long)
        self._learned_s = other._learned_s
        self._set_thresholds()

    def compare(self, cells: Cells) -> float:
        """Compares a frame with both layers.

        Returns:
            The share of the cells that differ, 0..1.
        """
        cv2.absdiff(cells, self._first_picture, dst=self.difference)
        cv2.absdiff(cells, self._second_picture, dst=self._to_second)
        cv2.min(self.difference, self._to_second, dst=self.difference)
        cv2.compare(self.difference, self._upper, cv2.CMP_GT, dst=self.strong)
        share = cv2.countNonZero(self.strong) / max(1, self._grid.counted_cells)
        middle = int(_middle(self.difference.reshape(-1).take(self.sample)))
        self._least = min(_TIMES_MIDDLE * middle, _MOST_TIMES_CONTRAST * self._contrast)
        if self._least > self._contrast:
            _keep_above(self._least, self.difference, self.strong)
        # Half of the cells are as they were, in one of the layers: then the light is, too.
        self._may_be_shifted = middle > 0
        return share

    def shift(self, cells: Cells) -> int:
        """By how many levels the middle cell is brighter than the background, in the frame last compared."""
        if not self._may_be_shifted:
            return 0
        return int(_middle(np.subtract(cells.reshape(-1).take(self.sample), self.levels, dtype=np.int16)))

    def share_after(self, tone: Tone, cells: Cells) -> float:
        """The share of the cells that would differ if the light had changed like this."""
        toned = cv2.LUT(self._first_picture, tone.table())
        changed = cv2.compare(cv2.absdiff(cells, toned), self._upper, cv2.CMP_GT)
        if self._grid.counted is not None:
            changed = cv2.bitwise_and(changed, self._grid.counted)
        return cv2.countNonZero(changed) / max(1, self._grid.counted_cells)

    def take_tone(self, tone: Tone) -> None:
        """Takes on a change of light."""
        for layer in (self._first, self._second):
            np.clip(layer * np.float32(tone.gain) + np.float32(tone.offset), 0, 255, out=layer)
            if self._grid.counted is not None:
                layer[self._grid.counted == 0] = 0
        self._anchor = np.asarray(cv2.LUT(self._anchor, tone.table()), np.uint8)
        self._draw()

    def find_weak(self) -> Cells:
        """Where the frame last compared differs by less, but beside motion by enough."""
        cv2.compare(self.difference, self._lower, cv2.CMP_GT, dst=self.weak)
        if self._least > self._contrast:
            _keep_above(_WEAK * self._least, self.difference, self.weak)
        return self.weak

    def learn(self, cells: Cells, moving: Cells | None, step_s: float) -> None:
        """Learns from the frame last compared.

        Args:
            cells: The frame.
            moving: 255 where something moves; None when nothing does.
            step_s: Seconds since the frame before.
        """
        self._since_tick_s += step_s
        # A little less than the tick: frames come in steps, and 0.19999 s must not wait for one more.
        if self._since_tick_s < _TICK_S - 0.001:
            return
        passed_s, self._since_tick_s = self._since_tick_s, 0.0
        self._measure_wavering(passed_s)
        away = cv2.absdiff(cells, self._first_picture)
        same = np.asarray(cv2.compare(away, self._lower, cv2.CMP_LE), np.uint8)
        self._follow(cells, same, moving, passed_s)
        self._take_what_stays(cells, same, passed_s)
        self._draw()
        self._set_thresholds()

    def _measure_wavering(self, passed_s: float) -> None:
        self._learned_s += passed_s
        for wavering, constant_s in ((self._wavering, _WAVER_S), (self._wavering_long, _WAVER_LONG_S)):
            # Outliers count little: a road on which a car passes now and then does not waver.
            most = cv2.convertScaleAbs(wavering, alpha=2.0, beta=4.0)
            # As long as little is known, all of it counts alike.
            rate = _rate(passed_s, min(constant_s, max(self._learned_s, _WAVER_S)))
            cv2.accumulateWeighted(cv2.min(self.difference, most), wavering, rate)

    def _follow(self, cells: Cells, same: Cells, moving: Cells | None, passed_s: float) -> None:
        quiet = same
        if moving is not None:
            # Saturated: 255 where it is the same and nothing moves near by.
            quiet = np.asarray(cv2.subtract(same, cv2.dilate(moving, _BESIDE)), np.uint8)
        cv2.accumulateWeighted(cells, self._first, _rate(passed_s, _FOLLOW_S), mask=quiet)

    def _take_what_stays(self, cells: Cells, same: Cells, passed_s: float) -> None:
        changed = cv2.compare(cv2.absdiff(cells, self._anchor), self._lower, cv2.CMP_GT)
        cv2.copyTo(cells, changed, self._anchor)
        self._still_s += np.float32(passed_s)
        restless = cv2.bitwise_or(cv2.dilate(changed, _NEAR), same)
        cv2.copyTo(self._never_s, restless, self._still_s)
        np.multiply(self._still_s >= _STANDS_S, np.uint8(255), out=self.stands)
        stays = self._still_s >= _STAY_S
        if stays.any():
            self._second[stays] = self._first[stays]
            self._first[stays] = cells[stays]

    def _draw(self) -> None:
        cv2.convertScaleAbs(self._first, dst=self._first_picture)
        self.levels = self._first_picture.reshape(-1).take(self.sample)
        cv2.convertScaleAbs(self._second, dst=self._second_picture)

    def _set_thresholds(self) -> None:
        # Neighbours waver alike: what one leaf does today, the next will do tomorrow.
        self._upper[:] = self._contrast
        for wavering, times in ((self._wavering, _TIMES_WAVERING), (self._wavering_long, _TIMES_LONG)):
            around = cv2.max(cv2.blur(wavering, (5, 5)), wavering)
            cv2.max(self._upper, cv2.convertScaleAbs(around, alpha=times), dst=self._upper)
        cv2.convertScaleAbs(self._upper, dst=self._lower, alpha=_WEAK)


def _keep_above(level: float, difference: Cells, mask: Cells) -> None:
    _, above = cv2.threshold(difference, level, 255, cv2.THRESH_BINARY)
    cv2.bitwise_and(mask, above, dst=mask)


def _middle(values: npt.NDArray[Any]) -> Any:
    """The middle one of some values, whose order is lost."""
    half = values.size // 2
    values.partition(half)
    return values[half]


def _rate(passed_s: float, constant_s: float) -> float:
    """The share of the new in an average that forgets two thirds in `constant_s`."""
    return float(1 - np.exp(-passed_s / constant_s))
