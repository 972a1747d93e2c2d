"""Servers of the contract that are not ours, for tests: real sockets, and a record of what came."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Any

import grpc
from certificates import Certificate
from plain_server import GoodServer

from framewire.model.message import ContentReference, Descriptor
from framewire.wire import METHOD, SERVICE


class RecordingServer(GoodServer):
    """Keeps what each node of a pipeline sends, by the node's name."""

    def __init__(self) -> None:
        self.descriptors: dict[str, Descriptor] = {}
        self.samples: dict[str, list[Any]] = defaultdict(list)
        self.credentials: list[str] = []

    async def process_media_stream(self, requests, context):  # type: ignore[no-untyped-def]
        self.credentials += [value for key, value in context.invocation_metadata() if key == "x-ms-authentication"]
        async for answer in super().process_media_stream(requests, context):  # type: ignore[no-untyped-call]
            yield answer

    async def open(self, message):  # type: ignore[no-untyped-def]
        session = await super().open(message)  # type: ignore[no-untyped-call]
        self.descriptors[message.payload.identifier.graph_node_name] = message.payload
        return session

    def answer(self, session, message):  # type: ignore[no-untyped-def]
        self.samples[session.descriptor.identifier.graph_node_name].append(message.payload)
        return super().answer(session, message)  # type: ignore[no-untyped-call]

    def threshold_in(self, configuration: str) -> int:
        return 127

    def way_of(self, name: str) -> str:
        """How the frames of a node came."""
        (way,) = {isinstance(sample.content, ContentReference) for sample in self.samples[name]}
        return "sharedMemory" if way else "embedded"


@contextmanager
def grpc_extension(server: GoodServer, certificate: Certificate | None = None, port: int = 0) -> Iterator[int]:
    """Serves in a thread, encrypted with a certificate; gives the port."""
    ready: Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = Queue()

    async def serve() -> None:
        shell = grpc.aio.server()
        method = grpc.stream_stream_rpc_method_handler(server.process_media_stream)
        shell.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: method}),))
        if certificate is None:
            bound = shell.add_insecure_port(f"127.0.0.1:{port}")
        else:
            shown = grpc.ssl_server_credentials([(certificate.key.encode(), certificate.text.encode())])
            bound = shell.add_secure_port(f"127.0.0.1:{port}", shown)
        await shell.start()
        stop = asyncio.Event()
        ready.put((asyncio.get_running_loop(), stop, bound))
        await stop.wait()
        await shell.stop(0)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    loop, stop, bound = ready.get(timeout=30)
    try:
        yield bound
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
