"""RAW formats with a pixel in 16 bits: RGB565 and RGB555, in both byte orders."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal, cast

import cv2
import numpy as np

from framewire.frames.interleaved import Pixels, plane, plane_lengths, strips
from framewire.model.format import VideoFormat
from framewire.model.layout import Layout


@dataclass(frozen=True, slots=True)
class Packed16:
    """Red in the high bits, blue in the low ones; five bits each, or six for green.

    A value of n bits becomes eight by repeating its high bits in the low ones, as FFmpeg does: 0 stays 0, the highest
    becomes 255, and packing the result again gives the same bits. The topmost bit of RGB555 is ignored, and written 0.

    Args:
        green_bits: 6 or 5.
        byte_order: Order of the two bytes of a pixel.
    """

    green_bits: Literal[5, 6]
    byte_order: Literal["little", "big"]

    def lengths(self, video_format: VideoFormat) -> tuple[int, int]:
        """Legal lengths in bytes: without and with the padding of the last row."""
        return plane_lengths(video_format, 2)

    def read(self, data: Pixels, video_format: VideoFormat, layout: Layout) -> Pixels:
        """The frame in `layout`, a new array."""
        height, width = video_format.height, video_format.width
        pixels = plane(data, video_format, 2)
        converted = np.empty((height, width) if layout is Layout.GREY else (height, width, 3), np.uint8)
        shifts = 5 if self.green_bits == 5 else np.tile(np.array([5, 6, 5], np.uint8), width)
        for rows in strips(height, width):
            colours = self._colours(pixels[rows], bgr=layout is Layout.BGR)
            # OpenCV leaves the low bits 0, so that white would be 248, 252, 248.
            flat = colours.reshape(len(colours), width * 3)
            np.bitwise_or(flat, np.right_shift(flat, shifts), out=flat)
            if layout is Layout.GREY:
                cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY, dst=converted[rows])
            else:
                converted[rows] = colours
        return converted

    def means(self, data: Pixels, video_format: VideoFormat) -> tuple[float, float, float]:
        """Mean of R, G and B, by way of a converted frame."""
        sums = cv2.sumElems(self.read(data, video_format, Layout.RGB))
        count = video_format.width * video_format.height
        return sums[0] / count, sums[1] / count, sums[2] / count

    def write(self, rgb: Pixels, out: Pixels, video_format: VideoFormat) -> None:
        """Writes `rgb` into the bytes `out`, low bits cut off; padding keeps what it holds."""
        code = cv2.COLOR_RGB2BGR565 if self.green_bits == 6 else cv2.COLOR_RGB2BGR555
        target = plane(out, video_format, 2)
        if self.byte_order == sys.byteorder:
            cv2.cvtColor(rgb, code, dst=target)
        else:
            target[...] = _swapped(cast(Pixels, cv2.cvtColor(rgb, code)))

    def _colours(self, pixels: Pixels, *, bgr: bool) -> Pixels:
        if self.byte_order != sys.byteorder:
            pixels = _swapped(pixels)
        if self.green_bits == 6:
            code = cv2.COLOR_BGR5652BGR if bgr else cv2.COLOR_BGR5652RGB
        else:
            code = cv2.COLOR_BGR5552BGR if bgr else cv2.COLOR_BGR5552RGB
        return cast(Pixels, cv2.cvtColor(pixels, code))


def _swapped(pixels: Pixels) -> Pixels:
    # As 16-bit numbers numpy swaps them nine times as fast as by reversing the last axis.
    return pixels.view(np.uint16).byteswap().view(np.uint8)
