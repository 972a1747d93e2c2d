"""Our test camera beside one that we did not write: the same clip comes out of both in the same way."""

from itertools import islice, pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from camera_behaviour import Behaviour
from camera_clips import clip_of_file
from camera_server import RtspServer
from other_camera import other_camera

from framewire.capture import CaptureEvent, CaptureOptions, open_capture
from framewire.sources import Scene


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


def seen(url: str, transport: str) -> tuple[list[np.ndarray], list[int], list[CaptureEvent]]:
    """Pictures, ticks between them, and events of 20 frames."""
    events: list[CaptureEvent] = []
    with open_capture(CaptureOptions(url, transport=transport), events.append) as capture:  # type: ignore[arg-type]
        frames = list(islice(capture.frames(), 20))
    steps = [after.timestamp - before.timestamp for before, after in pairwise(frames)]
    return [frame.rgb() for frame in frames], steps, events


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_both_cameras_show_the_same(clip: Path, transport: str) -> None:
    with RtspServer(clip_of_file(clip), Behaviour()) as server:
        ours, our_steps, our_events = seen(server.url, transport)
    with other_camera(clip) as url:
        others, other_steps, other_events = seen(url, transport)
    assert all((ours[index] == others[index]).all() for index in range(20))
    assert our_steps == [4500] * 19
    assert other_steps == pytest.approx([4500] * 19, abs=2)
    assert [event.kind for event in our_events] == [event.kind for event in other_events]
    assert our_events[0].body == other_events[0].body
