"""Descriptors that no right client can write: the wire refuses to encode them, so they are built byte by byte."""

from __future__ import annotations

from framewire.model.message import Descriptor, Message
from framewire.testing.rules.picture import RGB24
from framewire.wire import encode


def first_message(descriptor: Descriptor) -> bytes:
    """A descriptor that can be encoded, as the first message of a session."""
    return encode(Message(1, 0, descriptor))


def descriptor_message(
    configuration: str,
    *,
    encoding: int = 3,
    pixel_format: int = 60,
    width: int = RGB24.width,
    height: int = RGB24.height,
    stride_bytes: int = 0,
) -> bytes:
    """A descriptor of 40x30 RAW RGB24 frames as the first message, with any numbers in it (contract, section 2)."""
    dimensions = field(1, width) + field(2, height)
    video_format = field(1, encoding) + field(2, pixel_format) + field(3, dimensions) + field(4, stride_bytes)
    media = field(1, 90_000) + field(5, video_format)
    descriptor = field(2, b"framewire-check") + field(3, configuration.encode()) + field(5, media)
    return field(1, 1) + field(5, descriptor)


def field(number: int, value: int | bytes) -> bytes:
    """One protobuf field: a number as a varint, bytes with their length before them."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    """A number in groups of seven bits, lowest first; the high bit says that more follow."""
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)
