"""One stream of the server: a reader, a writer, and the session between them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

import grpc

from framewire.errors import (
    BusyError,
    ClosedError,
    FormatError,
    FrameError,
    ProcessorError,
    ProtocolError,
    UnavailableError,
)
from framewire.frames.content import EmbeddedContent, FrameContent, ReferencedContent
from framewire.frames.shared_memory import SharedMemoryReader
from framewire.model.frame import SessionInfo
from framewire.model.inference import Inference
from framewire.model.message import ContentReference, Descriptor, Message, Sample
from framewire.model.terms import Terms
from framewire.processors.configuration import Selection
from framewire.processors.options import shown
from framewire.scheduling.executor import Clock, Executor, HungError
from framewire.scheduling.task import DropCause, FrameTask, Lane, Outcome
from framewire.server.admission import camera_name, check_size, largest_frame_bytes
from framewire.server.aggregate import Aggregation
from framewire.server.budget import Budget
from framewire.server.faults import FrameFaults
from framewire.server.flight import Flight
from framewire.server.options import MEBIBYTE, ServerOptions
from framewire.server.outbox import Outbox
from framewire.server.pools import Pools
from framewire.server.statistics import ServerStatistics, StreamStatistics
from framewire.session.server import DescriptorReceived, SampleReceived, ServerSession, ServerState
from framewire.wire import decode, encode

_log = logging.getLogger(__name__)

EXTENSION_NAME = "framewire"

_FLUSH_S = 1.0
"""How long answers that are ready may take to leave before a stream that failed is cut off."""

_UNREAD_S = 30.0
"""How long a client may take none of the answers that wait for it, once there are too many or no more will come. One
that lives but does not read would hold its place for ever."""

_DESCRIPTOR_S = 30.0
"""How long a stream may stay silent before its descriptor: it holds a place that a camera could have."""

_MAX_OVERHEAD_BYTES = 1 << 20
"""Of a message beside its frame: everybody waits while it is read."""

_MAX_DETAILS_BYTES = 2000
"""Longest text of a status: percent-encoded it must fit into the 8 KiB of metadata that clients accept."""


_DROPPED = {
    DropCause.TOO_OLD: "it waited longer than --max-age",
    DropCause.OLDEST: "a limit is reached and it waited longest",
    DropCause.NEWEST: "a limit is reached and nothing else of its stream waits",
    DropCause.NOT_LATEST: "a newer one has come",
}
"""For the log."""


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
        select: Reads an extension configuration; it may have to import what that asks for.
        pools: The open processors.
        budget: Frames in flight of all sessions.
        lanes: Which stream the outcomes of a lane belong to.
        statistics: What all of them have done.
        clock: Seconds of a steady clock.
    """

    options: ServerOptions
    select: Callable[[str], Awaitable[Selection]]
    pools: Pools
    budget: Budget
    lanes: MutableMapping[Lane, Stream]
    statistics: ServerStatistics
    clock: Clock = time.monotonic


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
        self._faults = FrameFaults(self._log, options.max_bad_frames, services.clock)
        self._budget = Budget(options.max_in_flight, int(options.max_in_flight_mib * MEBIBYTE))
        self._aggregation = (
            Aggregation(options.batch_size, int(options.max_in_flight_mib * MEBIBYTE))
            if options.batch_reply == "aggregate" and options.batch_size > 1
            else None
        )
        self._outbox = Outbox(context.write, services.clock, services.statistics.send)
        self._ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._is_draining = False
        self._memory: SharedMemoryReader | None = None
        self._selection: Selection | None = None
        self._flight: Flight | None = None
        self._is_released = False

    async def serve(self) -> None:
        """Serves the stream until it ends; the status of a failed one is set by aborting the call."""
        patience = asyncio.get_running_loop().call_later(_DESCRIPTOR_S, self._end_without_descriptor)
        try:
            async with asyncio.TaskGroup() as tasks:
                self._reader = tasks.create_task(self._read())
                writer = tasks.create_task(self._write())
                ending = await self._ended
                self._reader.cancel()
                self._outbox.close()
                await self._flush(writer, ending.flush_s)
                writer.cancel()
        except asyncio.CancelledError:
            self._log.info("the client went away")
            raise
        finally:
            patience.cancel()  # it would keep a stream that was cut off for as long as it runs
            self._release()
        if ending.code is not grpc.StatusCode.OK:
            self._log.warning("ended with %s: %s", ending.code.name, ending.details)
            await end_call(self._context, ending.code, ending.details)
        self._log.info("ended")

    async def _flush(self, writer: asyncio.Task[None], seconds: float | None) -> None:
        """Waits until the answers have left: so many seconds, or as long as the client takes them."""
        self._writer = writer
        while True:
            sent = self._outbox.sent
            done, _ = await asyncio.wait({writer}, timeout=_UNREAD_S if seconds is None else seconds)
            if done or seconds is not None:
                return
            if self._outbox.sent == sent:
                self._log.warning("the client does not take its answers; the stream is cut off")
                return

    def drain(self) -> None:
        """Takes no more frames, answers those in flight, then ends with UNAVAILABLE."""
        if self._is_draining or self._ended.done():
            return
        self._is_draining = True
        if self._reader is not None:
            self._reader.cancel()
        self._finish()

    def cut_off(self) -> None:
        """Ends the stream now, whatever is in flight and whatever the client has not taken."""
        if self._writer is not None:
            self._writer.cancel()
        self._end(
            grpc.StatusCode.UNAVAILABLE,
            "the server is shutting down and did not answer all frames in time; connect again",
            flush_s=0.0,
        )

    def statistics(self) -> StreamStatistics:
        """The frames of this stream in flight, and its answers on their way."""
        return StreamStatistics(self._budget.statistics(), self._outbox.statistics())

    def settle(self, outcome: Outcome) -> None:
        """Answers one frame that a worker has returned."""
        if self._flight is not None:
            self._flight.land(outcome.task)
        if self._ended.done() or _is_held(outcome):
            self._services.statistics.unanswered += 1
        else:
            self._services.statistics.settle(outcome)
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
        if outcome.dropped is not None:
            self._drop(task, outcome.dropped)
            return
        match outcome.error:
            case None:
                self._faults.good()
            case ProtocolError() as error:
                self._end(grpc.StatusCode.INVALID_ARGUMENT, str(error))
                return
            case HungError() as error if _is_held(outcome):
                # An acknowledgement would let the camera write into what the processor may still read.
                self._log.error("sample %d: %s", task.sequence_number, error)
                self._end(grpc.StatusCode.INTERNAL, "the processor holds a frame and does not return; connect again")
                return
            case UnavailableError() as error:
                # Not the frame's fault, nor its session's: a worker is on its way.
                self._faults.note("no worker", task.sequence_number, error)
            case error:
                self._faults.bad(task.sequence_number, error)
        self._answer(task, outcome.inferences)
        if self._faults.is_too_many and outcome.error is not None:
            self._end_for_faults(outcome.error)
        self._end_when_answered()

    async def _read(self) -> None:
        try:
            while (data := await self._receive()) is not grpc.aio.EOF:
                received_s = self._services.clock()
                if self._ended.done():
                    return  # by the outcome of a frame, while this message was on its way
                match self._session.receive(decode(data, max_overhead_bytes=_MAX_OVERHEAD_BYTES)):
                    case DescriptorReceived(descriptor):
                        await self._accept(descriptor)
                    case SampleReceived(number, sample):
                        self._take(number, sample, received_s)
            self._finish()
        except ProtocolError as error:
            self._end(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except grpc.aio.InternalError:
            self._lose_client()
        except BusyError as error:
            self._end(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
        except UnavailableError as error:
            self._log.warning("%s", error)
            self._end(grpc.StatusCode.UNAVAILABLE, "no worker is ready to take this session; connect again")
        except ProcessorError as error:
            self._log.error("%s", error)
            self._end(grpc.StatusCode.INTERNAL, "the processor cannot take this session; the server's log says why")
        except Exception:
            self._log.exception("the stream broke; this is a fault of framewire")
            self._end(grpc.StatusCode.INTERNAL, "the server failed; its log says why")

    async def _receive(self) -> Any:
        """The next message, once there is room for a frame: a stream that is too fast is not read."""
        while not self._outbox.has_room:
            sent = self._outbox.sent
            try:
                async with asyncio.timeout(_UNREAD_S):
                    await self._outbox.room()
            except TimeoutError:
                if self._outbox.sent == sent:
                    text = f"no answer was taken for {_UNREAD_S:g} s; read the answers while you send"
                    self._end(grpc.StatusCode.DEADLINE_EXCEEDED, text, flush_s=0.0)
                    return grpc.aio.EOF
        if self._flight is not None:
            await self._flight.room()
        return await self._context.read()

    async def _accept(self, descriptor: Descriptor) -> None:
        options = self._services.options
        video_format = descriptor.video_format
        if video_format is None:
            raise FormatError("the descriptor has no video format")  # the session has judged it before
        check_size(video_format, descriptor, options)
        selection = await self._services.select(descriptor.configuration)
        if descriptor.shared_memory is not None:
            self._memory = SharedMemoryReader(
                descriptor.shared_memory,
                options.shared_memory_read,
                max_frame_bytes=largest_frame_bytes(video_format),
            )
        pool = await self._services.pools.acquire(selection)
        self._selection = selection
        info = SessionInfo(video_format, descriptor.timescale, descriptor.identifier, descriptor.configuration)
        lane = await _opened_lane(pool, info, selection.terms)
        self._flight = Flight(pool, lane, self._budget, self._services.budget)
        self._services.lanes[lane] = self
        self._services.statistics.sessions += 1
        transfer = "embedded" if self._memory is None else "shared memory"
        self._log.info("%s: %s, %s, processor %s", camera_name(descriptor), video_format, transfer, selection.kind.name)
        if selection.ignored:
            self._log.warning(
                "members of the extension configuration that mean nothing to processor %s are ignored: %s",
                selection.kind.name,
                ", ".join(shown(name) for name in selection.ignored[:20]) + (", .." if selection.ignored[20:] else ""),
            )
        self._send(self._session.accept(EXTENSION_NAME))

    def _take(self, number: int, sample: Sample, received_s: float) -> None:
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
        if self._flight is None:
            raise ClosedError("a sample before the lane is open")  # judged by the session before
        task = FrameTask(self._flight.lane, number, sample.timestamp, content, sample.inferences, received_s)
        self._services.statistics.received += 1
        if self._aggregation is None:
            self._submit(self._flight, (task,))
            self._services.statistics.receive.add(self._services.clock() - received_s)
            return
        early, due = self._aggregation.add(task)
        if early is not None:
            self._send(self._session.reply(number, early))
        if due:
            self._submit(self._flight, due)
        self._services.statistics.receive.add(self._services.clock() - received_s)

    def _submit(self, flight: Flight, tasks: Sequence[FrameTask]) -> None:
        for dropped, cause in flight.admit(tasks):
            self._services.statistics.dropped[cause] += 1
            self._drop(dropped, cause)

    def _drop(self, task: FrameTask, cause: DropCause) -> None:
        """Answers a frame that is not processed: the camera has its slot back, and knows no more than before."""
        self._faults.note(f"dropped ({cause.value})", task.sequence_number, _DROPPED[cause])
        self._answer(task, ())
        self._end_when_answered()

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
        self._outbox.put(encode(message))

    async def _write(self) -> None:
        try:
            await self._outbox.run()
        except grpc.aio.InternalError:
            self._lose_client()

    def _finish(self) -> None:
        """No more frames come: what is in flight is answered, then the stream ends."""
        self._session.receive_end()
        if self._aggregation is not None and self._flight is not None:
            left = self._aggregation.finish(self._services.clock())
            if left:
                self._submit(self._flight, left)
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
        if self._flight is not None:
            waiting = self._flight.frames
            self._flight.close()
            self._services.statistics.unanswered += waiting - self._flight.frames
        if self._memory is not None:
            self._memory.close()
        self._forget_lane_when_unused()
        self._faults.tell_rest()

    def _forget_lane_when_unused(self) -> None:
        if not self._is_released or (self._flight is not None and self._flight.frames):
            return
        if self._flight is not None:
            self._services.lanes.pop(self._flight.lane, None)
            self._flight = None
        if self._selection is not None:
            self._services.pools.release(self._selection)
            self._selection = None


def _is_held(outcome: Outcome) -> bool:
    """Whether a thread that hangs may still read the camera's memory."""
    return isinstance(outcome.error, HungError) and isinstance(outcome.task.content, ReferencedContent)


async def _opened_lane(pool: Executor, info: SessionInfo, terms: Terms) -> Lane:
    opening = pool.open_lane(info, terms)
    if opening.done():
        return opening.result()

    def close(opened: Future[Lane]) -> None:
        if not opened.cancelled() and opened.exception() is None:
            pool.close_lane(opened.result())

    try:
        return await asyncio.wrap_future(opening)
    except asyncio.CancelledError:
        # The client went away while the processor made the session's state: it is closed as soon as it is there.
        opening.add_done_callback(close)
        raise
