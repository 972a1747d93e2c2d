"""Files as users of Azure Video Analyzer have them, unmodified."""

from __future__ import annotations

import pytest
from topology_texts import PUBLISHED

from framewire.topology import GrpcExtension, LineCrossingProcessor, load_topology

pytestmark = pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published topologies are not beside the repository")

SETTINGS = {"rtspUrl": "rtsp://camera.local/stream"}
NOTHING = "nothing will be published: no IotHubMessageSink gets inferences from a node that works yet"
GATE = "SignalGateProcessor passes nothing on yet"
VIDEO = "VideoSink records nothing yet"

FILES = [
    ("ai-composition", "AIComposition", [GATE, VIDEO]),
    ("cvr-with-grpcExtension", "CVRWithGrpcExtension", [VIDEO]),
    ("evr-motion-file-sink", "EVRToFilesOnMotionDetection", [GATE, NOTHING, "FileSink records nothing yet"]),
    ("grpcExtensionOpenVINO", "InferencingWithOpenVINOgRPC", []),
    ("httpExtension", "InferencingWithHttpExtension", []),
    (
        "line-crossing",
        "LineCrossingWithHttpExtension",
        ["ObjectTrackingProcessor passes nothing on yet", "LineCrossingProcessor passes nothing on yet", NOTHING],
    ),
    ("motion-detection", "MotionDetection", []),
    ("motion-with-grpcExtension", "EVROnMotionPlusGrpcExtension", [GATE, VIDEO]),
]


@pytest.mark.parametrize(("file", "name", "messages"), FILES)
def test_it_is_taken_as_it_lies_there(file: str, name: str, messages: list[str]) -> None:
    text = (PUBLISHED / f"{file}.json").read_text("utf-8")
    settings = {**SETTINGS, "rtspUserName": "user", "rtspPassword": "x"} if file == "line-crossing" else SETTINGS
    loaded = load_topology(text, settings)
    assert [problem.message for problem in loaded.problems] == messages
    assert {problem.severity for problem in loaded.problems} <= {"warning"}
    assert loaded.topology is not None
    assert loaded.topology.name == name


def test_no_file_is_left_out() -> None:
    assert sorted(path.stem for path in PUBLISHED.glob("*.json")) == sorted(file for file, _, _ in FILES)


def test_values_in_them() -> None:
    text = (PUBLISHED / "grpcExtensionOpenVINO.json").read_text("utf-8")
    topology = load_topology(text, SETTINGS).topology
    assert topology is not None
    grpc = topology.nodes["grpcExtension"]
    assert isinstance(grpc, GrpcExtension)
    assert grpc.image.format.pixel_format == "bgr24"  # type: ignore[union-attr]
    assert grpc.data_transfer.shared_memory_size_mib == 64
    text = (PUBLISHED / "line-crossing.json").read_text("utf-8")
    topology = load_topology(text, {**SETTINGS, "rtspUserName": "user", "rtspPassword": "x"}).topology
    assert topology is not None
    lines = topology.nodes["lineCrossing"]
    assert isinstance(lines, LineCrossingProcessor)
    assert lines.lines[0].line == ((0.5, 0.1), (0.5, 0.9))
