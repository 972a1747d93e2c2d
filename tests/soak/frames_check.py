"""Hundreds of thousands of frames, then thousands of cut sessions: what the server still holds afterwards."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from cut_sessions import Cutter
from footprints import (
    MEGABYTE,
    PATIENCE_S,
    Footprint,
    children_of,
    eventually,
    left_for_good,
    line_through,
    resident_bytes,
    shared_memories,
)
from soak_camera import Account, SoakCamera
from soaked_server import SoakedServer, complaints
from verdicts import Report, sampled

SLOPE_MB = 1.0
"""What the resident memory may gain for each 100,000 frames."""

CUTS_MB = 8.0
"""What it may gain in the second half of 2,000 cut sessions."""


async def soak(executor: str, frames: int, sessions: int, seed: int, *, warm_up: int = 20_000) -> Report:
    """Sends frames in a closed loop over four streams, half of them in shared memory, then cuts sessions off.

    Args:
        executor: Where the processor runs; processes are two.
        frames: How many are sent after the warm-up.
        sessions: How many are opened and cut off in random states.
        seed: Of the random states.
        warm_up: Frames before the memory is looked at: pools of memory and threads fill until then.
    """
    memories = shared_memories()
    options = ["--executor", executor, *(["--workers", "2"] if executor == "processes" else [])]
    account, warm = Account(), Account()
    async with SoakedServer("Level", *options) as server:
        await _send(server.address, warm, warm_up)
        await Cutter(server.address, seed, 60).cut(60)
        before = await _rested(server)
        began_s = time.monotonic()
        async with sampled(lambda: _all_resident(server.pid), lambda: account.answered) as memory:
            await _send(server.address, account, frames)
        took_s = time.monotonic() - began_s
        middle = await _rested(server, before)
        cutter = Cutter(server.address, seed, sessions)
        neighbour = Account()
        async with sampled(lambda: _all_resident(server.pid), lambda: cutter.cuts) as memory_of_cuts:
            beside = asyncio.create_task(_stay(server.address, neighbour, cutter))
            await cutter.cut(sessions)
            await beside
        after = await _rested(server, before)
        counts = await server.statistics()
        log = server.log
    left = await left_for_good(memories)
    report = Report(
        f"soak, {executor}",
        f"{frames} frames of 64x48 RGB24 over 4 streams, two in shared memory, 4 in flight each, after {warm_up} to "
        f"warm up; then {sessions} sessions cut off in random states, seed {seed}; {' '.join(server.options)}",
    )
    report.expect("frames acknowledged rightly", account.right, frames)
    report.expect("doubled or strange, lost, wrong", (account.strange, account.lost, account.wrong), (0, 0, 0))
    report.tell("frames/s", f"{frames / took_s:.0f}")
    line = line_through(memory)
    per_100_000 = line.slope * 100_000
    report.tell(
        "resident memory for each 100,000 frames, its line",
        f"{per_100_000:+.2f} MB (standard error {line.slope_error * 100_000:.2f}), at {memory[-1][1]:.0f} MB",
        f"less than {SLOPE_MB:g} MB",
        is_kept=per_100_000 < SLOPE_MB,
        is_timed=frames < 100_000,
    )
    half = [point for point in memory_of_cuts if point[0] >= sessions / 2] or memory_of_cuts
    gain = line_through(half).slope * sessions / 2 if len(half) > 2 else 0.0
    report.tell(
        "resident memory over the second half of the cuts, its line",
        f"{gain:+.2f} MB, at {memory_of_cuts[-1][1]:.0f} MB",
        f"less than {CUTS_MB:g} MB",
        is_kept=gain < CUTS_MB,
        is_timed=sessions < 2_000,
    )
    report.tell("states in which sessions were cut", cutter.told)
    report.tell(
        "a neighbour meanwhile, frames acknowledged rightly",
        neighbour.right,
        neighbour.sent,
        is_kept=neighbour.is_complete and neighbour.right == neighbour.sent > 0,
    )
    report.tell("before", before)
    report.tell("after the frames", middle, "no more than before", is_kept=middle.is_within(before))
    report.tell("after the cut sessions", after, "no more than before", is_kept=after.is_within(before))
    report.expect(
        "sessions open, frames in flight", (counts["sessions"]["open"], counts["frames"]["in_flight"]), (0, 0)
    )
    report.expect("abandoned in /dev/shm", left, [])
    report.expect("errors in the server's log", complaints(log), [])
    return report


async def _send(address: str, account: Account, frames: int) -> None:
    async with asyncio.TaskGroup() as tasks:
        for index in range(4):
            tasks.create_task(_stream(address, account, frames // 4, 8 if index % 2 else 0))


async def _stream(address: str, account: Account, frames: int, slots: int) -> None:
    async with SoakCamera(address, account, slots=slots) as camera:
        for number in range(frames):
            await camera.send(number % 200)
        await camera.finish()


async def _stay(address: str, account: Account, cutter: Cutter) -> None:
    """A camera whose frames go on while others are cut off."""
    async with SoakCamera(address, account, slots=4, in_flight=2) as camera:
        while not (cutter.is_done or camera.is_over):
            await camera.send(account.sent % 200)
        await camera.finish()


def _all_resident(pid: int) -> float:
    """Resident memory of the server and its worker processes in megabytes."""
    return sum(map(resident_bytes, [pid, *children_of(pid)])) / MEGABYTE


async def _rested(server: SoakedServer, goal: Footprint | None = None) -> Footprint:
    """The footprint once the last session is over.

    Args:
        server: The server.
        goal: What it is to come down to: grpc ends its spare threads and sockets a little later. Without, the least
            that is seen within two seconds.
    """
    async with asyncio.timeout(PATIENCE_S):
        while not await _is_idle(server):  # noqa: ASYNC110 # it is asked over the wire
            await asyncio.sleep(0.01)
    if goal is not None:
        await eventually(lambda: server.footprint.is_within(goal))
        return server.footprint
    seen = [server.footprint]
    for _ in range(40):
        await asyncio.sleep(0.05)
        seen.append(server.footprint)
    return replace(
        seen[-1],
        threads=min(footprint.threads for footprint in seen),
        files=min(footprint.files for footprint in seen),
    )


async def _is_idle(server: SoakedServer) -> bool:
    counts = await server.statistics()
    return bool(counts["sessions"]["open"] == 0 and counts["frames"]["in_flight"] == 0)
