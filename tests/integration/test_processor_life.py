"""What a processor lives through on a server: opened once, a state for each session, closed once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from attacked_server import running
from toy_processors import Record, label, telling, toy, words
from wire_camera import DARK, LIGHT, camera, eventually

from framewire.model.format import VideoFormat
from framewire.model.frame import Frame, SessionInfo
from framewire.model.message import GraphIdentifier
from framewire.processors.catalogue import Catalogue, ProcessorKind


def living(record: Record, name: str = "living", **members: Any) -> ProcessorKind:
    """Notes each event of its life."""

    def note(event: str) -> Any:
        return lambda self, *arguments: record.events.append(event)

    return telling(
        record,
        name=name,
        open=note("open"),
        close=note("close"),
        close_session=note("close session"),
        open_session=note("open session"),
        **members,
    )


async def test_a_processor_is_opened_before_the_server_listens_and_closed_when_it_stops() -> None:
    record = Record()
    async with running(living(record)) as server:
        assert record.events == ["open"]
        for _ in range(2):
            async with camera(server.address) as client:
                await client.handshake()
                await client.answer(await client.frame())
                await client.finish()
            # Its state may be given back after the next one's was made.
            await eventually(lambda: record.events[-1] == "close session")
    assert record.events == [
        "open",
        "open session",
        "close session",
        "open session",
        "close session",
        "close",
    ]


async def test_stopping_closes_the_sessions_before_the_processor() -> None:
    record = Record()
    async with running(living(record)) as server, AsyncExitStack() as stack:
        for _ in range(4):
            client = await stack.enter_async_context(camera(server.address))
            await client.handshake()
        await server.stop()
        # It does not wait for ever for a worker.
        await eventually(lambda: record.events[-1] == "close")
        assert record.events == ["open"] + ["open session"] * 4 + ["close session"] * 4 + ["close"]


async def test_a_processor_that_sessions_ask_for_lives_as_long_as_one_of_them_uses_it() -> None:
    record, catalogue = Record(), Catalogue()
    catalogue._given["living"] = living(record)
    asking = {"configuration": '{"processor":"living"}'}
    async with running(catalogue=catalogue) as server:
        async with camera(server.address) as first, camera(server.address) as second:
            await first.handshake(**asking)
            await second.handshake(**asking)
            await first.finish()
            await second.answer(await second.frame())
            assert record.events == ["open", "open session", "open session", "close session"]
            await second.finish()
        await eventually(lambda: record.events[-1] == "close")
        assert record.events == ["open", "open session", "open session", "close session", "close session", "close"]
        async with camera(server.address) as third:
            await third.handshake(**asking)
    await eventually(lambda: record.events[-1] == "close")
    assert record.events[6:] == ["open", "open session", "close session", "close"]


async def test_the_state_of_a_session_is_its_own() -> None:
    """Each session counts its own frames, while both are processed by one instance."""

    def process(frames: Sequence[Frame]) -> Any:
        for frame in frames:
            frame.state.append(int(frame.pixels[0]))
        return [[label(",".join(map(str, frame.state)))] for frame in frames]

    states: list[list[int]] = []

    def open_session(self: Any, session: SessionInfo) -> list[int]:
        states.append([])
        return states[-1]

    closed: list[list[int]] = []
    kind = toy(process, open_session=open_session, close_session=lambda self, state: closed.append(state))
    async with running(kind, batch_size=4) as server:
        async with camera(server.address) as dark, camera(server.address) as light:
            await dark.handshake()
            await light.handshake()
            said = []
            for _ in range(3):
                for client, content in ((dark, DARK), (light, LIGHT)):
                    said.append(words((await client.answer(await client.frame(content))).inferences)[0])
        await eventually(lambda: len(closed) == 2)
    assert said == ["0", "255", "0,0", "255,255", "0,0,0", "255,255,255"]
    assert sorted(closed) == sorted(states) == [[0, 0, 0], [255, 255, 255]]


async def test_all_methods_are_called_by_one_thread() -> None:
    threads: set[int] = set()

    def note(self: Any, *arguments: Any) -> Any:
        threads.add(threading.get_ident())

    def process(frames: Sequence[Frame]) -> Any:
        threads.add(threading.get_ident())
        return [() for _ in frames]

    kind = toy(process, open=note, close=note, open_session=note, close_session=note)
    async with running(kind) as server, asyncio.TaskGroup() as tasks:

        async def stream() -> None:
            async with camera(server.address) as client:
                await client.handshake()
                await client.answer(await client.frame())

        for _ in range(8):
            tasks.create_task(stream())
    assert len(threads) == 1
    assert threading.get_ident() not in threads


async def test_a_session_is_described_to_the_processor() -> None:
    sessions: list[SessionInfo] = []
    frames_seen: list[Frame] = []

    def process(frames: Sequence[Frame]) -> Any:
        frames_seen.extend(frames)
        return [() for _ in frames]

    kind = toy(process, open_session=lambda self, session: sessions.append(session))
    async with running(kind) as server, camera(server.address) as client:
        await client.handshake(configuration='{"any":1}', timescale=1_000)
        await client.answer(await client.frame(timestamp=2_500))
    (session,) = sessions
    assert session.identifier == GraphIdentifier("", "attack", "camera")
    assert (session.configuration, session.timescale) == ('{"any":1}', 1_000)
    assert isinstance(session.video_format, VideoFormat)
    (frame,) = frames_seen
    assert (frame.sequence_number, frame.timestamp, frame.time_s) == (2, 2_500, 2.5)
    assert (frame.width, frame.height) == (4, 2)
    assert frame.session is session
