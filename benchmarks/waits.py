"""Why the open loop's tail is longer than the floor's: which thread is busy, and for how much of the time.

    python benchmarks/waits.py

docs/benchmarks/peers.md says what follows from it.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from cells import OPEN_LOOP, all_cells
from load import Window, measure
from peers.work import rounds_per_ms, turns_per_ms
from subjects import SUBJECTS, Calibration, Instance

FRAMES_PER_SECOND = 3450
"""Of the open loop; about 60 per cent of what the floor does in the closed one on two cores of an AMD EPYC."""

SECONDS = 5.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def thread_times(process_id: int) -> dict[int, tuple[str, int, int]]:
    """Name, user and system ticks of each thread of a process."""
    found = {}
    for entry in Path(f"/proc/{process_id}/task").iterdir():
        head, _, tail = (entry / "stat").read_text().rpartition(")")
        fields = tail.split()
        found[int(entry.name)] = (head.partition("(")[2], int(fields[11]), int(fields[12]))
    return found


def open_loop(calibration: Calibration, runner: asyncio.Runner) -> None:
    """Microseconds of CPU per frame, thread by thread, of the floor and of the inline executor."""
    cell = next(cell for cell in all_cells() if cell.name == OPEN_LOOP)
    for name in ("floor", "framewire-inline"):
        instance = Instance(name, cell.work, calibration)
        try:
            instance.resume()
            before = thread_times(instance.tree.process_id)
            window = Window(SECONDS, 1.0, FRAMES_PER_SECOND)
            measured = runner.run(measure(instance.client, instance.tree, cell, window))
            after = thread_times(instance.tree.process_id)
        finally:
            instance.end()
        frames = measured.frames * (SECONDS + 1.0) / SECONDS  # the warm-up's, too
        print(f"{SUBJECTS[name].title}: {measured.frames_per_second:.0f} frames/s, p99 {measured.p99_ms:.2f} ms")
        for number, (title, user, system) in sorted(after.items()):
            _, user_before, system_before = before.get(number, (title, 0, 0))
            micros = [
                (now - then) * 1e6 / TICKS_PER_S / frames
                for now, then in ((user, user_before), (system, system_before))
            ]
            if sum(micros) >= 1:
                kind = "event loop" if number == instance.tree.process_id else title
                busy = sum(micros) * measured.frames_per_second / 1e6
                print(f"  {kind:16} user {micros[0]:4.0f} us, system {micros[1]:4.0f} us a frame, busy {busy:.0%}")


def main() -> None:
    calibration = Calibration(rounds_per_ms(), turns_per_ms())
    with asyncio.Runner() as runner:
        open_loop(calibration, runner)


if __name__ == "__main__":
    main()
