"""JPG, PNG and BMP frames: decoding to arrays and, for the client, encoding."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from framewire.errors import FrameError
from framewire.frames.headers import read_header
from framewire.frames.interleaved import Pixels
from framewire.model.format import Encoding, VideoFormat
from framewire.model.layout import Layout

# The size on the wire is the frame's: a camera's note in EXIF must not turn it.
_AS_STORED = cv2.IMREAD_IGNORE_ORIENTATION
_COLOUR = cv2.IMREAD_COLOR | _AS_STORED
_LUMA = cv2.IMREAD_GRAYSCALE | _AS_STORED
# Decodes to RGB at once; OpenCV has it since 4.11.
_COLOUR_RGB = cast("int | None", getattr(cv2, "IMREAD_COLOR_RGB", None))


def decode(data: bytes | memoryview, video_format: VideoFormat, layout: Layout) -> npt.NDArray[np.uint8]:
    """A JPG, PNG or BMP frame as an array of pixels.

    The size in the picture's header is compared with the declared one before anything is decoded. Alpha is dropped,
    more than eight bits per colour are cut to eight, and an orientation noted in EXIF is ignored. GREY is
    0.299 R + 0.587 G + 0.114 B, rounded per pixel; of a JPG it is the stored luma, which spares the decoding of colour
    and differs from that by about a level, and by more where the stored colour is outside of RGB.

    Args:
        data: The frame's bytes, contiguous.
        video_format: A format of encoding JPG, PNG or BMP.
        layout: What is wanted.

    Returns:
        RGB and BGR ``(height, width, 3)``, GREY ``(height, width)``, all uint8, new and contiguous. UNTOUCHED
        ``(length,)``: a read-only view of `data`, which the caller must keep alive as long as the view is used.

    Raises:
        FrameError: The data is of another encoding, torn or broken, or of another size than declared.
    """
    encoding = video_format.encoding
    declared = (video_format.width, video_format.height)
    if layout is not Layout.UNTOUCHED and isinstance(data, memoryview) and not isinstance(data.obj, bytes):
        # The sender can still write to it: what is judged here and what is decoded must be the same bytes.
        data = bytes(data)
    if (size := read_header(data, encoding)) != declared:
        raise _wrong_size(encoding, size, declared)
    untouched = np.frombuffer(data, np.uint8)
    if layout is Layout.UNTOUCHED:
        untouched.flags.writeable = False
        return untouched
    if layout is Layout.GREY and encoding is Encoding.JPG:
        flags = _LUMA
    elif layout is Layout.BGR or _COLOUR_RGB is None:
        flags = _COLOUR
    else:
        flags = _COLOUR_RGB | _AS_STORED
    try:
        decoded = cast("Pixels | None", cv2.imdecode(untouched, flags))
    except cv2.error:
        decoded = None
    if decoded is None:
        raise FrameError(f"the {encoding.name} frame of {len(untouched)} bytes cannot be decoded")
    height, width = decoded.shape[:2]
    if (width, height) != declared:
        raise _wrong_size(encoding, (width, height), declared)
    if flags == _LUMA or layout is Layout.BGR:
        return decoded
    is_rgb = _COLOUR_RGB is not None
    if layout is Layout.GREY:
        # Made of colours here and not by the decoder, which is slower and rounds in its own way.
        return cast(Pixels, cv2.cvtColor(decoded, cv2.COLOR_RGB2GRAY if is_rgb else cv2.COLOR_BGR2GRAY))
    return decoded if is_rgb else cast(Pixels, cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB))


def encode(rgb: npt.NDArray[np.uint8], encoding: Encoding, quality: int = 90) -> bytes:
    """A picture as JPG, PNG or BMP, for the client.

    Args:
        rgb: ``(height, width, 3) uint8``, RGB.
        encoding: JPG, PNG or BMP.
        quality: Of a JPG, 0 to 100; the others are lossless.

    Returns:
        The encoded picture.

    Raises:
        FrameError: OpenCV cannot encode the picture, for example because it is too large for JPG.
        ValueError: `encoding` is RAW, `rgb` has another shape or type, or the quality is out of range.
    """
    if encoding is Encoding.RAW:
        raise ValueError("RAW frames are packed, not encoded; allowed: JPG, PNG, BMP")
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise ValueError(f"an array {rgb.shape} {rgb.dtype} is no picture; allowed: (height, width, 3) uint8")
    if not 0 <= quality <= 100:
        raise ValueError(f"quality {quality} is out of range; allowed: 0 to 100")
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if encoding is Encoding.JPG else []
    try:
        done, encoded = cv2.imencode(f".{encoding.name.lower()}", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    except cv2.error:
        done = False
    if not done:
        raise FrameError(f"a picture of {rgb.shape[1]}x{rgb.shape[0]} pixels cannot be encoded as {encoding.name}")
    return encoded.tobytes()


def _wrong_size(encoding: Encoding, size: tuple[int, int], declared: tuple[int, int]) -> FrameError:
    return FrameError(
        f"the {encoding.name} frame is {size[0]}x{size[1]} pixels",
        allowed=f"{declared[0]}x{declared[1]}, as the stream's descriptor declares",
    )
