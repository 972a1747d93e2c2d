"""RAW frames: from bytes to arrays and back, in all eleven pixel formats, with any legal stride."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from framewire.errors import FrameError
from framewire.frames.pixel_formats import PIXEL_CODINGS
from framewire.frames.yuv420 import LUMA_BLACK, LUMA_TO_GREY, Yuv420
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.layout import Layout


def raw_lengths(video_format: VideoFormat) -> tuple[int, int]:
    """Lengths in bytes that a RAW frame may have.

    The contract does not say whether the last row is padded to the full stride, so both are legal. For YUV420P it is
    the last row of the last plane.

    Args:
        video_format: A RAW format.

    Returns:
        The length without padding after the last row, and the length with it; equal when rows have no gap.
    """
    return PIXEL_CODINGS[video_format.pixel_format].lengths(video_format)


def unpack(data: bytes | memoryview, video_format: VideoFormat, layout: Layout) -> npt.NDArray[np.uint8]:
    """A RAW frame as an array of pixels.

    RGB24 as RGB, BGR24 as BGR and everything as UNTOUCHED are read-only views of `data`, which the caller must keep
    alive and unchanged as long as the view is used. Everything else is a new, contiguous array.

    Alpha is dropped. Values of five and six bits are widened by repeating their high bits. YUV420P is limited-range
    BT.601 with chroma repeated for 2x2 pixels, luma below 16 taken as 16. GREY is 0.299 R + 0.587 G + 0.114 B, rounded
    per pixel; for YUV420P it is luma stretched from 16..235 to 0..255.

    Args:
        data: The frame's bytes, contiguous.
        video_format: A RAW format.
        layout: What is wanted.

    Returns:
        RGB and BGR ``(height, width, 3)``, GREY ``(height, width)``, UNTOUCHED ``(length,)``, all uint8.

    Raises:
        FrameError: `data` is neither as long as the format says with padding after the last row nor without.
    """
    untouched = _checked(data, video_format)
    if layout is Layout.UNTOUCHED:
        return untouched
    return PIXEL_CODINGS[video_format.pixel_format].read(untouched, video_format, layout)


def channel_means(data: bytes | memoryview, video_format: VideoFormat) -> tuple[float, float, float]:
    """Mean red, green and blue of a RAW frame, each 0 to 255.

    Formats of one byte per colour are summed where they lie, without a copy; the others are converted first.

    Args:
        data: The frame's bytes, contiguous; not kept.
        video_format: A RAW format.

    Raises:
        FrameError: `data` has the wrong length.
    """
    return PIXEL_CODINGS[video_format.pixel_format].means(_checked(data, video_format), video_format)


def luma_mean(data: bytes | memoryview, video_format: VideoFormat) -> float:
    """Mean luma of a YUV420P frame, stretched from 16..235 to 0..255: a grey mean that reads a third fewer bytes.

    It differs from 0.299 R + 0.587 G + 0.114 B of the frame's channel means by less than one level as long as every
    pixel is a colour that RGB has. Pixels outside (luma beyond 16..235, or chroma too strong for their luma) are cut
    off one by one in RGB, and not here.

    Args:
        data: The frame's bytes, contiguous; not kept.
        video_format: RAW YUV420P.

    Raises:
        FrameError: `data` has the wrong length.
        ValueError: The format has no luma plane.
    """
    coding = PIXEL_CODINGS[video_format.pixel_format]
    if not isinstance(coding, Yuv420):
        raise ValueError(f"{video_format.pixel_format.name} has no luma plane, only YUV420P has")
    luma = coding.planes(_checked(data, video_format), video_format)[0]
    mean = cv2.sumElems(luma)[0] / (video_format.width * video_format.height)
    return min(max((mean - LUMA_BLACK) * LUMA_TO_GREY, 0.0), 255.0)


def pack(
    rgb: npt.NDArray[np.uint8], pixel_format: PixelFormat, stride_bytes: int = 0, out: memoryview | None = None
) -> npt.NDArray[np.uint8]:
    """The bytes of a RAW frame, the last row padded like the others.

    The inverse of :func:`unpack`: exact for formats of one byte per colour; for five and six bits the low bits are cut
    off; for YUV420P chroma is the mean of 2x2 pixels, an odd last row or column repeated. Alpha is 255.

    Args:
        rgb: ``(height, width, 3) uint8``, RGB.
        pixel_format: Any but NONE.
        stride_bytes: Bytes from one row to the next; 0 means no gap.
        out: Where to write, of exactly the frame's length; padding in it is left as it is. None makes a new buffer,
            padded with 0.

    Returns:
        ``(length,) uint8``, contiguous; a view of `out` where that is given.

    Raises:
        FormatError: The stride is shorter than a row, or the picture is empty or too large.
        ValueError: `rgb` has another shape or type, or `out` another length.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise ValueError(f"an array {rgb.shape} {rgb.dtype} is no picture; allowed: (height, width, 3) uint8")
    height, width, _ = rgb.shape
    video_format = VideoFormat(Encoding.RAW, width, height, pixel_format, stride_bytes)
    coding = PIXEL_CODINGS[pixel_format]
    length = coding.lengths(video_format)[1]
    if out is None:
        packed = np.zeros(length, np.uint8)
    elif out.nbytes == length:
        packed = np.frombuffer(out, np.uint8)
    else:
        raise ValueError(f"a buffer of {out.nbytes} bytes cannot take a frame; allowed: {length} bytes")
    coding.write(rgb, packed, video_format)
    return packed


def _checked(data: bytes | memoryview, video_format: VideoFormat) -> npt.NDArray[np.uint8]:
    """The bytes as a read-only array, their length checked."""
    length = data.nbytes if isinstance(data, memoryview) else len(data)
    allowed = raw_lengths(video_format)
    if length not in allowed:
        unpadded, padded = allowed
        raise FrameError(
            f"a frame of {length} bytes is not {video_format}",
            allowed=f"{padded} bytes" + (f", or {unpadded} without padding after the last row" * (unpadded != padded)),
        )
    array = np.frombuffer(data, np.uint8)
    array.flags.writeable = False
    return array
