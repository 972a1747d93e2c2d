"""A client that shortens its shared memory file: its own session ends, and nothing else happens."""

from __future__ import annotations

import asyncio
import threading

import pytest
from attacked_server import attacked
from toy_processors import Gate, Record, gated
from wire_camera import DARK, LIGHT, PATIENCE_S, Ending, WireCamera, camera, eventually, memory_file

from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.message import ContentReference

REMEDY = "keep the file at its announced length until the stream has ended"

both_ways = pytest.mark.parametrize("read", ["map", "copy"])


@both_ways
async def test_a_truncation_between_frames_ends_that_session(read: str) -> None:
    with memory_file(8192) as memory:
        async with attacked(shared_memory_read=read) as server, camera(server.address) as attacker:
            await attacker.handshake(memory=memory.announcement)
            reference = memory.write(5000, LIGHT)
            await attacker.answer(await attacker.frame(reference))
            memory.truncate(4096)
            await attacker.frame(reference)
            assert await attacker.ending() == Ending(
                "INVALID_ARGUMENT",
                f"the shared memory has shrunk to 4096 bytes and a frame ends at byte 5024; {REMEDY}",
            )
            await eventually(lambda: not memory.is_mapped and not memory.is_open)


@both_ways
async def test_a_truncation_to_nothing_ends_that_session(read: str) -> None:
    with memory_file(8192) as memory:
        async with attacked(shared_memory_read=read) as server, camera(server.address) as attacker:
            await attacker.handshake(memory=memory.announcement)
            reference = memory.write(0, LIGHT)
            memory.truncate(0)
            await attacker.frame(reference)
            assert (await attacker.ending()).details == (
                f"the shared memory has shrunk to 0 bytes and a frame ends at byte 24; {REMEDY}"
            )


async def fill_behind_a_gate(attacker: WireCamera, gate: Gate, frames: list[object]) -> None:
    for frame in frames:
        await attacker.frame(frame)  # type: ignore[arg-type]
    assert await asyncio.to_thread(gate.entered.wait, PATIENCE_S)


@both_ways
async def test_a_truncation_while_frames_wait_ends_that_session(read: str) -> None:
    gate, record = Gate(), Record()
    with memory_file(8192) as memory:
        async with attacked(gated(gate, record), shared_memory_read=read) as server:
            async with camera(server.address) as attacker, camera(server.address) as other:
                await attacker.handshake(memory=memory.announcement)
                await other.handshake()
                await fill_behind_a_gate(attacker, gate, [DARK, memory.write(5000, LIGHT), memory.write(6000, LIGHT)])
                number = await other.frame(b"\x07" * 24)
                await eventually(lambda: server.frames_in_flight >= 4)
                memory.truncate(4096)
                gate.open()
                assert (await attacker.ending()).code == "INVALID_ARGUMENT"
                # The frame before it was answered, and the other camera of the same processor notices nothing.
                assert attacker.acknowledged == [2]
                await other.answer(number)
            assert [7] in record.batches
            assert [255] not in record.batches


async def test_frames_that_still_lie_in_a_truncated_file_are_answered() -> None:
    with memory_file(8192) as memory:
        async with attacked() as server, camera(server.address) as client:
            await client.handshake(memory=memory.announcement)
            reference = memory.write(0, LIGHT)
            memory.truncate(4096)
            assert len((await client.answer(await client.frame(reference))).inferences) == 1
            assert (await client.finish()).code == "OK"


async def test_a_file_that_is_removed_after_the_handshake_stays_readable() -> None:
    with memory_file() as memory:
        async with attacked() as server, camera(server.address) as client:
            await client.handshake(memory=memory.announcement)
            reference = memory.write(0, LIGHT)
            memory.path.unlink()
            assert len((await client.answer(await client.frame(reference))).inferences) == 1
            assert (await client.finish()).code == "OK"


async def test_copying_survives_a_file_that_shrinks_and_grows_while_it_is_read() -> None:
    large = VideoFormat(Encoding.RAW, 1024, 1024, PixelFormat.RGB24)
    length = 3 << 20
    is_over = threading.Event()
    with memory_file(length) as memory:

        def shake() -> None:
            while not is_over.is_set():
                memory.truncate(100)
                memory.truncate(length)

        shaking = threading.Thread(target=shake)
        shaking.start()
        try:
            async with attacked(shared_memory_read="copy") as server:
                for _ in range(30):
                    async with camera(server.address) as attacker:
                        await attacker.introduce(large, memory=memory.announcement)
                        await attacker.frame(ContentReference(0, length))
                        ending = await attacker.finish()
                        assert ending.code == "OK" or (
                            ending.code == "INVALID_ARGUMENT" and "shared memory" in ending.details
                        ), ending
        finally:
            is_over.set()
            shaking.join()
