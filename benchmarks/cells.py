"""What is measured: one cell is one kind of load, on one kind of work, over so many streams."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal, TypeAlias

import cv2
import numpy as np

from framewire.model.format import Encoding, PixelFormat, VideoFormat

IN_FLIGHT = 4
"""Frames in flight per stream."""

OPEN_LOOP_SHARE = 0.6
"""Part of the floor's closed-loop frames/s that an open-loop cell offers."""

Work: TypeAlias = Literal["intensity", "model", "python"]
"""The colour-intensity decision; the model of 5 ms a call and 0.5 ms a frame; 10 ms of pure Python a frame."""


@dataclass(frozen=True)
class Cell:
    """One kind of load.

    Args:
        name: What is sent and how, or what is shown by it.
        video_format: Of the frames.
        is_shared: Frames lie in shared memory; otherwise they travel inside the messages.
        streams: How many.
        subjects: Names of those that are measured.
        work: What is done with each frame.
        is_open_loop: Frames are sent at a given rate, not as fast as answers come.
    """

    name: str
    video_format: VideoFormat
    is_shared: bool
    streams: int
    subjects: tuple[str, ...]
    work: Work = "intensity"
    is_open_loop: bool = False

    @property
    def key(self) -> str:
        """Its name in the results."""
        return f"{self.name}, {self.streams} stream{'s' if self.streams > 1 else ''}"

    @property
    def size(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        return (self.video_format.height, self.video_format.width, 3)

    @property
    def is_jpeg(self) -> bool:
        """Frames are JPEGs; otherwise they are RGB24."""
        return self.video_format.encoding is Encoding.JPG

    def frame(self, least: int = 60, most: int = 200) -> bytes:
        """A frame with a texture of values between `least` and `most`, always the same."""
        return _frame(self.video_format, least, most)


def is_light(least: int, most: int) -> bool:
    """What the right answer for such a frame is."""
    return (least + most) / 2 >= 127


@functools.cache
def _frame(video_format: VideoFormat, least: int, most: int) -> bytes:
    rng = np.random.default_rng(7)
    coarse = rng.integers(least, most, (video_format.height // 16 + 1, video_format.width // 16 + 1, 3), np.uint8)
    picture = cv2.resize(coarse, (video_format.width, video_format.height))
    if video_format.encoding is Encoding.RAW:
        return picture.tobytes()
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


HD_SHARED = "1080p RGB24, shared memory"
HD_EMBEDDED = "1080p RGB24, embedded"
JPEG_SHARED = "416x416 JPEG, shared memory"
SMALL_SHARED = "416x416 RGB24, shared memory"
MODEL = "5 ms + 0.5 ms model, batch 8"
PYTHON = "10 ms of pure Python"
OPEN_LOOP = "416x416 RGB24, shared memory, open loop"

OURS = ("framewire", "framewire-inline")
PEERS = ("triton-backend", "triton-callable", "ray-haproxy", "ray", "mlserver")


def all_cells() -> list[Cell]:
    """The whole comparison, in the order in which it runs."""
    hd = VideoFormat(Encoding.RAW, 1920, 1080, PixelFormat.RGB24)
    jpeg = VideoFormat(Encoding.JPG, 416, 416)
    small = VideoFormat(Encoding.RAW, 416, 416, PixelFormat.RGB24)
    everyone = ("floor", *OURS, *PEERS)
    cells = [
        Cell(name, form, is_shared, streams, everyone)
        for name, form, is_shared, counts in (
            (HD_SHARED, hd, True, (1, 4, 16)),
            (HD_EMBEDDED, hd, False, (1, 4, 16)),
            (JPEG_SHARED, jpeg, True, (1, 4, 16)),
            (SMALL_SHARED, small, True, (4, 16)),
        )
        for streams in counts
    ]
    return [
        *cells,
        # After the closed loop over the same frames, whose figure sets the rate.
        Cell(OPEN_LOOP, small, True, 16, ("floor", *OURS), is_open_loop=True),
        Cell(MODEL, small, True, 16, ("floor", "framewire", "framewire-processes-1", *PEERS), "model"),
        Cell(PYTHON, small, True, 4, ("framewire-processes-1", "framewire-processes-2"), "python"),
    ]
