"""What every source of frames is, and what it hands out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

from framewire.model.geometry import Rectangle

RgbImage = npt.NDArray[np.uint8]
"""A picture: (height, width, 3) uint8, RGB, contiguous."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What is to be seen in a synthetic frame, known from how it was made.

    Attributes:
        color_intensity: `dark` when the grey mean is below 127, else `light`.
        grey_mean: 0.299 R + 0.587 G + 0.114 B of the channel means of the frame before any compression, 0..255.
        boxes: The visible part of each moving thing, in fractions of the frame.
    """

    color_intensity: Literal["light", "dark"]
    grey_mean: float
    boxes: tuple[Rectangle, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SourceFrame:
    """One frame of a source.

    Attributes:
        image: (height, width, 3) uint8, RGB, contiguous. It belongs to the receiver, who may keep and change it.
        time_s: Presentation time in seconds since the first frame; it grows from frame to frame, over loops too.
        index: 0 for the first frame, then 1, 2 and so on, over loops too.
        truth: What the frame shows, when the source knows (`test:`), else None.
    """

    image: RgbImage
    time_s: float
    index: int
    truth: Truth | None = None


class Source(ABC):
    """Frames, one after the other; a context manager that closes itself.

    A source is read once, by one thread: iterating a second time goes on where the first stopped. Reading blocks.

    Attributes:
        size: (width, height) of every frame in pixels.
        is_live: Whether frames come at their own pace (a camera), and are lost when nobody takes them.
        frames_per_second: Nominal rate, None when the source has none (still images) or does not tell it.
    """

    size: tuple[int, int]
    is_live: bool = False
    frames_per_second: float | None = None

    @property
    def skipped(self) -> int:
        """How many frames could not be decoded so far; they are left out."""
        return 0

    @abstractmethod
    def __iter__(self) -> Iterator[SourceFrame]:
        """Reads frame after frame until the source ends or is closed.

        Raises:
            ConfigurationError: A frame has another size than the ones before, or there is no frame at all.
            PeerError: A camera or a server went away.
        """

    @abstractmethod
    def close(self) -> None:
        """Gives everything back; from another thread too, where it ends the reading. Closing twice is fine."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
