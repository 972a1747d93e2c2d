"""Streams that hold a place and send nothing."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from framewire.processors.catalogue import Catalogue
from framewire.server import Server, ServerOptions, stream
from framewire.wire import METHOD_PATH


async def test_a_stream_without_a_descriptor_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_DESCRIPTOR_S", 0.1)
    catalogue = Catalogue()
    options = ServerOptions(host="127.0.0.1", port=0)
    async with (
        Server(options, catalogue.find("null"), catalogue=catalogue) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        call = channel.stream_stream(METHOD_PATH)()
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert await call.details() == "no descriptor came within 0.1 s; send it as the first message"
        async with asyncio.timeout(5):
            while server.sessions:  # noqa: ASYNC110 - the server has no event for a session's end
                await asyncio.sleep(0.01)
