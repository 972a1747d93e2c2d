"""The two kinds of pictures: what FFmpeg decoded, and RGB arrays."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from framewire.capture.frame import GreyImage
from framewire.sources.source import RgbImage

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_WITH_LUMA_PLANE = frozenset(
    (
        *("yuv420p", "yuv422p", "yuv444p", "yuv440p", "yuv411p", "yuv410p"),
        *("yuvj420p", "yuvj422p", "yuvj444p", "yuvj440p", "yuvj411p"),
        *("nv12", "nv21", "nv16", "nv24", "nv42", "gray"),
    )
)
"""Formats whose first plane is 8 bits of luma for each pixel."""

_MOST_SCALERS = 8

_Key = tuple[int, int, str, int, int, str]


class Converter:
    """The scalers of one capture. A frame that converts itself makes one of many megabytes of its own (PyAV#2320).

    A scaler is for one pair of sizes and formats and for one thread at a time, so each has a lock. Those that were not
    used for long make room for others.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scalers: OrderedDict[_Key, tuple[VideoReformatter, threading.Lock]] = OrderedDict()

    def convert(self, frame: VideoFrame, pixel_format: str, width: int, height: int) -> VideoFrame:
        """Returns the frame in this format and size; the frame itself when it has both."""
        key = (frame.width, frame.height, frame.format.name, width, height, pixel_format)
        with self._lock:
            if key not in self._scalers:
                self._scalers[key] = VideoReformatter(), threading.Lock()
                if len(self._scalers) > _MOST_SCALERS:
                    self._scalers.popitem(last=False)
            self._scalers.move_to_end(key)
            scaler, lock = self._scalers[key]
        with lock:
            return scaler.reformat(frame, width=width, height=height, format=pixel_format, threads=1)


class DecodedPicture:
    """A picture as FFmpeg decoded it.

    Args:
        frame: The picture. Its memory is counted: the decoder takes another for the next.
        converter: The scalers of the capture.
    """

    __slots__ = ("_converter", "_frame", "height", "width")

    def __init__(self, frame: VideoFrame, converter: Converter) -> None:
        self._frame = frame
        self._converter = converter
        self.width = frame.width
        self.height = frame.height

    def luma(self) -> GreyImage:
        """(height, width) uint8, read-only: a view where the format has 8 bits of luma."""
        frame = self._frame
        if frame.format.name not in _WITH_LUMA_PLANE:
            frame = self._converter.convert(frame, "yuv420p", self.width, self.height)
        rows = _rows(frame)[:, : self.width]
        # The decoder predicts the next pictures from this one.
        rows.flags.writeable = False
        return rows

    def rgb(self, width: int, height: int) -> RgbImage:
        """(height, width, 3) uint8, RGB, contiguous, a new array."""
        converted = self._converter.convert(self._frame, "rgb24", width, height)
        pixels = _rows(converted)[:, : width * 3].reshape(height, width, 3)
        return pixels.copy() if converted is self._frame else np.ascontiguousarray(pixels)


class RgbPicture:
    """A picture that is an array already.

    Args:
        image: (height, width, 3) uint8, RGB, contiguous. Nobody may change it any more.
    """

    __slots__ = ("_image", "height", "width")

    def __init__(self, image: RgbImage) -> None:
        self._image = image
        self.height, self.width = image.shape[:2]

    def luma(self) -> GreyImage:
        """(height, width) uint8, read-only, 0..255."""
        grey: GreyImage = np.asarray(cv2.cvtColor(self._image, cv2.COLOR_RGB2GRAY), np.uint8)
        grey.flags.writeable = False
        return grey

    def rgb(self, width: int, height: int) -> RgbImage:
        """(height, width, 3) uint8, RGB, contiguous, a new array."""
        if (width, height) == (self.width, self.height):
            return self._image.copy()
        # Averaging the pixels that fall together avoids moire when shrinking, but is blocky when growing.
        shrinks = width <= self.width and height <= self.height
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(self._image, (width, height), interpolation=method), np.uint8)


def _rows(frame: VideoFrame) -> GreyImage:
    """The bytes of the first plane, (height, bytes of a row). The array keeps the plane, and that the frame."""
    plane = frame.planes[0]
    return np.frombuffer(memoryview(plane), np.uint8, plane.height * plane.line_size).reshape(
        plane.height, plane.line_size
    )
