"""Batches on a running server: made across sessions, never at the cost of one frame."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from attacked_server import attacked, running
from toy_processors import Gate, Record, first_value, label, toy, words
from wire_camera import PATIENCE_S, WireCamera, camera, eventually

from framewire.model.frame import Frame
from framewire.processors.api import option
from framewire.server import Server


@asynccontextmanager
async def cameras(server: Server, count: int, configuration: str = "") -> AsyncIterator[list[WireCamera]]:
    """Several sessions, each past its handshake."""
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(camera(server.address)) for _ in range(count)]
        for one in opened:
            await one.handshake(configuration=configuration)
        yield opened


class GatedFirst:
    """Holds the first batch until the gate is opened, so that frames gather behind it."""

    def __init__(self, process: Any = None) -> None:
        self.gate = Gate()
        self._process = process or (lambda frames: [(first_value(frame),) for frame in frames])

    def __call__(self, frames: Sequence[Frame]) -> Any:
        self.gate.pass_through()
        return self._process(frames)


async def gather(server: Server, clients: Sequence[WireCamera], held: GatedFirst) -> list[int]:
    """Sends one frame that the processor holds, then one of each client; returns the numbers of the latter."""
    await clients[0].frame(b"\xfe" * 24)
    assert await asyncio.to_thread(held.gate.entered.wait, PATIENCE_S)
    numbers = [await client.frame(bytes([index]) * 24) for index, client in enumerate(clients)]
    # A neighbour's frames come and go beside them, on a processor of their own.
    (entry, *_) = server._pools._entries.values()
    await eventually(lambda: entry.pool.statistics().waiting == len(clients))
    held.gate.open()
    return numbers


@pytest.mark.parametrize(
    ("batch_size", "sizes"), [(1, [1, 1, 1, 1, 1, 1, 1, 1]), (3, [1, 3, 3, 1]), (4, [1, 4, 3]), (100, [1, 7])]
)
async def test_a_batch_takes_frames_of_all_sessions_up_to_the_batch_size(batch_size: int, sizes: list[int]) -> None:
    record, held = Record(), GatedFirst()
    async with running(toy(held, record=record), batch_size=batch_size) as server, cameras(server, 7) as clients:
        numbers = await gather(server, clients, held)
        answers = [await client.answer(number) for client, number in zip(clients, numbers, strict=True)]
    assert [len(batch) for batch in record.batches] == sizes
    assert [words(answer.inferences) for answer in answers] == [[str(index)] for index in range(7)]


async def test_sessions_take_turns_so_that_a_fast_camera_does_not_starve_a_slow_one() -> None:
    record, held = Record(), GatedFirst()
    async with running(toy(held, record=record), batch_size=2) as server, cameras(server, 2) as (fast, slow):
        await fast.frame(b"\x00" * 24)
        assert await asyncio.to_thread(held.gate.entered.wait, PATIENCE_S)
        for value in (1, 2, 3, 4, 5):
            await fast.frame(bytes([value]) * 24)
        await eventually(lambda: server.frames_in_flight == 6)
        number = await slow.frame(b"\x63" * 24)
        await eventually(lambda: server.frames_in_flight == 7)
        held.gate.open()
        await slow.answer(number)
        await fast.until(7)
    assert record.batches == [[0], [99, 1], [2, 3], [4, 5]]


@dataclass(frozen=True)
class Choice:
    value: int = option(0, "anything")


async def test_only_sessions_with_equal_options_share_a_batch() -> None:
    held = GatedFirst(lambda frames: [(first_value(frame),) for frame in frames])
    seen: list[list[int]] = []

    def process(self: Any, frames: Sequence[Frame]) -> Any:
        seen.append([self.options.value] + [int(frame.pixels.flat[0]) for frame in frames])
        return held(frames)

    kind = toy(held, Options=Choice)
    kind.factory.process = process  # type: ignore[method-assign]
    async with (
        running(kind, batch_size=8) as server,
        cameras(server, 2, '{"value":1}') as ones,
        cameras(server, 2, '{"options":{"value":"1"}}') as also_ones,
        cameras(server, 2, '{"value":2}') as twos,
    ):
        for first in (ones[0], twos[0]):
            await first.frame(b"\xfe" * 24)
        await eventually(lambda: len(seen) == 2)
        everybody = [*ones, *also_ones, *twos]
        for index, client in enumerate(everybody):
            await client.frame(bytes([index]) * 24)
        await eventually(lambda: server.frames_in_flight == 8)
        held.gate.open()
        for client in everybody:
            assert (await client.finish()).code == "OK"
    # Frames of different connections come in any order.
    assert sorted([value, *sorted(frames)] for value, *frames in seen) == [
        [1, 0, 1, 2, 3],
        [1, 254],
        [2, 4, 5],
        [2, 254],
    ]


def picky(frames: Sequence[Frame]) -> Any:
    """Cannot stand frames that begin with 2."""
    if any(frame.pixels.flat[0] == 2 for frame in frames):
        raise RuntimeError("a two")
    return [(first_value(frame),) for frame in frames]


def lazy(frames: Sequence[Frame]) -> Any:
    """Forgets frames that begin with 2."""
    return [(first_value(frame),) for frame in frames if frame.pixels.flat[0] != 2]


@pytest.mark.parametrize("process", [picky, lazy], ids=["raises", "answers the wrong number of results"])
async def test_a_batch_that_fails_is_tried_frame_by_frame_and_only_the_frame_at_fault_fails(process: Any) -> None:
    record, held = Record(), GatedFirst(process)
    async with attacked(toy(held, record=record), batch_size=5) as server, cameras(server, 5) as clients:
        numbers = await gather(server, clients, held)
        answers = [await client.answer(number) for client, number in zip(clients, numbers, strict=True)]
    assert [words(answer.inferences) for answer in answers] == [["0"], ["1"], [], ["3"], ["4"]]
    held_alone, together, *one_by_one = record.batches
    assert (held_alone, sorted(together)) == ([254], [0, 1, 2, 3, 4])
    assert one_by_one == [[value] for value in together]


async def test_an_invalid_inference_for_one_frame_of_a_batch_fails_that_frame_alone() -> None:
    held = GatedFirst(lambda frames: [[label(str(f.pixels[0]))] if f.pixels[0] != 2 else ["car"] for f in frames])
    record = Record()
    async with running(toy(held, record=record), batch_size=5) as server, cameras(server, 5) as clients:
        numbers = await gather(server, clients, held)
        answers = [await client.answer(number) for client, number in zip(clients, numbers, strict=True)]
    assert [words(answer.inferences) for answer in answers] == [["0"], ["1"], [], ["3"], ["4"]]
    assert [sorted(batch) for batch in record.batches] == [[254], [0, 1, 2, 3, 4]]


async def test_without_batch_wait_a_frame_never_waits_for_a_fuller_batch() -> None:
    record = Record()
    kind = toy(lambda frames: [() for _ in frames], record=record)
    async with running(kind, batch_size=100) as server, cameras(server, 1) as (client,):
        for value in range(5):
            await client.answer(await client.frame(bytes([value]) * 24))
    assert record.batches == [[0], [1], [2], [3], [4]]


async def test_batch_wait_makes_fuller_batches() -> None:
    record = Record()
    kind = toy(lambda frames: [() for _ in frames], record=record)
    async with running(kind, batch_size=4, batch_wait_ms=60_000) as server, cameras(server, 4) as clients:
        # A full batch does not wait for the time to pass: the answers would come too late.
        numbers = [await client.frame(bytes([index]) * 24) for index, client in enumerate(clients)]
        for client, number in zip(clients, numbers, strict=True):
            await client.answer(number)
    assert [sorted(batch) for batch in record.batches] == [[0, 1, 2, 3]]


async def test_batch_wait_lets_a_frame_wait_no_longer_than_that() -> None:
    record = Record()
    kind = toy(lambda frames: [() for _ in frames], record=record)
    async with running(kind, batch_size=4, batch_wait_ms=200) as server, cameras(server, 1) as (client,):
        started = time.monotonic()
        await client.answer(await client.frame())
        waited_s = time.monotonic() - started
    assert record.batches == [[255]]
    assert waited_s >= 0.2


@pytest.mark.parametrize("executor", ["threads", "inline"])
async def test_a_drain_answers_frames_that_wait_for_a_fuller_batch(executor: str) -> None:
    record = Record()
    kind = toy(lambda frames: [() for _ in frames], record=record)
    options = {"batch_size": 4, "batch_wait_ms": 60_000, "executor": executor}
    async with running(kind, **options) as server, cameras(server, 1) as (client,):
        number = await client.frame()
        await eventually(lambda: server.frames_in_flight == 1)
        assert await server.drain()
        await client.answer(number)
        assert (await client.ending()).code == "UNAVAILABLE"
    assert record.batches == [[255]]


@pytest.mark.parametrize("executor", ["threads", "inline"])
async def test_a_frame_does_not_become_too_old_while_it_waits_for_a_fuller_batch(executor: str) -> None:
    record = Record()
    kind = toy(lambda frames: [() for _ in frames], record=record)
    options = {"batch_size": 4, "batch_wait_ms": 60_000, "max_age_ms": 500, "executor": executor}
    async with running(kind, **options) as server, cameras(server, 1) as (client,):
        # On a busy machine one may become too old for another reason; all of them would, if this were one.
        for _ in range(20):
            await client.answer(await client.frame())
            if record.batches:
                break
    assert record.batches == [[255]]


async def test_the_frames_of_a_session_stay_in_order() -> None:
    record = Record()
    kind = toy(lambda frames: [() for _ in frames], record=record, needs_order=True)
    async with running(kind, batch_size=3) as server, cameras(server, 1) as (client,):
        for value in range(50):
            await client.frame(bytes([value]) * 24)
        assert (await client.finish()).code == "OK"
    assert [value for batch in record.batches for value in batch] == list(range(50))
