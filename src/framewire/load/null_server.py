"""A server that does nothing but acknowledge, to learn what the generator alone can do.

Started as a process of its own: in ours it would take the time that is to be measured.

    python -m framewire.load.null_server
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import grpc

from framewire.errors import FramewireError, PeerError
from framewire.load.clock import prepare_process
from framewire.load.options import LoadOptions
from framewire.load.run import run_load
from framewire.model.message import Descriptor, Message, Sample
from framewire.wire import METHOD, SERVICE, encode

_WARM_UP_S = 0.3
_START_S = 30.0


@asynccontextmanager
async def null_server() -> AsyncIterator[str]:
    """Runs the server in a process of its own; gives its address.

    Raises:
        PeerError: It does not start.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        # Nothing of the folder that we happen to be started in is imported.
        "-P",
        "-m",
        "framewire.load.null_server",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        # Ctrl-C is for us; it ends when we close its input.
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        try:
            async with asyncio.timeout(_START_S):
                line = await process.stdout.readline()
        except TimeoutError:
            line = b""
        if not line:
            raise PeerError("the empty server that the generator is measured with does not start", status="UNAVAILABLE")
        yield line.decode().strip()
    finally:
        with contextlib.suppress(ProcessLookupError):  # it may have ended, and have been seen to
            process.kill()
        await process.wait()


async def measure_alone(address: str, options: LoadOptions, seconds: float, stop: asyncio.Event) -> float | None:
    """Frames/s that the generator could send and receive if no server held it up.

    It sends the same messages to a server that does nothing and takes its own processor time per frame. The rate that
    it reaches there is no limit of its own: such a server costs as much as the generator, and takes cores from it.

    Args:
        address: Of the null server.
        options: The load; it is sent as fast as answers come.
        seconds: How long.
        stop: Ends it.

    Returns:
        None when that could not be measured.
    """
    probe = replace(
        options, address=address, frames_per_second=None, warm_up_s=_WARM_UP_S, duration_s=seconds, user=None
    )
    try:
        report = await run_load(probe, stop=stop)
    except FramewireError:
        return None
    return report.own.most_frames_per_second(report.tally.answered)


async def _acknowledge(_: object, context: Any) -> None:
    number = 0
    while await context.read() is not grpc.aio.EOF:
        number += 1
        await context.write(encode(Message(number, number, Sample(0) if number > 1 else Descriptor())))


async def _serve() -> None:
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)])
    handler = grpc.stream_stream_rpc_method_handler(_acknowledge)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"127.0.0.1:{port}\n")
    sys.stdout.flush()
    await server.wait_for_termination()


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    prepare_process()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    asyncio.run(_serve())
