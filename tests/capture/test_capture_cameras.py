"""Good cameras, of every kind that we can play."""

from itertools import islice, pairwise

import numpy as np
import pytest
from camera_behaviour import Behaviour
from camera_clips import Codec, street_clip
from camera_server import RtspServer
from watched_captures import Watch

from framewire.capture import CaptureState
from framewire.sources import Scene


@pytest.mark.parametrize("transport", ["tcp", "udp", "http"])
@pytest.mark.parametrize("codec", ["h264", "hevc", "mjpeg"])
def test_a_camera_gives_its_pictures_in_order(watch: Watch, transport: str, codec: Codec) -> None:
    clip = street_clip(320, 176, codec=codec)
    with RtspServer(clip, Behaviour(speed=2)) as server:
        watched = watch(server.url, transport=transport)
        frames = list(islice(watched.capture.frames(), 12))
        assert watched.capture.state is CaptureState.STREAMING
        watched.capture.close()
    assert [(frame.width, frame.height) for frame in frames] == [(320, 176)] * 12
    assert [after.timestamp - before.timestamp for before, after in pairwise(frames)] == [3600] * 11
    assert watched.kinds == ["MediaSessionEstablished"]
    scene = Scene(320, 176, frames=50, frames_per_second=25)
    for index, frame in enumerate(frames):
        painted = scene.render(index)[0].astype(np.int16)
        assert np.abs(frame.rgb().astype(np.int16) - painted).mean() < 7
