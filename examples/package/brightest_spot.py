"""The processor of the tutorial as a package that can be installed."""

from collections.abc import Sequence

import cv2

from framewire import Entity, Frame, Inference, Layout, Processor, Rectangle, Tag


class BrightestSpot(Processor):
    """Finds the brightest spot of each picture."""

    layout = Layout.GREY

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        return [[self._find(frame)] for frame in frames]

    def _find(self, frame: Frame) -> Inference:
        _, brightness, _, (x, y) = cv2.minMaxLoc(cv2.blur(frame.pixels, (17, 17)))
        box = Rectangle.from_pixels(x - 8, y - 8, 17, 17, of=(frame.width, frame.height))
        return Entity(Tag("spot", confidence=brightness / 255), box, subtype="brightestSpot")
