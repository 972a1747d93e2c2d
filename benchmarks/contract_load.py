"""Streams of the extension contract: the floor, framewire and Ray Serve."""

from __future__ import annotations

import asyncio
import ctypes
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from cells import Cell
from load import Clock

from framewire.frames.shared_memory import SharedMemoryFile
from framewire.model.message import ContentReference, Descriptor, Message, Sample
from framewire.wire import METHOD_PATH, encode
from framewire.wire import extension_pb2 as pb

CHANNEL_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
]

LARGE = 4096
"""Messages shorter than this are cheaper to build anew than to change."""

_START_OF_BYTES = bytes.__basicsize__ - 1
"""Where the content of a bytes object lies, after its head."""


class ContractClient:
    """Opens streams of the contract.

    Args:
        address: HOST:PORT of the server.
        tells_work: Servers that do several kinds of work learn from the configuration which one is wanted.
    """

    def __init__(self, address: str, *, tells_work: bool) -> None:
        self._address = address
        self._tells_work = tells_work

    @asynccontextmanager
    async def open(self, cell: Cell, frames: list[bytes]) -> AsyncIterator[ContractStream]:
        memory = SharedMemoryFile(sum(map(len, frames))) if cell.is_shared else None
        try:
            async with grpc.aio.insecure_channel(self._address, options=CHANNEL_OPTIONS) as channel:
                call = channel.stream_stream(METHOD_PATH)()
                descriptor = Descriptor(
                    configuration=cell.work if self._tells_work else "",
                    video_format=cell.video_format,
                    shared_memory=memory.announcement if memory else None,
                )
                await call.write(encode(Message(1, 0, descriptor)))
                if await call.read() is grpc.aio.EOF:
                    raise ValueError(f"{await call.code()}: {await call.details()}")
                samples = []
                offset = 0
                for frame in frames:
                    content: Any = frame
                    if memory is not None:
                        memory.buffer[offset : offset + len(frame)] = frame
                        content = ContentReference(offset, len(frame))
                        offset += len(frame)
                    samples.append(Prepared(content))
                yield ContractStream(call, samples)
                call.cancel()
        finally:
            if memory is not None:
                memory.close()


class ContractStream:
    """One stream with its prepared messages."""

    def __init__(self, call: Any, samples: list[Prepared]) -> None:
        self._call = call
        self._samples = samples
        self._number = 1
        self._sent_at: dict[int, tuple[float, int]] = {}

    async def ask(self, slot: int) -> bool:
        await self._send(slot, time.perf_counter())
        answer = await self._read()
        self._sent_at.pop(answer.ack_sequence_number)
        for inference in answer.media_sample.inferences:
            return bool(inference.classification.tag.value == "light")
        raise ValueError("it answers without a classification")

    async def run(self, clock: Clock) -> None:
        for slot in range(len(self._samples)):
            await self._send(slot, time.perf_counter())
        while self._sent_at:
            answer = await self._read()
            now = time.perf_counter()
            started, slot = self._sent_at.pop(answer.ack_sequence_number)
            clock.answered(started, now)
            if now < clock.end:
                await self._send(slot, time.perf_counter())

    async def run_at(self, clock: Clock, frames_per_second: float, phase: float) -> None:
        free: asyncio.Queue[int] = asyncio.Queue()
        for slot in range(len(self._samples)):
            free.put_nowait(slot)
        period = 1 / frames_per_second
        due = time.perf_counter() + phase * period
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(self._free_slots(clock, free))
            while due < clock.end:
                if (wait := due - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                await self._send(await free.get(), due)
                due += period
            while self._sent_at:
                await free.get()
            reading.cancel()

    async def _free_slots(self, clock: Clock, free: asyncio.Queue[int]) -> None:
        while True:
            answer = await self._read()
            started, slot = self._sent_at.pop(answer.ack_sequence_number)
            clock.answered(started, time.perf_counter())
            free.put_nowait(slot)

    async def _send(self, slot: int, started: float) -> None:
        self._number += 1
        self._sent_at[self._number] = (started, slot)
        await self._call.write(self._samples[slot].numbered(self._number))

    async def _read(self) -> Any:
        data = await self._call.read()
        if data is grpc.aio.EOF:
            raise ValueError(f"{await self._call.code()}: {await self._call.details()}")
        return pb.MediaStreamMessage.FromString(data)


class Prepared:
    """The message of one slot, built once; only its number changes.

    protobuf lets fields come in any order and be put together, so the number stands before the rest as it is.

    Args:
        content: The frame, or its place in shared memory.
    """

    def __init__(self, content: Any) -> None:
        self._rest = encode(Message(0, 0, Sample(90_000, content)))
        self._message = b""
        self._width = 0

    def numbered(self, number: int) -> bytes:
        """The message with a number; good until the next one is asked for.

        A new message of six megabytes would cost the load more than sending it does, and the clients of other
        protocols send the same bytes over and over. So the number is written into the old message, which nobody but
        this slot holds: grpc has copied it by the time that the write is through.
        """
        varint = _varint(number)
        if len(self._rest) < LARGE or len(varint) != self._width:
            self._message = b"".join((b"\x08", varint, self._rest))
            self._width = len(varint)
        else:
            ctypes.memmove(id(self._message) + _START_OF_BYTES + 1, varint, self._width)
        return self._message


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
