"""Worker processes that end in every way, and a server that is killed: who notices, and what is left."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from footprints import Footprint, children_of, eventually, is_running, left_for_good, shared_memories
from soak_camera import Account, SoakCamera
from soak_processors import EXITS, FAULTS, HANGS, HARMLESS
from soaked_server import SoakedServer
from verdicts import Report

FRAME_TIMEOUT_S = 1.0
_DEADLY = (EXITS, FAULTS, HANGS)


async def worker_deaths(rounds: int, seed: int) -> Report:
    """Two worker processes, four streams; one stream sends what ends a process, and more are killed from outside.

    Args:
        rounds: How often each way to die is taken: exit, segmentation fault, no return, SIGKILL from outside.
        seed: Of the order of these, and of the pauses between them.
    """
    chance = random.Random(seed)
    memories = shared_memories()
    quiet, deadly = Account(), Account()
    with _fifo() as told:
        options = ["--executor", "processes", "--workers", 2, "--frame-timeout", FRAME_TIMEOUT_S]
        async with SoakedServer("Deadly", *options, "--option", f"told={told}") as server:
            told_by = _Listener(told)
            await _warm_up(server.address)
            before = server.footprint
            is_over = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                for index in range(3):
                    tasks.create_task(_keep_sending(server.address, quiet, 4 if index % 2 else 0, is_over))
                killed = await _kill_in_all_ways(server, deadly, rounds, chance)
                is_over.set()
            await eventually(lambda: server.footprint.is_within(before))
            after = server.footprint
            counts = await server.statistics()
            pids = [server.pid, *children_of(server.pid)]
        told_by.close()
    report = Report(
        "worker death",
        f"{rounds} times each os._exit, a segmentation fault, a call without end and SIGKILL from outside, in random "
        f"order, seed {seed}; 4 streams, two in shared memory; {' '.join(server.options[:6])}",
    )
    harmful = sum(count for level, count in deadly.emptied.items() if level >= HARMLESS)
    report.expect("frames that ended a process, acknowledged as failed", harmful, 3 * rounds)
    innocent = quiet.empty + deadly.empty - harmful
    report.tell(
        "other frames acknowledged as failed",
        innocent,
        f"at most {killed}: one for each process killed from outside",
        is_kept=innocent <= killed,
    )
    report.tell(
        "frames of the three other streams, answered rightly",
        f"{quiet.right} of {quiet.sent}",
        f"all but {quiet.empty} of these",
        is_kept=quiet.is_complete and quiet.right > 0,
    )
    for name, account in (("the three others", quiet), ("the stream that kills", deadly)):
        found = (account.strange, account.lost, account.wrong)
        report.expect(f"{name}: doubled or strange, lost, wrong", found, (0, 0, 0))
        report.expect(f"{name}: how streams ended", dict(account.statuses), {"OK": sum(account.statuses.values())})
    report.expect("frames that the server counted as failed", counts["frames"]["failed"], harmful + innocent)
    _tell_remains(report, before, after)
    report.expect("processes after the server's end", [pid for pid in pids if is_running(pid)], [])
    report.expect("abandoned in /dev/shm", await left_for_good(memories), [])
    return report


async def server_deaths(rounds: int) -> Report:
    """Kills servers with SIGKILL while their processes are idle, in a call, or in a call that never returns.

    Args:
        rounds: How many servers in each state.
    """
    memories = shared_memories()
    orphans: list[int] = []
    longest_s = 0.0
    port = _free_port()
    states = ("idle", "busy", "hanging")
    for state in states * rounds:
        left, gone_s = await _kill_server(port, state)
        orphans += left
        longest_s = max(longest_s, gone_s)
    report = Report(
        "server death",
        f"{rounds * len(states)} servers killed with SIGKILL, {rounds} each: {', '.join(states)}; "
        "each but the first was started at once on the port of the one before",
    )
    report.tell("worker processes left after 10 s", orphans, "[]", is_kept=not orphans)
    report.tell("longest until they were gone", f"{1000 * longest_s:.0f} ms")
    report.expect("abandoned in /dev/shm", await left_for_good(memories), [])
    return report


async def _kill_in_all_ways(server: SoakedServer, account: Account, rounds: int, chance: random.Random) -> int:
    """Sends the deadly frames among others, and kills from outside; returns how many were killed from outside."""
    ways = [*_DEADLY, 0] * rounds
    chance.shuffle(ways)
    killed = 0
    async with SoakCamera(server.address, account, slots=4) as camera:
        for way in ways:
            for _ in range(chance.randrange(1, 20)):
                await camera.send(chance.randrange(200))
            if way:
                await camera.send(way)
            else:
                # Also one that only opens its processor, in the place of another.
                await eventually(lambda: bool(children_of(server.pid)))
                with suppress(ProcessLookupError):
                    os.kill(chance.choice(children_of(server.pid)), signal.SIGKILL)
                    killed += 1
            await camera.send(1)
            await eventually(lambda: account.answered == account.sent)
        await camera.finish()
    return killed


async def _kill_server(port: int, state: str) -> tuple[list[int], float]:
    """Starts a server, brings it into a state and kills it.

    Returns:
        Its worker processes that did not end, and after how many seconds the others had.
    """
    with _fifo() as told:
        options = ["--executor", "processes", "--workers", 2, "--frame-timeout", 60, "--option", f"told={told}"]
        async with SoakedServer("Deadly", *options, port=port) as server:
            workers = children_of(server.pid)
            listener = _Listener(told)
            cameras = [SoakCamera(server.address, Account(), slots=slots) for slots in (0, 4)]
            async with cameras[0], cameras[1]:
                for camera in cameras:
                    await camera.send(HANGS if state == "hanging" else 1)
                if state == "hanging":
                    await eventually(lambda: listener.heard == len(workers))
                sending = [asyncio.create_task(_flood(camera)) for camera in cameras if state == "busy"]
                await server.end(signal.SIGKILL)
                began_s = time.monotonic()
                await eventually(lambda: not any(map(is_running, workers)), within_s=10)
                gone_s = time.monotonic() - began_s
                await asyncio.gather(*sending)
            listener.close()
    return [worker for worker in workers if is_running(worker)], gone_s


async def _warm_up(address: str) -> None:
    """Has each process map what it keeps."""
    for slots in (0, 4, 0, 4):
        async with SoakCamera(address, Account(), slots=slots, in_flight=4) as camera:
            for _ in range(20):
                await camera.send(1)
            await camera.finish()


async def _keep_sending(address: str, account: Account, slots: int, is_over: asyncio.Event) -> None:
    async with SoakCamera(address, account, slots=slots) as camera:
        while not (is_over.is_set() or camera.is_over):
            await camera.send(account.sent % 200)
        await camera.finish()


async def _flood(camera: SoakCamera) -> None:
    while not camera.is_over:
        await camera.send(1)


class _Listener:
    """Hears who writes to a FIFO, so that the writer need not wait.

    Args:
        path: The FIFO.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._heard = b""

    @property
    def heard(self) -> int:
        """How many words were heard."""
        with suppress(BlockingIOError):
            self._heard += os.read(self._descriptor, 1 << 12)
        return self._heard.count(b"hangs")

    def close(self) -> None:
        """Hears no more."""
        os.close(self._descriptor)


@contextmanager
def _fifo() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "told"
        os.mkfifo(path)
        yield path


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _tell_remains(report: Report, before: Footprint, after: Footprint) -> None:
    report.tell("before", before)
    report.tell("after", after, "no more than before", is_kept=after.is_within(before))
    report.expect("worker processes, zombies", (after.children - after.zombies, after.zombies), (2, 0))
