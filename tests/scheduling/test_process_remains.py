"""What is left of worker processes: nothing, however they or their server end."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import textwrap
import warnings
from collections import Counter
from pathlib import Path

import process_toys as toys
import pytest
from process_runners import INFO, PATIENCE_S, frame_of, info_of, is_gone, opened, process_runner, wait_until_gone, words

from framewire.errors import ProcessorError
from framewire.frames.content import EmbeddedContent, ReferencedContent
from framewire.frames.shared_memory import SharedMemoryReader
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.frame import SessionInfo
from framewire.model.message import ContentReference, SharedMemory
from framewire.processors.api import Processor

LARGE = SessionInfo(VideoFormat(Encoding.RAW, 1024, 1024, PixelFormat.RGB24), 90_000)


def files_and_mappings() -> tuple[Counter[str], int]:
    """The open files of this process, and how many memories of tests it has mapped."""
    files = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the folder's own
            files.append(str(descriptor.readlink()))
    maps = Path("/proc/self/maps").read_text().splitlines()
    return Counter(files), sum("street" in line or "framewire-arena" in line for line in maps)


def test_closing_leaves_no_file_mapping_or_process(tmp_path: Path) -> None:
    (tmp_path / "street").write_bytes(bytes(6))
    gc.collect()  # what earlier tests have left
    before = files_and_mappings()
    pids = []
    reader = SharedMemoryReader(SharedMemory("street", 6), folder=tmp_path)
    with opened(toys.Moody) as runner:
        for level in (1, toys.KILLED, 2, toys.STOPPED, 3):
            pids.append(runner.pid)
            state = runner.open_session(INFO)
            content = ReferencedContent(reader, ContentReference(0, 6))
            runner._frame_timeout_s = 1.0 if level == toys.STOPPED else PATIENCE_S
            runner.run([frame_of(state, level), frame_of(state, 0, content)])
            runner._frame_timeout_s = PATIENCE_S
        pids.append(runner.pid)
    reader.close()
    for factory in (toys.Dying, toys.made()):
        with pytest.raises(ProcessorError):
            process_runner(factory).open()
    # Errors hold on to what they were raised in.
    gc.collect()
    files, mappings = files_and_mappings()
    # What tests before have left may be closed meanwhile.
    assert (files - before[0], mappings) == (Counter(), before[1])
    assert all(pid is not None and is_gone(pid) for pid in pids)
    assert not any("framewire-arena" in path.name for path in Path("/dev/shm").iterdir())


def test_a_runner_that_is_forgotten_takes_its_process_with_it() -> None:
    runner = process_runner(toys.Moody)
    runner.open()
    pid = runner.pid
    assert pid is not None
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        del runner
        gc.collect()
    wait_until_gone(pid)


SERVER = """
    import sys
    sys.path[:0] = {path!r}
    import process_toys as toys
    from process_runners import opened, frame_of, INFO
    with opened(toys.Moody, frame_timeout_s=None, told={told!r}) as runner:
        state = runner.open_session(INFO)
        runner.run([frame_of(state, 1)])
        print(runner.pid, flush=True)
        if {level}:
            runner.run([frame_of(state, {level})])
        sys.stdin.read()
