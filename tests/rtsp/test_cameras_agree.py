"""Our test camera beside one that we did not write: the same clip comes out of both in the same way."""

import subprocess
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from camera_behaviour import Behaviour
from camera_clips import clip_of_file
from camera_server import RtspServer

from framewire.capture import CaptureEvent, CaptureOptions, open_capture
from framewire.sources import Scene

OTHER_CAMERA = Path(__file__).parents[1] / "rtsp_server.py"
SYSTEM_PYTHON = Path("/usr/bin/python3")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("camera") / "camera.mp4"
    scene = Scene(160, 96, frames=30, frames_per_second=20)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=20, options={"preset": "veryfast", "bf": "0", "g": "10"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for index in range(30):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(scene.render(index)[0], format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture
def other_camera(clip: Path) -> Iterator[str]:
    if not SYSTEM_PYTHON.exists():
        pytest.skip(f"no {SYSTEM_PYTHON} to run the other RTSP server with")
    process = subprocess.Popen(
        [SYSTEM_PYTHON, OTHER_CAMERA, clip], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        port = process.stdout.readline().strip()
        if not port:
            text = process.stderr.read().strip()
            assert process.wait() == 77, text
            pytest.skip(f"the other RTSP server needs python3-gi and gir1.2-gst-rtsp-server-1.0: {text}")
        yield f"rtsp://127.0.0.1:{port}/clip"
    finally:
        process.kill()
        process.communicate()


def seen(url: str, transport: str) -> tuple[list[np.ndarray], list[int], list[CaptureEvent]]:
    """Pictures, ticks between them, and events of 20 frames."""
    events: list[CaptureEvent] = []
    with open_capture(CaptureOptions(url, transport=transport), events.append) as capture:  # type: ignore[arg-type]
        frames = list(islice(capture.frames(), 20))
    steps = [after.timestamp - before.timestamp for before, after in pairwise(frames)]
    return [frame.rgb() for frame in frames], steps, events


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_both_cameras_show_the_same(clip: Path, other_camera: str, transport: str) -> None:
    with RtspServer(clip_of_file(clip), Behaviour()) as server:
        ours, our_steps, our_events = seen(server.url, transport)
    others, other_steps, other_events = seen(other_camera, transport)
    assert all((ours[index] == others[index]).all() for index in range(20))
    assert our_steps == [4500] * 19
    assert other_steps == pytest.approx([4500] * 19, abs=2)
    assert [event.kind for event in our_events] == [event.kind for event in other_events]
    assert our_events[0].body == other_events[0].body
