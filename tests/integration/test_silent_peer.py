"""A peer that falls silent without closing its connection."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from framewire.processors.catalogue import Catalogue
from framewire.server import Server, ServerOptions

_CLIENT = """
import asyncio, sys
from framewire.client import Client
from framewire.model.format import Encoding, VideoFormat

async def main():
    async with Client(sys.argv[1], VideoFormat(Encoding.JPG, 8, 8)):
        print("open", flush=True)
        await asyncio.sleep(120)

asyncio.run(main())
"""


@pytest.mark.slow
async def test_a_client_that_is_frozen_is_found_by_keepalive_and_its_session_ends() -> None:
    catalogue = Catalogue()
    async with Server(ServerOptions(host="127.0.0.1", port=0), catalogue.find("null"), catalogue=catalogue) as server:
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _CLIENT, server.address, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert client.stdout is not None
            assert await client.stdout.readline() == b"open\n"
            assert server.sessions == 1
            # The kernel keeps the connection of a stopped process alive; only HTTP/2 pings tell.
            os.kill(client.pid, signal.SIGSTOP)
            async with asyncio.timeout(40):
                while server.sessions:  # noqa: ASYNC110 - the server has no event for a session's end
                    await asyncio.sleep(0.2)
        finally:
            client.kill()
            await client.wait()
