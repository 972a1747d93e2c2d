"""Messages to bytes and back."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from framewire.errors import ProtocolError
from framewire.model.format import VideoFormat
from framewire.model.message import (
    ContentReference,
    Descriptor,
    GraphIdentifier,
    Message,
    Sample,
    SharedMemory,
)
from framewire.wire import extension_pb2 as pb
from framewire.wire.inferences import add_inferences, read_inferences
from framewire.wire.walker import join, walk

MAX_INFERENCES = 10_000
"""Most inferences of one sample that are read, when what a message may cost is bounded."""

LARGE_BYTES = 131_072
"""Messages from here on are walked for their frame; below it, a copy of the frame costs less than the walk."""

FRAME_SHARE = 7 / 8
"""Least part of a message that its frame is, if it is used where it lies: the view keeps the whole message alive."""

_MAX_EMBEDDED_BYTES = 1 << 30
"""Frames from here on are protobuf's to write or to refuse: it takes no message of 2 GiB."""


def decode(data: bytes, *, max_overhead_bytes: int | None = None) -> Message:
    """Reads one message.

    Args:
        data: A serialised ``MediaStreamMessage``.
        max_overhead_bytes: Bounds what reading it may cost: most bytes beside the frame, of at most 10,000 inferences.
            None trusts the sender.

    Returns:
        The message. An embedded frame is a read-only view: of a large one, into `data`, which it keeps alive; of
        another, of bytes of its own.

    Raises:
        ProtocolError: The bytes are no such message, or cost too much to read.
        FormatError: A descriptor announces frames that cannot be.
    """
    rest, frame = data, None
    try:
        if len(data) >= LARGE_BYTES or (max_overhead_bytes is not None and len(data) > max_overhead_bytes):
            rest, frame = _split(data, max_overhead_bytes)
        message = pb.MediaStreamMessage.FromString(rest)
    except (DecodeError, ValueError):
        raise ProtocolError(
            f"a message of {len(data)} bytes is not a MediaStreamMessage",
            remedy="check that both sides use the extension contract's .proto",
        ) from None
    payload: Descriptor | Sample | None = None
    match message.WhichOneof("payload"):
        case "media_sample":
            payload = _read_sample(message.media_sample, frame, None if max_overhead_bytes is None else MAX_INFERENCES)
        case "media_stream_descriptor":
            payload = _read_descriptor(message.media_stream_descriptor)
    return Message(message.sequence_number, message.ack_sequence_number, payload)


def _split(data: bytes, max_overhead_bytes: int | None) -> tuple[bytes, memoryview | None]:
    """What protobuf is to read, and the frame that is missing in it, if any."""
    most = len(data) if max_overhead_bytes is None else max_overhead_bytes
    try:
        walked = walk(data)
    except (ProtocolError, ValueError):
        if len(data) > most:
            raise
        return data, None  # protobuf's to judge
    if walked.overhead_bytes > most:
        raise ProtocolError(f"a message has {walked.overhead_bytes} bytes beside its frame", allowed=f"up to {most}")
    if walked.frame is None or len(walked.frame) < FRAME_SHARE * len(data):
        return data, None
    return walked.rest, walked.frame


def encode(message: Message) -> bytes:
    """Writes one message."""
    out = pb.MediaStreamMessage()
    out.sequence_number = message.sequence_number
    out.ack_sequence_number = message.ack_sequence_number
    match message.payload:
        case Sample(content=bytes() | memoryview() as frame) as sample if (
            LARGE_BYTES <= memoryview(frame).nbytes < _MAX_EMBEDDED_BYTES
        ):
            return _embed(out.SerializeToString(), sample, frame)
        case Sample() as sample:
            _write_sample(out.media_sample, sample)
        case Descriptor() as descriptor:
            _write_descriptor(out.media_stream_descriptor, descriptor)
    return out.SerializeToString()


