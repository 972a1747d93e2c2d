"""Whatever a message says is still said after the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from wire_strategies import messages

from framewire.model.inference import Classification, Tag
from framewire.model.message import Descriptor, Message, Sample
from framewire.wire import decode, encode


@given(messages)
def test_any_message_comes_back_equal(message: Message) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize(
    "message",
    [
        Message(0, 0, None),
        Message(1, 0, Sample(0)),
        Message(1, 0, Sample(0, b"")),
        Message(1, 0, Descriptor("", "", 0)),
    ],
)
def test_a_part_that_is_empty_is_not_a_part_that_is_missing(message: Message) -> None:
    assert decode(encode(message)) == message


def test_a_view_of_a_frame_is_written_like_its_bytes() -> None:
    view = memoryview(bytearray(b"..pixels.."))[2:8]
    assert encode(Message(1, 0, Sample(5, view))) == encode(Message(1, 0, Sample(5, b"pixels")))


@pytest.mark.parametrize(
    ("sent", "received"), [(0.97052866, 0.9705286622047424), (0.1, 0.10000000149011612), (1.0, 1.0)]
)
def test_a_confidence_comes_back_as_the_nearest_float32(sent: float, received: float) -> None:
    decoded = decode(encode(Message(1, 0, Sample(0, None, [Classification(Tag("x", sent))]))))
    assert isinstance(decoded.payload, Sample)
    assert decoded.payload.inferences == (Classification(Tag("x", received)),)
