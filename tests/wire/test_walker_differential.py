"""The walker beside protobuf's own parser: one and the same answer to any bytes whatever, with any bound.

Run for longer with ``WIRE_EXAMPLES=200000 pytest tests/wire/test_walker_differential.py``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from odd_messages import Choices, damaged_message, field, odd_message, plain_sample, varint
from reference_decoder import difference
from wire_strategies import messages

from framewire.model.message import Message, Sample
from framewire.wire import codec, encode

EXAMPLES = int(os.environ.get("WIRE_EXAMPLES", "1500"))
thorough = settings(max_examples=EXAMPLES, deadline=None)

choices = st.binary(min_size=30, max_size=150).map(Choices)
odd_messages = choices.map(odd_message) | choices.map(plain_sample)
anything = odd_messages | choices.map(damaged_message) | messages.map(encode) | st.binary(max_size=60)

NUMBER = b"\x08\x07"
FRAME = field(5, field(1, b"picture"))
SAMPLE = field(6, b"\x08\x05" + FRAME)
REFERENCE = field(6, b"\x08\x03\x10\x04")
DESCRIPTOR = field(5, field(2, b"name"))


@pytest.fixture(scope="module", autouse=True)
def every_message_is_walked() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "LARGE_BYTES", 1)
        patch.setattr(codec, "FRAME_SHARE", 0.0)
        yield


ODDITIES = {
    "plain": NUMBER + SAMPLE,
    "an empty frame": field(6, field(5, field(1, b""))),
    "no bytes in the content": field(6, field(5, b"")),
    "a descriptor before the sample": DESCRIPTOR + SAMPLE,
    "a descriptor behind the sample": SAMPLE + DESCRIPTOR,
    "a descriptor between two samples": SAMPLE + DESCRIPTOR + field(6, b"\x08\x06"),
    "two samples": SAMPLE + field(6, field(5, field(1, b"other"))),
    "two samples, the frame in the first": SAMPLE + field(6, b"\x08\x09"),
    "two samples, the frame in the second": field(6, b"\x08\x09") + SAMPLE,
    "two frames": field(6, FRAME + field(5, field(1, b"other"))),
    "two frames, the second empty": field(6, FRAME + field(5, field(1, b""))),
    "two frames, the second without bytes": field(6, FRAME + field(5, b"")),
    "bytes twice": field(6, field(5, field(1, b"one") + field(1, b"two"))),
    "bytes and something else": field(6, field(5, field(1, b"one") + b"\x10\x01")),
    "something else and bytes": field(6, field(5, b"\x10\x01" + field(1, b"one"))),
    "bytes of another kind": field(6, field(5, b"\x08\x01")),
    "a reference behind the frame": field(6, FRAME + REFERENCE),
    "a reference before the frame": field(6, REFERENCE + FRAME),
    "a reference of another kind behind the frame": field(6, FRAME + b"\x30\x01"),
    "a reference between two frames": field(6, FRAME + REFERENCE + field(5, b"")),
    "a sample of another kind": SAMPLE + b"\x30\x01",
    "the number twice": NUMBER + SAMPLE + b"\x08\x08",
    "the timestamp twice": field(6, b"\x08\x05" + FRAME + b"\x08\x06"),
    "unknown fields": b"\x98\x06\x01" + field(6, b"\x9a\x06\x01x" + FRAME + b"\x9d\x06abcd") + b"\x99\x06abcdefgh",
    "a group": b"\x0b\x0c" + SAMPLE,
    "a group around the sample": b"\x0b" + SAMPLE + b"\x0c",
    "a group around the frame": field(6, b"\x0b" + FRAME + b"\x0c"),
    "a group with the frame's number": field(6, FRAME + b"\x2b" + field(1, b"other") + b"\x2c"),
    "a group with the sample's number": SAMPLE + b"\x33" + FRAME + b"\x34",
    "groups in groups": b"\x0b\x13\x14\x0c" + SAMPLE,
    "groups across groups": b"\x0b\x13\x0c\x14" + SAMPLE,
    "a group without an end": SAMPLE + b"\x0b",
    "an end without a group": SAMPLE + b"\x0c",
    "a group that ends behind its sample": field(6, FRAME + b"\x0b") + b"\x0c",
    "as many groups as can be": b"\x0b" * 100 + b"\x0c" * 100 + SAMPLE,
    "one group too many": b"\x0b" * 101 + b"\x0c" * 101 + SAMPLE,
    "as many groups in the sample as can be": field(6, FRAME + b"\x0b" * 99 + b"\x0c" * 99),
    "one group too many in the sample": field(6, FRAME + b"\x0b" * 100 + b"\x0c" * 100),
    "a long tag": b"\xb2\x00" + SAMPLE[1:],
    "the longest tag": b"\xb2\x80\x80\x80\x00" + SAMPLE[1:],
    "a tag that is too long": b"\xb2\x80\x80\x80\x80\x00" + SAMPLE[1:],
    "a tag beyond 32 bits": b"\xb2\x80\x80\x80\x10" + SAMPLE[1:],
    "a second sample with a long tag": SAMPLE + b"\xb2\x00" + field(6, field(5, b""))[1:],
    "a second frame with a long tag": field(6, FRAME + b"\xaa\x00\x03\x0a\x01x"),
    "a long length": b"\x32" + varint(len(SAMPLE) - 2, padding=1) + SAMPLE[2:],
    "the longest length": b"\x32" + varint(len(SAMPLE) - 2, padding=4) + SAMPLE[2:],
    "a length that is too long": b"\x32" + varint(len(SAMPLE) - 2, padding=5) + SAMPLE[2:],
    "a long length of the content": field(6, b"\x2a" + varint(5, padding=5) + b"\x0a\x03abc"),
    "a long length of the bytes": field(6, field(5, b"\x0a" + varint(3, padding=5) + b"abc")),
    "a long tag of the bytes": field(6, field(5, b"\x8a\x80\x80\x80\x80\x00\x03abc")),
    "a length of 64 bits": b"\x32" + varint(2**64 - 1) + SAMPLE[2:],
    "a length that would wrap around": b"\x32" + varint(2**32 + len(SAMPLE) - 2) + SAMPLE[2:],
    "bytes longer than their content": field(6, field(5, b"\x0a\x04abc") + b"\x08\x01"),
    "bytes shorter than their content": field(6, field(5, b"\x0a\x02abc")),
    "content longer than its sample": field(6, b"\x2a\x06\x0a\x03abc") + b"\x08\x01",
    "content of a tag alone": field(6, b"\x2a\x01\x0a") + b"\x08\x01",
    "field number 0": SAMPLE + b"\x00\x00",
    "field number 0 in the sample": field(6, FRAME + b"\x00\x00"),
    "field number 0 in a group": b"\x0b\x00\x00\x0c" + SAMPLE,
    "wire type 6": SAMPLE + b"\x0e\x00",
    "a number beyond 64 bits": b"\x08" + b"\xff" * 9 + b"\x7f" + SAMPLE,
    "a number of 11 bytes": b"\x08" + b"\xff" * 10 + b"\x01" + SAMPLE,
    "a torn tail": SAMPLE + b"\x08",
    "a torn fixed32": SAMPLE + b"\x0d\x00",
    "a torn fixed64 in the sample": field(6, FRAME + b"\x09\x00") + bytes(8),
    "text that is not UTF-8 behind the frame": field(6, FRAME + field(10, field(2, b"\xff"))),
    "an inference that is torn": field(6, FRAME + field(10, b"\x12\x05a")),
}


@pytest.mark.parametrize("name", ODDITIES)
@pytest.mark.parametrize("bound", [None, 0, 12, 1000])
def test_an_oddity_is_to_decode_what_it_is_to_protobuf(name: str, bound: int | None) -> None:
    assert difference(ODDITIES[name], bound) == ""


@thorough
@given(anything)
@example(b"")
def test_any_bytes_are_to_decode_what_they_are_to_protobuf(data: bytes) -> None:
    assert difference(data) == ""


@thorough
@given(anything, st.integers(0, 40))
def test_a_bound_refuses_what_costs_too_much_and_changes_nothing_else(data: bytes, bound: int) -> None:
    assert difference(data, bound) == ""


@settings(max_examples=EXAMPLES // 10, deadline=None)
@given(odd_messages)
def test_every_torn_message_is_to_decode_what_it_is_to_protobuf(data: bytes) -> None:
    for end in range(len(data)):
        assert difference(data[:end]) == ""


@given(messages)
def test_the_bytes_of_any_message_are_those_that_protobuf_writes(message: Message) -> None:
    data = encode(message)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "LARGE_BYTES", 1 << 30)
        assert encode(message) == data


def test_a_strided_view_is_embedded_like_its_bytes() -> None:
    view = memoryview(b"p.i.c.t.u.r.e.")[::2]
    assert encode(Message(7, 0, Sample(5, view))) == NUMBER + SAMPLE
