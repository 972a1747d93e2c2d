"""A server in a process of its own, as an operator starts it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Self

import grpc
import grpc.aio
from footprints import PATIENCE_S, Footprint, eventually, footprint_of, resident_bytes

PROCESSORS = Path(__file__).with_name("soak_processors.py")

CHANNEL_OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
)


class SoakedServer:
    """``framewire serve`` on this machine, as an asynchronous context manager; leaving it drains and ends it.

    Args:
        processor: Name of a class in `soak_processors`.
        options: Further words of the command line.
        port: TCP port; 0 for a free one.
    """

    def __init__(self, processor: str, *options: object, port: int = 0) -> None:
        words = ["-p", port, "--host", "127.0.0.1", "--log-level", "error", "--processor", f"{PROCESSORS}:{processor}"]
        self.options = [str(option) for option in options]
        self._words = [str(word) for word in words] + self.options
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 # it is open as long as the server runs
        self._process: subprocess.Popen[bytes] | None = None
        self.address = ""
        """Where it listens: ``HOST:PORT``."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None and self._process.returncode is None:
            await self.end(signal.SIGTERM)
        self._log.close()

    async def start(self) -> None:
        """Starts it and waits until it listens."""
        self._process = self._started()
        process = self._process
        await eventually(lambda: "listening on" in self.log or process.poll() is not None)
        found = re.search(r"listening on (\S+)", self.log)
        if found is None:
            raise RuntimeError(f"the server does not start:\n{self.log}")
        self.address = found[1]

    def _started(self) -> subprocess.Popen[bytes]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("FRAMEWIRE_", "GRPC_"))}
        for name in ("port", "batchSize", "grpcBinding"):
            plain.pop(name, None)
        return subprocess.Popen(
            [sys.executable, "-m", "framewire", "serve", *self._words],
            env=plain,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )

    async def end(self, number: signal.Signals) -> int:
        """Sends it a signal and waits for its end; returns its exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        return await asyncio.to_thread(self._process.wait, PATIENCE_S)

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def port(self) -> int:
        """Its TCP port."""
        return int(self.address.rpartition(":")[2])

    @property
    def resident_bytes(self) -> int:
        """Its resident memory, without that of its worker processes."""
        return resident_bytes(self.pid)

    @property
    def footprint(self) -> Footprint:
        """What it and its worker processes hold."""
        return footprint_of(self.pid)

    @property
    def log(self) -> str:
        """What it has said so far."""
        return os.pread(self._log.fileno(), 1 << 20, 0).decode(errors="replace")

    async def statistics(self) -> dict[str, Any]:
        """What it says of itself."""
        async with grpc.aio.insecure_channel(self.address, options=CHANNEL_OPTIONS) as channel:
            found: dict[str, Any] = json.loads(await channel.unary_unary("/framewire.v1.Statistics/Read")(b""))
        return found


def complaints(log: str) -> list[str]:
    """The lines of a server's log that are more than its beginning and its end."""
    return [line for line in log.splitlines() if line.strip() and not line.startswith(("listening on", "draining: "))]
