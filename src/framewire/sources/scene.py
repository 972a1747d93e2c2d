"""A little street whose light goes from day to night and back, with the truth known for every frame.

It lets anyone see the server work without a camera, and tests compare what a processor says with what is so.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from framewire.errors import ConfigurationError
from framewire.sources.scenery import add_glow, paint_day, paint_night_lights, paint_sun
from framewire.sources.source import RgbImage, Truth
from framewire.sources.traffic import TRAFFIC

DARK_BELOW = 127.0
"""A frame is dark when its grey mean is below (contract, section 8)."""

_GREY = (0.299, 0.587, 0.114)

# How bright the picture is on average at which part of the whole. From 141 to 112 and back it goes from one frame to
# the next: no frame comes so close to the threshold that a lossy compression could turn its verdict.
_LIGHT = (
    (0.00, 166.0),
    (0.28, 160.0),
    (0.42, 141.0),
    (0.42, 112.0),
    (0.54, 62.0),
    (0.62, 46.0),
    (0.78, 46.0),
    (0.86, 72.0),
    (0.92, 112.0),
    (0.92, 141.0),
    (1.00, 158.0),
)
_NOON_TINT = np.array([1.0, 1.0, 1.0])
_DUSK_TINT = np.array([1.16, 0.96, 0.84])
_NIGHT_TINT = np.array([0.72, 0.92, 1.50])


class Scene:
    """A street with houses, traffic and a balloon; always the same for the same arguments.

    Args:
        width: Width of the frames in pixels, 32 or more.
        height: Height of the frames in pixels, 32 or more.
        frames: How many frames there are, from noon to dawn.
        frames_per_second: How many make a second.

    Raises:
        ConfigurationError: A number is too small or too large.
    """

    def __init__(
        self, width: int = 640, height: int = 360, *, frames: int = 180, frames_per_second: float = 15.0
    ) -> None:
        for name, value, least, most in (
            ("width", width, 32, 8192),
            ("height", height, 32, 8192),
            ("frames", frames, 1, 10_000_000),
            ("frames per second", frames_per_second, 0.1, 1000),
        ):
            if not least <= value <= most:
                raise ConfigurationError(f"{name} {value} is out of range", allowed=f"{least} to {most}")
        self.size = (width, height)
        self.frames = frames
        self.frames_per_second = frames_per_second
        self._day = paint_day(width, height)
        self._lights = paint_night_lights(width, height)

    def render(self, index: int) -> tuple[RgbImage, Truth]:
        """Paints one frame.

        Args:
            index: 0 to `frames` - 1; beyond, the day starts over.

        Returns:
            (height, width, 3) uint8, RGB, a new array; and what there is to see.
        """
        time_s = index / self.frames_per_second
        part = (index % self.frames) / self.frames
        level = _level(part)
        # A narrow picture has as many lamps on less room; dimmed, they leave the night dark.
        night = float(np.interp(level, (55.0, 105.0), (1.0, 0.0))) * min(1.0, self.size[0] / self.size[1])
        image: RgbImage = self._day.copy()
        if level > DARK_BELOW:
            paint_sun(image)
        for mover in TRAFFIC:
            mover.draw(image, time_s)
        lights = self._visible_lights(image) if night > 0 else self._lights
        image = np.asarray(cv2.LUT(image, _exposure(_grey_mean(image), level, _tint(level))), np.uint8)
        if night > 0:
            image = np.asarray(cv2.addWeighted(image, 1.0, lights, night, 0.0), np.uint8)
            self._add_headlamps(image, time_s, night)
        return image, self._truth(image, time_s)

    def _visible_lights(self, image: RgbImage) -> RgbImage:
        """The lights of the night without those that something hides: no star shines through a balloon."""
        free = (image == self._day).all(axis=2)
        seen: RgbImage = self._lights * free[..., None]
        return seen

    def _add_headlamps(self, image: RgbImage, time_s: float, night: float) -> None:
        width, height = self.size
        color = (int(180 * night), int(168 * night), int(118 * night))
        for mover in TRAFFIC:
            for x, y in mover.lamps(time_s, width / height):
                ahead = 0.05 if mover.speed > 0 else -0.05
                add_glow(image, ((x + ahead) * height, y * height), 0.10 * height, color)

    def _truth(self, image: RgbImage, time_s: float) -> Truth:
        mean = _grey_mean(image)
        boxes = (mover.box(time_s, self.size) for mover in TRAFFIC)
        return Truth(
            color_intensity="dark" if mean < DARK_BELOW else "light",
            grey_mean=mean,
            boxes=tuple(box for box in boxes if box is not None),
        )


def _level(part: float) -> float:
    """The mean that the light of the hour gives, before lamps are lit."""
    for (start, first), (end, last) in pairwise(_LIGHT):
        if start <= part < end:
            return first + (last - first) * (part - start) / (end - start)
    raise AssertionError(f"part {part} of the day is outside 0..1")


def _tint(level: float) -> npt.NDArray[np.float64]:
    """The colour of the light: white by day, red near the horizon, blue at night."""
    return np.array(
        [
            np.interp(level, (60, 112, 141, 160), tints)
            for tints in zip(_NIGHT_TINT, _DUSK_TINT, _DUSK_TINT, _NOON_TINT, strict=True)
        ]
    )


def _exposure(mean: float, level: float, tint: npt.NDArray[np.float64]) -> RgbImage:
    """A table (1, 256, 3) that gives a picture of that mean the mean `level`, up to clipping."""
    gain = level / mean * tint / float(np.dot(tint, _GREY))
    table = np.arange(256)[:, None] * gain[None, :]
    return np.clip(np.rint(table), 0, 255).astype(np.uint8)[None]


def _grey_mean(image: RgbImage) -> float:
    """The grey of the channel means, summed in float64 and apart from any processor."""
    means = image.mean(axis=0, dtype=np.float64).mean(axis=0)
    return float(sum(weight * mean for weight, mean in zip(_GREY, means, strict=True)))
