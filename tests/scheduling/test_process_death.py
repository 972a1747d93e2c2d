"""What becomes of frames, sessions and the server when a worker process ends, or does not answer."""

from __future__ import annotations

import errno
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import process_toys as toys
import pytest
from process_runners import (
    INFO,
    PATIENCE_S,
    StillClock,
    frame_of,
    info_of,
    is_gone,
    opened,
    process_runner,
    wait_until_gone,
    words,
)

from framewire.errors import ProcessorError
from framewire.frames.content import ReferencedContent
from framewire.frames.shared_memory import SharedMemoryReader
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.frame import SessionInfo
from framewire.model.message import ContentReference, SharedMemory
from framewire.scheduling.process import ProcessRunner

LARGE = SessionInfo(VideoFormat(Encoding.RAW, 1024, 1024, PixelFormat.RGB24), 90_000)
LARGE_BYTES = 3 << 20


@contextmanager
def at_most_a_second(runner: ProcessRunner) -> Iterator[None]:
    """For calls that are to take too long; on a busy machine the others take a while, too."""
    runner._frame_timeout_s = 1.0
    yield
    runner._frame_timeout_s = PATIENCE_S


def unnumbered(text: str) -> str:
    return re.sub(r"process \d+", "process N", text)


ENDINGS = [
    (toys.KILLED, "was ended by SIGKILL (Killed); the machine may be short of memory"),
    (toys.EXITED, "ended with exit status 3"),
    (toys.FAULTED, "was ended by SIGSEGV (Segmentation fault)"),
    (toys.HUNG, "did not answer within 1 s and was killed"),
    (toys.STOPPED, "did not answer within 1 s and was killed"),
]


@pytest.mark.parametrize(("level", "ending"), ENDINGS)
def test_the_frames_of_a_process_that_ends_fail_and_the_next_ones_do_not(
    level: int, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(toys.Moody) as runner:
        first, second = runner.open_session(info_of("a")), runner.open_session(info_of("b"))
        pid = runner.pid
        assert pid is not None
        frames = [frame_of(second, 1), frame_of(first, level), frame_of(second, 2)]
        if level in (toys.HUNG, toys.STOPPED):
            with at_most_a_second(runner):
                outcomes = runner.run(frames)
        else:
            outcomes = runner.run(frames)
        text = f"processor toy: its process N {ending}"
        assert [unnumbered(str(outcome.error)) for outcome in outcomes] == [text] * 3
        assert {type(outcome.error).__mro__[1] for outcome in outcomes} == {ProcessorError}
        assert [outcome.error.__traceback__ for outcome in outcomes if outcome.error] == [None] * 3
        assert is_gone(pid)
        # The next one is started before it is needed.
        assert runner.pid not in (None, pid)
        assert words(runner.run([frame_of(second, 3), frame_of(first, 4)])) == ["3 b#1", "4 a#2"]
        third = runner.open_session(info_of("c"))
        assert words(runner.run([frame_of(third, 5), frame_of(first, 6)])) == ["5 c#3", "6 a#2"]
    assert [unnumbered(record.getMessage()) for record in caplog.records] == [
        f"{text}; it is replaced; sessions that get a new state: 2",
        "processor toy: its new process N is ready",
    ]


def test_a_process_killed_from_outside_in_the_middle_of_a_call_is_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "told")

    def kill() -> None:
        os.kill(int((tmp_path / "told").read_text()), signal.SIGKILL)

    with opened(toys.Moody, frame_timeout_s=None, told=str(tmp_path / "told")) as runner:
        killing = threading.Thread(target=kill)
        killing.start()
        state = runner.open_session(info_of("a"))
        (text,) = words(runner.run([frame_of(state, toys.HUNG)]))
        killing.join(PATIENCE_S)
        assert "was ended by SIGKILL" in text
        assert words(runner.run([frame_of(state, 1)])) == ["1 a#1"]


