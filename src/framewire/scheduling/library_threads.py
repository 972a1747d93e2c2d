"""How many threads the libraries beneath a processor may use: workers times threads should not exceed the cores."""

from __future__ import annotations

import os

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
"""What libraries read when they are loaded. What an operator has set stays as it is."""


def share_of_cores(workers: int) -> int:
    """How many threads the libraries of one worker may use, 1 or more."""
    return max(1, len(os.sched_getaffinity(0)) // workers)


def cap_library_threads(count: int) -> None:
    """Caps the libraries of this process: those that are loaded, and by the environment those that will be."""
    import cv2
    from threadpoolctl import threadpool_limits

    cv2.setNumThreads(count)
    if not any(os.environ.get(variable) for variable in THREAD_VARIABLES):
        threadpool_limits(count)
    for variable in THREAD_VARIABLES:
        os.environ.setdefault(variable, str(count))
