"""Bad input of the protocol, over a real socket: each rule that is broken is named, and nobody else notices."""

from __future__ import annotations

import asyncio

import pytest
from attacked_server import attacked, running
from toy_processors import Gate, Record, gated, label, telling
from wire_camera import DARK, LIGHT, PATIENCE_S, Ending, camera, descriptor, memory_file

from framewire.model.format import Encoding, VideoFormat
from framewire.model.message import ContentReference, Descriptor, Sample
from framewire.wire import extension_pb2 as pb


async def test_a_sample_as_first_message_is_refused() -> None:
    async with attacked() as server, camera(server.address) as attacker:
        await attacker.send(Sample(0, LIGHT))
        assert await attacker.ending() == Ending(
            "INVALID_ARGUMENT",
            "the first message is a media sample; allowed: a media stream descriptor; "
            "send the descriptor first and wait for the server's",
        )
        assert attacker.received == []


async def test_an_empty_first_message_is_refused() -> None:
    async with attacked() as server, camera(server.address) as attacker:
        await attacker.send(None)
        assert await attacker.ending() == Ending(
            "INVALID_ARGUMENT",
            "the first message is empty; allowed: a media stream descriptor; "
            "send the descriptor first and wait for the server's",
        )


async def test_a_second_descriptor_is_refused() -> None:
    async with attacked() as server, camera(server.address) as attacker:
        await attacker.handshake()
        await attacker.introduce()
        assert await attacker.ending() == Ending(
            "INVALID_ARGUMENT",
            "message 2 is a second descriptor; allowed: one descriptor per stream, as its first message; "
            "open a new stream for another format",
        )


@pytest.mark.parametrize("number", [0, 1, 7])
async def test_sequence_numbers_that_do_not_rise_are_refused(number: int) -> None:
    async with attacked() as server, camera(server.address) as attacker:
        await attacker.handshake()
        await attacker.send(Sample(0, LIGHT), number=7)
        await attacker.answer(7)
        await attacker.send(Sample(0, LIGHT), number=number)
        assert await attacker.ending() == Ending(
            "INVALID_ARGUMENT",
            f"sequence number {number} does not rise above 7; allowed: 8 or more; "
            "count the messages of a stream from 1 upward",
        )


async def test_a_descriptor_with_sequence_number_0_is_refused() -> None:
    async with attacked() as server, camera(server.address) as attacker:
        await attacker.send(descriptor(), number=0)
        assert await attacker.ending() == Ending(
            "INVALID_ARGUMENT",
            "sequence number 0 does not rise above 0; allowed: 1 or more; count the messages of a stream from 1 upward",
        )


async def test_sequence_numbers_may_skip_up_to_the_largest() -> None:
    async with running() as server, camera(server.address) as client:
        await client.handshake()
        await client.send(Sample(0, LIGHT), number=2**64 - 1)
        await client.answer(2**64 - 1)
        assert (await client.finish()).code == "OK"


async def test_a_sample_that_does_not_wait_for_the_descriptors_answer_is_answered_after_it() -> None:
    # The server reads on only when it has answered, so it cannot tell such a sample from a patient one.
    gate = Gate()
    slow = telling(open_session=lambda self, session: gate.pass_through())
    async with attacked(slow) as server, camera(server.address) as hasty:
        await hasty.introduce()
        await hasty.frame(LIGHT, timestamp=5)
        await asyncio.to_thread(gate.entered.wait, PATIENCE_S)
        assert hasty.received == []
        gate.open()
        first, second = await hasty.until(2)
        assert isinstance(first.payload, Descriptor)
        assert (second.ack_sequence_number, second.payload) == (2, Sample(5, inferences=(label("255"),)))
        assert (await hasty.finish()).code == "OK"


async def test_a_reference_without_shared_memory_is_refused() -> None:
    async with attacked() as server, camera(server.address) as attacker:
        await attacker.handshake()
        await attacker.frame(ContentReference(0, 24))
        assert await attacker.ending() == Ending(
            "INVALID_ARGUMENT",
            "message 2 has a content_reference, and the descriptor announced no shared memory; "
            "allowed: content_bytes; announce shared_memory_buffer_transfer_properties, or embed the frames",
        )


