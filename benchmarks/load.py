"""The load: many streams with a fixed number of frames in flight, as cheap as a client in Python can be.

Frames lie in their slots, and messages are built, before the clock starts. A slot is used again when its frame is
acknowledged, so every server sees the same bytes in the same order.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from cells import IN_FLIGHT, Cell
from process_tree import ProcessTree

PATIENCE_S = 30.0
"""How long a server may take longer than a round lasts: to fill its queues, and to empty them at the end."""


@dataclass
class Measured:
    """What one round says of one server.

    Args:
        frames_per_second: Answers in the window by its length.
        p50_ms, p99_ms, max_ms: From sending a frame, or from when it should have been sent, to its answer.
        server_cpu_ms: CPU time of all the server's processes, per frame.
        client_cpu_ms: CPU time of the load itself, per frame.
        frames: Answers in the window.
    """

    frames_per_second: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    server_cpu_ms: float
    client_cpu_ms: float
    frames: int


class Clock:
    """The window of a round, and the latencies of the answers that fall into it."""

    def __init__(self) -> None:
        self.begin = float("inf")
        self.end = float("inf")
        self.answers = 0
        self.latencies = array("d")

    def answered(self, started: float, now: float) -> None:
        self.answers += 1
        if self.begin <= now < self.end:
            self.latencies.append(now - started)


class Stream(Protocol):
    """One open stream of a load."""

    async def run(self, clock: Clock) -> None:
        """Sends as fast as answers come, until the window ends and every frame is answered."""

    async def run_at(self, clock: Clock, frames_per_second: float, phase: float) -> None:
        """Sends at a rate, from the part `phase` of a period on; a frame that is sent late was due all the same."""

    async def ask(self, slot: int) -> bool:
        """Sends the frame of one slot and tells whether the server says that it is light."""


class Client(Protocol):
    """How a load speaks to a server."""

    def open(self, cell: Cell, frames: list[bytes]) -> AbstractAsyncContextManager[Stream]:
        """A stream with a slot for each of the frames."""


async def check(client: Client, cell: Cell) -> None:
    """Asks for a dark frame and a light one.

    Raises:
        ValueError: The server's answer is wrong.
    """
    async with client.open(cell, [cell.frame(10, 70), cell.frame(180, 250)]) as stream:
        for slot, expected in enumerate((False, True)):
            if await stream.ask(slot) is not expected:
                raise ValueError(f"it calls a {'light' if expected else 'dark'} frame the opposite")


@dataclass(frozen=True)
class Window:
    """When a round counts, and what it offers.

    Args:
        seconds: Its length.
        warm_up_s: Least time before it; the warm-up lasts until every slot has been answered twice, too.
        rate: Frames/s that all streams offer together; None sends as fast as answers come.
    """

    seconds: float
    warm_up_s: float
    rate: float | None = None


async def measure(client: Client, tree: ProcessTree, cell: Cell, window: Window) -> Measured:
    """Loads a server and counts the answers that come after the warm-up.

    Raises:
        TimeoutError: Answers stay away.
    """
    seconds = window.seconds
    warm = 2 * IN_FLIGHT * cell.streams
    clock = Clock()
    async with asyncio.timeout(window.warm_up_s + seconds + PATIENCE_S), AsyncExitStack() as stack:
        frames = [cell.frame()] * IN_FLIGHT
        streams = [await stack.enter_async_context(client.open(cell, frames)) for _ in range(cell.streams)]
        async with asyncio.TaskGroup() as tasks:
            for number, stream in enumerate(streams):
                if window.rate is None:
                    tasks.create_task(stream.run(clock))
                else:
                    tasks.create_task(stream.run_at(clock, window.rate / cell.streams, number / cell.streams))
            await asyncio.sleep(window.warm_up_s)
            # What waits in a slow server's queues at the start is no steady state.
            while clock.answers < warm:  # noqa: ASYNC110 # an event would cost each answer that is measured
                await asyncio.sleep(0.02)
            cpu = tree.cpu_seconds()
            own_cpu = time.process_time()
            clock.begin = time.perf_counter()
            clock.end = clock.begin + seconds
            await asyncio.sleep(seconds)
            own_cpu = time.process_time() - own_cpu
            cpu = tree.cpu_seconds() - cpu
    if not clock.latencies:
        raise TimeoutError(f"no answer in {seconds:g} s")
    count = len(clock.latencies)
    p50, p99, most = np.percentile(clock.latencies, [50, 99, 100]) * 1000
    return Measured(
        frames_per_second=count / seconds,
        p50_ms=float(p50),
        p99_ms=float(p99),
        max_ms=float(most),
        server_cpu_ms=cpu * 1000 / count,
        client_cpu_ms=own_cpu * 1000 / count,
        frames=count,
    )