"""


@pytest.mark.parametrize("level", [0, toys.HUNG, toys.TAUGHT])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_that_ends_takes_its_processes_with_it(level: int, number: int, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "told")
    script = textwrap.dedent(SERVER.format(path=[str(Path(__file__).parent)], told=str(tmp_path / "told"), level=level))
    server = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    assert server.stdout is not None
    with server, server.stdout:
        pid = int(server.stdout.readline())
        if level:
            (tmp_path / "told").read_text()  # in the middle of a call, also one that never gives the GIL back
        assert not is_gone(pid)
        server.send_signal(number)
        assert server.wait(PATIENCE_S) == -number
        wait_until_gone(pid)


@pytest.mark.parametrize("way", ["fork", "program"])
@pytest.mark.parametrize("is_orderly", [True, False])
def test_what_a_processor_has_started_ends_with_its_process(is_orderly: bool, way: str, tmp_path: Path) -> None:
    told = tmp_path / "told"
    with opened(toys.Housing, told=str(told), path=way) as runner:
        pid = int(told.read_text())
        assert not is_gone(pid)
        if not is_orderly:
            runner.run([frame_of(runner.open_session(INFO), toys.EXITED)])
            wait_until_gone(pid)
    wait_until_gone(pid)


@pytest.mark.parametrize("way", ["fork", "program"])
def test_what_a_processor_has_started_ends_with_the_server(way: str, tmp_path: Path) -> None:
    told = tmp_path / "told"
    script = textwrap.dedent(SERVER.format(path=[str(Path(__file__).parent)], told=str(told), level=0))
    script = script.replace("toys.Moody", f"toys.Housing, path={way!r}")
    server = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    assert server.stdout is not None
    with server, server.stdout:
        server.stdout.readline()
        pid = int(told.read_text())
        assert not is_gone(pid)
        server.kill()
        server.wait(PATIENCE_S)
        wait_until_gone(pid)


def test_a_processor_can_end_a_process_that_it_forked_with_multiprocessing(tmp_path: Path) -> None:
    with opened(toys.Helped, told=str(tmp_path / "told")):
        pass
    assert (tmp_path / "told").read_text() == "closed"


def test_a_server_that_ends_before_its_process_could_tie_itself_to_it_takes_it_with_it() -> None:
    script = textwrap.dedent(
        """
        import os, signal, subprocess, sys
        sys.path[:0] = {path!r}
        import process_toys as toys
        from process_runners import process_runner
        from framewire.scheduling.process_channel import Channel
        class Telling(subprocess.Popen):
            def __init__(self, *arguments, **options):
                super().__init__(*arguments, **options)
                print(self.pid, flush=True)
        def send(channel, *arguments):
            Channel.told(channel, *arguments)
            os.kill(os.getpid(), signal.SIGKILL)
        subprocess.Popen = Telling
        Channel.told, Channel.send = Channel.send, send
        process_runner(toys.SlowToOpen).open()
        """
    ).format(path=[str(Path(__file__).parent)])
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        pid = int(server.stdout.readline())
        assert server.wait(PATIENCE_S) == -signal.SIGKILL
    wait_until_gone(pid)


def mapped(runner: object, state: object) -> list[int]:
    """Open files and mapped memories of the process."""
    (text,) = words(runner.run([frame_of(state, toys.COUNTED)]))  # type: ignore[attr-defined]
    return [int(word) for word in text.split()]


@pytest.mark.parametrize("mode", ["map", "copy"])
def test_thousands_of_sessions_leave_no_file_and_no_mapping_in_the_process(mode: str, tmp_path: Path) -> None:
    (tmp_path / "street").write_bytes(bytes(6))
    here = files_and_mappings()[0]
    with opened(toys.Mapped) as runner:
        state = runner.open_session(INFO)
        before = mapped(runner, state)
        for _ in range(2000):
            reader = SharedMemoryReader(SharedMemory("street", 6), mode, tmp_path)  # type: ignore[arg-type]
            session = runner.open_session(INFO)
            runner.run([frame_of(session, 0, ReferencedContent(reader, ContentReference(0, 6)))])
            runner.close_session(session)
            reader.close()
        assert mapped(runner, state) == before
    assert files_and_mappings()[0] == here


def test_a_memory_is_let_go_of_when_its_session_ends_and_not_before(tmp_path: Path) -> None:
    (tmp_path / "street").write_bytes(bytes(6))
    with opened(toys.Mapped) as runner:
        state = runner.open_session(INFO)
        files, mappings = mapped(runner, state)
        reader = SharedMemoryReader(SharedMemory("street", 6), folder=tmp_path)
        for _ in range(3):
            runner.run([frame_of(state, 0, ReferencedContent(reader, ContentReference(0, 6)))])
        # The file, the mapping, and the mapping's own hold on the file.
        assert mapped(runner, state) == [files + 2, mappings + 1]
        reader.close()
        assert mapped(runner, state) == [files, mappings]


def test_memories_are_let_go_of_though_their_sessions_end_while_the_process_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "street").write_bytes(bytes(6))
    with opened(toys.Mapped) as runner:
        state = runner.open_session(INFO)
        before = mapped(runner, state)
        readers = [SharedMemoryReader(SharedMemory("street", 6), folder=tmp_path) for _ in range(300)]
        contents = [ReferencedContent(reader, ContentReference(0, 6)) for reader in readers]
        runner.run([frame_of(state, 0, content) for content in contents])
        assert runner.pid is not None
        os.kill(runner.pid, signal.SIGSTOP)
        # More words than the connection holds: those that do not fit are said later, and nobody waits for them.
        for reader in readers:
            reader.close()
        assert runner._child is not None
        assert runner._child._forgotten
        os.kill(runner.pid, signal.SIGCONT)
        mapped(runner, state)
        assert mapped(runner, state) == before


def test_one_arena_is_mapped_however_often_it_grows() -> None:
    with opened(toys.Mapped) as runner:
        large, state = runner.open_session(LARGE), runner.open_session(INFO)
        for count in (1, 3, 9, 27):
            runner.run([frame_of(large, 0, EmbeddedContent(bytes(3 << 20)), LARGE) for _ in range(count)])
        assert mapped(runner, state)[1] == 1


class Foreign(Processor):
    """Stays in this module."""


def test_a_runner_that_could_not_open_can_be_closed() -> None:
    runner = process_runner(Foreign)
    with pytest.raises(ProcessorError, match="has no process method of its own"):
        runner.open()
    runner.close()
    assert runner.pid is None


def test_sessions_of_ended_processes_are_not_kept() -> None:
    with opened(toys.Moody) as runner:
        for _ in range(3):
            state = runner.open_session(info_of("a"))
            runner.run([frame_of(state, toys.EXITED)])
            runner.close_session(state)
        assert runner._sessions == set()
