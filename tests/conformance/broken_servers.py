"""Copies of the plain server with one fault each (contract, section 9), and a few with less to be seen."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import grpc
import numpy as np
from plain_server import BadFrameError, GoodServer, Session

from framewire.errors import FormatError, ProtocolError
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.inference import Classification, Event, Tag
from framewire.model.message import ContentReference, Descriptor, Message, Sample
from framewire.wire import METHOD, SERVICE, decode, encode


@asynccontextmanager
async def serving(server: GoodServer, address: str = "127.0.0.1:0") -> AsyncIterator[str]:
    """Runs a server, on a free port unless told otherwise; yields its address."""
    handler = grpc.stream_stream_rpc_method_handler(server.process_media_stream)
    listener = grpc.aio.server(
        options=[("grpc.max_receive_message_length", server.max_message_bytes), ("grpc.so_reuseport", 0)]
    )
    listener.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
    port = listener.add_insecure_port(address)
    await listener.start()
    undertaker = asyncio.create_task(_stop_when_dead(server, listener))
    try:
        yield address.replace(":0", f":{port}")
    finally:
        undertaker.cancel()
        await listener.stop(0)


async def _stop_when_dead(server: GoodServer, listener: grpc.aio.Server) -> None:
    if isinstance(server, Dies):
        await server.died.wait()
        await listener.stop(0)


# Faults that were observed in existing servers.


class LosesTheFrameThatFillsABatch(GoodServer):
    """Batch size 1: the first frame waits, the second one sets it off and is itself forgotten."""

    def answer(self, session, message):
        ack, timestamp = message.sequence_number, message.payload.timestamp
        if not session.waiting:
            session.waiting.append(session.bytes_of(message.payload.content))
            yield ack, Sample(timestamp, None, (Event("Adding image #1 to batch.", subtype="BatchAggregation"),))
        else:
            yield ack, Sample(timestamp, None, (self.classify(session, session.waiting.pop()),))


class KeepsViewsAfterTheAck(GoodServer):
    """Four frames are acknowledged as they come and looked at together."""

    def answer(self, session, message):
        yield message.sequence_number, Sample(message.payload.timestamp)
        session.waiting.append(session.bytes_of(message.payload.content))
        if len(session.waiting) == 4:
            yield from self.rest(session)

    def rest(self, session):
        views, session.waiting = session.waiting, []
        for view in views:
            with suppress(BadFrameError):
                if view is not None:
                    yield 0, Sample(0, None, (self.classify(session, view),))


class MergesResults(GoodServer):
    """Batches of three: the results of all ride on the last one's ack, with its time."""

    def answer(self, session, message):
        ((ack, sample),) = GoodServer.answer(self, session, message)
        session.waiting.extend(sample.inferences)
        if (message.sequence_number - 1) % 3 == 0:
            sample, session.waiting = replace(sample, inferences=tuple(session.waiting)), []
        else:
            sample = replace(sample, inferences=())
        yield ack, sample

    def rest(self, session):
        if session.waiting:
            yield 0, Sample(0, None, tuple(session.waiting))


class ServesThreeCameras(GoodServer):
    """A thread pool of three, one thread a stream: the next one waits for somebody to leave."""

    def __init__(self) -> None:
        self.pool = asyncio.Semaphore(3)

    async def process_media_stream(self, requests, context):
        async with self.pool:
            async for answer in GoodServer.process_media_stream(self, requests, context):
                yield answer


class HasTheDefaultMessageLimit(GoodServer):
    max_message_bytes = 4 << 20


class IgnoresThePixelFormat(GoodServer):
    def means(self, video_format, content):
        same_size = {3: PixelFormat.RGB24, 4: PixelFormat.RGBA, 2: PixelFormat.RGB565LE}
        kind = same_size.get(video_format.pixel_format.bytes_per_pixel, video_format.pixel_format)
        return GoodServer.means(self, replace(video_format, pixel_format=kind), content)


class IgnoresTheStride(GoodServer):
    def means(self, video_format, content):
        if video_format.encoding is Encoding.RAW and video_format.stride_bytes:
            tight = replace(video_format, stride_bytes=0)
            content = content[: tight.row_stride_bytes * tight.height]
            video_format = tight
        return GoodServer.means(self, video_format, content)


class WantsTheLastRowPadded(GoodServer):
    def means(self, video_format, content):
        if video_format.stride_bytes and len(content) % video_format.stride_bytes:
            raise BadFrameError
        return GoodServer.means(self, video_format, content)


