"""A camera that may misbehave: it says what it is told to, in any order, and notes what comes back."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.message import (
    DEFAULT_TIMESCALE,
    Content,
    ContentReference,
    Descriptor,
    GraphIdentifier,
    Message,
    Sample,
    SharedMemory,
)
from framewire.wire import METHOD_PATH, decode, encode

PATIENCE_S = 10.0
"""A test that waits longer than this has failed."""

SMALL = VideoFormat(Encoding.RAW, 4, 2, PixelFormat.RGB24)
"""Frames of 24 bytes."""

DARK = bytes(24)
LIGHT = b"\xff" * 24


TAKES_LITTLE = {"grpc.http2.lookahead_bytes": 16, "grpc.http2.bdp_probe": 0}
"""A transport that takes next to nothing before it is read, so that answers pile up at the server."""


async def eventually(is_so: Callable[[], bool]) -> None:
    """Polls until something is so; fails when it never is."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, f"still not so after {PATIENCE_S:g} s"
        await asyncio.sleep(0.002)


@dataclass(frozen=True)
class Ending:
    """Status and text with which the server ended a call."""

    code: str
    details: str


class WireCamera:
    """One call of the extension's method."""

    def __init__(self, call: Any, *, is_reading: bool = True) -> None:
        self._call = call
        self._sequence_number = 0
        self._changed = asyncio.Event()
        self._status: Ending | None = None
        self._ending: Ending | None = None
        call.add_done_callback(self._note_status)
        self.received: list[Message] = []
        self._reader = asyncio.create_task(self._read()) if is_reading else None

    async def send(self, payload: Descriptor | Sample | None, *, number: int | None = None) -> int:
        """Sends a message under the next sequence number, or under another; returns the number."""
        if number is None:
            self._sequence_number += 1
            number = self._sequence_number
        await self.send_bytes(encode(Message(number, 0, payload)))
        return number

    async def send_bytes(self, data: bytes) -> None:
        """Sends bytes that need not be a message. When the call is over they go nowhere: the ending tells."""
        with suppress(grpc.RpcError, asyncio.InvalidStateError):
            await self._call.write(data)

    async def introduce(self, video_format: VideoFormat | None = SMALL, **changes: Any) -> None:
        """Sends a descriptor."""
        await self.send(descriptor(video_format, **changes))

    async def handshake(self, video_format: VideoFormat | None = SMALL, **changes: Any) -> Message:
        """Sends a descriptor and waits for the server's."""
        await self.introduce(video_format, **changes)
        await self.until(1)
        return self.received[0]

    async def frame(self, content: Content = LIGHT, timestamp: int = 0) -> int:
        """Sends one frame; returns its sequence number."""
        return await self.send(Sample(timestamp, content))

    async def until(self, count: int) -> list[Message]:
        """Waits until the server has sent `count` messages, its descriptor included; returns them."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.received) < count:
                assert self._ending is None, f"ended after {len(self.received)} of {count} messages: {self._ending}"
                self._changed.clear()
                await self._changed.wait()
        return self.received[:count]

    async def answer(self, number: int) -> Sample:
        """Waits for the answer to one frame."""

        def answers() -> list[Message]:
            return [message for message in self.received if message.ack_sequence_number == number]

        async with asyncio.timeout(PATIENCE_S):
            while not answers():
                assert self._ending is None, f"ended before the answer to {number}: {self._ending}"
                self._changed.clear()
                await self._changed.wait()
        (message,) = answers()
        assert isinstance(message.payload, Sample)
        return message.payload

    async def half_close(self) -> None:
        """Says that no more messages come."""
        with suppress(grpc.RpcError, asyncio.InvalidStateError):
            await self._call.done_writing()

    async def ending(self) -> Ending:
        """Waits until the server ends the call."""
        async with asyncio.timeout(PATIENCE_S):
            while self._ending is None:
                self._changed.clear()
                await self._changed.wait()
        return self._ending

    async def finish(self) -> Ending:
        """Half-closes and waits for the end."""
        await self.half_close()
        return await self.ending()

    @property
    def acknowledged(self) -> list[int]:
        """Sequence numbers of the frames that were acknowledged, in the order of the answers."""
        return [message.ack_sequence_number for message in self.received[1:]]

    def reset(self) -> None:
        """Breaks the call off."""
        self._call.cancel()

    async def close(self) -> None:
        """Breaks off what is left of the call."""
        self._call.cancel()
        if self._reader is not None:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader

    async def _read(self) -> None:
        with suppress(grpc.RpcError):
            while (data := await self._call.read()) is not grpc.aio.EOF:
                self.received.append(decode(data))
                self._changed.set()
        for _ in range(500):
            if self._status is not None and self._status.details != "Internal error from Core":
                break
            await asyncio.sleep(0.01)
        self._ending = self._status
        self._changed.set()

    def _note_status(self, _: Any) -> None:
        """Keeps the server's own status: when a write meets the end of the call, grpc.aio puts INTERNAL in its place.

        That may come before it or after.
        """
        status = Ending(_at_once(self._call.code()).name, _at_once(self._call.details()) or "")
        if status.details != "Internal error from Core" or self._status is None:
            self._status = status


def _at_once(answer: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that has nothing to wait for."""
    with pytest.raises(StopIteration) as caught:
        answer.send(None)
    return caught.value.value


