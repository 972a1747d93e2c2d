"""Where a frame lies in its message, and what the message costs beside it, against messages of which it is known."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framewire.errors import ProtocolError
from framewire.model.inference import Classification, Tag
from framewire.model.message import ContentReference, Descriptor, Message, Sample
from framewire.wire import decode, encode
from framewire.wire import extension_pb2 as pb
from framewire.wire.walker import walk

FOUND = Classification(Tag("car"), subtype="s")


@given(st.binary(max_size=300), st.integers(0, 2**64 - 1), st.integers(0, 3))
def test_all_but_the_frame_counts(frame: bytes, number: int, inferences: int) -> None:
    data = encode(Message(number, number, Sample(number, frame, (FOUND,) * inferences)))
    content = pb.MediaStreamMessage.FromString(data).media_sample.content_bytes.ByteSize()
    assert walk(data).overhead_bytes == len(data) - content


@pytest.mark.parametrize(
    "message",
    [
        Message(1),
        Message(1, 0, Descriptor(configuration="x" * 1000)),
        Message(2, 0, Sample(5)),
        Message(2, 0, Sample(5, ContentReference(10, 20), (FOUND,))),
    ],
)
def test_a_message_without_an_embedded_frame_is_all_overhead(message: Message) -> None:
    data = encode(message)
    assert walk(data).overhead_bytes == len(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x08",
        b"\x08" + b"\xff" * 11,
        b"\x32\x05\x00",
        b"\x32\x02\x52\x05",
        b"\x0d\x00",
        b"\x09\x00",
        b"\x0b",
        b"\x0f",
    ],
    ids=[
        "cut off",
        "longer than 64 bits",
        "behind the end",
        "behind its sample",
        "fixed32",
        "fixed64",
        "group",
        "type 7",
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"cut off|ends behind|wire type"):
        walk(data)


@pytest.mark.parametrize("data", [b"\x0b\x14", b"\x0c", b"\x0b\x13\x0c\x14"], ids=["another", "none", "crossed"])
def test_a_group_that_ends_and_has_not_begun_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="a group ends that has not begun"):
        walk(data)


def test_a_group_is_overhead_with_all_that_it_holds() -> None:
    frame = b"\x32\x07\x2a\x05\x0a\x03abc"
    assert walk(b"\x0b" + frame + b"\x0c").overhead_bytes == 11
    assert walk(b"\x0b\x0c" + frame).overhead_bytes == 6


def test_too_many_fields_are_refused_at_whatever_level() -> None:
    for data in (b"\x08\x01" * 16_385, b"\x32\x00" * 16_385, b"\x32\xfe\xff\x07" + b"\x52\x00" * 65_535):
        with pytest.raises(ProtocolError, match="more than 16384 fields"):
            walk(data)


@given(st.binary(max_size=60))
def test_any_bytes_end_in_a_number_or_a_refusal(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert 0 <= walk(data).overhead_bytes <= len(data)


def test_fields_are_not_counted_in_a_message_that_may_be_all_overhead() -> None:
    many = b"\x32\x00" * 100_000
    assert decode(many) == decode(many, max_overhead_bytes=200_000) == Message(0, 0, Sample(0))
    with pytest.raises(ProtocolError, match="more than 16384 fields"):
        decode(many, max_overhead_bytes=199_999)


def test_a_large_frame_is_a_read_only_view_into_its_message() -> None:
    picture = bytes(range(256)) * 1024
    data = encode(Message(2, 0, Sample(5, picture, (FOUND,))))
    message = decode(data)
    assert message == Message(2, 0, Sample(5, picture, (FOUND,)))
    content = message.payload.content  # type: ignore[union-attr]
    assert isinstance(content, memoryview)
    assert content.obj is data
    assert content.readonly


def test_a_small_frame_is_a_view_of_its_own_bytes() -> None:
    data = encode(Message(2, 0, Sample(5, b"picture")))
    content = decode(data).payload.content  # type: ignore[union-attr]
    assert isinstance(content, memoryview)
    assert content.obj == b"picture"


def test_a_frame_does_not_keep_a_message_alive_that_is_much_larger_than_it() -> None:
    picture = bytes(200_000)
    content = decode(encode(Message(2, 0, Sample(5, picture, (FOUND,) * 5000)))).payload.content  # type: ignore[union-attr]
    assert isinstance(content, memoryview)
    assert content.obj == picture


@pytest.mark.parametrize("length", [131_071, 131_072, 2_097_151, 2_097_152])
@pytest.mark.parametrize("found", [(), (FOUND,)])
def test_a_large_frame_is_written_as_protobuf_writes_it(length: int, found: tuple[Classification, ...]) -> None:
    data = encode(Message(300, 7, Sample(5, bytes(length), found)))
    assert pb.MediaStreamMessage.FromString(data).SerializeToString() == data
    assert decode(data) == Message(300, 7, Sample(5, bytes(length), found))


def test_reading_is_bounded_by_overhead_and_by_inferences_only_when_asked_to() -> None:
    large = encode(Message(1, 0, Sample(0, bytes(5000), (FOUND,) * 100)))
    assert decode(large) == decode(large, max_overhead_bytes=5000)
    with pytest.raises(ProtocolError, match=r"a message has 2108 bytes beside its frame; allowed: up to 1000"):
        decode(large, max_overhead_bytes=1000)
    many = encode(Message(1, 0, Sample(0, None, (FOUND,) * 10_001)))
    assert len(decode(many).payload.inferences) == 10_001  # type: ignore[union-attr]
    with pytest.raises(ProtocolError, match="a sample has 10001 inferences; allowed: up to 10000"):
        decode(many, max_overhead_bytes=1 << 20)
