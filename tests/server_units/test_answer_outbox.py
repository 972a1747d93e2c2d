"""Answers on their way to a client: in order, counted until the transport has taken them."""

from __future__ import annotations

import asyncio

from framewire.model.histogram import Histogram
from framewire.server.outbox import Outbox, OutboxStatistics


async def test_an_answer_counts_as_waiting_until_it_is_taken() -> None:
    taken: list[bytes] = []
    gate = asyncio.Event()

    async def write(message: bytes) -> None:
        await gate.wait()
        taken.append(message)

    outbox = Outbox(write, lambda: 1.0, Histogram())
    outbox.put(b"one")
    outbox.put(b"three")
    writer = asyncio.create_task(outbox.run())
    await asyncio.sleep(0)
    assert outbox.statistics() == OutboxStatistics(waiting=2, waiting_bytes=8, sent=0)
    gate.set()
    outbox.close()
    await writer
    assert taken == [b"one", b"three"]
    assert outbox.statistics() == OutboxStatistics(waiting=0, waiting_bytes=0, sent=2)
