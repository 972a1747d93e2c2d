"""One load from its first handshake to its report."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any

from framewire.client.address import parse_address
from framewire.errors import FramewireError
from framewire.load.cost import OwnTimes
from framewire.load.message import FrameMessage
from framewire.load.options import LoadOptions
from framewire.load.report import LoadReport, ServerCost
from framewire.load.server_process import ServerProcess, Usage, find_server
from framewire.load.statistics import ServerFrames, read_statistics
from framewire.load.stream import LoadStream
from framewire.load.tally import Tally
from framewire.load.timetable import due_times_s

_STOPPED = "stopped before anything was measured"


async def run_load(
    options: LoadOptions, *, tally: Tally | None = None, stop: asyncio.Event | None = None
) -> LoadReport:
    """Loads a server and measures it.

    Open loops want the loop of `precise_event_loop`: timers of asyncio's own are late by up to a millisecond, and that
    counts as latency.

    Args:
        options: The load.
        tally: Counts while the load runs; make one to look at it meanwhile.
        stop: When it is set the load ends; the report tells what was measured until then.

    Returns:
        The figures. When a stream failed in the middle all of them ended, and the report says why.

    Raises:
        ConfigurationError: The address is none.
        PeerError: The server cannot be reached, or does not accept a stream.
        SharedMemoryError: There is no room for the frames.
        FramewireError: It was stopped, or failed, before anything was measured.
    """
    target = parse_address(options.address)
    tally = tally or Tally()
    stop = stop or asyncio.Event()
    server = find_server(target)
    embedded = [] if options.shared_memory_bytes else [FrameMessage(frame) for frame in options.frames]
    async with AsyncExitStack() as resources:
        streams = [LoadStream(target, options, number, tally, embedded) for number in range(options.streams)]
        for stream in streams:
            await _unless_stopped(stop, resources.enter_async_context(stream))
        window = _Window(tally, server)
        # Asked right before the window and right behind it: not in it, as asking costs the server a moment.
        earlier = None if options.warm_up_s else await read_statistics(target, options)
        later = None
        try:
            async with asyncio.TaskGroup() as tasks:
                begin_s = time.monotonic()
                for number, stream in enumerate(streams):
                    tasks.create_task(_play(stream, options, number, begin_s, stop))
                if options.warm_up_s:
                    await _pause(stop, options.warm_up_s)
                    earlier = None if stop.is_set() else await read_statistics(target, options)
                if not stop.is_set():
                    window.open()
                    await _pause(stop, options.duration_s)
                    window.close()
                    if earlier is not None:
                        later = await read_statistics(target, options)
                for stream in streams:
                    stream.finish()
        except BaseExceptionGroup as group:
            raise _first(group) from None
        failure = next((stream.failure for stream in streams if stream.failure), None)
    if window.before is None or window.after is None:
        raise failure or FramewireError(_STOPPED)
    return LoadReport(
        options.streams,
        options.frames_per_second and options.frames_per_second * options.streams,
        tally.end_s - tally.start_s,
        tally,
        window.after[0] - window.before[0],
        _server_cost(window.before[1], window.after[1]),
        later,
        ServerFrames.between(earlier, later),
        failure,
    )


class _Window:
    """Begins and ends the measurement.

    Args:
        tally: Gets the times.
        server: Is measured too, when it is known.
    """

    def __init__(self, tally: Tally, server: ServerProcess | None) -> None:
        self._tally = tally
        self._server = server
        self.before: tuple[OwnTimes, Usage | None] | None = None
        self.after: tuple[OwnTimes, Usage | None] | None = None

    def open(self) -> None:
        """What comes from now on counts."""
        # Looking at the server takes a moment, which must not count as ours.
        usage = self._usage()
        self.before = OwnTimes.now(), usage
        self._tally.start_s = time.monotonic()

    def close(self) -> None:
        """What comes from now on does not count."""
        self._tally.end_s = time.monotonic()
        times = OwnTimes.now()
        self.after = times, self._usage()

    def _usage(self) -> Usage | None:
        return self._server.usage() if self._server is not None else None


async def _play(stream: LoadStream, options: LoadOptions, number: int, begin_s: float, stop: asyncio.Event) -> None:
    due = None
    if options.frames_per_second is not None:
        due = due_times_s(begin_s, options.frames_per_second, number, options.streams)
    await stream.run(due)
    if stream.failure is not None:
        # With a stream less it is another load.
        stop.set()


async def _pause(stop: asyncio.Event, duration_s: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(duration_s):
            await stop.wait()


async def _unless_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, object]) -> None:
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise FramewireError(_STOPPED)
        working.result()
    finally:
        stopping.cancel()
        if working.cancel():
            await asyncio.wait({working})
            if not working.cancelled():
                working.exception()  # seen: of a stream that nobody wants any more


def _server_cost(before: Usage | None, after: Usage | None) -> ServerCost | None:
    if before is None or after is None:
        return None
    # Less than before: a child has gone without being waited for, so what it used is not known.
    if after.cpu_s < before.cpu_s:
        return None
    return ServerCost(after.cpu_s - before.cpu_s, after.rss_bytes, after.processes)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended a group of tasks; the others followed from it."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
