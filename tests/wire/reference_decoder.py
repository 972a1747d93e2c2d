"""The slow decoder that the fast one must agree with: protobuf parses all of a message, and its attributes are read."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError

from framewire.errors import ProtocolError
from framewire.model.format import VideoFormat
from framewire.model.message import ContentReference, Descriptor, GraphIdentifier, Message, Sample, SharedMemory
from framewire.wire import decode
from framewire.wire import extension_pb2 as pb
from framewire.wire.inferences import read_inferences

REFUSED_FOR_COST = ("bytes beside its frame", "more than 16384 fields", "inferences; allowed: up to 10000")


def reference_decode(data: bytes) -> Message:
    try:
        message = pb.MediaStreamMessage.FromString(data)
    except (DecodeError, ValueError):  # the runtime in pure Python says the latter of text that is not UTF-8
        raise ProtocolError(
            f"a message of {len(data)} bytes is not a MediaStreamMessage",
            remedy="check that both sides use the extension contract's .proto",
        ) from None
    payload: Descriptor | Sample | None = None
    if message.HasField("media_stream_descriptor"):
        payload = _descriptor(message.media_stream_descriptor)
    elif message.HasField("media_sample"):
        sample = message.media_sample
        payload = Sample(sample.timestamp, _content(sample), *read_inferences(sample.inferences))
    return Message(message.sequence_number, message.ack_sequence_number, payload)


def _content(sample: pb.MediaSample) -> bytes | ContentReference | None:
    if sample.HasField("content_bytes"):
        return sample.content_bytes.bytes
    if sample.HasField("content_reference"):
        return ContentReference(sample.content_reference.address_offset, sample.content_reference.length_bytes)
    return None


def _descriptor(descriptor: pb.MediaStreamDescriptor) -> Descriptor:
    identifier: GraphIdentifier | str | None = None
    if descriptor.HasField("graph_identifier"):
        graph = descriptor.graph_identifier
        identifier = GraphIdentifier(graph.media_services_arm_id, graph.graph_instance_name, graph.graph_node_name)
    elif descriptor.HasField("extension_identifier"):
        identifier = descriptor.extension_identifier
    video_format = None
    if descriptor.media_descriptor.HasField("video_frame_sample_format"):
        frame: Any = descriptor.media_descriptor.video_frame_sample_format
        size = frame.dimensions
        video_format = VideoFormat(frame.encoding, size.width, size.height, frame.pixel_format, frame.stride_bytes)
    shared_memory = None
    if descriptor.HasField("shared_memory_buffer_transfer_properties"):
        memory = descriptor.shared_memory_buffer_transfer_properties
        shared_memory = SharedMemory(memory.handle_name, memory.length_bytes)
    timescale = descriptor.media_descriptor.timescale
    return Descriptor(identifier, descriptor.extension_configuration, timescale, video_format, shared_memory)


def outcome(decoder: Any, data: bytes, **bounds: int) -> Message | tuple[type, str]:
    """What a decoder makes of some bytes: a message, or the kind and the text of its refusal."""
    try:
        message: Message = decoder(data, **bounds)
    except ProtocolError as error:
        return type(error), str(error)
    return message


def difference(data: bytes, max_overhead_bytes: int | None = None) -> str:
    """How ``decode`` and the reference disagree about some bytes; empty when they do not."""
    bounds = {} if max_overhead_bytes is None else {"max_overhead_bytes": max_overhead_bytes}
    ours, theirs = outcome(decode, data, **bounds), outcome(reference_decode, data)
    if isinstance(ours, tuple) and _is_refused_for_cost(ours[1]):
        return "" if bounds else f"refused without a bound: {ours[1]}"
    if ours != theirs:
        return f"decode says {ours!r}, protobuf {theirs!r}"
    if isinstance(ours, Message) and isinstance(ours.payload, Sample):
        content = ours.payload.content
        if not (content is None or isinstance(content, ContentReference)) and (
            not isinstance(content, memoryview) or not content.readonly or content.format != "B"
        ):
            return f"the frame is {content!r}"
    return ""


def _is_refused_for_cost(text: str) -> bool:
    return any(part in text for part in REFUSED_FOR_COST)
