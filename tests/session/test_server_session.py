"""The extension's side of a stream: a table of states, the rules one by one, and any order of messages and answers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from framewire.errors import ClosedError, FormatError, ProtocolError
from framewire.model.format import Encoding, VideoFormat
from framewire.model.inference import Event
from framewire.model.message import ContentReference, Descriptor, GraphIdentifier, Message, Sample, SharedMemory
from framewire.session.server import DescriptorReceived, SampleReceived, ServerSession, ServerState

JPG = VideoFormat(Encoding.JPG, 416, 416)
CAMERA = Descriptor(GraphIdentifier("", "street", "grpc"), "{}", 90_000, JPG, SharedMemory("ava", 1000))
EMBEDDING = Descriptor("camera", "", 48_000, JPG)
FOUND = Event("found")

DESCRIPTOR, ACCEPTANCE = ServerState.AWAITING_DESCRIPTOR, ServerState.AWAITING_ACCEPTANCE
STREAMING, HALF_CLOSED, ENDED = ServerState.STREAMING, ServerState.HALF_CLOSED, ServerState.ENDED


def in_state(state: ServerState) -> ServerSession:
    """A session in that state; from STREAMING on with sample 2 in flight, and with none once it has ended."""
    session = ServerSession()
    if state is DESCRIPTOR:
        return session
    session.receive(Message(1, 0, CAMERA))
    if state is ACCEPTANCE:
        return session
    session.accept("framewire")
    session.receive(Message(2, 0, Sample(20, b"frame")))
    if state is HALF_CLOSED:
        session.receive_end()
    elif state is ENDED:
        session.end()
    assert session.state is state
    return session


STEPS: dict[str, Callable[[ServerSession], object]] = {
    "descriptor": lambda session: session.receive(Message(9, 0, CAMERA)),
    "sample": lambda session: session.receive(Message(9, 0, Sample(90, b"frame"))),
    "nothing": lambda session: session.receive(Message(9, 0, None)),
    "accept": lambda session: session.accept("framewire"),
    "reply": lambda session: session.reply(2),
    "reply to no sample": lambda session: session.reply(1),
    "reply unacknowledging": lambda session: session.reply_unacknowledging(7, [FOUND]),
    "receive end": lambda session: session.receive_end(),
    "end": lambda session: session.end(),
}

PROTOCOL = (ProtocolError, ENDED)


def closed(state: ServerState) -> tuple[type[Exception], ServerState]:
    return ClosedError, state


# step -> for each state what comes of it: the state after it, or the error and the state after it.
TABLE: dict[str, list[ServerState | tuple[type[Exception], ServerState]]] = {
    #                        AWAITING_DESCRIPTOR AWAITING_ACCEPTANCE STREAMING          HALF_CLOSED          ENDED
    "descriptor": [ACCEPTANCE, PROTOCOL, PROTOCOL, closed(HALF_CLOSED), closed(ENDED)],
    "sample": [PROTOCOL, PROTOCOL, STREAMING, closed(HALF_CLOSED), closed(ENDED)],
    "nothing": [PROTOCOL, ACCEPTANCE, STREAMING, closed(HALF_CLOSED), closed(ENDED)],
    "accept": [closed(DESCRIPTOR), STREAMING, closed(STREAMING), closed(HALF_CLOSED), closed(ENDED)],
    "reply": [closed(DESCRIPTOR), closed(ACCEPTANCE), STREAMING, HALF_CLOSED, closed(ENDED)],
    "reply to no sample": [
        closed(DESCRIPTOR),
        closed(ACCEPTANCE),
        closed(STREAMING),
        closed(HALF_CLOSED),
        closed(ENDED),
    ],
    "reply unacknowledging": [closed(DESCRIPTOR), closed(ACCEPTANCE), STREAMING, HALF_CLOSED, closed(ENDED)],
    "receive end": [HALF_CLOSED, HALF_CLOSED, HALF_CLOSED, HALF_CLOSED, ENDED],
    "end": [ENDED, ENDED, ENDED, ENDED, ENDED],
}


@pytest.mark.parametrize("state", list(ServerState), ids=lambda state: state.name)
@pytest.mark.parametrize("step", STEPS)
def test_every_step_in_every_state_is_as_the_table_says(step: str, state: ServerState) -> None:
    session = in_state(state)
    expected = TABLE[step][list(ServerState).index(state)]
    if isinstance(expected, ServerState):
        STEPS[step](session)
        assert session.state is expected
    else:
        kind, after = expected
        with pytest.raises(kind) as caught:
            STEPS[step](session)
        assert type(caught.value) is kind
        assert session.state is after


def test_the_descriptor_is_answered_with_its_timescale_and_no_sample_format() -> None:
    session = ServerSession()
    assert session.receive(Message(1, 0, EMBEDDING)) == DescriptorReceived(EMBEDDING)
    assert session.accept("framewire") == Message(1, 1, Descriptor("framewire", "", 48_000, None, None))


def test_a_sample_is_answered_with_its_number_its_timestamp_and_what_was_found() -> None:
    session = in_state(STREAMING)
    sample = Sample(70, ContentReference(400, 600))
    assert session.receive(Message(7, 0, sample)) == SampleReceived(7, sample)
    assert session.in_flight == 2
    assert session.reply(7, [FOUND]) == Message(2, 7, Sample(70, None, [FOUND]))
    assert session.reply(2) == Message(3, 2, Sample(20))
    assert session.in_flight == 0


def test_an_answer_may_carry_another_timestamp() -> None:
    assert in_state(STREAMING).reply(2, timestamp=0) == Message(2, 2, Sample(0))


def test_a_result_that_acknowledges_nothing_counts_as_a_message() -> None:
    session = in_state(STREAMING)
    assert session.reply_unacknowledging(33, [FOUND]) == Message(2, 0, Sample(33, None, [FOUND]))
    assert session.reply(2) == Message(3, 2, Sample(20))


def test_a_session_is_answered_once_its_client_is_done_and_no_sample_is_left() -> None:
    session = in_state(STREAMING)
    session.receive_end()
    assert not session.is_answered
    session.reply(2)
    assert session.is_answered


def test_a_client_that_never_spoke_leaves_nothing_to_answer() -> None:
    session = ServerSession()
    session.receive_end()
    assert session.is_answered


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            Message(2, 0, Sample(0)),
            "sequence number 2 does not rise above 2; allowed: 3 or more; count the messages of a stream from 1 upward",
        ),
        (
            Message(0, 0, Sample(0)),
            "sequence number 0 does not rise above 2; allowed: 3 or more; count the messages of a stream from 1 upward",
        ),
        (
            Message(3, 0, CAMERA),
            "message 3 is a second descriptor; allowed: one descriptor per stream, as its first message; "
            "open a new stream for another format",
        ),
        (
            Message(3, 0, Sample(0, ContentReference(900, 101))),
            "message 3 refers to bytes 900 to 1001 of the shared memory; allowed: offset + length up to 1000",
        ),
        (
            Message(3, 0, Sample(0, ContentReference(2**64 - 1, 2**64 - 1))),
            "message 3 refers to bytes 18446744073709551615 to 36893488147419103230 of the shared memory; "
            "allowed: offset + length up to 1000",
        ),
    ],
)
def test_an_illegal_message_ends_the_session_naming_rule_and_numbers(message: Message, text: str) -> None:
    session = in_state(STREAMING)
    with pytest.raises(ProtocolError) as caught:
        session.receive(message)
    assert str(caught.value) == text
    assert (session.state, session.in_flight) == (ENDED, 0)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            Message(1, 0, Sample(0)),
            "the first message is a media sample; allowed: a media stream descriptor; "
            "send the descriptor first and wait for the server's",
        ),
        (
            Message(1, 0, None),
            "the first message is empty; allowed: a media stream descriptor; "
            "send the descriptor first and wait for the server's",
        ),
        (
            Message(0, 0, CAMERA),
            "sequence number 0 does not rise above 0; allowed: 1 or more; count the messages of a stream from 1 upward",
        ),
        (
            Message(1, 0, Descriptor("camera")),
            "the descriptor has no video_frame_sample_format; "
            "set media_descriptor.video_frame_sample_format to the form of the frames",
        ),
    ],
)
def test_an_illegal_first_message_ends_the_session(message: Message, text: str) -> None:
    session = ServerSession()
    with pytest.raises(ProtocolError) as caught:
        session.receive(message)
    assert str(caught.value) == text
    assert session.state is ENDED


def test_a_descriptor_without_sample_format_is_a_format_error() -> None:
    with pytest.raises(FormatError):
        ServerSession().receive(Message(1, 0, Descriptor("camera")))


def test_a_reference_without_shared_memory_ends_the_session() -> None:
    session = ServerSession()
    session.receive(Message(1, 0, EMBEDDING))
    session.accept("framewire")
    with pytest.raises(ProtocolError) as caught:
        session.receive(Message(2, 0, Sample(0, ContentReference(0, 1))))
    assert str(caught.value) == (
        "message 2 has a content_reference, and the descriptor announced no shared memory; allowed: content_bytes; "
        "announce shared_memory_buffer_transfer_properties, or embed the frames"
    )


@pytest.mark.parametrize("reference", [(0, 0), (0, 1000), (1000, 0), (999, 1)])
def test_a_reference_up_to_the_end_of_the_shared_memory_is_taken(reference: tuple[int, int]) -> None:
    sample = Sample(0, ContentReference(*reference))
    assert in_state(STREAMING).receive(Message(3, 0, sample)) == SampleReceived(3, sample)


def test_a_message_without_payload_needs_no_answer_and_counts() -> None:
    session = in_state(STREAMING)
    assert session.receive(Message(3, 0, None)) is None
    assert session.in_flight == 1
    with pytest.raises(ProtocolError):
        session.receive(Message(3, 0, Sample(0)))


class AnyOrder(RuleBasedStateMachine):
    """A client that is mostly right, a server that answers in any order, and a slow model of what must come out."""

    def __init__(self) -> None:
        super().__init__()
        self.session = ServerSession()
        self.is_accepted = False
        self.is_over = False
        self.number = 0
        self.waiting: dict[int, int] = {}
        self.answered: dict[int, int] = {}
        self.lost: set[int] = set()
        self.sent: list[Message] = []

    @initialize(first=st.integers(1, 5))
    def introduce(self, first: int) -> None:
        self.number = first
        assert self.session.receive(Message(first, 0, CAMERA)) == DescriptorReceived(CAMERA)

    @precondition(lambda self: not self.is_accepted and self.session.state is ACCEPTANCE)
    @rule()
    def accept(self) -> None:
        self.sent.append(self.session.accept("framewire"))
        assert self.sent[0].ack_sequence_number == self.number
        self.is_accepted = True

    @precondition(lambda self: self.session.state is STREAMING)
    @rule(skipped=st.integers(1, 3), timestamp=st.integers(0, 2**64 - 1), content=st.none() | st.just(b"frame"))
    def sample(self, skipped: int, timestamp: int, content: bytes | None) -> None:
        self.number += skipped
        event = self.session.receive(Message(self.number, 0, Sample(timestamp, content)))
        assert event == SampleReceived(self.number, Sample(timestamp, content))
        self.waiting[self.number] = timestamp

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.waiting)))
        message = self.session.reply(number)
        timestamp = self.waiting.pop(number)
        assert (message.ack_sequence_number, message.payload) == (number, Sample(timestamp))
        self.answered[number] = timestamp
        self.sent.append(message)

    @precondition(lambda self: self.session.state in (STREAMING, HALF_CLOSED))
    @rule()
    def result_on_its_own(self) -> None:
        self.sent.append(self.session.reply_unacknowledging(0, [FOUND]))

    @rule(number=st.integers(0, 30))
    def answer_what_does_not_wait(self, number: int) -> None:
        if number not in self.waiting:
            with pytest.raises(ClosedError):
                self.session.reply(number)

    @precondition(lambda self: self.session.state is not ENDED)
    @rule()
    def client_finishes(self) -> None:
        self.session.receive_end()

    @rule(
        payload=st.sampled_from([CAMERA, None, Sample(0), Sample(0, ContentReference(1, 1000))]),
        number=st.integers(0, 40),
    )
    def any_message(self, payload: Descriptor | Sample | None, number: int) -> None:
        before = self.session.state
        try:
            event = self.session.receive(Message(number, 0, payload))
        except ClosedError:
            assert before in (HALF_CLOSED, ENDED)
            assert self.session.state is before
        except ProtocolError:
            assert before in (ACCEPTANCE, STREAMING)
            self.over()
        else:
            assert number > self.number
            self.number = number
            if isinstance(event, SampleReceived):
                assert before is STREAMING
                assert event == SampleReceived(number, Sample(0))
                self.waiting[number] = 0

    @rule()
    def end(self) -> None:
        self.session.end()
        self.over()

    def over(self) -> None:
        self.is_over = True
        self.lost |= self.waiting.keys()
        self.waiting.clear()
        for step in ("accept", "reply", "reply unacknowledging", "sample"):
            with pytest.raises(ClosedError):
                STEPS[step](self.session)

    @invariant()
    def no_sample_is_lost_and_none_is_answered_twice(self) -> None:
        assert self.session.in_flight == len(self.waiting)
        assert (self.session.state is ENDED) == self.is_over
        acknowledged = [message.ack_sequence_number for message in self.sent[1:] if message.ack_sequence_number]
        assert sorted(acknowledged) == sorted(self.answered)
        assert not self.answered.keys() & (self.lost | self.waiting.keys())

    @invariant()
    def our_own_numbers_rise_from_one_without_a_gap(self) -> None:
        assert [message.sequence_number for message in self.sent] == list(range(1, len(self.sent) + 1))

    @invariant()
    def it_is_answered_exactly_when_the_client_is_done_and_nothing_waits(self) -> None:
        assert self.session.is_answered == (self.session.state is HALF_CLOSED and not self.waiting)


AnyOrder.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestAnyOrder = AnyOrder.TestCase
