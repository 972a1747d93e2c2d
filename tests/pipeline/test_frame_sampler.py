"""Which frames an extension is sent."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framewire.pipeline.sampling import Sampler

SECOND = 90_000
FIFTEENTH = 6_000


def taken(sampler: Sampler, timestamps: list[int]) -> list[int]:
    return [timestamp for timestamp in timestamps if sampler.takes(timestamp)]


def test_without_a_rate_every_frame_is_taken() -> None:
    assert taken(Sampler(None), [5, 4, 4, 900]) == [5, 4, 4, 900]


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (15, 30),
        (30, 30),
        (7.5, 15),
        (5, 10),
        (2, 4),
        (1, 2),
        (0.2, 1),
    ],
)
def test_two_seconds_of_a_camera_give_so_many(rate: float, expected: int) -> None:
    assert len(taken(Sampler(rate), [FIFTEENTH * index for index in range(30)])) == expected


def test_frames_are_evenly_apart() -> None:
    found = taken(Sampler(5), [FIFTEENTH * index for index in range(15)])
    assert found == [0, 18_000, 36_000, 54_000, 72_000]


def test_a_camera_that_does_not_keep_time_to_the_millisecond_loses_nothing() -> None:
    # 5 of 15 a second, each frame up to 10 ms early or late.
    jitter = (0, -900, 700, 300, -200, 900, -800, 100, -500)
    times = [FIFTEENTH * index + jitter[index % len(jitter)] for index in range(150)]
    assert len(taken(Sampler(5), times)) == 50


@pytest.mark.parametrize("jump", [-3600 * SECOND, 3600 * SECOND, -1])
def test_a_jump_of_time_starts_anew(jump: int) -> None:
    sampler = Sampler(1)
    assert sampler.takes(SECOND * 10_000)
    assert not sampler.takes(SECOND * 10_000 + 100)
    later = SECOND * 10_000 + 100 + jump
    assert taken(sampler, [later, later + 100, later + SECOND]) == [later, later + SECOND]


@given(
    st.floats(0.2, 30),
    st.lists(st.integers(1, 40_000), min_size=2, max_size=300),
)
def test_no_two_frames_are_nearer_than_the_rate_allows_but_for_the_jitter_of_one(rate: float, steps: list[int]) -> None:
    timestamps = [0]
    for step in steps:
        timestamps.append(timestamps[-1] + step)
    found = taken(Sampler(rate), timestamps)
    period = SECOND / rate
    # One may be late by nearly two periods before the count starts anew, and the next one early by a tenth.
    assert all(later - earlier >= 0 for earlier, later in pairwise(found))
    assert len(found) <= timestamps[-1] / (period * 0.9) + 2
