"""The extension's side of one stream (contract, section 3), without I/O.

Feed it what arrives with :meth:`ServerSession.receive`, ask it for what to send with :meth:`ServerSession.accept` and
:meth:`ServerSession.reply`. It owns no socket, no clock and no lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from framewire.errors import ClosedError, FormatError, ProtocolError
from framewire.model.inference import Inference
from framewire.model.message import ContentReference, Descriptor, Message, Sample


class ServerState(Enum):
    """Where a stream is: it only ever moves down this list."""

    AWAITING_DESCRIPTOR = auto()
    AWAITING_ACCEPTANCE = auto()
    STREAMING = auto()
    HALF_CLOSED = auto()
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class DescriptorReceived:
    """The client has introduced itself; answer with :meth:`ServerSession.accept` or end the session."""

    descriptor: Descriptor


@dataclass(frozen=True, slots=True)
class SampleReceived:
    """A frame has arrived; it wants exactly one :meth:`ServerSession.reply` with this sequence number."""

    sequence_number: int
    sample: Sample


ServerEvent = DescriptorReceived | SampleReceived


class ServerSession:
    """State of one stream on the server: numbers, order, and which samples still want their acknowledgement."""

    def __init__(self) -> None:
        self._state = ServerState.AWAITING_DESCRIPTOR
        self._received = 0
        self._sent = 0
        self._descriptor: Descriptor | None = None
        self._in_flight: dict[int, int] = {}

    @property
    def state(self) -> ServerState:
        """Where the stream is."""
        return self._state

    @property
    def in_flight(self) -> int:
        """How many samples have been received and not yet acknowledged."""
        return len(self._in_flight)

    @property
    def is_answered(self) -> bool:
        """Whether the client has finished sending and every sample is acknowledged."""
        return self._state is ServerState.HALF_CLOSED and not self._in_flight

    def receive(self, message: Message) -> ServerEvent | None:
        """Judges one message of the client.

        Returns:
            What happened, or None for a message without payload, which needs no answer.

        Raises:
            ProtocolError: The message breaks a rule; the session has ended and its samples in flight are let go.
            ClosedError: The session had ended before.
        """
        if self._state in (ServerState.HALF_CLOSED, ServerState.ENDED):
            raise ClosedError("the session takes no more messages: the client's side has ended")
        try:
            return self._judge(message)
        except ProtocolError:
            self.end()
            raise

    def _judge(self, message: Message) -> ServerEvent | None:
        number = message.sequence_number
        if number <= self._received:
            # Contract, section 3: each direction counts its own messages from 1 upward.
            raise ProtocolError(
                f"sequence number {number} does not rise above {self._received}",
                allowed=f"{self._received + 1} or more",
                remedy="count the messages of a stream from 1 upward",
            )
        payload = message.payload
        if self._state is ServerState.AWAITING_DESCRIPTOR:
            if not isinstance(payload, Descriptor):
                kind = "a media sample" if isinstance(payload, Sample) else "empty"
                raise ProtocolError(
                    f"the first message is {kind}",
                    allowed="a media stream descriptor",
                    remedy="send the descriptor first and wait for the server's",
                )
            return self._judge_descriptor(number, payload)
        if isinstance(payload, Descriptor):
            raise ProtocolError(
                f"message {number} is a second descriptor",
                allowed="one descriptor per stream, as its first message",
                remedy="open a new stream for another format",
            )
        self._received = number
        if payload is None:
            return None
        if self._state is ServerState.AWAITING_ACCEPTANCE:
            raise ProtocolError(
                f"message {number} is a sample, and the descriptor is not answered yet",
                remedy="wait for the server's descriptor before the first sample",
            )
        if isinstance(payload.content, ContentReference):
            self._judge_reference(number, payload.content)
        self._in_flight[number] = payload.timestamp
        return SampleReceived(number, payload)

    def _judge_descriptor(self, number: int, descriptor: Descriptor) -> DescriptorReceived:
        if descriptor.video_format is None:
            raise FormatError(
                "the descriptor has no video_frame_sample_format",
                remedy="set media_descriptor.video_frame_sample_format to the form of the frames",
            )
        self._received = number
        self._descriptor = descriptor
        self._state = ServerState.AWAITING_ACCEPTANCE
        return DescriptorReceived(descriptor)

    def _judge_reference(self, number: int, reference: ContentReference) -> None:
        memory = self._descriptor.shared_memory if self._descriptor else None
        if memory is None:
            raise ProtocolError(
                f"message {number} has a content_reference, and the descriptor announced no shared memory",
                allowed="content_bytes",
                remedy="announce shared_memory_buffer_transfer_properties, or embed the frames",
            )
        end = reference.offset_bytes + reference.length_bytes
        if end > memory.length_bytes:
            raise ProtocolError(
                f"message {number} refers to bytes {reference.offset_bytes} to {end} of the shared memory",
                allowed=f"offset + length up to {memory.length_bytes}",
            )

    def accept(self, extension: str) -> Message:
        """Answers the descriptor; from now on samples may flow.

        Args:
            extension: Name of this server.
        """
        if self._state is not ServerState.AWAITING_ACCEPTANCE or self._descriptor is None:
            raise ClosedError(f"there is no descriptor to answer: the session is {self._state.name}")
        self._state = ServerState.STREAMING
        # No sample format: in this direction flow inferences only (contract, section 3).
        answer = Descriptor(identifier=extension, timescale=self._descriptor.timescale)
        return self._next(answer, ack=self._received)

    def reply(
        self, sequence_number: int, inferences: Sequence[Inference] = (), *, timestamp: int | None = None
    ) -> Message:
        """Acknowledges one sample, with what was found in it.

        Args:
            sequence_number: The sample's, from :class:`SampleReceived`.
            inferences: What was found; empty for nothing, and for a frame that could not be processed.
            timestamp: The answer's; by default the sample's own.

        Raises:
            ClosedError: The session has ended, or the sample is not in flight: never received, or answered before.
        """
        if self._state is ServerState.ENDED:
            raise ClosedError("nothing is sent after the end of the session")
        own = self._in_flight.pop(sequence_number, None)
        if own is None:
            raise ClosedError(f"sample {sequence_number} is not in flight", remedy="answer each sample exactly once")
        return self._next(Sample(own if timestamp is None else timestamp, inferences=inferences), ack=sequence_number)

    def reply_unacknowledging(self, timestamp: int, inferences: Sequence[Inference]) -> Message:
        """A result that acknowledges nothing: the rest of a batch whose samples are acknowledged already."""
        if self._state not in (ServerState.STREAMING, ServerState.HALF_CLOSED):
            raise ClosedError(f"no result can be sent: the session is {self._state.name}")
        return self._next(Sample(timestamp, inferences=inferences), ack=0)

    def receive_end(self) -> None:
        """The client has finished sending; samples in flight are still answered."""
        if self._state is not ServerState.ENDED:
            self._state = ServerState.HALF_CLOSED

    def end(self) -> None:
        """Ends the session in any state; nothing is sent after it."""
        self._state = ServerState.ENDED
        self._in_flight.clear()

    def _next(self, payload: Descriptor | Sample, *, ack: int) -> Message:
        self._sent += 1
        return Message(self._sent, ack, payload)
