"""One way in for frames of every encoding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from framewire.frames.encoded import decode
from framewire.frames.raw import unpack
from framewire.model.format import Encoding, VideoFormat
from framewire.model.layout import Layout


def read_frame(data: bytes | memoryview, video_format: VideoFormat, layout: Layout) -> npt.NDArray[np.uint8]:
    """A frame in the layout that a processor asked for.

    Args:
        data: The frame's bytes, contiguous.
        video_format: The stream's format.
        layout: What is wanted.

    Returns:
        RGB and BGR ``(height, width, 3)``, GREY ``(height, width)``, UNTOUCHED ``(length,)``, all uint8. UNTOUCHED, and
        RAW RGB24 and BGR24 wanted as they are, are read-only views of `data`, to be let go before `data` is. Everything
        else is a new array.

    Raises:
        FrameError: The bytes are no frame of this format.
    """
    if video_format.encoding is Encoding.RAW:
        return unpack(data, video_format, layout)
    return decode(data, video_format, layout)
