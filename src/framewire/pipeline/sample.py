"""What flows between the nodes of a pipeline."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from framewire.model.inference import Inference


class Picture(Protocol):
    """One decoded frame of a camera; `framewire.capture` makes them."""

    @property
    def timestamp(self) -> int:
        """Media time in ticks of 1/90,000 s since 1970, UTC."""

    @property
    def width(self) -> int:
        """Pixels."""

    @property
    def height(self) -> int:
        """Pixels."""

    def luma(self) -> npt.NDArray[np.uint8]:
        """(height, width) uint8, rows may be strided; valid as long as the picture is."""

    def rgb_scaled(self, width: int, height: int) -> npt.NDArray[np.uint8]:
        """(height, width, 3) uint8, RGB, contiguous, of the asked size; it belongs to the caller."""


WINDOW = 8
"""Frames of a source that waits that are on their way at once: as many as an extension is sent."""


class Ticket:
    """Says when nobody works on a frame any more: a source that must lose nothing waits for that.

    Args:
        window: Gets its place back at the end.
    """

    __slots__ = ("_count", "_lock", "_window")

    def __init__(self, window: threading.Semaphore) -> None:
        self._window = window
        self._count = 1
        self._lock = threading.Lock()

    def hold(self) -> None:
        """One more works on it."""
        with self._lock:
            self._count += 1

    def release(self) -> None:
        """One less; the last one gives the place back."""
        with self._lock:
            self._count -= 1
            is_last = self._count == 0
        if is_last:
            self._window.release()


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at a media time, beside the frames: what opens a gate.

    Args:
        timestamp: Media time in ticks of 1/90,000 s since 1970, UTC.
        body: Any JSON.
        properties: What is said about it.
    """

    timestamp: int
    body: Any = None
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class MediaSample:
    """A frame on its way through the graph, and what the nodes before have found in it.

    Args:
        picture: The frame.
        inferences: All that was found so far, in the order in which it was found.
        ticket: Of a source that waits; None of a live one.
        received_s: When the source had it decoded, by `time.monotonic`.
    """

    picture: Picture
    inferences: tuple[Inference, ...] = ()
    ticket: Ticket | None = None
    received_s: float = field(default_factory=time.monotonic)

    @property
    def timestamp(self) -> int:
        """Media time in ticks."""
        return self.picture.timestamp

    def hold(self) -> None:
        """Somebody keeps it beyond the call that brought it."""
        if self.ticket is not None:
            self.ticket.hold()

    def release(self) -> None:
        """Who kept it, is done."""
        if self.ticket is not None:
            self.ticket.release()

    def with_found(self, found: Sequence[Inference]) -> MediaSample:
        """The same frame with more inferences; one that is there already is not repeated."""
        new = tuple(one for one in found if one not in self.inferences) if self.inferences else tuple(found)
        return self._with(self.inferences + new) if new else self

    def without_inferences(self) -> MediaSample:
        """For an input that selects video alone."""
        return self._with(()) if self.inferences else self

    def _with(self, inferences: tuple[Inference, ...]) -> MediaSample:
        return MediaSample(self.picture, inferences, self.ticket, self.received_s)
