"""Size of a JPG, PNG or BMP picture, and whether it is whole, from its structure alone: nothing is decoded.

A few microseconds for a whole frame: the end of the data is looked at first, and only where that does not settle the
matter (bytes after the picture, or a cut) the rest is walked, without a copy.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

from framewire.errors import FrameError
from framewire.model.format import Encoding

MAX_PARTS = 65_536
"""Segments of a JPG and chunks of a PNG that are walked: eight times what a whole PNG of 64 MiB has."""

_SIGNATURES = {Encoding.JPG: b"\xff\xd8\xff", Encoding.PNG: b"\x89PNG\r\n\x1a\n", Encoding.BMP: b"BM"}

# ITU-T T.81, table B.1. A frame header (SOF) is any of C0..CF but DHT, JPG and DAC.
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_EOI, _SOS = 0xD9, 0xDA
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_MARKER = re.compile(rb"\xff([\x01-\xfe])")
_MARKER_AFTER_SCAN = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")

_PNG_END = b"\x00\x00\x00\x00IEND\xae\x42\x60\x82"

_BMP_RGB, _BMP_RLE8, _BMP_RLE4, _BMP_BITFIELDS = 0, 1, 2, 3


def read_header(data: bytes | memoryview, encoding: Encoding) -> tuple[int, int]:
    """Width and height in pixels of an encoded picture, which is not decoded.

    Bytes after the end of the picture are allowed. What lies between its headers and its end is not looked at, so
    decoding can still fail.

    Args:
        data: The picture, contiguous; not kept.
        encoding: JPG, PNG or BMP.

    Returns:
        Width and height, both 1 or more.

    Raises:
        FrameError: The data is of another encoding, or torn, or announces no picture.
        ValueError: `encoding` is RAW, which has no header.
    """
    if encoding is Encoding.RAW:
        raise ValueError("a RAW frame has no header; allowed: JPG, PNG, BMP")
    signature = _SIGNATURES[encoding]
    if data[: len(signature)] != signature:
        raise FrameError(
            f"the frame is not {encoding.name}: {_beginning(data)}", allowed=f"what starts {signature.hex()}"
        )
    try:
        width, height = _READERS[encoding](data)
    except (struct.error, IndexError):
        raise _torn(data, encoding, "inside its header") from None
    if width < 1 or height < 1:
        raise FrameError(f"the {encoding.name} frame announces a size of {width}x{height}", allowed="1x1 or more")
    return width, height


def _beginning(data: bytes | memoryview) -> str:
    if not len(data):
        return "it is empty"
    start = bytes(data[:8])
    for encoding, signature in _SIGNATURES.items():
        if start.startswith(signature):
            return f"it starts like {encoding.name}, {start.hex()}"
    return f"it starts {start.hex()}"


def _torn(data: bytes | memoryview, encoding: Encoding, where: str) -> FrameError:
    return FrameError(f"the {encoding.name} frame of {len(data)} bytes is torn: it ends {where}")


def _read_jpg(data: bytes | memoryview) -> tuple[int, int]:
    size: tuple[int, int] | None = None
    position = 2
    for _ in range(MAX_PARTS):
        # Between segments any number of FF may stand (T.81, B.1.1.2); other bytes there are skipped, as libjpeg does.
        marker = data[position + 1]
        if data[position] != 0xFF or marker in (0x00, 0xFF):
            found = _MARKER.search(data, position)
            if found is None:
                raise _torn(data, Encoding.JPG, "without an end marker")
            position, marker = found.start(), data[found.start() + 1]
        position += 2
        if marker == _EOI:
            if size is None:
                raise FrameError("the JPG frame ends before it announces a size")
            return size
        if marker in _WITHOUT_LENGTH:
            continue
        (length,) = struct.unpack_from(">H", data, position)
        if length < 2:
            raise FrameError(f"the JPG frame has a segment of {length} bytes", allowed="2 or more")
        if marker in _SOF and size is None:
            height, width = struct.unpack_from(">HH", data, position + 3)
            size = (width, height)
        position += length
        if marker == _SOS:
            if size is None:
                raise FrameError("the JPG frame announces no size before its pixels")
            if position < len(data) and data[-2:] == b"\xff\xd9":
                return size
            # Compressed data holds no marker but restarts, so the next one ends the scan.
            found = _MARKER_AFTER_SCAN.search(data, position)
            if found is None:
                raise _torn(data, Encoding.JPG, "without an end marker")
            position = found.start()
    raise FrameError(f"the JPG frame has more than {MAX_PARTS} segments")


def _read_png(data: bytes | memoryview) -> tuple[int, int]:
    length, kind, width, height = struct.unpack_from(">I4sII", data, 8)
    if kind != b"IHDR" or length != 13:
        raise FrameError("the PNG frame does not start with a header chunk", allowed="IHDR of 13 bytes")
    if data[-12:] == _PNG_END:
        return width, height
    position = 8
    for _ in range(MAX_PARTS):
        length, kind = struct.unpack_from(">I4s", data, position)
        position += 12 + length
        if position > len(data):
            raise _torn(data, Encoding.PNG, "inside a chunk")
        if kind == b"IEND":
            return width, height
        if position == len(data):
            raise _torn(data, Encoding.PNG, "without an IEND chunk")
    raise FrameError(f"the PNG frame has more than {MAX_PARTS} chunks")


def _read_bmp(data: bytes | memoryview) -> tuple[int, int]:
    pixels_offset, header_bytes = struct.unpack_from("<II", data, 10)
    compression, image_bytes = _BMP_RGB, 0
    if header_bytes == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
    elif header_bytes >= 36:
        width, height, _, bits, compression, image_bytes = struct.unpack_from("<iiHHII", data, 18)
        height = abs(height)  # negative when the first row is the topmost
    else:
        raise FrameError(f"the BMP frame has a header of {header_bytes} bytes", allowed="12, or 36 and more")
    if compression in (_BMP_RGB, _BMP_BITFIELDS):
        image_bytes = (width * bits + 31) // 32 * 4 * height
    elif compression not in (_BMP_RLE8, _BMP_RLE4):
        raise FrameError(f"the BMP frame is of compression {compression}", allowed="0, 1, 2 or 3")
    if pixels_offset + image_bytes > len(data):
        raise _torn(data, Encoding.BMP, f"before its pixels do, at byte {pixels_offset + image_bytes}")
    return width, height


_READERS: dict[Encoding, Callable[[bytes | memoryview], tuple[int, int]]] = {
    Encoding.JPG: _read_jpg,
    Encoding.PNG: _read_png,
    Encoding.BMP: _read_bmp,
}
