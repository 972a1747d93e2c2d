"""Processors that fail, on a running server: every frame is acknowledged, the log knows why, the client does not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from attacked_server import attacked, running
from toy_processors import Gate, Record, label, raising, telling, toy
from wire_camera import DARK, LIGHT, PATIENCE_S, Ending, camera, eventually, memory_file

from framewire.errors import ProcessorError
from framewire.model.frame import Frame
from framewire.model.inference import Tag
from framewire.model.message import Sample
from framewire.processors.catalogue import ProcessorKind

SECRET = "the weights are at s3://secret"

FAILURES: dict[str, tuple[ProcessorKind, str]] = {
    "raises": (raising(RuntimeError(SECRET)), f"processor toy raised: RuntimeError: {SECRET}"),
    "raises an error of ours": (raising(ProcessorError(SECRET)), SECRET),
    "exits": (raising(SystemExit(SECRET)), f"processor toy raised: SystemExit: {SECRET}"),
    "is interrupted": (raising(KeyboardInterrupt()), "processor toy raised: KeyboardInterrupt: "),
    "answers too few": (toy(lambda frames: []), "processor toy answered 0 results for 1 frames"),
    "answers too many": (toy(lambda frames: [(), ()]), "processor toy answered 2 results for 1 frames"),
    "answers nothing": (toy(lambda frames: None), "processor toy raised: TypeError"),
    "answers a number for a frame": (toy(lambda frames: [5]), "processor toy answered a int for a frame"),
    "answers a string": (toy(lambda frames: ["car"]), "processor toy answered a str for a frame"),
    "answers something else than inferences": (
        toy(lambda frames: [["car"]]),
        "processor toy answered a str as an inference",
    ),
    "makes an illegal inference": (
        toy(lambda frames: [[label("")]]),
        "processor toy raised: InferenceError: tag value is empty",
    ),
    "makes a text that no wire can carry": (
        toy(lambda frames: [[label("\ud800")]]),
        "tag value is '\\ud800'; allowed: text that UTF-8 can write",
    ),
}


@pytest.mark.parametrize(("kind", "text"), FAILURES.values(), ids=FAILURES)
async def test_a_frame_whose_processing_fails_is_acknowledged_and_30_in_a_row_end_the_session(
    kind: ProcessorKind, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with attacked(kind) as server, camera(server.address) as client:
        await client.handshake()
        for index in range(30):
            number = await client.frame(timestamp=index)
            assert await client.answer(number) == Sample(index)
        assert await client.ending() == Ending(
            "INTERNAL", "the processor failed on 30 frames in a row; the server's log says why"
        )
    told = [message for message in caplog.messages if "processing failed" in message]
    assert told[0].startswith("processing failed: sample 2: ")
    assert text in told[0]
    assert told[1:] == ["processing failed: 29 more"]


async def test_how_many_failures_end_a_session_is_configurable() -> None:
    async with attacked(raising(RuntimeError("x")), max_bad_frames=3) as server, camera(server.address) as client:
        await client.handshake()
        for _ in range(3):
            await client.frame()
        assert (await client.ending()).details == (
            "the processor failed on 3 frames in a row; the server's log says why"
        )


async def test_the_traceback_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with running(raising(RuntimeError("here"))) as server, camera(server.address) as client:
        await client.handshake()
        await client.answer(await client.frame())
    (told,) = [message for message in caplog.messages if "processing failed" in message]
    assert "Traceback (most recent call last)" in told
    assert "toy_processors.py" in told


class Refusing:
    """Members of a processor that fails around its frames."""

    @staticmethod
    def with_error(error: BaseException) -> Any:
        def fail(self: Any, *arguments: object) -> None:
            raise error

        return fail


@pytest.mark.parametrize("error", [RuntimeError(SECRET), SystemExit(3)], ids=["raises", "exits"])
async def test_a_processor_that_cannot_open_a_session_ends_that_session_with_internal(error: BaseException) -> None:
    kind = telling(open_session=Refusing.with_error(error))
    async with attacked(kind) as server:
        for _ in range(2):
            async with camera(server.address) as client:
                await client.introduce()
                assert await client.ending() == Ending(
                    "INTERNAL", "the processor cannot take this session; the server's log says why"
                )
                assert client.received == []


@pytest.mark.parametrize("error", [RuntimeError(SECRET), SystemExit(3)], ids=["raises", "exits"])
async def test_a_processor_that_fails_to_close_a_session_stays_in_work(error: BaseException) -> None:
    async with attacked(telling(close_session=Refusing.with_error(error))) as server:
        for _ in range(3):
            async with camera(server.address) as client:
                await client.handshake()
                assert (await client.answer(await client.frame())).inferences == (label("255"),)
                assert (await client.finish()).code == "OK"


@pytest.mark.parametrize("error", [RuntimeError(SECRET), SystemExit(3)], ids=["raises", "exits"])
async def test_a_processor_that_cannot_be_opened_fails_the_start_of_its_server(error: BaseException) -> None:
    with pytest.raises(ProcessorError, match="processor toy cannot be opened"):
        async with running(telling(open=Refusing.with_error(error))):
            pass


@pytest.mark.parametrize("error", [RuntimeError(SECRET), SystemExit(3)], ids=["raises", "exits"])
async def test_a_processor_that_a_session_asks_for_and_that_cannot_be_opened_ends_that_session_alone(
    error: BaseException,
) -> None:
    opened = Record()

    def open_once(self: Any) -> None:
        opened.events.append("open")
        if len(opened.events) > 1:
            raise error

    async with attacked(telling(open=open_once)) as server:
        # The server's own instance is open; other options need another instance.
        kind = telling(open=Refusing.with_error(error), name="broken")
        server._catalogue._given["broken"] = kind
        for _ in range(2):
            async with camera(server.address) as client:
                await client.introduce(configuration='{"processor":"broken"}')
                assert await client.ending() == Ending(
                    "INTERNAL", "the processor cannot take this session; the server's log says why"
                )


@pytest.mark.parametrize("error", [RuntimeError(SECRET), SystemExit(3)], ids=["raises", "exits"])
async def test_a_processor_that_cannot_choose_a_layout_spoils_its_own_frames_alone(error: BaseException) -> None:
    def layout_for(cls: type, video_format: Any) -> Any:
        if video_format.width == 4:
            raise error
        return cls.layout  # type: ignore[attr-defined]

    gate = Gate()

    def process(frames: Sequence[Frame]) -> Any:
        gate.pass_through()
        return [[label("seen")] for _ in frames]

    from framewire.model.format import Encoding, PixelFormat, VideoFormat

    wide = VideoFormat(Encoding.RAW, 8, 1, PixelFormat.RGB24)
    kind = toy(process, layout_for=classmethod(layout_for))
    async with (
        attacked(kind, batch_size=8) as server,
        camera(server.address) as bad,
        camera(server.address) as good,
    ):
        await bad.handshake()
        await good.handshake(wide)
        await good.frame()
        await asyncio.to_thread(gate.entered.wait, PATIENCE_S)
        numbers = [(await bad.frame(), await good.frame()) for _ in range(3)]
        await eventually(lambda: server.frames_in_flight >= 7)
        gate.open()
        for bad_number, good_number in numbers:
            assert (await bad.answer(bad_number)).inferences == ()
            assert (await good.answer(good_number)).inferences == (label("seen"),)


async def test_a_processor_that_keeps_a_view_is_warned_about_and_the_mapping_still_goes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kept: list[Any] = []

    def keep(frames: Sequence[Frame]) -> Any:
        kept.extend(frame.pixels for frame in frames)
        return [[label(str(int(frame.pixels[0])))] for frame in frames]

    with memory_file(4096) as memory:
        async with attacked(toy(keep)) as server:
            async with camera(server.address) as client:
                await client.handshake(memory=memory.announcement)
                for content in (DARK, LIGHT):
                    assert len((await client.answer(await client.frame(memory.write(48, content)))).inferences) == 1
                assert (await client.finish()).code == "OK"
            assert int(kept[0][0]) == 255  # the camera has overwritten it, and reading it is still no crash
            kept.clear()
            await eventually(lambda: not memory.is_mapped and not memory.is_open)
    told = [message for message in caplog.messages if "kept a view" in message]
    assert told == [
        "processor toy kept a view of a frame after process returned; the camera will overwrite it: "
        "copy what is kept (frame.pixels.copy())"
    ]


async def test_a_processor_that_copies_is_not_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    kept: list[Any] = []

    def copy(frames: Sequence[Frame]) -> Any:
        kept.extend(frame.pixels.copy() for frame in frames)
        return [() for _ in frames]

    with memory_file(4096) as memory:
        async with running(toy(copy)) as server, camera(server.address) as client:
            await client.handshake(memory=memory.announcement)
            await client.answer(await client.frame(memory.write(48, LIGHT)))
            await client.answer(await client.frame(memory.write(48, DARK)))
    assert [int(pixels[0]) for pixels in kept] == [255, 0]
    assert "kept a view" not in caplog.text


async def test_frames_are_read_only_to_a_processor() -> None:
    def scribble(frames: Sequence[Frame]) -> Any:
        frames[0].pixels[0] = 7
        return [()]

    with memory_file(4096) as memory:
        async with running(toy(scribble), max_bad_frames=1) as server, camera(server.address) as client:
            await client.handshake(memory=memory.announcement)
            await client.frame(memory.write(0, LIGHT))
            assert (await client.ending()).code == "INTERNAL"
            assert memory.path.read_bytes()[:24] == LIGHT


def test_a_tag_is_what_the_tests_take_it_for() -> None:
    assert label("x").tag == Tag("x")
