"""The topologies that users have, as they lie there: a camera over RTSP, extensions over gRPC and HTTP, JSON out."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from camera_clips import street_clip
from camera_server import RtspServer
from command_line import Running, documents, eventually, running
from http_extensions import extension, found

PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "topologies"

pytestmark = pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published topologies are not beside the project")

MODULE = "/edgeModules/avaedge/livePipelines"


@pytest.fixture(scope="module")
def camera() -> Iterator[str]:
    with RtspServer(street_clip(frames=100)) as server:
        yield server.url


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    with running("serve", "--port", "0", "--host", "127.0.0.1") as server:
        yield "tcp://" + server.until_said(r"listening on (\S+)")[1]


def played(name: str, count: int, **settings: str) -> tuple[Running, list[dict[str, Any]]]:
    """Runs a published file until so many inference messages have come."""
    sets = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    with running("run", PUBLISHED / f"{name}.json", *sets) as pipeline:
        # Three tell of the pipeline and the session.
        pipeline.until_printed(3 + count)
        assert pipeline.stop(signal.SIGINT) == 0
    return pipeline, documents(pipeline.stdout)


def of_kind(messages: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    whole = f"Microsoft.VideoAnalyzer.{kind}"
    return [one for one in messages if one["applicationProperties"]["eventType"] == whole]


def types(message: dict[str, Any]) -> list[str]:
    return [one["type"] for one in message["body"]["inferences"]]


def assert_session(messages: list[dict[str, Any]], pipeline: str) -> None:
    (session,) = of_kind(messages, "Diagnostics.MediaSessionEstablished")
    assert session["applicationProperties"]["subject"] == f"{MODULE}/{pipeline}/sources/rtspSource"
    assert "H264" in session["body"]["sdp"]


@pytest.mark.parametrize(
    ("name", "pipeline", "node"),
    [
        ("motion-with-grpcExtension", "EVROnMotionPlusGrpcExtension", "grpcExtension"),
        ("cvr-with-grpcExtension", "CVRWithGrpcExtension", "grpcExtension"),
        ("grpcExtensionOpenVINO", "InferencingWithOpenVINOgRPC", "grpcExtension"),
    ],
)
def test_frames_go_to_a_grpc_extension(name: str, pipeline: str, node: str, camera: str, model: str) -> None:
    _, messages = played(name, 10, rtspUrl=camera, grpcExtensionAddress=model)
    assert_session(messages, pipeline)
    inferred = of_kind(messages, "Analytics.Inference")
    assert {one["applicationProperties"]["subject"] for one in inferred} == {f"{MODULE}/{pipeline}/processors/{node}"}
    assert all(types(one)[-1] == "classification" for one in inferred)


def test_two_extensions_are_chained_and_their_inferences_united(camera: str, model: str) -> None:
    _, messages = played(
        "ai-composition", 10, rtspUrl=camera, grpcExtensionAddress=model, grpcExtensionAddressSource=model
    )
    assert_session(messages, "AIComposition")
    inferred = of_kind(messages, "Analytics.Inference")
    assert {one["applicationProperties"]["subject"] for one in inferred} == {
        f"{MODULE}/AIComposition/processors/grpcExtension"
    }
    # Both run the same model: its answer is there once.
    assert all(types(one).count("classification") == 1 for one in inferred)


def test_motion_is_published(camera: str) -> None:
    _, messages = played("motion-detection", 2, rtspUrl=camera, rtspUserName="me", rtspPassword="s3cret")
    assert_session(messages, "MotionDetection")
    inferred = of_kind(messages, "Analytics.Inference")
    assert {kind for one in inferred for kind in types(one)} == {"motion"}
    assert all(one["motion"]["box"]["w"] > 0 for message in inferred for one in message["body"]["inferences"])
    # At most one message a second.
    times = [one["body"]["timestamp"] for one in inferred]
    assert times[1] - times[0] >= 90_000


def test_images_go_to_an_http_extension(camera: str) -> None:
    with extension(lambda _: found()) as (address, requests):
        _, messages = played("httpExtension", 1, rtspUrl=camera, inferencingUrl=address)
    assert_session(messages, "InferencingWithHttpExtension")
    (first, *_) = of_kind(messages, "Analytics.Inference")
    assert types(first) == ["entity"]
    # One frame in five seconds.
    assert len(requests.bodies) <= 2


def test_line_crossing_runs_up_to_the_tracker(camera: str) -> None:
    with (
        extension(lambda _: found()) as (address, requests),
        running(
            "run",
            PUBLISHED / "line-crossing.json",
            *("--set", f"rtspUrl={camera}", "--set", f"inferenceUrl={address}"),
            *("--set", "rtspUserName=me", "--set", "rtspPassword=s3cret"),
        ) as pipeline,
    ):
        pipeline.until_printed(3)
        eventually(lambda: len(requests.bodies) >= 2, "two images")
        assert pipeline.stop(signal.SIGINT) == 0
    messages = documents(pipeline.stdout)
    assert_session(messages, "LineCrossingWithHttpExtension")
    assert of_kind(messages, "Analytics.Inference") == []
    assert pipeline.stderr.count("nothing will be published") == 1
    assert "s3cret" not in pipeline.stderr + json.dumps(messages)


def test_recording_runs_up_to_the_motion_detector(camera: str) -> None:
    with running("run", PUBLISHED / "evr-motion-file-sink.json", "--set", f"rtspUrl={camera}") as pipeline:
        pipeline.until_printed(3)
        time.sleep(2.0)  # nothing is printed that tells of the first frame
        assert pipeline.stop(signal.SIGINT) == 0
    messages = documents(pipeline.stdout)
    assert_session(messages, "EVRToFilesOnMotionDetection")
    assert of_kind(messages, "Analytics.Inference") == []
    assert pipeline.stderr.count("nothing will be published") == 1
    summary = pipeline.stderr.splitlines()[-1]
    assert "motionDetection" in summary
    assert ": 0 frames" not in summary
