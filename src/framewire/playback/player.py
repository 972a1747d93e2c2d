"""One source, one session: read ahead, pace, send, and match the answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from framewire.client import Client, ClientOptions, Match, Result
from framewire.errors import PeerError
from framewire.model.inference import Inference, unscale_inferences
from framewire.playback.encoder import FrameEncoder, ImageOptions
from framewire.playback.report import Report
from framewire.sources import Source, SourceFrame


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
    try:
        async with client:
            started = last_answer = time.perf_counter()

            async def feed() -> None:
                async for prepared in _read_ahead(source, encoder, options, annotate, stop):
                    number = await client.send(prepared.data, _ticks(prepared.time_s, client_options.timescale))
                    notes[number] = (prepared.index, prepared.note)
                    report.sent += 1
                await client.finish()

            async def watch() -> None:
                while True:
                    await asyncio.sleep(min(1.0, options.answer_timeout_s / 4))
                    if client.in_flight and time.perf_counter() - last_answer > options.answer_timeout_s:
                        raise PeerError(
                            f"{address} has not answered {client.in_flight} frames for {options.answer_timeout_s:g} s",
                            status="DEADLINE_EXCEEDED",
                        )
                    if not client.in_flight:
                        last_answer_is_now()

            def last_answer_is_now() -> None:
                nonlocal last_answer
                last_answer = time.perf_counter()

            async with asyncio.TaskGroup() as tasks:
                feeder = tasks.create_task(feed())
                watcher = tasks.create_task(watch())
                async for result in client:
                    last_answer_is_now()
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
        report.lost += client.lost


async def _read_ahead(
    source: Source,
    encoder: FrameEncoder,
    options: PlayOptions,
    annotate: Callable[[SourceFrame], object],
    stop: asyncio.Event,
) -> AsyncIterator[_Prepared]:
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

    # Not a `with` block: its exit would wait for a reader that hangs in a camera.
    reader = ThreadPoolExecutor(1, thread_name_prefix="framewire-source")
    stopped = asyncio.ensure_future(stop.wait())
    sent = 0
    try:
        following = loop.run_in_executor(reader, prepare)
        while options.most_frames is None or sent < options.most_frames:
            if not await unless_over(following, deadline):
                return
            prepared = following.result()
            if prepared is None:
                return
            following = loop.run_in_executor(reader, prepare)
            if options.frames_per_second:
                pause_s = started + sent / options.frames_per_second - loop.time()
                if pause_s > 0 and await unless_over(stopped, loop.time() + pause_s):
                    return
            if stop.is_set() or (deadline is not None and loop.time() >= deadline):
                return
            yield prepared
            sent += 1
    finally:
        stopped.cancel()
        following.cancel()
        source.close()
        reader.shutdown(wait=False, cancel_futures=True)


def _ticks(time_s: float, timescale: int) -> int:
    return round(time_s * timescale)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended a group of tasks; the others followed from it."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
