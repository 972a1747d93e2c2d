"""A camera that keeps account of every frame: answered rightly, answered with nothing, or not at all."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
import grpc.aio
from footprints import PATIENCE_S
from soaked_server import CHANNEL_OPTIONS

from framewire.frames.shared_memory import SharedMemoryFile
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.inference import Text
from framewire.model.message import ContentReference, Descriptor, GraphIdentifier, Message, Sample
from framewire.wire import METHOD_PATH, decode, encode

TINY = VideoFormat(Encoding.RAW, 64, 48, PixelFormat.RGB24)
"""Frames of 9,216 bytes."""

FULL_HD = VideoFormat(Encoding.RAW, 1920, 1080, PixelFormat.RGB24)
"""Frames of 6,220,800 bytes."""


@dataclass
class Account:
    """What became of the frames of one camera or of several.

    Attributes:
        sent: Frames whose message was written.
        right: Frames answered with their own first byte.
        empty: Frames acknowledged with no inferences.
        wrong: Frames answered with anything else.
        strange: Acknowledgements of a frame that was answered before, or never sent.
        lost: Frames without an acknowledgement when their stream had ended.
        emptied: First bytes of the empty ones.
        right_ages_s: Seconds from the end of a frame's write to its answer, of the right ones.
        empty_ages_s: The same of the empty ones.
        statuses: How streams have ended.
    """

    sent: int = 0
    right: int = 0
    empty: int = 0
    wrong: int = 0
    strange: int = 0
    lost: int = 0
    emptied: Counter[int] = field(default_factory=Counter)
    right_ages_s: list[float] = field(default_factory=list)
    empty_ages_s: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    @property
    def answered(self) -> int:
        """Frames that were acknowledged."""
        return self.right + self.empty + self.wrong

    @property
    def is_complete(self) -> bool:
        """Whether every frame was acknowledged exactly once, and none with another's inferences."""
        return self.answered == self.sent and not (self.wrong or self.strange or self.lost)


@dataclass
class _Frame:
    level: int
    slot: int | None
    written_s: float = 0.0


class SoakCamera:
    """One session on a connection of its own, as an asynchronous context manager that leaves nothing in /dev/shm.

    Args:
        address: Where the server listens.
        account: Takes what becomes of the frames.
        video_format: Form of the frames, raw and without gaps.
        in_flight: Most frames that wait for their acknowledgement; :meth:`send` waits beyond it.
        slots: Frames that fit the session's shared memory; 0 embeds them.
        keeps_ages: Whether the account is to keep the age of each answer.
    """

    def __init__(
        self,
        address: str,
        account: Account,
        video_format: VideoFormat = TINY,
        *,
        in_flight: int = 4,
        slots: int = 0,
        keeps_ages: bool = False,
    ) -> None:
        self._address = address
        self._account = account
        self._format = video_format
        self._frame = bytearray(video_format.width * video_format.height * 3)
        self._memory = SharedMemoryFile(slots * len(self._frame)) if slots else None
        self._free = list(range(slots))
        self._places = asyncio.Semaphore(min(in_flight, slots) if slots else in_flight)
        self._keeps_ages = keeps_ages
        self._pending: dict[int, _Frame] = {}
        self._number = 0
        self._call: Any = None
        self._channel: Any = None
        self._reader: asyncio.Task[None] | None = None
        self.is_over = False
        """Whether the server has ended the stream, or the connection is gone."""

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
            await self.introduce()
            await self.accepted()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def connect(self) -> None:
        """Begins the call."""
        self._channel = grpc.aio.insecure_channel(self._address, options=CHANNEL_OPTIONS)
        self._call = self._channel.stream_stream(METHOD_PATH)()

    async def introduce(self) -> None:
        """Sends the descriptor."""
        memory = None if self._memory is None else self._memory.announcement
        await self._write(
            Descriptor(GraphIdentifier("", "soak", "camera"), video_format=self._format, shared_memory=memory)
        )

    async def accepted(self) -> None:
        """Waits for the server's descriptor; answers are taken in from now on."""
        async with asyncio.timeout(PATIENCE_S):
            message = await self._call.read()
        if message is grpc.aio.EOF:
            raise RuntimeError(f"refused: {await self._call.code()}: {await self._call.details()}")
        self._reader = asyncio.create_task(self._read())

    async def send(self, level: int) -> None:
        """Sends one frame whose first byte is `level`, as soon as fewer are in flight than may be."""
        await self._places.acquire()
        if self.is_over:
            self._places.release()  # whoever sends on is told at once, too
            return
        slot = None if self._memory is None else self._free.pop()
        frame = _Frame(level, slot)
        self._frame[0] = level
        content: bytes | ContentReference = b""
        if self._memory is None or slot is None:
            content = bytes(self._frame)
        else:
            start, length = slot * len(self._frame), len(self._frame)
            self._memory.buffer[start : start + length] = self._frame
            content = ContentReference(start, length)
        self._pending[self._number + 1] = frame
        self._account.sent += 1
        await self._write(Sample(self._number * 3_000, content))
        frame.written_s = time.monotonic()

    async def finish(self, within_s: float = PATIENCE_S) -> None:
        """Half-closes, takes in the answers to all frames, and notes how the stream ended."""
        await self.half_close()
        assert self._reader is not None
        async with asyncio.timeout(within_s):
            await self._reader
        self._account.statuses[(await self._call.code()).name] += 1
        self._account.lost += len(self._pending)
        self._pending.clear()

    async def half_close(self) -> None:
        """Says that no more frames come."""
        with suppress(grpc.RpcError, grpc.aio.InternalError, asyncio.InvalidStateError):
            await self._call.done_writing()

    def reset(self) -> None:
        """Breaks the call off."""
        self._call.cancel()

    async def close(self) -> None:
        """Breaks off what is left of the call and lets go of everything."""
        if self._call is not None:
            self._call.cancel()
        if self._reader is not None:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader
        if self._channel is not None:
            await self._channel.close()
        if self._memory is not None:
            self._memory.close()

    async def _write(self, payload: Descriptor | Sample) -> None:
        self._number += 1
        # When the call is over a message goes nowhere; its frame stays without an answer, and the account shows that.
        with suppress(grpc.RpcError, grpc.aio.InternalError, asyncio.InvalidStateError):
            await self._call.write(encode(Message(self._number, 0, payload)))

    async def _read(self) -> None:
        with suppress(grpc.RpcError):
            while (data := await self._call.read()) is not grpc.aio.EOF:
                self._note(decode(data))
        self.is_over = True
        self._places.release()

    def _note(self, answer: Message) -> None:
        account = self._account
        frame = self._pending.pop(answer.ack_sequence_number, None)
        if frame is None or not isinstance(answer.payload, Sample):
            account.strange += 1
            return
        age_s = time.monotonic() - frame.written_s if frame.written_s else 0.0
        words = [inference.value for inference in answer.payload.inferences if isinstance(inference, Text)]
        if words == [str(frame.level)]:
            account.right += 1
            if self._keeps_ages:
                account.right_ages_s.append(age_s)
        elif not answer.payload.inferences:
            account.empty += 1
            account.emptied[frame.level] += 1
            if self._keeps_ages:
                account.empty_ages_s.append(age_s)
        else:
            account.wrong += 1
        if frame.slot is not None:
            self._free.append(frame.slot)
        self._places.release()
