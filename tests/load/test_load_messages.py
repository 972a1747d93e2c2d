"""The generator's messages are the wire's, made and read in a shorter way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framewire.errors import ProtocolError
from framewire.load.message import FrameMessage, acknowledged
from framewire.model.inference import Classification, Tag
from framewire.model.message import ContentReference, Descriptor, Message, Sample
from framewire.wire import decode, encode

NUMBERS = st.integers(0, 2**64 - 1)


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
    results = (Classification(Tag("light")),)
    assert acknowledged(encode(Message(number, ack, Sample(5, None, results)))) == ack
    assert acknowledged(encode(Message(number, ack))) == ack
    assert acknowledged(encode(Message(number, ack, Descriptor()))) == ack


@pytest.mark.parametrize(
    ("data", "number"),
    [
        (b"", 0),
        (b"\x32\x02\x08\x05\x10\x07", 7),  # the acknowledgement behind the sample
        (b"\x10\x07\x10\x08", 8),  # twice: protobuf takes the last
        (b"\x79\x00\x01\x02\x03\x04\x05\x06\x07\x10\x07", 7),  # an unknown field of eight bytes before it
        (b"\x7d\x00\x01\x02\x03\x10\x07", 7),  # an unknown field of four bytes
    ],
    ids=["empty", "behind", "twice", "eight bytes", "four bytes"],
)
def test_fields_may_come_in_any_order(data: bytes, number: int) -> None:
    assert acknowledged(data) == number


@pytest.mark.parametrize(
    "data",
    [b"\x10", b"\x10\x80", b"\x32\x05\x08", b"\x0f", b"\x79\x00", b"\x10" + b"\xff" * 11],
    ids=["no value", "torn value", "torn sample", "no such kind", "torn number", "endless"],
)
def test_what_is_no_message_is_told(data: bytes) -> None:
    with pytest.raises(ProtocolError, match=rf"^an answer of {len(data)} bytes is no MediaStreamMessage$"):
        acknowledged(data)
