"""What a core does in a millisecond, which sizes the work of the model and of pure Python, and whether that stays so.

The ideal that the model is held against follows from it: on a machine that has become slower meanwhile nobody reaches
the ideal, and on one that has become faster everybody comes nearer to it.

    python benchmarks/calibration.py

tells, too, what a core does while the others are busy: two that are one for the hardware are less than two.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from cells import Work
from peers.work import rounds_per_ms, turns_per_ms

SERIES = 6
PAUSE_S = 0.25
MOST_DRIFT = 0.05
"""Calibrations of one cell may differ by so much before what hangs on them is no longer judged."""

_RATES: dict[Work, str] = {"model": "rounds_per_ms", "python": "turns_per_ms"}
"""What sizes which work."""


@dataclass(frozen=True)
class Calibration:
    """What a core of this machine does in a millisecond: see :mod:`peers.work`."""

    rounds_per_ms: float
    turns_per_ms: float


def calibrate(series: int = SERIES, pause_s: float = PAUSE_S) -> Calibration:
    """Measures several times and takes the best: what others take of the machine can only make it look slower.

    Args:
        series: How many times.
        pause_s: From one to the next, so that a neighbour's second of work does not spoil all.
    """
    found = []
    for number in range(series):
        if number:
            time.sleep(pause_s)  # other people's work passes; there is nothing to wait for
        found.append(Calibration(rounds_per_ms(), turns_per_ms()))
    return Calibration(max(one.rounds_per_ms for one in found), max(one.turns_per_ms for one in found))


def drift(work: Work, calibrations: Sequence[Calibration]) -> float:
    """By what part the fastest of some calibrations lies above the slowest, in what sizes this work; 0 for no such."""
    rate = _RATES.get(work)
    if rate is None:
        return 0.0
    values = [getattr(one, rate) for one in calibrations]
    return float(max(values) / min(values) - 1)


def record(work: Work, calibrations: Sequence[Calibration]) -> dict[str, Any]:
    """What the results say of the calibrations of a cell: the first sized its work, the others lie around it."""
    return {"calibrations": [dataclasses.asdict(one) for one in calibrations], "drift": drift(work, calibrations)}


@contextmanager
def busy_neighbours() -> Iterator[None]:
    """Keeps all cores but one busy with hashing as long as the block runs."""
    work = "import hashlib\nwhile True: hashlib.sha256(bytes(1 << 16)).digest()"
    with ExitStack() as opened:
        for _ in range(len(os.sched_getaffinity(0)) - 1):
            neighbour = opened.enter_context(subprocess.Popen([sys.executable, "-S", "-c", work]))
            opened.callback(neighbour.kill)
        time.sleep(0.5)  # they are starting, and have no way to tell when they are busy
        yield


def main() -> None:
    """Measures alone and beside busy neighbours, in turns."""
    for _ in range(5):
        alone = calibrate(2)
        with busy_neighbours():
            beside = calibrate(2)
        share = beside.rounds_per_ms / alone.rounds_per_ms
        print(
            f"alone {alone.rounds_per_ms:.0f} rounds of hashing in a millisecond, "
            f"beside busy cores {beside.rounds_per_ms:.0f}: {share:.0%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
