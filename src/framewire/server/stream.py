"""One stream of the server: a reader, a writer, and the session between them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, MutableMapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

import grpc

from framewire.errors import (
    ClosedError,
    FormatError,
    FrameError,
    ProcessorError,
    ProtocolError,
)
from framewire.frames.content import EmbeddedContent, FrameContent, ReferencedContent
from framewire.frames.shared_memory import SharedMemoryReader
from framewire.model.frame import SessionInfo
from framewire.model.inference import Inference
from framewire.model.message import ContentReference, Descriptor, Message, Sample
from framewire.processors.configuration import Selection
from framewire.processors.options import shown
from framewire.scheduling.pool import ThreadPool
from framewire.scheduling.task import FrameTask, Lane, Outcome
from framewire.server.admission import camera_name, check_size, largest_frame_bytes
from framewire.server.aggregate import Aggregation
from framewire.server.budget import Budget
from framewire.server.faults import FrameFaults
from framewire.server.options import MEBIBYTE, ServerOptions
from framewire.server.pools import Pools
from framewire.session.server import DescriptorReceived, SampleReceived, ServerSession, ServerState
from framewire.wire import decode, encode

_log = logging.getLogger(__name__)

EXTENSION_NAME = "framewire"

_FLUSH_S = 1.0
"""How long answers that are ready may take to leave before a stream that failed is cut off."""

_DESCRIPTOR_S = 30.0
"""How long a stream may stay silent before its descriptor: it holds a place that a camera could have."""

_MAX_OVERHEAD_BYTES = 1 << 20
"""Of a message beside its frame: everybody waits while it is read."""

_MAX_UNSENT = 2048
"""Answers that a client has not taken yet; beyond it the client is not read, so that they do not pile up here."""

_MAX_UNSENT_BYTES = 1 << 20
"""The same in bytes."""

_MAX_DETAILS_BYTES = 2000
"""Longest text of a status: percent-encoded it must fit into the 8 KiB of metadata that clients accept."""


class Context(Protocol):
    """The part of a ``grpc.aio.ServicerContext`` that a stream uses."""

    async def read(self) -> Any:
        """The next message, or ``grpc.aio.EOF``."""

    async def write(self, message: bytes) -> None:
        """Sends one message."""

    async def abort(self, code: grpc.StatusCode, details: str) -> None:
        """Ends the call; raises."""


@dataclass(slots=True, eq=False)
class Services:
    """What all streams of a server share.

    Args:
        options: The server's options.
        select: Reads an extension configuration.
        pools: The open processors.
        budget: Frames in flight of all sessions.
        lanes: Which stream the outcomes of a lane belong to.
    """

    options: ServerOptions
    select: Callable[[str], Selection]
    pools: Pools
    budget: Budget
    lanes: MutableMapping[Lane, Stream]


async def end_call(context: Context, code: grpc.StatusCode, details: str) -> None:
    """Ends a call with an error; raises.

    Raises:
        CancelledError: The client is gone already. grpc takes this as the quiet end of a call.
    """
    try:
        await context.abort(code, details)
    except grpc.aio.InternalError:
        raise asyncio.CancelledError from None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a stream ends.

    Args:
        code: Its status.
        details: Text for the client; empty for OK.
        flush_s: How long answers that are ready may still take to leave; None for as long as they need.
    """

    code: grpc.StatusCode
    details: str = ""
    flush_s: float | None = None


