"""The shared memory of ``send``, and how ``send`` is stopped."""

import contextlib
import os
import pty
import re
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from command_line import (
    PATIENCE_S,
    SHARED_MEMORY,
    Running,
    Server,
    command,
    complaint,
    documents,
    environment,
    eventually,
    framewire_here,
    has_signal,
    memory_of,
    refused_here,
    running,
    serving,
)

TOYS = Path(__file__).parent / "watching.py"

SIGNALS = pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name
)


@pytest.fixture(scope="module")
def judging() -> Iterator[Server]:
    with serving() as server:
        yield server


@contextmanager
def held(folder: Path, *arguments: object) -> Iterator[tuple[Server, Running, Path]]:
    """A server that holds the first frame until the gate is there, and a client in the middle of its stream."""
    gate = folder / "gate"
    with (
        serving("--processor", f"{TOYS}:Gated", "--option", f"gate={gate}") as server,
        running("send", "test:size=64x48", "--loop", "--to", server.address, *arguments) as camera,
    ):
        eventually(gate.with_suffix(".held").exists)
        try:
            yield server, camera, gate
        finally:
            # Not killed, as it could not take its file along.
            gate.touch()
            if camera.is_running:
                camera.stop()


@pytest.mark.parametrize(
    ("arguments", "length", "mode"),
    [
        (("--shared-memory",), 20_971_520, 0o600),
        (("--shared-memory=0.5", "--shared-memory-mode", "0644"), 524_288, 0o644),
        (("--shared-memory=1", "--shared-memory-mode", "666"), 1_048_576, 0o666),
    ],
)
def test_the_file_has_the_size_and_the_mode_that_were_asked_for(
    tmp_path: Path, arguments: tuple[str, ...], length: int, mode: int
) -> None:
    with held(tmp_path, *arguments) as (_, camera, _):
        (file,) = memory_of(camera.process)
        status = file.stat()
    assert (status.st_size, stat.S_IMODE(status.st_mode)) == (length, mode)


