"""``batch_reply=aggregate``: what older servers answered to batches, for those who depend on it (ADR 0004)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from attacked_server import running
from toy_processors import Gate, Record, first_value, gated, label, telling, toy
from wire_camera import LIGHT, PATIENCE_S, SMALL, Ending, camera, eventually, memory_file

from framewire.client import Client, ClientOptions, Match
from framewire.model.format import Encoding, VideoFormat
from framewire.model.frame import Frame
from framewire.model.inference import Event, Inference
from framewire.model.message import ContentReference, Message, Sample

AGGREGATE: dict[str, Any] = {"batch_reply": "aggregate", "batch_size": 3}


def adding(count: int) -> Event:
    return Event(f"Adding image #{count} to batch.", subtype="BatchAggregation", properties={})


def answer(sequence_number: int, ack: int, timestamp: int, *inferences: Inference) -> Message:
    return Message(sequence_number, ack, Sample(timestamp, inferences=inferences))


def pixels(value: int) -> bytes:
    return bytes([value]) * 24


async def test_early_answers_say_what_was_added_and_the_last_one_carries_the_inferences_of_all_in_order() -> None:
    async with running(telling(), **AGGREGATE) as server, camera(server.address) as client:
        await client.handshake()
        for value in range(1, 7):
            await client.frame(pixels(value), timestamp=value * 10)
            if value == 3:
                await client.until(4)
        messages = await client.until(7)
        assert await client.finish() == Ending("OK", "")
        assert len(client.received) == 7
    assert messages[1:] == [
        answer(2, 2, 10, adding(1)),
        answer(3, 3, 20, adding(2)),
        answer(4, 4, 30, label("1"), label("2"), label("3")),
        answer(5, 5, 40, adding(1)),
        answer(6, 6, 50, adding(2)),
        answer(7, 7, 60, label("4"), label("5"), label("6")),
    ]


async def test_what_is_left_after_the_half_close_goes_out_in_one_message_that_acknowledges_nothing() -> None:
    async with running(telling(), **AGGREGATE) as server, camera(server.address) as client:
        await client.handshake()
        for value in range(1, 6):
            await client.frame(pixels(value), timestamp=value * 10)
            if value == 3:
                await client.until(4)
        await client.until(6)
        assert await client.finish() == Ending("OK", "")
    assert client.received[4:] == [
        answer(5, 5, 40, adding(1)),
        answer(6, 6, 50, adding(2)),
        answer(7, 0, 50, label("4"), label("5")),
    ]


async def test_nothing_is_left_after_a_full_batch() -> None:
    async with running(telling(), **AGGREGATE) as server, camera(server.address) as client:
        await client.handshake()
        for value in range(3):
            await client.frame(pixels(value))
        assert await client.finish() == Ending("OK", "")
        assert [message.ack_sequence_number for message in client.received] == [1, 2, 3, 4]


@pytest.mark.parametrize("read", ["map", "copy"])
async def test_pixels_are_copied_before_an_early_acknowledgement(read: str) -> None:
    async with running(telling(), shared_memory_read=read, **AGGREGATE) as server, camera(server.address) as client:
        with memory_file() as memory:
            await client.handshake(memory=memory.announcement)
            # One slot for all: it is free again after each acknowledgement.
            for value in (1, 2):
                await client.frame(memory.write(0, pixels(value)))
                await client.until(value + 1)
                memory.write(0, pixels(0xEE))
            await client.frame(memory.write(0, pixels(3)))
            messages = await client.until(4)
    assert messages[3] == answer(4, 4, 0, label("1"), label("2"), label("3"))


async def test_each_session_counts_for_itself() -> None:
    async with (
        running(telling(), **AGGREGATE) as server,
        camera(server.address) as one,
        camera(server.address) as other,
    ):
        await one.handshake()
        await other.handshake()
        await one.frame(pixels(1))
        await one.until(2)
        await other.frame(pixels(9))
        await other.until(2)
        await one.frame(pixels(2))
        await one.frame(pixels(3))
        assert (await one.until(4))[3] == answer(4, 4, 0, label("1"), label("2"), label("3"))
        assert other.received[1] == answer(2, 2, 0, adding(1))


async def test_a_bad_frame_adds_nothing_to_its_batch_and_spoils_nothing() -> None:
    async with running(telling(), **AGGREGATE) as server, camera(server.address) as client:
        await client.handshake()
        for content in (pixels(1), bytes(5), pixels(3)):
            await client.frame(content)
        messages = await client.until(4)
        assert messages[1:] == [
            answer(2, 2, 0, adding(1)),
            answer(3, 3, 0, adding(2)),
            answer(4, 4, 0, label("1"), label("3")),
        ]
        assert (await client.finish()).code == "OK"


async def test_a_frame_too_long_to_be_copied_is_a_bad_frame() -> None:
    length = 1 << 46
    with memory_file(length) as memory:
        async with running(**AGGREGATE) as server, camera(server.address) as client:
            await client.handshake(VideoFormat(Encoding.JPG, 4, 2), memory=memory.announcement)
            for _ in range(3):
                await client.frame(ContentReference(0, length))
            assert (await client.until(4))[3] == answer(4, 4, 0)
            assert (await client.finish()).code == "OK"


async def test_a_sample_without_content_is_acknowledged_and_not_counted() -> None:
    async with running(telling(), **AGGREGATE) as server, camera(server.address) as client:
        await client.handshake()
        await client.frame(pixels(1))
        await client.frame(None, timestamp=7)
        await client.frame(pixels(2))
        assert (await client.until(4))[1:] == [
            answer(2, 2, 0, adding(1)),
            answer(3, 3, 7),
            answer(4, 4, 0, adding(2)),
        ]


async def test_a_truncated_file_ends_the_session_while_a_frame_is_copied() -> None:
    with memory_file(8192) as memory:
        async with running(telling(), **AGGREGATE) as server, camera(server.address) as client:
            await client.handshake(memory=memory.announcement)
            reference = memory.write(5000, LIGHT)
            memory.truncate(100)
            await client.frame(reference)
            assert (await client.ending()).code == "INVALID_ARGUMENT"


async def test_a_processor_that_fails_leaves_the_batch_without_the_frames_at_fault() -> None:
    def process(frames: Sequence[Frame]) -> Any:
        if frames[0].pixels[0] == 2:
            raise RuntimeError("a two")
        return [(first_value(frames[0]),)] + [(first_value(frame),) for frame in frames[1:]]

    async with running(toy(process), **AGGREGATE) as server, camera(server.address) as client:
        await client.handshake()
        for value in (2, 2, 3):
            await client.frame(pixels(value))
        assert (await client.until(4))[3].payload == Sample(0, inferences=(label("3"),))


async def test_draining_sends_what_is_left_before_the_status() -> None:
    gate, record = Gate(), Record()
    async with running(gated(gate, record), **AGGREGATE) as server, camera(server.address) as client:
        await client.handshake()
        for value in range(1, 6):
            await client.frame(pixels(value), timestamp=value)
        await client.until(5)
        assert await asyncio.to_thread(gate.entered.wait, PATIENCE_S)
        draining = asyncio.create_task(server.drain())
        await eventually(lambda: server.frames_in_flight == 5)
        gate.open()
        assert await draining
        assert (await client.ending()).code == "UNAVAILABLE"
        assert client.received[-2:] == [
            answer(6, 4, 3, label("1"), label("2"), label("3")),
            answer(7, 0, 5, label("4"), label("5")),
        ]


async def test_our_client_counts_none_of_these_as_doubled_or_unknown() -> None:
    async with running(telling(), **AGGREGATE) as server:
        async with Client(server.address, SMALL, ClientOptions(shared_memory_bytes=100)) as client:

            async def send() -> None:
                for value in range(8):
                    await client.send(pixels(value), value)
                await client.finish()

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(send())
                results = [result async for result in client]
        assert client.lost == 0
    assert [result.match for result in results] == [Match.MATCHED] * 8 + [Match.UNACKNOWLEDGING]
    assert results[-1].inferences == (label("6"), label("7"))


async def test_a_batch_size_of_1_has_nothing_to_aggregate() -> None:
    async with running(telling(), batch_reply="aggregate", batch_size=1) as server, camera(server.address) as client:
        await client.handshake()
        number = await client.frame(pixels(5))
        assert await client.answer(number) == Sample(0, inferences=(label("5"),))
