"""Rules of several sessions at once: cameras do not disturb each other (contract, sections 1 and 9)."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from framewire.errors import FramewireError
from framewire.model.message import Sample
from framewire.testing.probe import NoAnswerError, Probe, Session, SessionEndedError
from framewire.testing.rules.answer import ask_in, send_all
from framewire.testing.rules.picture import BLACK, frame
from framewire.testing.rules.rule import Verdict, failed, not_shown, passed, rule

_CAMERAS = 8


@rule("many-cameras", section="9")
async def many_cameras(probe: Probe) -> Verdict:
    """Eight cameras are served at once, each on a connection of its own: none has to wait for another to leave."""
    black = frame(probe.video_format, BLACK)
    async with AsyncExitStack() as stack:
        sessions: list[Session] = []
        for _ in range(_CAMERAS):
            channel = await probe.connect()
            sessions.append(await stack.enter_async_context(probe.stream(channel=channel)))
        for session in sessions:
            await session.send(probe.descriptor(probe.video_format))
        done = await asyncio.gather(*(_three_frames(session, black) for session in sessions), return_exceptions=True)
    errors = [(index, error) for index, error in enumerate(done, start=1) if isinstance(error, BaseException)]
    for index, error in errors:
        if not isinstance(error, FramewireError):
            raise error
        if isinstance(error, SessionEndedError) and error.status.code == "RESOURCE_EXHAUSTED":
            return not_shown(
                f"the server takes fewer than {_CAMERAS} sessions and refused camera {index} at once: {error}"
            )
        return failed(f"camera {index} of {_CAMERAS}: {error} ({_CAMERAS - len(errors)} were served)")
    return passed(f"{_CAMERAS} of {_CAMERAS} shook hands and got 3 answers each")


async def _three_frames(session: Session, black: bytes) -> None:
    await session.handshake()
    await ask_in(session, [black] * 3)


@rule("reset", section="1")
async def reset(probe: Probe) -> Verdict:
    """A client whose connection is reset in the middle harms no other session."""
    black = frame(probe.video_format, BLACK)
    async with probe.session() as bystander:
        await ask_in(bystander, [black])
        for frames in (0, 5):
            async with _relay(probe.target) as (target, cut):
                channel = await probe.connect(target)
                async with probe.session(channel=channel) as session:
                    await send_all(session, [black] * frames)
                    cut()
                    with suppress(NoAnswerError):
                        await session.end()
        await ask_in(bystander, [black] * 3)
        status = await bystander.finish()
    if status.code != "OK":
        return failed(f"the session beside it ended with {status}")
    async with probe.session() as newcomer:
        await newcomer.acknowledged([await newcomer.send(Sample(1, black))])
    return passed("2 connections reset; the session beside them went on, a new one was served")


@asynccontextmanager
async def _relay(target: str) -> AsyncIterator[tuple[str, Callable[[], None]]]:
    """Passes bytes between a port of its own and the server, until it is told to cut: then both get a TCP reset."""
    writers: list[asyncio.StreamWriter] = []
    pumps: list[asyncio.Task[None]] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if target.startswith("unix:"):
                far_reader, far_writer = await asyncio.open_unix_connection(target.removeprefix("unix:"))
            else:
                host, _, port = target.rpartition(":")
                far_reader, far_writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except OSError:
            writer.transport.abort()
            return
        writers.extend((writer, far_writer))
        pumps.extend((asyncio.create_task(pump(reader, far_writer)), asyncio.create_task(pump(far_reader, writer))))

    def cut() -> None:
        for writer in writers:
            connection = writer.get_extra_info("socket")
            if connection.family != socket.AF_UNIX and not writer.transport.is_closing():
                # No lingering: closing sends RST, as a crashed or unplugged client's machine does.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    server = await asyncio.start_server(join, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", cut
    finally:
        cut()
        server.close()
        for task in pumps:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