def _read_sample(sample: pb.MediaSample, frame: memoryview | None, max_inferences: int | None) -> Sample:
    items = sample.inferences
    if max_inferences is not None and len(items) > max_inferences:
        raise ProtocolError(f"a sample has {len(items)} inferences", allowed=f"up to {max_inferences}")
    content: memoryview | ContentReference | None = None
    match sample.WhichOneof("content"):
        case "content_reference":
            reference = sample.content_reference
            content = ContentReference(reference.address_offset, reference.length_bytes)
        case "content_bytes":
            # One access: protobuf copies a bytes field every time that it is read.
            content = memoryview(sample.content_bytes.bytes) if frame is None else frame
    if not items:
        return Sample(sample.timestamp, content)
    inferences, problems = read_inferences(items)
    return Sample(sample.timestamp, content, inferences, problems)


def _write_sample(out: pb.MediaSample, sample: Sample) -> None:
    # Also when it is empty: an acknowledgement without a result is a sample with its timestamp alone.
    out.SetInParent()
    out.timestamp = sample.timestamp
    match sample.content:
        case None:
            pass
        case ContentReference() as reference:
            out.content_reference.address_offset = reference.offset_bytes
            out.content_reference.length_bytes = reference.length_bytes
        case content:
            out.content_bytes.bytes = bytes(content)
    if sample.inferences:
        add_inferences(out.inferences, sample.inferences)


def _embed(head: bytes, sample: Sample, frame: bytes | memoryview) -> bytes:
    """The message that protobuf would write, with the frame copied once and not three times."""
    before, behind = pb.MediaSample(), pb.MediaSample()
    before.timestamp = sample.timestamp
    add_inferences(behind.inferences, sample.inferences)
    return join(head, before.SerializeToString(), frame, behind.SerializeToString())


def _read_descriptor(descriptor: pb.MediaStreamDescriptor) -> Descriptor:
    identifier: GraphIdentifier | str | None = None
    match descriptor.WhichOneof("stream_identifier"):
        case "graph_identifier":
            graph = descriptor.graph_identifier
            identifier = GraphIdentifier(graph.media_services_arm_id, graph.graph_instance_name, graph.graph_node_name)
        case "extension_identifier":
            identifier = descriptor.extension_identifier
    media = descriptor.media_descriptor
    video_format = None
    if media.HasField("video_frame_sample_format"):
        frame = media.video_frame_sample_format
        # Plain numbers: VideoFormat judges them and says what is allowed.
        video_format = VideoFormat(
            frame.encoding,  # type: ignore[arg-type] # checked there
            frame.dimensions.width,
            frame.dimensions.height,
            frame.pixel_format,  # type: ignore[arg-type] # checked there
            frame.stride_bytes,
        )
    shared_memory = None
    if descriptor.HasField("shared_memory_buffer_transfer_properties"):
        memory = descriptor.shared_memory_buffer_transfer_properties
        shared_memory = SharedMemory(memory.handle_name, memory.length_bytes)
    return Descriptor(identifier, descriptor.extension_configuration, media.timescale, video_format, shared_memory)


def _write_descriptor(out: pb.MediaStreamDescriptor, descriptor: Descriptor) -> None:
    match descriptor.identifier:
        case GraphIdentifier() as graph:
            out.graph_identifier.media_services_arm_id = graph.media_services_arm_id
            out.graph_identifier.graph_instance_name = graph.graph_instance_name
            out.graph_identifier.graph_node_name = graph.graph_node_name
            out.graph_identifier.SetInParent()
        case str() as name:
            out.extension_identifier = name
    out.extension_configuration = descriptor.configuration
    out.media_descriptor.timescale = descriptor.timescale
    if descriptor.video_format is not None:
        frame = out.media_descriptor.video_frame_sample_format
        frame.encoding = descriptor.video_format.encoding.value  # type: ignore[assignment] # the same numbers
        frame.pixel_format = descriptor.video_format.pixel_format.value  # type: ignore[assignment] # the same numbers
        frame.dimensions.width = descriptor.video_format.width
        frame.dimensions.height = descriptor.video_format.height
        frame.stride_bytes = descriptor.video_format.stride_bytes
    if descriptor.shared_memory is not None:
        memory = out.shared_memory_buffer_transfer_properties
        memory.handle_name = descriptor.shared_memory.handle_name
        memory.length_bytes = descriptor.shared_memory.length_bytes
