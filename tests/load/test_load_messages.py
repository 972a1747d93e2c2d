"""The generator's messages are the wire's, made and read in a shorter way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framewire.errors import ProtocolError
from framewire.load.message import FrameMessage, read_answer
from framewire.model.inference import Classification, Tag
from framewire.model.message import ContentReference, Descriptor, Message, Sample
from framewire.wire import decode, encode

NUMBERS = st.integers(0, 2**64 - 1)
LIGHT = (Classification(Tag("light")),)


@given(NUMBERS, NUMBERS, st.binary(max_size=300))
def test_a_message_with_an_embedded_frame_says_what_the_wire_would(number: int, timestamp: int, frame: bytes) -> None:
    data = FrameMessage(frame).numbered(number, timestamp)
    assert decode(data) == Message(number, 0, Sample(timestamp, frame))


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_a_message_with_a_place_in_memory_says_what_the_wire_would(
    number: int, timestamp: int, offset: int, length: int
) -> None:
    data = FrameMessage(ContentReference(offset, length)).numbered(number, timestamp)
    assert decode(data) == Message(number, 0, Sample(timestamp, ContentReference(offset, length)))


def test_the_bytes_of_a_message_are_those_of_the_wire() -> None:
    expected = encode(Message(300, 0, Sample(161583633208055, b"frame")))
    assert FrameMessage(b"frame").numbered(300, 161583633208055) == expected


@given(NUMBERS, NUMBERS)
def test_the_acknowledgement_of_an_answer_is_read(number: int, ack: int) -> None:
    assert read_answer(encode(Message(number, ack, Sample(5, None, LIGHT)))) == (ack, True)
    assert read_answer(encode(Message(number, ack))) == (ack, False)
    assert read_answer(encode(Message(number, ack, Descriptor()))) == (ack, False)


@given(NUMBERS, st.none() | st.binary(max_size=300) | st.builds(ContentReference, NUMBERS, NUMBERS), st.booleans())
def test_whether_an_answer_holds_inferences_is_seen_whatever_else_its_sample_holds(
    timestamp: int, content: bytes | ContentReference | None, is_full: bool
) -> None:
    sample = Sample(timestamp, content, LIGHT if is_full else ())
    assert read_answer(encode(Message(1, 7, sample))) == (7, is_full)


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"", (0, False)),
        (b"\x32\x02\x08\x05\x10\x07", (7, False)),  # the acknowledgement behind the sample
        (b"\x10\x07\x10\x08", (8, False)),  # twice: protobuf takes the last
        (b"\x32\x02\x52\x00\x32\x02\x08\x05", (0, True)),  # a sample in two parts: protobuf merges them
        (b"\x79\x00\x01\x02\x03\x04\x05\x06\x07\x10\x07", (7, False)),  # an unknown field of eight bytes before
        (b"\x7d\x00\x01\x02\x03\x10\x07", (7, False)),  # an unknown field of four bytes
    ],
    ids=["empty", "behind", "twice", "two parts", "eight bytes", "four bytes"],
)
def test_fields_may_come_in_any_order(data: bytes, answer: tuple[int, bool]) -> None:
    assert read_answer(data) == answer


@pytest.mark.parametrize(
    "data",
    [
        b"\x10",
        b"\x10\x80",
        b"\x32\x05\x08",
        b"\x32\x02\x0a\x09",
        b"\x32\x01\x0f",
        b"\x0f",
        b"\x79\x00",
        b"\x10" + b"\xff" * 11,
    ],
    ids=["no value", "torn value", "torn sample", "torn content", "odd sample", "no kind", "torn number", "endless"],
)
def test_what_is_no_message_is_told(data: bytes) -> None:
    with pytest.raises(ProtocolError, match=rf"^an answer of {len(data)} bytes is no MediaStreamMessage$"):
        read_answer(data)
