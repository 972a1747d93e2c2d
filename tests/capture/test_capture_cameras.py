"""Good cameras, of every kind that we can play."""

import threading
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


def test_closing_says_goodbye_to_the_camera(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    # A camera that is held up between two frames is a moment late, and no read is to be cut short for that.
    monkeypatch.setattr("framewire.capture.attempt._SOON_S", 10.0)
    with RtspServer(street_clip(160, 96)) as server:
        watched = watch(server.url)
        next(watched.capture.frames())
        watched.capture.close()
        assert server.wait_for(lambda: "TEARDOWN" in server.methods())
    assert server.methods() == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN"]


def test_two_captures_may_show_one_camera(watch: Watch) -> None:
    with RtspServer(street_clip(160, 96), Behaviour(speed=4)) as server:
        first, second = watch(server.url), watch(server.url)
        for _ in range(20):
            assert next(first.capture.frames()).width == 160
            assert next(second.capture.frames()).width == 160
        first.capture.close()
        assert len(list(islice(second.capture.frames(), 10))) == 10
        assert first.kinds == second.kinds == ["MediaSessionEstablished"]


def test_no_password_is_shown_anywhere(watch: Watch, capfd: pytest.CaptureFixture[str]) -> None:
    closed, opened = Behaviour(login=("admin", "gefunden")), Behaviour(login=("admin", "geheim"), speed=4)
    with RtspServer(street_clip(160, 96), closed, opened) as server:
        address = server.url.replace("rtsp://", "rtsp://admin:geheim@") + "?token=geheim"
        watched = watch(address)
        frame = next(watched.capture.frames())
        assert watched.kinds == ["AuthenticationError", "MediaSessionEstablished"]
        assert watched.events[0].body["target"] == server.url.replace("rtsp://", "rtsp://***@") + "?..."
        names = [thread.name for thread in threading.enumerate()]
        shown = [repr(watched.events), repr(watched.capture.statistics()), repr(watched.capture), repr(frame), *names]
        watched.capture.close()
    printed = capfd.readouterr()
    assert "geheim" not in "".join([*shown, printed.out, printed.err])
