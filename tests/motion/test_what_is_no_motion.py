"""Noise, light, weather, the camera itself: none of them moves. One test for each guard."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from watched_yard import Grey, Watch, blurred_leaves, count, overlap, pixels, with_squares, yard

PICTURE = yard()
CAR = (300, 220, 120, 50)


def gain(picture: Grey, factor: float) -> Grey:
    return np.asarray(np.clip(picture * factor + 0.5, 0, 255), np.uint8)


def finds_a_car(watch: Watch, picture: Grey) -> bool:
    """Whether a car that passes now is found in all but the first frames."""
    cars = [(20 + 8 * n, 220, 120, 50) for n in range(30)]
    found = watch.show_all(with_squares(picture, (car, 255)) for car in cars)
    last = found[-1]
    return count(found[5:]) == 25 and last is not None and overlap(pixels(last.boxes[0]), cars[-1]) >= 0.6


def test_the_first_second_is_for_learning() -> None:
    watch = Watch()
    found = watch.show_all(with_squares(PICTURE, ((10 * n, 100, 40, 40), 240)) for n in range(30))
    assert count(found[:16]) == 0
    assert count(found[20:]) == 10


def test_what_passes_while_the_background_is_learned_leaves_no_trace() -> None:
    watch = Watch()
    watch.learn(with_squares(PICTURE, ((200, 100, 80, 80), 240)), 0.2)
    watch.show_all(with_squares(PICTURE, ((200 + 40 * n, 100, 80, 80), 240)) for n in range(12))
    watch.learn(PICTURE, 5)


@pytest.mark.parametrize("noise", [2, 8, 20])
def test_noise_is_no_motion(noise: float) -> None:
    watch = Watch("high", noise=noise)
    watch.learn(PICTURE, 20)


def test_noise_that_grows_at_dusk_is_no_motion() -> None:
    watch = Watch("high", noise=2)
    watch.learn(PICTURE, 3)
    watch._noise = 25
    watch.learn(PICTURE, 10)


@pytest.mark.parametrize("frames", [1, 2])
def test_a_flicker_is_no_motion(frames: int) -> None:
    watch = Watch()
    watch.learn(PICTURE)
    flicker = with_squares(PICTURE, ((200, 100, 60, 60), 250))
    for _ in range(10):
        assert count(watch.show_all([flicker] * frames)) == 0
        watch.learn(PICTURE, 0.4)


def test_the_third_frame_confirms() -> None:
    watch = Watch()
    watch.learn(PICTURE)
    found = watch.show_all([with_squares(PICTURE, ((200, 100, 60, 60), 250))] * 3)
    assert [detection is None for detection in found] == [True, True, False]


@pytest.mark.parametrize("factor", [0.3, 0.6, 1.5])
def test_a_lamp_that_is_switched_is_no_motion(factor: float) -> None:
    watch = Watch("high")
    watch.learn(PICTURE)
    other = gain(PICTURE, factor)
    watch.learn(other, 4)
    assert finds_a_car(watch, other)
    watch.learn(PICTURE, 4)


def test_light_that_changes_in_a_part_of_the_picture_is_learned_within_seconds() -> None:
    watch = Watch("medium")
    watch.learn(PICTURE)
    lit = PICTURE.copy()
    lit[:, 320:] = gain(PICTURE, 1.4)[:, 320:]
    watch.stare(lit, 2)
    watch.learn(lit, 4)


def test_clouds_and_exposure_are_no_motion() -> None:
    watch = Watch("high")
    watch.learn(PICTURE)
    # 30 per cent darker within a second and a half, and back.
    factors = [0.85 + 0.15 * math.cos(2 * math.pi * n / 45) for n in range(150)]
    assert count(watch.show_all(gain(PICTURE, factor) for factor in factors)) == 0
    assert watch.detector.relearned == 0
    assert finds_a_car(watch, PICTURE)


def test_lightning_is_no_motion_and_all_is_known_after_it() -> None:
    watch = Watch("high")
    watch.learn(PICTURE)
    flash = np.full_like(PICTURE, 250)
    assert count(watch.show_all([flash, flash, PICTURE])) == 0
    assert finds_a_car(watch, PICTURE)


def test_the_infrared_filter_is_no_motion() -> None:
    watch = Watch("high")
    watch.learn(PICTURE)
    infrared = np.asarray(cv2.LUT(PICTURE, np.uint8(220) - np.arange(256, dtype=np.uint8) // 2))
    watch.learn(infrared, 4)
    assert finds_a_car(watch, infrared)


def test_a_knocked_camera_is_no_motion() -> None:
    watch = Watch("medium")
    watch.learn(PICTURE)
    shifted = np.roll(PICTURE, (9, 14), (0, 1))
    watch.learn(shifted, 10)
    assert finds_a_car(watch, shifted)


def test_a_camera_that_turns_all_the_time_is_not_told() -> None:
    watch = Watch("medium")
    watch.learn(PICTURE)
    wide = np.hstack([blurred_leaves(1, (1600, 360))] * 2)
    found = watch.show_all(wide[:, 9 * n : 9 * n + 640] for n in range(170))
    assert count(found) == 0


def test_a_car_that_parks_is_told_for_a_second_and_no_longer() -> None:
    watch = Watch("medium")
    watch.learn(PICTURE)
    watch.show_all(with_squares(PICTURE, ((8 * n, 220, 120, 50), 250)) for n in range(38))
    parked = with_squares(PICTURE, (CAR, 250))
    found = watch.stare(parked, 8)
    assert count(found[:12]) == 12
    assert count(found[30:]) == 0
    watch.learn(parked, 20)


def test_where_a_car_was_parked_nothing_moves_after_it_left() -> None:
    watch = Watch("medium")
    watch.learn(PICTURE)
    watch.stare(with_squares(PICTURE, (CAR, 250)), 20)
    for n in range(60):
        found = watch.show(with_squares(PICTURE, ((300 + 8 * n, 220, 120, 50), 250)))
        if found is not None and n > 20:
            (box,) = found.boxes
            assert box.l >= 0.5
    watch.learn(PICTURE, 10)


LEAVES = blurred_leaves(3, (260, 200))


def swaying(n: int, wind: float = 1.0) -> Grey:
    picture = PICTURE.copy()
    x, y = round(6 * wind * math.sin(n * 0.4)), round(4 * wind * math.sin(n * 0.27))
    picture[20:180, 350:570] = LEAVES[20 + y : 180 + y, 20 + x : 240 + x]
    return picture


def test_a_tree_in_the_wind_is_no_motion_once_it_is_known() -> None:
    watch = Watch("medium")
    watch.learn(swaying(0), 3)
    watch.show_all(swaying(n) for n in range(450))
    assert count(watch.show_all(swaying(n) for n in range(450, 900))) == 0
    found = watch.show_all(with_squares(swaying(n), ((2 * n - 1800, 220, 50, 90), 250)) for n in range(910, 950))
    assert count(found[6:]) == 34


def test_a_tree_is_known_from_gust_to_gust() -> None:
    watch = Watch("medium")
    winds = [0.65 + 0.35 * math.sin(2 * math.pi * n / 180) for n in range(8 * 180)]
    found = watch.show_all(swaying(n, wind) for n, wind in enumerate(winds))
    assert count(found[6 * 180 :]) <= 4


def test_what_parks_is_in_no_box_of_what_passes_it() -> None:
    watch = Watch("medium")
    watch.learn(PICTURE)
    parked = with_squares(PICTURE, (CAR, 250))
    watch.stare(parked, 5)
    for x in range(500, 424, -2):
        found = watch.show(with_squares(parked, ((x, 180, 30, 90), 250)))
    assert found is not None
    (box,) = found.boxes
    assert overlap(pixels(box), (426, 180, 30, 90)) >= 0.6


def test_a_wall_that_the_sun_reaches_slowly_is_no_motion() -> None:
    watch = Watch("high")
    watch.learn(PICTURE)
    pictures = []
    for n in range(900):
        picture = PICTURE.copy()
        picture[100:260, 400:600] += np.uint8(n // 15)
        pictures.append(picture)
    assert count(watch.show_all(pictures)) == 0


def test_key_frames_that_pump_are_no_motion() -> None:
    watch = Watch("high", noise=1)
    chance = np.random.default_rng(5)
    pictures = []
    for n in range(450):
        if n % 30 == 0:
            # Every other block is coded a little brighter or darker until the next key frame.
            blocks = chance.integers(-4, 5, (23, 40)).astype(np.float32)
            wrong = cv2.resize(blocks, (640, 368), interpolation=cv2.INTER_NEAREST)[:360]
        pictures.append(np.clip(PICTURE + wrong, 0, 255).astype(np.uint8))
    assert count(watch.show_all(pictures)) == 0


def test_a_clock_in_the_picture_is_no_motion() -> None:
    watch = Watch("medium")
    pictures = []
    for n in range(60 * 15):
        picture = PICTURE.copy()
        text = f"2026-11-23 10:41:{n // 15:02}"
        cv2.putText(picture, text, (10, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1, cv2.LINE_AA)
        pictures.append(picture)
    assert count(watch.show_all(pictures)) == 0


def test_rain_is_no_motion() -> None:
    watch = Watch("medium")
    chance = np.random.default_rng(2)

    def raining() -> Grey:
        picture = PICTURE.copy()
        for x, y in chance.integers(0, 640, (60, 2)).tolist():
            cv2.line(picture, (x, y % 360), (x + 3, y % 360 + 22), int(PICTURE[y % 360, x]) + 40, 1, cv2.LINE_AA)
        return picture

    watch.show_all(raining() for _ in range(60))
    assert count(watch.show_all(raining() for _ in range(300))) == 0


def test_a_frozen_picture_and_a_black_one_are_no_motion() -> None:
    watch = Watch("high", noise=0)
    watch.learn(PICTURE, 5)
    watch.learn(np.zeros_like(PICTURE), 5)
    watch.learn(PICTURE, 5)
    assert finds_a_car(watch, PICTURE)
