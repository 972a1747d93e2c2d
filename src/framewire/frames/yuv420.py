"""RAW format YUV420P: full-size luma, then two chroma planes of half the size; limited-range BT.601."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from framewire.frames.interleaved import Pixels, strips
from framewire.model.format import VideoFormat
from framewire.model.layout import Layout

LUMA_BLACK = 16
LUMA_WHITE = 235
LUMA_TO_GREY = 255 / (LUMA_WHITE - LUMA_BLACK)

# Luma stretched from 16..235 to 0..255, with what lies outside cut off.
_GREY_OF_LUMA = np.rint((np.arange(256).clip(LUMA_BLACK, LUMA_WHITE) - LUMA_BLACK) * LUMA_TO_GREY).astype(np.uint8)

# ITU-R BT.601-7, section 2.5: with Y = 0.299 R + 0.587 G + 0.114 B,
# U = 128 + 224/255 (B - Y) / 1.772 and V = 128 + 224/255 (R - Y) / 1.402.
_LUMA = np.array([0.299, 0.587, 0.114])
_U_OF_RGB = np.array([[*((np.array([0.0, 0.0, 1.0]) - _LUMA) / 1.772 * 224 / 255), 128.0]])
_V_OF_RGB = np.array([[*((np.array([1.0, 0.0, 0.0]) - _LUMA) / 1.402 * 224 / 255), 128.0]])

_READ_CODES = {Layout.RGB: cv2.COLOR_YUV2RGB_I420, Layout.BGR: cv2.COLOR_YUV2BGR_I420}


class Yuv420:
    """Planes Y, U, V. Chroma stride and size are half of luma's, rounded up (contract, section 5)."""

    def lengths(self, video_format: VideoFormat) -> tuple[int, int]:
        """Legal lengths in bytes: without and with the padding of the last row, which is V's."""
        stride, chroma_stride = video_format.row_stride_bytes, _half(video_format.row_stride_bytes)
        padded = stride * video_format.height + 2 * chroma_stride * _half(video_format.height)
        return padded - chroma_stride + _half(video_format.width), padded

    def read(self, data: Pixels, video_format: VideoFormat, layout: Layout) -> Pixels:
        """The frame in `layout`, a new array. GREY is luma stretched to full range; chroma is not looked at."""
        if layout is Layout.GREY:
            return cast(Pixels, cv2.LUT(self.planes(data, video_format)[0], _GREY_OF_LUMA))
        height, width, code = video_format.height, video_format.width, _READ_CODES[layout]
        if height % 2 == 0 and width % 2 == 0 and video_format.row_stride_bytes == width:
            return cast(Pixels, cv2.cvtColor(data.reshape(height * 3 // 2, width), code))

        # OpenCV converts only frames with even sides and no padding. Any other one is copied into such frames, strip by
        # strip; the column or row too many holds anything, no pixel that is kept looks at it.
        converted = np.empty((height, width, 3), np.uint8)
        luma, u, v = self.planes(data, video_format)
        for rows in strips(height, width):
            count = rows.stop - rows.start
            even_height, even_width = 2 * _half(count), 2 * _half(width)
            tight = np.empty((even_height * 3 // 2, even_width), np.uint8)
            tight[:count, :width] = luma[rows]
            chroma = tight[even_height:].reshape(2, even_height // 2, even_width // 2)
            chroma_rows = slice(rows.start // 2, _half(rows.stop))
            chroma[0], chroma[1] = u[chroma_rows], v[chroma_rows]
            converted[rows] = cv2.cvtColor(tight, code)[:count, :width]
        return converted

    def means(self, data: Pixels, video_format: VideoFormat) -> tuple[float, float, float]:
        """Mean of R, G and B, by way of a converted frame."""
        sums = cv2.sumElems(self.read(data, video_format, Layout.RGB))
        count = video_format.width * video_format.height
        return sums[0] / count, sums[1] / count, sums[2] / count

    def write(self, rgb: Pixels, out: Pixels, video_format: VideoFormat) -> None:
        """Writes `rgb` into the bytes `out`, chroma as the mean of 2x2 pixels; padding keeps what it holds."""
        height, width = rgb.shape[:2]
        if height % 2 or width % 2:
            rgb = cast(Pixels, cv2.copyMakeBorder(rgb, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE))
        luma, u, v = self.planes(out, video_format)
        luma[...] = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)[:height, :width]
        # OpenCV takes the chroma of the top left pixel alone, which makes thin coloured lines flicker.
        halved = cv2.resize(rgb, (_half(width), _half(height)), interpolation=cv2.INTER_AREA)
        cv2.transform(halved, _U_OF_RGB, dst=u)
        cv2.transform(halved, _V_OF_RGB, dst=v)

    def planes(self, data: Pixels, video_format: VideoFormat) -> tuple[Pixels, Pixels, Pixels]:
        """Views of the planes Y, U and V, without their padding; as writable as `data` is."""
        height, width, stride = video_format.height, video_format.width, video_format.row_stride_bytes
        chroma_shape, chroma_strides = (_half(height), _half(width)), (_half(stride), 1)
        u_offset = stride * height
        v_offset = u_offset + _half(stride) * _half(height)
        return (
            np.ndarray((height, width), np.uint8, data, 0, (stride, 1)),
            np.ndarray(chroma_shape, np.uint8, data, u_offset, chroma_strides),
            np.ndarray(chroma_shape, np.uint8, data, v_offset, chroma_strides),
        )


def _half(size: int) -> int:
    return (size + 1) // 2
