"""``Client.deliver``: results as they come, without a task that is woken for each; and other event loops."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

sys.path.append(str(Path(__file__).resolve().parents[1] / "cli"))
from crooked_servers import (
    Behaviour,
    Call,
    adding_a_last_word,
    deaf_to_frames,
    ending_early,
    failing,
    honest,
    inventing,
    serving_crookedly,
)

from framewire.client import Client, ClientOptions, Match, Result
from framewire.errors import ClosedError, PeerError
from framewire.load.null_server import null_server
from framewire.model.format import Encoding, PixelFormat, VideoFormat

SMALL = VideoFormat(Encoding.RAW, 4, 2, PixelFormat.RGB24)
FRAME = bytes(24)
PATIENT = ClientOptions(in_flight=40)


async def test_each_result_is_delivered_in_its_order() -> None:
    found: list[Result] = []
    async with serving_crookedly(honest) as address, Client(address, SMALL, PATIENT) as client, asyncio.timeout(20):
        for timestamp in range(5):
            await client.send(FRAME, 100 + timestamp)
        delivering = asyncio.create_task(client.deliver(found.append))
        for timestamp in range(5, 30):
            await client.send(FRAME, 100 + timestamp)
        await client.finish()
        await delivering
    assert [result.sequence_number for result in found] == list(range(2, 32))
    assert [result.sent_timestamp for result in found] == list(range(100, 130))
    assert all(result.match is Match.MATCHED and len(result.inferences) == 1 for result in found)
    assert client.lost == 0


async def test_what_came_before_is_delivered_too() -> None:
    found: list[int] = []
    async with serving_crookedly(honest) as address, Client(address, SMALL, PATIENT) as client, asyncio.timeout(20):
        for timestamp in range(3):
            await client.send(FRAME, timestamp)
        assert (await anext(aiter(client))).sequence_number == 2
        await asyncio.sleep(0.3)  # the other two are here, and nothing more will come
        both = asyncio.Event()

        def take(result: Result) -> None:
            found.append(result.sequence_number)
            if len(found) == 2:
                both.set()

        delivering = asyncio.create_task(client.deliver(take))
        await both.wait()
        await client.finish()
        await delivering
    assert found == [3, 4]


async def test_frames_can_be_sent_while_a_result_is_taken() -> None:
    found: list[int] = []
    async with serving_crookedly(honest) as address, Client(address, SMALL) as client, asyncio.timeout(20):
        finishing: list[asyncio.Task[None]] = []

        def next_one(result: Result) -> None:
            found.append(result.sequence_number)
            if result.sequence_number < 50:
                assert client.send_at_once(FRAME, 0) == result.sequence_number + 1
            else:
                finishing.append(asyncio.create_task(client.finish()))

        await client.send(FRAME, 0)
        await client.deliver(next_one)
        await finishing[0]
    assert found == list(range(2, 51))


async def talking_nonsense(call: Call) -> None:
    await call.accept()
    async for frame in call.frames():
        await call.answer(frame)
        await call.context.write(b"\xff" * 12)


@pytest.mark.parametrize(
    ("behaviour", "delivered", "words"),
    [
        (failing, [2, 3], "ended the stream with INTERNAL: the model fell over"),
        (ending_early, [2, 3], "ended the stream before we did"),
        (talking_nonsense, [2], "sent something else than the contract's messages"),
    ],
)
async def test_the_end_is_told_after_the_results(behaviour: Behaviour, delivered: list[int], words: str) -> None:
    found: list[int] = []
    async with serving_crookedly(behaviour) as address, Client(address, SMALL, PATIENT) as client, asyncio.timeout(20):
        for timestamp in range(3):
            client.send_at_once(FRAME, timestamp)
        with pytest.raises(PeerError, match=words):
            await client.deliver(lambda result: found.append(result.sequence_number))
        with pytest.raises(PeerError, match=words):
            await client.send(FRAME, 9)
    assert found == delivered


async def test_odd_acknowledgements_are_delivered_as_what_they_are() -> None:
    found: list[tuple[Match, int]] = []
    async with serving_crookedly(inventing) as address, Client(address, SMALL) as client, asyncio.timeout(20):
        await client.send(FRAME, 0)
        await client.finish()
        await client.deliver(lambda result: found.append((result.match, result.sequence_number)))
    assert found == [(Match.MATCHED, 2), (Match.UNKNOWN, 1002)]


async def test_an_answer_to_no_frame_is_delivered() -> None:
    found: list[tuple[Match, int]] = []
    async with serving_crookedly(adding_a_last_word) as address, Client(address, SMALL) as client:
        async with asyncio.timeout(20):
            await client.send(FRAME, 0)
            await client.finish()
            await client.deliver(lambda result: found.append((result.match, result.sequence_number)))
    assert [number for _, number in found] == [2, 0]


@pytest.mark.parametrize(
    "raised",
    [RuntimeError("the taker broke"), StopIteration(), PeerError("another host fell over", status="UNAVAILABLE")],
)
async def test_what_the_taker_raises_ends_it_and_nothing_else(raised: Exception) -> None:
    taken: list[int] = []

    def take(result: Result) -> None:
        taken.append(result.sequence_number)
        raise raised

    async with serving_crookedly(honest) as address, Client(address, SMALL, PATIENT) as client, asyncio.timeout(20):
        delivering = asyncio.create_task(_error_of(client.deliver(take)))
        await asyncio.sleep(0)
        for timestamp in range(3):
            await client.send(FRAME, timestamp)
        assert await delivering is raised
        # The session is well, and what was not taken is not lost.
        await client.send(FRAME, 3)
        await client.finish()
        assert [result.sequence_number async for result in client] == [3, 4, 5]
    assert taken == [2]


async def _error_of(work: Coroutine[Any, Any, None]) -> Exception | None:
    # Caught here: a StopIteration cannot leave a task.
    try:
        await work
    except RuntimeError as error:
        return error.__cause__ if isinstance(error.__cause__, StopIteration) else error
    except PeerError as error:
        return error
    return None


async def test_a_taker_that_cancels_its_own_delivery_takes_no_more() -> None:
    taken: list[int] = []

    async with serving_crookedly(honest) as address, Client(address, SMALL, PATIENT) as client, asyncio.timeout(20):
        delivering: list[asyncio.Task[None]] = []

        def take(result: Result) -> None:
            taken.append(result.sequence_number)
            delivering[0].cancel()

        for timestamp in range(3):
            await client.send(FRAME, timestamp)
        await client.finish()
        delivering.append(asyncio.create_task(client.deliver(take)))
        with pytest.raises(asyncio.CancelledError):
            await delivering[0]
        assert [result.sequence_number async for result in client] == [3, 4]
    assert taken == [2]


async def test_a_delivery_takes_the_place_of_one_that_is_cancelled() -> None:
    found: list[int] = []
    async with serving_crookedly(honest) as address, Client(address, SMALL, PATIENT) as client, asyncio.timeout(20):
        first = asyncio.create_task(client.deliver(lambda result: None))
        await asyncio.sleep(0)
        with pytest.raises(ClosedError, match="delivers its results already"):
            await client.deliver(lambda result: None)
        first.cancel()
        second = asyncio.create_task(client.deliver(lambda result: found.append(result.sequence_number)))
        await asyncio.sleep(0)
        await client.send(FRAME, 0)
        await client.finish()
        await second
    assert found == [2]


async def test_who_is_cancelled_leaves_the_rest() -> None:
    async with serving_crookedly(honest) as address, Client(address, SMALL, PATIENT) as client, asyncio.timeout(20):
        delivering = asyncio.create_task(client.deliver(lambda result: None))
        await asyncio.sleep(0)
        delivering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivering
        await client.send(FRAME, 0)
        await client.finish()
        assert [result.sequence_number async for result in client] == [2]


async def test_a_client_that_is_closed_delivers_no_more() -> None:
    with pytest.raises(ClosedError, match="not open"):
        await Client("127.0.0.1:1", SMALL).deliver(lambda result: None)
    async with serving_crookedly(honest) as address, asyncio.timeout(20):
        async with Client(address, SMALL) as client:
            delivering = asyncio.create_task(client.deliver(lambda result: None))
            await asyncio.sleep(0)
        with pytest.raises(ClosedError, match="was closed"):
            await delivering


async def test_a_client_is_one_session() -> None:
    async with serving_crookedly(deaf_to_frames) as address, asyncio.timeout(20):
        client = Client(address, SMALL, ClientOptions(shared_memory_bytes=4096))
        async with client:
            for timestamp in range(3):
                await client.send(FRAME, timestamp)
            with pytest.raises(ClosedError, match="make another"):
                await client.__aenter__()
            assert client.in_flight == 3
        assert client.lost == 3
        for _ in range(2):
            with pytest.raises(ClosedError, match="a client is one session, and this one was open already"):
                await client.__aenter__()
            await client.__aexit__(None, None, None)
            assert client.lost == 3


async def test_a_client_that_found_nobody_is_not_tried_again() -> None:
    client = Client("127.0.0.1:1", SMALL, ClientOptions(shared_memory_bytes=4096))
    with pytest.raises(PeerError, match="cannot be reached"):
        await client.__aenter__()
    with pytest.raises(ClosedError, match="make another"):
        await client.__aenter__()


@pytest.mark.parametrize("is_iterated", [True, False])
def test_uvloop_runs_a_client(is_iterated: bool) -> None:
    """Its transports are none of asyncio's classes, and it swallows what a protocol raises."""
    jpeg = VideoFormat(Encoding.JPG, 64, 64)
    found: list[int] = []

    async def send_and_receive() -> None:
        async with null_server() as address, asyncio.timeout(20), Client(address, jpeg, PATIENT) as client:

            async def receive() -> None:
                if is_iterated:
                    found.extend([result.sequence_number async for result in client])
                else:
                    await client.deliver(lambda result: found.append(result.sequence_number))

            receiving = asyncio.create_task(receive())
            for timestamp in range(20):
                await client.send(bytes(3 << 20), timestamp)
            await client.finish()
            await receiving

    uvloop.run(send_and_receive())
    assert found == list(range(2, 22))
