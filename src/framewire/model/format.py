"""The form of a stream's frames: encoding, pixel format, size and stride (contract, sections 2 and 5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from framewire.errors import FormatError

_E = TypeVar("_E", bound=IntEnum)

MAX_DIMENSION_PX = 65_535
"""Widest and highest frame that is accepted: the limit of JPEG, and more than any camera has."""


class Encoding(IntEnum):
    """How one frame is encoded; the numbers are the contract's. The proto3 default is BMP."""

    BMP = 0
    JPG = 1
    PNG = 2
    RAW = 3


class PixelFormat(IntEnum):
    """Layout of RAW frames; the numbers are the contract's, the layouts FFmpeg's of the same names."""

    NONE = 0
    YUV420P = 20
    RGB565BE = 40
    RGB565LE = 41
    RGB555BE = 42
    RGB555LE = 43
    RGB24 = 60
    BGR24 = 61
    ARGB = 80
    RGBA = 81
    ABGR = 82
    BGRA = 83

    @property
    def bytes_per_pixel(self) -> int:
        """Bytes from one pixel to the next in a row (of the Y plane for YUV420P); 0 for NONE."""
        return _BYTES_PER_PIXEL[self]


_BYTES_PER_PIXEL = {
    PixelFormat.NONE: 0,
    PixelFormat.YUV420P: 1,
    PixelFormat.RGB565BE: 2,
    PixelFormat.RGB565LE: 2,
    PixelFormat.RGB555BE: 2,
    PixelFormat.RGB555LE: 2,
    PixelFormat.RGB24: 3,
    PixelFormat.BGR24: 3,
    PixelFormat.ARGB: 4,
    PixelFormat.RGBA: 4,
    PixelFormat.ABGR: 4,
    PixelFormat.BGRA: 4,
}


def allowed_numbers(kind: type[IntEnum]) -> str:
    """The members of an enumeration as a text for errors: ``BMP=0, JPG=1, ..``."""
    return ", ".join(f"{member.name}={member.value}" for member in kind)


def _member(kind: type[_E], number: int, what: str) -> _E:
    try:
        return kind(number)
    except ValueError:
        raise FormatError(f"{what} {number} is unknown", allowed=allowed_numbers(kind)) from None


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """The form of every frame of one stream, checked when it is made.

    Args:
        encoding: How a frame is encoded. Plain numbers, as they come from the wire, are accepted and checked.
        width: Picture width in pixels, 1 to 65,535.
        height: Picture height in pixels, 1 to 65,535.
        pixel_format: Layout of RAW frames; ignored for the other encodings.
        stride_bytes: Bytes from one row to the next of a RAW frame; 0 means no gap between rows.

    Raises:
        FormatError: A number is unknown, a dimension is 0, RAW has no pixel format, or the stride is too short.
    """

    encoding: Encoding
    width: int
    height: int
    pixel_format: PixelFormat = PixelFormat.NONE
    stride_bytes: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "encoding", _member(Encoding, self.encoding, "encoding"))
        object.__setattr__(self, "pixel_format", _member(PixelFormat, self.pixel_format, "pixel format"))
        for name, value in (("width", self.width), ("height", self.height)):
            if not 1 <= value <= MAX_DIMENSION_PX:
                raise FormatError(f"{name} {value} is not a picture size", allowed=f"1 to {MAX_DIMENSION_PX} pixels")
        if self.encoding is not Encoding.RAW:
            return
        if self.pixel_format is PixelFormat.NONE:
            raise FormatError(
                "encoding RAW needs a pixel format and has NONE",
                allowed=", ".join(member.name for member in PixelFormat if member is not PixelFormat.NONE),
            )
        row_bytes = self.width * self.pixel_format.bytes_per_pixel
        if self.stride_bytes and self.stride_bytes < row_bytes:
            raise FormatError(
                f"stride_bytes {self.stride_bytes} is shorter than a row of {self.width} px {self.pixel_format.name}",
                allowed=f"0 (no gap) or at least {row_bytes}",
            )

    @property
    def row_stride_bytes(self) -> int:
        """Bytes from one row to the next of a RAW frame, with an unset stride resolved."""
        return self.stride_bytes or self.width * self.pixel_format.bytes_per_pixel

    @property
    def decoded_bytes(self) -> int:
        """Size of a frame as three bytes per pixel."""
        return self.width * self.height * 3

    def __str__(self) -> str:
        if self.encoding is not Encoding.RAW:
            return f"{self.encoding.name} {self.width}x{self.height}"
        stride = f" stride {self.stride_bytes}" if self.stride_bytes else ""
        return f"RAW {self.pixel_format.name} {self.width}x{self.height}{stride}"
