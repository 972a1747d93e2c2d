"""What moves is found, where it is, and how much of it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from watched_yard import Box, Watch, count, noisy, overlap, pixels, with_squares, yard

from framewire.errors import ConfigurationError, FrameError
from framewire.motion import Detection, MotionDetector, Sensitivity

MEDIA = Path(__file__).parents[2].parent / "shared" / "media"
PICTURE = yard()


@pytest.mark.parametrize("level", [0, 30, 190, 255])
@pytest.mark.parametrize("speed", [1, 4, 12, 30])
def test_a_moving_square_is_found_where_it_is_and_nothing_else(speed: int, level: int) -> None:
    watch = Watch()
    watch.learn(PICTURE)
    squares: list[Box] = [(x, 220, 60, 60) for x in range(20, 560, speed)][:40]
    found = watch.show_all(with_squares(PICTURE, (square, level)) for square in squares)
    for square, detection in list(zip(squares, found, strict=True))[6:]:
        assert detection is not None
        (box,) = detection.boxes
        assert overlap(pixels(box), square) >= 0.6
        assert 0.010 < detection.area < 0.022  # 60 x 60 of 640 x 360 is 0.0156


def test_two_things_are_two_boxes_and_the_larger_comes_first() -> None:
    watch = Watch()
    watch.learn(PICTURE)
    for step in range(30):
        small, large = (30 + 6 * step, 40, 30, 40), (300 - 6 * step, 220, 80, 80)
        detection = watch.show(with_squares(PICTURE, (small, 30), (large, 230)))
    assert detection is not None
    first, second = (pixels(box) for box in detection.boxes)
    assert overlap(first, large) >= 0.6
    assert overlap(second, small) >= 0.5


def test_parts_of_one_thing_are_one_box() -> None:
    watch = Watch()
    watch.learn(PICTURE)
    for step in range(20):
        # A belt as grey as the wall between a dark coat and dark trousers.
        x = 240 + 4 * step
        detection = watch.show(with_squares(PICTURE, ((x, 130, 30, 40), 20), ((x, 178, 30, 40), 20)))
    assert detection is not None
    (box,) = detection.boxes
    assert overlap(pixels(box), (x, 130, 30, 88)) >= 0.6


@pytest.mark.parametrize("size", [(1920, 1080), (1280, 720), (720, 576), (1087, 1927), (163, 97), (48, 300)])
def test_boxes_are_fractions_of_pictures_of_any_size(size: tuple[int, int]) -> None:
    watch = Watch()
    picture = yard(size)
    watch.learn(picture)
    width, height = size
    for step in range(12):
        square = (width // 4 + step * width // 100, height // 4, width // 4, height // 4)
        detection = watch.show(with_squares(picture, (square, 240)))
    assert detection is not None
    (box,) = detection.boxes
    assert overlap(pixels(box, size), square) >= 0.6


def test_rows_may_be_strided_and_the_memory_is_the_callers() -> None:
    plain, strided = MotionDetector(), MotionDetector()
    memory = np.full((360, 704), 255, np.uint8)
    view = memory[:, :640]
    chance = np.random.default_rng(1)
    for number in range(60):
        x = 10 * (number - 30)
        picture = noisy(with_squares(PICTURE, ((x, 100, 50, 50), 240)), 3, chance)
        view[:] = picture
        view.flags.writeable = False
        seen = strided.update(view, number / 15)
        view.flags.writeable = True
        memory[:] = 0
        assert seen == plain.update(picture, number / 15)
    assert seen is not None


@pytest.mark.parametrize("rate", [2, 5, 10, 30, 60])
def test_things_are_found_at_any_rate_of_frames(rate: int) -> None:
    watch = Watch(rate=rate)
    watch.learn(PICTURE, 4)
    # 100 pixels a second, for 4 seconds.
    places = [(60 + 100 * number // rate, 200, 50, 80) for number in range(4 * rate)]
    found = watch.show_all(with_squares(PICTURE, (place, 230)) for place in places)
    assert count(found) >= len(places) - 1 - round(0.2 * rate)
    assert found[-1] is not None
    assert overlap(pixels(found[-1].boxes[0]), places[-1]) >= 0.6


def test_something_slow_is_found() -> None:
    watch = Watch()
    watch.learn(PICTURE)
    # A pixel in half a second, as the hand of a gate: 8 seconds for 16 pixels.
    found = watch.show_all(with_squares(PICTURE, ((200, 150, 8 + n // 7, 90), 240)) for n in range(120))
    assert count(found[5:]) == 115


def test_the_background_takes_on_nothing_of_a_faint_thing() -> None:
    watch = Watch()
    picture = np.full((360, 640), 100, np.uint8)
    watch.learn(picture)
    for x in range(100, 300, 2):
        found = watch.show(with_squares(picture, ((x, 100, 80, 80), 118)))
    assert found is not None
    (box,) = found.boxes
    assert overlap(pixels(box), (298, 100, 80, 80)) >= 0.8


def seen_by(square: Box, contrast: int) -> list[Sensitivity]:
    seen: list[Sensitivity] = []
    sensitivities: tuple[Sensitivity, ...] = ("low", "medium", "high")
    for sensitivity in sensitivities:
        watch = Watch(sensitivity)
        picture = np.full((360, 640), 100, np.uint8)
        watch.learn(picture)
        x, y, width, height = square
        pictures = (with_squares(picture, ((x + 2 * n, y, width, height), 100 + contrast)) for n in range(60))
        if count(watch.show_all(pictures)) >= 50:
            seen.append(sensitivity)
    return seen


def test_a_sensitivity_says_how_small_a_thing_may_be() -> None:
    # 0.7, 0.14 and 0.06 per cent of the picture, and next to nothing.
    assert seen_by((100, 100, 40, 40), 100) == ["low", "medium", "high"]
    assert seen_by((100, 100, 18, 18), 100) == ["medium", "high"]
    assert seen_by((100, 100, 12, 12), 100) == ["high"]
    assert seen_by((101, 101, 2, 2), 100) == []


def test_a_sensitivity_says_how_faint_a_thing_may_be() -> None:
    assert seen_by((100, 100, 80, 80), 30) == ["low", "medium", "high"]
    assert seen_by((100, 100, 80, 80), 20) == ["medium", "high"]
    assert seen_by((100, 100, 80, 80), 12) == ["high"]
    assert seen_by((100, 100, 80, 80), 5) == []


def test_the_number_of_boxes_is_bounded() -> None:
    watch = Watch("high", noise=0)
    picture = np.full((1080, 1920), 100, np.uint8)
    watch.learn(picture)
    found = []
    for step in range(60):
        dots = picture.copy()
        for x in range(0, 1920, 96):
            for y in range(0, 1080, 96):
                if (x // 96 + y // 96) % 12 <= step // 4:
                    dots[y : y + 32, x : x + 32] = 200
        found.append(watch.show(dots))
    assert max(len(detection.boxes) for detection in found if detection) == 64


def test_a_camera_that_changes_its_size_is_learned_anew() -> None:
    watch = Watch()
    watch.learn(PICTURE)
    small = yard((320, 180))
    watch.learn(small)
    found = watch.show_all(with_squares(small, ((4 * n, 100, 30, 30), 240)) for n in range(20))
    assert count(found[4:]) == 16
    assert watch.detector.relearned == 0


@pytest.mark.parametrize("jump_s", [-500.0, 86_400.0, float("nan"), float("inf")])
def test_a_clock_that_jumps_is_survived(jump_s: float) -> None:
    watch = Watch()
    watch.learn(PICTURE)
    watch.time_s += jump_s
    assert watch.show(PICTURE) is None
    if not np.isfinite(jump_s):
        watch.time_s = 0
    watch.learn(PICTURE)
    found = watch.show_all(with_squares(PICTURE, ((4 * n, 200, 60, 60), 240)) for n in range(20))
    assert count(found[6:]) == 14


def test_a_clock_that_stands_is_survived() -> None:
    detector = MotionDetector()
    found = [detector.update(with_squares(PICTURE, ((8 * (n - 40), 200, 60, 60), 240)), 17.0) for n in range(80)]
    assert count(found[:33]) == 0
    assert count(found[45:]) == 35


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 500), (500, 1), (3, 3), (100_000, 1)])
def test_a_picture_of_a_few_pixels_does_no_harm(size: tuple[int, int]) -> None:
    watch = Watch("high", noise=0)
    for level in [0, 255, 0, 100] * 10:
        found = watch.show(np.full((size[1], size[0]), level, np.uint8))
        assert found is None or isinstance(found, Detection)


@pytest.mark.parametrize(
    ("luma", "text"),
    [
        (np.zeros((4, 4, 3), np.uint8), r"an array of uint8 with shape \(4, 4, 3\)"),
        (np.zeros((4, 4), np.float32), r"an array of float32 with shape \(4, 4\)"),
        (np.zeros(16, np.uint8), r"an array of uint8 with shape \(16,\)"),
        (np.zeros((0, 4), np.uint8), r"an array of uint8 with shape \(0, 4\)"),
    ],
)
def test_what_is_no_grey_picture_is_refused(luma: np.ndarray, text: str) -> None:
    with pytest.raises(FrameError, match=text):
        MotionDetector().update(luma, 0.0)


def test_an_unknown_sensitivity_is_refused() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        MotionDetector("Medium")  # type: ignore[arg-type]
    assert str(refusal.value) == "sensitivity 'Medium' is unknown; allowed: low, medium, high"


def test_bottles_on_a_belt_are_found() -> None:
    clip = MEDIA / "bottles.mp4"
    if not clip.exists():
        pytest.skip(f"the footage is not here: {clip}")
    detector = MotionDetector()
    found = []
    with av.open(str(clip)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            plane = frame.planes[0]
            luma = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
            found.append(detector.update(luma, number / 30))
            if number == 600:
                break
    assert count(found[:30]) == 0
    starts = [n for n, (before, now) in enumerate(pairwise(found)) if before is None and now is not None]
    assert starts
    assert count(found) >= 100
