"""``motion``: boxes of what moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from framewire.model.frame import Frame, SessionInfo
from framewire.model.geometry import Rectangle
from framewire.model.inference import Inference, Motion
from framewire.model.layout import Layout
from framewire.processors.api import Processor, option

_ANALYSIS_WIDTH_PX = 160
"""Frames are judged at about this width: noise averages out, and the cost does not grow with the camera."""

_WHOLE_FRAME = 0.6
"""When more of the picture than this changes at once, the light changed and nothing moved."""


_MOVING_SHARE = 0.2
"""The part of the learning rate with which the background follows what moves; what stops is part of it in the end."""


@dataclass(slots=True)
class _Background:
    """A session's picture when nothing moves: `(height, width) float32`, empty before the first frame."""

    level: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))


class MotionDetector(Processor):
    """Finds what moves against a background that each session learns for itself."""

    @dataclass(frozen=True)
    class Options:
        """Options of ``motion``."""

        threshold: float = option(18.0, "grey levels by which a pixel must differ from the background (1 to 255)")
        minimum_area: float = option(0.001, "smallest box, as a part of the picture (0 to 1)")
        learning_rate: float = option(0.05, "how fast the background follows the picture, per frame (0 to 1)")

        def __post_init__(self) -> None:
            if not 1 <= self.threshold <= 255:
                raise ValueError(f"threshold {self.threshold} is outside 1 to 255")
            for name in ("minimum_area", "learning_rate"):
                if not 0 <= getattr(self, name) <= 1:
                    raise ValueError(f"{name} {getattr(self, name)} is outside 0 to 1")

    layout = Layout.GREY
    needs_order = True

    def open_session(self, session: SessionInfo) -> object:
        """An empty background: the first frame fills it."""
        return _Background()

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        """Answers one motion per moving region, largest first."""
        return [self._one(frame) for frame in frames]

    def _one(self, frame: Frame) -> Sequence[Inference]:
        background: _Background = frame.state
        small = _shrunk(frame.pixels)
        if background.level.size == 0:
            background.level = small.astype(np.float32)
            return ()
        difference = cv2.absdiff(small, cv2.convertScaleAbs(background.level))
        _, mask = cv2.threshold(difference, self.options.threshold, 255, cv2.THRESH_BINARY)
        if cv2.countNonZero(mask) > _WHOLE_FRAME * mask.size:
            background.level = small.astype(np.float32)
            return ()
        # What moves is learned slowly: else the background takes on a part of it, and it leaves a trail of motion.
        cv2.accumulateWeighted(small, background.level, self.options.learning_rate, cv2.bitwise_not(mask))
        cv2.accumulateWeighted(small, background.level, _MOVING_SHARE * self.options.learning_rate, mask)
        # Closing joins the parts of one thing, opening drops single pixels of noise.
        mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
        mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
        _, _, regions, _ = cv2.connectedComponentsWithStats(mask)
        smallest = max(1.0, self.options.minimum_area * mask.size)
        height, width = mask.shape
        found = sorted((region for region in regions[1:].tolist() if region[4] >= smallest), key=lambda r: -r[4])
        return [Motion(Rectangle.from_pixels(x, y, w, h, of=(width, height))) for x, y, w, h, _ in found]


def _shrunk(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    height, width = grey.shape
    factor = min(1.0, _ANALYSIS_WIDTH_PX / width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA) if factor < 1 else grey
    return np.asarray(cv2.GaussianBlur(small, (3, 3), 0), np.uint8)
