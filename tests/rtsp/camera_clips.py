"""Encoded video in memory, picture by picture, as a camera holds it before it sends it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Literal

import av
import numpy as np
import numpy.typing as npt
from av.bitstream import BitStreamFilterContext

from framewire.sources import Scene

Codec = Literal["h264", "hevc", "mjpeg"]
Image = npt.NDArray[np.uint8]

_ENCODERS = {"h264": "libx264", "hevc": "libx265", "mjpeg": "mjpeg"}
_START_CODE = re.compile(rb"\x00\x00\x00?\x01")
_PARAMETER_SETS = {"h264": {7, 8}, "hevc": {32, 33, 34}, "mjpeg": set()}
_PICTURES = {"h264": {1, 5}, "hevc": set(range(32)), "mjpeg": set()}


@dataclass(frozen=True)
class EncodedPicture:
    """One picture: its units without start codes and parameter sets; for MJPEG one whole JPEG."""

    units: tuple[bytes, ...]
    is_key: bool


@dataclass(frozen=True)
class EncodedClip:
    """Some pictures, to be sent again and again. The first can be decoded by itself."""

    codec: Codec
    size: tuple[int, int]
    frames_per_second: float
    parameter_sets: tuple[bytes, ...]
    pictures: tuple[EncodedPicture, ...]


@lru_cache(maxsize=32)
def street_clip(
    width: int = 320,
    height: int = 180,
    *,
    frames: int = 50,
    frames_per_second: float = 25,
    codec: Codec = "h264",
    key_every: int = 10,
) -> EncodedClip:
    """The synthetic street, encoded."""
    scene = Scene(width, height, frames=frames, frames_per_second=frames_per_second)
    images = (scene.render(index)[0] for index in range(frames))
    return encode_clip(images, frames_per_second=frames_per_second, codec=codec, key_every=key_every)


def encode_clip(
    images: Iterable[Image], *, frames_per_second: float = 25, codec: Codec = "h264", key_every: int = 10
) -> EncodedClip:
    """Encodes (height, width, 3) uint8 RGB pictures of one even size."""
    context: av.VideoCodecContext | None = None
    packets: list[av.Packet] = []
    size = (0, 0)
    for image in images:
        if context is None:
            size = (image.shape[1], image.shape[0])
            context = _encoder(codec, size, frames_per_second, key_every)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=context.pix_fmt)
        packets += context.encode(frame)
    assert context is not None, "a clip has at least one picture"
    packets += context.encode(None)
    pictures, parameter_sets = _units_of(packets, codec)
    return EncodedClip(codec, size, frames_per_second, parameter_sets, pictures)


def _units_of(packets: Iterable[av.Packet], codec: Codec) -> tuple[tuple[EncodedPicture, ...], tuple[bytes, ...]]:
    """Pictures, and the parameter sets that were among them."""
    parameter_sets: list[bytes] = []
    pictures = []
    for packet in packets:
        data = bytes(packet)
        if codec == "mjpeg":
            pictures.append(EncodedPicture((data,), True))
            continue
        units = [unit.rstrip(b"\0") for unit in _START_CODE.split(data) if unit.rstrip(b"\0")]
        for unit in units:
            if unit_type(codec, unit) in _PARAMETER_SETS[codec] and unit not in parameter_sets:
                parameter_sets.append(unit)
        shown = tuple(unit for unit in units if unit_type(codec, unit) in _PICTURES[codec])
        pictures.append(EncodedPicture(shown, packet.is_keyframe))
    return tuple(pictures), tuple(parameter_sets)


def unit_type(codec: Codec, unit: bytes) -> int:
    return unit[0] & 0x1F if codec == "h264" else unit[0] >> 1 & 0x3F


def _encoder(codec: Codec, size: tuple[int, int], frames_per_second: float, key_every: int) -> av.VideoCodecContext:
    context = av.CodecContext.create(_ENCODERS[codec], "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height = size
    context.framerate = Fraction(frames_per_second).limit_denominator(1001)
    context.time_base = 1 / context.framerate
    context.thread_count = 1
    context.gop_size = key_every
    if codec == "mjpeg":
        context.pix_fmt = "yuvj420p"
        # RTP has no room for tables of Huffman codes: the usual ones are meant (RFC 2435, section 3.1).
        context.options = {"huffman": "default"}
    elif codec == "h264":
        context.pix_fmt = "yuv420p"
        context.options = {"preset": "veryfast", "tune": "zerolatency", "x264-params": "scenecut=0:log-level=-1"}
    else:
        context.pix_fmt = "yuv420p"
        context.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "x265-params": f"log-level=none:repeat-headers=1:keyint={key_every}:bframes=0:open-gop=0",
        }
    return context


def clip_of_file(path: Path) -> EncodedClip:
    """The H.264 of a file as it is; it has no B frames, since pictures are sent in the order of the file."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate or 25)
        to_units = BitStreamFilterContext("h264_mp4toannexb", stream)
        packets = [out for packet in container.demux(stream) if packet.size for out in to_units.filter(packet)]
        size = (stream.width, stream.height)
        pictures, parameter_sets = _units_of(packets, "h264")
    return EncodedClip("h264", size, rate, parameter_sets, pictures)
