"""The camera side of the contract, as a library."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from types import TracebackType
from typing import Self

import numpy as np

from framewire.client.address import parse_address
from framewire.client.connection import Connection
from framewire.client.http2 import Ending
from framewire.client.inbox import Inbox
from framewire.client.memory import FrameMemory
from framewire.client.opening import opened, unreachable
from framewire.client.options import ClientOptions, FrameBytes, Result
from framewire.errors import ClosedError, FrameError, FramewireError, PeerError, ProtocolError
from framewire.model.format import VideoFormat
from framewire.model.inference import Inference
from framewire.model.message import ContentReference, Descriptor, GraphIdentifier, Message, Sample
from framewire.session.client import Accepted, AnswerReceived, ClientSession, ClientState, Match
from framewire.wire import encode

_ENDING_S = 5.0
"""How long who takes in the answers may need to come to their end."""


class Client:
    """One session with an extension server, as an asynchronous context manager.

    Sending and receiving belong into two tasks: :meth:`send` waits for acknowledgements, and these are taken in while
    the client is iterated, or by :meth:`deliver`. Either ends when :meth:`finish` was called and every frame is
    answered, or raises. Everything belongs to the event loop that entered the client, but for :meth:`send_at_once`.

    Args:
        address: ``HOST:PORT``, ``tcp://HOST:PORT`` or ``unix:/path``.
        video_format: Form of the frames.
        options: How to send.

    Raises:
        ConfigurationError: The address is none.
    """

    def __init__(self, address: str, video_format: VideoFormat, options: ClientOptions | None = None) -> None:
        self._target = parse_address(address)
        self._format = video_format
        self._options = options or ClientOptions()
        self._lock = threading.RLock()  # of the session, the memory and the order in which frames leave
        self._session = ClientSession()
        self._memory: FrameMemory | None = None
        self._place_of: dict[int, ContentReference] = {}
        self._sent_at: dict[int, float] = {}
        self._changed = asyncio.Event()
        self._sending = asyncio.Lock()
        self._connection: Connection | None = None
        self._inbox: Inbox | None = None
        self._delivery: asyncio.Future[None] | None = None
        self._failure: PeerError | None = None
        self._is_over = False
        self._is_closed = False
        self.server_identifier: GraphIdentifier | str | None = None
        """How the server names itself; known once the client is entered."""
        self.sent = 0
        """Frames sent."""
        self.lost = 0
        """Frames that were sent and never answered; known once the client is left."""

    async def __aenter__(self) -> Self:
        if self._is_closed or self._connection is not None:
            raise ClosedError("a client is one session, and this one was open already: make another")
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
        if options.shared_memory_bytes:
            self._memory = FrameMemory(options.shared_memory_bytes, options.shared_memory_mode)
        self._connection, self._inbox = await opened(self._target, options)
        descriptor = Descriptor(
            options.identifier,
            options.configuration,
            options.timescale,
            self._format,
            self._memory.announcement if self._memory else None,
        )
        try:
            async with asyncio.timeout(options.handshake_timeout_s):
                # When it cannot be written the server has ended the stream, and reading tells why.
                await self._connection.write(encode(self._session.open(descriptor)))
                answer = await self._read()
        except TimeoutError:
            raise PeerError(
                f"{self._target} did not answer the descriptor within {options.handshake_timeout_s:g} s",
                status="DEADLINE_EXCEEDED",
            ) from None
        if answer is None:
            raise PeerError(f"{self._target} ended the stream without answering the descriptor", status="OK")
        event = self._received(answer)
        if isinstance(event, Accepted):
            self.server_identifier = event.descriptor.identifier

    @property
    def in_flight(self) -> int:
        """Frames that are sent and not answered yet."""
        return self._session.in_flight

    async def send(self, frame: FrameBytes, timestamp: int, inferences: Sequence[Inference] = ()) -> int:
        """Sends one frame, as soon as there is room for it.

        Args:
            frame: The frame; its bytes are copied before this returns.
            timestamp: Presentation time in ticks of the timescale.
            inferences: What is known of the frame already.

        Returns:
            The frame's sequence number, which its result carries.

        Raises:
            FrameError: It is larger than the whole shared memory, or its timestamp is no 64 bit number.
            PeerError: The server has ended the stream.
            ClosedError: The client is finished.
        """
        data = self._checked(frame, timestamp)
        # One at a time: messages leave in the order of their numbers. Answers are taken in meanwhile, as a server may
        # stop reading until they are.
        async with self._sending:
            while (number := self._sent_number(data, timestamp, inferences)) is None:
                self._changed.clear()
                await self._changed.wait()
            connection, inbox = self._opened()
            with inbox.holding_answer_to(number):
                is_written = await connection.until_writable()
            if not is_written:
                raise await self._why_over()
        return number

    def send_at_once(self, frame: FrameBytes, timestamp: int, inferences: Sequence[Inference] = ()) -> int | None:
        """The same as :meth:`send` when there is nothing to wait for, and cheaper.

        From any thread. The event loop is not woken for a frame that the system takes at once; the frame's result may
        come before this returns to a thread that is not the loop's.

        Returns:
            The frame's sequence number: it was sent, or is counted as lost. None when it was not sent, as there is no
            room, or the session is over.

        Raises:
            FrameError: As of :meth:`send`.
        """
        data = self._checked(frame, timestamp)
        connection = self._connection
        if connection is None or self._sending.locked() or not connection.is_writable:
            return None
        with self._lock:
            if self._is_over or self._session.state is not ClientState.STREAMING:
                return None
            return self._sent_number(data, timestamp, inferences)

    def _checked(self, frame: FrameBytes, timestamp: int) -> memoryview:
        data = (frame.data if isinstance(frame, np.ndarray) else memoryview(frame)).cast("B")
        if not 0 <= timestamp < 1 << 64:
            raise FrameError(f"timestamp {timestamp} does not fit the wire", allowed="0 to 2**64 - 1")
        if self._memory is not None and data.nbytes > self._options.shared_memory_bytes:
            raise FrameError(
                f"a frame of {data.nbytes} bytes does not fit the shared memory",
                allowed=f"up to {self._options.shared_memory_bytes} bytes",
                remedy="make the shared memory larger, or embed the frames",
            )
        return data

    def _sent_number(self, data: memoryview, timestamp: int, inferences: Sequence[Inference]) -> int | None:
        """Sends a frame if there is room for it now."""
        with self._lock:
            self._check_open()
            if self._session.in_flight >= self._options.in_flight:
                return None
            content = data if self._memory is None else self._memory.put(data)
            if content is None:
                return None
            message = self._session.send(Sample(timestamp, content, inferences))
            number = message.sequence_number
            if isinstance(content, ContentReference):
                self._place_of[number] = content
            self._sent_at[number] = time.perf_counter()
            self.sent += 1
            assert self._connection is not None
            self._connection.write_at_once(encode(message))
            return number

    async def finish(self) -> None:
        """Says that no more frames come; the results of those in flight are still received."""
        async with self._sending:
            with self._lock:
                if self._session.state is ClientState.STREAMING:
                    self._session.finish()
                    assert self._connection is not None
                    self._connection.finish()

    async def __aiter__(self) -> AsyncGenerator[Result, None]:
        """The results, as they come.

        Raises:
            PeerError: The server ended the stream with an error, or broke the contract.
        """
        while True:
            try:
                message = await self._read()
                event = None if message is None else self._received(message)
                if message is None:
                    self._check_all_sent()
            except PeerError as error:
                self._over(error)
                raise
            if event is None:
                self._over(None)
                return
            if isinstance(event, AnswerReceived):
                yield self._result(event)

    async def deliver(self, take: Callable[[Result], None]) -> None:
        """The iteration, but cheaper: no task is woken for a result.

        A result may come before who awaits :meth:`send` in another task, as `asyncio.wait_for` and `gather` do, knows
        its number.

        Args:
            take: Called with each result, as it comes; what it raises ends this, and what it has not taken can be
                delivered again. It must not block.

        Raises:
            PeerError: As the iteration does.
            ClosedError: The client is not open, is closed, or delivers already.
        """
        connection, inbox = self._opened()
        if self._delivery is not None and not self._delivery.done():
            raise ClosedError("the client delivers its results already")
        over = self._delivery = asyncio.get_running_loop().create_future()
        failure: BaseException | None = None

        def arrived() -> None:
            nonlocal failure
            is_over = False
            try:
                # Whoever cancels this task has all that was not taken yet.
                while not over.done() and (event := self._event_at_hand(inbox)) is not None:
                    if isinstance(event, AnswerReceived):
                        take(self._result(event))
                is_over = inbox.is_over
            except BaseException as error:  # into the task that waits, and not into the event loop
                failure, is_over = error, True
            if is_over and not over.done():
                over.set_result(None)

        connection.listen(arrived)
        try:
            arrived()
            await over
        finally:
            connection.listen_no_more(arrived)
        if failure is not None:
            raise failure
        try:
            self._check_ending(connection.ending)
            self._check_all_sent()
        except PeerError as error:
            self._over(error)
            raise
        self._over(None)

    def _event_at_hand(self, inbox: Inbox) -> Accepted | AnswerReceived | None:
        """The next of what has arrived and is not held; None when there is none."""
        try:
            message = inbox.take()
            return None if message is None else self._received(message)
        except PeerError as error:
            self._over(error)
            raise

    def _result(self, event: AnswerReceived) -> Result:
        latency_s = None
        if event.match is Match.MATCHED:
            latency_s = time.perf_counter() - self._sent_at.pop(event.sequence_number)
            place = self._place_of.pop(event.sequence_number, None)
            if place is not None and self._memory is not None:
                with self._lock:
                    self._memory.free(place)
            self._changed.set()
        sample = event.sample or Sample(event.sent_timestamp or 0)
        return Result(
            event.match,
            event.sequence_number,
            sample.timestamp,
            event.sent_timestamp,
            sample.inferences,
            sample.problems,
            latency_s,
        )

    def _received(self, message: Message) -> Accepted | AnswerReceived:
        try:
            with self._lock:
                return self._session.receive(message)
        except ProtocolError as error:
            raise PeerError(f"{self._target} breaks the contract: {error}", status="OK") from error

    def _check_open(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._is_over:
            raise ClosedError("the session is over")

    def _over(self, failure: PeerError | None) -> None:
        with self._lock:
            self._failure = failure
            self._is_over = True
        self._changed.set()

    def _opened(self) -> tuple[Connection, Inbox]:
        if self._connection is None or self._inbox is None:
            raise ClosedError("the client is not open")
        return self._connection, self._inbox

    async def _read(self) -> Message | None:
        """The next message, or None when the server ended the stream with OK."""
        connection, inbox = self._opened()
        message = await inbox.read()
        if message is None:
            self._check_ending(connection.ending)
        return message

    def _check_ending(self, ending: Ending | None) -> None:
        if self._is_closed or ending is None:
            raise ClosedError("the client was closed")
        if ending.status != "OK":
            raise self._peer_error(ending)

    def _check_all_sent(self) -> None:
        if self._session.state is ClientState.STREAMING:
            raise PeerError(f"{self._target} ended the stream before we did", status="OK")

    async def _why_over(self) -> FramewireError:
        """Why a frame could not leave.

        Answers may wait to be taken in, and the end of the stream comes after them: who iterates finds it.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ENDING_S):
                while not self._is_over:
                    self._changed.clear()
                    await self._changed.wait()
        if self._is_over:
            return self._failure or ClosedError("the session is over")
        assert self._connection is not None
        return self._peer_error(self._connection.ending or Ending("UNKNOWN", ""))

    def _peer_error(self, ending: Ending) -> PeerError:
        if ending.status == "UNAVAILABLE" and self._session.state is ClientState.AWAITING_ACCEPTANCE:
            return unreachable(self._target, ending.details)
        text = ending.details or "no details"
        if ending.status == "UNIMPLEMENTED":
            return PeerError(f"{self._target} does not serve the extension contract ({text})", status=ending.status)
        return PeerError(f"{self._target} ended the stream with {ending.status}: {text}", status=ending.status)

    async def _close(self) -> None:
        with self._lock:
            if not self._is_closed:
                self.lost = self._session.end()
            self._is_over = self._is_closed = True
            # First what needs no waiting, so that a cancellation leaves no file behind.
            if self._memory is not None:
                self._memory.close()
        self._changed.set()
        if self._connection is not None:
            await self._connection.close()
