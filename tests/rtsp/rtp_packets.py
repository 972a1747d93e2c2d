"""Pictures cut into RTP packets: H.264 (RFC 6184), H.265 (RFC 7798) and JPEG (RFC 2435)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from camera_clips import Codec

PAYLOAD_TYPES: dict[Codec, int] = {"h264": 96, "hevc": 96, "mjpeg": 26}

_MOST_BYTES = 1400


def payloads_of(codec: Codec, units: Sequence[bytes]) -> list[bytes]:
    """What the RTP packets of one picture carry."""
    if codec == "mjpeg":
        return _jpeg_payloads(units[0])
    return [payload for unit in units for payload in _unit_payloads(codec, unit)]


def rtp_packet(payload: bytes, *, payload_type: int, sequence: int, timestamp: int, ssrc: int, is_last: bool) -> bytes:
    """A packet with its header (RFC 3550, section 5.1)."""
    return (
        struct.pack(
            "!BBHII",
            0x80,
            is_last << 7 | payload_type,
            sequence & 0xFFFF,
            timestamp & 0xFFFFFFFF,
            ssrc,
        )
        + payload
    )


def sender_report(*, ssrc: int, timestamp: int, wall_s: float) -> bytes:
    """Which wall clock time belongs to a timestamp (RFC 3550, section 6.4.1)."""
    since_1900 = wall_s + 2_208_988_800
    return struct.pack(
        "!BBHIIIIII",
        0x80,
        200,
        6,
        ssrc,
        int(since_1900) & 0xFFFFFFFF,
        int(since_1900 % 1 * 2**32),
        timestamp & 0xFFFFFFFF,
        0,
        0,
    )


def goodbye(*, ssrc: int) -> bytes:
    """The end of a stream (RFC 3550, section 6.6)."""
    return struct.pack("!BBHI", 0x81, 203, 1, ssrc)


def _unit_payloads(codec: Codec, unit: bytes) -> list[bytes]:
    if len(unit) <= _MOST_BYTES:
        return [unit]
    if codec == "h264":  # FU-A
        head = bytes([unit[0] & 0xE0 | 28])
        kind, body = unit[0] & 0x1F, unit[1:]
    else:
        head = bytes([unit[0] & 0x81 | 49 << 1, unit[1]])
        kind, body = unit[0] >> 1 & 0x3F, unit[2:]
    parts = [body[at : at + _MOST_BYTES] for at in range(0, len(body), _MOST_BYTES)]
    last = len(parts) - 1
    return [head + bytes([(index == 0) << 7 | (index == last) << 6 | kind]) + part for index, part in enumerate(parts)]


def _jpeg_payloads(jpeg: bytes) -> list[bytes]:
    tables, size, kind, scan = _jpeg_parts(jpeg)
    width, height = size
    payloads = []
    for at in range(0, len(scan), _MOST_BYTES):
        head = struct.pack("!BBHBBBB", 0, at >> 16, at & 0xFFFF, kind, 255, width // 8, height // 8)
        if at == 0:
            head += struct.pack("!BBH", 0, 0, len(tables)) + tables
        payloads.append(head + scan[at : at + _MOST_BYTES])
    return payloads


def _jpeg_parts(jpeg: bytes) -> tuple[bytes, tuple[int, int], int, bytes]:
    """Quantisation tables, (width, height), type 0 for 4:2:2 and 1 for 4:2:0, and the coded pixels."""
    tables = b""
    size, kind = (0, 0), 1
    at = 2
    while True:
        marker, length = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        body = jpeg[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == 0xDB:
            for table in range(0, len(body), 65):
                tables += body[table + 1 : table + 65]
        elif marker == 0xC0:
            size = (int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big"))
            kind = 1 if body[7] == 0x22 else 0
        elif marker == 0xDA:
            return tables, size, kind, jpeg[at:].removesuffix(b"\xff\xd9")
