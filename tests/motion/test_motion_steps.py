"""Time from frame to frame, and the grid, apart from the detector."""

from __future__ import annotations

import math

import numpy as np
import pytest

from framewire.motion.grid import Grid
from framewire.motion.pace import Pace


def test_steps_are_the_time_between_frames() -> None:
    pace = Pace()
    assert pace.step(100.0) == pytest.approx(1 / 15)
    assert [pace.step(time_s) for time_s in (100.2, 100.4, 100.6)] == pytest.approx([0.2, 0.2, 0.2])
    assert pace.period_s == pytest.approx(0.2)


@pytest.mark.parametrize("time_s", [100.6, 3.0, -5.0, math.nan, -math.inf])
def test_a_clock_that_stands_or_jumps_back_counts_as_the_usual_period(time_s: float) -> None:
    pace = Pace()
    for known_s in (100.0, 100.2, 100.4, 100.6):
        pace.step(known_s)
    assert pace.step(time_s) == pytest.approx(0.2)
    assert pace.period_s == pytest.approx(0.2)


@pytest.mark.parametrize("time_s", [102.0, 1e12, math.inf])
def test_a_gap_counts_as_a_second(time_s: float) -> None:
    pace = Pace()
    pace.step(100.0)
    assert pace.step(time_s) == 1.0


def test_a_clock_that_has_jumped_goes_on_from_there() -> None:
    pace = Pace()
    for time_s in (100.0, 100.1, 5.0):
        pace.step(time_s)
    assert pace.step(5.1) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("size", "cells"),
    [
        ((1920, 1080), (240, 135)),
        ((1280, 720), (160, 90)),
        ((640, 360), (160, 90)),
        ((3840, 2160), (240, 135)),
        ((720, 576), (180, 144)),
        ((1080, 1920), (135, 240)),
        ((1927, 1087), (240, 135)),
        ((160, 90), (160, 90)),
        ((1, 1), (1, 1)),
        ((100_000, 1), (100_000, 1)),
    ],
)
def test_pictures_of_any_size_become_a_grid_of_much_the_same_size(
    size: tuple[int, int], cells: tuple[int, int]
) -> None:
    grid = Grid(*size)
    assert (grid.columns, grid.rows) == cells
    assert grid.shrink(np.zeros((size[1], size[0]), np.uint8)).shape == (cells[1], cells[0])


def test_a_cell_is_the_mean_of_its_pixels() -> None:
    picture = np.zeros((360, 640), np.uint8)
    picture[8:12, 16:20] = 200
    picture[8:10, 20:24] = 100
    cells = Grid(640, 360).shrink(picture)
    assert cells[2, 4] == 200
    assert cells[2, 5] == 50
    assert np.count_nonzero(cells) == 2


def test_a_small_picture_is_copied() -> None:
    picture = np.full((9, 16), 7, np.uint8)
    cells = Grid(16, 9).shrink(picture)
    picture[:] = 0
    assert cells.min() == 7
