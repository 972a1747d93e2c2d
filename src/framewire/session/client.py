"""The camera's side of one stream (contract, section 3), without I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from framewire.errors import ClosedError, ProtocolError
from framewire.model.message import Descriptor, Message, Sample


class ClientState(Enum):
    """Where a stream is: it only ever moves down this list."""

    IDLE = auto()
    AWAITING_ACCEPTANCE = auto()
    STREAMING = auto()
    HALF_CLOSED = auto()
    ENDED = auto()


class Match(Enum):
    """How an answer of the server relates to the samples that were sent."""

    MATCHED = auto()
    """The first answer to a sample in flight."""
    DOUBLED = auto()
    """A further answer to a message that was acknowledged before."""
    UNKNOWN = auto()
    """It acknowledges a message that was never sent."""
    UNACKNOWLEDGING = auto()
    """It acknowledges nothing: a result on its own, as servers with aggregated batches send last."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server has answered the descriptor: samples may flow."""

    descriptor: Descriptor


@dataclass(frozen=True, slots=True)
class AnswerReceived:
    """The server has answered.

    Args:
        match: How the answer relates to what was sent.
        sequence_number: The message that it acknowledges; 0 for none.
        sample: Timestamp and inferences; None when the acknowledgement came alone.
        sent_timestamp: Timestamp of the sample that it acknowledges; None when there is no such sample.
    """

    match: Match
    sequence_number: int
    sample: Sample | None
    sent_timestamp: int | None = None


ClientEvent = Accepted | AnswerReceived


class ClientSession:
    """State of one stream on the client: numbers, and which samples are in flight.

    Sequence numbers of the server are not judged: Azure Video Analyzer tolerates servers that leave them at 0
    (contract, section 3).
    """

    def __init__(self) -> None:
        self._state = ClientState.IDLE
        self._sent = 0
        self._is_accepted = False
        self._in_flight: dict[int, int] = {}

    @property
    def state(self) -> ClientState:
        """Where the stream is."""
        return self._state

    @property
    def in_flight(self) -> int:
        """How many samples have been sent and not yet acknowledged."""
        return len(self._in_flight)

    def open(self, descriptor: Descriptor) -> Message:
        """The first message of the stream."""
        if self._state is not ClientState.IDLE:
            raise ClosedError(f"a session is opened once; this one is {self._state.name}")
        self._state = ClientState.AWAITING_ACCEPTANCE
        return self._next(descriptor)

    def send(self, sample: Sample) -> Message:
        """The message for one sample; its sequence number identifies it from now on.

        Raises:
            ClosedError: The descriptor is not answered yet, or the session takes no more samples.
        """
        if self._state is not ClientState.STREAMING:
            raise ClosedError(f"no sample can be sent: the session is {self._state.name}")
        message = self._next(sample)
        self._in_flight[message.sequence_number] = sample.timestamp
        return message

    def receive(self, message: Message) -> ClientEvent:
        """Judges one message of the server.

        Raises:
            ProtocolError: The server's first message is no descriptor, or a descriptor came twice.
            ClosedError: The session is not open yet.
        """
        if self._state is ClientState.IDLE:
            raise ClosedError("the session is not open: the server has nothing to answer")
        payload = message.payload
        if not self._is_accepted:
            if not isinstance(payload, Descriptor):
                raise ProtocolError("the server's first message is not a descriptor", allowed="a descriptor")
            self._is_accepted = True
            if self._state is ClientState.AWAITING_ACCEPTANCE:
                self._state = ClientState.STREAMING
            return Accepted(payload)
        if isinstance(payload, Descriptor):
            raise ProtocolError("the server sent a second descriptor", allowed="one, as its first message")
        number = message.ack_sequence_number
        if number == 0:
            return AnswerReceived(Match.UNACKNOWLEDGING, 0, payload)
        timestamp = self._in_flight.pop(number, None)
        if timestamp is not None:
            return AnswerReceived(Match.MATCHED, number, payload, timestamp)
        match = Match.DOUBLED if number <= self._sent else Match.UNKNOWN
        return AnswerReceived(match, number, payload)

    def finish(self) -> None:
        """No more samples will be sent; answers to those in flight are still received."""
        if self._state is not ClientState.ENDED:
            self._state = ClientState.HALF_CLOSED

    def end(self) -> int:
        """Ends the session.

        Returns:
            How many samples were still in flight: they are lost.
        """
        lost = len(self._in_flight)
        self._in_flight.clear()
        self._state = ClientState.ENDED
        return lost

    def _next(self, payload: Descriptor | Sample) -> Message:
        self._sent += 1
        return Message(self._sent, 0, payload)
