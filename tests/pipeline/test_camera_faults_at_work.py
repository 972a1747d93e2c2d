"""``framewire run`` between a camera that misbehaves and an extension: what is published, and that it goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from camera_behaviour import Behaviour
from camera_clips import EncodedClip, street_clip
from camera_server import RtspServer
from command_line import Server, memory_of, serving
from pipeline_documents import grpc, hub, source, topology, typed, written
from publishing_command import Publishing, at_work, type_of

GOOD = Behaviour(speed=2)

ESTABLISHED = ("Microsoft.VideoAnalyzer.Diagnostics.MediaSessionEstablished", None)


@pytest.fixture(scope="module")
def clip() -> EncodedClip:
    return street_clip(160, 96, frames=40)


@pytest.fixture(scope="module")
def model() -> Iterator[Server]:
    with serving() as server:
        yield server


def document(folder: Path, camera: RtspServer, model: str, user: str | None = None, password: str = "") -> Path:
    """Frames in their own size for an extension, and its answers for the hub."""
    image = {"format": typed("ImageFormatRaw", pixelFormat="rgb24")}
    extension = grpc("ai", f"tcp://{model}", image=image)
    return written(folder, topology(source(camera.url, user, password), extension, hub("ai")))


def test_a_camera_that_refuses_connections_is_found_when_it_comes(
    tmp_path: Path, clip: EncodedClip, model: Server
) -> None:
    with RtspServer(clip, GOOD) as camera:
        camera.refuse()
        with at_work(tmp_path, document(tmp_path, camera, model.address), "refused") as pipeline:
            pipeline.until_told("Microsoft.VideoAnalyzer.Diagnostics.NetworkError")
            camera.listen()
            pipeline.until_inferred_again()
    assert pipeline.story == [("Microsoft.VideoAnalyzer.Diagnostics.NetworkError", "connectionRefused"), ESTABLISHED]
    event = pipeline.events[0]
    assert event["applicationProperties"]["subject"] == "/edgeModules/avaedge/livePipelines/refused/sources/camera"
    assert (event["body"]["target"], event["body"]["protocol"]) == (camera.url, "rtsp")


def test_wrong_credentials_are_told_without_the_password_and_tried_again(
    tmp_path: Path, clip: EncodedClip, model: Server
) -> None:
    closed = Behaviour(login=("admin", "geheim"))
    with RtspServer(clip, closed, closed, GOOD) as camera:
        path = document(tmp_path, camera, model.address, "admin", "falsch")
        with at_work(tmp_path, path, "login") as pipeline:
            pipeline.until_inferred_again()
    assert pipeline.story == [("Microsoft.VideoAnalyzer.Diagnostics.AuthenticationError", "401"), ESTABLISHED]
    assert "falsch" not in pipeline.stdout + pipeline.stderr


def test_a_stream_that_is_not_there_yet_is_asked_for_again(tmp_path: Path, clip: EncodedClip, model: Server) -> None:
    absent = Behaviour(status={"DESCRIBE": 404})
    with (
        RtspServer(clip, absent, absent, GOOD) as camera,
        at_work(tmp_path, document(tmp_path, camera, model.address), "absent") as pipeline,
    ):
        pipeline.until_inferred_again()
    assert pipeline.story == [("Microsoft.VideoAnalyzer.Diagnostics.ProtocolError", "404"), ESTABLISHED]


def test_a_camera_that_accepts_and_stays_silent_is_asked_again(
    tmp_path: Path, clip: EncodedClip, model: Server
) -> None:
    with (
        RtspServer(clip, Behaviour(silent_at="connect"), GOOD) as camera,
        at_work(tmp_path, document(tmp_path, camera, model.address), "silent", connect_timeout_s=2.0) as pipeline,
    ):
        pipeline.until_inferred_again()
    assert pipeline.story == [("Microsoft.VideoAnalyzer.Diagnostics.NetworkError", "timeout"), ESTABLISHED]


def test_a_camera_that_drops_its_connections_and_tells_its_parameter_sets_one_way_and_the_other(
    tmp_path: Path, clip: EncodedClip, model: Server
) -> None:
    described = Behaviour(frames=125, then="drop", parameter_sets="sdp")
    in_band = Behaviour(speed=2, parameter_sets="band")
    with (
        RtspServer(clip, described, in_band) as camera,
        at_work(tmp_path, document(tmp_path, camera, model.address), "drops") as pipeline,
    ):
        pipeline.until_inferred_again(sessions=2)
    first, lost, second = pipeline.story
    assert (first, second) == (ESTABLISHED, ESTABLISHED)
    assert lost[0] == "Microsoft.VideoAnalyzer.Diagnostics.NetworkError"
    # Whether FFmpeg has read all that came before the reset is for the scheduler to say.
    assert lost[1] in ("connectionReset", "ended")
    # Each way gave pictures: some came before the connection was lost.
    kinds = [type_of(one) for one in pipeline.messages]
    assert "Microsoft.VideoAnalyzer.Analytics.Inference" in kinds[: kinds.index(lost[0])]
    assert "1 reconnects" in pipeline.stderr.splitlines()[-1]


def test_a_camera_that_stalls_with_its_socket_open_is_left(tmp_path: Path, clip: EncodedClip, model: Server) -> None:
    with (
        RtspServer(clip, Behaviour(speed=2, frames=30, then="stall"), GOOD) as camera,
        at_work(tmp_path, document(tmp_path, camera, model.address), "stalls", stall_s=3.0) as pipeline,
    ):
        pipeline.until_inferred_again(sessions=2)
    assert pipeline.story[:3] == [
        ESTABLISHED,
        ("Microsoft.VideoAnalyzer.Diagnostics.NetworkError", "stalled"),
        ESTABLISHED,
    ]


def test_a_new_resolution_is_a_new_session_with_the_extension(tmp_path: Path, clip: EncodedClip, model: Server) -> None:
    wide = street_clip(320, 176, frames=20)
    with (
        RtspServer(clip, Behaviour(speed=2, clips={40: wide, 80: clip})) as camera,
        at_work(tmp_path, document(tmp_path, camera, model.address), "resolution") as pipeline,
    ):
        session = "info: session \\d+: resolution/ai: RAW RGB24 {}, shared memory, processor color-intensity$"
        sessions = [session.format(size) for size in ("160x96", "320x176", "160x96")]
        model.until_said(".*\n(.*\n)*.*".join(sessions))
        pipeline.until_inferred(len(pipeline.inferences) + 10)
    assert pipeline.story == [ESTABLISHED]
    sizes = re.findall(r"resolution/ai: RAW RGB24 (\S+),", model.stderr)
    assert sizes == ["160x96", "320x176", "160x96"]


def test_timestamps_that_jump_ahead_and_back_are_published_in_order(
    tmp_path: Path, clip: EncodedClip, model: Server
) -> None:
    jumps = {25: 86_400 * 90_000, 60: -20 * 90_000}
    with (
        RtspServer(clip, Behaviour(speed=2, first_timestamp=30 * 90_000, jumps=jumps)) as camera,
        at_work(tmp_path, document(tmp_path, camera, model.address), "jumps") as pipeline,
    ):
        pipeline.until_inferred_again(count=90)
    assert pipeline.story == [ESTABLISHED]
    # Neither a day nor 20 s: as much as there is of the video, and what the machine was late.
    span = pipeline.inferences[-1]["timestamp"] - pipeline.inferences[0]["timestamp"]
    assert 0 < span < 90_000 * 60


def test_corrupt_packets_are_counted_and_inferences_go_on(tmp_path: Path, clip: EncodedClip, model: Server) -> None:
    with (
        RtspServer(clip, Behaviour(speed=2, corrupt=frozenset({10, 11, 12, 20, 23, 30}))) as camera,
        at_work(tmp_path, document(tmp_path, camera, model.address), "corrupt") as pipeline,
    ):
        pipeline.until_inferred_again(count=50)
    assert pipeline.story == [ESTABLISHED]
    assert re.search(r"[1-9]\d* (undecodable|damaged)", pipeline.stderr.splitlines()[-1])


def test_an_extension_that_dies_and_returns_gets_a_new_session(tmp_path: Path, clip: EncodedClip) -> None:
    with RtspServer(clip, GOOD) as camera, serving() as model:
        with at_work(tmp_path, document(tmp_path, camera, model.address), "killed") as pipeline:
            pipeline.until_inferred(10)
            model.process.kill()
            pipeline.until_said("ai: .* trying again")
            count = len(pipeline.inferences)
            with serving(where=("--port", model.address.rpartition(":")[2], "--host", "127.0.0.1")) as again:
                pipeline.until_said("ai: .* is back")
                pipeline.until_inferred(count + 10)
                again.until_said("session 1: killed/ai: RAW RGB24 160x96")
        assert pipeline.story == [ESTABLISHED, ("Microsoft.VideoAnalyzer.Diagnostics.NetworkError", "UNAVAILABLE")]
        told = pipeline.events[-1]
        assert told["applicationProperties"]["subject"] == "/edgeModules/avaedge/livePipelines/killed/processors/ai"
        assert (told["body"]["target"], told["body"]["protocol"]) == (f"tcp://{model.address}", "grpc")


def test_the_shared_memory_of_a_pipeline_that_was_killed_is_removed_by_the_next(
    tmp_path: Path, clip: EncodedClip, model: Server
) -> None:
    with RtspServer(clip, GOOD) as camera:
        path = document(tmp_path, camera, model.address)
        with Publishing("run", path) as killed:
            killed.until_inferred(1)
            (left,) = memory_of(killed.process)
            killed.process.kill()
            killed.process.wait()
        with at_work(tmp_path, path, "next") as pipeline:
            pipeline.until_inferred(1)
            assert not left.exists()
            assert len(memory_of(pipeline.process)) == 1
