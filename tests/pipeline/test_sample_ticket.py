"""When nobody works on a frame any more."""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt

from framewire.model.geometry import Rectangle
from framewire.model.inference import Classification, Motion, Tag
from framewire.pipeline.sample import MediaSample, Ticket


class Blank:
    """A picture of nothing."""

    timestamp = 90_000
    width = 4
    height = 2

    def luma(self) -> npt.NDArray[np.uint8]:
        return np.zeros((2, 4), np.uint8)

    def rgb_scaled(self, width: int, height: int) -> npt.NDArray[np.uint8]:
        return np.zeros((height, width, 3), np.uint8)


LEFT = Motion(box=Rectangle(0, 0, 0.5, 1))
LIGHT = Classification(Tag("light"))


def test_the_last_one_gives_the_place_back() -> None:
    window = threading.Semaphore(0)
    sample = MediaSample(Blank(), (), Ticket(window))
    sample.hold()
    sample.hold()
    for _ in range(2):
        sample.release()
        assert not window.acquire(blocking=False)
    sample.release()
    assert window.acquire(blocking=False)
    assert not window.acquire(blocking=False)


def test_a_live_frame_needs_no_ticket() -> None:
    sample = MediaSample(Blank())
    sample.hold()
    sample.release()
    assert sample.timestamp == 90_000


def test_what_is_found_comes_behind_what_was_known() -> None:
    assert MediaSample(Blank(), (LEFT,)).with_found([LIGHT]).inferences == (LEFT, LIGHT)


def test_what_equals_something_known_in_every_field_is_not_repeated() -> None:
    same = Motion(box=Rectangle(0, 0, 0.5, 1))
    other = Motion(box=Rectangle(0, 0, 0.5, 1), inference_id="1")
    assert MediaSample(Blank(), (LEFT,)).with_found([same, LIGHT, other]).inferences == (LEFT, LIGHT, other)


def test_an_input_for_video_alone_gets_no_inferences() -> None:
    assert MediaSample(Blank(), (LEFT,)).without_inferences().inferences == ()
