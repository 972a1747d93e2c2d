"""Still images: one, or a folder of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from framewire.errors import ConfigurationError
from framewire.sources.source import RgbImage, Source, SourceFrame

_PERIOD_S = 1 / 25
"""Stills have no time of their own; this is what FFmpeg takes for a row of images."""


class StillImages(Source):
    """Images of one size, one frame each.

    Pixels are taken as they are stored: a rotation that the file asks for is not applied.

    Args:
        paths: Files in their order, at least one.
        loop: Whether to start over after the last.

    Raises:
        ConfigurationError: The first file is no image that can be read.
    """

    def __init__(self, paths: list[Path], *, loop: bool = False) -> None:
        self._paths = paths
        self._closed = False
        self._skipped = 0
        first = read_image(paths[0])
        if first is None:
            raise ConfigurationError(f"{paths[0]} is no image that can be read", allowed="images of OpenCV's kinds")
        self.size = (first.shape[1], first.shape[0])
        self._frames = self._read(loop=loop)

    @property
    def skipped(self) -> int:
        """How many files could not be read so far."""
        return self._skipped

    def __iter__(self) -> Iterator[SourceFrame]:
        return self._frames

    def close(self) -> None:
        """Ends the reading."""
        self._closed = True

    def _read(self, *, loop: bool) -> Iterator[SourceFrame]:
        index = 0
        while True:
            first = index
            for path in self._paths:
                if self._closed:
                    return
                image = read_image(path)
                if image is None:
                    self._skipped += 1
                    continue
                self._check_size(path, image)
                yield SourceFrame(image, index * _PERIOD_S, index)
                index += 1
            if index == first:
                raise ConfigurationError(f"{self._paths[0]} cannot be read any more", remedy="was it moved?")
            if not loop:
                return

    def _check_size(self, path: Path, image: RgbImage) -> None:
        height, width = image.shape[:2]
        if (width, height) != self.size:
            raise ConfigurationError(
                f"{path} is {width}x{height} and {self._paths[0]} is {self.size[0]}x{self.size[1]}",
                allowed="images of one size in a folder",
            )


def is_image(path: Path) -> bool:
    """Whether the content of a file, whatever its name, is an image."""
    return path.is_file() and cv2.haveImageReader(str(path))


def read_image(path: Path) -> RgbImage | None:
    """Reads an image.

    Returns:
        (height, width, 3) uint8, RGB, contiguous; None when it cannot be read.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return None if image is None else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB, image), np.uint8)


def images_of(folder: Path) -> list[Path]:
    """The images of a folder in the order that people give them: `2.png` before `10.png`.

    Raises:
        ConfigurationError: There are none.
    """
    paths = sorted((path for path in folder.iterdir() if is_image(path)), key=_natural)
    if not paths:
        raise ConfigurationError(f"{folder} holds no image", allowed="a folder with images, or an image or a video")
    return paths


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Sorts digits as numbers and the rest as text."""
    parts = re.findall(r"(\d+)|(\D+)", path.name)
    return [(0, int(number), "") if number else (1, 0, text) for number, text in parts]
