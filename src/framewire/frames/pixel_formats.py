"""The table of pixel formats: one row says how RAW frames of that format are read and written."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from framewire.frames.interleaved import Interleaved, Pixels
from framewire.frames.packed16 import Packed16
from framewire.frames.yuv420 import Yuv420
from framewire.model.format import PixelFormat, VideoFormat
from framewire.model.layout import Layout


class PixelCoding(Protocol):
    """How the pixels of one format lie in bytes. `data` and `out` are ``(length,) uint8`` of a legal length."""

    def lengths(self, video_format: VideoFormat) -> tuple[int, int]:
        """Legal lengths in bytes: without and with the padding of the last row."""
        ...

    def read(self, data: Pixels, video_format: VideoFormat, layout: Layout) -> Pixels:
        """The frame as RGB, BGR or GREY: a view of `data` where possible, else a new array."""
        ...

    def means(self, data: Pixels, video_format: VideoFormat) -> tuple[float, float, float]:
        """Mean of R, G and B, each 0 to 255."""
        ...

    def write(self, rgb: Pixels, out: Pixels, video_format: VideoFormat) -> None:
        """Writes ``(height, width, 3) uint8`` RGB into `out`; padding keeps what it holds."""
        ...


PIXEL_CODINGS: Mapping[PixelFormat, PixelCoding] = MappingProxyType(
    {
        PixelFormat.YUV420P: Yuv420(),
        PixelFormat.RGB565BE: Packed16(green_bits=6, byte_order="big"),
        PixelFormat.RGB565LE: Packed16(green_bits=6, byte_order="little"),
        PixelFormat.RGB555BE: Packed16(green_bits=5, byte_order="big"),
        PixelFormat.RGB555LE: Packed16(green_bits=5, byte_order="little"),
        PixelFormat.RGB24: Interleaved(channels=3, order=Layout.RGB),
        PixelFormat.BGR24: Interleaved(channels=3, order=Layout.BGR),
        PixelFormat.ARGB: Interleaved(channels=4, order=Layout.RGB, alpha_first=True),
        PixelFormat.RGBA: Interleaved(channels=4, order=Layout.RGB),
        PixelFormat.ABGR: Interleaved(channels=4, order=Layout.BGR, alpha_first=True),
        PixelFormat.BGRA: Interleaved(channels=4, order=Layout.BGR),
    }
)
