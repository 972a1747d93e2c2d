"""What existing servers get wrong (the contract's notes, section 9), row by row, on ours."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from attacked_server import attacked, neighbour, running
from toy_processors import first_value, raising, telling, toy, words
from wire_camera import LIGHT, SMALL, WireCamera, camera, memory_file

from framewire.client import Client, ClientOptions, Match
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.inference import Classification, Tag
from framewire.model.layout import Layout
from framewire.model.message import Sample


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5])
async def test_the_frame_that_triggers_a_batch_is_processed_like_all_others(batch_size: int) -> None:
    async with attacked(telling(), batch_size=batch_size) as server, camera(server.address) as client:
        await client.handshake()
        for value in range(23):
            await client.frame(bytes([value]) * 24)
        messages = await client.until(24)
        assert (await client.finish()).code == "OK"
        assert len(client.received) == 24
    said = {message.ack_sequence_number: words(message.payload.inferences) for message in messages[1:]}  # type: ignore[union-attr]
    assert said == {value + 2: [str(value)] for value in range(23)}


@pytest.mark.parametrize("read", ["map", "copy"])
@pytest.mark.parametrize("batch_size", [1, 3])
async def test_no_view_of_shared_memory_is_kept_after_its_acknowledgement(batch_size: int, read: str) -> None:
    """Each slot is overwritten as soon as its frame is acknowledged; no answer of another frame changes by that."""
    slots, wrong = 4, b"\xee" * 24
    async with attacked(telling(), batch_size=batch_size, shared_memory_read=read) as server:
        with memory_file() as memory:
            async with camera(server.address) as client:
                await client.handshake(memory=memory.announcement)
                free, expected, read_to = list(range(slots)), dict[int, str](), 1
                for value in range(200):
                    while not free:
                        for message in (await client.until(read_to + 1))[read_to:]:
                            slot = (message.ack_sequence_number - 2) % slots
                            memory.write(slot * 24, wrong)
                            free.append(slot)
                            read_to += 1
                    slot = value % slots
                    if slot not in free:
                        # Answers may come out of order; this one's slot is not acknowledged yet.
                        await client.answer(value + 2 - slots)
                        await client.until(read_to + 1)
                        free.extend((m.ack_sequence_number - 2) % slots for m in client.received[read_to:])
                        read_to = len(client.received)
                    free.remove(slot)
                    number = await client.frame(memory.write(slot * 24, bytes([value]) * 24))
                    expected[number] = str(value)
                assert (await client.finish()).code == "OK"
                said = {m.ack_sequence_number: words(m.payload.inferences) for m in client.received[1:]}  # type: ignore[union-attr]
    assert said == {number: [word] for number, word in expected.items()}


@pytest.mark.parametrize("batch_size", [1, 4])
async def test_each_result_has_its_own_frames_acknowledgement_and_timestamp(batch_size: int) -> None:
    async with attacked(telling(), batch_size=batch_size) as server, camera(server.address) as client:
        await client.handshake()
        for value in range(12):
            await client.frame(bytes([value]) * 24, timestamp=1_000_000 + value)
        messages = await client.until(13)
    assert {message.ack_sequence_number: message.payload for message in messages[1:]} == {
        value + 2: Sample(1_000_000 + value, inferences=(Classification(Tag(str(value))),)) for value in range(12)
    }


async def test_64_cameras_at_once_are_each_answered() -> None:
    async def stream(address: str, value: int) -> set[str]:
        async with camera(address) as client:
            await client.handshake()
            for _ in range(5):
                await client.frame(bytes([value]) * 24)
            messages = await client.until(6)
            # All are open at the same time: none ends before each has its answers.
            await everybody.wait()
            assert (await client.finish()).code == "OK"
            return {word for message in messages[1:] for word in words(message.payload.inferences)}  # type: ignore[union-attr]

    everybody = asyncio.Barrier(64)
    async with attacked(telling(), batch_size=4) as server, asyncio.TaskGroup() as tasks:
        streams = [tasks.create_task(stream(server.address, value)) for value in range(64)]
    assert [task.result() for task in streams] == [{str(value)} for value in range(64)]


async def test_an_embedded_raw_1080p_frame_fits_the_message_limit() -> None:
    frame = np.full((1080, 1920, 3), 250, np.uint8)
    async with (
        attacked() as server,
        Client(server.address, VideoFormat(Encoding.RAW, 1920, 1080, PixelFormat.RGB24)) as client,
    ):
        await client.send(frame, 5)
        await client.finish()
        (result,) = [result async for result in client]
        assert (result.match, result.timestamp) == (Match.MATCHED, 5)
        assert result.inferences == (Classification(Tag("light"), subtype="colorIntensity"),)


# A picture of 2x2 pixels: red, green / blue, white.
PIXELS = [[(255, 0, 0), (0, 255, 0)], [(0, 0, 255), (255, 255, 255)]]
RGB_ROWS = [bytes([255, 0, 0, 0, 255, 0]), bytes([0, 0, 255, 255, 255, 255])]
BGR_ROWS = [bytes([0, 0, 255, 0, 255, 0]), bytes([255, 0, 0, 255, 255, 255])]
RGBA_ROWS = [bytes([255, 0, 0, 9, 0, 255, 0, 9]), bytes([0, 0, 255, 9, 255, 255, 255, 9])]


@pytest.mark.parametrize("layout", [Layout.RGB, Layout.BGR])
@pytest.mark.parametrize(
    ("pixel_format", "stride", "data"),
    [
        (PixelFormat.RGB24, 0, RGB_ROWS[0] + RGB_ROWS[1]),
        (PixelFormat.RGB24, 6, RGB_ROWS[0] + RGB_ROWS[1]),
        (PixelFormat.RGB24, 8, RGB_ROWS[0] + b"\x77\x77" + RGB_ROWS[1] + b"\x77\x77"),
        (PixelFormat.RGB24, 8, RGB_ROWS[0] + b"\x77\x77" + RGB_ROWS[1]),
        (PixelFormat.BGR24, 0, BGR_ROWS[0] + BGR_ROWS[1]),
        (PixelFormat.BGR24, 9, BGR_ROWS[0] + b"\x77\x77\x77" + BGR_ROWS[1] + b"\x77\x77\x77"),
        (PixelFormat.RGBA, 12, RGBA_ROWS[0] + b"\x77" * 4 + RGBA_ROWS[1]),
    ],
    ids=["RGB", "RGB, stride said", "RGB, gaps", "RGB, gaps but the last", "BGR", "BGR, gaps", "RGBA, gaps"],
)
async def test_pixel_format_and_stride_are_respected(
    layout: Layout, pixel_format: PixelFormat, stride: int, data: bytes
) -> None:
    seen: list[list[list[tuple[int, ...]]]] = []

    def look(frames: object) -> object:
        pixels = [[tuple(int(v) for v in pixel) for pixel in row] for row in frames[0].pixels]  # type: ignore[index]
        seen.append([[pixel[::-1] if layout is Layout.BGR else pixel for pixel in row] for row in pixels])
        return [()]

    video_format = VideoFormat(Encoding.RAW, 2, 2, pixel_format, stride)
    with memory_file() as memory:
        # At an odd offset: shared memory owes nobody alignment.
        async with running(toy(look, layout=layout)) as server, camera(server.address) as client:
            await client.handshake(video_format, memory=memory.announcement)
            await client.answer(await client.frame(memory.write(13, data)))
            await client.answer(await client.frame(data))
    assert seen == [PIXELS, PIXELS]


async def test_a_frame_whose_processing_raises_is_acknowledged() -> None:
    async with attacked(raising(RuntimeError("x"))) as server, camera(server.address) as client:
        await client.handshake()
        for index in range(10):
            number = await client.frame(timestamp=index)
            assert await client.answer(number) == Sample(index)


async def test_first_message_handle_and_bounds_are_checked_and_never_unknown_to_the_client() -> None:
    async def code(*messages: object) -> str:
        async with camera(server.address) as attacker:
            for message in messages:
                await attacker.send(message)  # type: ignore[arg-type]
            return (await attacker.finish()).code

    async with attacked() as server:
        assert await code(Sample(0, LIGHT)) == "INVALID_ARGUMENT"
        assert await code(None) == "INVALID_ARGUMENT"


async def test_the_configuration_of_one_camera_changes_no_other() -> None:
    grey = b"\x64" * 24

    async def say(client: WireCamera) -> list[str]:
        return words((await client.answer(await client.frame(grey))).inferences)

    async with attacked() as server, camera(server.address) as first, camera(server.address) as second:
        await first.handshake(configuration='{"threshold":200}')
        assert await say(first) == ["dark"]
        await second.handshake(configuration='{"threshold":50}')
        assert [await say(second), await say(first), await say(second)] == [["light"], ["dark"], ["light"]]


async def test_the_configuration_is_validated_before_the_handshake_succeeds() -> None:
    async with attacked() as server, camera(server.address) as attacker:
        await attacker.introduce(configuration='{"processor":"nonesuch"}')
        assert (await attacker.ending()).code == "INVALID_ARGUMENT"
        assert attacker.received == []


@pytest.mark.parametrize("timestamp", [0, 1, 1_700_000_000 * 90_000, 2**64 - 1])
async def test_the_timestamp_is_echoed(timestamp: int) -> None:
    async with running() as server, camera(server.address) as client:
        await client.handshake()
        assert (await client.answer(await client.frame(timestamp=timestamp))).timestamp == timestamp
        assert (await client.answer(await client.frame(None, timestamp=timestamp))).timestamp == timestamp


async def test_upstream_inferences_reach_the_processor_of_their_own_frame() -> None:
    async with running("echo") as server, neighbour(server), camera(server.address) as client:
        await client.handshake()
        for value in range(5):
            found = Classification(Tag(str(value)), inference_id=f"id {value}")
            number = await client.send(Sample(value, LIGHT, (found,)))
            assert (await client.answer(number)).inferences == (found,)


async def test_a_client_of_ours_streams_through_small_shared_memory_without_a_loss() -> None:
    options = ClientOptions(shared_memory_bytes=100, in_flight=16)
    async with running(telling()) as server, Client(server.address, SMALL, options) as client:

        async def send() -> None:
            for value in range(250):
                await client.send(bytes([value]) * 24, value)
            await client.finish()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(send())
            results = [result async for result in client]
    assert [words(result.inferences) for result in sorted(results, key=lambda r: r.timestamp)] == [
        [str(value)] for value in range(250)
    ]
    assert client.lost == 0


def test_the_toys_say_what_a_frame_begins_with() -> None:
    frame = type("Frame", (), {"pixels": np.array([7, 8], np.uint8)})
    assert first_value(frame).tag.value == "7"  # type: ignore[arg-type]
