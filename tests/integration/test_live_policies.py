"""Cameras that cannot drop: what is dropped for them, that it is answered at once, and that it is counted."""

from __future__ import annotations

import asyncio

import pytest
from attacked_server import running
from toy_processors import Gate, Record, gated, telling, words
from wire_camera import PATIENCE_S, SMALL, WireCamera, camera, eventually

from framewire.server import Server


def frame_of(value: int) -> bytes:
    return bytes([value]) * 24


async def busy_with(server: Server, one: WireCamera, gate: Gate, configuration: str = "") -> None:
    """A session whose frame 1 is in the worker."""
    await one.handshake(SMALL, configuration=configuration)
    await one.frame(frame_of(1))
    assert await asyncio.to_thread(gate.entered.wait, PATIENCE_S)
    await eventually(lambda: server.frames_in_flight == 1)


async def send_and_release(one: WireCamera, gate: Gate, last: int, dropped: list[int]) -> list[int]:
    """Sends frames 2 to `last` while the worker is busy; returns the frames answered after those dropped."""
    for value in range(2, last + 1):
        await one.frame(frame_of(value))
    await one.until(1 + len(dropped))
    # Acknowledged at once: the worker still holds frame 1. The number of a frame's message is one above its value.
    assert [number - 1 for number in one.acknowledged] == dropped
    assert all(message.payload.inferences == () for message in one.received[1:])  # type: ignore[union-attr]
    gate.open()
    await one.until(1 + last)
    assert (await one.finish()).code == "OK"
    return [number - 1 for number in one.acknowledged[len(dropped) :]]


@pytest.mark.parametrize(
    ("when_busy", "dropped", "processed"),
    [("drop-oldest", [2, 3, 4], [1, 5, 6]), ("drop-newest", [4, 5, 6], [1, 2, 3]), ("latest", [2, 3, 4, 5], [1, 6])],
)
@pytest.mark.parametrize("is_asked_by_the_session", [False, True], ids=["server", "session"])
async def test_when_a_limit_is_reached_the_policy_says_which_frame_is_dropped(
    when_busy: str, dropped: list[int], processed: list[int], *, is_asked_by_the_session: bool
) -> None:
    gate, record = Gate(), Record()
    options = {} if is_asked_by_the_session else {"when_busy": when_busy}
    configuration = f'{{"whenBusy":"{when_busy}"}}' if is_asked_by_the_session else ""
    async with running(gated(gate, record), max_in_flight=3, **options) as server, camera(server.address) as one:
        await busy_with(server, one, gate, configuration)
        assert await send_and_release(one, gate, 6, dropped) == processed
        assert record.batches == [[value] for value in processed]
        counts = server.statistics()["frames"]
        assert (counts["received"], counts["answered"], counts["failed"]) == (6, len(processed), 0)
        cause = {"drop-oldest": "oldest", "drop-newest": "newest", "latest": "not-latest"}[when_busy]
        assert counts["dropped"] == {"too-old": 0, "oldest": 0, "newest": 0, "not-latest": 0} | {cause: len(dropped)}


async def test_latest_keeps_one_waiting_frame_though_no_limit_is_reached() -> None:
    gate = Gate()
    async with running(gated(gate), when_busy="latest") as server, camera(server.address) as one:
        await busy_with(server, one, gate)
        assert await send_and_release(one, gate, 4, [2, 3]) == [1, 4]


async def test_what_is_in_the_worker_is_never_dropped() -> None:
    gate = Gate()
    async with (
        running(gated(gate), when_busy="drop-oldest", max_in_flight=1) as server,
        camera(server.address) as one,
    ):
        await busy_with(server, one, gate)
        assert await send_and_release(one, gate, 3, [2, 3]) == [1]


async def test_a_limit_of_all_sessions_drops_frames_of_the_session_that_sends_and_of_no_other() -> None:
    gate = Gate()
    async with (
        running(gated(gate), max_total_in_flight=3) as server,
        camera(server.address) as patient,
        camera(server.address) as live,
    ):
        await busy_with(server, patient, gate)
        await patient.frame(frame_of(2))
        await patient.frame(frame_of(3))
        await eventually(lambda: server.frames_in_flight == 3)
        await live.handshake(SMALL, configuration='{"whenBusy":"drop-oldest"}')
        number = await live.frame(frame_of(9))
        assert words((await live.answer(number)).inferences) == []
        gate.open()
        assert [words((await patient.answer(number)).inferences) for number in (2, 3, 4)] == [["1"], ["2"], ["3"]]


async def test_a_frame_that_is_too_old_is_answered_while_the_worker_is_still_busy() -> None:
    gate = Gate()
    async with (
        running(gated(gate)) as server,
        camera(server.address) as patient,
        camera(server.address) as live,
    ):
        await busy_with(server, patient, gate)
        await live.handshake(SMALL, configuration='{"maxAgeMs":50}')
        number = await live.frame(frame_of(2))
        assert words((await live.answer(number)).inferences) == []
        assert server.statistics()["frames"]["dropped"]["too-old"] == 1
        gate.open()
        assert words((await patient.answer(2)).inferences) == ["1"]


