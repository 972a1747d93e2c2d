"""Where a capture takes its time from."""

from __future__ import annotations

import time
from typing import Protocol

TICKS_PER_S = 90_000
"""Timestamps count in these (contract, section 3)."""


class Clock(Protocol):
    """One that never jumps, one that people set, and one that counts work."""

    def steady_s(self) -> float:
        """Seconds since any fixed moment; it never goes back."""

    def wall_ticks(self) -> int:
        """Ticks of 1/90,000 s since 1970 UTC; it jumps when somebody sets it."""

    def thread_cpu_s(self) -> float:
        """Seconds of CPU time that the calling thread has used."""


class SystemClock:
    """The clocks of this machine."""

    def steady_s(self) -> float:
        """Seconds since any fixed moment; it never goes back."""
        return time.monotonic()

    def wall_ticks(self) -> int:
        """Ticks of 1/90,000 s since 1970 UTC; it jumps when somebody sets it."""
        # Whole numbers: a float holds no single tick of this size.
        return time.time_ns() * TICKS_PER_S // 1_000_000_000

    def thread_cpu_s(self) -> float:
        """Seconds of CPU time that the calling thread has used."""
        return time.thread_time()
