"""The extension server."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import itertools
import json
import logging
import socket
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from framewire.errors import ConfigurationError, FramewireError, ProcessorError
from framewire.model.credentials import AUTHENTICATION_KEY
from framewire.processors.catalogue import Catalogue, ProcessorKind
from framewire.processors.configuration import Selection, processor_in, select
from framewire.scheduling.executor import TICK_S, Executor
from framewire.scheduling.executors import ExecutorKind, make_executor
from framewire.scheduling.task import Lane, Outcome
from framewire.server.budget import Budget
from framewire.server.credentials import is_authentic
from framewire.server.mailbox import Mailbox
from framewire.server.options import ServerOptions
from framewire.server.pools import Pools
from framewire.server.statistics import ServerStatistics, queues_document
from framewire.server.stream import Services, Stream, end_call
from framewire.wire import METHOD, SERVICE

_log = logging.getLogger(__name__)

STATISTICS_SERVICE = "framewire.v1.Statistics"
"""One unary method, ``Read``: an empty request, and :meth:`Server.statistics` as UTF-8 JSON for an answer."""

_NO_CREDENTIALS = f"{AUTHENTICATION_KEY} does not hold the credentials of this server"

_CLOSE_S = 2.5
"""How long processors may take to close: processes are given two seconds, and some time to end."""

_CANCEL_S = 1.0
"""How long cancelled streams may take to let go."""


class BindError(FramewireError):
    """The server cannot listen where it was told to."""


class Server:
    """The extension server, as an asynchronous context manager.

    Args:
        options: What it does.
        processor: The processor of sessions that ask for no other.
        processor_options: Its options, name to value.
        catalogue: The processors that a session may name.

    Raises:
        ConfigurationError: The processor's options are wrong.
    """

    def __init__(
        self,
        options: ServerOptions,
        processor: ProcessorKind,
        processor_options: Mapping[str, object] | None = None,
        catalogue: Catalogue | None = None,
    ) -> None:
        self._options = options
        self._processor = processor
        self._processor_options = dict(processor_options or {})
        self._catalogue = catalogue or Catalogue()
        # Wrong options are the operator's to hear now, not the first camera's.
        self._default = Selection(processor, processor.options(self._processor_options))
        self._numbers = itertools.count(1)
        self._streams: set[Stream] = set()
        self._is_draining = False
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._unused_s = 0.0
        self._statistics = ServerStatistics()
        self.address = ""
        """Where the server listens: ``HOST:PORT`` or ``unix:/path``; empty before it is started."""
        self.port = 0
        """The TCP port; 0 before the server is started, and for a unix socket."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Opens the processor, then listens.

        Raises:
            ProcessorError: The processor cannot be opened.
            BindError: The port is in use, or may not be used.
            ConfigurationError: The host is no address of this machine.
        """
        options = self._options
        loop = asyncio.get_running_loop()
        lanes: dict[Lane, Stream] = {}

        def settle(outcome: Outcome) -> None:
            lanes[outcome.task.lane].settle(outcome)

        self._mailbox = mailbox = Mailbox(loop, settle)

        def settle_all(outcomes: Sequence[Outcome]) -> None:
            for outcome in outcomes:
                settle(outcome)

        executor = ExecutorKind(options.executor)
        # An inline executor is on the loop already.
        deliver = settle_all if executor is ExecutorKind.INLINE else mailbox.post

        def make_pool(selection: Selection) -> Executor:
            return make_executor(executor, selection.kind, selection.options, options.pool, deliver=deliver, loop=loop)

        async def select_for(configuration: str) -> Selection:
            name = processor_in(configuration)
            if name is not None and self._catalogue.is_to_import(name):
                await self._import(name)
            return select(
                configuration,
                self._processor,
                self._processor_options,
                self._catalogue,
                strict=options.strict_configuration,
                terms=options.terms,
            )

        self._pools = Pools(make_pool, options.max_pools)
        budget = Budget(options.max_total_in_flight, int(options.max_total_in_flight_mib * (1 << 20)))
        self._services = Services(options, select_for, self._pools, budget, lanes, self._statistics)
        # Kept until the end, so that its model is loaded once; a processor that cannot open fails the start.
        await self._pools.acquire(self._default)
        try:
            await self._listen()
        except BaseException:
            await self._pools.close(timeout_s=1.0)
            raise
        self._supervisor = asyncio.ensure_future(self._supervise())

    async def _import(self, name: str) -> None:
        """Imports an installed processor that a session asks for, beside the event loop: that may take seconds."""
        try:
            await asyncio.to_thread(self._catalogue.find, name)
        except ConfigurationError as error:
            _log.error("%s", error, exc_info=error.__cause__ if _log.isEnabledFor(logging.DEBUG) else None)
            raise ProcessorError(f"processor {name!r} cannot be imported") from None  # why is no client's business

    async def _listen(self) -> None:
        self._server = grpc.aio.server(options=_channel_options(self._options))
        handler = grpc.stream_stream_rpc_method_handler(self._process)  # bytes in, bytes out: wire does the rest
        reading = grpc.unary_unary_rpc_method_handler(self._read_statistics)
        self._server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),
                grpc.method_handlers_generic_handler(STATISTICS_SERVICE, {"Read": reading}),
            )
        )
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)
        for name in ("", SERVICE):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        host, port = self._options.host, self._options.port
        target = _target(host, port)
        _check_unix_socket(target)
        try:
            bound = self._server.add_insecure_port(target)
        except (RuntimeError, UnicodeError):
            raise _bind_error(host, port) from None
        await self._server.start()
        if target.startswith("unix:"):
            self.address = target
        else:
            self.port = bound
            self.address = f"{target.rpartition(':')[0]}:{bound}"

    async def drain(self) -> bool:
        """Takes no new session, answers the frames in flight and ends all streams, within the drain timeout.

        Returns:
            Whether every frame in flight was answered.
        """
        self._is_draining = True
        await self._health.enter_graceful_shutdown()
        begun_s = time.monotonic()
        for pool in self._pools:
            pool.drain()
        for stream in list(self._streams):
            stream.drain()
        is_drained = await self._wait_for_streams(self._options.drain_timeout_s)
        self._unused_s = max(0.0, self._options.drain_timeout_s - (time.monotonic() - begun_s))
        return is_drained

    async def _wait_for_streams(self, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                while self._streams:
                    self._emptied.clear()
                    await self._emptied.wait()
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """Ends all streams now and closes the processors. To lose nothing, :meth:`drain` first."""
        self._is_draining = True
        for stream in list(self._streams):
            stream.cut_off()
        await self._wait_for_streams(_CANCEL_S)
        await self._server.stop(grace=None)
        # grpc does not wait for the calls that it cancels, and they have frames and sessions to give back.
        await self._wait_for_streams(_CANCEL_S)
        self._supervisor.cancel()
        # The second keeps us within the ten that containers give; what draining did not need, closing may have.
        is_closed = await self._pools.close(min(_CLOSE_S, 1.0 + self._unused_s))
        if not is_closed:
            _log.warning("a processor is still busy; it ends with the process")

    async def _supervise(self) -> None:
        """Lets the executors look at the clock while there are sessions; tells the world when one is beyond help."""
        is_healthy = True
        while True:
            await self._filled.wait()
            await asyncio.sleep(TICK_S)
            for pool in self._pools:
                try:
                    pool.tick()
                except Exception:  # the others still need the clock
                    _log.exception("an executor broke; this is a fault of framewire")
            if is_healthy and not all(pool.is_healthy for pool in self._pools):
                is_healthy = False
                _log.error("a processor has lost its workers for good: health is NOT_SERVING now; restart the server")
                for name in ("", SERVICE):
                    await self._health.set(name, health_pb2.HealthCheckResponse.NOT_SERVING)

    def statistics(self) -> dict[str, Any]:
        """What the server has done since it was started and what it does now, as JSON values."""
        document = self._statistics.document()
        document["sessions"]["open"] = self.sessions
        document["frames"]["in_flight"] = self.frames_in_flight
        document["queues"] = queues_document(
            self._services.budget.statistics(),
            self._mailbox.statistics(),
            [stream.statistics() for stream in self._streams],
        )
        document["executors"] = [
            {"processor": name, **dataclasses.asdict(pool.statistics())} for name, pool in self._pools.named()
        ]
        return document

    async def _read_statistics(self, _: bytes, context: Any) -> bytes:  # grpc.aio's own type
        if not is_authentic(context.invocation_metadata() or (), self._options.credentials):
            await end_call(context, grpc.StatusCode.UNAUTHENTICATED, _NO_CREDENTIALS)
        return json.dumps(self.statistics()).encode()

    @property
    def sessions(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    @property
    def frames_in_flight(self) -> int:
        """How many frames have been taken and not yet come back from a processor."""
        return self._services.budget.frames

    async def _process(self, _: Any, context: Any) -> None:  # grpc.aio's own types
        if self._is_draining:
            await end_call(context, grpc.StatusCode.UNAVAILABLE, "the server is shutting down; connect again")
        if not is_authentic(context.invocation_metadata() or (), self._options.credentials):
            await end_call(context, grpc.StatusCode.UNAUTHENTICATED, _NO_CREDENTIALS)
        if len(self._streams) >= self._options.max_sessions:
            await end_call(
                context,
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{len(self._streams)} sessions are open, as many as this server takes; "
                "close one, or start the server with a larger --max-sessions",
            )
        stream = Stream(context, self._services, next(self._numbers), context.peer())
        self._streams.add(stream)
        self._filled.set()
        try:
            await stream.serve()
        finally:
            self._streams.discard(stream)
            if not self._streams:
                self._filled.clear()
                self._emptied.set()


def _channel_options(options: ServerOptions) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", options.max_message_bytes),
        ("grpc.max_send_message_length", -1),
        # Two servers on one port would share its connections without a word.
        ("grpc.so_reuseport", 0),
        # A silent peer is found within 20 s: asked after 10, given up after 8 more.
        ("grpc.keepalive_time_ms", 10_000),
        ("grpc.keepalive_timeout_ms", 8_000),
        # This is the timer that counts: grpc leaves it at 60 s whatever the keepalive timeout is.
        ("grpc.http2.ping_timeout_ms", 8_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # Clients may ask just as often; grpc would hang up on them.
        ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
        ("grpc.http2.max_ping_strikes", 0),
    ]


def _target(host: str, port: int) -> str:
    if host.startswith("unix:"):
        if not host.removeprefix("unix:").strip("/"):
            raise ConfigurationError(f"host {host!r} has no path", allowed="unix:/path")
        return host
    if not host:
        return f"[::]:{port}"  # all interfaces; grpc answers IPv4 there, too
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def _check_unix_socket(target: str) -> None:
    """grpc removes a socket file that it finds, also that of a living server."""
    if not target.startswith("unix:"):
        return
    path = target.removeprefix("unix:")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError:
            return
    raise BindError(f"another server listens on {target}", remedy="stop it, or choose another path with --host")


def _bind_error(host: str, port: int) -> FramewireError:
    if host.startswith("unix:"):
        return ConfigurationError(
            f"cannot listen on {host}",
            remedy="its folder must exist and be writable, and hold nothing else of that name",
        )
    family = socket.AF_INET6 if ":" in host or not host else socket.AF_INET
    reason = ""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host.strip("[]"), port))
    except (TypeError, UnicodeError):  # CPython's ways to say that this is no name of a host
        reason = " (no name of a host)"
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return BindError(
                f"port {port} is in use", remedy="stop the other server, or choose another with --port (0: a free one)"
            )
        if error.errno == errno.EACCES:
            return BindError(f"port {port} may not be used by this user", remedy="choose one above 1023 with --port")
        reason = f" ({error.strerror or error})"
    return ConfigurationError(
        f"cannot listen on host {host!r} port {port}{reason}",
        allowed="an address of this machine, unix:/path, or nothing for all interfaces",
    )
