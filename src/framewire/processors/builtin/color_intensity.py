"""``color-intensity``: is the picture dark or light? The example of the extension samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2

from framewire.frames.raw import channel_means, luma_mean
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.frame import Frame
from framewire.model.inference import Classification, Inference, Tag
from framewire.model.layout import Layout
from framewire.processors.api import Processor, option

_DARK = (Classification(Tag("dark"), subtype="colorIntensity"),)
_LIGHT = (Classification(Tag("light"), subtype="colorIntensity"),)


class ColorIntensity(Processor):
    """Says whether a frame is dark or light.

    Grey is 0.299 R + 0.587 G + 0.114 B of the channel means, without rounding per pixel. For YUV420P and JPG the luma
    stands in for it: it differs by less than 1 grey level from the grey of the decoded colours, unless colours clip.
    """

    @dataclass(frozen=True)
    class Options:
        """Options of ``color-intensity``."""

        threshold: float = option(127.0, "a grey mean below it is dark (0 to 255)")

        def __post_init__(self) -> None:
            if not (math.isfinite(self.threshold) and 0 <= self.threshold <= 255):
                raise ValueError(f"threshold {self.threshold} is outside 0 to 255")

    @classmethod
    def layout_for(cls, video_format: VideoFormat) -> Layout:
        """Raw frames are summed where they lie; JPG is decoded to its luma alone."""
        match video_format.encoding:
            case Encoding.RAW:
                return Layout.UNTOUCHED
            case Encoding.JPG:
                return Layout.GREY
            case _:
                return Layout.RGB

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        """Answers one classification per frame: subtype ``colorIntensity``, confidence 1."""
        threshold = self.options.threshold
        return [_DARK if _grey_mean(frame) < threshold else _LIGHT for frame in frames]


def _grey_mean(frame: Frame) -> float:
    video_format = frame.session.video_format
    if video_format.encoding is Encoding.RAW:
        if video_format.pixel_format is PixelFormat.YUV420P:
            return luma_mean(frame.pixels.data, video_format)
        red, green, blue = channel_means(frame.pixels.data, video_format)
    else:
        # sumElems adds up in place; mean() of numpy takes some twenty times as long.
        sums = cv2.sumElems(frame.pixels)
        count = frame.width * frame.height
        if video_format.encoding is Encoding.JPG:
            return sums[0] / count
        red, green, blue = sums[0] / count, sums[1] / count, sums[2] / count
    # Whole weights: 0.299 * 127 + 0.587 * 127 + 0.114 * 127 is a little below 127, and an even grey would turn dark.
    return (299 * red + 587 * green + 114 * blue) / 1000