@pytest.mark.parametrize(
    "words",
    [
        ("--shared-memory", "clip.png"),
        ("clip.png", "--shared-memory"),
        ("--shared-memory=1", "clip.png"),
        ("--shared-memory", "--", "clip.png"),
        ("--", "clip.png"),
    ],
)
def test_a_value_comes_only_behind_the_equals_sign(judging: Server, tmp_path: Path, words: tuple[str, ...]) -> None:
    cv2.imwrite(str(tmp_path / "clip.png"), np.full((48, 64, 3), 200, np.uint8))
    finished = framewire_here("send", "--to", judging.address, *words, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert len(documents(finished.stdout)) == 1


def test_a_number_that_follows_is_the_source(judging: Server, tmp_path: Path) -> None:
    said = refused_here("send", "--shared-memory", "20", "--to", judging.address, cwd=tmp_path)
    assert said.startswith("20 does not exist; allowed: ")


def test_a_number_beside_a_source_gets_a_hint_at_the_equals_sign(tmp_path: Path) -> None:
    said = refused_here("send", "test:", "--shared-memory", "20", cwd=tmp_path)
    assert said == "write --shared-memory=20, with =; see framewire send --help"


def test_permissions_of_no_file_are_refused(tmp_path: Path) -> None:
    said = refused_here("send", "test:", "--shared-memory-mode", "0666", cwd=tmp_path)
    assert said == "--shared-memory-mode needs --shared-memory"


def test_each_stream_has_a_file_of_its_own(tmp_path: Path) -> None:
    with held(tmp_path, "--shared-memory=1", "--streams", 3) as (_, camera, gate):
        eventually(lambda: len(memory_of(camera.process)) == 3)
        gate.touch()
        assert camera.stop() == 0
    assert memory_of(camera.process) == []


@pytest.mark.parametrize("encoding", ["raw", "bmp"])
def test_a_frame_that_does_not_fit(judging: Server, encoding: str) -> None:
    finished = framewire_here(
        "send", "test:size=64x48", "--to", judging.address, "--encoding", encoding, "--shared-memory=0.001"
    )
    # How long a raw frame is, may be known before; a BMP shows it when it comes.
    said = complaint(finished, finished.returncode)
    assert finished.returncode in (1, 2)
    assert "shared memory" in said
    assert "1049" in said
    assert list(SHARED_MEMORY.glob(f"framewire-{os.getpid()}-*")) == []


def test_more_than_the_machine_has(judging: Server) -> None:
    said = refused_here("send", "test:size=64x48", "--to", judging.address, "--shared-memory=1000000", code=1)
    assert said == (
        "/dev/shm has no room for 1048576000000 bytes; "
        "ask for less, or give the container more (--shm-size, or the host's IPC namespace)"
    )


def test_a_memory_for_one_frame_alone_sends_one_at_a_time(judging: Server) -> None:
    # 64 x 48 x 3 = 9,216 bytes, and room for 10,486.
    finished = framewire_here(
        *("send", "test:size=64x48,frames=10", "--to", judging.address),
        *("--encoding", "raw", "--shared-memory=0.01", "--in-flight", 4),
    )
    assert finished.returncode == 0
    assert finished.stderr.startswith("10 frames sent, 10 answered, 0 lost; ")


@SIGNALS
def test_a_signal_lets_the_frames_in_flight_be_answered(tmp_path: Path, number: int) -> None:
    with held(tmp_path, "--shared-memory", "--in-flight", 3) as (_, camera, gate):
        assert camera.stdout == ""
        camera.send_signal(number)
        # It waits for them; a process that does not has ended by then.
        with pytest.raises(subprocess.TimeoutExpired):
            camera.process.wait(0.3)
        gate.touch()
        assert camera.end() == 0
    count = len(documents(camera.stdout))
    assert count >= 1
    assert camera.stderr.startswith(f"{count} frames sent, {count} answered, 0 lost; ")
    assert camera.stderr.count("\n") == 1
    assert memory_of(camera.process) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_in_a_running_stream(judging: Server, number: int) -> None:
    with running("send", "test:size=64x48", "--loop", "--to", judging.address, "--shared-memory") as camera:
        camera.until_printed(5)
        assert camera.stop(number) == 0
    count = len(documents(camera.stdout))
    assert camera.stderr.startswith(f"{count} frames sent, {count} answered, 0 lost; ")
    assert memory_of(camera.process) == []


def test_nohup_is_respected(judging: Server, tmp_path: Path) -> None:
    ignored = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        camera = Running("send", "test:size=64x48", "--loop", "--to", judging.address)
    finally:
        signal.signal(signal.SIGHUP, ignored)
    try:
        camera.until_printed(1)
        camera.send_signal(signal.SIGHUP)
        camera.until_printed(len(camera.out) + 5)
        assert camera.stop() == 0
    finally:
        camera.process.kill()
        camera.end()


def test_a_signal_between_two_frames_that_are_far_apart(judging: Server) -> None:
    with running("send", "test:size=64x48", "--to", judging.address, "--fps", 0.001) as camera:
        camera.until_printed(1)
        assert camera.stop(signal.SIGINT) == 0
    assert camera.stderr.startswith("1 frames sent, 1 answered, 0 lost; ")


def test_a_server_that_dies(tmp_path: Path) -> None:
    with held(tmp_path, "--shared-memory", "--in-flight", 2) as (server, camera, _):
        assert len(memory_of(camera.process)) == 1
        server.process.kill()
        assert camera.end() == 1
    assert " 0 answered, " in camera.stderr
    assert camera.stderr.splitlines()[-1].startswith(f"framewire: {server.address} ended the stream with UNAVAILABLE: ")
    assert memory_of(camera.process) == []


def test_a_source_that_hangs_while_it_is_opened_stops_nobody(judging: Server, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    with running("send", pipe, "--to", judging.address) as camera:
        # Opening a pipe waits for who writes to it, and nobody does.
        eventually(lambda: has_signal(camera.process.pid, "SigCgt", signal.SIGTERM))
        assert camera.stop(signal.SIGINT) == 0
    assert camera.stderr == "0 frames sent, 0 answered, 0 lost\n"


def test_a_source_that_hangs_in_the_middle_stops_nobody(judging: Server, tmp_path: Path, clip: bytes) -> None:
    pipe = tmp_path / "pipe.ts"
    os.mkfifo(pipe)
    with running("send", pipe, "--to", judging.address) as camera, pipe.open("wb", buffering=0) as writer:
        writer.write(clip)
        camera.until_printed(3)
        # No more comes, and the pipe stays open.
        assert camera.stop(signal.SIGINT) == 0
    assert " 0 lost; " in camera.stderr


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An MPEG transport stream, which can be read from a pipe."""
    path = tmp_path_factory.mktemp("clip") / "clip.ts"
    with av.open(str(path), "w", format="mpegts") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for level in range(50):
            image = np.random.default_rng(level).integers(0, 255, (240, 320, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path.read_bytes()


def test_progress_is_shown_on_a_terminal_alone(judging: Server) -> None:
    ours, theirs = pty.openpty()
    words = command("send", "test:size=64x48", "--loop", "--to", judging.address)
    with subprocess.Popen(words, env=environment(), stdout=subprocess.DEVNULL, stderr=theirs) as camera:
        os.close(theirs)
        said = b""
        while said.count(b"frames/s") < 2:
            said += os.read(ours, 4096)
        camera.terminate()
        # A terminal whose other end has closed its side gives an error instead of an end.
        with contextlib.suppress(OSError):
            while data := os.read(ours, 4096):
                said += data
        assert camera.wait(PATIENCE_S) == 0
    os.close(ours)
    *progress, summary = said.decode().replace("\r\n", "\n").split("\r\x1b[K")
    assert all(re.fullmatch(r"(\d+ sent, \d+ answered, [\d.]+ frames/s)?", line) for line in progress)
    assert re.match(r"\d+ frames sent, \d+ answered, 0 lost; ", summary)
