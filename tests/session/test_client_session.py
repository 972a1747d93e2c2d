"""The camera's side of a stream: a table of states, and how each answer relates to what was sent."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framewire.errors import ClosedError, ProtocolError
from framewire.model.format import Encoding, VideoFormat
from framewire.model.inference import Event
from framewire.model.message import Descriptor, Message, Sample
from framewire.session.client import Accepted, AnswerReceived, ClientSession, ClientState, Match

CAMERA = Descriptor("camera", "", 90_000, VideoFormat(Encoding.JPG, 416, 416))
SERVER = Descriptor("framewire")
FOUND = (Event("found"),)

IDLE, ACCEPTANCE, STREAMING = ClientState.IDLE, ClientState.AWAITING_ACCEPTANCE, ClientState.STREAMING
HALF_CLOSED, ENDED = ClientState.HALF_CLOSED, ClientState.ENDED


def in_state(state: ClientState) -> ClientSession:
    """A session in that state; from STREAMING on sample 2 was sent."""
    session = ClientSession()
    if state is IDLE:
        return session
    session.open(CAMERA)
    if state is ACCEPTANCE:
        return session
    session.receive(Message(1, 1, SERVER))
    session.send(Sample(20, b"frame"))
    if state is HALF_CLOSED:
        session.finish()
    elif state is ENDED:
        session.end()
    assert session.state is state
    return session


STEPS: dict[str, Callable[[ClientSession], object]] = {
    "open": lambda session: session.open(CAMERA),
    "send": lambda session: session.send(Sample(30, b"frame")),
    "descriptor": lambda session: session.receive(Message(9, 1, SERVER)),
    "answer": lambda session: session.receive(Message(9, 2, Sample(20))),
    "finish": lambda session: session.finish(),
    "end": lambda session: session.end(),
}


def closed(state: ClientState) -> tuple[type[Exception], ClientState]:
    return ClosedError, state


def illegal(state: ClientState) -> tuple[type[Exception], ClientState]:
    return ProtocolError, state


# step -> for each state what comes of it: the state after it, or the error and the state after it.
TABLE: dict[str, list[ClientState | tuple[type[Exception], ClientState]]] = {
    #         IDLE AWAITING_ACCEPTANCE STREAMING HALF_CLOSED ENDED
    "open": [ACCEPTANCE, closed(ACCEPTANCE), closed(STREAMING), closed(HALF_CLOSED), closed(ENDED)],
    "send": [closed(IDLE), closed(ACCEPTANCE), STREAMING, closed(HALF_CLOSED), closed(ENDED)],
    "descriptor": [closed(IDLE), STREAMING, illegal(STREAMING), illegal(HALF_CLOSED), illegal(ENDED)],
    "answer": [closed(IDLE), illegal(ACCEPTANCE), STREAMING, HALF_CLOSED, ENDED],
    "finish": [HALF_CLOSED, HALF_CLOSED, HALF_CLOSED, HALF_CLOSED, ENDED],
    "end": [ENDED, ENDED, ENDED, ENDED, ENDED],
}


@pytest.mark.parametrize("state", list(ClientState), ids=lambda state: state.name)
@pytest.mark.parametrize("step", STEPS)
def test_every_step_in_every_state_is_as_the_table_says(step: str, state: ClientState) -> None:
    session = in_state(state)
    expected = TABLE[step][list(ClientState).index(state)]
    if isinstance(expected, ClientState):
        STEPS[step](session)
        assert session.state is expected
    else:
        kind, after = expected
        with pytest.raises(kind):
            STEPS[step](session)
        assert session.state is after


def test_the_handshake_is_a_descriptor_each() -> None:
    session = ClientSession()
    assert session.open(CAMERA) == Message(1, 0, CAMERA)
    assert session.receive(Message(1, 1, SERVER)) == Accepted(SERVER)
    assert session.send(Sample(20, b"frame")) == Message(2, 0, Sample(20, b"frame"))
    assert session.send(Sample(30, b"frame")) == Message(3, 0, Sample(30, b"frame"))
    assert session.in_flight == 2


@pytest.mark.parametrize("number", [0, 1, 77])
def test_sequence_numbers_of_the_server_are_not_judged(number: int) -> None:
    session = ClientSession()
    session.open(CAMERA)
    assert session.receive(Message(number, number, SERVER)) == Accepted(SERVER)


def test_the_first_answer_to_a_sample_matches_and_every_further_one_is_doubled() -> None:
    session = in_state(STREAMING)
    answer = Message(2, 2, Sample(20, None, FOUND))
    assert session.receive(answer) == AnswerReceived(Match.MATCHED, 2, Sample(20, None, FOUND), 20)
    assert session.in_flight == 0
    assert session.receive(answer) == AnswerReceived(Match.DOUBLED, 2, Sample(20, None, FOUND), None)


def test_a_bare_acknowledgement_matches_too() -> None:
    assert in_state(STREAMING).receive(Message(2, 2)) == AnswerReceived(Match.MATCHED, 2, None, 20)


def test_a_sample_at_time_zero_matches() -> None:
    session = in_state(STREAMING)
    session.send(Sample(0, b"frame"))
    assert session.receive(Message(2, 3, Sample(0))) == AnswerReceived(Match.MATCHED, 3, Sample(0), 0)


def test_an_answer_to_what_was_never_sent_is_unknown() -> None:
    session = in_state(STREAMING)
    assert session.receive(Message(2, 3, Sample(0))) == AnswerReceived(Match.UNKNOWN, 3, Sample(0), None)
    assert session.in_flight == 1


def test_a_second_answer_to_the_descriptor_is_doubled() -> None:
    assert in_state(STREAMING).receive(Message(2, 1, Sample(0))) == AnswerReceived(Match.DOUBLED, 1, Sample(0), None)


def test_a_result_that_acknowledges_nothing_is_neither_doubled_nor_unknown() -> None:
    session = in_state(STREAMING)
    event = session.receive(Message(2, 0, Sample(20, None, FOUND)))
    assert event == AnswerReceived(Match.UNACKNOWLEDGING, 0, Sample(20, None, FOUND), None)
    assert session.in_flight == 1


def test_what_is_in_flight_at_the_end_is_lost_and_counted_once() -> None:
    session = in_state(STREAMING)
    session.send(Sample(30, b"frame"))
    assert session.end() == 2
    assert session.end() == 0


def test_a_descriptor_that_comes_after_the_client_has_finished_is_still_its_answer() -> None:
    session = in_state(ACCEPTANCE)
    session.finish()
    assert session.receive(Message(1, 1, SERVER)) == Accepted(SERVER)
    assert session.state is HALF_CLOSED


@pytest.mark.parametrize(
    ("state", "payload", "text"),
    [
        (ACCEPTANCE, Sample(0), "the server's first message is not a descriptor; allowed: a descriptor"),
        (ACCEPTANCE, None, "the server's first message is not a descriptor; allowed: a descriptor"),
        (STREAMING, SERVER, "the server sent a second descriptor; allowed: one, as its first message"),
    ],
)
def test_a_server_out_of_order_is_told_what_is_wrong(
    state: ClientState, payload: Descriptor | Sample | None, text: str
) -> None:
    with pytest.raises(ProtocolError) as caught:
        in_state(state).receive(Message(1, 1, payload))
    assert str(caught.value) == text


@settings(max_examples=100)
@given(st.integers(0, 6), st.lists(st.integers(0, 9), max_size=20))
def test_any_acknowledgements_are_sorted_into_four_kinds(sent: int, acknowledgements: list[int]) -> None:
    session = ClientSession()
    session.open(CAMERA)
    session.receive(Message(1, 1, SERVER))
    for number in range(sent):
        session.send(Sample(number * 10, b""))
    seen: set[int] = set()
    for number in acknowledgements:
        event = session.receive(Message(0, number, Sample(0)))
        assert isinstance(event, AnswerReceived)
        if number == 0:
            expected = Match.UNACKNOWLEDGING
        elif number > sent + 1:
            expected = Match.UNKNOWN
        elif number == 1 or number in seen:
            expected = Match.DOUBLED
        else:
            expected = Match.MATCHED
            assert event.sent_timestamp == (number - 2) * 10
            seen.add(number)
        assert event.match is expected
    assert session.in_flight == session.end() == sent - len(seen)
