"""One server of the contract, written plainly."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import cv2
import grpc
import numpy as np

from framewire.errors import ProtocolError
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.inference import Classification, Tag
from framewire.model.message import Content, ContentReference, Descriptor, Message, Sample, SharedMemory
from framewire.wire import decode, encode

ORDERS = {PixelFormat[name]: name[:4].rstrip("24") for name in ("RGB24", "BGR24", "ARGB", "RGBA", "ABGR", "BGRA")}


class BadFrameError(Exception):
    """One frame is lost, not the session."""


class GoodServer:
    """Grey mean below the threshold is dark, else light. Subclasses spoil one thing."""

    max_message_bytes = 64 << 20
    sequence_must_rise = True
    takes_one_descriptor = True

    # The stream.

    async def process_media_stream(self, requests, context):
        try:
            async for message in self.numbered(self.answers(requests)):
                yield encode(message)
        except ProtocolError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

    async def numbered(self, answers):
        number = 0
        async for ack, payload in answers:
            number += 1
            yield Message(number, ack, payload)

    async def answers(self, requests):
        session = None
        last = 0
        async for data in requests:
            message = decode(data)
            if message.sequence_number <= last and self.sequence_must_rise:
                raise ProtocolError(f"sequence {message.sequence_number} after {last}")
            last = message.sequence_number
            if session is None:
                session = await self.open(message)
                yield 1, Descriptor("plain server", timescale=session.descriptor.timescale)
            elif not isinstance(message.payload, Descriptor):
                for answer in self.answer(session, message):
                    yield answer
            elif self.takes_one_descriptor:
                raise ProtocolError("a second descriptor")
        for answer in self.rest(session):
            yield answer

    def answer(self, session, message):
        sample = message.payload
        content = session.bytes_of(sample.content)
        try:
            inferences = (self.classify(session, content),) if content is not None else ()
        except BadFrameError:
            inferences = ()
        yield message.sequence_number, Sample(sample.timestamp, None, inferences)

    def rest(self, session):
        return ()

    # The descriptor.

    async def open(self, message):
        descriptor = message.payload
        if not isinstance(descriptor, Descriptor):
            raise ProtocolError("the first message is not a descriptor")
        if descriptor.video_format is None:
            raise ProtocolError("no video format")
        session = Session(descriptor)
        session.threshold = self.threshold_in(descriptor.configuration)
        if descriptor.shared_memory is not None:
            session.memory = await self.map(descriptor.shared_memory)
        return session

    def threshold_in(self, configuration):
        try:
            options = json.loads(configuration or "{}")
        except ValueError:
            raise ProtocolError("extension_configuration is not JSON") from None
        return options.get("threshold", 127) if isinstance(options, dict) else 127

    async def map(self, memory: SharedMemory):
        path = Path("/dev/shm") / memory.handle_name
        if not memory.handle_name or "/" in memory.handle_name or ".." in memory.handle_name or not path.is_file():
            raise ProtocolError(f"handle {memory.handle_name!r} is not a file")
        if not 0 < memory.length_bytes <= path.stat().st_size:
            raise ProtocolError(f"length {memory.length_bytes} does not fit the file")
        return np.memmap(path, np.uint8, "r", shape=(memory.length_bytes,))

    # The picture.

    def classify(self, session, content):
        red, green, blue = self.means(session.descriptor.video_format, content)
        grey = 0.299 * red + 0.587 * green + 0.114 * blue
        return Classification(Tag("dark" if grey < session.threshold else "light"), subtype="colorIntensity")

    def means(self, video_format: VideoFormat, content):
        if video_format.encoding is Encoding.RAW:
            return raw_means(video_format, content)
        with suppress(cv2.error):
            picture = cv2.imdecode(content, cv2.IMREAD_COLOR)
            if picture is not None and picture.shape[:2] == (video_format.height, video_format.width):
                return picture.reshape(-1, 3).mean(axis=0)[::-1]
        raise BadFrameError


class Session:
    """What a server keeps of one stream."""

    def __init__(self, descriptor: Descriptor) -> None:
        self.descriptor = descriptor
        self.memory = None
        self.threshold = 127
        self.waiting: list = []

    def bytes_of(self, content: Content):
        if not isinstance(content, ContentReference):
            return None if content is None else np.frombuffer(content, np.uint8)
        if self.memory is None:
            raise ProtocolError("content_reference without shared memory")
        end = content.offset_bytes + content.length_bytes
        if end > len(self.memory):
            raise ProtocolError(f"the frame ends at {end} of {len(self.memory)}")
        return self.memory[content.offset_bytes : end]


def raw_means(video_format: VideoFormat, content):
    """(red, green, blue) means of a RAW frame, channel by channel."""
    width, height, kind = video_format.width, video_format.height, video_format.pixel_format
    if kind is PixelFormat.YUV420P:
        chroma = ((width + 1) // 2) * ((height + 1) // 2)
        if len(content) != width * height + 2 * chroma:
            raise BadFrameError
        luma, u, v = np.split(content, [width * height, width * height + chroma])
        y, cb, cr = (luma.mean() - 16) / 219, (u.mean() - 128) / 224, (v.mean() - 128) / 224
        return 255 * (y + 1.402 * cr), 255 * (y - 0.344 * cb - 0.714 * cr), 255 * (y + 1.772 * cb)
    row, stride = width * kind.bytes_per_pixel, video_format.row_stride_bytes
    if len(content) not in (stride * height, stride * (height - 1) + row):
        raise BadFrameError
    rows = np.zeros(stride * height, np.uint8)
    rows[: len(content)] = content
    pixels = rows.reshape(height, stride)[:, :row].reshape(-1, kind.bytes_per_pixel)
    if kind in ORDERS:
        return tuple(pixels[:, ORDERS[kind].index(channel)].mean() for channel in "RGB")
    low, high = (1, 0) if kind.name.endswith("BE") else (0, 1)
    number = pixels[:, high].astype(int) << 8 | pixels[:, low]
    green_bits = 6 if "565" in kind.name else 5
    green_max = (1 << green_bits) - 1
    fields = number >> (5 + green_bits) & 31, number >> 5 & green_max, number & 31
    return tuple(255 * field.mean() / maximum for field, maximum in zip(fields, (31, green_max, 31), strict=True))
