"""More frames than the processor can take: what is in flight stays bounded, and every frame is accounted for."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from attacked_server import running
from toy_processors import Gate, Record, gated, words
from wire_camera import PATIENCE_S, SMALL, WireCamera, camera, eventually

from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.message import Message, Sample
from framewire.server import Server

MEBIBYTE = 1 << 20

LARGE = VideoFormat(Encoding.RAW, 1024, 1024, PixelFormat.RGB24)
"""Frames of 3 MiB."""

STREAMS = 4


@asynccontextmanager
async def four_cameras(server: Server, video_format: VideoFormat = SMALL) -> AsyncIterator[list[WireCamera]]:
    """Four sessions."""
    async with AsyncExitStack() as stack:
        cameras = [await stack.enter_async_context(camera(server.address)) for _ in range(STREAMS)]
        for one in cameras:
            await one.handshake(video_format)
        yield cameras


async def offer(one: WireCamera, first: int, count: int, length_bytes: int) -> None:
    """Sends frames whose first bytes count up."""
    for value in range(first, first + count):
        await one.frame(bytes([value]) + bytes(length_bytes - 1))


def answers(one: WireCamera) -> list[tuple[int, list[str]]]:
    """Number and words of each answer, in the order of the numbers."""
    return sorted((message.ack_sequence_number, words(payload(message).inferences)) for message in one.received[1:])


def payload(message: Message) -> Sample:
    assert isinstance(message.payload, Sample)
    return message.payload


def empty_answers(cameras: Sequence[WireCamera]) -> int:
    return sum(not found for one in cameras for _, found in answers(one))


async def in_the_worker(server: Server, gate: Gate) -> None:
    assert await asyncio.to_thread(gate.entered.wait, PATIENCE_S)
    await eventually(lambda: server.frames_in_flight >= 1)


async def at_rest(server: Server) -> int:
    """Frames in flight once no more have come for a while."""
    loop = asyncio.get_running_loop()
    last, since = server.frames_in_flight, loop.time()
    while loop.time() - since < 0.3:
        await asyncio.sleep(0.01)
        if server.frames_in_flight != last:
            last, since = server.frames_in_flight, loop.time()
    return last


async def test_waiting_holds_four_floods_within_the_bytes_of_all_and_loses_nothing() -> None:
    gate, record = Gate(), Record()
    async with (
        running(gated(gate, record), max_in_flight_mib=9, max_total_in_flight_mib=15) as server,
        four_cameras(server, LARGE) as cameras,
    ):
        offering = [asyncio.create_task(offer(one, 40 * i, 10, 3 * MEBIBYTE)) for i, one in enumerate(cameras)]
        await in_the_worker(server, gate)
        await eventually(lambda: server.frames_in_flight >= 5)
        # 15 MiB, and one frame beside the limit for each stream that waited for room at the same time.
        assert await at_rest(server) <= 5 + STREAMS
        gate.open()
        await asyncio.gather(*offering)
        for one in cameras:
            await one.until(11)
        for index, one in enumerate(cameras):
            assert answers(one) == [(2 + offset, [str(40 * index + offset)]) for offset in range(10)]
            assert (await one.finish()).code == "OK"
        counts = server.statistics()["frames"]
        assert (counts["received"], counts["answered"], counts["in_flight"]) == (40, 40, 0)
        assert sum(counts["dropped"].values()) == 0
    # Nobody was first for long: each camera had its first frame processed before any had its last.
    cameras_in_order = [values[0] // 40 for values in record.batches]
    assert max(cameras_in_order.index(index) for index in range(STREAMS)) < min(
        len(cameras_in_order) - 1 - cameras_in_order[::-1].index(index) for index in range(STREAMS)
    )


async def test_latest_holds_one_waiting_frame_of_each_camera_and_answers_all_others_at_once() -> None:
    gate, record = Gate(), Record()
    async with running(gated(gate, record), when_busy="latest") as server, four_cameras(server) as cameras:
        await cameras[0].frame(bytes([1]) * 24)
        await in_the_worker(server, gate)
        for index, one in enumerate(cameras):
            await offer(one, 40 * index + 2, 30, 24)
        # All but the newest of each camera have their answer, though nothing was processed yet.
        for one in cameras:
            await one.until(1 + 29)
        await eventually(lambda: server.frames_in_flight == 1 + STREAMS)
        assert empty_answers(cameras) == 4 * 29
        assert server.statistics()["frames"]["dropped"]["not-latest"] == 4 * 29
        gate.open()
        for one in cameras:
            assert (await one.finish()).code == "OK"
    assert sorted(values[0] for values in record.batches) == [1, 31, 71, 111, 151]
    for index, one in enumerate(cameras):
        numbers = [number for number, _ in answers(one)]
        assert numbers == list(range(2, 2 + len(numbers)))
        assert answers(one)[-1] == (numbers[-1], [str(40 * index + 31)])


@pytest.mark.parametrize("when_busy", ["drop-oldest", "drop-newest", "latest"])
async def test_what_the_server_counts_as_dropped_is_what_the_cameras_saw_unprocessed(when_busy: str) -> None:
    gate, record = Gate(), Record()
    async with (
        running(gated(gate, record), when_busy=when_busy, max_in_flight=5, max_total_in_flight=9) as server,
        four_cameras(server) as cameras,
    ):
        await cameras[0].frame(bytes([199]) * 24)
        await in_the_worker(server, gate)
        await asyncio.gather(*(offer(one, 40 * index, 30, 24) for index, one in enumerate(cameras)))
        await eventually(lambda: server.statistics()["frames"]["received"] == 121)
        assert server.frames_in_flight <= 9
        gate.open()
        for one in cameras:
            assert (await one.finish()).code == "OK"
        counts = server.statistics()["frames"]
    assert counts["received"] == counts["answered"] + sum(counts["dropped"].values()) == 121
    assert sum(counts["dropped"].values()) == empty_answers(cameras) > 0
    assert counts["answered"] == len(record.batches)
    assert counts["in_flight"] == counts["failed"] == 0
    for one in cameras:
        numbers = [number for number, _ in answers(one)]
        assert numbers == list(range(2, 2 + len(numbers)))


async def test_no_frame_is_processed_that_has_waited_longer_than_it_may() -> None:
    gate, record = Gate(), Record()
    async with (
        running(gated(gate, record), when_busy="latest", max_age_ms=200) as server,
        four_cameras(server) as cameras,
        camera(server.address) as ageless,
    ):
        await ageless.handshake(SMALL, configuration='{"maxAgeMs":0}')
        await ageless.frame(bytes([199]) * 24)
        await in_the_worker(server, gate)
        for index, one in enumerate(cameras):
            await offer(one, 40 * index, 3, 24)
        # The worker is still busy: nobody waits longer for the answer than the frame may wait.
        for one in cameras:
            await one.until(1 + 3)
        dropped = server.statistics()["frames"]["dropped"]
        # On a busy machine some were too old before the next one came.
        assert dropped["too-old"] >= 4
        assert dropped["too-old"] + dropped["not-latest"] == 12
        gate.open()
        for one in cameras:
            assert (await one.finish()).code == "OK"
    assert record.batches == [[199]]


async def test_bytes_in_flight_drop_frames_of_whoever_sends_more_and_keep_the_newest() -> None:
    gate, record = Gate(), Record()
    async with (
        running(gated(gate, record), when_busy="drop-oldest", max_total_in_flight_mib=9) as server,
        camera(server.address) as one,
    ):
        await one.handshake(LARGE)
        await offer(one, 1, 1, 3 * MEBIBYTE)
        await in_the_worker(server, gate)
        await offer(one, 2, 19, 3 * MEBIBYTE)
        await one.until(1 + 17)
        assert server.frames_in_flight == 3
        gate.open()
        assert (await one.finish()).code == "OK"
    assert record.batches == [[1], [19], [20]]
    assert [found for _, found in answers(one)] == [["1"], *[[]] * 17, ["19"], ["20"]]


async def test_a_session_that_is_broken_off_is_forgotten_at_once_however_many_follow_it() -> None:
    """Long before the time is over that it would have had for its descriptor."""
    async with running("color-intensity") as server:
        async with camera(server.address) as one:
            await one.handshake(SMALL)
            (stream,) = (weakref.ref(stream) for stream in server._streams)
            one.reset()
            await eventually(lambda: server.sessions == 0)

        def is_forgotten() -> bool:
            gc.collect()
            return stream() is None

        await eventually(is_forgotten)
