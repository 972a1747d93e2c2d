"""Nothing is queued without a bound: fast senders, slow readers, and what they may cost the server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest
from attacked_server import attacked, running
from toy_processors import Gate, gated, label, toy
from wire_camera import DARK, PATIENCE_S, TAKES_LITTLE, Ending, camera, connection, eventually

from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.message import Sample

MEBIBYTE = 1 << 20
LARGE = VideoFormat(Encoding.RAW, 1024, 1024, PixelFormat.RGB24)
"""Frames of 3 MiB."""


def resident_bytes() -> int:
    """Memory of this process, in which the server runs."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * 4096


async def settled(server_value: object) -> int:
    """Waits until a number has not risen for a while; returns it."""
    assert callable(server_value)
    last, since = server_value(), asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() - since < 0.3:
        await asyncio.sleep(0.01)
        if server_value() != last:
            last, since = server_value(), asyncio.get_running_loop().time()
    return int(last)


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        ({"max_in_flight": 4}, 4),
        ({"max_in_flight_mib": 9}, 3),
        ({"max_total_in_flight": 5}, 5),
        ({"max_total_in_flight_mib": 12}, 4),
    ],
    ids=["frames", "bytes", "frames of all", "bytes of all"],
)
async def test_a_flood_is_not_read_while_the_processor_is_busy_and_answered_in_full_afterwards(
    limits: dict[str, int], most: int
) -> None:
    gate, count, frame = Gate(), 40, bytes(3 * MEBIBYTE)
    async with running(gated(gate), **limits) as server, camera(server.address) as flood:
        await flood.handshake(LARGE)
        before = resident_bytes()

        async def send() -> None:
            for _ in range(count):
                await flood.frame(frame)

        sending = asyncio.create_task(send())
        await eventually(lambda: server.frames_in_flight == most)
        assert await settled(lambda: server.frames_in_flight) == most
        # In flight, and on their way in both transports, in several copies; 40 frames would be 120 MiB in one.
        assert resident_bytes() - before < 90 * MEBIBYTE
        assert not sending.done()
        gate.open()
        await sending
        await flood.until(count + 1)
        assert (await flood.finish()).code == "OK"
        assert sorted(flood.acknowledged) == list(range(2, count + 2))


async def test_a_flood_of_small_frames_in_shared_rooms_leaves_each_session_its_own() -> None:
    gate = Gate()
    async with attacked(gated(gate), max_in_flight=8) as server, camera(server.address) as flood:
        await flood.handshake()

        async def send() -> None:
            for _ in range(500):
                await flood.frame(DARK)

        sending = asyncio.create_task(send())
        # The neighbour's frames come and go meanwhile, at most two at once.
        await eventually(lambda: server.frames_in_flight >= 8)
        assert await settled(lambda: server.frames_in_flight >= 8) == 1
        assert server.frames_in_flight <= 10
        gate.open()
        await sending
        await flood.until(501)
        assert (await flood.finish()).code == "OK"


async def test_a_client_that_never_reads_is_not_read_any_more_and_harms_nobody() -> None:
    found = label("x" * 100_000)
    kind = toy(lambda frames: [[found] for _ in frames])
    async with attacked(kind) as server, camera(server.address, is_reading=False, options=TAKES_LITTLE) as silent:
        await silent.introduce()

        async def send() -> None:
            for _ in range(5_000):
                await silent.frame(DARK)

        def unsent_bytes() -> int:
            return max(stream._outbox._unsent_bytes for stream in server._streams)

        sending = asyncio.create_task(send())
        await eventually(lambda: unsent_bytes() >= MEBIBYTE)
        # All that were in flight by then are answered, none more.
        assert await settled(unsent_bytes) < MEBIBYTE + 34 * 100_100
        assert not sending.done()
        silent.reset()
        await asyncio.gather(sending, return_exceptions=True)
        await eventually(lambda: server.sessions == 1)


async def test_a_client_that_never_reads_answers_that_need_no_processor_is_not_read_any_more() -> None:
    async with attacked() as server, camera(server.address, is_reading=False, options=TAKES_LITTLE) as silent:
        await silent.introduce()

        async def send() -> None:
            for _ in range(20_000):
                await silent.send(Sample(1))

        def unsent() -> int:
            return max(stream.statistics().answers.waiting for stream in server._streams)

        sending = asyncio.create_task(send())
        await eventually(lambda: unsent() >= 2048)
        assert await settled(unsent) == 2048
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def test_a_message_that_unpacks_beyond_the_limit_is_refused() -> None:
    gzip = grpc.Compression.Gzip
    async with attacked(max_message_mib=1) as server, camera(server.address, compression=gzip) as attacker:
        await attacker.handshake()
        before = resident_bytes()
        await attacker.frame(bytes(100 * MEBIBYTE))
        assert (await attacker.ending()).code == "RESOURCE_EXHAUSTED"
        # The client's own copies are in this process, too.
        assert resident_bytes() - before < 350 * MEBIBYTE


def sample_of(body: bytes) -> bytes:
    """A message with a media sample of these bytes."""
    length, varint = len(body), b""
    while length > 127:
        varint += bytes([length & 127 | 128])
        length >>= 7
    return b"\x08\x02\x32" + varint + bytes([length]) + body


EMPTY_INFERENCE = b"\x52\x00"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (EMPTY_INFERENCE * 10_001, "a sample has 10001 inferences; allowed: up to 10000"),
        (EMPTY_INFERENCE * (20 * MEBIBYTE), "a message has more than 16384 fields"),
        (
            b"\x52\xff\xff\x7f" + bytes(2 * MEBIBYTE - 1),
            "a message has 2097162 bytes beside its frame; allowed: up to 1048576",
        ),
    ],
    ids=["ten thousand", "twenty million", "one of megabytes"],
)
async def test_inferences_without_end_are_refused_before_anybody_has_to_wait_for_them(body: bytes, text: str) -> None:
    async with attacked() as server, camera(server.address) as attacker:
        await attacker.handshake()
        before_s, before_bytes = asyncio.get_running_loop().time(), resident_bytes()
        await attacker.send_bytes(sample_of(body))
        assert await attacker.ending() == Ending("INVALID_ARGUMENT", text)
        assert asyncio.get_running_loop().time() - before_s < 8
        assert resident_bytes() - before_bytes < 350 * MEBIBYTE


async def test_many_connections_without_a_call_do_no_harm() -> None:
    async with attacked() as server:
        for _ in range(20):
            async with connection(server.address) as channel:
                async with asyncio.timeout(PATIENCE_S):
                    await channel.channel_ready()