class SwallowsExceptions(GoodServer):
    """What goes wrong with a frame is printed, and the frame is never acknowledged."""

    def answer(self, session, message):
        if message.payload.content is not None:
            with suppress(BadFrameError):
                inference = self.classify(session, session.bytes_of(message.payload.content))
                yield message.sequence_number, Sample(message.payload.timestamp, None, (inference,))
        else:
            yield message.sequence_number, Sample(message.payload.timestamp)


class TakesAnyFirstMessage(GoodServer):
    async def open(self, message):
        is_descriptor = isinstance(message.payload, Descriptor)
        return await GoodServer.open(self, message) if is_descriptor else Session(message.payload)


class TakesAnyHandle(GoodServer):
    """No check of the name: what goes wrong goes wrong inside the handler; a pipe blocks its thread."""

    async def map(self, memory):
        def opened() -> int:
            return os.open(f"/dev/shm/{memory.handle_name}", os.O_RDONLY)

        os.close(await asyncio.to_thread(opened))
        return np.memmap(f"/dev/shm/{memory.handle_name}", np.uint8, "r", shape=(memory.length_bytes,))


class TakesAnyOffset(GoodServer):
    async def open(self, message):
        session = await GoodServer.open(self, message)

        def unchecked(content):
            if not isinstance(content, ContentReference):
                return None if content is None else np.frombuffer(content, np.uint8)
            return session.memory[content.offset_bytes : content.offset_bytes + content.length_bytes]

        session.bytes_of = unchecked
        return session


class KeepsConfigurationForAll(GoodServer):
    threshold = 127

    def threshold_in(self, configuration):
        self.threshold = GoodServer.threshold_in(self, configuration)
        return self.threshold

    def classify(self, session, content):
        session.threshold = self.threshold
        return GoodServer.classify(self, session, content)


class ValidatesConfigurationLate(GoodServer):
    """The descriptor is answered before its configuration is read."""

    async def open(self, message):
        if not isinstance(message.payload, Descriptor):
            return await GoodServer.open(self, message)
        late = replace(message, payload=replace(message.payload, configuration=""))
        session = await GoodServer.open(self, late)
        session.configuration = message.payload.configuration
        return session

    def answer(self, session, message):
        session.threshold = json.loads(session.configuration or "{}").get("threshold", 127)
        return GoodServer.answer(self, session, message)


class ForgetsTimestamps(GoodServer):
    def answer(self, session, message):
        for ack, sample in GoodServer.answer(self, session, message):
            yield ack, replace(sample, timestamp=0)


# Faults that nobody has observed yet.


class CountsFromZero(GoodServer):
    async def numbered(self, answers):
        async for message in GoodServer.numbered(self, answers):
            yield replace(message, sequence_number=message.sequence_number - 1)


class SkipsANumber(GoodServer):
    async def numbered(self, answers):
        async for message in GoodServer.numbered(self, answers):
            number = message.sequence_number
            yield replace(message, sequence_number=number + 1) if number > 4 else message


class AcknowledgesTwice(GoodServer):
    def answer(self, session, message):
        yield from GoodServer.answer(self, session, message)
        if message.sequence_number % 5 == 0:
            yield message.sequence_number, None


class WaitsForMoreFrames(GoodServer):
    """Frames that do not fill a batch of two are not answered until more come."""

    def answer(self, session, message):
        session.waiting.extend(GoodServer.answer(self, session, message))
        if len(session.waiting) == 2:
            yield from self.rest(session)

    def rest(self, session):
        answers, session.waiting = session.waiting, []
        return answers


class SaysGoodbye(GoodServer):
    """One more message after the last answer."""

    def rest(self, session):
        return ((0, Sample(0)),)


class EndsWithAnError(GoodServer):
    async def process_media_stream(self, requests, context):
        async for answer in GoodServer.process_media_stream(self, requests, context):
            yield answer
        await context.abort(grpc.StatusCode.INTERNAL, "nothing more to read")


class AnswersWithItsOwnTimescale(GoodServer):
    async def answers(self, requests):
        async for ack, payload in GoodServer.answers(self, requests):
            is_descriptor = isinstance(payload, Descriptor)
            yield ack, replace(payload, timescale=90_000) if is_descriptor else payload


class TakesASecondDescriptor(GoodServer):
    takes_one_descriptor = False


class TakesAnyOrder(GoodServer):
    sequence_must_rise = False


class NeverAcknowledges(GoodServer):
    def answer(self, session, message):
        return ()


