"""Pictures to ask a server about: plain colours, in every encoding of the contract.

A server is never told right from wrong by its answer to a picture, only by its answers to the same picture in two
forms. So the pictures must make misreading visible: with :data:`COLOURS`, every confusion of two pixel formats of the
same size turns a dark picture light or a light one dark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from framewire.model.format import Encoding, PixelFormat, VideoFormat

Colour: TypeAlias = tuple[int, int, int]
"""Red, green and blue, 0..255."""

BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)
COLOURS: tuple[Colour, ...] = ((0, 100, 250), (0, 250, 0), (255, 100, 0))
"""Grey means of 87, 147 and 135 (contract's weights 0.299, 0.587, 0.114): one dark, two light, all far from 127."""

# Less than a page of memory: who rounds an offset down to a page reads another frame altogether.
RGB24 = VideoFormat(Encoding.RAW, 40, 30, PixelFormat.RGB24)
USUAL_FORMATS = (
    RGB24,
    VideoFormat(Encoding.JPG, 40, 30),
    # The size of the models that Azure Video Analyzer was shown with: some servers take no other.
    VideoFormat(Encoding.RAW, 416, 416, PixelFormat.RGB24),
    VideoFormat(Encoding.JPG, 416, 416),
)
"""Formats for rules to which formats do not matter: the first one that the server takes is used."""


def frame(video_format: VideoFormat, colour: Colour) -> bytes:
    """One frame of one colour in any format; RAW without gaps between its rows."""
    if video_format.encoding is Encoding.RAW:
        return raw(video_format, colour)
    return encoded(video_format, colour)


def raw(video_format: VideoFormat, colour: Colour) -> bytes:
    """One RAW frame of one colour, without gaps between its rows.

    Args:
        video_format: Its size and pixel format; the stride is not looked at.
        colour: What fills it.
    """
    width, height = video_format.width, video_format.height
    if video_format.pixel_format is PixelFormat.YUV420P:
        luma, *chroma = _yuv(colour)
        chroma_size = ((width + 1) // 2) * ((height + 1) // 2)
        return bytes([luma]) * (width * height) + bytes([chroma[0]]) * chroma_size + bytes([chroma[1]]) * chroma_size
    return _PIXEL[video_format.pixel_format](colour) * (width * height)


def encoded(video_format: VideoFormat, colour: Colour) -> bytes:
    """One frame of one colour as a JPG, PNG or BMP file."""
    import cv2

    picture: npt.NDArray[np.uint8] = np.full((video_format.height, video_format.width, 3), colour[::-1], np.uint8)
    is_written, data = cv2.imencode(f".{video_format.encoding.name.lower()}", picture)
    assert is_written
    return data.tobytes()


def with_stride(video_format: VideoFormat, colour: Colour, padding: int, *, is_last_row_padded: bool = True) -> bytes:
    """One RAW frame whose rows end in padding.

    Args:
        video_format: A packed format with a stride.
        colour: What fills the picture.
        padding: The byte that fills the gaps.
        is_last_row_padded: Whether a gap follows the last row, too.
    """
    row = _PIXEL[video_format.pixel_format](colour) * video_format.width
    gap = bytes([padding]) * (video_format.stride_bytes - len(row))
    frame = (row + gap) * video_format.height
    return frame if is_last_row_padded else frame[: len(frame) - len(gap)]


def _bytes_of(order: str) -> Callable[[Colour], bytes]:
    def pack(colour: Colour) -> bytes:
        channels = dict(zip("RGBA", (*colour, 255), strict=True))
        return bytes(channels[name] for name in order)

    return pack


def _bits_of(green_bits: int, order: str) -> Callable[[Colour], bytes]:
    def pack(colour: Colour) -> bytes:
        red, green, blue = colour[0] >> 3, colour[1] >> (8 - green_bits), colour[2] >> 3
        number = red << (5 + green_bits) | green << 5 | blue
        return number.to_bytes(2, "big" if order == "BE" else "little")

    return pack


_PIXEL: Mapping[PixelFormat, Callable[[Colour], bytes]] = {
    PixelFormat.RGB565BE: _bits_of(6, "BE"),
    PixelFormat.RGB565LE: _bits_of(6, "LE"),
    PixelFormat.RGB555BE: _bits_of(5, "BE"),
    PixelFormat.RGB555LE: _bits_of(5, "LE"),
    PixelFormat.RGB24: _bytes_of("RGB"),
    PixelFormat.BGR24: _bytes_of("BGR"),
    PixelFormat.ARGB: _bytes_of("ARGB"),
    PixelFormat.RGBA: _bytes_of("RGBA"),
    PixelFormat.ABGR: _bytes_of("ABGR"),
    PixelFormat.BGRA: _bytes_of("BGRA"),
}


def _yuv(colour: Colour) -> tuple[int, int, int]:
    # ITU-R BT.601 in the limited range 16..235, which FFmpeg's yuv420p means unless it is told otherwise.
    red, green, blue = (value / 255 for value in colour)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return (
        round(16 + 219 * luma),
        round(128 + 224 * (blue - luma) / 1.772),
        round(128 + 224 * (red - luma) / 1.402),
    )
