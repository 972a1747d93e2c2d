import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from framewire.errors import ConfigurationError
from framewire.sources import Scene, open_source, write_clip

SERVER = Path(__file__).parents[1] / "rtsp_server.py"
SYSTEM_PYTHON = "/usr/bin/python3"

Serve = Callable[..., tuple[subprocess.Popen[str], int]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a camera that shows a clip; gives its process and port."""
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> tuple[subprocess.Popen[str], int]:
        if not Path(SYSTEM_PYTHON).exists():
            pytest.skip(f"no {SYSTEM_PYTHON} to run the RTSP server with")
        process = subprocess.Popen(
            [SYSTEM_PYTHON, str(SERVER), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stdout is not None
        assert process.stderr is not None
        port = process.stdout.readline().strip()
        if not port:
            text = process.stderr.read().strip()
            assert process.wait() == 77, text
            pytest.skip(f"the RTSP server needs python3-gi and gir1.2-gst-rtsp-server-1.0: {text}")
        return process, int(port)

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("camera") / "camera.mp4"
    write_clip(path, Scene(160, 90, frames=20, frames_per_second=20))
    return path


def test_a_camera_gives_its_frames_in_order_and_ends_with_them(serve: Serve, clip: Path) -> None:
    _, port = serve(clip)
    with open_source(f"rtsp://127.0.0.1:{port}/clip") as source:
        assert source.size == (160, 90)
        assert source.is_live
        assert source.frames_per_second == 20
        frames = list(source)
    with open_source(str(clip)) as recording:
        wanted = [frame.image for frame in recording]
    assert [frame.index for frame in frames] == list(range(20))
    assert all(before.time_s < after.time_s for before, after in pairwise(frames))
    assert frames[-1].time_s == pytest.approx(0.95, abs=0.02)
    assert all((frame.image == image).all() for frame, image in zip(frames, wanted, strict=True))


def test_a_camera_wants_a_password_and_nobody_else_gets_to_see_it(
    serve: Serve, clip: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _, port = serve(clip, "guest", "geheim")
    with open_source(f"rtsp://guest:geheim@127.0.0.1:{port}/clip") as source:
        assert next(iter(source)).image.shape == (90, 160, 3)
    with pytest.raises(ConfigurationError) as refused:
        open_source(f"rtsp://guest:falsch@127.0.0.1:{port}/clip")
    assert str(refused.value) == (
        f"rtsp://***@127.0.0.1:{port}/clip cannot be read as video"
        " (Server returned 401 Unauthorized (authorization failed)); check address, network, user and password"
    )
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
    shown = capfd.readouterr()
    assert "geheim" not in shown.out + shown.err
    assert "falsch" not in shown.out + shown.err


def test_a_path_that_the_camera_does_not_have(serve: Serve, clip: Path) -> None:
    _, port = serve(clip)
    with pytest.raises(ConfigurationError, match=r"/other cannot be read as video \(Server returned 404 Not Found\)"):
        open_source(f"rtsp://127.0.0.1:{port}/other")


def test_closing_frees_a_reader_whose_camera_froze(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "long.mp4"
    write_clip(path, Scene(64, 48, frames=600, frames_per_second=20))
    camera, port = serve(path)
    source = open_source(f"rtsp://127.0.0.1:{port}/clip")
    frozen = threading.Event()
    seen: list[int] = []

    def read() -> None:
        for frame in source:
            seen.append(frame.index)
            if not frozen.is_set():
                os.kill(camera.pid, signal.SIGSTOP)
                frozen.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert frozen.wait(10)
        # Long enough to read what was under way: then it stands and waits for more.
        reader.join(0.4)
        assert reader.is_alive()
        source.close()
        reader.join(8)
        assert not reader.is_alive()
        assert len(seen) < 600
    finally:
        os.kill(camera.pid, signal.SIGCONT)


def test_a_process_ends_although_its_camera_froze(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "long.mp4"
    write_clip(path, Scene(64, 48, frames=600, frames_per_second=20))
    camera, port = serve(path)
    program = (
        "import os, signal, sys\n"
        "from framewire.sources import open_source\n"
        "with open_source(sys.argv[1]) as source:\n"
        "    next(iter(source))\n"
        "    os.kill(int(sys.argv[2]), signal.SIGSTOP)\n"
    )
    arguments = [sys.executable, "-c", program, f"rtsp://127.0.0.1:{port}/clip", str(camera.pid)]
    try:
        assert subprocess.run(arguments, timeout=8, check=False).returncode == 0
    finally:
        os.kill(camera.pid, signal.SIGCONT)
