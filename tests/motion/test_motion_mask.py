"""Polygons in which nothing counts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from watched_yard import Watch, count, with_squares, yard

from framewire.errors import ConfigurationError
from framewire.motion import MotionDetector
from framewire.motion.grid import Grid
from framewire.motion.mask import paint

LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
PICTURE = yard()


def crossing(y: int) -> list[Any]:
    return [with_squares(PICTURE, ((x, y, 40, 60), 220)) for x in range(0, 600, 6)]


def test_motion_under_the_mask_is_not_told_and_beside_it_is() -> None:
    watch = Watch("high", [LEFT_HALF])
    watch.learn(PICTURE)
    found = watch.show_all(crossing(200))
    # The square of 40 pixels reaches the right half at x = 281: the 47th picture.
    assert count(found[:46]) == 0
    assert count(found[50:]) == len(found[50:])
    assert all(box.l >= 0.5 for detection in found if detection for box in detection.boxes)


def test_the_area_under_the_mask_does_not_count() -> None:
    whole, half = Watch("medium"), Watch("medium", [LEFT_HALF])
    for watch in (whole, half):
        watch.learn(PICTURE)
    for x in range(260, 302, 3):
        seen = [watch.show(with_squares(PICTURE, ((x, 180, 80, 80), 220))) for watch in (whole, half)]
    assert seen[0] is not None
    assert seen[1] is not None
    assert 0.025 < seen[0].area < 0.033
    # 59 of its 80 columns are in the right half.
    assert 0.017 < seen[1].area < 0.025


def test_a_light_that_flickers_under_the_mask_hides_nothing_beside_it() -> None:
    watch = Watch("medium", [((0, 0), (0.9, 0), (0.9, 1), (0, 1))])
    watch.learn(PICTURE)
    found = []
    for number in range(45):
        picture = with_squares(PICTURE, ((0, 0, 576, 360), 250 if number % 2 else 10))
        found.append(watch.show(with_squares(picture, ((600, 4 * number, 30, 60), 10))))
    assert count(found[5:]) == 40
    assert watch.detector.relearned == 0


def test_a_cell_that_a_polygon_touches_does_not_count() -> None:
    # 640 x 360 has cells of 4 x 4 pixels: this polygon covers columns 65 to 129 and rows 36 to 71.
    grid = Grid(640, 360, [((0.102, 0.102), (0.202, 0.102), (0.202, 0.198), (0.102, 0.198))])
    assert (grid.columns, grid.rows) == (160, 90)
    assert grid.counted is not None
    rows, columns = np.nonzero(grid.counted == 0)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (16, 32, 9, 17)
    assert grid.counted_cells == 160 * 90 - 17 * 9


def test_polygons_may_overlap() -> None:
    square = ((0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.0, 0.5))
    assert np.array_equal(paint([square, square], 100, 100), paint([square], 100, 100))


def test_under_a_mask_over_everything_nothing_moves() -> None:
    watch = Watch("high", [((0, 0), (1, 0), (1, 1), (0, 1))])
    watch.learn(PICTURE)
    assert count(watch.show_all(crossing(200))) == 0


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        ([[(0, 0), (1, 1)]], "mask polygon 1 has 2 corners"),
        ([LEFT_HALF, [(0, 0), (1, 1), (0, 0)]], "mask polygon 2 has no area: its corners coincide"),
        ([[(0, 0), (1, 1), (0, 1.5)]], "mask polygon 1 has the coordinate 1.5"),
        ([[(0, 0), (1, 1), (0, -0.1)]], "mask polygon 1 has the coordinate -0.1"),
        ([[(0, 0), (1, 1), (0, math.nan)]], "mask polygon 1 has the coordinate nan"),
        ([[(0, 0), (1, 1), (0, True)]], "mask polygon 1 has the coordinate True"),
        ([[(0, 0), (1, 1), (0, "1")]], "mask polygon 1 has the coordinate '1'"),
        ([[(0, 0), (1, 1), (0, 1, 0)]], r"mask polygon 1 has the corner \(0, 1, 0\)"),
        ([[(0, 0), (1, 1), 0.5]], "mask polygon 1 has the corner 0.5"),
        ([[(0, 0), (1, 1), "01"]], "mask polygon 1 has the corner '01'"),
        (["abc"], "mask polygon 1 is 'abc'"),
        ([0.5], "mask polygon 1 is 0.5"),
        ([[(0, 0), (1, 1), "x" * 1000]], rf"mask polygon 1 has the corner '{'x' * 56}\.\.\.; allowed"),
    ],
)
def test_a_polygon_that_cannot_be_is_refused(mask: Any, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text) as refusal:
        MotionDetector("low", mask)
    assert refusal.value.allowed == "three or more corners [x, y], each a number from 0 to 1"
