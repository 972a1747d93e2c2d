"""Processes that a processor forks in its worker process: none of them answers in its place."""

from __future__ import annotations

import re
from pathlib import Path

import process_forking_toys as toys
import pytest
from process_runners import INFO, frame_of, is_gone, opened, words

from framewire.errors import ProcessorError
from framewire.processors.catalogue import ProcessorKind
from framewire.scheduling.runner import ProcessorRunner

WAYS = [("returns", "0"), ("exits", "7"), ("raises", "1")]


@pytest.mark.parametrize("place", ["open", "open_session", "process", "close_session", "close"])
@pytest.mark.parametrize(("way", "status"), WAYS)
def test_a_fork_that_comes_back_ends_and_its_process_goes_on(place: str, way: str, status: str, tmp_path: Path) -> None:
    told = tmp_path / "told"
    with opened(toys.Forking, told=str(told), place=place, way=way) as runner:
        pid = runner.pid
        state, other = runner.open_session(INFO), runner.open_session(INFO)
        assert words(runner.run([frame_of(state, 1), frame_of(other, 2)])) == ["1", "2"]
        assert words(runner.run([frame_of(other, 3)])) == ["3"]
        runner.close_session(state)
        assert words(runner.run([frame_of(other, 4)])) == ["4"]
        assert (runner.pid, runner.replaced) == (pid, 0)
    assert set(told.read_text().split()) == {status}


@pytest.mark.parametrize(("way", "status"), WAYS)
def test_a_fork_of_the_server_itself_ends_as_well(way: str, status: str, tmp_path: Path) -> None:
    told = tmp_path / "told"
    options = toys.ForkingOptions(str(told), "process", way)
    runner = ProcessorRunner(ProcessorKind("toy", toys.Forking), options)
    runner.open()
    assert words(runner.run([frame_of(runner.open_session(INFO), 1)])) == ["1"]
    assert told.read_text().split() == [status]


def test_a_fork_in_what_an_answer_is_made_of_does_not_answer() -> None:
    with opened(toys.ForkingAnswers) as runner:
        state = runner.open_session(INFO)
        assert words(runner.run([frame_of(state, 1)])) == ["of the process"]
        assert words(runner.run([frame_of(state, 2)])) == ["of the process"]


def test_a_process_that_answers_another_request_is_replaced() -> None:
    with opened(toys.Intruding) as runner:
        first, second = runner.open_session(INFO), runner.open_session(INFO)
        pid = runner.pid
        assert pid is not None
        outcomes = runner.run([frame_of(first, 1)])
        assert re.sub(r"process \d+", "process N", str(outcomes[0].error)) == (
            "processor toy: its process N answered request 1 instead of 3 and was killed; "
            "end a process that the processor forks with os._exit"
        )
        assert isinstance(outcomes[0].error, ProcessorError)
        assert is_gone(pid)
        assert runner.replaced == 1
        assert words(runner.run([frame_of(second, 2), frame_of(first, 3)])) == ["2", "2"]
