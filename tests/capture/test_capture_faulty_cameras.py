"""Cameras that misbehave. Each test: what is told, what the state is, and that pictures come again."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice, pairwise

import numpy as np
import pytest
from camera_behaviour import Behaviour
from camera_clips import EncodedClip, encode_clip, street_clip
from camera_server import RtspServer
from watched_captures import Watch, Watched

from framewire.capture import CapturedFrame, CaptureState

GOOD = Behaviour(speed=4)


@pytest.fixture(scope="module")
def clip() -> EncodedClip:
    return street_clip(160, 96, frames=40)


def take(watched: Watched, count: int) -> list[CapturedFrame]:
    """Reads so many frames, and sees to it that their times grow."""
    frames = list(islice(watched.capture.frames(), count))
    assert len(frames) == count
    assert all(before.timestamp < after.timestamp for before, after in pairwise(frames))
    return frames


@contextmanager
def taking(watched: Watched, count: int) -> Iterator[None]:
    """Reads so many frames meanwhile; by the end of the block the camera has to give them."""
    frames: list[CapturedFrame] = []
    reader = threading.Thread(target=lambda: frames.extend(take(watched, count)))
    reader.start()
    yield
    reader.join(20)
    assert len(frames) == count


def test_a_camera_that_is_away_is_found_when_it_comes(watch: Watch, clip: EncodedClip) -> None:
    with RtspServer(clip, GOOD) as server:
        server.refuse()
        watched = watch(server.url)
        with taking(watched, 3):
            assert watched.wait_for(lambda: len(watched.events) >= 3)
            assert watched.kinds[:3] == ["NetworkError"] * 3
            assert watched.states[:3] == [CaptureState.BACKING_OFF] * 3
            assert watched.events[0].body == {
                "code": "connectionRefused",
                "target": server.url,
                "protocol": "rtsp",
                "details": [
                    {"code": "ConnectionRefused", "message": "nobody listens at this address (connection refused)"}
                ],
            }
            server.listen()
        assert watched.kinds[-1] == "MediaSessionEstablished"
        assert watched.capture.statistics().reconnects == 0


@pytest.mark.parametrize("silent_at", ["connect", "OPTIONS", "DESCRIBE", "SETUP", "PLAY"])
def test_a_camera_that_stays_silent_is_left_and_asked_again(watch: Watch, clip: EncodedClip, silent_at: str) -> None:
    with RtspServer(clip, Behaviour(silent_at=silent_at), GOOD) as server:
        watched = watch(server.url, connect_timeout_s=0.5)
        take(watched, 3)
        assert watched.story == ["NetworkError", "MediaSessionEstablished"]
        assert watched.events[0].body["details"] == [{"code": "Timeout", "message": "no answer within 0.5 s"}]


def test_a_camera_that_promises_video_and_sends_none_is_left_too(watch: Watch, clip: EncodedClip) -> None:
    with RtspServer(clip, Behaviour(silent_at="playing")) as server:
        watched = watch(server.url, connect_timeout_s=1.0, stall_s=1.0)
        with taking(watched, 3):
            # On a slow machine connections may fail before one of them stalls.
            assert watched.wait_for(lambda: "stalled" in watched.codes)
            server.behaviours.append(GOOD)
        stalled = watched.codes.index("stalled")
        assert watched.kinds[stalled - 1 : stalled + 1] == ["MediaSessionEstablished", "NetworkError"]
        assert watched.kinds[-1] == "MediaSessionEstablished"


@pytest.mark.parametrize("scheme", ["basic", "digest"])
def test_wrong_credentials_are_told_and_tried_again_slowly(watch: Watch, clip: EncodedClip, scheme: str) -> None:
    closed = Behaviour(login=("admin", "geheim"), scheme=scheme)  # type: ignore[arg-type]
    with RtspServer(clip, closed, closed, GOOD) as server:
        watched = watch(server.url, user="admin", password="falsch", backoff_least_s=0.01, backoff_most_s=0.01)
        take(watched, 3)
        assert watched.kinds == ["AuthenticationError", "AuthenticationError", "MediaSessionEstablished"]
        assert watched.events[0].body["code"] == "401"
        # Pauses of 0.3 s to 0.33 s, not of the 0.01 s for other faults.
        seconds = watched.capture.statistics().seconds
        assert seconds[CaptureState.BACKING_OFF] >= 0.6
        assert watched.capture.statistics().last_error == "the camera refuses user and password (401)"
        assert "falsch" not in repr(watched.events)


@pytest.mark.parametrize("scheme", ["basic", "digest"])
def test_right_credentials_open_whatever_characters_they_have(watch: Watch, clip: EncodedClip, scheme: str) -> None:
    user, password = "a@b", "p:ä/ %?#@"
    behaviour = Behaviour(login=(user, password), scheme=scheme, speed=4)  # type: ignore[arg-type]
    with RtspServer(clip, behaviour) as server:
        watched = watch(server.url, user=user, password=password)
        take(watched, 3)
        assert watched.kinds == ["MediaSessionEstablished"]


@pytest.mark.parametrize(
    ("refusal", "event", "code"),
    [
        ({"DESCRIBE": 403}, "AuthorizationError", "403"),
        ({"DESCRIBE": 404}, "ProtocolError", "404"),
        ({"DESCRIBE": 400}, "ProtocolError", "400"),
        ({"DESCRIBE": 454}, "ProtocolError", "4XX"),
        ({"DESCRIBE": 503}, "ProtocolError", "5XX"),
        ({"SETUP": 461}, "ProtocolError", "461"),
        ({"PLAY": 404}, "ProtocolError", "404"),
    ],
)
def test_a_status_that_refuses_is_told(
    watch: Watch, clip: EncodedClip, refusal: dict[str, int], event: str, code: str
) -> None:
    with RtspServer(clip, Behaviour(status=refusal), GOOD) as server:
        watched = watch(server.url)
        take(watched, 3)
        assert watched.kinds == [event, "MediaSessionEstablished"]
        assert watched.events[0].body["code"] == code


@pytest.mark.parametrize("then", ["end", "close", "drop"])
@pytest.mark.parametrize("transport", ["tcp", "udp", "http"])
def test_a_camera_that_breaks_off_is_connected_again(
    watch: Watch, clip: EncodedClip, then: str, transport: str
) -> None:
    breaks = Behaviour(speed=8, frames=15, then=then)  # type: ignore[arg-type]
    with RtspServer(clip, breaks, breaks, GOOD) as server:
        watched = watch(server.url, transport=transport)
        take(watched, 36)
        assert [kind for kind in watched.kinds if kind != "MediaSessionEstablished"] == ["NetworkError"] * 2
        assert watched.kinds.count("MediaSessionEstablished") == 3
        statistics = watched.capture.statistics()
        assert statistics.reconnects == 2
        assert statistics.frames == 36


@pytest.mark.parametrize("transport", ["tcp", "udp", "http"])
def test_a_camera_that_stalls_with_its_socket_open_is_left(
    watch: Watch, clip: EncodedClip, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    # FFmpeg shall not be the first to give up when the one who watches is late.
    monkeypatch.setattr("framewire.capture.kinds._READ_GRACE_S", 20.0)
    with RtspServer(clip, Behaviour(speed=8, frames=20, then="stall"), GOOD) as server:
        watched = watch(server.url, transport=transport, stall_s=1.0)
        take(watched, 24)
        # On a slow machine the next session may stall, too.
        assert watched.story[:3] == ["MediaSessionEstablished", "NetworkError", "MediaSessionEstablished"]
        assert watched.events[1].body["details"] == [{"code": "Stalled", "message": "the camera sent nothing for 1 s"}]


def test_a_camera_that_pauses_for_a_moment_keeps_its_connection(watch: Watch, clip: EncodedClip) -> None:
    # A frame leaves FFmpeg with the next one, so the 20th is the last before the pause.
    with RtspServer(clip, Behaviour(speed=8, pauses={20: 1.8})) as server:
        watched = watch(server.url)
        states = [watched.capture.state for _ in islice(watched.capture.frames(), 30)]
        assert states == [CaptureState.STREAMING] * 30
        assert watched.kinds == ["MediaSessionEstablished"]


def test_a_resolution_that_changes_midway_changes_the_frames(watch: Watch, clip: EncodedClip) -> None:
    wide = street_clip(320, 176, frames=20)
    with RtspServer(clip, Behaviour(speed=4, clips={13: wide})) as server:
        watched = watch(server.url)
        frames = take(watched, 30)
        assert [(frame.width, frame.height) for frame in frames] == [(160, 96)] * 13 + [(320, 176)] * 17
        for frame in frames:
            assert frame.luma().shape == (frame.height, frame.width)
            assert frame.rgb().shape == (frame.height, frame.width, 3)
            assert frame.rgb_scaled(64, 48).shape == (48, 64, 3)
        assert watched.kinds == ["MediaSessionEstablished"]


@pytest.mark.parametrize("jump_s", [86_400, -20])
def test_timestamps_that_jump_leave_the_frames_in_order(watch: Watch, clip: EncodedClip, jump_s: int) -> None:
    behaviour = Behaviour(speed=4, first_timestamp=30 * 90_000, jumps={17: jump_s * 90_000})
    with RtspServer(clip, behaviour) as server:
        watched = watch(server.url)
        frames = take(watched, 30)
        steps = [after.timestamp - before.timestamp for before, after in pairwise(frames)]
        assert sum(step != 3600 for step in steps) <= 1
        assert frames[-1].timestamp - frames[0].timestamp < 90_000 * 5
        assert watched.capture.statistics().reconnects == 0


def test_timestamps_that_wrap_around_go_on(watch: Watch, clip: EncodedClip) -> None:
    with RtspServer(clip, Behaviour(speed=4, first_timestamp=2**32 - 10 * 3600)) as server:
        frames = take(watch(server.url), 30)
        assert [after.timestamp - before.timestamp for before, after in pairwise(frames)] == [3600] * 29


@pytest.mark.parametrize("parameter_sets", ["sdp", "band"])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_parameter_sets_may_come_one_way_or_the_other(watch: Watch, parameter_sets: str, codec: str) -> None:
    clip = street_clip(160, 96, frames=40, codec=codec)  # type: ignore[arg-type]
    behaviour = Behaviour(speed=4, parameter_sets=parameter_sets)  # type: ignore[arg-type]
    with RtspServer(clip, behaviour) as server:
        watched = watch(server.url)
        frames = take(watched, 15)
        assert {(frame.width, frame.height) for frame in frames} == {(160, 96)}
        assert watched.kinds == ["MediaSessionEstablished"]


def test_corrupt_packets_are_counted_and_the_pictures_go_on(watch: Watch, clip: EncodedClip) -> None:
    corrupt = frozenset({10, 11, 12, 20, 23, 30})
    with RtspServer(clip, Behaviour(speed=4, corrupt=corrupt)) as server:
        watched = watch(server.url)
        take(watched, 60)
        statistics = watched.capture.statistics()
        assert statistics.undecodable + statistics.damaged >= 3
        assert statistics.reconnects == 0
        assert watched.kinds == ["MediaSessionEstablished"]


def test_lost_packets_are_survived(watch: Watch, clip: EncodedClip) -> None:
    lost = frozenset(range(12, 200, 9))
    with RtspServer(clip, Behaviour(speed=4, lost=lost)) as server:
        watched = watch(server.url, transport="udp")
        take(watched, 40)
        assert watched.capture.statistics().reconnects == 0


@pytest.mark.parametrize(
    ("garbage", "event"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "ProtocolError"),
        (b"\0" * 4000, "ProtocolError"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "ProtocolError"),
    ],
)
def test_something_else_than_a_camera_is_told_and_tried_again(
    watch: Watch, clip: EncodedClip, garbage: bytes, event: str
) -> None:
    with RtspServer(clip, Behaviour(garbage=garbage), GOOD) as server:
        watched = watch(server.url, connect_timeout_s=0.5)
        take(watched, 3)
        assert watched.kinds[0] in (event, "NetworkError")
        assert watched.kinds[-1] == "MediaSessionEstablished"


def test_a_camera_that_tells_a_length_is_a_camera_all_the_same(watch: Watch, clip: EncodedClip) -> None:
    sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\na=range:npt=0-1.0\r\n"
    sdp += "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n"
    with RtspServer(clip, Behaviour(speed=4, sdp=sdp, frames=15)) as server:
        watched = watch(server.url)
        take(watched, 40)
        assert watched.capture.statistics().reconnects >= 2


AUDIO = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\na=control:track1\r\n"


def test_a_camera_without_video_has_a_format_that_is_not_supported(watch: Watch, clip: EncodedClip) -> None:
    with RtspServer(clip, Behaviour(sdp=AUDIO), GOOD) as server:
        watched = watch(server.url)
        take(watched, 3)
        assert watched.kinds == ["MediaFormatError", "MediaSessionEstablished"]
        assert watched.events[0].body["code"] == "unsupportedVideoFormat"


def test_video_that_never_gives_a_picture_is_told_as_its_format(watch: Watch) -> None:
    # Without any parameter sets nothing can be decoded.
    blind = encode_clip([np.zeros((96, 160, 3), np.uint8)] * 20)
    blind = EncodedClip("h264", blind.size, 25, (), blind.pictures)
    with RtspServer(blind, Behaviour(speed=4)) as server:
        watched = watch(server.url, picture_s=1.0, connect_timeout_s=1.0)
        with taking(watched, 3):
            # On a slow machine connections may fail before one of them is up and sends for long enough.
            assert watched.wait_for(
                lambda: "MediaFormatError" in watched.kinds and watched.capture.statistics().undecodable > 0
            )
            server.behaviours.append(Behaviour(speed=4, clips={0: street_clip(160, 96)}))
        assert watched.kinds[-1] == "MediaSessionEstablished"


@pytest.mark.parametrize("silent_at", ["connect", "playing", None])
def test_closing_ends_the_frames_at_once_wherever_the_camera_hangs(
    watch: Watch, clip: EncodedClip, silent_at: str | None
) -> None:
    with RtspServer(clip, Behaviour(silent_at=silent_at, frames=10, then="stall", speed=8)) as server:
        watched = watch(server.url, connect_timeout_s=30.0, stall_s=30.0)
        ended = threading.Event()

        def read(frames: Iterator[CapturedFrame]) -> None:
            for _ in frames:
                pass
            ended.set()

        threading.Thread(target=read, args=(watched.capture.frames(),), daemon=True).start()
        assert server.wait_for(lambda: server.connections == 1)
        watched.capture.close()
        assert ended.wait(20)
        assert watched.capture.state is CaptureState.ENDED
        assert list(watched.capture.frames()) == []
        watched.capture.close()


def test_a_capture_that_was_closed_before_it_began_gives_nothing(watch: Watch, clip: EncodedClip) -> None:
    with RtspServer(clip) as server:
        watched = watch(server.url)
        watched.capture.close()
        assert watched.capture.state is CaptureState.ENDED
        assert list(watched.capture.frames()) == []
        assert server.connections == 0


def test_a_machine_without_threads_is_waited_for(
    watch: Watch, clip: EncodedClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RtspServer(clip, GOOD) as server:
        watched = watch(server.url)
        start, failures = threading.Thread.start, [1, 2]

        def fail_twice(thread: threading.Thread) -> None:
            if thread.name.startswith("framewire capture") and failures:
                failures.pop()
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", fail_twice)
        take(watched, 3)
        assert watched.kinds == ["RuntimeError", "RuntimeError", "MediaSessionEstablished"]


def test_closing_ends_a_pause(watch: Watch, clip: EncodedClip) -> None:
    with RtspServer(clip) as server:
        server.refuse()
        watched = watch(server.url, backoff_least_s=3600.0, backoff_most_s=3600.0)
        ended = threading.Event()

        def read() -> None:
            assert list(watched.capture.frames()) == []
            ended.set()

        threading.Thread(target=read, daemon=True).start()
        assert watched.wait_for(lambda: len(watched.events) == 1)
        watched.capture.close()
        assert ended.wait(20)
