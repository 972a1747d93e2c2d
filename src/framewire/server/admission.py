"""What a descriptor may announce, judged before it is answered."""

from __future__ import annotations

from framewire.errors import FormatError
from framewire.frames.raw import raw_lengths
from framewire.model.format import Encoding, VideoFormat
from framewire.model.message import Descriptor, GraphIdentifier
from framewire.processors.options import shown
from framewire.server.options import ServerOptions

_MESSAGE_OVERHEAD_BYTES = 1024
"""Room that a message needs beside an embedded frame."""

_HEADERS_BYTES = 1 << 20
"""Room for what an encoded frame holds beside its pixels."""

_LARGEST_PIXEL_BYTES = 8
"""Of a PNG with 16 bits for each of four channels."""

_LONGEST_NAME = 200
"""Of a camera, in the log."""


def check_size(video_format: VideoFormat, descriptor: Descriptor, options: ServerOptions) -> None:
    """Refuses frames that could never arrive, before the first one is sent.

    Raises:
        FormatError: A frame is larger than the server's limits, or than what it is to travel in.
    """
    if video_format.decoded_bytes > options.max_frame_bytes:
        raise FormatError(
            f"a frame of {video_format.width}x{video_format.height} takes {video_format.decoded_bytes} bytes decoded",
            allowed=f"up to {options.max_frame_bytes}",
            remedy="scale the frames down, or start the server with a larger --max-frame",
        )
    if video_format.encoding is not Encoding.RAW:
        return
    shortest, longest = raw_lengths(video_format)
    if longest > options.max_frame_bytes:
        raise FormatError(
            f"a frame of {video_format} takes {longest} bytes",
            allowed=f"up to {options.max_frame_bytes}",
            remedy="leave smaller gaps between the rows, or start the server with a larger --max-frame",
        )
    if descriptor.shared_memory is not None:
        if 0 < descriptor.shared_memory.length_bytes < shortest and shortest > options.max_message_bytes:
            raise FormatError(
                f"a frame of {shortest} bytes fits neither the shared memory of "
                f"{descriptor.shared_memory.length_bytes} bytes nor a message",
                remedy="make the shared memory larger",
            )
    elif shortest + _MESSAGE_OVERHEAD_BYTES > options.max_message_bytes:
        raise FormatError(
            f"an embedded frame of {shortest} bytes does not fit a message",
            allowed=f"messages up to {options.max_message_bytes} bytes",
            remedy="use shared memory, scale the frames down, or start the server with a larger --max-message",
        )


def largest_frame_bytes(video_format: VideoFormat) -> int:
    """No frame of the format is longer, so that nobody can make the server copy or walk without end."""
    if video_format.encoding is Encoding.RAW:
        # With room for a wrong length to be called so.
        return raw_lengths(video_format)[1] + _HEADERS_BYTES
    return video_format.width * video_format.height * _LARGEST_PIXEL_BYTES + _HEADERS_BYTES


def camera_name(descriptor: Descriptor) -> str:
    """How a camera calls itself, for the log."""
    match descriptor.identifier:
        case GraphIdentifier() as graph:
            name = f"{graph.graph_instance_name}/{graph.graph_node_name}"
        case str() as text:
            name = text
        case _:
            name = "unnamed"
    # A client's words must not pass for lines of the log.
    return name if name.isprintable() and len(name) <= _LONGEST_NAME else shown(name)