def test_a_process_that_ends_between_frames_costs_no_frame(caplog: pytest.LogCaptureFixture) -> None:
    with opened(toys.Moody) as runner:
        state = runner.open_session(info_of("a"))
        assert runner.pid is not None
        os.kill(runner.pid, signal.SIGKILL)
        wait_until_gone(runner.pid)
        assert words(runner.run([frame_of(state, 1)])) == ["1 a#1"]
    assert "it is replaced; sessions that get a new state: 1" in caplog.text


def test_the_end_of_a_process_is_noticed_though_a_child_of_its_own_holds_the_connection(tmp_path: Path) -> None:
    with opened(toys.Leaving, told=str(tmp_path / "told")) as runner:
        (text,) = words(runner.run([frame_of(runner.open_session(INFO))]))
        wait_until_gone(int((tmp_path / "told").read_text()))
    assert "ended with exit status 3" in text


def test_a_stopped_process_does_not_hold_up_sessions_either() -> None:
    with opened(toys.Moody) as runner:
        state = runner.open_session(info_of("a"))
        assert runner.pid is not None
        os.kill(runner.pid, signal.SIGSTOP)
        with at_most_a_second(runner), pytest.raises(ProcessorError, match=r"did not answer within 1 s and was killed"):
            runner.open_session(info_of("b"))
        runner.close_session(state)
        state = runner.open_session(info_of("c"))
        os.kill(runner.pid, signal.SIGSTOP)
        with at_most_a_second(runner):
            runner.close_session(state)
        assert words(runner.run([frame_of(runner.open_session(info_of("d")), 1)])) == ["1 d#1"]


def test_a_process_that_does_not_read_is_noticed_while_a_long_request_is_sent() -> None:
    with opened(toys.Moody) as runner:
        state = runner.open_session(info_of("a"))
        assert runner.pid is not None
        os.kill(runner.pid, signal.SIGSTOP)
        # A request far longer than the connection holds.
        with at_most_a_second(runner), pytest.raises(ProcessorError, match=r"did not answer within 1 s and was killed"):
            runner.open_session(info_of("x" * (4 << 20)))
        assert words(runner.run([frame_of(state, 1)])) == ["1 a#1"]


