"""What a runner does for its process while nobody asks anything of it: an end is noticed, the next one is opened."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import process_toys as toys
import pytest
from process_runners import (
    INFO,
    PATIENCE_S,
    StillClock,
    frame_of,
    info_of,
    opened,
    wait_until_gone,
    words,
)

from framewire.errors import ProcessorError, UnavailableError
from framewire.scheduling.process import ProcessRunner


def unnumbered(text: str) -> str:
    return re.sub(r"process \d+", "process N", text)


@contextmanager
def gated(tmp_path: Path, clock: StillClock | None = None) -> Iterator[ProcessRunner]:
    """A runner whose second process opens when :func:`open_gate` says so."""
    os.mkfifo(tmp_path / "told")
    arguments = {"path": str(tmp_path / "path"), "told": str(tmp_path / "told"), "clock": clock or StillClock()}
    with opened(toys.Gated, **arguments) as runner:
        yield runner


def kill(runner: ProcessRunner) -> int:
    assert runner.pid is not None
    pid = runner.pid
    os.kill(pid, signal.SIGKILL)
    wait_until_gone(pid)
    return pid


def open_gate(runner: ProcessRunner, tmp_path: Path, word: str = "open") -> None:
    """Says the word to the process that opens, and waits until it has answered or ended."""
    (tmp_path / "told").write_text(word)
    assert runner.pid is not None
    assert runner._child is not None
    ended = os.pidfd_open(runner.pid)
    readable, _, _ = select.select([runner._child._channel._socket, ended], [], [], PATIENCE_S)
    os.close(ended)
    assert readable


def test_an_idle_process_that_has_ended_is_replaced_and_the_next_one_is_seen_open(tmp_path: Path) -> None:
    with gated(tmp_path) as runner:
        state = runner.open_session(info_of("a"))
        runner.tend()
        assert (runner.is_opening, runner.rest_s(), runner.replaced) == (False, 0.0, 0)
        ended = kill(runner)
        runner.tend()
        pid = runner.pid
        assert pid not in (None, ended)
        assert (runner.is_opening, runner.rest_s(), runner.replaced) == (True, 0.02, 1)
        runner.tend()  # waits for nothing
        assert (runner.pid, runner.is_opening) == (pid, True)
        open_gate(runner, tmp_path)
        runner.tend()
        assert (runner.pid, runner.is_opening, runner.rest_s(), runner.replaced) == (pid, False, 0.0, 1)
        assert words(runner.run([frame_of(state, 1)])) == ["1 a#1"]


def test_a_process_lost_in_a_batch_is_opening_until_it_is_seen_open(tmp_path: Path) -> None:
    with gated(tmp_path) as runner:
        state = runner.open_session(info_of("a"))
        runner.run([frame_of(state, toys.EXITED)])
        assert (runner.is_opening, runner.rest_s()) == (True, 0.02)
        open_gate(runner, tmp_path)
        assert words(runner.run([frame_of(state, 1)])) == ["1 a#1"]
        assert (runner.is_opening, runner.rest_s()) == (False, 0.0)


@pytest.mark.parametrize("word", ["end", "leave"])
def test_a_process_that_ends_while_it_opens_is_counted_and_the_frames_of_the_pause_are_not_why(
    word: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = StillClock()
    with gated(tmp_path, clock) as runner:
        state = runner.open_session(info_of("a"))
        kill(runner)
        runner.tend()
        open_gate(runner, tmp_path, word)
        runner.tend()
        assert (runner.pid, runner.is_opening, runner.rest_s(), runner.replaced) == (None, False, 0.5, 2)
        text = "processor toy: its process N ended with exit status 6"
        outcomes = runner.run([frame_of(state, 1), frame_of(state, 2)])
        assert [unnumbered(one) for one in words(outcomes)] == [f"{text}; it is tried again in 0.5 s"] * 2
        assert {type(outcome.error) for outcome in outcomes} == {UnavailableError}
        with pytest.raises(UnavailableError, match="ended with exit status 6; it is tried again in 0"):
            runner.open_session(INFO)
        runner.tend()
        assert runner.pid is None
        clock.now += 0.5
        runner.tend()
        assert (runner.is_opening, runner.replaced) == (True, 2)
        open_gate(runner, tmp_path)
        runner.tend()
        assert words(runner.run([frame_of(state, 1)])) == ["1 a#1"]
    assert (
        f"processor toy cannot be opened again, it is tried again in 0.5 s: {text}",
        "processor toy: its new process N is ready",
    ) == tuple(unnumbered(record.getMessage()) for record in caplog.records[1:])


def test_a_process_that_ends_before_it_is_told_what_to_run_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = subprocess.Popen

    def started(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        process = start(*arguments, **options)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        return process

    with gated(tmp_path) as runner:
        kill(runner)
        monkeypatch.setattr(subprocess, "Popen", started)
        runner.tend()
        assert (runner.pid, runner.rest_s(), runner.replaced) == (None, 0.5, 2)


def test_frames_that_have_waited_for_a_process_that_ends_while_it_opens_are_not_why(tmp_path: Path) -> None:
    with gated(tmp_path) as runner:
        state = runner.open_session(info_of("a"))
        kill(runner)
        runner.tend()
        open_gate(runner, tmp_path, "end")
        (outcome,) = runner.run([frame_of(state, 1)])
        assert unnumbered(str(outcome.error)) == "processor toy: its process N ended with exit status 6"
        assert type(outcome.error) is UnavailableError
        assert runner.replaced == 2


def test_a_frame_that_ends_its_process_is_why(tmp_path: Path) -> None:
    with gated(tmp_path) as runner:
        (outcome,) = runner.run([frame_of(runner.open_session(INFO), toys.EXITED)])
        assert isinstance(outcome.error, ProcessorError)
        assert not isinstance(outcome.error, UnavailableError)


def test_a_processor_that_does_not_open_again_is_told_with_its_traceback_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = StillClock()
    with gated(tmp_path, clock) as runner:
        kill(runner)
        for _ in range(2):
            runner.tend()
            open_gate(runner, tmp_path, "fail")
            runner.tend()
            clock.now += runner.rest_s()
        assert runner.replaced == 1
    text = "processor toy cannot be opened: LookupError: no model"
    first, second = (record.getMessage() for record in caplog.records[1:])
    assert first.startswith(f"processor toy cannot be opened again, it is tried again in 0.5 s: {text}\nTraceback ")
    assert second == f"processor toy cannot be opened again, it is tried again in 1 s: {text}"


def test_a_process_that_does_not_open_in_time_is_given_up_while_nobody_waits_for_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with gated(tmp_path) as runner:
        runner._reopen_s = 0.0
        kill(runner)
        runner.tend()
        assert (runner.pid, runner.rest_s(), runner.replaced) == (None, 0.5, 2)
    assert "did not answer within 0 s and was killed" in caplog.text


def test_a_runner_that_is_not_open_is_left_alone() -> None:
    with opened(toys.Moody) as runner:
        pass
    runner.tend()
    assert (runner.pid, runner.is_opening, runner.rest_s()) == (None, False, 0.0)