class Stream:
    """One call of ``ProcessMediaStream``.

    Args:
        context: The call.
        services: What it shares with the others.
        number: Its number, for the log.
        peer: The client's address, for the log.
    """

    def __init__(self, context: Context, services: Services, number: int, peer: str) -> None:
        self._context = context
        self._services = services
        options = services.options
        self._session = ServerSession()
        self._log = logging.LoggerAdapter(_log, {"session": number, "peer": peer})
        self._faults = FrameFaults(self._log, options.max_bad_frames, time.monotonic)
        self._budget = Budget(options.max_in_flight, int(options.max_in_flight_mib * MEBIBYTE))
        self._aggregation = (
            Aggregation(options.batch_size, int(options.max_in_flight_mib * MEBIBYTE))
            if options.batch_reply == "aggregate" and options.batch_size > 1
            else None
        )
        self._outbox: deque[bytes] = deque()
        self._outbox_filled = asyncio.Event()
        self._unsent_bytes = 0
        self._outbox_has_room = asyncio.Event()
        self._is_outbox_closed = False
        self._ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._reader: asyncio.Task[None] | None = None
        self._is_draining = False
        self._memory: SharedMemoryReader | None = None
        self._selection: Selection | None = None
        self._pool: ThreadPool | None = None
        self._lane: Lane | None = None
        self._submitted = 0
        self._is_released = False

    async def serve(self) -> None:
        """Serves the stream until it ends; the status of a failed one is set by aborting the call."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._reader = tasks.create_task(self._read())
                writer = tasks.create_task(self._write())
                patience = asyncio.get_running_loop().call_later(_DESCRIPTOR_S, self._end_without_descriptor)
                ending = await self._ended
                patience.cancel()
                self._reader.cancel()
                self._is_outbox_closed = True
                self._outbox_filled.set()
                await asyncio.wait({writer}, timeout=ending.flush_s)
                writer.cancel()
        except asyncio.CancelledError:
            self._log.info("the client went away")
            raise
        finally:
            self._release()
        if ending.code is not grpc.StatusCode.OK:
            self._log.warning("ended with %s: %s", ending.code.name, ending.details)
            await end_call(self._context, ending.code, ending.details)
        self._log.info("ended")

    def drain(self) -> None:
        """Takes no more frames, answers those in flight, then ends with UNAVAILABLE."""
        if self._is_draining or self._ended.done():
            return
        self._is_draining = True
        if self._reader is not None:
            self._reader.cancel()
        self._finish()

    def cut_off(self) -> None:
        """Ends the stream now, whatever is in flight."""
        self._end(
            grpc.StatusCode.UNAVAILABLE,
            "the server is shutting down and did not answer all frames in time; connect again",
            flush_s=0.0,
        )

    def settle(self, outcome: Outcome) -> None:
        """Answers one frame that a worker has returned."""
        self._give_back(outcome.task)
        try:
            self._settle(outcome)
        except Exception:
            self._log.exception("the stream broke; this is a fault of framewire")
            self._end(grpc.StatusCode.INTERNAL, "the server failed; its log says why")

    def _settle(self, outcome: Outcome) -> None:
        task = outcome.task
        if self._ended.done():
            self._forget_lane_when_unused()
            return
        match outcome.error:
            case None:
                self._faults.good()
            case ProtocolError() as error:
                self._end(grpc.StatusCode.INVALID_ARGUMENT, str(error))
                return
            case error:
                self._faults.bad(task.sequence_number, error)
        self._answer(task, outcome.inferences)
        if self._faults.is_too_many and outcome.error is not None:
            self._end_for_faults(outcome.error)
        self._end_when_answered()

    async def _read(self) -> None:
        try:
            while (data := await self._receive()) is not grpc.aio.EOF:
                if self._ended.done():
                    return  # by the outcome of a frame, while this message was on its way
                match self._session.receive(decode(data, max_overhead_bytes=_MAX_OVERHEAD_BYTES)):
                    case DescriptorReceived(descriptor):
                        await self._accept(descriptor)
                    case SampleReceived(number, sample):
                        self._take(number, sample)
            self._finish()
        except ProtocolError as error:
            self._end(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except grpc.aio.InternalError:
            self._lose_client()
        except ProcessorError as error:
            self._log.error("%s", error)
            self._end(grpc.StatusCode.INTERNAL, "the processor cannot take this session; the server's log says why")
        except Exception:
            self._log.exception("the stream broke; this is a fault of framewire")
            self._end(grpc.StatusCode.INTERNAL, "the server failed; its log says why")

    async def _receive(self) -> Any:
        """The next message, once there is room for a frame: a stream that is too fast is not read."""
        while True:
            if not self._has_room_for_answers:
                self._outbox_has_room.clear()
                await self._outbox_has_room.wait()
            elif not self._budget.has_room:
                await self._budget.room()
            elif not self._services.budget.has_room:
                await self._services.budget.room()
            else:
                return await self._context.read()

    @property
    def _has_room_for_answers(self) -> bool:
        return len(self._outbox) < _MAX_UNSENT and self._unsent_bytes < _MAX_UNSENT_BYTES

    async def _accept(self, descriptor: Descriptor) -> None:
        options = self._services.options
        video_format = descriptor.video_format
        if video_format is None:
            raise FormatError("the descriptor has no video format")  # the session has judged it before
        check_size(video_format, descriptor, options)
        selection = self._services.select(descriptor.configuration)
        if descriptor.shared_memory is not None:
            self._memory = SharedMemoryReader(
                descriptor.shared_memory,
                options.shared_memory_read,
                max_frame_bytes=largest_frame_bytes(video_format),
            )
        self._pool = await self._services.pools.acquire(selection)
        self._selection = selection
        info = SessionInfo(video_format, descriptor.timescale, descriptor.identifier, descriptor.configuration)
        self._lane = await _opened_lane(self._pool, info)
        self._services.lanes[self._lane] = self
        transfer = "embedded" if self._memory is None else "shared memory"
        self._log.info("%s: %s, %s, processor %s", camera_name(descriptor), video_format, transfer, selection.kind.name)
        if selection.ignored:
            self._log.warning(
                "members of the extension configuration that mean nothing to processor %s are ignored: %s",
                selection.kind.name,
                ", ".join(shown(name) for name in selection.ignored[:20]) + (", .." if selection.ignored[20:] else ""),
            )
        self._send(self._session.accept(EXTENSION_NAME))

    def _take(self, number: int, sample: Sample) -> None:
        if sample.problems:
            self._faults.note("illegal upstream inferences are left out", number, sample.problems[0])
        content: FrameContent
        match sample.content:
            case None:
                self._send(self._session.reply(number))
                return
            case ContentReference() as reference:
                if self._memory is None:
                    raise ProtocolError("a content_reference without shared memory")  # judged by the session before
                content = ReferencedContent(self._memory, reference)
            case data:
                content = EmbeddedContent(data)
        if self._lane is None:
            raise ClosedError("a sample before the lane is open")  # judged by the session before
        task = FrameTask(self._lane, number, sample.timestamp, content, sample.inferences)
        if self._aggregation is None:
            self._submit(task)
            return
        early, due = self._aggregation.add(task)
        if early is not None:
            self._send(self._session.reply(number, early))
        for waiting in due:
            self._submit(waiting)

    def _submit(self, task: FrameTask) -> None:
        if self._pool is None:
            raise ClosedError("a sample before the processor is open")  # judged by the session before
        self._budget.take(task.content.held_bytes)
        self._services.budget.take(task.content.held_bytes)
        self._submitted += 1
        self._pool.submit(task)

    def _give_back(self, task: FrameTask) -> None:
        self._submitted -= 1
        self._budget.give(task.content.held_bytes)
        self._services.budget.give(task.content.held_bytes)

    def _answer(self, task: FrameTask, inferences: Sequence[Inference]) -> None:
        if self._aggregation is None:
            self._send(self._session.reply(task.sequence_number, inferences))
            return
        batch = self._aggregation.settle(task.sequence_number, inferences)
        if batch is None:
            return
        if batch.acknowledges:
            self._send(self._session.reply(batch.acknowledges, batch.inferences()))
        else:
            self._send(self._session.reply_unacknowledging(batch.last_timestamp, batch.inferences()))

    def _send(self, message: Message) -> None:
        data = encode(message)
        self._outbox.append(data)
        self._unsent_bytes += len(data)
        self._outbox_filled.set()

    async def _write(self) -> None:
        while True:
            while self._outbox:
                data = self._outbox.popleft()
                try:
                    await self._context.write(data)
                except grpc.aio.InternalError:
                    self._lose_client()
                    return
                self._unsent_bytes -= len(data)
                if self._has_room_for_answers:
                    self._outbox_has_room.set()
            if self._is_outbox_closed:
                return
            self._outbox_filled.clear()
            await self._outbox_filled.wait()

    def _finish(self) -> None:
        """No more frames come: what is in flight is answered, then the stream ends."""
        self._session.receive_end()
        if self._aggregation is not None:
            for task in self._aggregation.finish():
                self._submit(task)
        self._end_when_answered()

    def _end_when_answered(self) -> None:
        if not self._session.is_answered or not (self._aggregation is None or self._aggregation.is_idle):
            return
        if self._is_draining:
            self._end(grpc.StatusCode.UNAVAILABLE, "the server is shutting down; connect again", flush_s=None)
        else:
            self._end(grpc.StatusCode.OK, flush_s=None)

    def _end_for_faults(self, error: Exception) -> None:
        count = self._faults.in_a_row
        if isinstance(error, FrameError):
            self._end(grpc.StatusCode.INVALID_ARGUMENT, f"{count} bad frames in a row, the last one: {error}")
        else:
            self._end(
                grpc.StatusCode.INTERNAL, f"the processor failed on {count} frames in a row; the server's log says why"
            )

    def _end(self, code: grpc.StatusCode, details: str = "", flush_s: float | None = _FLUSH_S) -> None:
        if not self._ended.done():
            self._session.end()
            text = " ".join(details.split()).encode()[:_MAX_DETAILS_BYTES].decode(errors="ignore")
            self._ended.set_result(Ending(code, text, flush_s))

    def _end_without_descriptor(self) -> None:
        if self._session.state is ServerState.AWAITING_DESCRIPTOR:
            self._end(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                f"no descriptor came within {_DESCRIPTOR_S:g} s; send it as the first message",
            )

    def _lose_client(self) -> None:
        """The connection is gone; grpc cancels the call, sooner or later."""
        self._session.end()
        self._ended.cancel()

    def _release(self) -> None:
        """Lets go of everything; frames in a worker follow when it returns them."""
        self._is_released = True
        if not self._ended.done():
            self._ended.cancel()
        self._session.end()
        self._outbox.clear()
        if self._pool is not None and self._lane is not None:
            for task in self._pool.close_lane(self._lane):
                self._give_back(task)
        if self._memory is not None:
            self._memory.close()
        self._forget_lane_when_unused()
        self._faults.tell_rest()

    def _forget_lane_when_unused(self) -> None:
        if not self._is_released or self._submitted:
            return
        if self._lane is not None:
            del self._services.lanes[self._lane]
            self._lane = None
        if self._selection is not None:
            self._services.pools.release(self._selection)
            self._selection = None


async def _opened_lane(pool: ThreadPool, info: SessionInfo) -> Lane:
    opening = pool.open_lane(info)

    def close(opened: Future[Lane]) -> None:
        if not opened.cancelled() and opened.exception() is None:
            pool.close_lane(opened.result())

    try:
        return await asyncio.wrap_future(opening)
    except asyncio.CancelledError:
        # The client went away while the processor made the session's state: it is closed as soon as it is there.
        opening.add_done_callback(close)
        raise
