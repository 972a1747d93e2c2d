"""Frames that cannot be read, over a real socket: acknowledged, counted, told now and then, refused in the end."""

from __future__ import annotations

import logging
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from attacked_server import attacked, running
from toy_processors import telling
from wire_camera import LIGHT, SMALL, Ending, WireCamera, camera, eventually, memory_file

from framewire.frames.encoded import encode
from framewire.model.format import Encoding, VideoFormat
from framewire.model.layout import Layout
from framewire.model.message import Content, ContentReference, Sample

PICTURE = np.full((48, 64, 3), 200, np.uint8)
OTHER_SIZE = np.full((64, 48, 3), 200, np.uint8)
JPG = VideoFormat(Encoding.JPG, 64, 48)
PNG = VideoFormat(Encoding.PNG, 64, 48)
BMP = VideoFormat(Encoding.BMP, 64, 48)

WHOLE = {
    Encoding.RAW: LIGHT,
    Encoding.JPG: encode(PICTURE, Encoding.JPG),
    Encoding.PNG: encode(PICTURE, Encoding.PNG),
    Encoding.BMP: encode(PICTURE, Encoding.BMP),
}

BAD_FRAMES = {
    "raw, one byte short": (SMALL, bytes(23), "a frame of 23 bytes is not RAW RGB24 4x2; allowed: 24 bytes"),
    "raw, one byte long": (SMALL, bytes(25), "a frame of 25 bytes is not RAW RGB24 4x2; allowed: 24 bytes"),
    "raw, empty": (SMALL, b"", "a frame of 0 bytes is not RAW RGB24 4x2; allowed: 24 bytes"),
    "JPG, torn in its header": (
        JPG,
        WHOLE[Encoding.JPG][:300],
        "the JPG frame of 300 bytes is torn: it ends inside its header",
    ),
    "JPG, torn in its pixels": (JPG, WHOLE[Encoding.JPG][:-10], "the JPG frame of "),
    "JPG, of another size": (
        JPG,
        encode(OTHER_SIZE, Encoding.JPG),
        "the JPG frame is 48x64 pixels; allowed: 64x48, as the stream's descriptor declares",
    ),
    "JPG, empty": (JPG, b"", "the frame is not JPG: it is empty; allowed: what starts ffd8ff"),
    "JPG, in truth a PNG": (
        JPG,
        WHOLE[Encoding.PNG],
        "the frame is not JPG: it starts like PNG, 89504e470d0a1a0a; allowed: what starts ffd8ff",
    ),
    "PNG, torn": (PNG, WHOLE[Encoding.PNG][:100], "the PNG frame of 100 bytes is torn: it ends inside a chunk"),
    "PNG, of another size": (
        PNG,
        encode(OTHER_SIZE, Encoding.PNG),
        "the PNG frame is 48x64 pixels; allowed: 64x48, as the stream's descriptor declares",
    ),
    "BMP, torn": (
        BMP,
        WHOLE[Encoding.BMP][:1000],
        "the BMP frame of 1000 bytes is torn: it ends before its pixels do, at byte 9270",
    ),
}


