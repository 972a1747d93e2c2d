"""How many threads the libraries beneath a processor may use: workers times threads should not exceed the cores."""

from __future__ import annotations

import math
import os
from pathlib import Path

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
"""What libraries read when they are loaded. What an operator has set stays as it is."""


_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def share_of_cores(workers: int, quota: Path = _QUOTA) -> int:
    """How many threads the libraries of one worker may use, 1 or more.

    Args:
        workers: How many workers share the cores.
        quota: Where the kernel says how much of them this container may use, as ``QUOTA PERIOD`` or ``max PERIOD``.
    """
    cores = len(os.sched_getaffinity(0))
    try:
        allowed, period = quota.read_text("ascii").split()
        cores = min(cores, math.ceil(int(allowed) / int(period)))
    except (OSError, ValueError):
        pass  # there is none
    return max(1, cores // workers)


def cap_library_threads(count: int) -> None:
    """Caps the libraries of this process: those that are loaded, and by the environment those that will be."""
    import cv2
    from threadpoolctl import threadpool_limits

    cv2.setNumThreads(count)
    if not any(os.environ.get(variable) for variable in THREAD_VARIABLES):
        threadpool_limits(count)
    for variable in THREAD_VARIABLES:
        os.environ.setdefault(variable, str(count))
