"""One stream of a load: the camera's side of the contract with as little work per frame as possible."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import grpc

from framewire.errors import FramewireError, PeerError, ProtocolError, SharedMemoryError
from framewire.frames.shared_memory import SharedMemoryFile
from framewire.load.message import FrameMessage, read_answer
from framewire.load.options import LoadOptions
from framewire.load.tally import Tally
from framewire.model.credentials import AUTHENTICATION_KEY, basic_token
from framewire.model.message import DEFAULT_TIMESCALE, ContentReference, Descriptor, GraphIdentifier, Message
from framewire.wire import METHOD_PATH, decode, encode

CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # All streams would share one connection otherwise; cameras have one each.
    ("grpc.use_local_subchannel_pool", 1),
    # Extension servers are neighbours; http_proxy is meant for the world outside.
    ("grpc.enable_http_proxy", 0),
)

_ENDING_S = 1.0
"""How long a server that has answered everything may take to end the stream."""

_MADE_UP = "Internal error from Core"
"""What grpc says of a stream when a write meets its end before the server's status has arrived."""

_T = TypeVar("_T")


class LoadStream:
    """One session under load, as an asynchronous context manager; entering it makes the handshake.

    Nothing that happens in :meth:`run` raises: a failure ends the stream and stands in `failure`.

    Args:
        target: The gRPC target.
        options: The load.
        number: Number of the stream, from 0.
        tally: Where all streams of the load count.
        embedded: The messages of embedded frames, which all streams share; empty with shared memory.
    """

    def __init__(
        self, target: str, options: LoadOptions, number: int, tally: Tally, embedded: Sequence[FrameMessage]
    ) -> None:
        self._target = target
        self._options = options
        self._number = number
        self._tally = tally
        self._embedded = embedded
        self._memory: SharedMemoryFile | None = None
        self._messages: list[list[FrameMessage]] = []
        self._free: deque[int] = deque()
        self._in_flight: dict[int, tuple[float, int]] = {}
        tally.in_flight.append(self._in_flight)
        self._waiting: asyncio.Future[None] | None = None
        self._is_waiting_for_place = False
        self._is_sending = True
        self._half_closed_s: float | None = None
        self._last_news_s = 0.0
        self._sent = 1
        self._first_status: tuple[Any, str | None] = (None, _MADE_UP)
        self.failure: FramewireError | None = None
        """What ended the stream too early."""

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _open(self) -> None:
        options = self._options
        self._channel = grpc.aio.insecure_channel(self._target, options=CHANNEL_OPTIONS)
        self._prepare_frames()
        metadata = None
        if options.user is not None:
            metadata = ((AUTHENTICATION_KEY, basic_token(options.user, options.password)),)
        self._call = self._channel.stream_stream(METHOD_PATH)(metadata=metadata)
        self._call.add_done_callback(self._note_status)
        # Not call.read(): after a write that failed it no longer gives the answers that have arrived.
        self._answers: AsyncIterator[bytes] = aiter(self._call)
        descriptor = Descriptor(
            GraphIdentifier("", f"framewire-bench-{self._number + 1}", "bench"),
            options.configuration,
            DEFAULT_TIMESCALE,
            options.video_format,
            self._memory.announcement if self._memory else None,
        )
        try:
            async with asyncio.timeout(options.timeout_s):
                # When it cannot be written the server has ended the stream, and reading tells why.
                await self._write(encode(Message(1, 0, descriptor)))
                try:
                    answer = decode(await anext(self._answers))
                except (StopAsyncIteration, grpc.RpcError):
                    raise await self._ended("without answering the descriptor") from None
                except ProtocolError as error:
                    raise PeerError(f"{self._target} breaks the contract: {error}", status="OK") from None
        except TimeoutError:
            raise PeerError(
                f"{self._target} did not answer the descriptor within {options.timeout_s:g} s",
                status="DEADLINE_EXCEEDED",
            ) from None
        if not isinstance(answer.payload, Descriptor):
            raise PeerError(
                f"{self._target} breaks the contract: the server's first message is not a descriptor", status="OK"
            )

    def _prepare_frames(self) -> None:
        """Fills the slots and makes the messages; embedded, each slot sends all the frames in turn."""
        options = self._options
        self._free = deque(range(options.slots))
        if not options.shared_memory_bytes:
            self._messages = [list(self._embedded) for _ in self._free]
            return
        try:
            self._memory = SharedMemoryFile(options.shared_memory_bytes, mode=options.shared_memory_mode)
        except OSError as error:
            raise SharedMemoryError(
                f"no shared memory can be made in /dev/shm ({error.strerror})",
                remedy="see whether it is there and writable, or embed the frames",
            ) from None
        for slot in self._free:
            frame = options.frames[slot % len(options.frames)]
            offset = slot * options.slot_bytes
            self._memory.buffer[offset : offset + len(frame)] = frame
            self._messages.append([FrameMessage(ContentReference(offset, len(frame)))])

    async def run(self, due_times_s: Iterator[float] | None) -> None:
        """Sends frames until :meth:`finish` is called, and takes the answers to all of them.

        Args:
            due_times_s: When each frame is to be sent, on the monotonic clock. None: as soon as an answer has come.
        """
        self._last_news_s = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            sender = tasks.create_task(self._send(due_times_s))
            reader = tasks.create_task(self._receive())
            try:
                while not reader.done() and not self._is_silent():
                    patience_s = min(0.25, self._options.timeout_s / 4)
                    await asyncio.wait({reader}, timeout=patience_s)
            finally:
                sender.cancel()
                reader.cancel()
        self._tally.lost += len(self._in_flight)

    def finish(self) -> None:
        """Says that the window is over: no more frames, but those in flight are still answered."""
        self._is_sending = False
        self._wake()

    def _is_silent(self) -> bool:
        """Whether there is nothing more to wait for."""
        now_s = time.monotonic()
        if self._in_flight:
            if now_s - self._last_news_s < self._options.timeout_s:
                return False
            self.failure = PeerError(
                f"{self._target} has not answered {len(self._in_flight)} frames for {self._options.timeout_s:g} s",
                status="DEADLINE_EXCEEDED",
                remedy="give it longer with --timeout if it is that slow",
            )
            return True
        return self._half_closed_s is not None and now_s - self._half_closed_s > _ENDING_S

    async def _send(self, due_times_s: Iterator[float] | None) -> None:
        epoch_s = time.time() - time.monotonic()
        if due_times_s is None:
            while await self._place():
                if not await self._send_frame(time.monotonic(), epoch_s):
                    return
        else:
            for due_s in due_times_s:
                if not (await self._moment(due_s) and await self._place()):
                    self._give_up(due_s)
                    break
                self._tally.depart(due_s, time.monotonic())
                if not await self._send_frame(due_s, epoch_s):
                    return
        self._half_closed_s = time.monotonic()
        with contextlib.suppress(grpc.RpcError, grpc.aio.InternalError, asyncio.InvalidStateError):
            await self._call.done_writing()

    async def _send_frame(self, due_s: float, epoch_s: float) -> bool:
        """Sends one frame in a free slot; False when the server has ended the stream."""
        slot = self._free.popleft()
        self._sent += 1
        number = self._sent
        messages = self._messages[slot]
        data = messages[number % len(messages)].numbered(number, int((epoch_s + due_s) * DEFAULT_TIMESCALE))
        if not self._in_flight:
            self._last_news_s = time.monotonic()
        self._in_flight[number] = due_s, slot
        self._tally.sent += 1
        return await self._write(data)

    def _give_up(self, due_s: float) -> None:
        """Counts the frame that was due at this moment and all those behind it; they are not sent any more."""
        if self._options.frames_per_second is not None:
            self._tally.give_up(due_s, 1 / self._options.frames_per_second)

    async def _place(self) -> bool:
        """Waits for a free slot; False when the window is over."""
        while not self._free and self._is_sending:
            self._is_waiting_for_place = True
            await self._wait()
            self._is_waiting_for_place = False
        return self._is_sending

    async def _moment(self, due_s: float) -> bool:
        """Waits for a moment; False when the window is over."""
        while self._is_sending and (now_s := time.monotonic()) < due_s:
            timer = asyncio.get_running_loop().call_later(due_s - now_s, self._wake)
            await self._wait()
            timer.cancel()
        return self._is_sending

    async def _wait(self) -> None:
        self._waiting = asyncio.get_running_loop().create_future()
        await self._waiting

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def _receive(self) -> None:
        """Takes answers until the server ends the stream."""
        tally, in_flight, free = self._tally, self._in_flight, self._free
        try:
            async for data in self._answers:
                now_s = time.monotonic()
                number, is_full = read_answer(data)
                if (flight := in_flight.pop(number, None)) is not None:
                    self._last_news_s = now_s
                    tally.answer(flight[0], now_s, is_empty=not is_full)
                    free.append(flight[1])
                    if self._is_waiting_for_place:
                        self._wake()
                elif 0 < number <= self._sent:
                    tally.doubled += 1
                elif number:
                    tally.unknown += 1
        except ProtocolError as error:
            self.failure = PeerError(f"{self._target} breaks the contract: {error}", status="OK")
            return
        except grpc.RpcError:
            self.failure = await self._ended("")
            return
        if self._half_closed_s is None:
            self.failure = await self._ended("before we did")

    async def _write(self, data: bytes) -> bool:
        """Sends a message; False when the server has ended the stream."""
        try:
            await self._call.write(data)
        except (grpc.RpcError, asyncio.InvalidStateError):
            return False
        return True

    def _note_status(self, call: Any) -> None:
        self._first_status = _now(call.code()), _now(call.details())

    async def _ended(self, when: str) -> PeerError:
        """How the server ended the stream."""
        code, details = await self._call.code(), await self._call.details()
        # A write that meets the end hides the status that came before, or shows it a little later.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ENDING_S):
                while self._first_status[1] == details == _MADE_UP:
                    await asyncio.sleep(0.005)
                    code, details = await self._call.code(), await self._call.details()
        if self._first_status[1] != _MADE_UP:
            code, details = self._first_status
        if code is grpc.StatusCode.OK:
            return PeerError(f"{self._target} ended the stream {when}".rstrip(), status="OK")
        text = " ".join((details or "no details").split())
        if code is grpc.StatusCode.UNAVAILABLE and when and self._sent == 1:
            return PeerError(
                f"{self._target} cannot be reached ({text})",
                status=code.name,
                remedy="check the address, and that the server is running",
            )
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return PeerError(f"{self._target} does not serve the extension contract ({text})", status=code.name)
        return PeerError(f"{self._target} ended the stream with {code.name}: {text}", status=code.name)

    async def _close(self) -> None:
        # First what needs no waiting, so that a cancellation leaves no file behind.
        if self._memory is not None:
            self._memory.close()
        call = getattr(self, "_call", None)
        if call is not None:
            call.cancel()
        await self._channel.close()


def _now(answer: Coroutine[Any, Any, _T]) -> _T:
    """The outcome of a coroutine that has nothing to wait for."""
    try:
        answer.send(None)
    except StopIteration as stop:
        return cast(_T, stop.value)
    raise RuntimeError("there was something to wait for")
