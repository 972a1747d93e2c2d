"""Whatever bytes arrive, the answer is a message or a ProtocolError, never anything else."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wire_strategies import messages

from framewire.errors import FormatError, ProtocolError
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.message import Descriptor, Message, Sample
from framewire.wire import decode, encode


@settings(max_examples=300)
@given(st.binary(max_size=60))
@example(b"\x32\x80\x80\x80\x80\x08")
def test_any_bytes_are_a_message_or_a_protocol_error(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        assert isinstance(decode(data), Message)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A message with a byte changed, some cut off, some doubled or some put in."""
    data = bytearray(encode(draw(messages)))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["change", "cut", "double", "insert"])):
            case "change" if place < len(data):
                data[place] = draw(st.integers(0, 255))
            case "cut":
                del data[place:]
            case "double":
                data += data[place:]
            case _:
                data[place:place] = draw(st.binary(max_size=4))
    return bytes(data)


@settings(max_examples=200)
@given(damaged())
def test_a_damaged_message_is_a_message_or_a_protocol_error(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        message = decode(data)
        # What was understood can be said again.
        if not isinstance(message.payload, Sample) or not message.payload.problems:
            assert decode(encode(message)) == message


@pytest.mark.parametrize(
    "data",
    [
        b"not a message at all",
        b"\x08",  # a number that ends early
        b"\x08" + b"\xff" * 10 + b"\x01",  # a number of more than 64 bits
        b"\x32\x05\x08\x01",  # a sample shorter than its length
        b"\x2a\x03\x1a\x01\xff",  # a configuration that is not UTF-8
        b"\x0f",  # wire type 7
        b"\x00\x00",  # field number 0
    ],
)
def test_bytes_that_are_no_message_are_refused_with_their_length(data: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(data)
    assert str(caught.value) == (
        f"a message of {len(data)} bytes is not a MediaStreamMessage; "
        "check that both sides use the extension contract's .proto"
    )


def test_unknown_fields_are_passed_over() -> None:
    assert decode(b"\x08\x07" + b"\x98\x06\x01" + b"\x10\x03") == Message(7, 3)


def test_no_bytes_at_all_are_a_message_without_anything() -> None:
    assert decode(b"") == Message(0, 0)


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (b"", "width 0 is not a picture size; allowed: 1 to 65535 pixels"),
        (b"\x08\x03\x1a\x04\x08\x02\x10\x02", "encoding RAW needs a pixel format and has NONE; allowed: YUV420P, "),
        (b"\x08\x09\x1a\x04\x08\x02\x10\x02", "encoding 9 is unknown; allowed: BMP=0, JPG=1, PNG=2, RAW=3"),
        (b"\x08\x03\x10\x05\x1a\x04\x08\x02\x10\x02", "pixel format 5 is unknown; allowed: NONE=0, YUV420P=20, "),
        (
            b"\x08\x03\x10\x3c\x1a\x04\x08\x02\x10\x02\x20\x05",
            "stride_bytes 5 is shorter than a row of 2 px RGB24; allowed: 0 (no gap) or at least 6",
        ),
    ],
)
def test_a_format_that_cannot_be_is_refused_by_name(frame: bytes, text: str) -> None:
    media = b"\x2a" + bytes([len(frame)]) + frame
    descriptor = b"\x2a" + bytes([len(media)]) + media
    with pytest.raises(FormatError) as caught:
        decode(b"\x08\x01\x2a" + bytes([len(descriptor)]) + descriptor)
    assert str(caught.value).startswith(text)


def test_a_descriptor_without_a_sample_format_is_read_for_the_session_to_judge() -> None:
    message = decode(encode(Message(1, 0, Descriptor("x"))))
    assert isinstance(message.payload, Descriptor)
    assert message.payload.video_format is None


def test_the_pixel_format_of_an_encoded_frame_does_not_matter() -> None:
    video_format = VideoFormat(Encoding.JPG, 2, 2, PixelFormat.RGB24, 1)
    message = decode(encode(Message(1, 0, Descriptor(video_format=video_format))))
    assert isinstance(message.payload, Descriptor)
    assert message.payload.video_format == video_format
