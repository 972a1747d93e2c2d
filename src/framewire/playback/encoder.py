"""Pictures of a source to frames of a stream."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from framewire.errors import ConfigurationError, FormatError
from framewire.frames.encoded import encode
from framewire.frames.raw import pack
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.geometry import ScaleMode, Scaling
from framewire.sources import scale_image


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """The form in which pictures are sent.

    Args:
        encoding: How a frame is encoded.
        pixel_format: Layout of RAW frames; NONE for the other encodings.
        quality: JPEG quality, 0 to 100.
        size: (width, height) in pixels; None keeps the source's, or lets one follow the aspect.
        scale: How a picture is made to fit.
    """

    encoding: Encoding = Encoding.JPG
    pixel_format: PixelFormat = PixelFormat.NONE
    quality: int = 90
    size: tuple[int | None, int | None] = (None, None)
    scale: ScaleMode = "pad"

    def __post_init__(self) -> None:
        if not 0 <= self.quality <= 100:
            raise ConfigurationError(f"quality is {self.quality}", allowed="0 to 100")


class FrameEncoder:
    """Scales and encodes the pictures of one source.

    Args:
        source_size: (width, height) of the pictures in pixels.
        options: The form to send.

    Raises:
        ConfigurationError: The pictures would get a size that no frame can have.
    """

    def __init__(self, source_size: tuple[int, int], options: ImageOptions) -> None:
        self._options = options
        self.scaling = Scaling.plan(source_size, options.size, options.scale)
        """Where the source picture lies in the sent one."""
        self.video_format = _video_format(self.scaling, options)
        """What the descriptor announces."""

    def encode(self, image: npt.NDArray[np.uint8]) -> bytes | npt.NDArray[np.uint8]:
        """The frame for a picture `(height, width, 3) uint8, RGB`; it may share memory with the picture."""
        scaled = scale_image(image, self.scaling)
        match self._options.encoding:
            case Encoding.RAW:
                return pack(scaled, self._options.pixel_format)
            case encoding:
                return encode(scaled, encoding, self._options.quality)


def _video_format(scaling: Scaling, options: ImageOptions) -> VideoFormat:
    try:
        return VideoFormat(options.encoding, scaling.output_width, scaling.output_height, options.pixel_format)
    except FormatError as error:
        # It is not the peer that breaks a rule here.
        raise ConfigurationError(error.problem, allowed=error.allowed, remedy=error.remedy) from None
