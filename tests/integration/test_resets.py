"""Clients that go away in any state: what they had is gone soon after the processor returned their frames."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from attacked_server import attacked, neighbour, running
from toy_processors import Gate, Record, gated, label, telling
from wire_camera import DARK, LIGHT, PATIENCE_S, camera, eventually, memory_file

from framewire.model.message import ContentReference
from framewire.processors.catalogue import Catalogue
from framewire.server import Server


async def entered(gate: Gate) -> None:
    assert await asyncio.to_thread(gate.entered.wait, PATIENCE_S)


def assert_calm(caplog: pytest.LogCaptureFixture) -> None:
    """A client that goes away is no fault: nothing above INFO is logged of it, by nobody."""
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.INFO] == []


async def test_a_reset_before_the_descriptor_ends_the_session(caplog: pytest.LogCaptureFixture) -> None:
    async with attacked() as server, camera(server.address) as attacker:
        await eventually(lambda: server.sessions == 2)
        attacker.reset()
        await eventually(lambda: server.sessions == 1)
    assert_calm(caplog)


@pytest.mark.parametrize("read", ["map", "copy"])
async def test_a_reset_after_the_descriptor_lets_go_of_the_shared_memory(
    read: str, caplog: pytest.LogCaptureFixture
) -> None:
    with memory_file() as memory:
        async with attacked(shared_memory_read=read) as server, camera(server.address) as attacker:
            await attacker.handshake(memory=memory.announcement)
            assert memory.is_open
            assert memory.is_mapped is (read == "map")
            attacker.reset()
            await eventually(lambda: server.sessions == 1)
            assert not memory.is_mapped
            assert not memory.is_open
    assert_calm(caplog)


@pytest.mark.parametrize("is_embedded", [True, False], ids=["embedded", "shared memory"])
async def test_a_reset_with_frames_in_flight_lets_go_once_the_processor_returns(
    is_embedded: bool, caplog: pytest.LogCaptureFixture
) -> None:
    gate, record = Gate(), Record()
    with memory_file() as memory:
        async with attacked(gated(gate, record)) as server:
            async with camera(server.address) as attacker:
                await attacker.handshake(memory=None if is_embedded else memory.announcement)
                for index in range(5):
                    data = bytes([index + 1]) * 24
                    await attacker.frame(data if is_embedded else memory.write(index * 100, data))
                await entered(gate)
                await eventually(lambda: server.frames_in_flight >= 5)
                attacker.reset()
                # The frames that wait go at once; the one that the processor holds may still be read.
                await eventually(lambda: server.sessions == 1)
                assert memory.is_mapped is not is_embedded
            gate.open()
            await eventually(lambda: not memory.is_mapped and not memory.is_open)
            async with camera(server.address) as other:
                await other.handshake()
                assert (await other.answer(await other.frame(DARK))).inferences == (label("0"),)
        assert server.frames_in_flight == 0
    assert record.batches == [[1], [0]]
    assert_calm(caplog)


async def test_a_reset_after_the_half_close_lets_go_too(caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()
    with memory_file() as memory:
        async with attacked(gated(gate)) as server:
            async with camera(server.address) as attacker:
                await attacker.handshake(memory=memory.announcement)
                await attacker.frame(memory.write(0, LIGHT))
                await attacker.half_close()
                await entered(gate)
                attacker.reset()
                await eventually(lambda: server.sessions == 1)
            gate.open()
            await eventually(lambda: not memory.is_mapped and not memory.is_open)
    assert_calm(caplog)


async def test_a_reset_while_the_processor_opens_leaves_the_opening_to_those_who_wait_for_it_too() -> None:
    gate, record = Gate(), Record()

    def open_slowly(self: Any) -> None:
        record.events.append("open")
        gate.pass_through()

    catalogue = Catalogue()
    catalogue._given["slow"] = telling(open=open_slowly, close=lambda self: record.events.append("close"), name="slow")
    async with running(catalogue=catalogue) as server, neighbour(server):
        async with camera(server.address) as first, camera(server.address) as second:
            await first.introduce(configuration='{"processor":"slow"}')
            await entered(gate)
            await second.introduce(configuration='{"processor":"slow"}')
            await eventually(lambda: server.sessions == 3)
            first.reset()
            await eventually(lambda: server.sessions == 2)
            gate.open()
            await second.until(1)
            assert (await second.answer(await second.frame(DARK))).inferences == (label("0"),)
            assert record.events == ["open"]
            assert (await second.finish()).code == "OK"
        await eventually(lambda: record.events == ["open", "close"])


async def test_a_reset_by_all_who_wait_for_a_processor_closes_it_once_it_is_open() -> None:
    gate, record = Gate(), Record()

    def open_slowly(self: Any) -> None:
        record.events.append("open")
        gate.pass_through()

    catalogue = Catalogue()
    catalogue._given["slow"] = telling(open=open_slowly, close=lambda self: record.events.append("close"), name="slow")
    async with running(catalogue=catalogue) as server, neighbour(server):
        async with camera(server.address) as attacker:
            await attacker.introduce(configuration='{"processor":"slow"}')
            await entered(gate)
            attacker.reset()
            await eventually(lambda: server.sessions == 1)
        gate.open()
        await eventually(lambda: record.events == ["open", "close"])


async def test_a_reset_while_the_processor_makes_the_sessions_state_closes_that_state() -> None:
    gate, record = Gate(), Record()

    def open_session(self: Any, session: Any) -> str:
        gate.pass_through()
        record.events.append("open session")
        return "state"

    def close_session(self: Any, state: str) -> None:
        record.events.append(f"close session with {state}")

    async with attacked(telling(open_session=open_session, close_session=close_session)) as server:
        async with camera(server.address) as attacker:
            await attacker.introduce()
            await entered(gate)
            attacker.reset()
            await eventually(lambda: server.sessions == 1)
        gate.open()
        await eventually(lambda: record.events == ["open session", "close session with state"])


async def test_a_reset_while_the_stream_waits_for_room_leaves_the_room_to_others() -> None:
    gate = Gate()
    async with (
        running(gated(gate), max_total_in_flight=1) as server,
        camera(server.address) as first,
        camera(server.address) as leaving,
        camera(server.address) as patient,
    ):
        for one in (first, leaving, patient):
            await one.handshake()
        number = await first.frame()
        await entered(gate)
        # Each of them has read nothing since the room was taken, or one frame at most.
        for one in (leaving, patient):
            await one.frame()
            await one.frame()
        leaving.reset()
        await eventually(lambda: server.sessions == 2)
        gate.open()
        await first.answer(number)
        await patient.answer(2)
        await patient.answer(3)


async def test_room_is_not_lost_on_a_stream_that_has_nothing_to_send() -> None:
    gate = Gate()
    async with (
        running(gated(gate), max_total_in_flight=1) as server,
        camera(server.address) as first,
        camera(server.address) as idle,
        camera(server.address) as busy,
    ):
        for one in (first, idle, busy):
            await one.handshake()
        await first.frame()
        await entered(gate)
        # One more frame of each is taken beside the limit; then all three wait for room.
        await idle.frame()
        await busy.frame()
        await eventually(lambda: server.frames_in_flight == 3)
        await busy.frame()
        gate.open()
        await busy.answer(3)


async def test_a_hundred_resets_in_every_state_leave_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    with memory_file() as memory:
        async with attacked() as server:

            async def one(index: int) -> None:
                async with camera(server.address) as attacker:
                    if index % 4 > 0:
                        await attacker.introduce(memory=memory.announcement)
                    if index % 4 > 1:
                        await attacker.until(1)
                        for _ in range(3):
                            await attacker.frame(ContentReference(0, 24))
                    if index % 4 > 2:
                        await attacker.half_close()
                    attacker.reset()

            for start in range(0, 100, 20):
                async with asyncio.TaskGroup() as tasks:
                    for index in range(start, start + 20):
                        tasks.create_task(one(index))
            await eventually(lambda: server.sessions == 1 and not memory.is_mapped and not memory.is_open)
            await nothing_is_left(server)
        assert server.frames_in_flight == 0
    assert_calm(caplog)


async def nothing_is_left(server: Server) -> None:
    """Waits until the neighbour's lane is the only one, and the server's own processor the only pool."""
    await eventually(lambda: len(server._services.lanes) == 1 and len(server._pools._entries) == 1)
