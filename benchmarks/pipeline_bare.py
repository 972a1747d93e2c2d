"""The least that a node on ``grpc.aio`` can cost: its images handed to a bare call, and the answers thrown away.

A thread decodes a clip, scales and encodes as the node does, so that the call meets the same pace and the same busy
core. That thread is not counted.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import av
import cv2
import grpc
from av.video.reformatter import VideoReformatter

from framewire.model.format import Encoding, VideoFormat
from framewire.model.message import DEFAULT_TIMESCALE, Descriptor, GraphIdentifier, Message, Sample
from framewire.wire import METHOD_PATH, encode

IN_FLIGHT = 8


def bare(job: dict[str, Any]) -> float:
    """CPU seconds of the process beside the thread that makes the images."""
    cv2.setNumThreads(1)
    return asyncio.run(_bare(job["clip"], job["address"].removeprefix("tcp://")))


async def _bare(clip: str, address: str) -> float:
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[bytes | None] = asyncio.Queue()
    places = threading.Semaphore(IN_FLIGHT)
    thread_cpu_s = 0.0

    def make() -> None:
        nonlocal thread_cpu_s
        began_s = time.thread_time()
        # One thread: `to_ndarray` would start others for each picture, and they would be counted as gRPC's.
        reformatter = VideoReformatter()
        with av.open(clip) as container:
            stream = container.streams.video[0]
            stream.thread_count = 1
            for picture in container.decode(stream):
                pixels = reformatter.reformat(picture, format="bgr24", threads=1).to_ndarray()
                image = cv2.resize(pixels, (416, 416), interpolation=cv2.INTER_AREA)
                data = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, 90))[1].tobytes()
                places.acquire()
                loop.call_soon_threadsafe(waiting.put_nowait, data)
        thread_cpu_s = time.thread_time() - began_s
        loop.call_soon_threadsafe(waiting.put_nowait, None)

    began_s = time.process_time()
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.stream_stream(METHOD_PATH)()
        form = VideoFormat(Encoding.JPG, 416, 416)
        descriptor = Descriptor(GraphIdentifier("", "bare", "bare"), "", DEFAULT_TIMESCALE, form, None)
        await call.write(encode(Message(1, 0, descriptor)))
        await call.read()
        thread = threading.Thread(target=make)
        thread.start()
        receiving = asyncio.create_task(_receive(call, places))
        number = 1
        while (data := await waiting.get()) is not None:
            number += 1
            await call.write(encode(Message(number, 0, Sample(number * 9000, data))))
        await call.done_writing()
        await receiving
        thread.join()
    return time.process_time() - began_s - thread_cpu_s


async def _receive(call: Any, places: threading.Semaphore) -> None:
    while await call.read() is not grpc.aio.EOF:
        places.release()
