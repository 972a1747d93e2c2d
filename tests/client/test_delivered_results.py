"""``Client.deliver``: results as they come, without a task that is woken for each; and other event loops."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
        delivering = asyncio.create_task(client.deliver(lambda result: found.append(result.sequence_number)))
        await asyncio.sleep(0)
        assert found == [3, 4]
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


async def test_what_the_taker_raises_ends_it() -> None:
    taken: list[int] = []

    def take(result: Result) -> None:
        taken.append(result.sequence_number)
        raise RuntimeError("the taker broke")

    async with serving_crookedly(honest) as address, Client(address, SMALL, PATIENT) as client, asyncio.timeout(20):
        for timestamp in range(3):
            await client.send(FRAME, timestamp)
        with pytest.raises(RuntimeError, match="the taker broke"):
            await client.deliver(take)
        # What it has not taken is not lost.
        await client.finish()
        assert [result.sequence_number async for result in client] == [3, 4]
    assert taken == [2]


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


async def test_leaving_a_client_twice_changes_nothing() -> None:
    async with serving_crookedly(deaf_to_frames) as address, asyncio.timeout(20):
        client = Client(address, SMALL, PATIENT)
        async with client:
            for timestamp in range(3):
                await client.send(FRAME, timestamp)
        assert client.lost == 3
        await client.__aexit__(None, None, None)
        assert client.lost == 3


@contextmanager
def null_server() -> Iterator[str]:
    """An extension in a process of its own; gives its address."""
    command = [sys.executable, "-P", "-m", "framewire.load.null_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.mark.parametrize("is_iterated", [True, False])
def test_uvloop_runs_a_client(is_iterated: bool) -> None:
    """Its transports are none of asyncio's classes, and it swallows what a protocol raises."""
    jpeg = VideoFormat(Encoding.JPG, 64, 64)
    found: list[int] = []

    async def send_and_receive(address: str) -> None:
        async with asyncio.timeout(20), Client(address, jpeg, PATIENT) as client:

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

    with null_server() as address:
        uvloop.run(send_and_receive(address))
    assert found == list(range(2, 22))