@pytest.mark.parametrize(("configuration", "ending"), [("deadly", "4"), ("deadly-end", "5")])
def test_a_process_that_a_session_ends_is_replaced(
    configuration: str, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(toys.Moody) as runner:
        state = runner.open_session(info_of("a"))
        if configuration == "deadly":
            with pytest.raises(ProcessorError, match="ended with exit status 4"):
                runner.open_session(info_of(configuration))
        else:
            runner.close_session(runner.open_session(info_of(configuration)))
        assert words(runner.run([frame_of(state, 1)])) == ["1 a#1"]
    assert f"ended with exit status {ending}; it is replaced; sessions that get a new state: 1" in caplog.text


def test_a_process_that_cannot_open_again_is_tried_again_after_growing_pauses(tmp_path: Path) -> None:
    model, clock = tmp_path / "model", StillClock()
    model.touch()
    with opened(toys.Moody, clock=clock, path=str(model)) as runner:
        state = runner.open_session(info_of("a"))
        model.unlink()
        runner.run([frame_of(state, toys.EXITED)])
        text = f"processor toy cannot be opened: FileNotFoundError: no model {model}"
        for pause_s in (0.5, 1.0, 2.0, 4.0):
            outcomes = runner.run([frame_of(state, 1), frame_of(state, 2)])
            assert words(outcomes) == [text] * 2
            assert runner.pid is None
            clock.now += pause_s - 0.25
            # Too early: no process is started.
            (outcome,) = runner.run([frame_of(state, 1)])
            assert str(outcome.error) == f"{text}; it is tried again in 0.2 s"
            with pytest.raises(ProcessorError, match="it is tried again in"):
                runner.open_session(INFO)
            assert runner.pid is None
            clock.now += 0.25
        model.touch()
        assert words(runner.run([frame_of(state, 1)])) == ["1 a#1"]
        # The pauses begin anew.
        model.unlink()
        runner.run([frame_of(state, toys.EXITED)])
        assert words(runner.run([frame_of(state, 1)])) == [text]
        clock.now += 0.5
        model.touch()
        assert words(runner.run([frame_of(state, 1)])) == ["1 a#1"]


def test_a_process_that_does_not_come_back_from_opening_again_is_given_up(tmp_path: Path) -> None:
    clock = StillClock()
    with opened(toys.SlowToReopen, clock=clock, path=str(tmp_path / "path")) as runner:
        assert runner._reopen_s == 60.0
        runner._reopen_s = 0.5
        state = runner.open_session(INFO)
        runner.run([frame_of(state)])
        pid = runner.pid
        assert pid is not None
        (text,) = words(runner.run([frame_of(state)]))
        assert unnumbered(text) == "processor toy: its process N did not answer within 0.5 s and was killed"
        assert is_gone(pid)
        (text,) = words(runner.run([frame_of(state)]))
        assert runner.pid is None


def test_a_session_that_cannot_be_opened_again_fails_its_own_frames_until_it_can() -> None:
    with opened(toys.Moody) as runner:
        good, bad = runner.open_session(info_of("a")), runner.open_session(info_of("b"))
        bad.info = info_of("refused")  # type: ignore[attr-defined]
        runner.run([frame_of(good, toys.EXITED)])
        for _ in range(2):
            assert words(runner.run([frame_of(bad, 1), frame_of(good, 2)])) == [
                "processor toy cannot open a session: LookupError: no such session",
                "2 a#1",
            ]
        bad.info = info_of("b")  # type: ignore[attr-defined]
        assert words(runner.run([frame_of(bad, 1), frame_of(good, 2)])) == ["1 b#2", "2 a#1"]


def test_frames_in_shared_memory_are_read_by_the_next_process_as_well(tmp_path: Path) -> None:
    (tmp_path / "street").write_bytes(bytes([7] * 6 + [toys.EXITED] * 6))
    reader = SharedMemoryReader(SharedMemory("street", 12), folder=tmp_path)
    with opened(toys.Moody) as runner:
        state = runner.open_session(info_of("a"))

        def run(offset: int) -> list[str]:
            content = ReferencedContent(reader, ContentReference(offset, 6))
            return words(runner.run([frame_of(state, 1, content), frame_of(state, 8)]))

        assert run(0) == ["7 a#1", "8 a#1"]
        assert all("exit status 3" in text for text in run(6))
        assert run(0) == ["7 a#1", "8 a#1"]
    # All leases have ended: the file is closed with its session.
    assert Path(f"/proc/self/fd/{reader.descriptor}").readlink() == tmp_path / "street"
    reader.close()
    assert reader.descriptor == -1


@pytest.mark.parametrize(("mode", "is_survived"), [("map", False), ("copy", True)])
def test_a_file_that_is_truncated_during_a_read_ends_the_process_alone(
    mode: str, is_survived: bool, tmp_path: Path
) -> None:
    for name in ("told", "word"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "street").write_bytes(bytes([9]) * LARGE_BYTES)
    reader = SharedMemoryReader(SharedMemory("street", LARGE_BYTES), mode, tmp_path)  # type: ignore[arg-type]

    def truncate() -> None:
        (tmp_path / "told").read_text()
        os.truncate(tmp_path / "street", 4096)
        (tmp_path / "word").write_text("go")

    truncating = threading.Thread(target=truncate)
    with opened(toys.Reading, told=str(tmp_path / "told"), path=str(tmp_path / "word")) as runner:
        state = runner.open_session(LARGE)
        truncating.start()
        content = ReferencedContent(reader, ContentReference(0, LARGE_BYTES))
        (text,) = words(runner.run([frame_of(state, 1, content, LARGE)]))
        truncating.join(PATIENCE_S)
    reader.close()
    if is_survived:
        assert text == "9"
    else:
        assert unnumbered(text) == (
            "processor toy: its process N was ended by SIGBUS (Bus error); a sender may have shortened its shared "
            "memory during a read, which --shared-memory-read copy survives"
        )


def test_a_memory_that_has_shrunk_before_the_process_saw_it_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    (tmp_path / "street").write_bytes(bytes([1] * 6 + [2] * 6))
    reader = SharedMemoryReader(SharedMemory("street", 12), folder=tmp_path)
    with opened(toys.Moody) as runner:
        state = runner.open_session(info_of("a"))

        def run() -> list[str]:
            contents = [ReferencedContent(reader, ContentReference(offset, 6)) for offset in (0, 6)]
            return words(runner.run([frame_of(state, 1, content) for content in contents]))

        shrunk = (
            "the shared memory has shrunk to 6 bytes and a frame ends at byte 12; "
            "keep the file at its announced length until the stream has ended"
        )
        os.truncate(tmp_path / "street", 6)
        assert run() == ["1 a#1", shrunk]
        # Grown again it is longer than what is mapped.
        os.truncate(tmp_path / "street", 12)
        assert run() == ["1 a#1", shrunk]
    reader.close()


def _full(*_: object) -> object:
    raise OSError(errno.EMFILE, "Too many open files")


@pytest.mark.parametrize(
    ("what", "broken", "reason"),
    [
        ("sys.executable", "/nowhere/python", "[Errno 2] No such file or directory: '/nowhere/python'"),
        ("socket.socketpair", _full, "[Errno 24] Too many open files"),
        ("os.pipe2", _full, "[Errno 24] Too many open files"),
    ],
)
def test_a_process_that_cannot_be_started_again_is_tried_again(
    what: str, broken: object, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = StillClock()
    with opened(toys.Moody, clock=clock) as runner:
        state = runner.open_session(info_of("a"))
        with monkeypatch.context() as patched:
            patched.setattr(what, broken)
            runner.run([frame_of(state, toys.EXITED)])
            before = len(list(Path("/proc/self/fd").iterdir()))
            clock.now += 0.5
            text = f"no process can be started for processor toy: {reason}; it is tried again in 1.0 s"
            assert words(runner.run([frame_of(state, 1)])) == [text]
            assert words(runner.run([frame_of(state, 1)])) == [text]
            # Not equal: what tests before have left may be closed meanwhile.
            assert len(list(Path("/proc/self/fd").iterdir())) <= before
        clock.now += 1.0
        assert words(runner.run([frame_of(state, 1)])) == ["1 a#1"]


def test_a_runner_that_is_closed_while_its_next_process_opens_ends_that_one() -> None:
    runner = process_runner(toys.Moody)
    runner.open()
    runner.run([frame_of(runner.open_session(INFO), toys.EXITED)])
    pid = runner.pid
    assert pid is not None
    runner.close()
    assert is_gone(pid)


def test_a_process_that_may_open_no_more_files_fails_the_frames_of_new_sessions_alone(tmp_path: Path) -> None:
    readers, contents = [], []
    for level in range(8):
        (tmp_path / f"street{level}").write_bytes(bytes([level]) * 6)
        readers.append(SharedMemoryReader(SharedMemory(f"street{level}", 6), "copy", tmp_path))
        contents.append(ReferencedContent(readers[-1], ContentReference(0, 6)))
    with opened(toys.Frugal) as runner:
        state, pid = runner.open_session(INFO), runner.pid
        said = words(runner.run([frame_of(state, 0, content) for content in contents]))
        assert runner.pid == pid
    text = "the process of processor toy cannot open the memory of a session: Too many open files; raise the limit"
    taken = next(index for index, one in enumerate(said) if one.startswith(text))
    assert 0 < taken < 8
    # Never the memory of another session.
    assert said[:taken] == [str(level) for level in range(taken)]
    assert all(one.startswith(text) for one in said[taken:])
    for reader in readers:
        reader.close()
