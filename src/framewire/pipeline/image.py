"""Pictures in the form that an extension asks for (topologies, section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from framewire.errors import ConfigurationError, FormatError
from framewire.frames.encoded import encode
from framewire.frames.raw import pack
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.geometry import Scaling
from framewire.pipeline.sample import Picture
from framewire.playback.encoder import ImageOptions
from framewire.topology.parts import (
    Image,
    ImageFormatBmp,
    ImageFormatJpeg,
    ImageFormatPng,
    ImageFormatRaw,
    ImageScale,
)


def form_of(image: Image) -> ImageOptions:
    """What a topology says of the images of an extension."""
    scale = image.scale or ImageScale()
    encoding, pixel_format, quality = Encoding.JPG, PixelFormat.NONE, 90
    match image.format:
        case ImageFormatJpeg():
            quality = image.format.quality
        case ImageFormatRaw():
            encoding, pixel_format = Encoding.RAW, PixelFormat[image.format.pixel_format.upper()]
        case ImageFormatPng():
            encoding = Encoding.PNG
        case ImageFormatBmp():
            encoding = Encoding.BMP
    return ImageOptions(encoding, pixel_format, quality, (scale.width, scale.height), scale.mode)


@dataclass(frozen=True, slots=True, eq=False)
class SentImage:
    """One picture, ready to be sent.

    Args:
        data: Its bytes; of RAW an array that belongs to this image.
        scaling: Where the camera's picture lies in it, to which boxes are moved back.
        video_format: Its form, as a descriptor announces it.
    """

    data: bytes | npt.NDArray[np.uint8]
    scaling: Scaling
    video_format: VideoFormat


class ImageMaker:
    """Scales and encodes the pictures of one node; a camera may change their size."""

    def __init__(self, form: ImageOptions) -> None:
        self._form = form
        self._size = (0, 0)
        self._plan: tuple[Scaling, VideoFormat] | None = None

    def make(self, picture: Picture) -> SentImage:
        """The image for a picture.

        Raises:
            ConfigurationError: The image would have a size that no frame can have.
            FrameError: It cannot be encoded, for example because it is too large for a JPEG.
        """
        form, size = self._form, (picture.width, picture.height)
        if self._plan is None or size != self._size:
            self._size, self._plan = size, self._planned(size)
        scaling, video_format = self._plan
        rgb = picture.rgb_scaled(scaling.width, scaling.height)
        if scaling.has_padding:
            canvas = np.zeros((scaling.output_height, scaling.output_width, 3), np.uint8)
            canvas[scaling.top : scaling.top + scaling.height, scaling.left : scaling.left + scaling.width] = rgb
            rgb = canvas
        if form.encoding is Encoding.RAW:
            return SentImage(pack(rgb, form.pixel_format), scaling, video_format)
        return SentImage(encode(rgb, form.encoding, form.quality), scaling, video_format)

    def _planned(self, size: tuple[int, int]) -> tuple[Scaling, VideoFormat]:
        form = self._form
        scaling = Scaling.plan(size, form.size, form.scale)
        try:
            return scaling, VideoFormat(form.encoding, scaling.output_width, scaling.output_height, form.pixel_format)
        except FormatError as error:
            # It is not the peer that breaks a rule here.
            raise ConfigurationError(error.problem, allowed=error.allowed, remedy=error.remedy) from None
