"""A client of the contract that can also break it: it sends what it is told and keeps what comes back.

:class:`framewire.client.Client` obeys the contract; a probe must be able to send a second descriptor, an enum number
that does not exist or a sequence number of yesterday, and to tell silence from refusal.
"""

from __future__ import annotations

import asyncio
import base64
import textwrap
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import grpc

from framewire.errors import ConfigurationError, FramewireError, PeerError, ProtocolError
from framewire.model.format import VideoFormat
from framewire.model.message import DEFAULT_TIMESCALE, Descriptor, GraphIdentifier, Message, Sample, SharedMemory
from framewire.wire import METHOD_PATH, decode, encode

_CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", 64 << 20),
    # Every channel has a connection of its own, and no proxy of the environment stands between.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
)

_PARTING_S = 0.2
_STATUS_LOOKS, _STATUS_LOOK_S = 20, 0.01
"""How often, and how long apart, is looked whether a made-up status is followed by the server's own."""


class NoAnswerError(FramewireError):
    """The server stayed silent for as long as the probe waits."""


class SessionEndedError(FramewireError):
    """The session ended while the probe waited for something else.

    Args:
        status: How it ended.
        missing: What was still to come.
    """

    def __init__(self, status: Status, missing: str) -> None:
        super().__init__(f"the session ended with {status}; no answer to {missing}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Status:
    """How a session ended.

    Args:
        code: Name of the gRPC status, for example ``INVALID_ARGUMENT``.
        details: The server's words.
    """

    code: str
    details: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {textwrap.shorten(self.details, 160, placeholder=' ..')}" if self.details else self.code


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOptions:
    """How a server is probed.

    Args:
        timeout_s: Longest wait for one answer.
        user: Name for ``x-ms-authentication``; None sends no credentials.
        password: Its password.
        base_configuration: ``extension_configuration`` of every session, for servers that need one.
        configuration: A configuration that changes the server's answers; None tries a few known ones.
        shared_memory_mode: Permissions of the files that the probe makes in /dev/shm.

    Raises:
        ConfigurationError: The timeout is not above 0, or the mode is not one of a file.
    """

    timeout_s: float = 5.0
    user: str | None = None
    password: str = ""
    base_configuration: str = ""
    configuration: str | None = None
    shared_memory_mode: int = 0o600

    def __post_init__(self) -> None:
        if not self.timeout_s > 0:
            raise ConfigurationError(f"timeout {self.timeout_s:g} s is no time to wait", allowed="more than 0")
        if not 0 <= self.shared_memory_mode <= 0o777:
            raise ConfigurationError(f"mode {self.shared_memory_mode:o} is not one of a file", allowed="0 to 777")


def parse_target(text: str) -> str:
    """Turns an address as topologies write it into one that gRPC takes.

    Args:
        text: ``host:port``, ``tcp://host:port`` or ``unix:/path``.

    Raises:
        ConfigurationError: It is none of them.
    """
    if text.startswith("unix:") and len(text) > len("unix:"):
        return text
    address = text.removeprefix("tcp://").removesuffix("/")
    host, colon, port = address.rpartition(":")
    is_host = bool(host) and "/" not in host and (":" not in host or (host[0], host[-1]) == ("[", "]"))
    if not (colon and is_host and port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise ConfigurationError(f"{text!r} is not an address", allowed="HOST:PORT, tcp://HOST:PORT or unix:/PATH")
    return address


def is_local(target: str) -> bool:
    """Whether a target is surely on this machine; shared memory may reach it all the same when it is not."""
    host = target.rpartition(":")[0].strip("[]")
    return target.startswith("unix:") or host in ("localhost", "::1") or host.startswith("127.")


def credentials_metadata(user: str, password: str) -> tuple[tuple[str, str], ...]:
    """The metadata that carries a user and a password (contract, section 6)."""
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    return (("x-ms-authentication", f"Basic {token}"),)


class Session:
    """One call. A task of its own reads until the end, so that the server is never held up by the probe."""

    def __init__(self, call: Any, timeout_s: float) -> None:
        self._call = call
        self._timeout_s = timeout_s
        self._changed = asyncio.Event()
        self._sequence_number = 0
        self._illegible = ""
        self.received: list[Message] = []
        self.status: Status | None = None
        self._own_status: Status | None = None
        call.add_done_callback(self._note_status)
        self._reader = asyncio.create_task(self._read())

    async def send(self, payload: Descriptor | Sample | None, *, sequence_number: int | None = None) -> int:
        """Sends a message under the next sequence number, or under one of the caller's, and returns the number.

        A number of the caller's leaves the count as it is.
        """
        if sequence_number is None:
            self._sequence_number += 1
            sequence_number = self._sequence_number
        await self.send_bytes(encode(Message(sequence_number, 0, payload)))
        return sequence_number

    async def send_bytes(self, data: bytes) -> None:
        """Sends bytes as they are. A call that has ended swallows them: the next wait tells its status."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._call.write(data)
        except TimeoutError:
            raise NoAnswerError(
                f"the server read nothing of a message of {len(data)} bytes for {self._timeout_s:g} s"
            ) from None
        except (grpc.RpcError, asyncio.InvalidStateError):
            pass
        except asyncio.CancelledError:
            # grpc.aio raises it from a write to a call that is over, too; only a task's own cancellation goes on.
            task = asyncio.current_task()
            if not self._call.done() or (task is not None and task.cancelling()):
                raise

    async def half_close(self) -> None:
        """Says that no more samples come."""
        with suppress(grpc.RpcError, asyncio.InvalidStateError):
            await self._call.done_writing()

    async def handshake(self) -> Message:
        """Waits for the first message of the server and returns it."""
        await self.until(lambda: bool(self.received), lambda: "the descriptor")
        return self.received[0]

    async def acknowledged(self, numbers: Sequence[int]) -> None:
        """Waits until each of the sequence numbers is acknowledged."""
        wanted = set(numbers)

        def missing() -> set[int]:
            return wanted - {message.ack_sequence_number for message in self.received}

        def described() -> str:
            silent = sorted(missing())
            listed = ", ".join(map(str, silent[:6])) + (", .." if len(silent) > 6 else "")
            return f"{len(silent)} of {len(wanted)} samples (sequence {listed})"

        await self.until(lambda: not missing(), described)

    async def end(self) -> Status:
        """Waits until the server ends the session."""
        await self.until(lambda: self.status is not None, lambda: "the half-close")
        assert self.status is not None
        return self.status

    async def finish(self) -> Status:
        """Half-closes and waits for the end."""
        await self.half_close()
        return await self.end()

    async def until(self, is_so: Callable[[], bool], unanswered: Callable[[], str]) -> None:
        """Waits until something is so.

        Args:
            is_so: Asked again after everything that happens.
            unanswered: What the server has not answered, for the error's text.

        Raises:
            NoAnswerError: It was not so in time.
            SessionEndedError: The session ended without it.
            ProtocolError: The server sent a message that cannot be read.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                while not is_so():
                    if self.status is not None:
                        break
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise NoAnswerError(f"no answer within {self._timeout_s:g} s to {unanswered()}") from None
        if self._illegible:
            raise ProtocolError(f"the server sent a message that cannot be read: {self._illegible}")
        if self.status is not None and not is_so():
            raise SessionEndedError(self.status, unanswered())

    def samples(self, number: int) -> list[Sample]:
        """The samples that the server sent as acknowledgements of one message."""
        return [
            message.payload
            for message in self.received
            if message.ack_sequence_number == number and isinstance(message.payload, Sample)
        ]

    async def part(self) -> None:
        """Leaves as a good client does, so that the server's log shows no broken session; does not wait for long."""
        if self.status is None:
            await self.half_close()
            with suppress(TimeoutError):
                async with asyncio.timeout(_PARTING_S):
                    while self.status is None:
                        self._changed.clear()
                        await self._changed.wait()

    async def close(self) -> None:
        """Cancels what is left of the call."""
        self._call.cancel()
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            await self._reader

    async def _read(self) -> None:
        try:
            # Not read(): once a write has failed, that gives no more messages, though there may be some.
            async for data in self._call:
                self.received.append(decode(data))
                self._changed.set()
            status = Status("OK")
        except grpc.RpcError:
            status = await self._ended()
        except ProtocolError as error:
            self._illegible = str(error)
            status = Status("CANCELLED")
        self.status = status
        self._changed.set()

    async def _ended(self) -> Status:
        for _ in range(_STATUS_LOOKS):
            if self._own_status is not None:
                return self._own_status
            # There is nothing to wait on for the second status of a call.
            await asyncio.sleep(_STATUS_LOOK_S)
        return Status((await self._call.code()).name, await self._call.details() or "")

    def _note_status(self, call: Any) -> None:
        """Keeps the server's status; called for every status that a call gets.

        When a write meets the end of the call, grpc.aio puts an INTERNAL of its own in the place of the status that
        the server sent (grpc#36066), before or after it came.
        """
        code, details = _already(call.code()), _already(call.details()) or ""
        if details != "Internal error from Core":
            self._own_status = Status(code.name, details)


def _already(answer: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that has nothing to wait for."""
    try:
        answer.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("the status of a call that is done was not there")


class Probe:
    """Opens sessions to one server; closes everything at its end.

    Args:
        target: Where the server is, as gRPC writes it.
        options: How it is probed.
        video_format: A format that the server takes, for rules to which formats do not matter.
    """

    def __init__(self, target: str, options: ProbeOptions, video_format: VideoFormat) -> None:
        self.target = target
        self.options = options
        self.video_format = video_format
        self._stack = AsyncExitStack()
        self._channel: Any = None

    async def __aenter__(self) -> Probe:
        self._channel = await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def connect(self, target: str | None = None) -> Any:
        """Opens one more connection, to the server or to another target; it is closed with the probe."""
        return await self._stack.enter_async_context(grpc.aio.insecure_channel(target or self.target, _CHANNEL_OPTIONS))

    async def reach(self) -> None:
        """Waits for the connection.

        Raises:
            PeerError: There is nobody, or nobody who speaks HTTP/2.
        """
        try:
            async with asyncio.timeout(self.options.timeout_s):
                while (state := self._channel.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
                    if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                        break
                    await self._channel.wait_for_state_change(state)
                else:
                    return
                # The state alone says nothing; a call over the broken connection tells the reason.
                async with self.stream() as session:
                    details = (await session.end()).details
        except (TimeoutError, NoAnswerError):
            details = f"no answer within {self.options.timeout_s:g} s"
        raise PeerError(
            f"cannot reach {self.target}: {' '.join(details.split())}",
            status="UNAVAILABLE",
            remedy="check the address, and that the server is running",
        )

    @asynccontextmanager
    async def stream(
        self, *, channel: Any = None, metadata: tuple[tuple[str, str], ...] | None = None
    ) -> AsyncIterator[Session]:
        """Opens a call on which nothing was sent yet.

        Args:
            channel: A connection from :meth:`connect`; None takes the probe's own.
            metadata: The call's metadata; None sends the credentials of the options.
        """
        if metadata is None:
            user = self.options.user
            metadata = () if user is None else credentials_metadata(user, self.options.password)
        call = (channel or self._channel).stream_stream(METHOD_PATH)(metadata=metadata)
        session = Session(call, self.options.timeout_s)
        try:
            yield session
            await session.part()
        finally:
            await session.close()

    def descriptor(
        self,
        video_format: VideoFormat | None,
        *,
        memory: SharedMemory | None = None,
        configuration: str | None = None,
        timescale: int = DEFAULT_TIMESCALE,
    ) -> Descriptor:
        """A client's descriptor with the options' configuration, unless another is given."""
        identifier = GraphIdentifier("", "framewire-check", "probe")
        if configuration is None:
            configuration = self.options.base_configuration
        return Descriptor(identifier, configuration, timescale, video_format, memory)

    @asynccontextmanager
    async def session(
        self,
        video_format: VideoFormat | None = None,
        *,
        memory: SharedMemory | None = None,
        configuration: str | None = None,
        channel: Any = None,
    ) -> AsyncIterator[Session]:
        """Opens a call and shakes hands; the video format is the probe's own unless another is given."""
        async with self.stream(channel=channel) as session:
            descriptor = self.descriptor(video_format or self.video_format, memory=memory, configuration=configuration)
            await session.send(descriptor)
            await session.handshake()
            yield session
