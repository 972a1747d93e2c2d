"""What a topology becomes: attributes of models."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from topology_texts import RECORDER, STREET, swapped

from framewire.topology import (
    FileSink,
    GrpcExtension,
    HttpExtension,
    ImageFormatBmp,
    ImageFormatJpeg,
    ImageFormatPng,
    ImageFormatRaw,
    IotHubMessageSink,
    IotHubMessageSource,
    LineCrossingProcessor,
    MotionDetectionProcessor,
    NodeInput,
    ObjectTrackingProcessor,
    RtspSource,
    SignalGateProcessor,
    TlsEndpoint,
    Topology,
    UnsecuredEndpoint,
    UsernamePasswordCredentials,
    VideoSink,
    load_topology,
)


def topology_of(text: str, **settings: str) -> Topology:
    loaded = load_topology(text, settings)
    assert loaded.topology is not None, [str(problem) for problem in loaded.problems]
    return loaded.topology


def test_nodes_are_found_by_name_in_the_order_of_the_document() -> None:
    topology = topology_of(STREET)
    assert list(topology.nodes) == ["camera", "motion", "grpc", "http", "hub"]
    assert (topology.name, topology.pipeline_name, topology.description) == (
        "Street",
        "Street",
        "Nothing is wrong here",
    )
    assert [(item.name, item.type) for item in topology.parameters] == [
        ("rtspUrl", "string"),
        ("rtspPassword", "secretString"),
        ("quality", "int"),
    ]
    assert topology.parameters[0].default == "rtsp://camera.local/stream"


def test_a_camera() -> None:
    source = topology_of(STREET).nodes["camera"]
    assert isinstance(source, RtspSource)
    assert source.transport == "tcp"
    assert isinstance(source.endpoint, UnsecuredEndpoint)
    assert source.endpoint.url == "rtsp://camera.local/stream"
    assert isinstance(source.endpoint.credentials, UsernamePasswordCredentials)
    assert source.endpoint.credentials.username == "user"
    assert source.endpoint.credentials.password.get_secret_value() == "s3cret"


def test_a_motion_detector() -> None:
    motion = topology_of(STREET).nodes["motion"]
    assert isinstance(motion, MotionDetectionProcessor)
    assert (motion.sensitivity, motion.output_motion_region, motion.event_aggregation_window) == ("medium", True, 1.0)
    assert motion.mask == (((0.0, 0.0), (1.0, 0.0), (1.0, 0.2)),)
    assert motion.inputs == (NodeInput(node_name="camera"),)


def test_a_mask_may_be_lists_too() -> None:
    text = swapped(STREET, ('"[[[0,0],[1,0],[1,0.2]]]"', '[[["0","0"],[1,0],[1,0.2]]]'))
    motion = topology_of(text).nodes["motion"]
    assert isinstance(motion, MotionDetectionProcessor)
    assert motion.mask == (((0.0, 0.0), (1.0, 0.0), (1.0, 0.2)),)


def test_a_grpc_extension() -> None:
    grpc = topology_of(STREET).nodes["grpc"]
    assert isinstance(grpc, GrpcExtension)
    assert isinstance(grpc.endpoint, TlsEndpoint)
    assert grpc.endpoint.url == "tcp://detector:5001"
    assert (grpc.data_transfer.mode, grpc.data_transfer.shared_memory_size_mib) == ("sharedMemory", 64)
    assert grpc.image.scale is not None
    assert (grpc.image.scale.mode, grpc.image.scale.width, grpc.image.scale.height) == ("pad", 416, 416)
    assert grpc.image.format == ImageFormatJpeg(quality=90)
    assert grpc.sampling_options.maximum_samples_per_second == 5.0
    assert grpc.sampling_options.skip_samples_without_annotation is False
    assert grpc.extension_configuration == "{}"


def test_an_http_extension() -> None:
    http = topology_of(STREET).nodes["http"]
    assert isinstance(http, HttpExtension)
    assert http.image.format == ImageFormatRaw(pixel_format="bgr24")
    assert http.image.scale is None
    assert http.sampling_options.maximum_samples_per_second is None


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ('{"@type": "ImageFormatBmp"}', ImageFormatBmp()),
        ('{"@type": "#microsoft.videoanalyzer.imageformatpng"}', ImageFormatPng()),
        ('{"@type": "Microsoft.VideoAnalyzer.ImageFormatJpeg"}', ImageFormatJpeg(quality=90)),
    ],
)
def test_image_formats(text: str, form: object) -> None:
    old = '{"@type": "#Microsoft.VideoAnalyzer.ImageFormatRaw", "pixelFormat": "Bgr24"}'
    http = topology_of(swapped(STREET, (old, text))).nodes["http"]
    assert isinstance(http, HttpExtension)
    assert http.image.format == form


def test_nodes_of_recordings() -> None:
    nodes = topology_of(RECORDER).nodes
    trigger, tracker, lines, gate = nodes["trigger"], nodes["tracker"], nodes["lines"], nodes["gate"]
    assert isinstance(trigger, IotHubMessageSource)
    assert trigger.hub_input_name == "open"
    assert isinstance(tracker, ObjectTrackingProcessor)
    assert tracker.accuracy == "low"
    assert isinstance(lines, LineCrossingProcessor)
    assert [(line.name, line.line) for line in lines.lines] == [("kerb", ((0.5, 0.1), (0.5, 0.9)))]
    assert isinstance(gate, SignalGateProcessor)
    assert (gate.activation_evaluation_window, gate.activation_signal_offset) == (1.0, -5.0)
    assert (gate.minimum_activation_time, gate.maximum_activation_time) == (20.0, 40.0)
    assert [item.node_name for item in gate.inputs] == ["camera", "trigger", "lines"]


def test_sinks() -> None:
    nodes = topology_of(RECORDER).nodes
    files, video, hub = nodes["files"], nodes["video"], nodes["hub"]
    assert isinstance(files, FileSink)
    assert (files.base_directory_path, files.maximum_size_mib) == ("/var/media", 512)
    assert files.file_name_pattern == "street-Recorder-${System.Runtime.DateTime}"
    assert isinstance(video, VideoSink)
    assert (video.video_name, video.local_media_cache_path) == ("street", "/var/cache")
    assert video.local_media_cache_maximum_size_mib == 2048
    assert (video.video_creation_properties.segment_length, video.video_creation_properties.retention_period) == (
        30.0,
        604_800.0,
    )
    assert isinstance(hub, IotHubMessageSink)
    assert hub.hub_output_name == "inferences"


def test_what_is_left_out_has_its_default() -> None:
    text = swapped(
        RECORDER,
        ('"accuracy": "low",\n', ""),
        ('        "activationEvaluationWindow": "PT1S",\n', ""),
        ('        "activationSignalOffset": "-PT5S",\n', ""),
        ('        "minimumActivationTime": "PT20S",\n', ""),
        ('        "maximumActivationTime": "PT40S",\n', ""),
        (',\n        "hubInputName": "open"', ""),
        (
            '"title": "Street", "segmentLength": "PT30S", "retentionPeriod": "P7D"',
            "",
        ),
    )
    nodes = topology_of(text).nodes
    gate, http, video = nodes["gate"], nodes["http"], nodes["video"]
    assert isinstance(gate, SignalGateProcessor)
    assert (gate.activation_evaluation_window, gate.activation_signal_offset) == (1.0, 0.0)
    assert (gate.minimum_activation_time, gate.maximum_activation_time) == (10.0, 3600.0)
    assert isinstance(http, HttpExtension)
    assert http.image.format == ImageFormatJpeg(quality=90)
    assert isinstance(video, VideoSink)
    assert video.video_creation_properties.segment_length == 30.0
    assert video.video_creation_properties.retention_period is None
    assert nodes["tracker"].accuracy == "medium"  # type: ignore[union-attr]
    assert nodes["trigger"].hub_input_name is None  # type: ignore[union-attr]
    assert nodes["camera"].transport == "tcp"  # type: ignore[union-attr]


def test_members_types_and_words_are_found_in_any_case_and_scalars_in_any_form() -> None:
    text = swapped(
        STREET,
        ('"transport": "tcp"', '"TRANSPORT": "Tcp"'),
        ('"sharedMemorySizeMiB": "64"', '"SharedMemorySizeMiB": 64.0'),
        ('"mode": "sharedMemory"', '"Mode": "SHAREDMEMORY"'),
        ('"mode": "pad"', '"mode": "PreserveAspectRatio"'),
        ('"outputMotionRegion": "true"', '"outputmotionregion": true'),
        ('"skipSamplesWithoutAnnotation": "false"', '"skipSamplesWithoutAnnotation": "False"'),
        ('"maximumSamplesPerSecond": "5"', '"maximumSamplesPerSecond": 0.5'),
        ('"@type": "#Microsoft.VideoAnalyzer.GrpcExtension"', '"@TYPE": "grpcextension"'),
        ('"sources": [', '"Sources": ['),
    )
    loaded = load_topology(text)
    assert loaded.problems == ()
    assert loaded.topology is not None
    nodes = loaded.topology.nodes
    grpc, camera, motion = nodes["grpc"], nodes["camera"], nodes["motion"]
    assert isinstance(grpc, GrpcExtension)
    assert (grpc.data_transfer.mode, grpc.data_transfer.shared_memory_size_mib) == ("sharedMemory", 64)
    assert grpc.image.scale is not None
    assert grpc.image.scale.mode == "preserveAspectRatio"
    assert grpc.sampling_options.maximum_samples_per_second == 0.5
    assert isinstance(camera, RtspSource)
    assert camera.transport == "tcp"
    assert isinstance(motion, MotionDetectionProcessor)
    assert motion.output_motion_region is True


def test_selectors_say_which_media_are_taken() -> None:
    selectors = '"outputSelectors": [{"property": "MediaType", "operator": "isNot", "value": "Application"}]'
    text = swapped(STREET, ('{"nodeName": "camera"}', f'{{"nodeName": "camera", {selectors}}}'))
    motion = topology_of(text).nodes["motion"]
    assert isinstance(motion, MotionDetectionProcessor)
    (item,) = motion.inputs
    assert [(one.property, one.operator, one.value) for one in item.output_selectors] == [
        ("mediaType", "isNot", "application")
    ]
    assert [item.takes(media) for media in ("video", "audio", "application")] == [True, True, False]


def test_two_selectors_with_is_are_alternatives() -> None:
    selectors = [{"operator": "is", "value": "video"}, {"operator": "is", "value": "audio"}]
    item = NodeInput.model_validate({"nodeName": "camera", "outputSelectors": selectors})
    assert [item.takes(media) for media in ("video", "audio", "application")] == [True, True, False]


def test_inputs_have_the_names_of_their_nodes_in_whatever_case_they_are_written() -> None:
    grpc = topology_of(swapped(STREET, ('{"nodeName": "motion"}', '{"nodeName": "MOTION"}'))).nodes["grpc"]
    assert isinstance(grpc, GrpcExtension)
    assert grpc.inputs == (NodeInput(node_name="motion"),)


@pytest.mark.parametrize(
    ("first", "second", "taken"),
    [
        ('{"value": "video"}', '{"value": "application"}', [True, False, True]),
        ('{"value": "video"}', '{"operator": "isNot", "value": "video"}', [True, True, True]),
        ('{"value": "video"}', '{"value": "audio"}', [True, True, False]),
    ],
)
def test_a_node_that_is_named_twice_is_one_input(first: str, second: str, taken: list[bool]) -> None:
    inputs = ", ".join(f'{{"nodeName": "motion", "outputSelectors": [{item}]}}' for item in (first, second))
    loaded = load_topology(swapped(STREET, ('"inputs": [{"nodeName": "motion"}]', f'"inputs": [{inputs}]')))
    assert loaded.problems == ()
    assert loaded.topology is not None
    grpc = loaded.topology.nodes["grpc"]
    assert isinstance(grpc, GrpcExtension)
    (item,) = grpc.inputs
    assert item.node_name == "motion"
    assert [item.takes(media) for media in ("video", "audio", "application")] == taken


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://user:p@ss/w0rd@camera:554/stream?x=1",
        "RTSPS://[2001:db8::1]:322/",
        "https://camera/video.mp4",
        "clip.mp4",
        "./folder/clip 2.mkv",
        "/dev/video0",
        "file:///srv/clip.mp4",
        "file:clip.mp4",
        "test:size=640x360,frames=180",
        "C:\\clip.mp4",
    ],
)
def test_sources_of_all_kinds_are_taken(url: str) -> None:
    loaded = load_topology(STREET, {"rtspUrl": url})
    assert loaded.problems == ()
    assert loaded.topology is not None
    camera = loaded.topology.nodes["camera"]
    assert isinstance(camera, RtspSource)
    scheme, separator, rest = url.partition("://")
    assert camera.endpoint.url == (scheme.lower() + separator + rest if separator else url)


@pytest.mark.parametrize("url", ["tcp://10.0.0.1:5001", "TCP://[::1]:5001", "tcp://detector:5001/", "unix:/run/x.sock"])
def test_extensions_of_all_kinds_are_taken(url: str) -> None:
    loaded = load_topology(swapped(STREET, ("tcp://detector:5001", url)))
    assert loaded.problems == ()
    assert loaded.topology is not None
    grpc = loaded.topology.nodes["grpc"]
    assert isinstance(grpc, GrpcExtension)
    assert grpc.endpoint.url == url.replace("TCP", "tcp")


def test_blanks_around_a_url_are_taken_off() -> None:
    camera = topology_of(STREET, rtspUrl=" rtsp://camera.local/x ").nodes["camera"]
    assert isinstance(camera, RtspSource)
    assert camera.endpoint.url == "rtsp://camera.local/x"


def test_a_name_may_be_a_number() -> None:
    text = swapped(STREET, ('"name": "motion"', '"name": 5'), ('"nodeName": "motion"', '"nodeName": 5'))
    assert list(topology_of(swapped(text, ('"name": "hub"', '"name": true'))).nodes) == [
        "camera",
        "5",
        "grpc",
        "http",
        "true",
    ]


def test_models_can_be_made_in_python_and_do_not_change() -> None:
    gate = SignalGateProcessor(name="gate", inputs=(NodeInput(node_name="camera"),), activation_signal_offset=-5.0)
    assert gate.activation_signal_offset == -5.0
    with pytest.raises(ValidationError, match="frozen"):
        gate.name = "other"  # type: ignore[misc]


def test_processors_may_be_missing_and_system_data_present() -> None:
    text = """{
      "systemData": {"createdAt": "2021-12-03T22:31:55.816Z"}, "$schema": "topology.schema.json", "name": "Plain",
      "properties": {
        "sources": [{"@type": "RtspSource", "name": "camera",
                     "endpoint": {"@type": "UnsecuredEndpoint", "url": "x.mp4"}}],
        "sinks": [{"@type": "VideoSink", "name": "video", "videoName": "v", "localMediaCachePath": "/tmp",
                   "localMediaCacheMaximumSizeMiB": 1, "inputs": [{"nodeName": "camera"}]}]}}"""
    loaded = load_topology(text)
    assert [problem.message for problem in loaded.problems] == [
        "nothing will be published: no IotHubMessageSink gets inferences from a node that works yet",
        "VideoSink records nothing yet",
    ]
    assert loaded.topology is not None
    assert loaded.topology.processors == ()
