"""What tells the light and the camera from things, apart from the detector."""

from __future__ import annotations

import numpy as np

from framewire.motion.background import Background
from framewire.motion.grid import Cells, Grid
from framewire.motion.light import Tone, Upheavals, changed_tiles, fit_tone
from framewire.motion.warm_up import WarmUp

GRID = Grid(160, 90)


def changed(columns: int) -> Cells:
    """The left columns of the picture have changed."""
    cells = np.zeros((90, 160), np.uint8)
    cells[:, :columns] = 255
    return cells


def test_a_quarter_of_the_picture_at_once_is_an_upheaval() -> None:
    for columns, is_one in ((39, False), (42, True)):
        upheavals = Upheavals()
        assert not upheavals.happens(changed(0), 0.0, 0.1)
        assert upheavals.happens(changed(columns), columns / 160, 0.1) is is_one


def test_what_grows_slowly_is_none_up_to_half_of_the_picture() -> None:
    upheavals = Upheavals()
    verdicts = [upheavals.happens(changed(columns), columns / 160, 0.1) for columns in range(84)]
    assert verdicts == [False] * 81 + [True] * 3


def test_a_little_in_most_parts_of_the_picture_at_once_is_an_upheaval() -> None:
    grating = np.zeros((90, 160), np.uint8)
    grating[:, ::20] = 255
    assert changed_tiles(grating) == 16
    assert Upheavals().happens(grating, 0.05, 0.1)
    upheavals = Upheavals()
    for _ in range(5):
        upheavals.happens(changed(5), 0.03, 0.1)
    # Where something moves all the time, it takes more.
    assert not upheavals.happens(grating, 0.05, 0.1)


def test_tiles_of_any_grid_are_counted() -> None:
    for shape in ((1, 1), (2, 3), (3, 200), (135, 240)):
        assert changed_tiles(np.zeros(shape, np.uint8)) == 0
        assert changed_tiles(np.full(shape, 255, np.uint8)) == min(4, shape[0]) * min(4, shape[1])


def test_a_change_of_light_is_found_though_a_third_of_the_picture_moves() -> None:
    chance = np.random.default_rng(1)
    before = chance.integers(20, 220, 900).astype(np.uint8)
    after = np.rint(before * 0.7 + 12).astype(np.uint8)
    after[:300] = 240
    tone = fit_tone(before, after)
    assert abs(tone.gain - 0.7) < 0.02
    assert abs(tone.offset - 12) < 2


def test_where_no_line_fits_the_light_is_left_alone() -> None:
    before = np.arange(20, 220, dtype=np.uint8)
    assert fit_tone(before, 240 - before) == Tone(1.0, 0.0)
    assert fit_tone(before[:10], before[:10]) == Tone(1.0, 0.0)


def test_a_picture_that_wavers_everywhere_moves_nowhere() -> None:
    background = Background([np.full((90, 160), 100, np.uint8)], GRID, 9)
    noisy = np.where(np.indices((90, 160)).sum(axis=0) % 2, np.uint8(112), np.uint8(88))
    assert background.compare(noisy) == 1.0
    assert np.count_nonzero(background.strong) == 0
    noisy[10:20, 10:20] = 160
    background.compare(noisy)
    assert np.count_nonzero(background.strong) == 100


def test_a_picture_must_settle_before_it_is_learned() -> None:
    warm_up = WarmUp(GRID, 15)
    dark, bright = np.full((90, 160), 50, np.uint8), np.full((90, 160), 150, np.uint8)
    assert not any(warm_up.add(bright if n % 2 else dark, 0.1) for n in range(50))
    verdicts = [warm_up.add(bright, 0.125) for _ in range(8)]
    assert verdicts == [False] * 7 + [True]
    assert len(warm_up.frames) == 5


def test_three_frames_are_enough_of_a_slow_camera() -> None:
    warm_up = WarmUp(GRID, 15)
    assert [warm_up.add(np.full((90, 160), 50, np.uint8), 1.0) for _ in range(3)] == [False, False, True]
