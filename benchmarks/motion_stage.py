"""Pictures of a fixed camera with everything that happens to one: movers whose boxes are known, weather, light."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from framewire.sources.scene import Scene
from framewire.sources.scenery import paint_day

Grey = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]
"""Left, top, width and height in pixels."""

TrueBox = tuple[float, float, float, float, float]
"""A box and the contrast of what is in it."""

Effect = Callable[[Grey, float, np.random.Generator], Grey]
"""Changes a picture (its own) at a time in seconds."""

_NIGHT = 6_500_000
"""Index of a frame in the night of a day that has ten million."""


@dataclass(frozen=True)
class Shot:
    """One picture and what is known of it: `cares` is false where nobody can say whether something moves."""

    picture: Grey
    boxes: tuple[TrueBox, ...]
    cares: bool = True


@dataclass(frozen=True)
class Thing:
    """An ellipse with a darker half, on a path.

    Attributes:
        size: Width and height, as parts of the picture's height.
        path: Time in seconds to the middle, in parts of the picture's width and height; None while it is away.
        contrast: Grey levels by which it is brighter than what was there.
        moves: Whether it moves at a time; None where nobody can say.
    """

    size: tuple[float, float]
    path: Callable[[float], tuple[float, float] | None]
    contrast: float
    moves: Callable[[float], bool | None] = lambda _: True

    def draw(self, picture: Grey, time_s: float) -> Box | None:
        middle = self.path(time_s)
        if middle is None:
            return None
        height, width = picture.shape
        x, y = middle[0] * width, middle[1] * height
        half_w, half_h = self.size[0] * height / 2, self.size[1] * height / 2
        shape = np.zeros((height, width), np.uint8)
        turns = np.arange(64) * (2 * math.pi / 64)
        outline = np.stack([x - 0.5 + half_w * np.cos(turns), y - 0.5 + half_h * np.sin(turns)], axis=-1)
        cv2.fillPoly(shape, [np.rint(outline * 64).astype(np.int32)], 255, cv2.LINE_AA, 6)
        upper = max(0, min(height, round(y)))
        change = shape.astype(np.float32) * (self.contrast / 255)
        change[:upper] *= 0.8
        np.copyto(picture, np.clip(picture + change, 0, 255).astype(np.uint8))
        left, top = max(0.0, x - half_w), max(0.0, y - half_h)
        right, bottom = min(float(width), x + half_w), min(float(height), y + half_h)
        return (left, top, right - left, bottom - top) if right - left >= 1 and bottom - top >= 1 else None


@dataclass(frozen=True)
class Stage:
    """A clip to be made.

    Attributes:
        name: Of the clip.
        size: Width and height in pixels.
        seconds: How long it is.
        rate: Frames per second.
        backdrop: `street` with its traffic, by `day` or by `night`; or `empty` by day or by night.
        things: What moves besides.
        effects: What happens to the picture, in this order, before the noise.
        noise: Standard deviation of the camera's noise in grey levels, of each pixel.
        kbit_s: Rate of the H.264 stream.
        key_frames: Frames from key frame to key frame.
        seed: Of chance.
        excused: (from, to) in seconds in which nobody can say whether something moves.
    """

    name: str
    size: tuple[int, int]
    seconds: float
    backdrop: str
    kbit_s: int
    noise: float
    rate: int = 15
    key_frames: int = 30
    seed: int = 1
    things: Sequence[Thing] = ()
    effects: Sequence[Effect] = ()
    excused: Sequence[tuple[float, float]] = field(default_factory=tuple)

    def shots(self) -> Iterator[Shot]:
        chance = np.random.default_rng(self.seed)
        width, height = self.size
        scene = Scene(width, height, frames=10_000_000, frames_per_second=self.rate)
        noises = [chance.normal(0, self.noise, (height, width)).astype(np.float32) for _ in range(8)]
        still = grey(paint_day(width, height))
        if "night" in self.backdrop:
            still = (still * 0.28 + 6).astype(np.uint8)
        for index in range(round(self.seconds * self.rate)):
            time_s = index / self.rate
            boxes: list[TrueBox] = []
            if "street" in self.backdrop:
                image, truth = scene.render(index + (_NIGHT if "night" in self.backdrop else 0))
                picture = grey(image)
                boxes += [(box.l * width, box.t * height, box.w * width, box.h * height, 255.0) for box in truth.boxes]
            else:
                picture = still.copy()
            cares = not any(begin <= time_s < end for begin, end in self.excused)
            for thing in self.things:
                box = thing.draw(picture, time_s)
                moves = thing.moves(time_s)
                cares = cares and moves is not None
                if box is not None and moves:
                    boxes.append((*box, 0.8 * abs(thing.contrast)))
            for effect in self.effects:
                picture = effect(picture, time_s, chance)
            yield Shot(_noisy(picture, noises, chance), tuple(boxes), cares)


def grey(image: npt.NDArray[np.uint8]) -> Grey:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def _noisy(picture: Grey, noises: Sequence[npt.NDArray[np.float32]], chance: np.random.Generator) -> Grey:
    noise = noises[int(chance.integers(len(noises)))]
    noise = np.roll(noise, int(chance.integers(noise.size)))
    if chance.random() < 0.5:
        noise = -noise
    return np.asarray(np.clip(picture + noise + 0.5, 0, 255), np.uint8)


def across(y: float, start_s: float, speed: float, *, every_s: float = 1e9) -> Callable[[float], tuple[float, float]]:
    """A path from the left edge to the right (or back, for a negative speed), in widths per second."""

    def path(time_s: float) -> tuple[float, float]:
        done = -0.1 + abs(speed) * ((time_s - start_s) % every_s if time_s >= start_s else 0.0)
        return (done if speed > 0 else 1 - done), y

    return path


def light(gain: Callable[[float], float]) -> Effect:
    """All levels times a factor of the time."""
    return lambda picture, time_s, _: np.asarray(np.clip(picture * gain(time_s) + 0.5, 0, 255), np.uint8)


def infrared(from_s: float, to_s: float) -> Effect:
    """The filter swings away: other tones, bright plants, more noise."""

    def effect(picture: Grey, time_s: float, chance: np.random.Generator) -> Grey:
        if not from_s <= time_s < to_s:
            return picture
        table = np.clip(60 + 120 * np.sin(np.arange(256) / 255 * 2.6) ** 1.5, 0, 255)
        noise = chance.normal(0, 6, picture.shape)
        return np.asarray(np.clip(table[picture] + noise, 0, 255), np.uint8)

    return effect


def knocks(every_s: float, reach: float) -> Effect:
    """Every few seconds the camera looks somewhere else, a little."""

    def effect(picture: Grey, time_s: float, _: np.random.Generator) -> Grey:
        number = int(time_s / every_s)
        pixels = reach * picture.shape[0]
        x, y = pixels * math.sin(2.4 * number), pixels * math.sin(1.7 * number)
        shift = np.array([[1, 0, x], [0, 1, y]], np.float32)
        size = (picture.shape[1], picture.shape[0])
        return np.asarray(cv2.warpAffine(picture, shift, size, borderMode=cv2.BORDER_REFLECT), np.uint8)

    return effect


def tree(area: Box, swing: float, seed: int) -> Effect:
    """A crown of leaves that sways; `area` in parts of the picture, `swing` in parts of its height."""
    leaves: dict[tuple[int, ...], Grey] = {}

    def effect(picture: Grey, time_s: float, _: np.random.Generator) -> Grey:
        height, width = picture.shape
        left, top = round(area[0] * width), round(area[1] * height)
        across, down = round(area[2] * width), round(area[3] * height)
        if picture.shape not in leaves:
            chance = np.random.default_rng(seed)
            coarse = chance.normal(90, 45, (max(2, down // 8), max(2, across // 8))).astype(np.float32)
            leaves[picture.shape] = np.clip(cv2.resize(coarse, (across, down)), 20, 200).astype(np.uint8)
        y, x = np.mgrid[0:down, 0:across].astype(np.float32)
        gust = 0.6 + 0.4 * math.sin(time_s * 0.5)
        reach = swing * height * gust
        moved_x = x + reach * np.sin(2 * math.pi * 0.7 * time_s + y / down * 4).astype(np.float32)
        moved_y = y + 0.5 * reach * np.sin(2 * math.pi * 1.1 * time_s + x / across * 5).astype(np.float32)
        crown = cv2.remap(leaves[picture.shape], moved_x, moved_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        picture[top : top + down, left : left + across] = crown
        return picture

    return effect


def rain(drops: int, length: float, brightness: int) -> Effect:
    """Bright streaks, others in each picture."""

    def effect(picture: Grey, _: float, chance: np.random.Generator) -> Grey:
        height, width = picture.shape
        streaks = np.zeros_like(picture)
        for x, y in chance.random((drops, 2)):
            start = (int(x * width), int(y * height))
            end = (start[0] + int(0.15 * length * height), start[1] + int(length * height))
            cv2.line(streaks, start, end, brightness, max(1, height // 400), cv2.LINE_AA)
        return np.asarray(cv2.add(picture, streaks), np.uint8)

    return effect


def clock(scale: float) -> Effect:
    """Date and time in the corner, as cameras write it; `scale` is the height of the digits."""

    def effect(picture: Grey, time_s: float, _: np.random.Generator) -> Grey:
        height = picture.shape[0]
        seconds = 86_360 + int(time_s)
        day, seconds = 22 + seconds // 86_400, seconds % 86_400
        text = f"2026-11-{day} {seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        size = scale * height / 22
        place = (round(0.02 * height), round(0.08 * height))
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, 0, max(2, round(3 * size)), cv2.LINE_AA)
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, 255, max(1, round(size)), cv2.LINE_AA)
        return picture

    return effect
