"""Motion on made-up frames whose boxes are known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.frame import Frame, SessionInfo
from framewire.model.inference import Inference, Motion
from framewire.model.layout import Layout
from framewire.processors.builtin.motion import MotionDetector

Pixels = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]
SIZE = (320, 240)


def scene(
    *boxes: Box, level: int = 100, seed: int | None = 0, size: tuple[int, int] = SIZE, thing: int = 200
) -> Pixels:
    """A grey picture with brighter boxes (x, y, width, height in pixels, cut at the edges) and some noise."""
    picture = np.full((size[1], size[0]), float(level))
    for x, y, width, height in boxes:
        picture[max(0, int(y)) : max(0, int(y + height)), max(0, int(x)) : max(0, int(x + width))] = thing
    if seed is not None:
        picture += np.random.default_rng(seed).normal(0, 4, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


class Camera:
    """One session of a detector."""

    def __init__(self, detector: MotionDetector, size: tuple[int, int] = SIZE) -> None:
        self.size = size
        self._detector = detector
        self._info = SessionInfo(VideoFormat(Encoding.RAW, *size, PixelFormat.RGB24), 90_000)
        self._state = detector.open_session(self._info)

    def frame(self, picture: Pixels) -> Frame:
        return Frame(picture, self._info, 2, 0, (), self._state)

    def boxes(self, picture: Pixels) -> list[Box]:
        (answer,) = self._detector.process([self.frame(picture)])
        return boxes_of(answer, self.size)

    def learn(self, pictures: Iterable[Pixels]) -> None:
        for picture in pictures:
            assert self.boxes(picture) == []


def boxes_of(answer: Sequence[Inference], size: tuple[int, int] = SIZE) -> list[Box]:
    boxes = []
    for motion in answer:
        assert isinstance(motion, Motion)
        assert motion.box is not None
        box = motion.box
        boxes.append((box.l * size[0], box.t * size[1], box.w * size[0], box.h * size[1]))
    return boxes


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    both = max(0.0, width) * max(0.0, height)
    return both / (a[2] * a[3] + b[2] * b[3] - both)


@pytest.mark.parametrize("thing", [20, 130, 180, 255])
@pytest.mark.parametrize("step", [3, 4, 8, 16])
def test_a_moving_square_is_found_where_it_is_and_nothing_else(step: int, thing: int) -> None:
    camera = Camera(MotionDetector())
    camera.learn(scene(seed=seed) for seed in range(4))
    for number, x in enumerate(range(0, 280, step)):
        square = (x, 100, 40, 40)
        (found,) = camera.boxes(scene(square, seed=number + 10, thing=thing))
        assert overlap(found, square) >= 0.5


def test_two_squares_are_two_boxes_and_the_larger_comes_first() -> None:
    camera = Camera(MotionDetector())
    camera.learn([scene()])
    for step in range(10):
        small, large = (20 + 8 * step, 30, 30, 30), (20 + 10 * step, 140, 60, 60)
        first, second = camera.boxes(scene(small, large, seed=step + 1))
        assert overlap(first, large) >= 0.5
        assert overlap(second, small) >= 0.5


@pytest.mark.parametrize("size", [(1920, 1080), (163, 97), (640, 481), (48, 300)])
def test_boxes_are_fractions_of_any_size_of_picture(size: tuple[int, int]) -> None:
    camera = Camera(MotionDetector(), size)
    camera.learn([scene(size=size)])
    square = (size[0] // 4, size[1] // 4, size[0] // 3, size[1] // 3)
    (found,) = camera.boxes(scene(square, size=size, seed=1))
    assert overlap(found, square) >= 0.5


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 500), (500, 1)])
def test_a_picture_of_a_few_pixels_does_no_harm(size: tuple[int, int]) -> None:
    camera = Camera(MotionDetector(), size)
    for level in (0, 255, 0, 100):
        assert isinstance(camera.boxes(np.full((size[1], size[0]), level, np.uint8)), list)


def test_noise_on_a_still_scene_is_no_motion() -> None:
    camera = Camera(MotionDetector())
    camera.learn(scene((200, 50, 60, 60), seed=seed) for seed in range(40))


@pytest.mark.parametrize(("before", "after"), [(180, 40), (40, 180)])
def test_light_that_is_switched_is_no_motion(before: int, after: int) -> None:
    camera = Camera(MotionDetector())
    camera.learn(scene(level=before, seed=seed) for seed in range(4))
    camera.learn(scene(level=after, seed=seed + 4) for seed in range(4))
    square = (100, 100, 40, 40)
    (found,) = camera.boxes(scene(square, level=after, seed=9, thing=255))
    assert overlap(found, square) >= 0.5


def test_the_day_that_fades_slowly_is_no_motion() -> None:
    camera = Camera(MotionDetector())
    camera.learn(scene(level=200 - number // 4, seed=number) for number in range(200))


def test_what_stops_becomes_part_of_the_background() -> None:
    camera = Camera(MotionDetector(MotionDetector.Options(learning_rate=0.5)))
    camera.learn([scene()])
    parked = (100, 100, 40, 40)
    assert len(camera.boxes(scene(parked, seed=1))) == 1
    for seed in range(40):
        camera.boxes(scene(parked, seed=seed + 2))
    assert camera.boxes(scene(parked, seed=99)) == []


def test_the_first_frame_moves_nothing() -> None:
    assert Camera(MotionDetector()).boxes(scene((10, 10, 100, 100))) == []


def test_each_session_has_a_background_of_its_own() -> None:
    detector = MotionDetector()
    day, night = Camera(detector), Camera(detector)
    square = (100, 100, 40, 40)
    day.learn([scene(level=200)])
    night.learn([scene(level=20)])
    pictures = [day.frame(scene(level=200, seed=1)), night.frame(scene(square, level=20, seed=1))]
    still, moving = detector.process(pictures)
    assert boxes_of(still) == []
    (found,) = boxes_of(moving)
    assert overlap(found, square) >= 0.5


def test_a_higher_threshold_sees_less() -> None:
    for threshold, count in ((20, 1), (45, 0)):
        camera = Camera(MotionDetector(MotionDetector.Options(threshold=threshold)))
        camera.learn([scene(seed=None)])
        assert len(camera.boxes(scene((100, 100, 40, 40), seed=None, thing=135))) == count


def test_a_box_below_the_minimum_area_is_left_out() -> None:
    # A square of 40 x 40 is 2.1 % of the picture.
    for minimum_area, count in ((0.01, 1), (0.04, 0)):
        camera = Camera(MotionDetector(MotionDetector.Options(minimum_area=minimum_area)))
        camera.learn([scene()])
        assert len(camera.boxes(scene((100, 100, 40, 40), seed=1))) == count


def test_frames_come_in_grey_and_in_order() -> None:
    assert MotionDetector.layout_for(VideoFormat(Encoding.JPG, 8, 8)) is Layout.GREY
    assert MotionDetector.needs_order


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"threshold": 0}, "threshold 0 is outside 1 to 255"),
        ({"threshold": float("nan")}, "threshold nan is outside 1 to 255"),
        ({"minimum_area": 1.5}, "minimum_area 1.5 is outside 0 to 1"),
        ({"learning_rate": -0.1}, "learning_rate -0.1 is outside 0 to 1"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options: dict[str, float], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        MotionDetector.Options(**options)
