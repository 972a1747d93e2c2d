"""What the generator itself costs."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class OwnTimes:
    """Times of this process so far; take two and subtract.

    Args:
        clock_s: The monotonic clock.
        process_s: Processor time of all threads.
        thread_s: Processor time of the calling thread, which runs the event loop.
        waited_s: How long that thread was ready to run and had no core; 0 where the kernel does not tell.
    """

    clock_s: float
    process_s: float
    thread_s: float
    waited_s: float

    @classmethod
    def now(cls) -> Self:
        """The times at this moment, of the thread that calls."""
        try:
            waited_s = int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
        except (OSError, IndexError, ValueError):
            waited_s = 0.0
        return cls(time.monotonic(), time.process_time(), time.thread_time(), waited_s)

    def __sub__(self, other: Self) -> OwnCost:
        return OwnCost(
            max(self.clock_s - other.clock_s, 1e-9),
            self.process_s - other.process_s,
            self.thread_s - other.thread_s,
            self.waited_s - other.waited_s,
        )


@dataclass(frozen=True, slots=True)
class OwnCost:
    """What the generator used during the window.

    Args:
        duration_s: Length of the window.
        process_s: Processor time of all threads.
        thread_s: Processor time of the thread that sends and receives.
        waited_s: How long that thread was ready to run and had no core.
    """

    duration_s: float
    process_s: float
    thread_s: float
    waited_s: float

    @property
    def busy(self) -> float:
        """Share of the window in which the sending thread ran, 0 to 1: at 1 the generator is the limit."""
        return self.thread_s / self.duration_s

    @property
    def starved(self) -> float:
        """Share of the window in which the sending thread wanted to run and had no core, 0 to 1."""
        return self.waited_s / self.duration_s

    def most_frames_per_second(self, frames: int) -> float | None:
        """How many frames/s the generator could send and receive if it waited for nobody; None without frames.

        Its one sending thread is the limit, or all its threads when they need more than the machine's cores.
        """
        needed_s = max(self.thread_s, self.process_s / (os.cpu_count() or 1))
        return frames / needed_s if frames and needed_s > 0 else None
