"""``Client.send_at_once``: what needs no waiting leaves at once, and nothing overtakes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "cli"))
from crooked_servers import Call, honest, serving_crookedly

from framewire.client import Client, ClientOptions, Result
from framewire.errors import FrameError
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.message import Sample

SMALL = VideoFormat(Encoding.RAW, 4, 2, PixelFormat.RGB24)
FRAME = bytes(24)


@pytest.mark.parametrize("memory_bytes", [0, 4096])
async def test_frames_leave_in_their_order_whichever_way(memory_bytes: int) -> None:
    heard: list[int] = []

    async def noting(call: Call) -> None:
        await call.accept()
        async for frame in call.frames():
            assert isinstance(frame.payload, Sample)
            heard.append(frame.payload.timestamp)
            await call.answer(frame)

    async with serving_crookedly(noting) as address:
        options = ClientOptions(shared_memory_bytes=memory_bytes, in_flight=40)
        async with Client(address, SMALL, options) as client, asyncio.timeout(20):
            numbers = []
            for timestamp in range(30):
                if timestamp % 3:
                    numbers.append(client.send_at_once(FRAME, timestamp))
                else:
                    numbers.append(await client.send(FRAME, timestamp))
            assert numbers == list(range(2, 32))
            await client.finish()
            assert client.send_at_once(FRAME, 99) is None
            found = [(result.sequence_number, result.sent_timestamp) async for result in client]
    assert found == list(zip(range(2, 32), range(30), strict=True))
    assert heard == list(range(30))
    assert client.lost == 0


@pytest.mark.parametrize("options", [ClientOptions(in_flight=2), ClientOptions(in_flight=9, shared_memory_bytes=48)])
async def test_without_room_nothing_is_sent(options: ClientOptions) -> None:
    async with serving_crookedly(honest) as address, Client(address, SMALL, options) as client, asyncio.timeout(20):
        sent = [client.send_at_once(FRAME, timestamp) for timestamp in range(4)]
        assert sent == [2, 3, None, None]
        assert (client.sent, client.in_flight) == (2, 2)
        answers = aiter(client)
        assert [(await anext(answers)).sequence_number for _ in range(2)] == [2, 3]
        assert client.send_at_once(FRAME, 5) == 4


async def test_nothing_overtakes_a_frame_that_waits() -> None:
    may_read = asyncio.Event()

    async def late(call: Call) -> None:
        await call.accept()
        await may_read.wait()
        async for frame in call.frames():
            await call.answer(frame)

    options = ClientOptions(in_flight=100)
    async with serving_crookedly(late) as address, Client(address, SMALL, options) as client, asyncio.timeout(20):
        large = bytes(3 << 20)
        sent = 0
        while client.send_at_once(large, sent) is not None:
            sent += 1
            assert sent < 60  # gRPC does not read so far ahead
        waiting = asyncio.create_task(client.send(large, sent))
        await asyncio.sleep(0)
        assert client.send_at_once(FRAME, 99) is None
        may_read.set()
        numbers = [result.sequence_number async for result in _so_many(client, sent + 1)]
        assert await waiting == sent + 2
    assert numbers == list(range(2, sent + 3))


async def _so_many(client: Client, count: int) -> AsyncIterator[Result]:
    answers = aiter(client)
    for _ in range(count):
        yield await anext(answers)


async def test_a_frame_that_cannot_be_is_refused() -> None:
    options = ClientOptions(shared_memory_bytes=48)
    async with serving_crookedly(honest) as address, Client(address, SMALL, options) as client:
        with pytest.raises(FrameError, match="does not fit the shared memory"):
            client.send_at_once(bytes(49), 0)
        with pytest.raises(FrameError, match="timestamp -1 does not fit the wire"):
            client.send_at_once(FRAME, -1)


def test_a_client_that_is_not_open_sends_nothing() -> None:
    assert Client("127.0.0.1:1", SMALL).send_at_once(FRAME, 0) is None