@pytest.mark.parametrize("is_embedded", [True, False], ids=["embedded", "shared memory"])
@pytest.mark.parametrize(("video_format", "bad", "text"), BAD_FRAMES.values(), ids=BAD_FRAMES)
async def test_a_bad_frame_is_acknowledged_without_inferences_and_the_session_goes_on(
    video_format: VideoFormat, bad: bytes, text: str, is_embedded: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with memory_file(65_536) as memory:

        def content(data: bytes, offset: int) -> Content:
            return data if is_embedded else memory.write(offset, data) if data else ContentReference(offset, 0)

        async with attacked() as server, camera(server.address) as client:
            await client.handshake(video_format, memory=None if is_embedded else memory.announcement)
            number = await client.frame(content(bad, 100), timestamp=4_711)
            assert await client.answer(number) == Sample(4_711)
            good = await client.frame(content(WHOLE[video_format.encoding], 20_000))
            assert len((await client.answer(good)).inferences) == 1
            assert (await client.finish()).code == "OK"
    (told,) = [message for message in caplog.messages if "bad frame" in message]
    assert told.startswith(f"bad frame: sample 2: {text}")


async def send_bad(client: WireCamera, count: int) -> None:
    for _ in range(count):
        await client.answer(await client.frame(bytes(23)))


async def test_30_bad_frames_in_a_row_end_the_session() -> None:
    async with attacked() as server, camera(server.address) as attacker:
        await attacker.handshake()
        await send_bad(attacker, 30)
        assert await attacker.ending() == Ending(
            "INVALID_ARGUMENT",
            "30 bad frames in a row, the last one: a frame of 23 bytes is not RAW RGB24 4x2; allowed: 24 bytes",
        )


async def test_a_good_frame_in_between_resets_the_row() -> None:
    async with attacked() as server, camera(server.address) as client:
        await client.handshake()
        for _ in range(3):
            await send_bad(client, 29)
            await client.answer(await client.frame(LIGHT))
        assert (await client.finish()).code == "OK"


async def test_how_many_bad_frames_end_a_session_is_configurable() -> None:
    async with attacked(max_bad_frames=2) as server, camera(server.address) as attacker:
        await attacker.handshake()
        await send_bad(attacker, 2)
        assert (await attacker.ending()).details.startswith("2 bad frames in a row")


async def test_0_bad_frames_never_end_a_session() -> None:
    async with attacked(max_bad_frames=0) as server, camera(server.address) as client:
        await client.handshake()
        await send_bad(client, 100)
        assert (await client.finish()).code == "OK"


async def test_bad_frames_are_not_logged_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    async with attacked(max_bad_frames=0) as server, camera(server.address) as client:
        await client.handshake()
        await send_bad(client, 100)
        assert (await client.finish()).code == "OK"
    told = [message for message in caplog.messages if "bad frame" in message]
    assert told == [
        "bad frame: sample 2: a frame of 23 bytes is not RAW RGB24 4x2; allowed: 24 bytes",
        "bad frame: 99 more",
    ]


async def test_frames_that_are_on_their_way_when_the_session_ends_are_no_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with attacked(max_bad_frames=1) as server:
        for _ in range(20):
            async with camera(server.address) as attacker:
                await attacker.handshake()
                for _ in range(30):
                    await attacker.frame(bytes(23))
                # A write that meets the end of the call hides its status from this client.
                await eventually(lambda: server.sessions == 1)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_the_frames_of_a_batch_beside_a_bad_one_are_answered() -> None:
    async with attacked(telling(layout=Layout.GREY), batch_size=8) as server, camera(server.address) as client:
        await client.handshake()
        numbers = [await client.frame(LIGHT if index % 2 else bytes(5)) for index in range(8)]
        answers = [await client.answer(number) for number in numbers]
        assert [len(answer.inferences) for answer in answers] == [0, 1, 0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize(
    "make",
    [lambda: encode(PICTURE, Encoding.JPG), lambda: bytes(cv2.imencode(".jpg", PICTURE[:, :, 0])[1])],
    ids=["colour", "grey"],
)
async def test_a_jpg_of_any_kind_with_the_declared_size_is_good(make: Callable[[], bytes]) -> None:
    async with running() as server, camera(server.address) as client:
        await client.handshake(JPG)
        assert len((await client.answer(await client.frame(make()))).inferences) == 1


@pytest.mark.parametrize("read", ["map", "copy"])
async def test_a_reference_larger_than_any_frame_is_a_bad_frame_and_is_never_copied(read: str) -> None:
    length = 1 << 46  # a file may be announced with more than there is memory
    with memory_file(length) as memory:
        async with attacked(shared_memory_read=read) as server, camera(server.address) as attacker:
            await attacker.handshake(JPG, memory=memory.announcement)
            assert await attacker.answer(await attacker.frame(ContentReference(0, length))) == Sample(0)
            assert (await attacker.finish()).code == "OK"
