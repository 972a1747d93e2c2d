"""The things that move through the synthetic scene: where they are when, and how they look."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from framewire.model.geometry import Rectangle
from framewire.sources.source import RgbImage

Color = tuple[int, int, int]
Point = tuple[float, float]

_SHIFT = 6
"""OpenCV draws with this many fractional bits, so that slow things do not jump from pixel to pixel."""

_OUTSIDE = 0.5
"""How long the way outside the picture is, in heights of the picture: longer than any thing."""

_GLASS: Color = (62, 84, 104)
_TYRE: Color = (38, 38, 42)
_HUB: Color = (150, 150, 155)


def fill(image: RgbImage, points: Sequence[Point], color: Color) -> None:
    """Fills a convex polygon given in pixels, with smooth edges."""
    # Ours count from the edge of the first pixel, OpenCV's from its middle.
    fixed = np.rint((np.asarray(points, np.float64) - 0.5) * (1 << _SHIFT)).astype(np.int32)
    cv2.fillConvexPoly(image, fixed, color, cv2.LINE_AA, _SHIFT)


def disc(image: RgbImage, center: Point, radius_px: float, color: Color, *, flat: float = 1.0) -> None:
    """Fills a disc, or an ellipse that is `flat` times as high as it is wide."""
    turns = [2 * math.pi * k / 48 for k in range(48)]
    fill(
        image,
        [(center[0] + radius_px * math.cos(a), center[1] + radius_px * flat * math.sin(a)) for a in turns],
        color,
    )


@dataclass(frozen=True)
class Mover(ABC):
    """A thing on a straight path that comes again and again.

    Lengths are in heights of the picture, x counts from its left edge: the scene looks the same in every size.

    Attributes:
        length: Width of the thing.
        height: Height of the thing.
        bottom: Where its lower edge is.
        speed: Heights of the picture per second; negative for leftwards.
        head_start: Which part of its way lies behind it at time 0; it starts just outside the picture.
    """

    length: float
    height: float
    bottom: float
    speed: float
    head_start: float

    def place(self, time_s: float, aspect: float) -> tuple[float, float]:
        """The left and upper edge at a time, in heights of the picture that is `aspect` times as wide as high."""
        # The same way for all: two cars of one speed in one lane keep their distance for ever.
        way = aspect + _OUTSIDE
        done = (self.head_start * way + time_s * abs(self.speed)) % way
        left = done - self.length if self.speed > 0 else aspect - done
        return left, self.bottom - self.height

    def box(self, time_s: float, size: tuple[int, int]) -> Rectangle | None:
        """The visible part in fractions of a picture of that size; None when less than a pixel is visible."""
        width, height = size
        left, top = self.place(time_s, width / height)
        box = Rectangle.from_pixels(left * height, top * height, self.length * height, self.height * height, of=size)
        return box if box.w * width >= 1 and box.h * height >= 1 else None

    def draw(self, image: RgbImage, time_s: float) -> None:
        """Paints the thing by daylight."""
        height, width = image.shape[:2]
        left, top = self.place(time_s, width / height)
        self._paint(image, left, top, float(height))

    def lamps(self, time_s: float, aspect: float) -> list[Point]:
        """Where its headlamps are, in heights of the picture."""
        return []

    @abstractmethod
    def _paint(self, image: RgbImage, left: float, top: float, unit_px: float) -> None:
        """Paints the thing with its upper left corner there."""


@dataclass(frozen=True)
class Vehicle(Mover):
    """A car, or a van when its cabin is as long as the body."""

    color: Color
    cabin: tuple[float, float] = (0.18, 0.80)
    """Where the cabin starts and ends, as parts of the length, seen driving to the right."""

    def lamps(self, time_s: float, aspect: float) -> list[Point]:
        """Where its headlamps are, in heights of the picture."""
        left, top = self.place(time_s, aspect)
        return [(left + (self.length if self.speed > 0 else 0.0), top + self.height * 0.62)]

    def _paint(self, image: RgbImage, left: float, top: float, unit_px: float) -> None:
        def at(along: float, down: float) -> Point:
            x = along if self.speed > 0 else 1 - along
            return (left + x * self.length) * unit_px, (top + down * self.height) * unit_px

        start, end = self.cabin
        slope = 0.10
        dark = (self.color[0] * 3 // 4, self.color[1] * 3 // 4, self.color[2] * 3 // 4)
        fill(image, [at(0, 0.50), at(0.02, 0.42), at(0.98, 0.48), at(1, 0.56), at(1, 0.84), at(0, 0.84)], self.color)
        fill(image, [at(0, 0.70), at(1, 0.70), at(1, 0.86), at(0, 0.86)], dark)
        roof = [at(start, 0.46), at(start + slope * 0.6, 0), at(end - slope, 0), at(end, 0.48)]
        fill(image, roof, self.color)
        middle = (start + end) / 2
        fill(
            image,
            [at(middle + 0.02, 0.42), at(middle + 0.02, 0.09), at(end - 0.12, 0.09), at(end - 0.04, 0.42)],
            _GLASS,
        )
        fill(
            image,
            [at(start + 0.05, 0.42), at(start + 0.09, 0.09), at(middle - 0.02, 0.09), at(middle - 0.02, 0.42)],
            _GLASS,
        )
        fill(image, [at(0.97, 0.56), at(1, 0.56), at(1, 0.66), at(0.97, 0.66)], (255, 244, 200))
        fill(image, [at(0, 0.52), at(0.025, 0.52), at(0.025, 0.66), at(0, 0.66)], (200, 30, 30))
        for along in (0.21, 0.79):
            radius = self.height * 0.20 * unit_px
            disc(image, at(along, 0.80), radius, _TYRE)
            disc(image, at(along, 0.80), radius * 0.5, _HUB)


@dataclass(frozen=True)
class Balloon(Mover):
    """A hot air balloon that rises and sinks a little on its way."""

    color: Color
    stripe: Color

    def place(self, time_s: float, aspect: float) -> tuple[float, float]:
        """The left and upper edge at a time, in heights of the picture."""
        left, top = super().place(time_s, aspect)
        return left, top + 0.02 * math.sin(time_s * 0.9)

    def _paint(self, image: RgbImage, left: float, top: float, unit_px: float) -> None:
        radius = self.length / 2
        middle, crown = left + radius, top + radius
        mouth = top + self.height * 0.80

        def px(x: float, y: float) -> Point:
            return x * unit_px, y * unit_px

        for part, color in ((1.0, self.color), (0.66, self.stripe), (0.28, self.color)):
            fill(
                image,
                [
                    px(middle - radius * 0.93 * part, crown + radius * 0.35),
                    px(middle + radius * 0.93 * part, crown + radius * 0.35),
                    px(middle + radius * 0.22 * part, mouth),
                    px(middle - radius * 0.22 * part, mouth),
                ],
                color,
            )
            turns = [math.pi * (1 + k / 24) for k in range(-4, 29)]
            fill(image, [px(middle + radius * part * math.cos(a), crown + radius * math.sin(a)) for a in turns], color)
        basket = (radius * 0.24, top + self.height)
        fill(
            image,
            [
                px(middle - basket[0], mouth + self.height * 0.06),
                px(middle + basket[0], mouth + self.height * 0.06),
                px(middle + basket[0], basket[1]),
                px(middle - basket[0], basket[1]),
            ],
            (112, 74, 44),
        )


@dataclass(frozen=True)
class Walker(Mover):
    """Somebody on the pavement."""

    color: Color

    def _paint(self, image: RgbImage, left: float, top: float, unit_px: float) -> None:
        def at(along: float, down: float) -> Point:
            return (left + along * self.length) * unit_px, (top + down * self.height) * unit_px

        # The stride follows the place, so that the feet do not slide.
        swing = 0.42 * math.sin(left * 70)
        for side, color in ((swing, (46, 52, 78)), (-swing, (58, 66, 96))):
            fill(image, [at(0.36, 0.55), at(0.64, 0.55), at(0.62 + side, 1), at(0.38 + side, 1)], color)
        fill(image, [at(0.26, 0.26), at(0.74, 0.26), at(0.68, 0.62), at(0.32, 0.62)], self.color)
        disc(image, at(0.5, 0.13), 0.13 * self.height * unit_px, (222, 178, 146))


TRAFFIC: tuple[Mover, ...] = (
    Balloon(0.15, 0.21, 0.31, 0.055, 0.24, color=(214, 64, 52), stripe=(244, 206, 84)),
    Walker(0.030, 0.085, 0.668, 0.060, 0.40, color=(60, 140, 120)),
    Vehicle(0.36, 0.135, 0.775, -0.34, 0.46, color=(236, 236, 230), cabin=(0.02, 0.86)),
    Vehicle(0.30, 0.115, 0.915, 0.46, 0.34, color=(196, 46, 40)),
    Vehicle(0.27, 0.105, 0.905, 0.46, 0.82, color=(48, 104, 190)),
)
"""Who passes, the farthest first."""
