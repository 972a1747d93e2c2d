"""``framewire demo``: does it work, and does it notice when it does not?"""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import Finished, changed_by, documents, eventually, framewire, memory_of, refused, running

from framewire.sources import Scene, write_clip

RTSP_SERVER = Path(__file__).parents[1] / "rtsp_server.py"
SYSTEM_PYTHON = "/usr/bin/python3"


def summaries(finished: Finished) -> list[str]:
    """The closing lines, without what depends on the machine."""
    lines = [line for line in finished.stderr.splitlines() if "frames sent" in line]
    return [re.sub(r"[\d.]+ frames/s; latency p50 [\d.]+ ms, p99 [\d.]+ ms", "SPEED", line) for line in lines]


def verdicts(finished: Finished) -> list[str]:
    return [document["inferences"][0]["classification"]["tag"]["value"] for document in documents(finished.stdout)]


def summary(frames: int, judged: int | None = None) -> list[str]:
    return [
        f"shared memory, raw rgb24: {frames} frames sent, {frames} answered, 0 lost; SPEED; {frames} compared, 0 wrong",
        f"embedded, jpg: {frames} frames sent, {frames} answered, 0 lost; SPEED; "
        f"{frames if judged is None else judged} compared, 0 wrong",
    ]


def truths(scene: Scene) -> list[str]:
    return [scene.render(index)[1].color_intensity for index in range(scene.frames)]


def test_a_street_from_day_to_night() -> None:
    finished = framewire("demo")
    assert finished.returncode == 0, finished.stderr
    assert verdicts(finished) == truths(Scene()) * 2
    assert summaries(finished) == summary(180)
    assert finished.stderr.splitlines()[0] == ("clip: 180 frames of a street, 90 by day and 90 by night, made just now")
    assert finished.stderr.splitlines()[-1] == "every answer is right"


def test_an_image(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "sky.png"), np.full((49, 65, 3), 200, np.uint8))
    finished = framewire("demo", tmp_path / "sky.png")
    assert finished.returncode == 0, finished.stderr
    assert verdicts(finished) == ["light", "light"]
    assert summaries(finished) == summary(1)


def test_a_folder_of_images_in_a_shell_with_settings_for_another_server(tmp_path: Path) -> None:
    for name, level in [("1.png", 20), ("2.png", 127), ("10.png", 30)]:
        cv2.imwrite(str(tmp_path / name), np.full((48, 64, 3), level, np.uint8))
    settings = {"FRAMEWIRE_PROCESSOR": "null", "FRAMEWIRE_USER": "me", "port": "1", "grpcBinding": "junk"}
    finished = framewire("demo", tmp_path, env=settings)
    assert finished.returncode == 0, finished.stderr
    assert verdicts(finished)[:3] == ["dark", "light", "dark"]
    # The second one is so near the threshold that compression decides.
    assert summaries(finished) == summary(3, judged=2)


def test_a_video(tmp_path: Path) -> None:
    scene = Scene(320, 180, frames=20)
    write_clip(tmp_path / "street.mp4", scene)
    finished = framewire("demo", tmp_path / "street.mp4")
    assert finished.returncode == 0, finished.stderr
    assert verdicts(finished) == truths(scene) * 2
    assert summaries(finished) == summary(20)


def failed_with_server(folder: Path, *lines: str) -> Finished:
    """The demo of a light image with a server, and nothing else, that runs some lines first; it has to fail."""
    cv2.imwrite(str(folder / "sky.png"), np.full((48, 64, 3), 200, np.uint8))
    code = "\n    ".join(("import sys\nif 'serve' in sys.orig_argv:", *lines))
    finished = framewire("demo", folder / "sky.png", env=changed_by(folder, code))
    assert finished.returncode == 1
    return finished


