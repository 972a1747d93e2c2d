"""What travels on a stream, as plain values: the wire writes and reads them, the session judges them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from framewire.model.format import VideoFormat
from framewire.model.inference import Inference

DEFAULT_TIMESCALE = 90_000
"""Ticks per second that Azure Video Analyzer uses."""


@dataclass(frozen=True, slots=True)
class GraphIdentifier:
    """The pipeline node that a stream comes from."""

    media_services_arm_id: str = ""
    graph_instance_name: str = ""
    graph_node_name: str = ""


@dataclass(frozen=True, slots=True)
class SharedMemory:
    """The shared memory file of a session, as its descriptor announces it.

    Args:
        handle_name: Bare file name below /dev/shm.
        length_bytes: Its length.
    """

    handle_name: str
    length_bytes: int


@dataclass(frozen=True, slots=True)
class Descriptor:
    """The first message of each direction.

    Args:
        identifier: The client's graph node, or the name of the extension.
        configuration: Free text from the topology for the extension.
        timescale: Ticks per second of every timestamp.
        video_format: Form of the frames; None means that only inferences flow in this direction.
        shared_memory: Where frames lie that are not embedded.
    """

    identifier: GraphIdentifier | str | None = None
    configuration: str = ""
    timescale: int = DEFAULT_TIMESCALE
    video_format: VideoFormat | None = None
    shared_memory: SharedMemory | None = None


@dataclass(frozen=True, slots=True)
class ContentReference:
    """A frame in shared memory: byte offset from the start of the file, and length."""

    offset_bytes: int
    length_bytes: int


Content: TypeAlias = bytes | memoryview | ContentReference | None


@dataclass(frozen=True, slots=True)
class Sample:
    """One frame on the way in, its inferences on the way out.

    Args:
        timestamp: Presentation time in ticks of the stream's timescale.
        content: The frame: bytes, a place in shared memory, or None.
        inferences: What is known of the frame.
        problems: What was wrong with inferences that came over the wire and were left out.
    """

    timestamp: int
    content: Content = None
    inferences: Sequence[Inference] = ()
    problems: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """Everything that travels, in both directions.

    Args:
        sequence_number: The sender's own count, from 1 upward.
        ack_sequence_number: Message of the other direction that is fully processed; 0 acknowledges nothing.
        payload: A descriptor, a sample, or None for a bare acknowledgement.
    """

    sequence_number: int
    ack_sequence_number: int = 0
    payload: Descriptor | Sample | None = None
