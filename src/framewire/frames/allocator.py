"""The C library's memory for frames."""

from __future__ import annotations

import contextlib
import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # numbers of mallopt in glibc's malloc.h
_MOST_MMAP_THRESHOLD = 32 << 20
"""Largest that glibc takes; larger blocks still come and go."""

_KEPT_BYTES = 64 << 20
"""Free memory at the end of a heap that is kept."""


def reuse_freed_blocks() -> None:
    """Has this process keep the memory of freed frames for the next ones, whichever thread asks. Call it early.

    By default glibc gives every large block back to the kernel and gets it anew, zeroed page by page, for the next
    frame: a good part of the cost of an embedded 1080p frame. The price is memory that is kept after a peak. And it
    has an arena for each few threads, which keep what others could use: grpc receives a message in hundreds of pieces
    on several threads, so that memory under load was half as much again. Another C library is left as it is.
    """
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_ARENA_MAX, 1)
        # Both: each alone ends the adapting of the other.
        library.mallopt(_MMAP_THRESHOLD, _MOST_MMAP_THRESHOLD)
        library.mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
