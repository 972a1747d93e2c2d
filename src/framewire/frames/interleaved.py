"""RAW formats with one byte per colour: RGB24, BGR24 and the four with alpha."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias, cast

import cv2
import numpy as np
import numpy.typing as npt

from framewire.model.format import VideoFormat
from framewire.model.layout import Layout

Pixels: TypeAlias = npt.NDArray[np.uint8]

_STRIP_PIXELS = 65_536

# (colour order of the source, bytes per pixel) and the wanted layout.
_READ_CODES = {
    (Layout.RGB, 3, Layout.BGR): cv2.COLOR_RGB2BGR,
    (Layout.RGB, 3, Layout.GREY): cv2.COLOR_RGB2GRAY,
    (Layout.BGR, 3, Layout.RGB): cv2.COLOR_BGR2RGB,
    (Layout.BGR, 3, Layout.GREY): cv2.COLOR_BGR2GRAY,
    (Layout.RGB, 4, Layout.RGB): cv2.COLOR_RGBA2RGB,
    (Layout.RGB, 4, Layout.BGR): cv2.COLOR_RGBA2BGR,
    (Layout.RGB, 4, Layout.GREY): cv2.COLOR_RGBA2GRAY,
    (Layout.BGR, 4, Layout.RGB): cv2.COLOR_BGRA2RGB,
    (Layout.BGR, 4, Layout.BGR): cv2.COLOR_BGRA2BGR,
    (Layout.BGR, 4, Layout.GREY): cv2.COLOR_BGRA2GRAY,
}
_WRITE_CODES = {
    (Layout.BGR, 3): cv2.COLOR_RGB2BGR,
    (Layout.RGB, 4): cv2.COLOR_RGB2RGBA,
    (Layout.BGR, 4): cv2.COLOR_RGB2BGRA,
}


@dataclass(frozen=True, slots=True)
class Interleaved:
    """Pixels of three or four bytes, side by side in one plane.

    Args:
        channels: Bytes per pixel.
        order: Order of the colours, RGB or BGR.
        alpha_first: The alpha byte stands before the colours. It is dropped on the way in and 255 on the way out.
    """

    channels: int
    order: Layout
    alpha_first: bool = False

    def lengths(self, video_format: VideoFormat) -> tuple[int, int]:
        """Legal lengths in bytes: without and with the padding of the last row."""
        return plane_lengths(video_format, self.channels)

    def read(self, data: Pixels, video_format: VideoFormat, layout: Layout) -> Pixels:
        """The frame in `layout`: a view of `data` where the bytes already lie so, else a new array."""
        if self.channels == 3 and layout is self.order:
            return plane(data, video_format, 3)
        code = _READ_CODES[self.order, self.channels, layout]
        if not self.alpha_first:
            return cast(Pixels, cv2.cvtColor(plane(data, video_format, self.channels), code))

        # OpenCV knows no leading alpha, but one byte later each pixel reads as colours and then the next pixel's alpha.
        # Only the last row has no byte left for that: it is copied to where it has.
        height, width = video_format.height, video_format.width
        converted = np.empty((height, width) if layout is Layout.GREY else (height, width, 3), np.uint8)
        if height > 1:
            shape, strides = (height - 1, width, 4), (video_format.row_stride_bytes, 4, 1)
            cv2.cvtColor(np.ndarray(shape, np.uint8, data, 1, strides), code, dst=converted[:-1])
        last_row = np.zeros(width * 4, np.uint8)
        start = (height - 1) * video_format.row_stride_bytes
        last_row[:-1] = data[start + 1 : start + width * 4]
        cv2.cvtColor(last_row.reshape(1, width, 4), code, dst=converted[-1:])
        return converted

    def means(self, data: Pixels, video_format: VideoFormat) -> tuple[float, float, float]:
        """Mean of R, G and B, summed in place."""
        sums = cv2.sumElems(plane(data, video_format, self.channels))
        count = video_format.width * video_format.height
        first = 1 if self.alpha_first else 0
        low, green, high = (sums[first + i] / count for i in range(3))
        return (low, green, high) if self.order is Layout.RGB else (high, green, low)

    def write(self, rgb: Pixels, out: Pixels, video_format: VideoFormat) -> None:
        """Writes `rgb` into the bytes `out`; padding keeps what it holds."""
        target = plane(out, video_format, self.channels)
        if self.channels == 3 and self.order is Layout.RGB:
            target[...] = rgb
            return
        code = _WRITE_CODES[self.order, self.channels]
        if not self.alpha_first:
            cv2.cvtColor(rgb, code, dst=target)
            return
        # Alpha moves to the front when each row starts one byte later.
        height, row_bytes = video_format.height, video_format.width * 4
        rows = np.ndarray((height, row_bytes), np.uint8, out, 0, (video_format.row_stride_bytes, 1))
        rows[:, 0] = 255
        rows[:, 1:] = cv2.cvtColor(rgb, code).reshape(height, row_bytes)[:, :-1]


def plane_lengths(video_format: VideoFormat, pixel_bytes: int) -> tuple[int, int]:
    """Legal lengths in bytes of a frame in one plane: without and with the padding of the last row."""
    stride = video_format.row_stride_bytes
    return stride * (video_format.height - 1) + video_format.width * pixel_bytes, stride * video_format.height


def plane(data: Pixels, video_format: VideoFormat, channels: int) -> Pixels:
    """A view of `data` as ``(height, width, channels)``, rows `row_stride_bytes` apart; as writable as `data` is."""
    shape = (video_format.height, video_format.width, channels)
    return np.ndarray(shape, np.uint8, data, 0, (video_format.row_stride_bytes, channels, 1))


def strips(height: int, width: int) -> Iterator[slice]:
    """Rows of a frame, some at a time and an even number of them, so that a conversion in steps stays in the cache."""
    step = max(2, _STRIP_PIXELS // width // 2 * 2)
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))
