"""One frame of a capture, and how to get at its pixels."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from framewire.sources import Truth
from framewire.sources.source import RgbImage

GreyImage = npt.NDArray[np.uint8]
"""A grey picture: (height, width) uint8."""


class Picture(Protocol):
    """Pixels of some kind. Any thread may ask, several at once too."""

    @property
    def width(self) -> int:
        """In pixels."""

    @property
    def height(self) -> int:
        """In pixels."""

    def luma(self) -> GreyImage:
        """The luma plane, see :meth:`CapturedFrame.luma`."""

    def rgb(self, width: int, height: int) -> RgbImage:
        """Converted, and scaled to this size."""


class CapturedFrame:
    """One frame of a camera, a recording or the synthetic scene.

    Nothing is converted until it is asked for. Any thread may ask, several at once too: the decoder only reads what it
    has handed out, and the scalers that all frames of a capture share are behind locks, one for each pair of sizes. A
    frame that is kept keeps its own memory: hold few.

    Args:
        timestamp: See below.
        picture: The pixels.
        truth: See below.

    Attributes:
        timestamp: Ticks of 1/90,000 s since 1970 UTC: the wall clock at the session's start + presentation time. It
            grows strictly within a capture, over new connections, jumps and loops too.
        width: In pixels; it may change from frame to frame.
        height: In pixels; it may change from frame to frame.
        truth: What a synthetic frame shows, else None.
    """

    __slots__ = ("_picture", "height", "timestamp", "truth", "width")

    def __init__(self, timestamp: int, picture: Picture, truth: Truth | None = None) -> None:
        self.timestamp = timestamp
        self.width = picture.width
        self.height = picture.height
        self.truth = truth
        self._picture = picture

    def luma(self) -> GreyImage:
        """The brightness of each pixel.

        Returns:
            (height, width) uint8, read-only, rows may be apart. A view of the decoder's picture where it has 8 bits of
            luma, as nearly all video has: then numbers are as the video holds them, 16..235 for most cameras. It keeps
            the picture's memory alive for as long as it lives.
        """
        return self._picture.luma()

    def rgb(self) -> RgbImage:
        """The picture in colour.

        Returns:
            (height, width, 3) uint8, RGB, contiguous. It belongs to the caller.
        """
        return self._picture.rgb(self.width, self.height)

    def rgb_scaled(self, width: int, height: int) -> RgbImage:
        """The picture in colour and in another size, in one pass.

        Args:
            width: In pixels, 1 or more.
            height: In pixels, 1 or more.

        Returns:
            (height, width, 3) uint8, RGB, contiguous. It belongs to the caller.
        """
        return self._picture.rgb(width, height)
