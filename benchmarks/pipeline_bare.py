"""What stands beside the node: its images handed to a bare call of ``grpc.aio``, or to a bare socket.

A thread decodes a clip, scales and encodes as the node does, so that both meet the same pace and the same busy core.
That thread is not counted. The answers are thrown away.

    python benchmarks/pipeline_bare.py

is the other end of the socket: it prints its address, and answers every message with a few bytes.
"""

from __future__ import annotations

import asyncio
import struct
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import av
import cv2
import grpc
from av.video.reformatter import VideoReformatter

from framewire.model.format import Encoding, VideoFormat
from framewire.model.message import DEFAULT_TIMESCALE, Descriptor, GraphIdentifier, Message, Sample
from framewire.wire import METHOD_PATH, encode

IN_FLIGHT = 8
LENGTH = struct.Struct("!I")
ANSWER = bytes(60)
"""As long as an answer without a result with all that gRPC puts around it."""


class Images:
    """Makes the images of a clip in a thread.

    Attributes:
        places: How many more may be under way; who has sent one gives its place back.
        cpu_s: CPU seconds of the thread, once it is over.
    """

    def __init__(self, clip: str, take: Callable[[bytes | None], Any]) -> None:
        self.places = threading.Semaphore(IN_FLIGHT)
        self.cpu_s = 0.0
        self._clip = clip
        self._take = take
        self._loop = asyncio.get_running_loop()
        # A daemon: when the other end has left, nobody gives places back.
        self.thread = threading.Thread(target=self._make, daemon=True)

    def _make(self) -> None:
        began_s = time.thread_time()
        # One thread: `to_ndarray` would start others for each picture, and they would be counted as gRPC's.
        reformatter = VideoReformatter()
        with av.open(self._clip) as container:
            stream = container.streams.video[0]
            stream.thread_count = 1
            for picture in container.decode(stream):
                pixels = reformatter.reformat(picture, format="bgr24", threads=1).to_ndarray()
                image = cv2.resize(pixels, (416, 416), interpolation=cv2.INTER_AREA)
                data = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, 90))[1].tobytes()
                self.places.acquire()
                self._loop.call_soon_threadsafe(self._take, data)
        self.cpu_s = time.thread_time() - began_s
        self._loop.call_soon_threadsafe(self._take, None)


def bare_call(job: dict[str, Any]) -> float:
    """CPU seconds of a call of ``grpc.aio`` for each image of a clip."""
    return _measured(_call(job["clip"], job["address"].removeprefix("tcp://")))


def bare_socket(job: dict[str, Any]) -> float:
    """CPU seconds of asyncio and the system for the same bytes."""
    return _measured(_socket(job["clip"], job["socket"]))


def _measured(work: Awaitable[float]) -> float:
    cv2.setNumThreads(1)

    async def run() -> float:
        began_s = time.process_time()
        not_counted_s = await work
        return time.process_time() - began_s - not_counted_s

    return asyncio.run(run())


async def _call(clip: str, address: str) -> float:
    waiting: asyncio.Queue[bytes | None] = asyncio.Queue()
    images = Images(clip, waiting.put_nowait)
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.stream_stream(METHOD_PATH)()
        form = VideoFormat(Encoding.JPG, 416, 416)
        descriptor = Descriptor(GraphIdentifier("", "bare", "bare"), "", DEFAULT_TIMESCALE, form, None)
        await call.write(encode(Message(1, 0, descriptor)))
        await call.read()
        images.thread.start()
        receiving = asyncio.create_task(_receive(call, images.places))
        number = 1
        while (data := await waiting.get()) is not None:
            number += 1
            await call.write(encode(Message(number, 0, Sample(number * 9000, data))))
        await call.done_writing()
        await receiving
        images.thread.join()
    return images.cpu_s


async def _receive(call: Any, places: threading.Semaphore) -> None:
    while await call.read() is not grpc.aio.EOF:
        places.release()


async def _socket(clip: str, address: str) -> float:
    host, _, port = address.partition(":")
    over = asyncio.get_running_loop().create_future()

    class Answers(asyncio.Protocol):
        held = 0
        is_finished = False

        def data_received(self, data: bytes) -> None:
            self.held += len(data)
            while self.held >= len(ANSWER):
                self.held -= len(ANSWER)
                images.places.release()

        def connection_lost(self, exc: Exception | None) -> None:
            if self.is_finished:
                over.set_result(None)
            else:
                over.set_exception(exc or ConnectionError("the other end has left"))

    transport, answers = await asyncio.get_running_loop().create_connection(Answers, host, int(port))

    def send(data: bytes | None) -> None:
        if data is None:
            answers.is_finished = True
            transport.write_eof()
        else:
            transport.write(LENGTH.pack(len(data)) + data)

    images = Images(clip, send)
    images.thread.start()
    await over
    images.thread.join()
    return images.cpu_s


class _Answering(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._held = bytearray()

    def data_received(self, data: bytes) -> None:
        held = self._held
        held += data
        while len(held) >= LENGTH.size and len(held) >= (end := LENGTH.size + LENGTH.unpack_from(held)[0]):
            del held[:end]
            self._transport.write(ANSWER)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Answering, "127.0.0.1", 0)
    print("{}:{}".format(*server.sockets[0].getsockname()), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