def test_a_server_that_takes_light_for_dark_is_found_out(tmp_path: Path) -> None:
    finished = failed_with_server(
        tmp_path,
        "from framewire.processors.builtin import color_intensity as spoilt",
        "spoilt._DARK, spoilt._LIGHT = spoilt._LIGHT, spoilt._DARK",
    )
    assert verdicts(finished) == ["dark", "dark"]
    said = finished.stderr.splitlines()
    assert said[2] == "frame 0 is light and the server says dark"
    assert said[-1] == "FAILED: 2 answers differ from the truth"


def test_a_server_that_does_not_start(tmp_path: Path) -> None:
    finished = failed_with_server(tmp_path, "sys.modules['framewire.server'] = None")
    assert "framewire: the server did not start: " in finished.stderr


def test_a_server_that_has_ended_when_it_is_told_to_end(tmp_path: Path) -> None:
    finished = failed_with_server(
        tmp_path,
        "import os, subprocess",
        "child = subprocess.Popen(['sh', '-c', 'sleep 1; echo no luck >&2'])",  # holds its standard error open
        "os._exit(3)",
    )
    assert finished.stderr.splitlines()[-1].startswith("framewire: the server did not start: no luck")
    assert "Traceback" not in finished.stderr


def test_a_source_that_there_is_not() -> None:
    assert refused("demo", "none.mp4").startswith("none.mp4 does not exist; allowed: ")
    assert "cannot be reached" in refused("demo", "rtsp://127.0.0.1:1/live", code=1)


def children(process_id: int) -> list[int]:
    text = Path(f"/proc/{process_id}/task/{process_id}/children").read_text()
    return [int(word) for word in text.split()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_stops_the_server_too_and_leaves_nothing_behind(tmp_path: Path, number: int) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), np.full((480, 640, 3), 20, np.uint8))
    for index in range(1, 500):
        (tmp_path / f"{index}.png").symlink_to(tmp_path / "0.png")
    own = tmp_path / "temporary"
    own.mkdir()
    with running("demo", tmp_path, env={"TMPDIR": str(own)}) as demo:
        demo.until_printed(3)
        (server,) = children(demo.process.pid)
        assert demo.stop(number) == 1
    assert demo.stderr.endswith("framewire: interrupted\n")
    eventually(lambda: not Path(f"/proc/{server}").exists())
    assert list(own.iterdir()) == []
    assert memory_of(demo.process) == []


def test_the_reader_of_a_pipe_may_leave() -> None:
    words = f"{sys.executable} -m framewire demo test:size=64x48,frames=200 | head -1"
    finished = subprocess.run(["sh", "-c", words], capture_output=True, text=True, timeout=30, check=False)
    assert len(documents(finished.stdout)) == 1
    assert "Traceback" not in finished.stderr
    assert "Exception ignored" not in finished.stderr


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[str]:
    """A camera that shows a clip of 40 s, once for each client that asks."""
    if not Path(SYSTEM_PYTHON).exists():
        pytest.skip(f"no {SYSTEM_PYTHON} to run the RTSP server with")
    clip = tmp_path / "camera.mp4"
    write_clip(clip, Scene(160, 90, frames=400, frames_per_second=10))
    with subprocess.Popen(
        [SYSTEM_PYTHON, str(RTSP_SERVER), str(clip)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            if not port:
                assert process.stderr is not None
                text = process.stderr.read().strip()
                assert process.wait() == 77, text
                pytest.skip(f"the RTSP server needs python3-gi and gir1.2-gst-rtsp-server-1.0: {text}")
            yield f"rtsp://127.0.0.1:{port}/clip"
        finally:
            process.kill()


def test_ten_seconds_are_taken_of_a_camera_in_each_pass(camera: str) -> None:
    started = time.monotonic()
    with running("demo", camera) as demo:
        demo.process.wait(90)
        assert demo.end() == 0
    assert time.monotonic() - started >= 20
    counts = [int(count) for count in re.findall(r": (\d+) frames sent", demo.stderr)]
    assert len(counts) == 2
    # Ten pictures a second; how many come within the time is the camera's to say.
    assert all(20 <= count <= 130 for count in counts)
    assert demo.stdout.count("\n") == sum(counts)
    assert demo.stderr.endswith("every answer is right\n")
