"""A yard that tests show to a detector: a drawn background, noise of the camera, squares that move."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from framewire.model.geometry import Rectangle
from framewire.motion import Detection, MotionDetector, Sensitivity

Grey = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""


def yard(size: tuple[int, int] = (640, 360), level: int = 100) -> Grey:
    """Walls, a lawn and a grating: levels from about 40 to 180 around `level`."""
    width, height = size
    picture = np.full((height, width), level, np.int16)
    picture[: height // 3] += 50
    picture[height // 2 :, : width // 2] -= 30
    for x in range(0, width // 3, max(2, width // 20)):
        picture[height // 3 : 2 * height // 3, x : x + max(1, width // 50)] -= 40
    picture[3 * height // 4 :, 2 * width // 3 :] += 30
    return np.clip(picture, 0, 255).astype(np.uint8)


def with_squares(picture: Grey, *squares: tuple[Box, int]) -> Grey:
    """A copy with squares of given levels, cut at the edges."""
    picture = picture.copy()
    for (x, y, width, height), level in squares:
        picture[max(0, y) : max(0, y + height), max(0, x) : max(0, x + width)] = level
    return picture


def noisy(picture: Grey, noise: float, chance: np.random.Generator) -> Grey:
    """A copy with the noise of a camera; the noise itself comes from a few fields that are shifted at random."""
    field = _fields(picture.shape[0] * picture.shape[1])[int(chance.integers(4))]
    shifted = np.roll(field, int(chance.integers(field.size))).reshape(picture.shape)
    return np.asarray(np.clip(picture + np.float32(noise) * shifted + np.float32(0.5), 0, 255), np.uint8)


@cache
def _fields(pixels: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(9).normal(0, 1, (4, pixels)).astype(np.float32)


class Watch:
    """A detector that is shown pictures at an even rate."""

    def __init__(
        self,
        sensitivity: Sensitivity = "medium",
        mask: Sequence[Sequence[tuple[float, float]]] = (),
        *,
        rate: float = 15,
        noise: float = 3,
        seed: int = 1,
    ) -> None:
        self.detector = MotionDetector(sensitivity, mask)
        self.time_s = 1000.0
        self.rate = rate
        self._noise = noise
        self._chance = np.random.default_rng(seed)

    def show(self, picture: Grey) -> Detection | None:
        self.time_s += 1 / self.rate
        return self.detector.update(noisy(picture, self._noise, self._chance), self.time_s)

    def show_all(self, pictures: Iterable[Grey]) -> list[Detection | None]:
        return [self.show(picture) for picture in pictures]

    def stare(self, picture: Grey, seconds: float) -> list[Detection | None]:
        """Shows one picture, with other noise each time."""
        return [self.show(picture) for _ in range(round(seconds * self.rate))]

    def learn(self, picture: Grey, seconds: float = 2) -> None:
        assert count(self.stare(picture, seconds)) == 0


def count(found: Iterable[Detection | None]) -> int:
    """In how many frames something moves."""
    return sum(detection is not None for detection in found)


def pixels(box: Rectangle, size: tuple[int, int] = (640, 360)) -> Box:
    """A box in pixels."""
    return (round(box.l * size[0]), round(box.t * size[1]), round(box.w * size[0]), round(box.h * size[1]))


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    both = max(0, width) * max(0, height)
    return both / (one[2] * one[3] + other[2] * other[3] - both)


def blurred_leaves(seed: int, size: tuple[int, int]) -> Grey:
    """Leaves of a tree: coarse noise between 30 and 200."""
    coarse = np.random.default_rng(seed).integers(30, 200, (max(2, size[1] // 8), max(2, size[0] // 8)))
    return np.asarray(cv2.resize(coarse.astype(np.uint8), size), np.uint8)
