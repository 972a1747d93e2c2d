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

ROUNDS_PER_MS = "BENCH_ROUNDS_PER_MS"
"""Environment variable: rounds of hashing that a core makes in a millisecond, measured once for all servers."""


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

    def __init__(self, rounds_per_ms: float | None = None) -> None:
        self._rounds_per_ms = float(os.environ[ROUNDS_PER_MS]) if rounds_per_ms is None else rounds_per_ms

    def __call__(self, frames: Sequence[Pixels]) -> list[bool]:
        """Judges a batch of frames, contiguous uint8 of any shape."""
        burn(int((CALL_MS + FRAME_MS * len(frames)) * self._rounds_per_ms))
        return [bool(frame.reshape(-1)[frame.size // 2] >= 127) for frame in frames]


def burn(rounds: int) -> None:
    """Hashes so many rounds in one call, with the GIL released from its beginning to its end, as a model runs."""
    if rounds > 0:
        hashlib.pbkdf2_hmac("sha256", b"frame", b"wire", rounds)


def spin(turns: int) -> int:
    """Turns of a Python loop, with the GIL held."""
    value = 0
    for turn in range(turns):
        value = (value * 31 + turn) & 0xFFFF
    return value


def rounds_per_ms() -> float:
    """How many rounds of :func:`burn` a core makes in a millisecond when nothing disturbs it."""
    return 100_000 / min(_cpu_ms(burn, 100_000) for _ in range(10))


def turns_per_ms() -> float:
    """How many turns of :func:`spin` a core makes in a millisecond when nothing disturbs it."""
    return 500_000 / min(_cpu_ms(spin, 500_000) for _ in range(10))


def _cpu_ms(work: Callable[[int], object], amount: int) -> float:
    # CPU time leaves out what others took of the core; the least of several leaves out their heat and their caches.
    started = time.thread_time()
    work(amount)
    return (time.thread_time() - started) * 1000
