"""The load: many streams with a fixed number of frames in flight, as cheap as a client in Python can be.

Frames lie in their slots, and messages are built, before the clock starts. A slot is used again when its frame is
acknowledged, so every server sees the same bytes in the same order.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass
from typing import Any

import cv2
import grpc
import numpy as np

from framewire.frames.shared_memory import SharedMemoryFile
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.message import ContentReference, Descriptor, Message, Sample
from framewire.wire import METHOD_PATH, encode
from framewire.wire import extension_pb2 as pb

IN_FLIGHT = 4


@dataclass(frozen=True)
class Cell:
    """One kind of load: what is sent, how, and over how many streams."""

    name: str
    video_format: VideoFormat
    is_shared: bool
    streams: int

    def frame(self) -> bytes:
        rng = np.random.default_rng(7)
        coarse = rng.integers(
            60, 200, (self.video_format.height // 16 + 1, self.video_format.width // 16 + 1, 3), np.uint8
        )
        picture = cv2.resize(coarse, (self.video_format.width, self.video_format.height))
        if self.video_format.encoding is Encoding.RAW:
            return picture.tobytes()
        return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def cells(streams: tuple[int, ...] = (1, 4, 16)) -> list[Cell]:
    raw = VideoFormat(Encoding.RAW, 1920, 1080, PixelFormat.RGB24)
    jpg = VideoFormat(Encoding.JPG, 416, 416)
    kinds = (
        ("1080p RGB24, shared memory", raw, True),
        ("1080p RGB24, embedded", raw, False),
        ("416x416 JPEG, shared memory", jpg, True),
    )
    return [Cell(name, form, shared, count) for name, form, shared in kinds for count in streams]


@dataclass
class Measured:
    frames_per_second: float
    p50_ms: float
    p99_ms: float
    server_cpu_ms: float


async def measure(address: str, process_id: int, cell: Cell, seconds: float, warm_up: float) -> Measured:
    """Loads a server and counts the answers that come after the warm-up."""
    frame = cell.frame()
    latencies: list[float] = []
    window = [0.0, 0.0]
    async with contextlib.AsyncExitStack() as stack:
        starts = [await stack.enter_async_context(_stream(address, cell, frame)) for _ in range(cell.streams)]
        window[0] = time.perf_counter() + warm_up
        window[1] = window[0] + seconds
        tasks = [asyncio.create_task(_run(*start, window, latencies)) for start in starts]
        await asyncio.sleep(warm_up)
        cpu = cpu_seconds(process_id)
        await asyncio.sleep(window[1] - time.perf_counter())
        cpu = cpu_seconds(process_id) - cpu
        await asyncio.gather(*tasks)
    if not latencies:
        raise SystemExit(f"{address} answered nothing in {seconds:g} s; give it longer with --seconds")
    ordered = np.percentile(latencies, [50, 99]) * 1000
    return Measured(len(latencies) / seconds, float(ordered[0]), float(ordered[1]), cpu * 1000 / len(latencies))


@contextlib.asynccontextmanager
async def _stream(address: str, cell: Cell, frame: bytes) -> Any:
    memory = SharedMemoryFile(IN_FLIGHT * len(frame)) if cell.is_shared else None
    options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    channel = grpc.aio.insecure_channel(address, options=options)
    try:
        call = channel.stream_stream(METHOD_PATH)()
        announcement = memory.announcement if memory else None
        await call.write(encode(Message(1, 0, Descriptor(video_format=cell.video_format, shared_memory=announcement))))
        await call.read()
        samples = []
        for slot in range(IN_FLIGHT):
            content: Any = frame
            if memory is not None:
                memory.buffer[slot * len(frame) : (slot + 1) * len(frame)] = frame
                content = ContentReference(slot * len(frame), len(frame))
            samples.append(_sample_field(content))
        yield call, samples
        call.cancel()
    finally:
        await channel.close()
        if memory is not None:
            memory.close()


async def _run(call: Any, samples: list[bytes], window: list[float], latencies: list[float]) -> None:
    sent_at: dict[int, tuple[float, int]] = {}
    number = 1
    for slot in range(IN_FLIGHT):
        number += 1
        sent_at[number] = (time.perf_counter(), slot)
        await call.write(_numbered(number, samples[slot]))
    while sent_at:
        answer = pb.MediaStreamMessage.FromString(await call.read())
        now = time.perf_counter()
        started, slot = sent_at.pop(answer.ack_sequence_number)
        if window[0] <= now < window[1]:
            latencies.append(now - started)
        if now < window[1]:
            number += 1
            sent_at[number] = (time.perf_counter(), slot)
            await call.write(_numbered(number, samples[slot]))


def _sample_field(content: Any) -> bytes:
    """A message without its number; protobuf lets fields come in any order and be put together."""
    return encode(Message(0, 0, Sample(90_000, content)))


def _numbered(number: int, rest: bytes) -> bytes:
    varint = bytearray(b"\x08")
    while number > 0x7F:
        varint.append(number & 0x7F | 0x80)
        number >>= 7
    varint.append(number)
    return b"".join((varint, rest))


def cpu_seconds(process_id: int) -> float:
    """User and system time of a process so far."""
    with open(f"/proc/{process_id}/stat") as file:  # noqa: PTH123 - a kernel file, read in one go
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
