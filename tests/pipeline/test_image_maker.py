"""Pictures in the form that an extension asks for."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from framewire.errors import ConfigurationError
from framewire.model.format import Encoding, PixelFormat
from framewire.model.geometry import Rectangle
from framewire.pipeline.image import ImageMaker
from framewire.playback.encoder import ImageOptions


class Painted:
    """A picture of one colour, that notes the sizes it was asked for."""

    timestamp = 0

    def __init__(self, width: int, height: int, colour: tuple[int, int, int] = (200, 100, 50)) -> None:
        self.width, self.height = width, height
        self.colour = colour
        self.asked: list[tuple[int, int]] = []

    def luma(self) -> npt.NDArray[np.uint8]:
        return np.zeros((self.height, self.width), np.uint8)

    def rgb_scaled(self, width: int, height: int) -> npt.NDArray[np.uint8]:
        self.asked.append((width, height))
        return np.full((height, width, 3), self.colour, np.uint8)


def test_a_padded_image_has_the_picture_in_the_middle_and_black_bars() -> None:
    picture = Painted(640, 320)
    form = ImageOptions(Encoding.RAW, PixelFormat.RGB24, size=(64, 64))
    image = ImageMaker(form).make(picture)
    pixels = np.frombuffer(image.data, np.uint8).reshape(64, 64, 3)
    assert picture.asked == [(64, 32)]
    assert (pixels[:16] == 0).all()
    assert (pixels[48:] == 0).all()
    assert (pixels[16:48] == (200, 100, 50)).all()
    assert (image.video_format.width, image.video_format.height) == (64, 64)
    # A box over the whole picture comes back as one.
    assert image.scaling.unscale(Rectangle(0, 0.25, 1, 0.5)) == Rectangle(0, 0, 1, 1)


def test_without_a_size_the_image_is_as_large_as_the_picture() -> None:
    image = ImageMaker(ImageOptions(Encoding.RAW, PixelFormat.BGR24)).make(Painted(8, 4))
    pixels = np.frombuffer(image.data, np.uint8).reshape(4, 8, 3)
    assert (pixels == (50, 100, 200)).all()


@pytest.mark.parametrize("encoding", [Encoding.JPG, Encoding.PNG, Encoding.BMP])
def test_an_encoded_image_can_be_read(encoding: Encoding) -> None:
    image = ImageMaker(ImageOptions(encoding, size=(32, 16), scale="stretch")).make(Painted(64, 64))
    decoded = cv2.imdecode(np.frombuffer(image.data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == (16, 32, 3)
    assert np.abs(decoded.astype(int) - (50, 100, 200)).max() <= 4


def test_a_camera_that_changes_its_size_is_followed() -> None:
    maker = ImageMaker(ImageOptions(Encoding.RAW, PixelFormat.RGB24, size=(64, None)))
    sizes = [maker.make(Painted(width, 32)).video_format for width in (64, 128, 64)]
    assert [(one.width, one.height) for one in sizes] == [(64, 32), (64, 16), (64, 32)]


def test_a_size_that_no_frame_can_have_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        ImageMaker(ImageOptions(size=(0, 4))).make(Painted(8, 8))
