"""Frames of HTTP/2 (RFC 9113, section 4 and 6): numbers and layouts."""

from __future__ import annotations

import struct
import zlib
from enum import IntEnum, IntFlag
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

HEAD: Final = struct.Struct(">HBBBI")
"""Of a frame: its length in 16 and 8 bits, its kind, its flags, its stream."""

DATA_HEAD: Final = struct.Struct(">HBBBIBI")
"""The same, and what stands before a message of gRPC: whether it is compressed, and its length."""

PREFIX: Final = struct.Struct(">BI")
"""What stands before a message of gRPC, alone."""

SETTING: Final = struct.Struct(">HI")

MOST_WINDOW: Final = (1 << 31) - 1

FIRST_WINDOW: Final = 65_535
"""Bytes that either side may send until it is told otherwise (section 6.9.2)."""

LEAST_FRAME_SIZE: Final = 16_384
"""Largest payload that everybody takes (section 4.2)."""

MOST_FRAME_SIZE: Final = (1 << 24) - 1


class Kind(IntEnum):
    """Kinds of frames."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Flag(IntFlag):
    """Flags of frames; what a bit means depends on the kind."""

    NONE = 0
    END_STREAM = 0x1
    ACK = 0x1
    END_HEADERS = 0x4
    PADDED = 0x8
    PRIORITY = 0x20


class Setting(IntEnum):
    """Settings that concern a client of one call."""

    ENABLE_PUSH = 2
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5


class ErrorCode(IntEnum):
    """Why a stream or a connection is given up (section 7)."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    SETTINGS_TIMEOUT = 0x4
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    CONNECT_ERROR = 0xA
    ENHANCE_YOUR_CALM = 0xB
    INADEQUATE_SECURITY = 0xC
    HTTP_1_1_REQUIRED = 0xD


class BrokenError(Exception):
    """The server breaks HTTP/2 or gRPC: the connection is of no use any more.

    Args:
        words: What it did, as a noun.
        error: What the server is told.
        status: Name of the gRPC status that the call ends with.
    """

    def __init__(self, words: str, error: ErrorCode = ErrorCode.PROTOCOL_ERROR, status: str = "INTERNAL") -> None:
        super().__init__(words)
        self.error = error
        self.status = status


def frame(kind: Kind, flags: Flag = Flag.NONE, stream: int = 0, payload: bytes = b"") -> bytes:
    """A whole frame."""
    return HEAD.pack(len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream) + payload


def packed(number: int) -> bytes:
    """A number as a payload."""
    return number.to_bytes(4, "big")


def number_in(payload: bytes) -> int:
    """The number that a payload is.

    Raises:
        BrokenError: It has another length.
    """
    if len(payload) != 4:
        raise BrokenError(f"a number of {len(payload)} bytes", ErrorCode.FRAME_SIZE_ERROR)
    return int.from_bytes(payload, "big")


def content_of(payload: bytes, flags: int, *, may_have_priority: bool = False) -> bytes:
    """A payload without its padding and, in front of headers, its priority (sections 6.1 and 6.2).

    Raises:
        BrokenError: There is more padding than payload.
    """
    start, end = 0, len(payload)
    if flags & Flag.PADDED:
        start, end = 1, end - (payload[0] if payload else 1)
    if may_have_priority and flags & Flag.PRIORITY:
        start += 5
    if start > end:
        raise BrokenError("a frame with more padding than content")
    return payload[start:end]


def name_of(number: int) -> str:
    """What an error code is called."""
    try:
        return ErrorCode(number).name
    except ValueError:
        return f"error {number}"


def too_large(length: str, most_bytes: int) -> BrokenError:
    """What is said of a message that is larger than it may be."""
    words = f"a message of {length} bytes; allowed: up to {most_bytes}"
    return BrokenError(words, ErrorCode.ENHANCE_YOUR_CALM, "RESOURCE_EXHAUSTED")


def unpacked(message: bytes, most_bytes: int) -> bytes:
    """A message that was compressed, with gzip or deflate.

    Raises:
        BrokenError: It was packed in another way, or is larger than it may be.
    """
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # either, by its first bytes
    try:
        data = unpacker.decompress(message, most_bytes + 1)
    except zlib.error:
        raise BrokenError("a compressed message that cannot be unpacked") from None
    if len(data) > most_bytes:
        raise too_large(f"more than {most_bytes}", most_bytes)
    if not unpacker.eof:
        raise BrokenError("a compressed message that is cut off")
    return data
