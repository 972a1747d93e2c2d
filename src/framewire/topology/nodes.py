"""The nodes of a topology: one model for each `@type` (topologies, section 2).

Durations are float seconds, sizes whole MiB. Choices that have two words are spelled as published: `sharedMemory`,
`preserveAspectRatio`; all others are one lower-case word.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from framewire.topology.outlines import Line, Polygon, line_leaf, mask_leaf
from framewire.topology.parts import (
    DataTransfer,
    Endpoint,
    Image,
    NodeInput,
    Part,
    SamplingOptions,
    Typed,
)
from framewire.topology.scalars import Leaf, boolean, choice, duration, name, text, whole

_MINUTE_S, _HOUR_S, _DAY_S = 60.0, 3600.0, 86_400.0
_MAX_CACHE_MIB = 1 << 31
_Level = Literal["low", "medium", "high"]


class Node(Typed):
    """A node of any kind."""

    is_abstract: ClassVar[bool] = True

    name: Annotated[str, name()]


class FedNode(Node):
    """A node that gets something from others."""

    is_abstract: ClassVar[bool] = True

    inputs: Annotated[tuple[NodeInput, ...], Field(min_length=1)]


class RtspSource(Node):
    """The camera. Its address may also be a path, `file:`, `/dev/videoN` or `test:`, and http(s) for a video."""

    transport: Annotated[Literal["tcp", "http", "udp"], choice("tcp", "http", "udp")] = "tcp"
    endpoint: Endpoint


class IotHubMessageSource(Node):
    """Messages from outside, which open a gate."""

    hub_input_name: Annotated[str | None, text(least=1, most=50, is_line=True)] = None


class MotionDetectionProcessor(FedNode):
    """Adds motion inferences to frames in which something moves. Medium is our choice where nothing is said.

    `framewire:mask`, a member of our own, holds polygons in which motion is not looked for.
    """

    sensitivity: Annotated[_Level, choice("low", "medium", "high")] = "medium"
    output_motion_region: Annotated[bool, boolean()] = True
    event_aggregation_window: Annotated[float, duration(0, _DAY_S)] = 1.0
    mask: Annotated[tuple[Polygon, ...], mask_leaf()] = Field(
        default=(), validation_alias="framewire:mask", serialization_alias="framewire:mask"
    )


class GrpcExtension(FedNode):
    """A server of the extension contract."""

    endpoint: Endpoint
    image: Image
    sampling_options: SamplingOptions = SamplingOptions()
    data_transfer: DataTransfer
    extension_configuration: Annotated[str, text()] = ""


class HttpExtension(FedNode):
    """An extension that gets one image with each POST."""

    endpoint: Endpoint
    image: Image
    sampling_options: SamplingOptions = SamplingOptions()


class CognitiveServicesVisionProcessor(FedNode):
    """Needs a container that is closed and paid for: it cannot run here, and is known so that it can be named."""

    endpoint: Endpoint | None = None
    image: Image | None = None
    sampling_options: SamplingOptions = SamplingOptions()
    operation: Annotated[Any, Leaf(lambda value: value, is_any=True)] = None


class ObjectTrackingProcessor(FedNode):
    """Follows objects between detections. Medium is our choice where nothing is said."""

    accuracy: Annotated[_Level, choice("low", "medium", "high")] = "medium"


class NamedLineString(Typed):
    """A line, which gives its name to the events."""

    name: Annotated[str, text(least=1, is_line=True)]
    line: Annotated[Line, line_leaf()]


class LineCrossingProcessor(FedNode):
    """Says when an object crosses a line."""

    lines: Annotated[tuple[NamedLineString, ...], Field(min_length=1)]


class SignalGateProcessor(FedNode):
    """Lets media through for some time after an event (topologies, section 5).

    Where nothing is said, our choice is a window of 1 s, no offset, and 10 s to 1 h open.
    """

    activation_evaluation_window: Annotated[float, duration(0, 10)] = 1.0
    activation_signal_offset: Annotated[float, duration(-_MINUTE_S, _MINUTE_S)] = 0.0
    minimum_activation_time: Annotated[float, duration(10, _HOUR_S)] = 10.0
    maximum_activation_time: Annotated[float, duration(10, _HOUR_S)] = _HOUR_S


class IotHubMessageSink(FedNode):
    """Publishes inference events."""

    hub_output_name: Annotated[str, text(least=1, most=50, is_line=True)]


class FileSink(FedNode):
    """One MP4 for each opening of a gate. Variables of the time stay in `file_name_pattern`."""

    base_directory_path: Annotated[str, text(least=1, most=4096, is_line=True)]
    file_name_pattern: Annotated[str, Leaf(text(least=1, most=1024, is_line=True).read, keeps_runtime=True)]
    maximum_size_mib: Annotated[int, whole(1, _MAX_CACHE_MIB)] = Field(
        validation_alias="maximumSizeMiB", serialization_alias="maximumSizeMiB"
    )


class VideoCreationProperties(Part):
    """What a video is called, and how it is cut. Segments of 30 s are our choice where nothing is said."""

    title: Annotated[str, text()] = ""
    description: Annotated[str, text()] = ""
    segment_length: Annotated[float, duration(30, 5 * _MINUTE_S, step_s=30)] = 30.0
    retention_period: Annotated[float | None, duration(_DAY_S, 3650 * _DAY_S, step_s=_DAY_S)] = None


class VideoPublishingOptions(Part):
    """How a recording was shown in the cloud. Nothing here does that; the switches are taken as they are."""

    disable_archive: Annotated[bool, boolean()] = False
    disable_rtsp_publishing: Annotated[bool, boolean()] = False
    enable_video_preview_image: Annotated[bool, boolean()] = False


class VideoSink(FedNode):
    """A recording in segments."""

    video_name: Annotated[str, text(least=1, most=260, is_line=True)]
    local_media_cache_path: Annotated[str, text(least=1, most=4096, is_line=True)]
    local_media_cache_maximum_size_mib: Annotated[int, whole(1, _MAX_CACHE_MIB)] = Field(
        validation_alias="localMediaCacheMaximumSizeMiB", serialization_alias="localMediaCacheMaximumSizeMiB"
    )
    video_creation_properties: VideoCreationProperties = VideoCreationProperties()
    video_publishing_options: VideoPublishingOptions = VideoPublishingOptions()


Source = RtspSource | IotHubMessageSource
Processor = (
    MotionDetectionProcessor
    | GrpcExtension
    | HttpExtension
    | CognitiveServicesVisionProcessor
    | ObjectTrackingProcessor
    | LineCrossingProcessor
    | SignalGateProcessor
)
Sink = IotHubMessageSink | FileSink | VideoSink

SOURCES: tuple[type[Node], ...] = (RtspSource, IotHubMessageSource)
PROCESSORS: tuple[type[Node], ...] = (
    MotionDetectionProcessor,
    GrpcExtension,
    HttpExtension,
    CognitiveServicesVisionProcessor,
    ObjectTrackingProcessor,
    LineCrossingProcessor,
    SignalGateProcessor,
)
SINKS: tuple[type[Node], ...] = (IotHubMessageSink, FileSink, VideoSink)

PASS_NOTHING_ON: frozenset[type[Node]] = frozenset(
    {ObjectTrackingProcessor, LineCrossingProcessor, SignalGateProcessor, FileSink, VideoSink}
)
"""Recognised and checked, but they do nothing yet."""
