"""Faults of frames: counted always, told at once and then every ten seconds, too many in a row end the session."""

from __future__ import annotations

import logging

import pytest

from framewire.errors import FrameError, ProcessorError
from framewire.server.faults import FrameFaults

TORN = FrameError("the JPG frame is torn")
RAISED = ProcessorError("processor toy raised")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def faults_of(clock: Clock, most_in_a_row: int = 3) -> FrameFaults:
    return FrameFaults(logging.LoggerAdapter(logging.getLogger("faults")), most_in_a_row, clock)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    lines = [record.getMessage() for record in caplog.records]
    caplog.clear()
    return lines


def test_the_first_of_its_kind_is_told_at_once_and_the_next_after_ten_seconds(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    faults = faults_of(clock)
    faults.bad(2, TORN)
    assert told(caplog) == ["bad frame: sample 2: the JPG frame is torn"]
    for number in (3, 4, 5):
        clock.now += 3.3
        faults.bad(number, TORN)
    assert told(caplog) == []
    clock.now += 0.2
    faults.bad(6, TORN)
    assert told(caplog) == ["bad frame: sample 6: the JPG frame is torn (and 3 more since the last such line)"]
    clock.now += 10
    faults.bad(7, TORN)
    assert told(caplog) == ["bad frame: sample 7: the JPG frame is torn"]
    assert faults.total == 6


def test_bad_frames_and_failed_processing_are_told_apart(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    faults = faults_of(clock)
    faults.bad(2, TORN)
    faults.bad(3, RAISED)
    faults.bad(4, RAISED)
    assert told(caplog) == [
        "bad frame: sample 2: the JPG frame is torn",
        "processing failed: sample 3: processor toy raised",
    ]


def test_what_was_not_told_is_told_at_the_end_once(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    faults = faults_of(clock)
    for number in range(2, 7):
        faults.bad(number, TORN)
    faults.bad(7, RAISED)
    told(caplog)
    faults.tell_rest()
    assert told(caplog) == ["bad frame: 4 more"]
    faults.tell_rest()
    assert told(caplog) == []


def test_a_good_frame_ends_the_row_and_not_the_total(clock: Clock) -> None:
    faults = faults_of(clock, 3)
    states = []
    for step in "bbgbbb":
        if step == "b":
            faults.bad(2, TORN)
        else:
            faults.good()
        states.append(faults.is_too_many)
    assert states == [False, False, False, False, False, True]
    assert (faults.in_a_row, faults.total) == (3, 5)


def test_failed_processing_counts_in_the_row_as_well(clock: Clock) -> None:
    faults = faults_of(clock, 2)
    faults.bad(2, TORN)
    faults.bad(3, RAISED)
    assert faults.is_too_many


def test_with_no_limit_no_row_is_too_long(clock: Clock) -> None:
    faults = faults_of(clock, 0)
    for number in range(1000):
        faults.bad(number, TORN)
    assert not faults.is_too_many


def test_without_a_fault_there_are_not_too_many(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    faults = faults_of(clock, 1)
    assert not faults.is_too_many
    faults.tell_rest()
    assert told(caplog) == []
