"""Streams of the V2 inference protocol: Triton and MLServer."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import v2
from cells import Cell
from contract_load import CHANNEL_OPTIONS
from load import Clock, Stream

from framewire.frames.shared_memory import SharedMemoryFile


class TritonClient:
    """Opens streams of Triton: one ModelStreamInfer call each, which costs less per frame than a call for each frame.

    Args:
        address: HOST:PORT of the server.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    @asynccontextmanager
    async def open(self, cell: Cell, frames: list[bytes]) -> AsyncIterator[Stream]:
        name = "model" if cell.work == "model" else "jpeg" if cell.is_jpeg else "raw"
        async with (
            grpc.aio.insecure_channel(self._address, options=CHANNEL_OPTIONS) as channel,
            _contents(channel, cell, frames) as contents,
        ):
            requests = []
            for slot, (frame, content) in enumerate(zip(frames, contents, strict=True)):
                shape = (1, len(frame)) if cell.is_jpeg else (1, *cell.size)
                requests.append(v2.infer_request(name, shape, content, identity=str(slot)))
            call = channel.stream_stream(v2.SERVICE + "ModelStreamInfer")()
            yield TritonStream(call, requests)
            await call.done_writing()
            # The regions are in use until the stream has ended.
            while await call.read() is not grpc.aio.EOF:
                pass


class TritonStream:
    """One stream with its prepared requests, told apart by their slots."""

    def __init__(self, call: Any, requests: list[bytes]) -> None:
        self._call = call
        self._requests = requests

    async def ask(self, slot: int) -> bool:
        await self._call.write(self._requests[slot])
        return v2.first_output(v2.streamed(await self._read())) == 1

    async def run(self, clock: Clock) -> None:
        sent_at: dict[str, float] = {}
        for slot, request in enumerate(self._requests):
            sent_at[str(slot)] = time.perf_counter()
            await self._call.write(request)
        while sent_at:
            identity = v2.identity(v2.streamed(await self._read()))
            now = time.perf_counter()
            clock.answered(sent_at.pop(identity), now)
            if now < clock.end:
                sent_at[identity] = time.perf_counter()
                await self._call.write(self._requests[int(identity)])

    async def run_at(self, clock: Clock, frames_per_second: float, phase: float) -> None:
        raise NotImplementedError("open loop is offered to servers of the contract alone")

    async def _read(self) -> bytes:
        data = await self._call.read()
        if data is grpc.aio.EOF:
            raise ValueError(f"{await self._call.code()}: {await self._call.details()}")
        return bytes(data)


class MlserverClient:
    """Opens streams of MLServer: four loops of ModelInfer calls each, as its streaming call asks for another model.

    Frames travel as one element of type BYTES: of a UINT8 tensor MLServer makes a list of six million numbers.

    Args:
        address: HOST:PORT of the server.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    @asynccontextmanager
    async def open(self, cell: Cell, frames: list[bytes]) -> AsyncIterator[Stream]:
        async with (
            grpc.aio.insecure_channel(self._address, options=CHANNEL_OPTIONS) as channel,
            _contents(channel, cell, frames) as contents,
        ):
            requests = []
            for content in contents:
                assert isinstance(content, bytes)
                element = struct.pack("<I", len(content)) + content
                requests.append(v2.infer_request("raw", (1,), element, datatype="BYTES"))
            yield MlserverStream(channel.unary_unary(v2.SERVICE + "ModelInfer"), requests)


class MlserverStream:
    """One channel with its prepared requests."""

    def __init__(self, call: Any, requests: list[bytes]) -> None:
        self._call = call
        self._requests = requests

    async def ask(self, slot: int) -> bool:
        return v2.first_output(await self._call(self._requests[slot])) == 1

    async def run(self, clock: Clock) -> None:
        async with asyncio.TaskGroup() as tasks:
            for request in self._requests:
                tasks.create_task(self._repeat(clock, request))

    async def run_at(self, clock: Clock, frames_per_second: float, phase: float) -> None:
        raise NotImplementedError("open loop is offered to servers of the contract alone")

    async def _repeat(self, clock: Clock, request: bytes) -> None:
        while (started := time.perf_counter()) < clock.end:
            await self._call(request)
            clock.answered(started, time.perf_counter())


@asynccontextmanager
async def _contents(channel: Any, cell: Cell, frames: list[bytes]) -> AsyncIterator[list[bytes | v2.Region]]:
    """The frames themselves, or their places in a region that the server has been told of."""
    if not cell.is_shared:
        yield list(frames)
        return
    memory = SharedMemoryFile(sum(map(len, frames)))
    name = f"bench-{secrets.token_hex(6)}"
    try:
        offsets = itertools.accumulate(map(len, frames), initial=0)
        regions: list[bytes | v2.Region] = []
        for frame, offset in zip(frames, offsets, strict=False):
            memory.buffer[offset : offset + len(frame)] = frame
            regions.append(v2.Region(name, offset, len(frame)))
        announcement = memory.announcement
        register = v2.register_request(name, announcement.handle_name, announcement.length_bytes)
        await channel.unary_unary(v2.SERVICE + "SystemSharedMemoryRegister")(register)
        yield regions
        await _unregister(channel, name)
    finally:
        memory.close()


async def _unregister(channel: Any, name: str) -> None:
    call = channel.unary_unary(v2.SERVICE + "SystemSharedMemoryUnregister")
    async with asyncio.timeout(5):
        while True:
            try:
                await call(v2.unregister_request(name))
            except grpc.aio.AioRpcError as error:
                # Triton lets go of a region a moment after it has sent the answer, and tells the end of that by no
                # other sign.
                if "currently in use" not in (error.details() or ""):
                    raise
                await asyncio.sleep(0.01)
            else:
                return