def descriptor(
    video_format: VideoFormat | None = SMALL,
    *,
    memory: SharedMemory | None = None,
    configuration: str = "",
    timescale: int = DEFAULT_TIMESCALE,
) -> Descriptor:
    """A camera's descriptor."""
    return Descriptor(GraphIdentifier("", "attack", "camera"), configuration, timescale, video_format, memory)


@asynccontextmanager
async def connection(address: str, **options: int) -> AsyncIterator[grpc.aio.Channel]:
    """A connection of its own to a server."""
    own = {
        "grpc.use_local_subchannel_pool": 1,
        "grpc.max_receive_message_length": -1,
        "grpc.max_send_message_length": -1,
        **options,
    }
    async with grpc.aio.insecure_channel(address, options=list(own.items())) as channel:
        yield channel


@asynccontextmanager
async def camera(
    address: str,
    *,
    metadata: Sequence[tuple[str, str]] = (),
    is_reading: bool = True,
    compression: Any = None,
    options: Mapping[str, int] | None = None,
) -> AsyncIterator[WireCamera]:
    """A call on a connection of its own, on which nothing was sent yet."""
    async with connection(address, **(options or {})) as channel:
        call = channel.stream_stream(METHOD_PATH)(metadata=tuple(metadata), compression=compression)
        wire_camera = WireCamera(call, is_reading=is_reading)
        try:
            yield wire_camera
        finally:
            await wire_camera.close()


class MemoryFile:
    """A file in /dev/shm that this process writes to and never maps, so that every mapping of it is the server's."""

    def __init__(self, path: Path, length_bytes: int) -> None:
        self.path = path
        self.announcement = SharedMemory(path.name, length_bytes)

    def write(self, offset: int, data: bytes) -> ContentReference:
        """Writes a frame; returns where it lies."""
        with self.path.open("r+b", buffering=0) as file:
            assert os.pwrite(file.fileno(), data, offset) == len(data)
        return ContentReference(offset, len(data))

    def truncate(self, length_bytes: int) -> None:
        """Shortens the file."""
        os.truncate(self.path, length_bytes)

    @property
    def is_mapped(self) -> bool:
        """Whether this process, in which the server runs, still maps the file."""
        return self.path.name in Path("/proc/self/maps").read_text(encoding="utf-8")

    @property
    def is_open(self) -> bool:
        """Whether this process, in which the server runs, still has the file open."""
        links = []
        for entry in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):
                links.append(str(entry.readlink()))
        return any(self.path.name in link for link in links)


@contextmanager
def memory_file(length_bytes: int = 4096, *, mode: int = 0o600) -> Iterator[MemoryFile]:
    """A new file in /dev/shm, full of zeros."""
    path = Path("/dev/shm") / f"framewire-test-{uuid.uuid4().hex}"
    path.touch(mode=mode)
    path.chmod(mode)
    os.truncate(path, length_bytes)
    try:
        yield MemoryFile(path, length_bytes)
    finally:
        path.unlink(missing_ok=True)
