"""A running server, and a well-behaved neighbour who must not notice what a test does to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from wire_camera import LIGHT, PATIENCE_S, SMALL, eventually

from framewire.client import Client, ClientOptions
from framewire.model.inference import Classification, Tag
from framewire.processors.catalogue import Catalogue, ProcessorKind
from framewire.server import Server, ServerOptions


@asynccontextmanager
async def running(
    processor: ProcessorKind | str = "color-intensity",
    *,
    processor_options: Mapping[str, object] | None = None,
    catalogue: Catalogue | None = None,
    **options: Any,
) -> AsyncIterator[Server]:
    """A server on a free port of this machine."""
    known = catalogue or Catalogue()
    kind = known.find(processor) if isinstance(processor, str) else processor
    chosen = {"host": "127.0.0.1", "port": 0, **options}
    async with Server(ServerOptions(**chosen), kind, processor_options, known) as server:
        yield server


class Neighbour:
    """Streams light frames over shared memory, one after the other, until it is told to stop."""

    CONFIGURATION = '{"processor":"color-intensity"}'

    def __init__(self, address: str, user: str | None = None, password: str = "") -> None:
        options = ClientOptions(
            shared_memory_bytes=1024, in_flight=2, configuration=self.CONFIGURATION, user=user, password=password
        )
        self._client = Client(address, SMALL, options)
        self._is_stopping = False
        self.answered = 0

    async def stream(self) -> None:
        """Sends and judges the answers; raises when one is lost or wrong."""
        async with self._client as client, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send(client))
            async for result in client:
                assert result.match.name == "MATCHED"
                assert result.timestamp == result.sent_timestamp == (result.sequence_number - 1) * 3_000
                assert result.inferences == (Classification(Tag("light"), subtype="colorIntensity"),)
                self.answered += 1
        assert self._client.lost == 0
        assert self.answered == self._client.sent

    async def _send(self, client: Client) -> None:
        while not self._is_stopping:
            await client.send(LIGHT, (client.sent + 1) * 3_000)
        await client.finish()

    def stop(self) -> None:
        """Ends the stream after the frames in flight."""
        self._is_stopping = True


@asynccontextmanager
async def neighbour(server: Server, **credentials: str) -> AsyncIterator[Neighbour]:
    """A well-behaved session beside the test's; leaving fails when a single frame of it was harmed."""
    one = Neighbour(server.address, **credentials)
    streaming = asyncio.create_task(one.stream())
    try:
        await eventually(lambda: one.answered > 0 or streaming.done())
        yield one
        # Frames sent after the deed are answered, too.
        before = one.answered
        await eventually(lambda: one.answered > before + 2 or streaming.done())
    finally:
        one.stop()
        async with asyncio.timeout(PATIENCE_S):
            await streaming


@asynccontextmanager
async def attacked(processor: ProcessorKind | str = "color-intensity", **options: Any) -> AsyncIterator[Server]:
    """A running server with a neighbour on it, who is unharmed at the end."""
    async with running(processor, **options) as server, neighbour(server):
        yield server
