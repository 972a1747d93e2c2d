"""The client library when streams end: nothing that was answered is lost, and both sides are told why."""

import asyncio

import crooked_servers as crooked
import grpc
import pytest
from crooked_servers import Call, serving_crookedly

from framewire.client import Client, ClientOptions, Match
from framewire.errors import ClosedError, PeerError
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.inference import Classification, Tag

SMALL = VideoFormat(Encoding.RAW, 4, 2, PixelFormat.RGB24)
FRAME = bytes(24)


@pytest.mark.parametrize("behaviour", [crooked.refusing, crooked.hanging_up], ids=lambda value: value.__name__)
async def test_a_refusal_is_told_in_the_words_of_the_server(behaviour: crooked.Behaviour) -> None:
    """The descriptor is still being written when the status comes; whichever is first, the status is the server's."""
    seen = set()
    async with serving_crookedly(behaviour) as address:
        for _ in range(100):
            with pytest.raises(PeerError) as refused:
                async with Client(address, SMALL):
                    pass
            seen.add(refused.value.status)
    assert seen == {"RESOURCE_EXHAUSTED" if behaviour is crooked.refusing else "OK"}


@pytest.mark.parametrize("memory_bytes", [0, 4096])
async def test_all_answers_before_the_end_arrive_while_frames_pour_in(memory_bytes: int) -> None:
    async def failing_after_twenty(call: Call) -> None:
        await call.accept()
        async for frame in call.frames():
            await call.answer(frame)
            if frame.sequence_number == 21:
                await call.context.abort(grpc.StatusCode.UNAVAILABLE, "shutting down")

    options = ClientOptions(in_flight=32, shared_memory_bytes=memory_bytes)

    async def pour(client: Client) -> None:
        while True:
            await client.send(FRAME, 0)

    async def read(client: Client, numbers: list[int]) -> None:
        async for result in client:
            numbers.append(result.sequence_number)  # noqa: PERF401 - what came before the error is wanted

    async with serving_crookedly(failing_after_twenty) as address:
        for _ in range(20):
            numbers: list[int] = []
            async with Client(address, SMALL, options) as client, asyncio.timeout(30):
                both = await asyncio.gather(pour(client), read(client, numbers), return_exceptions=True)
            assert numbers == list(range(2, 22))
            assert [str(error) for error in both] == [f"{address} ended the stream with UNAVAILABLE: shutting down"] * 2
            assert client.lost == client.sent - 20


async def test_a_frame_s_number_is_known_before_its_result_comes() -> None:
    known: set[int] = set()

    async def pour(client: Client) -> None:
        for _ in range(500):
            known.add(await client.send(FRAME, 0))
        await client.finish()

    async with serving_crookedly(crooked.honest) as address, Client(address, SMALL) as client:
        pouring = asyncio.create_task(pour(client))
        async for result in client:
            assert result.match is Match.MATCHED
            assert result.sequence_number in known
        await pouring
    assert len(known) == 500
    assert client.lost == 0


async def test_long_answers_and_long_frames_do_not_wait_for_each_other() -> None:
    """A server that takes the next frame only when its answer is gone."""
    long = (Classification(Tag("x" * 1_000_000)),)
    large = VideoFormat(Encoding.RAW, 1000, 1000, PixelFormat.RGB24)

    async def one_after_the_other(call: Call) -> None:
        await call.accept()
        async for frame in call.frames():
            await call.answer(frame, long)

    async def pour(client: Client) -> None:
        for _ in range(20):
            await client.send(bytes(3_000_000), 0)
        await client.finish()

    count = 0
    async with (
        serving_crookedly(one_after_the_other) as address,
        asyncio.timeout(30),
        Client(address, large, ClientOptions(in_flight=8)) as client,
    ):
        pouring = asyncio.create_task(pour(client))
        async for _ in client:
            count += 1
        await pouring
    assert count == 20


async def test_closing_frees_who_waits_for_room() -> None:
    async with serving_crookedly(crooked.deaf_to_frames) as address:
        client = Client(address, SMALL, ClientOptions(in_flight=1, shared_memory_bytes=4096))
        async with client:
            await client.send(FRAME, 0)
            waiting = asyncio.create_task(client.send(FRAME, 0))
            await asyncio.sleep(0)
            assert not waiting.done()
        async with asyncio.timeout(10):
            with pytest.raises(ClosedError):
                await waiting
    assert (client.sent, client.lost) == (1, 1)


async def test_closing_frees_who_waits_for_results() -> None:
    async def read(client: Client) -> None:
        async for _ in client:
            pass

    async with serving_crookedly(crooked.deaf_to_frames) as address:
        async with Client(address, SMALL) as client:
            reading = asyncio.create_task(read(client))
            await client.send(FRAME, 0)
        async with asyncio.timeout(10):
            with pytest.raises(ClosedError):
                await reading


async def test_sending_after_the_end_is_refused() -> None:
    async with serving_crookedly(crooked.honest) as address, Client(address, SMALL) as client:
        await client.finish()
        await client.finish()
        with pytest.raises(ClosedError):
            await client.send(FRAME, 0)
        assert [result async for result in client] == []