class TakesNoEmptySample(GoodServer):
    def answer(self, session, message):
        if message.payload.content is None:
            raise ProtocolError("a sample without content")
        return GoodServer.answer(self, session, message)


class SendsInferencesWithoutValue(GoodServer):
    async def process_media_stream(self, requests, context):
        async for data in GoodServer.process_media_stream(self, requests, context):
            # Field 6 is the sample, its field 10 an inference; this one says type CLASSIFICATION and no more.
            yield data + bytes([0x32, 4, 0x52, 2, 0x08, 1]) if decode(data).sequence_number > 1 else data


class SaysItsOwnFormat(GoodServer):
    async def answers(self, requests):
        async for ack, payload in GoodServer.answers(self, requests):
            is_descriptor = isinstance(payload, Descriptor)
            yield ack, replace(payload, video_format=VideoFormat(Encoding.JPG, 64, 48)) if is_descriptor else payload


class ReadsEveryDescriptor(GoodServer):
    """Takes what it knows of a descriptor, and its usual format for the rest."""

    async def answers(self, requests):
        usual = VideoFormat(Encoding.RAW, 64, 48, PixelFormat.RGB24)

        async def forgiven():
            async for data in requests:
                try:
                    message = decode(data)
                except FormatError:
                    message = Message(1, 0, Descriptor("forgiven", video_format=usual))
                payload = message.payload
                if isinstance(payload, Descriptor) and payload.video_format is None:
                    message = replace(message, payload=replace(payload, video_format=usual))
                yield encode(message)

        async for answer in GoodServer.answers(self, forgiven()):
            yield answer


class SwapsRedAndBlueOfImages(GoodServer):
    """Decodes to BGR and takes it for RGB: the classic."""

    def means(self, video_format, content):
        means = GoodServer.means(self, video_format, content)
        return means if video_format.encoding is Encoding.RAW else means[::-1]


class AlignsOffsets(GoodServer):
    """Offsets are read in units of 4 KiB."""

    async def open(self, message):
        session = await GoodServer.open(self, message)
        bytes_of = session.bytes_of

        def aligned(content):
            if isinstance(content, ContentReference):
                bytes_of(content)
                content = replace(content, offset_bytes=content.offset_bytes // 4_096 * 4_096)
            return bytes_of(content)

        session.bytes_of = aligned
        return session


class FallsWithItsNeighbour(GoodServer):
    """A session that breaks takes the others with it."""

    def __init__(self) -> None:
        self.open_streams: set = set()
        self.doomed: set = set()

    async def process_media_stream(self, requests, context):
        self.open_streams.add(context)
        try:
            async for data in GoodServer.process_media_stream(self, requests, context):
                if context in self.doomed:
                    await context.abort(grpc.StatusCode.INTERNAL, "broken pipe")
                yield data
        except (asyncio.CancelledError, GeneratorExit):
            self.doomed |= self.open_streams
            raise
        finally:
            self.open_streams.discard(context)


class WantsCredentials(GoodServer):
    async def process_media_stream(self, requests, context):
        metadata = dict(context.invocation_metadata())
        if metadata.get("x-ms-authentication") != "Basic Y2FtZXJhOnNlY3JldA==":
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you")
        async for answer in GoodServer.process_media_stream(self, requests, context):
            yield answer


class RefusesEverybody(GoodServer):
    async def process_media_stream(self, requests, context):
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, "not today")
        yield


# No faults, but less to be seen.


class SaysTheSameOfAll(GoodServer):
    def classify(self, session, content):
        GoodServer.classify(self, session, content)
        return Classification(Tag("seen"))


class SharesNoMemory(GoodServer):
    """In another IPC namespace: none of the probe's files is there."""

    async def map(self, memory):
        raise ProtocolError("no such file; the containers must share the IPC namespace")


class TakesJpegAlone(GoodServer):
    async def open(self, message):
        session = await GoodServer.open(self, message)
        if session.descriptor.video_format.encoding is not Encoding.JPG:
            raise ProtocolError("this server takes JPG")
        return session


# No answers.


class Silent(GoodServer):
    async def process_media_stream(self, requests, context):
        async for _ in requests:
            pass
        await asyncio.Event().wait()
        yield b""


class Dies(GoodServer):
    """Gone with the first frame that is not what it should be."""

    def __init__(self) -> None:
        self.died = asyncio.Event()

    def means(self, video_format, content):
        try:
            return GoodServer.means(self, video_format, content)
        except BadFrameError:
            self.died.set()
            raise
