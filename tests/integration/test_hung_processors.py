"""A processor that does not return: its frames are answered or their session ends, and the others go on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
import pytest
from attacked_server import running
from grpc_health.v1 import health_pb2, health_pb2_grpc
from toy_processors import first_value, toy, words
from wire_camera import SMALL, camera, connection, eventually, memory_file

from framewire.model.frame import Frame
from framewire.processors.catalogue import ProcessorKind
from framewire.server import Server

HANGS = 200
"""Frames of this value are not given back before the test is over."""


@pytest.fixture
def over() -> Iterator[threading.Event]:
    over = threading.Event()
    yield over
    over.set()


def hanging(over: threading.Event) -> ProcessorKind:
    def process(frames: Sequence[Frame]) -> Any:
        if any(int(frame.pixels.flat[0]) == HANGS for frame in frames):
            over.wait(60)
        return [(first_value(frame),) for frame in frames]

    return toy(process)


async def health(server: Server) -> str:
    async with connection(server.address) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


async def test_an_embedded_frame_that_is_not_given_back_is_acknowledged_as_failed(over: threading.Event) -> None:
    async with running(hanging(over), frame_timeout_s=1.0) as server, camera(server.address) as one:
        await one.handshake(SMALL)
        held = await one.frame(bytes([HANGS]) * 24)
        behind = await one.frame(bytes([7]) * 24)
        assert words((await one.answer(held)).inferences) == []
        assert words((await one.answer(behind)).inferences) == ["7"]
        assert (await one.finish()).code == "OK"
        assert await health(server) == "SERVING"
        assert server.statistics()["executors"][0]["replaced"] == 1
        over.set()


async def test_a_frame_in_shared_memory_stays_unacknowledged_and_ends_its_session_alone(over: threading.Event) -> None:
    async with (
        running(hanging(over), frame_timeout_s=1.0) as server,
        camera(server.address) as one,
        camera(server.address) as other,
    ):
        with memory_file() as memory:
            await one.handshake(SMALL, memory=memory.announcement)
            await other.handshake(SMALL)
            await one.frame(memory.write(0, bytes([HANGS]) * 24))
            number = await other.frame(bytes([7]) * 24)
            ending = await one.ending()
            assert ending.code == "INTERNAL"
            assert ending.details == "the processor holds a frame and does not return; connect again"
            assert one.acknowledged == []
            assert words((await other.answer(number)).inferences) == ["7"]
            # It may still be read: it stays mapped until the processor returns.
            assert memory.is_mapped
            over.set()
            await eventually(lambda: not memory.is_mapped)


async def test_after_three_replacements_health_says_that_the_server_wants_a_restart(over: threading.Event) -> None:
    async with running(hanging(over), frame_timeout_s=0.1, max_bad_frames=8) as server, camera(server.address) as one:
        await one.handshake(SMALL)
        for _ in range(3):
            number = await one.frame(bytes([HANGS]) * 24)
            assert words((await one.answer(number)).inferences) == []
        assert await health(server) == "SERVING"
        number = await one.frame(bytes([HANGS]) * 24)
        assert words((await one.answer(number)).inferences) == []
        async with asyncio.timeout(10):
            while await health(server) == "SERVING":  # noqa: ASYNC110 # it is asked over the wire
                await asyncio.sleep(0.01)
        # No frame waits for ever, and the session ends with a reason.
        for _ in range(4):
            await one.frame(bytes([7]) * 24)
        ending = await one.ending()
        assert ending.code == "INTERNAL"
        assert ending.details == "the processor failed on 8 frames in a row; the server's log says why"
        async with camera(server.address) as late:
            await late.introduce(SMALL)
            assert (await late.ending()).code == "INTERNAL"
        over.set()


async def test_draining_does_not_wait_for_a_worker_that_was_given_up(over: threading.Event) -> None:
    async with running(hanging(over), frame_timeout_s=1.0) as server, camera(server.address) as one:
        await one.handshake(SMALL)
        number = await one.frame(bytes([HANGS]) * 24)
        await one.answer(number)
        assert await server.drain()
        assert (await one.ending()).code == grpc.StatusCode.UNAVAILABLE.name
        over.set()
