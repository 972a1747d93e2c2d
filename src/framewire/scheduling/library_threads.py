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

_READ_BY = {
    "openblas": ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS"),
    "mkl": ("MKL_NUM_THREADS",),
    "blis": ("BLIS_NUM_THREADS",),
}
"""What of it a loaded library has read, by threadpoolctl's name for it; and all of them ``OMP_NUM_THREADS``."""

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
    """Caps the libraries of this process: those that are loaded, and by the environment those that will be.

    A library that the operator has capped, by a variable of its own or by ``OMP_NUM_THREADS``, is left alone.
    """
    import cv2
    from threadpoolctl import ThreadpoolController

    cv2.setNumThreads(count)
    for library in ThreadpoolController().lib_controllers:
        read = ("OMP_NUM_THREADS", *_READ_BY.get(library.internal_api, ()))
        if not any(os.environ.get(variable) for variable in read):
            library.set_num_threads(count)
    os.environ.update(thread_settings(count))


def thread_settings(count: int) -> dict[str, str]:
    """What is to be added to the environment so that libraries use at most so many threads."""
    if os.environ.get("OMP_NUM_THREADS"):
        return {}  # all of them go by it where there is nothing more particular
    return {variable: str(count) for variable in THREAD_VARIABLES if not os.environ.get(variable)}
