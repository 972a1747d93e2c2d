"""A real broker for tests, which can be killed and started again, and somebody who watches what it gets."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PATIENCE_S = 30.0

_CONFIGURATION = """\
user root
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 1
autosave_on_changes true
max_queued_messages 0
{more}
"""


class Broker:
    """mosquitto on a port of its own. It remembers sessions and what they have not had yet, whatever kills it."""

    def __init__(self, folder: Path, *configuration: str) -> None:
        program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
        if program is None:
            pytest.skip("needs the Debian package mosquitto")
        self._program = program
        self.folder = folder
        folder.mkdir(exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self.configure(*configuration)

    def configure(self, *configuration: str) -> None:
        """Changes what it will do when it is started the next time; a line with the name of one replaces it."""
        text = _CONFIGURATION.format(port=self.port, folder=self.folder, more="\n".join(configuration))
        names = {line.split()[0] for line in configuration}
        head = [line for line in text.splitlines() if line and (line in configuration or line.split()[0] not in names)]
        (self.folder / "broker.conf").write_text("\n".join(head) + "\n")

    def start(self) -> Broker:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self.folder / "broker.conf")], stdout=subprocess.DEVNULL, stderr=log
            )
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            assert self._process.poll() is None, (self.folder / "log").read_text()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self
        raise AssertionError("the broker does not listen")

    def kill(self) -> None:
        """As a power cut does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """As an administrator does."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Its connections stay open, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After it was frozen."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.send_signal(signal.SIGCONT)
            self._process.wait()
            self._process = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """Runs already."""
    made = Broker(tmp_path / "broker").start()
    yield made
    made.kill()


def make_certificate(folder: Path) -> list[str]:
    """A certificate for 127.0.0.1, which is its own authority; the lines of a broker that shows it."""
    folder.mkdir(exist_ok=True)
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2"
    name = ["-subj", "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1"]
    try:
        subprocess.run([*words.split(), *name], cwd=folder, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs openssl to make a certificate")
    return [f"certfile {folder / 'cert.pem'}", f"keyfile {folder / 'key.pem'}"]


@dataclass(frozen=True)
class Seen:
    topic: str
    payload: str
    properties: dict[str, str]
    content_type: str


class Watcher:
    """Sees everything below a prefix, also what came while it or the broker was away."""

    def __init__(self, broker: Broker, prefix: str = "site") -> None:
        self._port = broker.port
        self._prefix = prefix
        self.seen: list[Seen] = []

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[list[Seen]]:
        """Takes what is there and what comes."""
        connect: Any = Properties(PacketTypes.CONNECT)
        connect.SessionExpiryInterval = 10_000
        client = aiomqtt.Client(
            "127.0.0.1",
            self._port,
            identifier="watcher",
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            properties=connect,
        )
        taking: asyncio.Task[None] | None = None
        try:
            async with client:
                await client.subscribe(f"{self._prefix}/#", qos=1)
                taking = asyncio.create_task(self._take(client))
                yield self.seen
        finally:
            if taking is not None:
                # It ends with the connection. What it has not seen then is acknowledged, and does not come again.
                await asyncio.wait([taking])
                taking.exception()
                while len(client.messages):
                    self._see(client._queue.get_nowait())

    async def _take(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            self._see(message)

    def _see(self, message: aiomqtt.Message) -> None:
        properties: Any = message.properties
        self.seen.append(
            Seen(
                str(message.topic),
                bytes(message.payload).decode(),
                dict(getattr(properties, "UserProperty", [])),
                getattr(properties, "ContentType", ""),
            )
        )


async def until(is_so: Callable[[], object], what: Callable[[], object] = lambda: "") -> None:
    """Polls until something is so; fails when it never is."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise AssertionError(f"it never was so: {what()}") from None
