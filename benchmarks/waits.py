"""Where a server's threads spend a frame: why framewire is slower than the floor where it is.

    python benchmarks/waits.py                 both loads
    python benchmarks/waits.py --load closed   one of them

docs/benchmarks/peers.md says what follows from it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# Read when grpc is loaded, which else tells of every server that goes away.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

from cells import HD_SHARED, OPEN_LOOP, Cell, all_cells
from load import Window, measure
from peers.work import rounds_per_ms, turns_per_ms
from subjects import SUBJECTS, Calibration, Instance

FRAMES_PER_SECOND = 3450
"""Of the open loop; about 60 per cent of what the floor does in the closed one on two cores of an AMD EPYC."""

SECONDS = 5.0
WARM_UP_S = 1.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class ThreadUse:
    """What a thread has used since it began.

    Args:
        title: Its name.
        user, system: CPU time in ticks.
        waits: How often it gave up its core to wait for something.
        preempted: How often it was made to.
    """

    title: str
    user: int
    system: int
    waits: int
    preempted: int


def thread_uses(process_id: int) -> dict[int, ThreadUse]:
    """Every thread of a process."""
    found = {}
    for entry in Path(f"/proc/{process_id}/task").iterdir():
        head, _, tail = (entry / "stat").read_text().rpartition(")")
        fields = tail.split()
        status = dict(line.split(":", 1) for line in (entry / "status").read_text().splitlines())
        found[int(entry.name)] = ThreadUse(
            head.partition("(")[2],
            int(fields[11]),
            int(fields[12]),
            int(status["voluntary_ctxt_switches"]),
            int(status["nonvoluntary_ctxt_switches"]),
        )
    return found


def show(name: str, cell: Cell, rate: float | None, calibration: Calibration, runner: asyncio.Runner) -> None:
    """Microseconds of CPU and context switches per frame, thread by thread, of one server under one load."""
    instance = Instance(name, cell.work, calibration)
    try:
        instance.resume()
        before = thread_uses(instance.tree.process_id)
        measured = runner.run(measure(instance.client, instance.tree, cell, Window(SECONDS, WARM_UP_S, rate)))
        after = thread_uses(instance.tree.process_id)
    finally:
        instance.end()
    frames = measured.frames * (SECONDS + WARM_UP_S) / SECONDS  # the warm-up's, too
    print(
        f"{SUBJECTS[name].title}: {measured.frames_per_second:.0f} frames/s, p99 {measured.p99_ms:.2f} ms, "
        f"CPU {measured.server_cpu_ms:.3f} ms a frame, the load {measured.client_cpu_ms:.3f} ms"
    )
    for number, now in sorted(after.items()):
        then = before.get(number, ThreadUse(now.title, 0, 0, 0, 0))
        user_us, system_us = (
            ticks * 1e6 / TICKS_PER_S / frames for ticks in (now.user - then.user, now.system - then.system)
        )
        if user_us + system_us < 1:
            continue
        kind = "event loop" if number == instance.tree.process_id else now.title
        busy = (user_us + system_us) * measured.frames_per_second / 1e6
        print(
            f"  {kind:16} user {user_us:4.0f} us, system {system_us:4.0f} us a frame, busy {busy:4.0%}; "
            f"waits {(now.waits - then.waits) / frames:5.2f}, preempted "
            f"{(now.preempted - then.preempted) / frames:5.2f} times a frame"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--load", choices=("open", "closed"), help="one load alone")
    given = parser.parse_args()
    calibration = Calibration(rounds_per_ms(), turns_per_ms())

    def chosen(is_so: Callable[[Cell], bool]) -> list[Cell]:
        return [cell for cell in all_cells() if is_so(cell)]

    with asyncio.Runner() as runner:
        if given.load != "closed":
            for cell in chosen(lambda cell: cell.name == OPEN_LOOP):
                print(f"{cell.key}, {FRAMES_PER_SECOND} frames/s offered")
                for name in ("floor", "framewire-inline"):
                    show(name, cell, FRAMES_PER_SECOND, calibration, runner)
        if given.load != "open":
            for cell in chosen(lambda cell: cell.name == HD_SHARED and cell.streams in (1, 16)):
                print(cell.key)
                for name in ("floor", "framewire-inline", "framewire"):
                    show(name, cell, None, calibration, runner)


if __name__ == "__main__":
    main()
