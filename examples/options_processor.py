"""A processor with options: the brightest spot, if it is bright enough."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2

from framewire import Entity, Frame, Inference, Layout, Processor, Rectangle, Tag, option


class BrightestSpot(Processor):
    """Finds the brightest spot of each picture, if it is bright enough."""

    # region: options
    @dataclass(frozen=True)
    class Options:
        """Options of the processor."""

        minimum_brightness: float = option(0.8, "spots that are less bright are left out (0 to 1)")
        size_px: int = option(17, "side of the square whose mean counts, in pixels")

        def __post_init__(self) -> None:
            if self.size_px < 1:
                raise ValueError(f"size_px {self.size_px} is no size; allowed: 1 or more")

    # endregion: options

    layout = Layout.GREY

    # region: process
    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        return [self._find(frame) for frame in frames]

    def _find(self, frame: Frame) -> Sequence[Inference]:
        size = self.options.size_px
        _, brightness, _, (x, y) = cv2.minMaxLoc(cv2.blur(frame.pixels, (size, size)))
        confidence = brightness / 255
        if confidence < self.options.minimum_brightness:
            return []
        box = Rectangle.from_pixels(x - size // 2, y - size // 2, size, size, of=(frame.width, frame.height))
        return [Entity(Tag("spot", confidence), box, subtype="brightestSpot")]

    # endregion: process
