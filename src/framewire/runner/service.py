"""A runner at work: the store, the pipelines, the API, and where messages go."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from framewire.errors import FramewireError
from framewire.hub import BrokerAddress, HubMessage, Publisher
from framewire.runner.api import ApiOptions, make_api
from framewire.runner.inputs import Inputs
from framewire.runner.methods import Methods
from framewire.runner.processes import Processes
from framewire.runner.store import Store

_FLUSH_S = 10.0


@dataclass(frozen=True, slots=True)
class RunnerOptions:
    """How a runner works.

    Args:
        data: The folder of the store.
        api: Who may use the API.
        module: The module's name in the subjects of messages.
        allow_files: The folder below which sources may be files or devices; None for nowhere.
        broker: Where methods and inputs are taken over MQTT, too; None for nowhere.
        trusted_certificates: PEM file of authorities for that broker; None for the system's.
    """

    data: Path
    api: ApiOptions
    module: str = "avaedge"
    allow_files: Path | None = None
    broker: BrokerAddress | None = None
    trusted_certificates: Path | None = None


class _Server(uvicorn.Server):
    """An ASGI server that leaves signals to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run_service(
    options: RunnerOptions, publishers: Sequence[Publisher], stop: asyncio.Event, say: Callable[[str], None]
) -> None:
    """Serves until `stop` is set; then all pipelines are deactivated for now, and are active again at the next start.

    Raises:
        FramewireError: The folder or the port cannot be used.
    """
    store = Store(options.data)
    try:
        listener = _listen(options.api)
        async with contextlib.AsyncExitStack() as opened:
            opened.callback(listener.close)
            for publisher in publishers:
                await publisher.open()
                opened.push_async_callback(publisher.close, _FLUSH_S)

            def publish(message: HubMessage) -> None:
                for publisher in publishers:
                    with contextlib.suppress(BrokenPipeError):
                        publisher.publish(message)

            processes = Processes(options.module, publish)
            opened.push_async_callback(processes.close)
            methods = Methods(store, processes, allow_files=options.allow_files)
            api = make_api(methods, processes, options.api)
            control = _control(options, methods, processes, say)
            server = _Server(uvicorn.Config(api, log_level="warning", lifespan="off", access_log=False))
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            host, port = listener.getsockname()[:2]
            say(f"listening on http://{f'[{host}]' if ':' in host else host}:{port}")
            await opened.enter_async_context(control)
            for failure in await methods.resume():
                say(f"not active again: {failure}")
            await stop.wait()
            server.should_exit = True
            await serving
    finally:
        store.close()


def _control(
    options: RunnerOptions, methods: Methods, processes: Processes, say: Callable[[str], None]
) -> contextlib.AbstractAsyncContextManager[object]:
    """Methods and inputs over MQTT, which only those who use it need a library for."""
    if options.broker is None:
        return contextlib.nullcontext()
    from framewire.runner.rpc import MqttControl

    return MqttControl(
        options.broker, methods, Inputs(processes), note=say, trusted_certificates=options.trusted_certificates
    )


def _listen(options: ApiOptions) -> socket.socket:
    with contextlib.ExitStack() as opened:
        try:
            family, kind, _, _, address = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM)[0]
            listener = opened.enter_context(socket.socket(family, kind))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(128)
        except OSError as error:
            raise FramewireError(f"port {options.port} of {options.host} cannot be used: {error.strerror}") from None
        opened.pop_all()
    return listener
