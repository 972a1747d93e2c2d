"""The work that every server of the comparison does, whoever wrote the server.

This file is imported in the environment of each peer, so it needs numpy and OpenCV alone.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

CALL_MS = 5.0
"""What one call of the model costs, however many frames it gets."""

FRAME_MS = 0.5
"""What each frame of a call adds."""

HASHED_PER_MS = "BENCH_HASHED_PER_MS"
"""Environment variable: bytes that a core hashes in a millisecond, measured once for all servers."""

_BLOCK = bytes(1 << 20)


def is_light(picture: Pixels) -> bool:
    """The decision of color-intensity.

    Args:
        picture: ``(height, width, 3)`` uint8 RGB or ``(height, width)`` uint8 grey.
    """
    sums = cv2.sumElems(picture)
    count = picture.shape[0] * picture.shape[1]
    if picture.ndim == 2:
        return bool(sums[0] / count >= 127)
    return bool((299 * sums[0] + 587 * sums[1] + 114 * sums[2]) / (1000 * count) >= 127)


def is_light_jpeg(data: Pixels) -> bool:
    """The same of a JPEG, ``(length,)`` uint8: its luma alone is decoded, as the decision needs no more."""
    picture = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise ValueError("not a JPEG")
    return is_light(picture.astype(np.uint8, copy=False))


class Model:
    """Costs 5 ms a call and 0.5 ms a frame, and says whether the pixel in the middle of each frame is light.

    Hashing is work that no processor skips, takes the same time for the same number of bytes and releases the GIL.
    """

    def __init__(self, hashed_per_ms: float | None = None) -> None:
        self._hashed_per_ms = float(os.environ[HASHED_PER_MS]) if hashed_per_ms is None else hashed_per_ms

    def __call__(self, frames: Sequence[Pixels]) -> list[bool]:
        """Judges a batch of frames, contiguous uint8 of any shape."""
        burn(int((CALL_MS + FRAME_MS * len(frames)) * self._hashed_per_ms))
        return [bool(frame.reshape(-1)[frame.size // 2] >= 127) for frame in frames]


def burn(hashed_bytes: int) -> None:
    """Hashes so many bytes, with the GIL released."""
    digest = hashlib.sha256()
    while hashed_bytes > 0:
        digest.update(_BLOCK if hashed_bytes >= len(_BLOCK) else _BLOCK[:hashed_bytes])
        hashed_bytes -= len(_BLOCK)


def spin(turns: int) -> int:
    """Turns of a Python loop, with the GIL held."""
    value = 0
    for turn in range(turns):
        value = (value * 31 + turn) & 0xFFFF
    return value


def hashed_per_ms() -> float:
    """How many bytes a core hashes in a millisecond when nothing disturbs it."""
    return (64 << 20) / min(_cpu_ms(burn, 64 << 20) for _ in range(10))


def turns_per_ms() -> float:
    """How many turns of :func:`spin` a core makes in a millisecond when nothing disturbs it."""
    return 500_000 / min(_cpu_ms(spin, 500_000) for _ in range(10))


def _cpu_ms(work: Callable[[int], object], amount: int) -> float:
    # CPU time leaves out what others took of the core; the least of several leaves out their heat and their caches.
    started = time.thread_time()
    work(amount)
    return (time.thread_time() - started) * 1000