@pytest.mark.parametrize(
    ("offset", "length", "end"),
    [
        (4096, 24, 4120),
        (4073, 24, 4097),
        (0, 4097, 4097),
        (2**64 - 1, 24, 18446744073709551639),
        (2**64 - 24, 24, 18446744073709551616),
        (24, 2**64 - 1, 18446744073709551639),
        (2**64 - 1, 2**64 - 1, 36893488147419103230),
    ],
)
async def test_a_reference_outside_the_shared_memory_is_refused(offset: int, length: int, end: int) -> None:
    async with attacked() as server, camera(server.address) as attacker:
        with memory_file(4096) as memory:
            await attacker.handshake(memory=memory.announcement)
            await attacker.frame(ContentReference(offset, length))
            assert await attacker.ending() == Ending(
                "INVALID_ARGUMENT",
                f"message 2 refers to bytes {offset} to {end} of the shared memory; "
                "allowed: offset + length up to 4096",
            )


async def test_the_last_bytes_of_the_shared_memory_may_be_referred_to() -> None:
    async with running() as server, camera(server.address) as client:
        with memory_file(4096) as memory:
            await client.handshake(memory=memory.announcement)
            number = await client.frame(memory.write(4096 - 24, LIGHT))
            assert (await client.answer(number)).inferences != ()


@pytest.mark.parametrize(
    "data",
    [b"\xff\xff\xff", b"\x08", b"\x32\x7f\x00", b"\x2a\x04\x1a\x02\xff\xff"],
    ids=["no tag", "a number cut off", "a sample cut off", "a string that is not UTF-8"],
)
@pytest.mark.parametrize("is_first", [True, False])
async def test_bytes_that_are_no_message_are_refused(data: bytes, is_first: bool) -> None:
    async with attacked() as server, camera(server.address) as attacker:
        if not is_first:
            await attacker.handshake()
        await attacker.send_bytes(data)
        assert await attacker.ending() == Ending(
            "INVALID_ARGUMENT",
            f"a message of {len(data)} bytes is not a MediaStreamMessage; "
            "check that both sides use the extension contract's .proto",
        )


async def test_frames_in_flight_are_let_go_when_a_rule_is_broken() -> None:
    gate, record = Gate(), Record()
    async with attacked(gated(gate, record)) as server, camera(server.address) as attacker:
        await attacker.handshake()
        await attacker.frame()
        await asyncio.to_thread(gate.entered.wait, PATIENCE_S)
        await attacker.frame()
        await attacker.frame()
        await attacker.send(Sample(0, LIGHT), number=1)
        assert (await attacker.ending()).code == "INVALID_ARGUMENT"
        gate.open()
        async with camera(server.address) as next_one:
            await next_one.handshake()
            await next_one.answer(await next_one.frame(DARK))
        # The frame that the processor held, and none of those that waited behind it.
        assert record.batches == [[255], [0]]
        assert len(attacker.received) == 1


async def test_a_descriptor_without_a_video_format_is_refused_before_its_answer() -> None:
    async with attacked() as server, camera(server.address) as attacker:
        await attacker.introduce(None)
        assert await attacker.ending() == Ending(
            "INVALID_ARGUMENT",
            "the descriptor has no video_frame_sample_format; "
            "set media_descriptor.video_frame_sample_format to the form of the frames",
        )
        assert attacker.received == []


ENCODINGS = "allowed: BMP=0, JPG=1, PNG=2, RAW=3"
PIXEL_FORMATS = (
    "allowed: NONE=0, YUV420P=20, RGB565BE=40, RGB565LE=41, RGB555BE=42, RGB555LE=43, RGB24=60, BGR24=61, "
    "ARGB=80, RGBA=81, ABGR=82, BGRA=83"
)


