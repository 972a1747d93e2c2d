"""Which frames count, and when they are due."""

from __future__ import annotations

import math
from itertools import islice

import pytest

from framewire.errors import ConfigurationError
from framewire.load import LoadOptions, Tally, memory_bytes
from framewire.load.latencies import Latencies
from framewire.load.timetable import due_times_s
from framewire.model.format import Encoding, VideoFormat

JPG = VideoFormat(Encoding.JPG, 8, 4)
RATES = "0.001 to 100000; without --fps frames are sent as fast as answers come"


def counting() -> Tally:
    return Tally(start_s=100.0, end_s=110.0)


def test_an_answer_counts_when_it_comes_in_the_window_and_its_latency_when_it_was_due_there() -> None:
    tally = counting()
    tally.answer(99.0, 101.0)  # due in the warm-up
    tally.answer(104.0, 105.0)
    tally.answer(109.0, 112.0)  # answered after the window: late, but it counts as late
    tally.answer(110.0, 111.0)
    assert (tally.answered, tally.empty) == (2, 0)
    assert tally.latencies.count == 2
    assert tally.latencies.maximum == 3.0


def test_an_answer_of_the_window_without_inferences_is_counted_as_empty_too() -> None:
    tally = counting()
    tally.answer(104.0, 105.0, is_empty=True)
    tally.answer(109.0, 112.0, is_empty=True)
    assert (tally.answered, tally.empty) == (1, 1)


def test_nothing_counts_during_the_warm_up() -> None:
    tally = Tally()
    tally.answer(99.0, 99.5, is_empty=True)
    tally.depart(99.0, 99.5)
    assert (tally.answered, tally.empty, tally.late, tally.latencies.count) == (0, 0, 0, 0)


def test_a_frame_that_leaves_a_millisecond_late_is_late() -> None:
    tally = counting()
    tally.depart(101.0, 101.0009)
    tally.depart(102.0, 102.0011)
    assert tally.late == 1


def test_frames_that_never_left_count_as_long_as_they_have_waited() -> None:
    tally = counting()
    tally.give_up(99.0, 4.0)  # due at 99, 103, 107 and 111
    assert tally.unsent == tally.latencies.count == 2
    assert (tally.latencies.minimum, tally.latencies.maximum, tally.latencies.total) == (3.0, 7.0, 10.0)
    tally.give_up(110.0, 4.0)
    assert tally.unsent == 2


@pytest.mark.parametrize("window", [(math.inf, math.inf), (100.0, math.inf)], ids=["warm-up", "open"])
def test_frames_given_up_before_the_window_has_ended_count_nothing(window: tuple[float, float]) -> None:
    tally = Tally(start_s=window[0], end_s=window[1])
    tally.give_up(99.0, 0.5)
    assert (tally.unsent, tally.latencies.count) == (0, 0)


@pytest.mark.parametrize(
    ("longest_s", "step_s", "count"),
    [(7.0, 4.0, 2), (1.0, 1 / 64, 64), (10.0, 0.0009, 11_000), (0.75, 1e-9, 3), (2.0, 0.5, 5), (1.0, 0.1, 0)],
)
def test_values_counted_together_are_those_counted_one_by_one(longest_s: float, step_s: float, count: int) -> None:
    together, single = Latencies(), Latencies()
    together.add_spread(longest_s, step_s, count)
    for number in range(count):
        single.add(longest_s - number * step_s)
    assert list(together.bins()) == list(single.bins())
    assert (together.count, together.maximum) == (single.count, single.maximum)
    assert together.minimum == pytest.approx(single.minimum)
    assert together.total == pytest.approx(single.total)


def test_a_thousand_million_frames_are_given_up_at_once() -> None:
    tally = counting()
    tally.give_up(100.0, 1e-8)
    assert tally.unsent == pytest.approx(10**9, rel=1e-3)
    assert tally.latencies.count == tally.unsent
    assert tally.latencies.percentile(50) == pytest.approx(5.0, rel=0.005)
    assert len(list(tally.latencies.bins())) < 5_000


def test_frames_without_an_answer_are_found_in_all_streams() -> None:
    tally = counting()
    tally.in_flight += [{2: (100.0, 0), 3: (101.0, 1)}, {2: (100.5, 0)}]
    assert tally.overdue(101.0) == 2


def test_frames_are_due_at_a_steady_rate_and_streams_take_turns() -> None:
    first = list(islice(due_times_s(50.0, 4.0, stream=0, streams=2), 3))
    second = list(islice(due_times_s(50.0, 4.0, stream=1, streams=2), 3))
    assert first == [50.0, 50.25, 50.5]
    assert second == [50.125, 50.375, 50.625]


def test_how_many_frames_are_in_flight_follows_from_what_is_allowed_and_from_the_memory() -> None:
    frames = [b"12345", b"1234567890"]
    assert memory_bytes(frames, 4) == 40
    assert LoadOptions("h:1", JPG, frames, in_flight=4).slots == 4
    assert LoadOptions("h:1", JPG, frames, in_flight=4, shared_memory_bytes=40).slots == 4
    assert LoadOptions("h:1", JPG, frames, in_flight=4, shared_memory_bytes=39).slots == 3
    assert LoadOptions("h:1", JPG, frames, in_flight=2, shared_memory_bytes=1000).slots == 2


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"frames": []}, "there is no frame to send; allowed: one or more"),
        ({"streams": 0}, "streams is 0; allowed: 1 to 4096"),
        ({"in_flight": 5000}, "in flight is 5000; allowed: 1 to 4096"),
        ({"frames_per_second": 0.0}, f"fps is 0; allowed: {RATES}"),
        ({"frames_per_second": 1e9}, f"fps is 1e+09; allowed: {RATES}"),
        ({"frames_per_second": 1e-320}, f"fps is 9.99989e-321; allowed: {RATES}"),
        ({"frames_per_second": float("nan")}, f"fps is nan; allowed: {RATES}"),
        ({"duration_s": float("inf")}, "duration is inf; allowed: a number above 0"),
        ({"timeout_s": float("nan")}, "timeout is nan; allowed: a number above 0"),
        ({"warm_up_s": -1.0}, "warm-up is -1; allowed: 0 or more seconds"),
        (
            {"shared_memory_bytes": 9},
            "shared memory of 9 bytes does not hold a frame of 10; allowed: 10 or more; 40 for all frames in flight",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_load_that_cannot_be(changes: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        LoadOptions(**{"address": "h:1", "video_format": JPG, "frames": [b"1234567890"], **changes})  # type: ignore[arg-type]
    assert str(raised.value) == text