async def test_dropped_frames_do_not_count_as_bad_ones_and_give_their_place_back() -> None:
    gate = Gate()
    async with (
        running(gated(gate), when_busy="latest", max_bad_frames=2, max_total_in_flight=2) as server,
        camera(server.address) as one,
    ):
        await busy_with(server, one, gate)
        assert await send_and_release(one, gate, 40, list(range(2, 40))) == [1, 40]
        assert server.frames_in_flight == 0


async def test_a_session_of_higher_priority_is_served_first() -> None:
    gate, record = Gate(), Record()
    async with (
        running(gated(gate, record)) as server,
        camera(server.address) as plain,
        camera(server.address) as urgent,
    ):
        await busy_with(server, plain, gate)
        await urgent.handshake(SMALL, configuration='{"priority":9}')
        for value in (2, 3):
            await plain.frame(frame_of(value))
        await eventually(lambda: server.frames_in_flight == 3)
        for value in (11, 12, 13):
            await urgent.frame(frame_of(value))
        await eventually(lambda: server.frames_in_flight == 6)
        gate.open()
        await plain.until(4)
        await urgent.until(4)
    assert record.batches == [[1], [11], [12], [13], [2], [3]]


async def test_a_session_is_taken_on_while_the_only_worker_is_busy() -> None:
    gate = Gate()
    async with running(gated(gate)) as server, camera(server.address) as one, camera(server.address) as late:
        await busy_with(server, one, gate)
        await late.handshake(SMALL)
        gate.open()


async def test_latest_keeps_the_newest_frame_though_the_limit_is_one() -> None:
    gate = Gate()
    async with running(gated(gate), when_busy="latest", max_in_flight=1) as server, camera(server.address) as one:
        await busy_with(server, one, gate)
        assert await send_and_release(one, gate, 4, [2, 3]) == [1, 4]
        assert server.statistics()["frames"]["dropped"]["not-latest"] == 2


@pytest.mark.parametrize("executor", ["threads", "inline"])
@pytest.mark.parametrize("when_busy", ["drop-oldest", "drop-newest"])
async def test_nothing_is_dropped_while_a_batch_waits_beside_an_idle_worker(when_busy: str, executor: str) -> None:
    options = {"batch_size": 8, "batch_wait_ms": 60_000, "max_in_flight": 4}
    async with (
        running(telling(), when_busy=when_busy, executor=executor, **options) as server,
        camera(server.address) as one,
    ):
        await one.handshake(SMALL)
        for value in range(1, 13):
            await one.frame(frame_of(value))
            if value % 4 == 0:
                await one.until(1 + value)
        assert [words(message.payload.inferences) for message in one.received[1:]] == [  # type: ignore[union-attr]
            [str(value)] for value in range(1, 13)
        ]


@pytest.mark.parametrize("when_busy", ["drop-oldest", "drop-newest", "latest"])
@pytest.mark.parametrize("max_in_flight", [1, 32])
async def test_an_aggregated_batch_does_not_drop_parts_of_itself(when_busy: str, max_in_flight: int) -> None:
    options = {"batch_reply": "aggregate", "batch_size": 4, "max_in_flight": max_in_flight}
    async with running(telling(), when_busy=when_busy, **options) as server, camera(server.address) as one:
        await one.handshake(SMALL)
        for value in range(1, 9):
            await one.frame(frame_of(value))
            if value % 4 == 0:
                await one.until(1 + value)
        assert [words(one.received[index].payload.inferences) for index in (4, 8)] == [  # type: ignore[union-attr]
            ["1", "2", "3", "4"],
            ["5", "6", "7", "8"],
        ]
        assert set(server.statistics()["frames"]["dropped"].values()) == {0}


async def test_an_aggregated_batch_replaces_the_one_that_waits() -> None:
    gate = Gate()
    async with (
        running(gated(gate), when_busy="latest", batch_reply="aggregate", batch_size=2) as server,
        camera(server.address) as one,
    ):
        await one.handshake(SMALL)
        for value in (1, 2):
            await one.frame(frame_of(value))
        assert await asyncio.to_thread(gate.entered.wait, PATIENCE_S)
        for value in (3, 4, 5, 6):
            await one.frame(frame_of(value))
        await eventually(lambda: server.statistics()["frames"]["dropped"]["not-latest"] == 2)
        gate.open()
        await one.until(7)
        found = {message.ack_sequence_number: words(message.payload.inferences) for message in one.received[1:]}  # type: ignore[union-attr]
        assert [found[number] for number in (3, 5, 7)] == [["1", "2"], [], ["5", "6"]]
        assert (await one.finish()).code == "OK"