@pytest.mark.parametrize(
    ("encoding", "pixel_format", "size", "stride", "text"),
    [
        (
            3,
            0,
            (4, 2),
            0,
            "encoding RAW needs a pixel format and has NONE; allowed: YUV420P, RGB565BE, RGB565LE, RGB555BE, RGB555LE, "
            "RGB24, BGR24, ARGB, RGBA, ABGR, BGRA",
        ),
        (3, 60, (0, 2), 0, "width 0 is not a picture size; allowed: 1 to 65535 pixels"),
        (3, 60, (4, 0), 0, "height 0 is not a picture size; allowed: 1 to 65535 pixels"),
        (1, 0, (0, 0), 0, "width 0 is not a picture size; allowed: 1 to 65535 pixels"),
        (1, 0, (70_000, 2), 0, "width 70000 is not a picture size; allowed: 1 to 65535 pixels"),
        (3, 60, (4, 2), 11, "stride_bytes 11 is shorter than a row of 4 px RGB24; allowed: 0 (no gap) or at least 12"),
        (4, 60, (4, 2), 0, f"encoding 4 is unknown; {ENCODINGS}"),
        (-1, 60, (4, 2), 0, f"encoding -1 is unknown; {ENCODINGS}"),
        (3, 21, (4, 2), 0, f"pixel format 21 is unknown; {PIXEL_FORMATS}"),
        (1, 2**31 - 1, (4, 2), 0, f"pixel format 2147483647 is unknown; {PIXEL_FORMATS}"),
    ],
    ids=[
        "RAW without pixel format",
        "width 0",
        "height 0",
        "size 0",
        "too wide",
        "stride too small",
        "unknown encoding",
        "negative encoding",
        "unknown pixel format",
        "unknown pixel format of a JPG",
    ],
)
async def test_a_format_that_cannot_be_is_refused_before_the_descriptor_is_answered(
    encoding: int, pixel_format: int, size: tuple[int, int], stride: int, text: str
) -> None:
    message = pb.MediaStreamMessage(sequence_number=1)
    video = message.media_stream_descriptor.media_descriptor.video_frame_sample_format
    video.encoding = encoding  # type: ignore[assignment] # proto3 carries any number
    video.pixel_format = pixel_format  # type: ignore[assignment] # proto3 carries any number
    video.dimensions.width, video.dimensions.height = size
    video.stride_bytes = stride
    async with attacked() as server, camera(server.address) as attacker:
        await attacker.send_bytes(message.SerializeToString())
        assert await attacker.ending() == Ending("INVALID_ARGUMENT", text)
        assert attacker.received == []


async def test_a_frame_that_decodes_beyond_the_limit_is_refused_before_the_descriptor_is_answered() -> None:
    async with attacked(max_frame_mib=1) as server, camera(server.address) as attacker:
        await attacker.introduce(VideoFormat(Encoding.JPG, 1920, 1080))
        assert await attacker.ending() == Ending(
            "INVALID_ARGUMENT",
            "a frame of 1920x1080 takes 6220800 bytes decoded; allowed: up to 1048576; "
            "scale the frames down, or start the server with a larger --max-frame",
        )
        assert attacker.received == []


async def test_the_answer_to_a_descriptor_echoes_the_timescale_and_has_no_sample_format() -> None:
    async with running() as server, camera(server.address) as client:
        answer = await client.handshake(timescale=44_100)
        assert (answer.sequence_number, answer.ack_sequence_number) == (1, 1)
        assert answer.payload == Descriptor(identifier="framewire", timescale=44_100)


async def test_the_server_counts_its_messages_from_1_up_without_a_gap() -> None:
    async with running() as server, camera(server.address) as client:
        await client.handshake()
        for index in range(20):
            await client.frame(LIGHT if index % 3 else None)
        assert [message.sequence_number for message in await client.until(21)] == list(range(1, 22))
        assert (await client.finish()).code == "OK"


async def test_a_sample_without_content_is_acknowledged_without_inferences() -> None:
    async with attacked() as server, camera(server.address) as client:
        await client.handshake()
        number = await client.send(Sample(777))
        assert await client.answer(number) == Sample(777)
        assert (await client.finish()).code == "OK"


async def test_a_message_without_payload_needs_no_answer() -> None:
    async with running() as server, camera(server.address) as client:
        await client.handshake()
        await client.send(None)
        number = await client.frame()
        await client.answer(number)
        assert client.acknowledged == [number]
        assert (await client.finish()).code == "OK"


async def test_a_message_above_the_limit_ends_its_session_alone() -> None:
    async with attacked(max_message_mib=1) as server, camera(server.address) as attacker:
        await attacker.handshake()
        await attacker.frame(bytes(2 << 20))
        ending = await attacker.ending()
        assert ending.code == "RESOURCE_EXHAUSTED"
        assert "1048576" in ending.details  # grpc's own words, with the limit in them
