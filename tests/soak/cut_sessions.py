"""Sessions that are opened and cut off in random states."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections import Counter
from contextlib import suppress

from soak_camera import TINY, Account, SoakCamera

from framewire.model.format import Encoding, PixelFormat, VideoFormat

LARGE = VideoFormat(Encoding.RAW, 1024, 512, PixelFormat.RGB24)
"""Frames of 1.5 MiB, which are on their way for a while."""

_AT_ONCE = 8


class Wire:
    """Passes bytes on between cameras and a server, and can break connections in the middle of a message.

    Args:
        address: The server's ``HOST:PORT``.
    """

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._server = (host, int(port))
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._passed = 0
        self._limit: int | None = None
        self.address = ""
        """Where cameras connect to."""

    async def open(self) -> None:
        """Listens on a free port."""
        self._listener = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    def cut_after(self, length_bytes: int) -> None:
        """Breaks off once so many more bytes of the camera have passed."""
        self._passed, self._limit = 0, length_bytes

    def cut(self) -> None:
        """Breaks off now: the server sees a reset, and no word before it."""
        for writer in self._writers:
            raw = writer.get_extra_info("socket")
            if raw is not None and not writer.transport.is_closing():
                with suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def close(self) -> None:
        """Ends whatever is left."""
        self.cut()
        if self._listener is not None:
            self._listener.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            to_server = await asyncio.open_connection(*self._server)
        except OSError:
            writer.transport.abort()
            return
        self._writers.append(to_server[1])
        for source, target, is_camera in ((reader, to_server[1], True), (to_server[0], writer, False)):
            task = asyncio.create_task(self._pass_on(source, target, is_camera=is_camera))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, is_camera: bool) -> None:
        with suppress(OSError):
            while data := await source.read(1 << 16):
                if is_camera and self._limit is not None:
                    self._passed += len(data)
                    if self._passed >= self._limit:
                        self.cut()
                        return
                target.write(data)
                await target.drain()
        target.close()


class Cutter:
    """Opens sessions, several at once, and cuts each off in a state and in a way that chance decides.

    Args:
        address: Where the server listens.
        seed: Of the chance; each session has its own, whatever the others do meanwhile.
        sessions: How many there will be.
    """

    def __init__(self, address: str, seed: int, sessions: int) -> None:
        self._address = address
        self._seed = seed
        self._sessions = sessions
        self._states: Counter[str] = Counter()
        self.cuts = 0
        """Sessions that are over."""

    @property
    def is_done(self) -> bool:
        """Whether all are over."""
        return self.cuts >= self._sessions

    @property
    def told(self) -> str:
        """How many sessions were cut in which state."""
        return ", ".join(f"{state} {count}" for state, count in sorted(self._states.items()))

    async def cut(self, sessions: int) -> None:
        """Opens and cuts so many."""
        left = iter(range(sessions))

        async def work() -> None:
            for index in left:
                await self._one(random.Random(f"{self._seed}/{index}"))
                self.cuts += 1

        async with asyncio.TaskGroup() as tasks:
            for _ in range(_AT_ONCE):
                tasks.create_task(work())

    async def _one(self, chance: random.Random) -> None:
        state = chance.choice(
            [
                "before the descriptor",
                "with the descriptor on its way",
                "after the handshake",
                "in the middle of a frame",
                "with frames in flight",
                "half-closed",
            ]
        )
        way = chance.choice(["cancelled", "reset", "closed"])
        if state == "in the middle of a frame":
            way = "reset"
        slots = 0 if state == "in the middle of a frame" else chance.choice([0, 4])
        self._states[f"{state}, {way}"] += 1
        wire = Wire(self._address) if way == "reset" else None
        if wire is not None:
            await wire.open()
        camera = SoakCamera(
            wire.address if wire is not None else self._address,
            Account(),
            LARGE if state == "in the middle of a frame" else TINY,
            slots=slots,
        )
        try:
            await _bring(camera, state, wire, chance)
            if way == "cancelled":
                camera.reset()
            elif wire is not None:
                wire.cut()
        finally:
            await camera.close()
            if wire is not None:
                await wire.close()


async def _bring(camera: SoakCamera, state: str, wire: Wire | None, chance: random.Random) -> None:
    """Brings a session into a state."""
    await camera.connect()
    if state == "before the descriptor":
        await asyncio.sleep(chance.random() / 100)  # the call reaches the server, or not
        return
    await camera.introduce()
    if state == "with the descriptor on its way":
        return
    await camera.accepted()
    if state == "after the handshake":
        return
    if state == "in the middle of a frame":
        assert wire is not None
        wire.cut_after(chance.randrange(1, 3 << 20))
    for number in range(chance.randrange(2, 5)):
        await camera.send(number)
    if state == "half-closed":
        await camera.half_close()
