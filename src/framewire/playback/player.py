"""One source, one session: read ahead, pace, send, and match the answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from framewire.client import Client, ClientOptions, Match, Result
from framewire.errors import PeerError
from framewire.model.inference import Inference, unscale_inferences
from framewire.playback.encoder import FrameEncoder, ImageOptions
from framewire.playback.reader import ReaderThread
from framewire.playback.report import Report
from framewire.sources import Source, SourceFrame

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class PlayOptions:
    """How a source is played.

    Args:
        image: The form in which pictures are sent.
        frames_per_second: Pace; None sends as fast as acknowledgements come, a camera at its own pace.
        most_frames: Stop after so many; None for all.
        duration_s: Stop after so many seconds; None for no limit.
        answer_timeout_s: Give up when frames are in flight and no answer comes for so long.
    """

    image: ImageOptions = field(default_factory=ImageOptions)
    frames_per_second: float | None = None
    most_frames: int | None = None
    duration_s: float | None = None
    answer_timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the server, with the frame that it belongs to.

    Args:
        result: The answer.
        inferences: Its inferences, boxes in the coordinates of the unscaled source.
        index: The frame's number in its source, from 0; None when the answer belongs to no frame.
        note: What `annotate` said of the frame.
    """

    result: Result
    inferences: Sequence[Inference]
    index: int | None
    note: object


@dataclass(frozen=True, slots=True)
class _Prepared:
    data: bytes | npt.NDArray[np.uint8]
    time_s: float
    index: int
    note: object


async def play(
    source: Source,
    address: str,
    options: PlayOptions,
    client_options: ClientOptions,
    *,
    report: Report,
    on_answer: Callable[[Answer], None],
    annotate: Callable[[SourceFrame], object] = lambda _: None,
    stop: asyncio.Event | None = None,
) -> None:
    """Plays a source to a server, until the source ends or a limit is reached.

    Args:
        source: Where frames come from; it is closed at the end.
        address: The server.
        options: How to play.
        client_options: How to send.
        report: Counts what happens.
        on_answer: Called for each answer, in the order in which they come.
        annotate: Called for each frame on the reading thread; what it returns comes back with the answer.
        stop: When it is set no more frames are sent; those in flight are still answered.

    Raises:
        PeerError: The server cannot be reached, ends the stream, or does not answer.
        FrameError: A frame does not fit the shared memory.
        ConfigurationError: The source cannot be read.
    """
    stop = stop or asyncio.Event()
    encoder = FrameEncoder(source.size, options.image)
    notes: dict[int, tuple[int, object]] = {}
    client = Client(address, encoder.video_format, client_options)
    started = time.perf_counter()
    counted = 0
    try:
        async with AsyncExitStack() as resources:
            if await unless_stopped(stop, resources.enter_async_context(client)) is None:
                return
            started = last_news = time.perf_counter()

            async def feed() -> None:
                nonlocal counted
                async with aclosing(_read_ahead(source, encoder, options, annotate, stop)) as frames:
                    async for prepared in frames:
                        number = await client.send(prepared.data, _ticks(prepared.time_s, client_options.timescale))
                        notes[number] = (prepared.index, prepared.note)
                        report.sent += 1
                        counted += 1
                await client.finish()

            async def watch() -> None:
                nonlocal last_news
                while True:
                    await asyncio.sleep(min(1.0, options.answer_timeout_s / 4))
                    if not client.in_flight and not feeder.done():
                        last_news = time.perf_counter()
                    elif time.perf_counter() - last_news > options.answer_timeout_s:
                        raise _silence(address, client.in_flight, options.answer_timeout_s)

            async with asyncio.TaskGroup() as tasks, aclosing(aiter(client)) as results:
                feeder = tasks.create_task(feed())
                watcher = tasks.create_task(watch())
                async for result in results:
                    last_news = time.perf_counter()
                    report.add(result)
                    index, note = None, None
                    if result.match is Match.MATCHED:
                        index, note = notes.pop(result.sequence_number)
                    on_answer(Answer(result, unscale_inferences(result.inferences, encoder.scaling), index, note))
                await feeder
                watcher.cancel()
    except BaseExceptionGroup as group:
        raise _first(group) from None
    finally:
        report.duration_s = max(report.duration_s, time.perf_counter() - started)
        # The one whose sending failed is among those that were lost.
        report.sent += client.sent - counted
        report.lost += client.lost


async def unless_stopped(stop: asyncio.Event, work: Awaitable[_T]) -> _T | None:
    """Waits for some work; when the stop comes first the work is cancelled and the answer is None."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        stopping.cancel()
        if working.cancel():
            await asyncio.wait({working})


def _silence(address: str, in_flight: int, timeout_s: float) -> PeerError:
    what = f"has not answered {in_flight} frames" if in_flight else "has answered all and not ended the stream"
    return PeerError(f"{address} {what} for {timeout_s:g} s", status="DEADLINE_EXCEEDED")


async def _read_ahead(
    source: Source,
    encoder: FrameEncoder,
    options: PlayOptions,
    annotate: Callable[[SourceFrame], object],
    stop: asyncio.Event,
) -> AsyncGenerator[_Prepared, None]:
    """Frames of a source at their pace, the next one read and encoded on a thread of its own meanwhile."""
    loop = asyncio.get_running_loop()
    frames = iter(source)
    epoch_s = time.time()
    started = loop.time()
    deadline = None if options.duration_s is None else started + options.duration_s

    def prepare() -> _Prepared | None:
        frame = next(frames, None)
        if frame is None:
            return None
        time_s = frame.index / options.frames_per_second if options.frames_per_second else frame.time_s
        return _Prepared(encoder.encode(frame.image), epoch_s + time_s, frame.index, annotate(frame))

    async def unless_over(due: asyncio.Future[Any], until: float | None) -> bool:  # any: only waited for
        """Waits for a future; False when the end came first."""
        timeout_s = None if until is None else max(0.0, until - loop.time())
        await asyncio.wait({due, stopped}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        return due.done() and not stop.is_set()

    reader = ReaderThread("framewire-source")
    stopped = asyncio.ensure_future(stop.wait())
    following = loop.run_in_executor(reader, prepare)
    sent = 0
    try:
        while options.most_frames is None or sent < options.most_frames:
            if not await unless_over(following, deadline):
                return
            prepared = following.result()
            if prepared is None:
                return
            if sent + 1 != options.most_frames:
                following = loop.run_in_executor(reader, prepare)
            if options.frames_per_second:
                due = started + sent / options.frames_per_second
                await asyncio.wait({stopped}, timeout=max(0.0, min(due, deadline or due) - loop.time()))
            if stop.is_set() or (deadline is not None and loop.time() >= deadline):
                return
            yield prepared
            sent += 1
    finally:
        stopped.cancel()
        if not following.cancel():
            following.exception()  # seen: of a frame that nobody wants any more
        source.close()
        reader.shutdown()


def _ticks(time_s: float, timescale: int) -> int:
    return round(time_s * timescale)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended a group of tasks; the others followed from it."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
