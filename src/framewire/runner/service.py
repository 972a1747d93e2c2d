"""A runner at work: the store, the pipelines, the API, and where messages go."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from framewire.errors import ConfigurationError, FramewireError
from framewire.hub import BrokerAddress, HubMessage, Publisher
from framewire.runner.api import ApiOptions, make_api
from framewire.runner.inputs import Inputs
from framewire.runner.methods import Methods
from framewire.runner.processes import Processes
from framewire.runner.store import Store

try:
    import uvicorn
except ImportError:
    raise ConfigurationError(
        "framewire runner needs uvicorn, which is not installed", remedy="pip install 'framewire[runner]'"
    ) from None

_FLUSH_S = 10.0

_LAST_REQUESTS_S = 5.0
"""How long requests that are under way may take at the end."""


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
            resuming = asyncio.create_task(methods.resume(lambda failure: say(f"not active again: {failure}")))
            resuming.add_done_callback(lambda done: _stop_on_error(done, stop))
            await stop.wait()
            resuming.cancel()
            await asyncio.wait({resuming})
            server.should_exit = True
            await processes.close()  # requests that wait for a pipeline end with it
            await asyncio.wait({serving}, timeout=_LAST_REQUESTS_S)
            for connection in list(server.server_state.connections):
                connection.transport.abort()  # half a request: whoever sends it does not hold up the end
            await serving
            if not resuming.cancelled():
                resuming.result()
    finally:
        store.close()


def _stop_on_error(resuming: asyncio.Task[None], stop: asyncio.Event) -> None:
    """When that fails, what is stored cannot be read."""
    if not resuming.cancelled() and resuming.exception() is not None:
        stop.set()


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
        except (OSError, UnicodeError) as error:  # the latter for a name that can be none
            reason = error.strerror if isinstance(error, OSError) else "no name of a host"
            raise FramewireError(f"port {options.port} of {options.host} cannot be used: {reason}") from None
        opened.pop_all()
    return listener
