"""What is published of motion, and when (topologies, section 2, eventAggregationWindow)."""

from __future__ import annotations

import math

import pytest

from framewire.errors import ConfigurationError
from framewire.model.geometry import Rectangle
from framewire.motion import Detection, MotionWindow, WindowedMotion


def moving(area: float) -> Detection:
    return Detection((Rectangle(0.1, 0.2, 0.3, 0.4),), area)


def test_a_window_gives_the_first_timestamp_and_the_boxes_of_the_largest_area() -> None:
    window = MotionWindow(1.0)
    largest = Detection((Rectangle(0.5, 0.5, 0.25, 0.25),), 0.06)
    assert window.add(900, 0.01, moving(0.02)) == []
    assert window.add(45_900, 0.51, largest) == []
    assert window.add(81_900, 0.91, moving(0.03)) == []
    assert window.add(90_900, 1.01, None) == [WindowedMotion(900, largest)]
    assert window.add(92_700, 1.03, None) == []


def test_of_equal_areas_the_first_counts() -> None:
    window = MotionWindow(1.0)
    first = Detection((Rectangle(0, 0, 0.5, 0.5),), 0.02)
    second = Detection((Rectangle(0.5, 0.5, 0.5, 0.5),), 0.02)
    window.add(0, 0.0, first)
    window.add(1, 0.5, second)
    assert window.finish() == [WindowedMotion(0, first)]


def test_still_frames_open_no_window() -> None:
    window = MotionWindow(1.0)
    assert [window.add(n, n / 2, None) for n in range(10)] == [[]] * 10
    assert window.finish() == []


def test_a_frame_at_the_end_of_a_window_belongs_to_the_next() -> None:
    window = MotionWindow(1.0)
    window.add(1, 10.0, moving(0.1))
    assert window.add(2, 11.0, moving(0.2)) == [WindowedMotion(1, moving(0.1))]
    assert window.finish() == [WindowedMotion(2, moving(0.2))]


def test_motion_that_lasts_gives_a_message_per_window() -> None:
    window = MotionWindow(1.0)
    told = [message.timestamp for n in range(46) for message in window.add(n, n / 15, moving(0.1))]
    assert told == [0, 15, 30]
    assert [message.timestamp for message in window.finish()] == [45]


def test_a_window_of_0_gives_every_moving_frame_at_once() -> None:
    window = MotionWindow(0)
    assert window.add(1, 0.1, moving(0.1)) == [WindowedMotion(1, moving(0.1))]
    assert window.add(2, 0.2, None) == []
    assert window.add(3, 0.2, moving(0.2)) == [WindowedMotion(3, moving(0.2))]
    assert window.finish() == []


@pytest.mark.parametrize("jump_to_s", [99.0, 5000.0, math.nan, math.inf, -math.inf])
def test_a_clock_that_jumps_ends_the_window(jump_to_s: float) -> None:
    window = MotionWindow(1.0)
    window.add(1, 100.0, moving(0.1))
    assert window.add(2, jump_to_s, moving(0.2)) == [WindowedMotion(1, moving(0.1))]


def test_what_is_open_is_given_once() -> None:
    window = MotionWindow(60)
    window.add(7, 1.0, moving(0.1))
    assert window.finish() == [WindowedMotion(7, moving(0.1))]
    assert window.finish() == []


@pytest.mark.parametrize("window_s", [-1.0, math.nan, math.inf])
def test_a_window_that_cannot_be_is_refused(window_s: float) -> None:
    with pytest.raises(ConfigurationError, match=f"window of {window_s} s cannot be; allowed: 0 s or longer"):
        MotionWindow(window_s)
